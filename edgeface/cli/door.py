"""`edgeface door`: test, lock and look at the door, through the running daemon."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgeface.app.settings import load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say
from edgeface.control.client import ControlClient
from edgeface.domain.door_rules import Mode

_MODES = {
    Mode.NORMAL: "The door opens for those who may enter.",
    Mode.LOCKDOWN: "The door is in lockdown: nobody enters until `edgeface door mode normal`.",
    Mode.FREE_ACCESS: "The door is open for everybody until `edgeface door mode normal`.",
}
app = typer.Typer(help="Test, lock and look at the door.", no_args_is_help=True)


@app.command(epilog=examples("edgeface door test", "edgeface door test --pulse-ms 1000"))
def test(
    pulse_ms: Annotated[int, typer.Option(min=1, help="How long the relay stays closed.")] = 500,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pulse the relay once, so that you hear it click. The test is written to the audit log."""
    with ControlClient(load_settings(config).control_socket) as client:
        answer = client.call("door.test", pulse_ms=pulse_ms)
    _tell(answer, as_json, f"The relay was closed for {answer['pulse_ms']} ms. Did it click?")


@app.command(epilog=examples("edgeface door lock"))
def lock(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Lock now, ending any pulse."""
    with ControlClient(load_settings(config).control_socket) as client:
        answer = client.call("door.lock")
    _tell(answer, as_json, "The door is locked.")


@app.command(epilog=examples("edgeface door mode lockdown", "edgeface door mode normal"))
def mode(
    mode: Annotated[Mode, typer.Argument(help="normal, lockdown (nobody enters) or free_access (everybody does).")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the door's mode. It stays until it is changed, also across restarts and power cuts."""
    with ControlClient(load_settings(config).control_socket) as client:
        answer = client.call("door.mode", mode=mode.value)
    _tell(answer, as_json, _MODES[mode])


@app.command(epilog=examples("edgeface door options", "edgeface door options > /etc/edgeface/doord.env"))
def options(config: ConfigOption = None) -> None:
    """Print the door process's options as these settings have them: the environment file of its systemd unit."""
    from edgeface.app.wiring_door import doord_environment

    for line in doord_environment(load_settings(config)):
        typer.echo(line)


@app.command(epilog=examples("edgeface door status", "edgeface door status --json"))
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how the door, the camera and the gallery are. Ends with 69 where the door process can't be reached."""
    with ControlClient(load_settings(config).control_socket) as client:
        answer = client.call("status")
    if as_json:
        print_json(answer)
    else:
        print_table(("", ""), _rows(answer))
    if not answer["door"]["reachable"]:
        raise typer.Exit(69)


def _tell(answer: object, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(answer)
    else:
        say(sentence)


def _site(site: dict[str, Any] | None) -> list[tuple[str, str]]:
    if site is None:
        return []
    link = "connected" if site["connected"] else f"NOT CONNECTED. {site['fault']}"
    if not site["member"]:
        step = "THIS DOOR WAS REMOVED FROM ITS SITE: nobody is let in"
    elif site["in_step"]:
        step = f"in step at version {site['manifest']}"
    else:
        step = f"BEHIND: {site['shards_behind']} of 256 parts differ from version {site['manifest']}"
    ago = "never since start" if site["confirmed_s_ago"] is None else f"{site['confirmed_s_ago']:.0f} s ago"
    rows = [
        ("site", f"{site['name']}, {site['code']}, mode {site['mode']}"),
        ("link", f"{link}; {site['outbox']['waiting']} messages wait"),
        ("gallery", f"{step}; {site['gallery']}, confirmed by the site {ago}"),
    ]
    if home := site["home_assistant"]:
        told = "told of this door" if home["announced"] else "not told of this door yet"
        rows.append(("home assistant", f"{told}; {'MAY UNLOCK IT' if home['may_unlock'] else 'can not unlock it'}"))
    if site["refused"]:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(site["refusals"].items()))
        rows.append(("refused", f"{site['refused']} messages: {counts}"))
    if site["not_stored"]:
        rows.append(("disk", f"{site['not_stored']} messages could not be stored yet"))
    return rows


def _rows(s: dict[str, Any]) -> list[tuple[str, str]]:
    door, camera, gallery = s["door"], s["camera"], s["gallery"]
    size = "x".join(map(str, camera["size"])) if camera["size"] else "size unknown"
    seen = "fine" if camera["ok"] else "NO PICTURE"
    held = f"{'locked' if door.get('locked') else 'UNLOCKED by ' + str(door.get('held_by'))}, mode {door.get('mode')}"
    held += f", {door['contact']}" if door.get("contact") else ""
    held += f", ALARM: {', '.join(door['alarms'])}" if door.get("alarms") else ""
    return [
        ("door", f"{s['door_name']}: {held if door['reachable'] else 'NOT REACHABLE. ' + door['detail']}"),
        ("camera", f"{seen}, {camera['name']}, {size}, {camera['frames']} frames seen"),
        ("people", f"{gallery['people']} with {gallery['templates']} templates, {len(gallery['damaged'])} damaged"),
        ("threshold", s["threshold"]["sentence"]),
        ("audit log", s["audit_fault"] or "fine"),
        *((f"ALARM {alarm}", sentence) for alarm, sentence in s["alarms"].items()),
        *_site(s.get("site")),
        ("running for", f"{s['uptime_s']:.0f} s, version {s['version']}"),
    ]
