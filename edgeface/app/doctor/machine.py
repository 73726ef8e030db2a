"""Checks of the machine under the door: board, heat, clock, disk."""

from __future__ import annotations

from collections.abc import Iterator

from edgeface.app.doctor.finding import Context, Finding, State

SET_S = 1_767_225_600  # 2026-01-01: a clock that shows less was never set
LITTLE_MEMORY_MB = 900
HOT_C, WARM_C = 80.0, 70.0
LOW_DISK = 256 << 20
FULL_DISK = 64 << 20


def board(context: Context) -> Iterator[Finding]:
    m = context.machine
    name = m.board() or "a board that doesn't say which"
    yield Finding("machine", "board", "fine", f"{name}; {m.system()}.")
    memory = m.memory_mb()
    if memory is None:
        yield Finding("machine", "memory", "unknown", "The machine doesn't say how much memory it has.")
    elif memory < LITTLE_MEMORY_MB:
        yield Finding(
            "machine", "memory", "note", f"{memory} MB of memory.", "1 GB or more is what edgeface is measured with."
        )
    else:
        yield Finding("machine", "memory", "fine", f"{memory} MB of memory.")


def heat(context: Context) -> Iterator[Finding]:
    m = context.machine
    degrees, limits = m.temperature_c(), m.throttled()
    if degrees is None:
        yield Finding("machine", "temperature", "unknown", "The machine doesn't tell its temperature.")
    else:
        state: State = "wrong" if degrees >= HOT_C else "note" if degrees >= WARM_C else "fine"
        advice = "Give the board a heat sink, shade and air." if state != "fine" else ""
        yield Finding("machine", "temperature", state, f"{degrees:.0f} °C at the hottest place.", advice)
    if limits is None:
        yield Finding("machine", "throttling", "unknown", "The firmware doesn't say whether it throttles.")
    elif limits:
        advice = (
            "Use the board's own power supply and a short cable." if "undervoltage" in limits else "Cool the board."
        )
        yield Finding("machine", "throttling", "wrong", f"The firmware limits the board: {', '.join(limits)}.", advice)
    else:
        yield Finding("machine", "throttling", "fine", "The firmware limits nothing.")


def clock(context: Context) -> Iterator[Finding]:
    m = context.machine
    told = m.time_status()
    if m.utc_s() < SET_S:
        yield Finding(
            "clock", "time", "wrong", "The clock was never set: schedules and validity deny everybody.",
            "Connect the device to a network with NTP, or fit a real-time clock.",
        )  # fmt: skip
    elif told.get("NTPSynchronized") == "yes":
        yield Finding("clock", "time", "fine", "The clock is kept right over the network.")
    elif told.get("NTP") == "yes":
        yield Finding(
            "clock", "time", "note", "The clock waits for an NTP server.",
            "Is one reachable? `timedatectl timesync-status` says.",
        )  # fmt: skip
    elif told:
        yield Finding(
            "clock",
            "time",
            "note",
            "Nothing keeps the clock right.",
            "timedatectl set-ntp true (where there is a network).",
        )
    else:
        yield Finding("clock", "time", "unknown", "This machine doesn't say whether its clock is kept right.")
    if m.has_rtc():
        yield Finding("clock", "real-time clock", "fine", "There is a real-time clock.")
    else:
        yield Finding(
            "clock", "real-time clock", "note", "There is no real-time clock: after a power cut without network the "
            "time is that of the last shutdown, and schedules go by it.", "Fit one, or make sure of the network.",
        )  # fmt: skip
    zone = told.get("Timezone", "")
    wanted = context.settings.time_zone
    if zone and zone not in (wanted, f"Etc/{wanted}"):
        yield Finding(
            "clock", "time zone", "note", f"Schedules are in {wanted}, the system's zone is {zone}.",
            "Set time_zone to the door's own zone, if schedules matter here.",
        )  # fmt: skip
    else:
        yield Finding("clock", "time zone", "fine", f"Schedules are in {wanted}.")


def disk(context: Context) -> Iterator[Finding]:
    found = context.machine.disk(str(context.settings.state_dir))
    if found is None:
        yield Finding("disk", "space", "unknown", f"{context.settings.state_dir} can't be looked at.")
        return
    free = found["free"] >> 20
    if found["read_only"]:
        yield Finding(
            "disk", "space", "wrong", f"{context.settings.state_dir} is on a read-only file system: nothing can be "
            "recorded, so nothing opens.", "Give it a partition of its own that can be written.",
        )  # fmt: skip
    else:
        state: State = "wrong" if found["free"] < FULL_DISK else "note" if found["free"] < LOW_DISK else "fine"
        advice = "Free space: the audit log keeps its own reserve, other things don't." if state != "fine" else ""
        yield Finding("disk", "space", state, f"{free} MB are free for {context.settings.state_dir}.", advice)
    if found["type"] in ("tmpfs", "ramfs", "overlay"):
        yield Finding(
            "disk", "kind", "wrong", f"{context.settings.state_dir} is in memory ({found['type']}): people and log are "
            "gone after a restart.", "Mount a partition there, or set state_dir to one.",
        )  # fmt: skip
    wear = context.machine.wear(found["device"]) if found["device"] else None
    if wear is None:
        yield Finding("disk", "wear", "unknown", "The card doesn't tell how worn it is.")
    else:
        worn = "used up" in wear or "90 to" in wear or "80 to" in wear
        yield Finding(
            "disk", "wear", "wrong" if worn else "fine", f"By its own estimate {wear}.",
            "Replace the card; `edgeface gallery backup` first." if worn else "",
        )  # fmt: skip


def watchdog(context: Context) -> Iterator[Finding]:
    told = context.machine.watchdog()
    if told is None:
        yield Finding(
            "machine", "hardware watchdog", "note", "There is no hardware watchdog: a board that hangs stays so.",
            "On a Pi: dtparam=watchdog=on, and RuntimeWatchdogSec=15 in /etc/systemd/system.conf.",
        )  # fmt: skip
    elif told in ("", "0", "infinity"):
        yield Finding(
            "machine", "hardware watchdog", "note", "The hardware watchdog is not used.",
            "RuntimeWatchdogSec=15 in /etc/systemd/system.conf.",
        )  # fmt: skip
    else:
        yield Finding("machine", "hardware watchdog", "fine", f"A board that hangs is reset after {told}.")


MACHINE = (board, heat, clock, disk, watchdog)
