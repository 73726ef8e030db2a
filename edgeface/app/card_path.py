"""A card that was shown, from the desk to the relay: the way in beside the face's."""

from __future__ import annotations

from edgeface.app.circumstances import Circumstances, Here
from edgeface.app.desk import Desk
from edgeface.app.door_lights import DoorLights
from edgeface.app.execution import Executor
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.rules import Rules
from edgeface.domain.events import Event, LockoutEnded
from edgeface.domain.policy import decide_by_card
from edgeface.domain.types import Deny, Grant
from edgeface.ports import Clock


class CardPath:
    """Belongs to the door loop's thread."""

    def __init__(
        self,
        desk: Desk,
        gallery: LiveGallery,
        facts: Circumstances,
        executor: Executor,
        recorder: Recorder,
        clock: Clock,
        rules: Rules,
        lights: DoorLights,
    ) -> None:
        self._desk, self._gallery, self._facts, self._executor = desk, gallery, facts, executor
        self._recorder, self._clock, self._rules, self._lights = recorder, clock, rules, lights

    def change(self, rules: Rules) -> None:
        """Other rules from now on."""
        self._rules = rules

    def attend(self, here: Here) -> None:
        now = self._clock.monotonic_s()
        ended: list[Event] = [LockoutEnded(now, scope) for scope in self._desk.lockouts_ended(now)]
        if ended:
            self._recorder.record(ended)
        if self._desk.refused():
            self._lights.denied()
        card = self._desk.card
        if card is None or self._executor.pulse_running(now):
            return
        person = None if card.person is None else self._gallery.now.people.get(card.person)
        if person is not None:
            self._desk.expect([person], now)
        decision = decide_by_card(self._facts.of_card(person, here), card.at_s, self._rules.policy)
        if isinstance(decision, Grant):
            carried_out = self._executor.grant(decision, None)
            if carried_out is None:
                return  # decided anew: it is too old by now
            self._desk.spent(decision.person)
            if isinstance(carried_out, Deny):
                self._lights.denied()
        elif isinstance(decision, Deny):
            self._desk.drop_card()
            self._executor.deny(decision, None)
            self._lights.denied()
        else:
            self._lights.look()
