"""A door's events on their way to the site: each that was recorded, under its own name, without names or scores."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.outgoing import Message, Outgoing
from edgeface.domain.errors import StorageError

GRANT = {
    "event": "access_granted",
    "seq": 3,
    "person": "ab" * 16,
    "score": 0.7,
    "margin": 0.2,
    "prev": "p",
    "hash": "h",
}


class Site:
    """An outbox and a log in memory."""

    def __init__(self, *entries: dict[str, Any], forwarded: int = 0) -> None:
        self.log, self.kept, self.recorded = list(entries), [], []  # type: ignore[var-annotated]
        self.forwarded, self.full, self.days = forwarded, False, 300.0
        self.clock = VirtualClock()
        self.begin()

    def begin(self) -> None:
        self.worker = Outgoing(
            "d0", self, self._keep, self.forwarded, self._set, lambda: {"people": 3}, lambda: self.days,
            self.recorded.extend, self.clock, 60.0,
        )  # fmt: skip

    def read(self, since: int) -> list[dict[str, Any]]:
        return [e for e in self.log if e["seq"] > since]

    def _keep(self, messages: Any) -> None:
        if self.full:
            raise StorageError("The disk is full.")
        self.kept += messages

    def _set(self, seq: int) -> None:
        self.forwarded = seq

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(m.payload) for m in self.kept]


def test_names_and_scores_stay_at_home() -> None:
    site = Site(GRANT)
    site.worker.forward()
    assert site.said() == [{"id": "d0-3", "event": "access_granted", "seq": 3, "person": "ab" * 16}]


@pytest.mark.parametrize(
    ("event", "kind"),
    [("access_denied", "access"), ("door_locked", "door"), ("camera_lost", "alarm"), ("message_refused", "alarm"),
     ("certificate_expiring", "alarm"), ("something_new", "alarm"), ("person_enrolled", None)],
)  # fmt: skip
def test_an_event_goes_where_its_kind_belongs(event: str, kind: str | None) -> None:
    site = Site({"event": event, "seq": 1})
    site.worker.forward()
    assert [m.kind for m in site.kept] == ([kind] if kind else [])
    assert site.forwarded == 1


def test_what_was_recorded_before_a_crash_is_said_after_it_under_the_same_id() -> None:
    site = Site(GRANT)
    site._set = lambda seq: None  # type: ignore[method-assign]  # killed before it was noted
    site.begin()
    site.worker.forward()
    site.begin()
    site.worker.forward()
    assert [m.id for m in site.kept] == ["d0-3", "d0-3"]


def test_a_full_disk_loses_nothing() -> None:
    site = Site(GRANT)
    site.full = True
    with pytest.raises(StorageError):
        site.worker.forward()
    assert site.forwarded == 0
    site.full = False
    site.worker.forward()
    assert len(site.kept) == 1


def test_telemetry_comes_in_its_time_and_an_ending_certificate_is_warned_of_once_a_day() -> None:
    site = Site()
    site.days = 29.5
    for _ in range(30):
        site.worker.report()
        site.clock.advance_to(site.clock.monotonic_s() + 3600)
    telemetry: list[Message] = site.kept
    assert len(telemetry) == 30
    assert {m.kind for m in telemetry} == {"telemetry"}
    assert len({m.id for m in telemetry}) == 30
    assert [e.days_left for e in site.recorded] == [29, 29]


def test_a_clock_that_can_not_be_right_warns_of_no_certificate_and_numbers_nothing() -> None:
    """Every start without a battery has the same times: telemetry of two of them must not pass for one."""
    sites = [Site(), Site()]
    for site in sites:
        site.clock.set_utc(datetime(1970, 1, 1, tzinfo=timezone.utc))
        site.days = -20_000.0
        site.worker.report()
        assert not site.recorded
    assert sites[0].kept[0].id != sites[1].kept[0].id
