"""Events of the door process go into the audit log: only those of the right form do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.door.reported import KINDS, event_of
from edgeface.domain import door_events
from edgeface.domain.door_events import SENTENCES, DoorClosed, DoorOpened, ExitRequested, PassbackSeen
from edgeface.domain.events import DoorLocked, Event

SOME = [DoorOpened(1.5, "a" * 32), DoorOpened(1.5, None), DoorClosed(2.0, 3.25), ExitRequested(3.0, True),
        DoorLocked(4.0, "closed")]  # fmt: skip


@pytest.mark.parametrize("event", SOME)
def test_what_is_reported_arrives(event: Event) -> None:
    assert event_of(event.to_dict()) == event


@settings(max_examples=200)
@given(
    st.sampled_from([*KINDS, "access_granted", 7]),
    st.dictionaries(
        st.sampled_from(["t_s", "grant_id", "cause", "pulse_ms", "open_s", "unlocked", "mode"]),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.lists(st.integers()),
    ),
)
def test_any_message_is_an_event_of_ours_or_none(kind: object, fields: dict[str, object]) -> None:
    event = event_of({"event": kind, **fields})
    if event is not None:
        assert event.kind == kind
        assert event.to_dict()


def test_text_is_cleaned_and_a_wrong_type_is_refused() -> None:
    assert event_of({"event": "door_locked", "t_s": 1.0, "cause": "a\nb"}) == DoorLocked(1.0, "a?b")
    assert event_of({"event": "door_locked", "t_s": True, "cause": "x"}) is None
    assert event_of({"event": "door_locked", "t_s": float("nan"), "cause": "x"}) is None
    assert event_of({"event": "exit_requested", "t_s": 1.0, "unlocked": 1}) is None
    assert event_of({"event": "door_locked", "t_s": 1.0}) is None


def test_every_event_of_the_door_has_a_sentence_of_its_own() -> None:
    kinds = [
        c.kind for c in vars(door_events).values() if isinstance(c, type) and issubclass(c, Event) and c is not Event
    ]
    assert sorted(kinds) == sorted(SENTENCES)
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    assert all(s[0].isupper() and s.endswith(".") for s in SENTENCES.values())


def test_the_daemon_understands_every_event_that_the_door_process_sends() -> None:
    assert set(SENTENCES) - {PassbackSeen.kind} == set(KINDS) - {"door_unlocked", "door_locked"}
