"""Keeps a reader open: reads, and opens it anew for as long as it takes after it was pulled out."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from edgeface.app.desk import Desk
from edgeface.app.recorder import Recorder
from edgeface.app.supervise import Work
from edgeface.domain.errors import ReaderUnavailable
from edgeface.domain.events import ReaderLost, ReaderRecovered
from edgeface.ports import Clock, Reader

READ_S = 0.5
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 5.0


def keep_reading(reader: Reader, desk: Desk, recorder: Recorder, clock: Clock, stop: threading.Event) -> None:
    """Until `stop`. A reader that is lost is told once, and again when it is back."""
    lost, pause_s = False, FIRST_PAUSE_S
    try:
        while not stop.is_set():
            try:
                reader.open()
                if lost:
                    lost, pause_s = False, FIRST_PAUSE_S
                    recorder.record([ReaderRecovered(clock.monotonic_s(), reader.name)])
                desk.set_ready(reader.name, True)
                while not stop.is_set():
                    reading = reader.read(READ_S)
                    if reading is not None:
                        desk.take(reader.name, reading)
            except ReaderUnavailable as error:
                desk.set_ready(reader.name, False)
                reader.close()
                if not lost:
                    lost = True
                    recorder.record([ReaderLost(clock.monotonic_s(), reader.name, str(error))])
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, LAST_PAUSE_S)
    finally:
        desk.set_ready(reader.name, False)
        reader.close()


def verify_pins(desk: Desk, stop: threading.Event) -> None:
    """The thread that computes what the door loop must not wait for. Until `stop`."""
    while not stop.is_set():
        desk.wait(READ_S)
        desk.settle()
        stop.wait(0.02)


def reader_work(readers: Sequence[Reader], desk: Desk, recorder: Recorder, clock: Clock) -> list[tuple[str, Work]]:
    """Work by name: a thread for each reader, and one for the PINs; none where there is no reader. The door can do
    without: faces open it, and a reader whose thread fails again and again must not take them along."""

    def reading(reader: Reader) -> Work:
        return lambda stop: keep_reading(reader, desk, recorder, clock, stop)

    verifier: list[tuple[str, Work]] = [("pins", lambda stop: verify_pins(desk, stop))] if readers else []
    return [*((f"reader {r.name}", reading(r)) for r in readers), *verifier]
