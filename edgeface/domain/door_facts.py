"""What the door's state machine answers: actions to carry out, facts to report, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgeface.domain.events import Event


class Refused(str, Enum):
    """Refusal codes of the door socket that the machine itself gives (docs/design.md, 10.4)."""

    LOCKDOWN = "lockdown"
    CAP_EXCEEDED = "cap_exceeded"
    REPEATED_ID = "repeated_id"
    PULSE_RUNNING = "pulse_running"
    FAULT = "fault"
    MALFORMED = "malformed"
    NOT_ALLOWED = "not_allowed"
    FIRE = "fire"


@dataclass(frozen=True, slots=True)
class Energise:
    """Drive the relay: True unlocks, False locks (which of them draws current is the wiring's business). False is
    repeated freely, it asserts the level."""

    on: bool


@dataclass(frozen=True, slots=True)
class Unlocked:
    """`cause` is one of DoorUnlocked's. `grant_id` is empty and `pulse_ms` 0 where no grant's pulse did it."""

    grant_id: str
    pulse_ms: int
    cause: str = "grant"


@dataclass(frozen=True, slots=True)
class Locked:
    """`cause` is one of DoorLocked's; `relocked`: the machine could not trust its clock or its pin."""

    cause: str
    grant_id: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Refused
    message: str


Fact = Unlocked | Locked | Event  # an Event's t_s is the machine's clock; whoever reports puts in its own


@dataclass(frozen=True, slots=True)
class Outcome:
    """`refusal` is None where the input was accepted. `drop_client`: close the connection after answering."""

    actions: tuple[Energise, ...] = ()
    facts: tuple[Fact, ...] = ()
    refusal: Refusal | None = None
    drop_client: bool = False

    def then(self, more: Outcome) -> Outcome:
        """Both, in this order; the later refusal counts."""
        return Outcome(
            self.actions + more.actions,
            self.facts + more.facts,
            more.refusal or self.refusal,
            self.drop_client or more.drop_client,
        )

    def dropped(self) -> Outcome:
        return Outcome(self.actions, self.facts, self.refusal, True)


def refuse(code: Refused, message: str) -> Outcome:
    return Outcome(refusal=Refusal(code, message))
