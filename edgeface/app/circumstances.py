"""Everything that a decision rests on, gathered at one moment: as the policy wants it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.app.desk import Desk
from edgeface.app.execution import Executor
from edgeface.app.people import Snapshot
from edgeface.app.recorder import Recorder
from edgeface.app.rules import Rules
from edgeface.app.site_gate import GalleryState
from edgeface.app.subject import Subject
from edgeface.domain.factors import may_step_up
from edgeface.domain.lockout import DoorLockout, TrackLockout
from edgeface.domain.policy import ActionState, Evidence
from edgeface.domain.schedule import needs_clock
from edgeface.domain.streak import Agreed, Cooldown, Exhausted, NotYet
from edgeface.domain.types import NO_TRACK, Person, SecondFactor
from edgeface.ports import Clock


@dataclass(frozen=True, slots=True)
class Here:
    """What holds at this door now, whoever comes. `door`: its name, the site's own for it where it belongs to one.
    `tampered`: the tamper contact says so."""

    mode: str
    door: str
    gallery: GalleryState = "confirmed"
    tampered: bool = False


class Circumstances:
    """Belongs to the door loop's thread."""

    def __init__(
        self,
        clock: Clock,
        rules: Rules,
        spoofs: DoorLockout,
        failures: TrackLockout,
        cooldown: Cooldown,
        executor: Executor,
        recorder: Recorder,
        desk: Desk,
    ) -> None:
        self._clock, self._rules, self._spoofs, self._failures = clock, rules, spoofs, failures
        self._cooldown, self._executor, self._recorder, self._desk = cooldown, executor, recorder, desk

    def change(self, rules: Rules) -> None:
        """Other rules from now on."""
        self._rules = rules

    def of_track(self, subject: Subject, snapshot: Snapshot, here: Here) -> Evidence:
        now, utc = self._clock.monotonic_s(), self._clock.utc()
        verdict = subject.streak.verdict
        person = snapshot.people.get(verdict.person) if isinstance(verdict, Agreed) else None
        doubted: list[Person] = []
        if isinstance(verdict, Exhausted):
            candidates = [snapshot.people[c] for c in verdict.candidates if c in snapshot.people]
            doubted = [p for p in candidates if may_step_up(p)]
            person = self._desk.whose(doubted, now)
        asked = doubted or ([person] if person and person.factors.second is SecondFactor.ALWAYS else [])
        self._desk.expect(asked, now)
        prompt = None if subject.liveness is None else subject.liveness.action_prompt
        return Evidence(
            track=subject.track.id,
            now_s=now,
            last_seen_s=subject.track.last_s,
            utc=utc,
            clock_is_set=self._clock.is_set(),
            door=here.door,
            mode=here.mode,
            gallery=here.gallery,
            door_lockout_s=self._spoofs.remaining_s(now),
            track_lockout_s=self._failures.remaining_s(subject.track.id, now),
            quality=subject.issue,
            quality_for_s=subject.poor_for_s(now),
            passive=subject.passive,
            spoof_score=subject.spoof_score,
            unsure_for_s=subject.unsure_for_s(now),
            action=subject.action,
            action_hint=prompt,
            streak=verdict,
            person=person,
            schedule_open=person is not None and self._rules.timetable.allows(person.schedule, utc),
            time_matters=person is not None and needs_clock(person, self._rules.timetable),
            cooldown_s=self._cooldown.remaining_s(person.id, now) if person is not None else 0.0,
            passback_s=self._executor.passback_s(person.id, now) if person is not None else 0.0,
            door_ok=True,  # asked by the grant itself: an answer from before would be a guess
            audit_ok=self._recorder.fault is None,
            shown=self._desk.shown(asked, now, tampered=here.tampered),
            probe_s=subject.probe_s,
            doubted=tuple(p.id for p in doubted),
        )

    def of_card(self, person: Person | None, here: Here) -> Evidence:
        """For `decide_by_card`: no face is in it."""
        now, utc = self._clock.monotonic_s(), self._clock.utc()
        return Evidence(
            track=NO_TRACK,
            now_s=now,
            last_seen_s=float("-inf"),
            utc=utc,
            clock_is_set=self._clock.is_set(),
            door=here.door,
            mode=here.mode,
            gallery=here.gallery,
            door_lockout_s=self._spoofs.remaining_s(now),
            track_lockout_s=0.0,
            quality=None,
            quality_for_s=0.0,
            passive="unsure",
            spoof_score=float("nan"),
            unsure_for_s=0.0,
            action=ActionState.PENDING,
            action_hint=None,
            streak=NotYet(0),
            person=person,
            schedule_open=person is not None and self._rules.timetable.allows(person.schedule, utc),
            time_matters=person is not None and needs_clock(person, self._rules.timetable),
            cooldown_s=self._cooldown.remaining_s(person.id, now) if person is not None else 0.0,
            passback_s=self._executor.passback_s(person.id, now) if person is not None else 0.0,
            audit_ok=self._recorder.fault is None,
            shown=self._desk.shown([] if person is None else [person], now, pin_alone=True, tampered=here.tampered),
        )
