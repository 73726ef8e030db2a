"""The door process's state machine: one relay, one client, one pulse at a time. Stdlib alone, because doord may not
load numpy. Time is an argument, in seconds of one monotonic clock.

Every input gives an `Outcome`. The caller carries out its actions in order, *then* reports its facts. Where an action
fails (the pin can't be driven), the caller drops that outcome's facts, calls `fault` and reports that one's instead.

    locked --grant--> granted --deadline, lock, client gone, silent or talking nonsense, fault--> locked
    lockdown refuses every grant until the mode changes; free access stays unlocked until anything locks.

Fail-secure: whatever is doubtful (a clock that runs backwards, a client that fell silent while its packets queued)
ends in locked."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

REMEMBERED_GRANTS = 1024  # ids that were carried out and are refused when they come again
SILENCE_MS = 700  # three missed pings of 200 ms, and some
LONGEST_PULSE_MS = 60_000  # no setting may ask for a longer unattended pulse than a minute

_GRANT_ID = re.compile(r"[0-9a-f]{32}")


class Mode(str, Enum):
    NORMAL = "normal"
    LOCKDOWN = "lockdown"
    FREE_ACCESS = "free_access"


class Refused(str, Enum):
    """Refusal codes of the door socket that the machine itself gives (docs/design.md, 10.4)."""

    LOCKDOWN = "lockdown"
    CAP_EXCEEDED = "cap_exceeded"
    REPEATED_ID = "repeated_id"
    PULSE_RUNNING = "pulse_running"
    FAULT = "fault"
    MALFORMED = "malformed"
    NOT_ALLOWED = "not_allowed"


@dataclass(frozen=True, slots=True)
class Energise:
    """Drive the relay: True unlocks, False locks. False is repeated freely, it asserts the level."""

    on: bool


@dataclass(frozen=True, slots=True)
class Unlocked:
    """`grant_id` is empty and `pulse_ms` 0 where free access unlocked the door."""

    grant_id: str
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class Locked:
    """`cause` is one of DoorLocked's; `relocked`: the machine could not trust its clock or its pin."""

    cause: str
    grant_id: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Refused
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`refusal` is None where the input was accepted. `drop_client`: close the connection after answering."""

    actions: tuple[Energise, ...] = ()
    facts: tuple[Unlocked | Locked, ...] = ()
    refusal: Refusal | None = None
    drop_client: bool = False


class DoorMachine:
    """Starts locked: carry out `start()` before anything else. Not thread-safe; one loop owns it."""

    def __init__(self, max_pulse_ms: int, now_s: float, *, silence_ms: int = SILENCE_MS) -> None:
        if not 1 <= max_pulse_ms <= LONGEST_PULSE_MS:
            raise ValueError(f"max_pulse_ms must be 1 to {LONGEST_PULSE_MS}, not {max_pulse_ms}")
        if silence_ms < 1:
            raise ValueError(f"silence_ms must be at least 1, not {silence_ms}")
        self._max_pulse_ms = max_pulse_ms
        self._silence_s = silence_ms / 1000
        self._last_s = now_s
        self._mode = Mode.NORMAL
        self._energised = False
        self._grant_id: str | None = None
        self._until_s: float | None = None  # of the running pulse
        self._heard_s: float | None = None  # None: no client
        self._fault = ""
        self._seen: OrderedDict[str, None] = OrderedDict()

    # -- what it is now ---------------------------------------------------------------------------------------

    @property
    def locked(self) -> bool:
        return not self._energised

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def grant_id(self) -> str | None:
        """Of the running pulse."""
        return self._grant_id

    @property
    def detail(self) -> str:
        """A sentence about the standing fault; empty where there is none."""
        return self._fault

    @property
    def max_pulse_ms(self) -> int:
        return self._max_pulse_ms

    @property
    def next_deadline_s(self) -> float | None:
        """When `tick` must be called at the latest; None where nothing is pending."""
        pending = [] if self._until_s is None else [self._until_s]
        if self._heard_s is not None:
            pending.append(self._heard_s + self._silence_s)
        return min(pending, default=None)

    # -- inputs -----------------------------------------------------------------------------------------------

    def start(self) -> Outcome:
        """Asserts the locked level once, at the start of the process."""
        return Outcome((Energise(False),), (Locked("starting", None),))

    def tick(self, now_s: float) -> Outcome:
        """Ends what is due: the pulse at its deadline, a silent client. Call it at `next_deadline_s`, or oftener."""
        backwards = self._runs_backwards(now_s)
        self._last_s = now_s if math.isfinite(now_s) else self._last_s
        if backwards:  # how long the pulse has run is unknown now, and so is the client's silence
            if self._heard_s is not None:
                self._heard_s = min(self._heard_s, self._last_s)
            return self._lock("relocked") if self._energised else Outcome()
        if self._until_s is not None and now_s >= self._until_s:
            ended = self._lock("pulse_ended")
            return self._dropped(ended) if self._is_silent(now_s) else ended
        if self._is_silent(now_s):
            return self._dropped(self._lock("client_silent"))
        return Outcome()

    def heard(self, now_s: float) -> Outcome:
        """A well-formed packet of the client, its first one included. Packets that queued while this process was held
        up come too late: the client counts as silent, and is dropped."""
        due = self.tick(now_s)
        if not due.drop_client:
            self._heard_s = self._last_s
        return due

    def held_up(self, for_s: float) -> None:
        """This whole process was held up for so long (a starved machine), so the client's silence in that time
        says nothing about the client. The pulse's deadline stands."""
        if self._heard_s is not None and math.isfinite(for_s) and for_s > 0:
            self._heard_s = min(self._last_s + for_s, self._heard_s + for_s)

    def grant(self, grant_id: object, pulse_ms: object, now_s: float) -> Outcome:
        """One pulse of `pulse_ms`; both arguments are as parsed from JSON, their types are checked here. Counts as a
        packet heard. A refusal leaves the relay as it was, but a malformed grant locks, as every malformed packet
        does. An id counts as used once its pulse has begun."""
        backwards = self._runs_backwards(now_s)
        due = self.heard(now_s)
        if due.drop_client or backwards:
            why = "the door process was held up or its clock ran backwards: this grant may be stale"
            return self._after(due, self._refuse(Refused.NOT_ALLOWED, why))
        if not isinstance(grant_id, str) or not _GRANT_ID.fullmatch(grant_id) or type(pulse_ms) is not int:
            refused = self._refuse(Refused.MALFORMED, "a grant needs an id of 32 hex digits and a whole number of ms")
            return self._after(self._after(due, self.nonsense(now_s)), refused)
        refusal = self._objection(grant_id, pulse_ms)
        if refusal is not None:
            return self._after(due, refusal)
        self._remember(grant_id)
        if self._energised:  # free access: it is open already, and no pulse may end that
            return due
        self._energised, self._grant_id = True, grant_id
        self._until_s = now_s + pulse_ms / 1000
        return self._after(due, Outcome((Energise(True),), (Unlocked(grant_id, pulse_ms),)))

    def lock(self, cause: str, now_s: float) -> Outcome:
        """Locks now (`cause`: requested, stopping, ...) and leaves free access. No fact where it was locked."""
        due = self.tick(now_s)
        return self._after(due, self._lock(cause))

    def client_gone(self, now_s: float) -> Outcome:
        due = self.tick(now_s)
        self._heard_s = None
        return self._after(due, self._lock("client_gone"))

    def nonsense(self, now_s: float) -> Outcome:
        """A packet that can't be understood: lock, and drop the client."""
        due = self.tick(now_s)
        return self._dropped(self._after(due, self._lock("client_nonsense")))

    def set_mode(self, mode: Mode, now_s: float) -> Outcome:
        """Lockdown locks at once. Free access unlocks until anything locks: a mode that outlives its client needs the
        signed site mode."""
        due = self.tick(now_s)
        if mode is Mode.FREE_ACCESS and self._fault:
            return self._after(due, self._refuse(Refused.FAULT, self._fault))
        if mode is Mode.FREE_ACCESS:
            self._grant_id = self._until_s = None
            fresh = () if self._energised else (Unlocked("", 0),)
            self._mode, self._energised = mode, True
            return self._after(due, Outcome((Energise(True),), fresh))
        locked = self._lock("requested")
        self._mode = mode
        return self._after(due, locked)

    def fault(self, detail: str, now_s: float) -> Outcome:
        """The pin can't be driven, or a supervised input failed: lock and refuse grants until `fault_cleared`."""
        due = self.tick(now_s)
        self._fault = detail or "the relay has a fault"
        return self._after(due, self._lock("relocked"))

    def fault_cleared(self) -> None:
        self._fault = ""

    # -- inside -----------------------------------------------------------------------------------------------

    def _objection(self, grant_id: str, pulse_ms: int) -> Outcome | None:
        if self._mode is Mode.LOCKDOWN:
            return self._refuse(Refused.LOCKDOWN, "the door is in lockdown")
        if self._fault:
            return self._refuse(Refused.FAULT, self._fault)
        if not 1 <= pulse_ms <= self._max_pulse_ms:
            why = f"a pulse may last 1 to {self._max_pulse_ms} ms, not {pulse_ms}"
            return self._refuse(Refused.CAP_EXCEEDED, why)
        if grant_id in self._seen:
            return self._refuse(Refused.REPEATED_ID, "this grant was carried out already")
        if self._grant_id is not None:
            return self._refuse(Refused.PULSE_RUNNING, "another grant's pulse is running")
        return None

    def _lock(self, cause: str) -> Outcome:
        was_open, grant_id = self._energised, self._grant_id
        self._energised, self._grant_id, self._until_s = False, None, None
        if self._mode is Mode.FREE_ACCESS:
            self._mode = Mode.NORMAL
        return Outcome((Energise(False),), (Locked(cause, grant_id),) if was_open else ())

    def _runs_backwards(self, now_s: float) -> bool:
        return not (math.isfinite(now_s) and now_s >= self._last_s)

    def _is_silent(self, now_s: float) -> bool:
        return self._heard_s is not None and now_s - self._heard_s >= self._silence_s

    def _remember(self, grant_id: str) -> None:
        self._seen[grant_id] = None
        if len(self._seen) > REMEMBERED_GRANTS:
            self._seen.popitem(last=False)

    def _dropped(self, outcome: Outcome) -> Outcome:
        self._heard_s = None
        return Outcome(outcome.actions, outcome.facts, outcome.refusal, True)

    @staticmethod
    def _refuse(code: Refused, message: str) -> Outcome:
        return Outcome(refusal=Refusal(code, message))

    @staticmethod
    def _after(first: Outcome, then: Outcome) -> Outcome:
        drop = first.drop_client or then.drop_client
        return Outcome(first.actions + then.actions, first.facts + then.facts, then.refusal or first.refusal, drop)
