"""What justifies an unlocked door, each claim on its own: the relay is driven by `holding()` and by nothing else, so
that the end of one claim never ends, prolongs or outlives another. Pure; time is an argument.

    fire         the fire input is active                     stands above lockdown and above a fault
    exit         a request to exit, one pulse                 stands above lockdown where the rule says so
    grant        one granted pulse                            ends with its client
    toggled      a grant in toggle mode, until the next one   ends with its client, and after toggle_max_s
    scheduled    free access by schedule, a renewed lease     ends with its client; may wait for the first person
    free_access  the site's mode                              outlives client and process"""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.domain.door_rules import DoorRule, Mode


@dataclass(frozen=True, slots=True)
class Pulse:
    grant_id: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Lease:
    """`waiting`: for the first person's grant. `refused`: somebody locked in the meantime; it stays without effect
    until whoever renews it lets go."""

    until_s: float
    waiting: bool
    refused: bool = False

    @property
    def open(self) -> bool:
        return not (self.waiting or self.refused)


class Claims:
    """Mutable; DoorMachine alone changes it."""

    def __init__(self, rule: DoorRule, mode: Mode) -> None:
        self._rule = rule
        self.mode = mode
        self.fault = ""
        self.fire = False
        self.exit_until_s: float | None = None
        self.grant: Pulse | None = None
        self.toggled: Pulse | None = None
        self.lease: Lease | None = None

    def holding(self) -> str | None:
        """The strongest claim that holds the door unlocked now (a cause of DoorUnlocked), None: locked."""
        if self.fire:
            return "fire"
        if self.fault:
            return None
        exit_counts = self._rule.rex_unlocks and (self.mode is not Mode.LOCKDOWN or self._rule.rex_in_lockdown)
        exits = "exit_request" if exit_counts and self.exit_until_s is not None else None
        if self.mode is Mode.LOCKDOWN:
            return exits
        if self.grant is not None:
            return "grant"
        if self.toggled is not None:
            return "toggled"
        return "free_access" if self.free else exits

    @property
    def free(self) -> bool:
        """Whether everybody may enter: no pulse is needed, and an open door is none that is held open."""
        free_lease = self.lease is not None and self.lease.open
        return not self.fault and (self.mode is Mode.FREE_ACCESS or (self.mode is Mode.NORMAL and free_lease))

    @property
    def next_end_s(self) -> float | None:
        ends = [p.until_s for p in (self.grant, self.toggled, self.lease) if p is not None]
        if self.exit_until_s is not None:
            ends.append(self.exit_until_s)
        return min(ends, default=None)

    def expire(self, now_s: float) -> str | None:
        """Drops what is due; the cause for DoorLocked, where anything was."""
        cause = None
        if self.lease is not None and now_s >= self.lease.until_s:
            self.lease, cause = None, "free_access_ended"
        if self.exit_until_s is not None and now_s >= self.exit_until_s:
            self.exit_until_s, cause = None, "pulse_ended"
        if self.toggled is not None and now_s >= self.toggled.until_s:
            self.toggled, cause = None, "pulse_ended"
        if self.grant is not None and now_s >= self.grant.until_s:
            self.grant, cause = None, "pulse_ended"
        return cause

    def drop_pulses(self) -> None:
        """Ends what a person at the door was given; free access and fire stand."""
        self.grant = self.exit_until_s = None

    def drop_clients(self) -> None:
        """What rests on a client that lives."""
        self.grant = self.toggled = self.lease = None

    def drop_timed(self) -> None:
        """Everything whose length is unknown once the clock can't be trusted."""
        self.drop_clients()
        self.exit_until_s = None

    def drop_all(self) -> None:
        """A lock that was asked for. Fire stands; a lease that is renewed has no effect any more."""
        lease = self.lease
        self.drop_timed()
        if lease is not None:
            self.lease = Lease(lease.until_s, lease.waiting, True)
        if self.mode is Mode.FREE_ACCESS:
            self.mode = Mode.NORMAL

    def renew(self, until_s: float, first_person: bool) -> None:
        """A lease begins, or goes on as it stands."""
        old = self.lease
        if old is None:
            self.lease = Lease(until_s, first_person)
        else:
            self.lease = Lease(until_s, old.waiting and first_person, old.refused)

    def first_person_came(self) -> bool:
        """True where that opened a lease that waited."""
        if self.lease is None or not self.lease.waiting or self.lease.refused:
            return False
        self.lease = Lease(self.lease.until_s, False)
        return True
