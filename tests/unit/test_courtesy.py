"""Recognition goes first, and the other work is not starved."""

from __future__ import annotations

import threading
import time

import pytest

from edgeface.app import courtesy
from edgeface.app.courtesy import Courtesy


def test_other_work_lets_the_frame_at_hand_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "PATIENCE_S", 30.0)
    shared, begun, done = Courtesy(), threading.Event(), threading.Event()
    order: list[str] = []

    def other() -> None:
        begun.set()
        shared.give_way()
        order.append("other")
        done.set()

    worker = threading.Thread(target=other)
    with shared:
        worker.start()
        assert begun.wait(10)
        order.append("frame")
    assert done.wait(10)
    worker.join()
    assert order == ["frame", "other"]


def test_other_work_goes_on_where_frames_come_without_a_pause() -> None:
    shared = Courtesy()
    with shared:
        began_s = time.monotonic()
        for _ in range(3):
            shared.give_way()
        assert time.monotonic() - began_s >= 3 * courtesy.PATIENCE_S * 0.9
    shared.give_way()


def test_a_frame_that_fails_holds_nobody_up() -> None:
    shared = Courtesy()
    with pytest.raises(RuntimeError), shared:
        raise RuntimeError
    assert shared._free.is_set()
