"""Named workers: restarted within a budget, given up beyond it, stopped when asked."""

from __future__ import annotations

import threading

import pytest

from edgeface.adapters.system.clock import VirtualClock
from edgeface.app import supervise
from edgeface.app.supervise import RESTARTS, WINDOW_S, Worker
from edgeface.domain.errors import ConfigError, ModelError, SourceError


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(supervise, "FIRST_PAUSE_S", 0.0)


def run(work, clock=None) -> list:
    failures: list = []
    worker = Worker("w", work, clock or VirtualClock(), failures.append)
    worker.start()
    worker._thread.join(20)
    assert not worker.alive
    return failures


def test_work_that_returns_is_done():
    calls = []
    assert run(lambda stop: calls.append(1)) == []
    assert calls == [1]


def test_work_that_fails_is_begun_again():
    calls = []

    def work(stop):
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("once more")

    failures = run(work)
    assert len(calls) == 3
    assert [(f.name, f.gave_up) for f in failures] == [("w", False)] * 2


def test_a_fault_that_stays_uses_up_the_budget():
    calls = []

    def work(stop):
        calls.append(1)
        raise RuntimeError("for ever")

    failures = run(work)
    assert len(calls) == RESTARTS + 1
    assert [f.gave_up for f in failures] == [False] * RESTARTS + [True]


def test_faults_far_apart_never_use_it_up():
    clock, calls = VirtualClock(), []

    def work(stop):
        calls.append(1)
        clock.advance(WINDOW_S / RESTARTS + 1)
        if len(calls) < 50:
            raise RuntimeError("now and then")

    failures = run(work, clock)
    assert len(calls) == 50
    assert not any(f.gave_up for f in failures)


@pytest.mark.parametrize("error", [ConfigError, SourceError, ModelError])
def test_what_stays_wrong_is_not_tried_again(error):
    calls = []

    def work(stop):
        calls.append(1)
        raise error("The same tomorrow.")

    (failure,) = run(work)
    assert calls == [1]
    assert failure.gave_up


def test_pauses_grow_and_are_bounded(monkeypatch):
    monkeypatch.setattr(supervise, "FIRST_PAUSE_S", 0.1)
    worker = Worker("w", lambda stop: None, VirtualClock(), lambda f: None)
    pauses = [worker._record() for _ in range(RESTARTS + 1)]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert max(p for p in pauses if p is not None) <= supervise.LAST_PAUSE_S
    assert pauses[-1] is None


def test_stop_asks_waits_and_is_idempotent_also_before_the_start():
    started = threading.Event()

    def work(stop):
        started.set()
        stop.wait(30)

    worker = Worker("w", work, VirtualClock(), lambda f: None)
    worker.stop()
    worker = Worker("w", work, VirtualClock(), lambda f: None)
    worker.start()
    assert started.wait(10)
    assert worker.alive
    worker.stop()
    assert not worker.alive
    worker.stop()


def test_a_worker_may_stop_itself():
    done = []

    def work(stop):
        worker.stop()
        done.append(stop.is_set())

    worker = Worker("w", work, VirtualClock(), lambda f: None)
    worker.start()
    worker._thread.join(10)
    assert done == [True]
