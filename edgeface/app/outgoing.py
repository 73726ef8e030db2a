"""What the site hears of this door: its events, out of the audit log into the durable outbox, and how it is. The log
is the source, so an event that was recorded is said, whatever crashes in between; its number in the log is its name,
so whoever hears it twice can tell. Names never were in it; scores are taken out."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edgeface.domain.events import CertificateExpiring, Event
from edgeface.ports import Clock

TURN_S = 1.0
GATHER_S = 0.1  # events come in bursts: one look into the log for all
BATCH = 500
DAY_S = 86_400.0
WARN_DAYS = 30.0

Kind = Literal["alarm", "door", "access", "telemetry"]
_ACCESS = ("access_granted", "access_denied", "spoof_refused", "tailgating_seen", "lockout_started", "lockout_ended")
_DOOR = ("door_unlocked", "door_locked", "door_tested", "command_run", "remote_command", "site_mode_changed",
         "daemon_started", "daemon_stopped")  # fmt: skip
_AT_HOME = (  # receipts say it
    "person_enrolled", "person_removed", "factors_changed", "gallery_in_step", "wrapping_key_renewed",
)  # fmt: skip
_LEFT_OUT = ("score", "margin", "prev", "hash")
TOPICS: dict[Kind, str] = {
    "alarm": "event/alarm",
    "door": "event/door",
    "access": "event/access",
    "telemetry": "telemetry",
}


@dataclass(frozen=True, slots=True)
class Message:
    """To be kept until the broker has it. `id` names it for its receivers."""

    id: str
    kind: Kind
    payload: bytes = field(repr=False)


class Log(Protocol):
    """The audit log, as its reader sees it."""

    def read(self, since: int) -> Iterable[dict[str, object]]: ...


def kind_of(event: str) -> Kind | None:
    """Where an event goes; None: it stays here. What is not known is an alarm."""
    if event in _AT_HOME:
        return None
    return "access" if event in _ACCESS else "door" if event in _DOOR else "alarm"


class Outgoing:
    """A worker. `keep` makes messages durable; `forwarded` and `set_forwarded` remember, durably, how far the log was
    read; `telemetry` says how the door is; `days_left` is that of the certificate."""

    def __init__(
        self,
        device: str,
        log: Log,
        keep: Callable[[Sequence[Message]], None],
        forwarded: int,
        set_forwarded: Callable[[int], None],
        telemetry: Callable[[], dict[str, object]],
        days_left: Callable[[], float | None],
        record: Callable[[Iterable[Event]], None],
        clock: Clock,
        every_s: float,
    ) -> None:
        self._device, self._log, self._keep, self._clock = device, log, keep, clock
        self._forwarded, self._set_forwarded = forwarded, set_forwarded
        self._telemetry, self._days_left, self._record, self._every_s = telemetry, days_left, record, every_s
        self._next_telemetry_s = clock.monotonic_s()
        self._warned_s: float | None = None
        self._poked = threading.Event()
        self._poked.set()

    def poke(self, _event: Event) -> None:
        """Something was recorded; quick, from any thread."""
        self._poked.set()

    def work(self, stop: threading.Event) -> None:
        """Raises StorageError; begun again, it goes on where it was."""
        while not stop.is_set():
            if self._poked.wait(TURN_S) and not stop.wait(GATHER_S):
                self._poked.clear()
                self.forward()
            self.report()

    def forward(self) -> None:
        """Everything that the log has gained."""
        found: list[Message] = []
        last = self._forwarded
        for entry in self._log.read(last):
            seq = entry.get("seq")
            if not isinstance(seq, int):
                continue
            last = max(last, seq)
            kind = kind_of(str(entry.get("event")))
            if kind is not None:
                said = {"id": f"{self._device}-{seq}"} | {k: v for k, v in entry.items() if k not in _LEFT_OUT}
                found.append(Message(str(said["id"]), kind, _json(said)))
        if last == self._forwarded:
            return
        for i in range(0, len(found), BATCH):
            self._keep(found[i : i + BATCH])
        self._set_forwarded(last)
        self._forwarded = last

    def report(self) -> None:
        """Telemetry and the certificate's end, where they are due."""
        now = self._clock.monotonic_s()
        if now < self._next_telemetry_s:
            return
        self._next_telemetry_s = now + self._every_s
        at = self._clock.utc().isoformat()
        number = secrets.token_hex(8)  # not the time: without a battery every start has the same
        said = {"id": f"{self._device}-t-{number}", "at": at, **self._telemetry()}
        self._keep([Message(str(said["id"]), "telemetry", _json(said))])
        days = self._days_left() if self._clock.is_set() else None
        if days is not None and days < WARN_DAYS and (self._warned_s is None or now - self._warned_s >= DAY_S):
            self._warned_s = now
            self._record([CertificateExpiring(now, max(0, int(days)))])


def _json(said: dict[str, object]) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False, default=str).encode()
