"""Checks of what the door is made of: settings, models, key, gallery, log, camera, relay, site, units."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from edgeface.app import wiring, wiring_door, wiring_tools
from edgeface.app.doctor.finding import Context, Finding, State
from edgeface.domain.errors import AuditBroken, EdgefaceError, EndOfStream

LOOK_S = 2.0
FIRST_S = 5.0  # a camera takes its time
FULL_RATE = 0.8  # of what was asked for
LEAST_FPS = 15.0  # a blink is over in fewer pictures otherwise
DARK, BRIGHT = 40.0, 215.0  # mean grey value of a picture
MOST_EXPOSURE = {"edgeface.service": 1.6, "edgeface-doord.service": 1.3}
CERTIFICATE_DAYS = 30
DRY = ("recording", "simboard")


def models(context: Context) -> Iterator[Finding]:
    try:
        wiring_tools.check_models(context.settings)
    except EdgefaceError as e:
        yield Finding("models", "models", "wrong", e.message, e.advice)
        return
    yield Finding("models", "models", "fine", f"All models in {context.settings.models_folder} are the pinned ones.")


def people(context: Context) -> Iterator[Finding]:
    """Key, gallery, threshold."""
    settings = context.settings
    if not settings.key_file.exists() and not settings.gallery_path.exists():
        yield Finding(
            "people", "gallery", "note", "Nobody is enrolled yet.", "edgeface enroll NAME, or edgeface pair for a site."
        )
        return
    store = None
    try:
        keys = wiring.open_keys(settings, create=False)
        yield Finding("people", "device key", "fine", f"The device key is at {settings.key_file} and nobody else's.")
        store = wiring.open_gallery(settings, keys)
        found = store.check()
    except EdgefaceError as e:
        yield Finding("people", "gallery", "wrong", e.message, e.advice)
        return
    finally:
        if store is not None:
            store.close()
    if found.sound:
        yield Finding("people", "gallery", "fine", f"{found.people} people, every record authentic.")
    else:
        named = ", ".join([*found.damaged, *found.findings][:3])
        yield Finding(
            "people", "gallery", "wrong", f"{len(found.damaged)} of {found.people} records are damaged: {named}.",
            "Enrol these people anew, or restore a backup.",
        )  # fmt: skip


def log(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if not settings.audit_folder.exists():
        yield Finding("log", "audit log", "note", "There is no audit log yet: the daemon never ran here.")
        return
    try:
        keys = wiring.open_keys(settings, create=False)
        verified = wiring.audit_reader(settings, keys).verify()
    except AuditBroken as e:
        yield Finding(
            "log", "audit log", "wrong", e.message, e.advice or "Keep the files: somebody may have changed them."
        )
        return
    except EdgefaceError as e:
        yield Finding("log", "audit log", "wrong", e.message, e.advice)
        return
    yield Finding("log", "audit log", "fine", f"{verified.count} entries, the chain holds.")


def camera(context: Context) -> Iterator[Finding]:
    found = _running_camera(context) if context.ask is not None else _own_camera(context)
    yield from found


def _running_camera(context: Context) -> Iterator[Finding]:
    assert context.ask is not None
    first = context.ask("status")["camera"]
    began_s = time.monotonic()
    time.sleep(LOOK_S)
    then = context.ask("status")["camera"]
    spent_s = time.monotonic() - began_s
    if not then["ok"]:
        yield Finding(
            "camera", "camera", "wrong", "The running door has no picture.",
            "`journalctl -u edgeface` says why; is the cable in?",
        )  # fmt: skip
        return
    seen = (then["frames"] + then["not_looked_at"]) - (first["frames"] + first["not_looked_at"])
    yield from _judged(context, str(then["name"]), tuple(then["size"]), seen / spent_s, None)


def _own_camera(context: Context) -> Iterator[Finding]:
    camera = wiring.open_camera(context.settings)
    frames, brightness = 0, None
    try:
        info = camera.open()
        camera.read(FIRST_S)
        began_s = time.monotonic()
        while time.monotonic() - began_s < LOOK_S:
            frame = camera.read(FIRST_S)
            frames += 1
            brightness = float(frame.pixels[::8, ::8].mean())
        spent_s = time.monotonic() - began_s
    except EndOfStream:
        yield Finding("camera", "camera", "note", "The camera is a recording, and a short one.")
        return
    except EdgefaceError as e:
        yield Finding("camera", "camera", "wrong", e.message, e.advice)
        return
    finally:
        camera.close()
    yield from _judged(context, info.name, (info.width, info.height), frames / spent_s, brightness)


def _judged(
    context: Context, name: str, size: tuple[int, ...], rate: float, brightness: float | None
) -> Iterator[Finding]:
    wanted = context.settings.camera
    told = f"{name}, {size[0]} x {size[1]} at {rate:.0f} pictures a second"
    if rate < LEAST_FPS:
        yield Finding(
            "camera", "camera", "wrong", f"{told}: too few for a blink to be seen.",
            "More light shortens the exposure; ask for a smaller picture; see `v4l2-ctl --list-formats-ext`.",
        )  # fmt: skip
    elif rate < FULL_RATE * wanted.fps and not wanted.source.startswith("replay:"):
        yield Finding(
            "camera", "camera", "note", f"{told}, of {wanted.fps:.0f} that were asked for.",
            "More light shortens the exposure; or ask for what the camera has.",
        )  # fmt: skip
    else:
        yield Finding("camera", "camera", "fine", f"{told}.")
    if brightness is not None:
        state: State = "fine" if DARK <= brightness <= BRIGHT else "note"
        advice = {"fine": "", "note": "Light the place where people stand, from the front."}[state]
        word = "too dark" if brightness < DARK else "too bright" if brightness > BRIGHT else "in range"
        yield Finding(
            "camera", "light", state, f"The picture's mean brightness is {brightness:.0f} of 255: {word}.", advice
        )


def door(context: Context) -> Iterator[Finding]:
    settings = context.settings.door
    try:
        wiring_door.require_right_pins(context.settings)
    except EdgefaceError as e:
        yield Finding("door", "pins", "wrong", e.message, e.advice)
    else:
        yield Finding(
            "door", "pins", "fine", f"Relay by {settings.driver}; the pins agree with the board and each other."
        )
    if settings.driver in DRY:
        yield Finding(
            "door", "relay", "note", f"door.driver is {settings.driver}: no relay moves.",
            "Set door.driver and door.pin for the real one.",
        )  # fmt: skip
    if context.ask is None:
        yield Finding("door", "door process", "unknown", "The daemon isn't running: nobody asked the door process.")
        return
    told = context.ask("status")["door"]
    if not told["reachable"]:
        yield Finding(
            "door", "door process", "wrong", f"The door process does not answer: {told['detail']}",
            "systemctl status edgeface-doord",
        )  # fmt: skip
        return
    alarms = ", ".join(told["alarms"])
    if alarms:
        yield Finding(
            "door", "door process", "wrong", f"The door reports: {alarms}.", "Look at the door and its inputs."
        )
    state: State = "fine" if told["mode"] == "normal" else "note"
    locked = "locked" if told["locked"] else "open"
    yield Finding("door", "door process", state, f"The door process answers: {locked}, mode {told['mode']}.")


def decision(context: Context) -> Iterator[Finding]:
    if context.ask is None:
        yield Finding("decision", "threshold", "unknown", "The daemon isn't running: it works out the threshold.")
        return
    status = context.ask("status")
    sentence = str(status["threshold"]["sentence"])
    doubtful = "no rate is promised" in sentence or "vouch for" in sentence
    yield Finding("decision", "threshold", "note" if doubtful else "fine", sentence)
    for name, text in dict(status["alarms"]).items():
        yield Finding("decision", f"alarm {name}", "wrong", str(text))
    if status["audit_fault"]:
        yield Finding(
            "log", "audit log", "wrong", str(status["audit_fault"]), "Nothing opens until it is written again."
        )


def site(context: Context) -> Iterator[Finding]:
    if context.ask is None:
        yield Finding(
            "site", "site", "unknown", "The daemon isn't running: whether it reaches its broker wasn't asked."
        )
        return
    told: dict[str, Any] | None = context.ask("status")["site"]
    if told is None:
        yield Finding("site", "site", "fine", "This door belongs to no site; its people are enrolled here.")
        return
    if told["connected"]:
        yield Finding("site", "broker", "fine", f"Connected to the broker of {told['name']}.")
    else:
        yield Finding(
            "site", "broker", "wrong", f"No connection to the site's broker: {told['fault']}", "Is it reachable?"
        )
    if told["in_step"]:
        yield Finding("site", "gallery", "fine", f"In step: manifest {told['manifest']}, {told['people']} people.")
    else:
        yield Finding(
            "site", "gallery", "wrong", f"Behind the site by {told['shards_behind']} shards; confirmed "
            f"{told['confirmed_s_ago'] or 'never'} s ago.", "Does the site's agent run? `edgeface admin status` there.",
        )  # fmt: skip
    days = told["certificate_days_left"]
    if days is not None and days < CERTIFICATE_DAYS:
        state: State = "wrong" if days < 1 else "note"
        yield Finding(
            "site", "certificate", state, f"The door's certificate ends in {days:.0f} days.",
            "`edgeface pair` again, and `edgeface admin device add` for the same door.",
        )  # fmt: skip
    elif days is not None:
        yield Finding("site", "certificate", "fine", f"The door's certificate holds for {days:.0f} days.")
    if told["refused"]:
        refusals = ", ".join(f"{k} {v}" for k, v in sorted(told["refusals"].items()))
        yield Finding("site", "messages", "note", f"{told['refused']} messages were refused: {refusals}.",
                      "Somebody forges or replays, or a signer was removed: ask the site's owner.")  # fmt: skip


def units(context: Context) -> Iterator[Finding]:
    for name, most in MOST_EXPOSURE.items():
        told = context.machine.unit(name)
        if not told:
            yield Finding("system", name, "unknown", "There is no systemd here, or it does not answer.")
            continue
        if told.get("LoadState") != "loaded":
            yield Finding("system", name, "note", f"{name} is not installed.", "scripts/install.sh installs the units.")
            continue
        active, enabled = told.get("ActiveState", ""), told.get("UnitFileState", "")
        restarts = int(told.get("NRestarts") or 0)
        wrong = active != "active" or enabled not in ("enabled", "static", "indirect")
        state: State = "wrong" if wrong else "note" if restarts > 3 else "fine"
        advice = f"systemctl enable --now {name}" if wrong else f"journalctl -u {name}" if state == "note" else ""
        yield Finding("system", name, state, f"{active}, {enabled}, restarted {restarts} times since boot.", advice)
        open_ = context.machine.exposure(name)
        if open_ is not None:
            fits = open_ <= most
            yield Finding(
                "system", f"sandbox of {name}", "fine" if fits else "wrong", f"Exposure {open_:g} (at most {most:g}).",
                "" if fits else "A drop-in loosened the unit: systemctl cat " + name,
            )  # fmt: skip


PARTS = (models, people, log, camera, door, decision, site, units)
