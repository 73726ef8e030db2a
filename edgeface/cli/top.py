"""`edgeface top`: the running door, live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeface.app.logs import clean_text
from edgeface.app.settings import load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json
from edgeface.control.client import ControlClient
from edgeface.domain.measures import Distribution

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(help="Watch the running door live.")
Report = dict[str, Any]


@app.command(epilog=examples("edgeface top", "edgeface top --once", "edgeface top --json"))
def top(
    interval_s: Annotated[float, typer.Option("--interval", min=0.2, max=60, help="Seconds between updates.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One look over one interval, then end.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the running door live: pictures a second, stages, last decisions, camera, door, temperature, disk.

    Ends with Ctrl-C. With --json one reading of all counters is printed."""
    with ControlClient(load_settings(config).control_socket) as client:
        if as_json:
            print_json({"status": client.call("status"), "measures": client.call("measures")})
            return
        from rich.console import Console
        from rich.live import Live

        console = Console()
        if once:
            console.print(next(_views(client, interval_s)))
            return
        try:
            with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
                for view in _views(client, interval_s):
                    live.update(view, refresh=True)
        except KeyboardInterrupt:
            pass


def _views(client: ControlClient, interval_s: float) -> Iterator[RenderableType]:
    before = client.call("measures")
    while True:
        time.sleep(interval_s)
        now = client.call("measures")
        yield view(client.call("status"), before, now)
        before = now


def view(status: dict[str, Any], before: Report, now: Report) -> RenderableType:
    """The screen, from the daemon's status and two readings of its counters."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def table(*columns: str) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold")
        for i, column in enumerate(columns):
            made.add_column(column, justify="left" if i == 0 else "right")
        return made

    facts = Table(box=None, show_header=False, pad_edge=False)
    for what, sentence in _facts(status, before, now):
        facts.add_row(Text(what, style="bold"), Text(clean_text(sentence)))
    stages = table("stage", "1/s", "median ms", "95 % ms", "since start, median ms")
    for row in _stages(before, now):
        stages.add_row(*row)
    decisions = table("decision", "ago s", "after ms", "person")
    for x in reversed(now["last"]):
        style = "green" if x["decision"] == "granted" else "yellow"
        person = Text(clean_text(str(x["person"] or "")))
        decisions.add_row(Text(x["decision"], style=style), f"{x['ago_s']:.0f}", str(x["evidence_ms"]), person)
    counted = ", ".join(f"{reason} {n}" for reason, n in sorted(now["decisions"].items())) or "none yet"
    return Group(facts, Text(), stages, Text(), Text(f"Decisions since the start: {counted}"), decisions)


def _facts(status: dict[str, Any], before: Report, now: Report) -> list[tuple[str, str]]:
    camera, door, machine, gallery = status["camera"], status["door"], now["machine"], status["gallery"]
    lost = ", ".join(f"{fault} {n}" for fault, n in sorted(now["camera_faults"].items()))
    age = _quantile_ms(_distribution(now["grant_age"]), 0.95)
    looked = _rate(before, now, "frames")
    if door["reachable"]:
        at = f"{'locked' if door['locked'] else 'UNLOCKED by ' + str(door['held_by'])}, mode {door['mode']}"
        at += f", ALARM: {', '.join(door['alarms'])}" if door["alarms"] else ""
    else:
        at = f"NOT REACHABLE. {door['detail']}"
    return [
        ("door", f"{status['door_name']}: {at}"),
        ("camera", f"{'fine' if camera['ok'] else 'NO PICTURE'}, {camera['name']}, {looked:.1f} looked at a second, "
                   f"{_rate(before, now, 'not_looked_at'):.1f} replaced by newer ones, "
                   f"{now['looked_at_too_late']} too late" + (f"; lost: {lost}" if lost else "")),
        ("frame age at grant", "no grant yet" if age == "-" else f"95 % within {age} ms"),
        ("people", f"{gallery['people']} with {gallery['templates']} templates, {len(gallery['damaged'])} damaged"),
        ("audit log", status["audit_fault"] or "fine"),
        ("queues", ", ".join(f"{queue} {n}" for queue, n in now["queues"].items())),
        ("machine", _machine(machine)),
        *((f"ALARM {alarm}", sentence) for alarm, sentence in status["alarms"].items()),
        ("running for", f"{status['uptime_s']:.0f} s, version {status['version']}"),
    ]  # fmt: skip


def _machine(m: dict[str, Any]) -> str:
    heat = "temperature unknown" if m["temperature_c"] is None else f"{m['temperature_c']:.0f} °C"
    limits = f", {', '.join(m['throttled'])}" if m["throttled"] else ""
    disk = "disk unknown" if m["disk_free_bytes"] is None else f"{m['disk_free_bytes'] >> 20} MiB of disk free"
    memory = "" if m["rss_bytes"] is None else f", {m['rss_bytes'] >> 20} MiB of memory taken"
    return f"{heat}{limits}, {disk}{memory}"


def _stages(before: Report, now: Report) -> Iterator[tuple[str, ...]]:
    seconds = max(0.001, now["t_s"] - before["t_s"])
    for stage, counts in now["stages"].items():
        whole = _distribution(counts)
        recent = whole.since(_distribution(before["stages"][stage])) if stage in before["stages"] else whole
        yield (
            stage,
            f"{recent.count / seconds:.1f}",
            _quantile_ms(recent, 0.5),
            _quantile_ms(recent, 0.95),
            _quantile_ms(whole, 0.5),
        )


def _distribution(found: dict[str, Any]) -> Distribution:
    return Distribution(tuple(found["bounds_s"]), tuple(found["counts"]), found["total_s"])


def _quantile_ms(found: Distribution, share: float) -> str:
    value = found.quantile(share)
    return "-" if value is None else f"{value * 1000:.1f}"


def _rate(before: Report, now: Report, key: str) -> float:
    return float(now[key] - before[key]) / max(0.001, float(now["t_s"] - before["t_s"]))
