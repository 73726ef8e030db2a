"""A Wiegand number out to an existing controller, after a grant. Two lines that rest high; a pulse on D0 is a 0, on D1
a 1. A thread of its own does the waiting: the door's loop must not stand still for the 70 ms that 34 bits take.

The pulses are made by a program, not by hardware: each is at least PULSE_S long and may be longer by what the machine
lets this thread wait. Controllers take 20 to 100 us, most of them up to 1 ms; docs/operations.md says what was
measured."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

from edgeface.adapters.door.driver import Relay
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.wiegand import WiegandCard, encode

PULSE_S, PERIOD_S = 50e-6, 2e-3
PAUSE_S = 0.1  # between two numbers
WAITING = 4  # more grants than that before the first number is out: the controller is not what they wait for
_log = logging.getLogger("edgeface.doord")


class CardOutput:
    """`lines` are (D0, D1), opened as relays that pull in on a low level: both rest high. They are this thread's alone
    from here on."""

    def __init__(
        self,
        lines: tuple[Relay, Relay],
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lines, self._now, self._sleep = lines, now, sleep
        self._numbers: queue.Queue[WiegandCard] = queue.Queue(WAITING)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="wiegand-out", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, card: WiegandCard) -> None:
        """Never blocks."""
        try:
            self._numbers.put_nowait(card)
        except queue.Full:
            _log.warning("the controller's lines are behind: a number was left out")

    def rest(self) -> None:
        """This process ends: no line is left low."""
        self._stopped = True
        for line in self._lines:
            with contextlib.suppress(DoorUnavailable):
                line.lock()

    def transmit(self, card: WiegandCard) -> None:
        """All bits, one every PERIOD_S. Raises DoorUnavailable; both lines rest then where that can be done."""
        due_s = self._now()
        try:
            for bit in encode(card):
                if self._stopped:
                    return
                line = self._lines[bit]
                line.energise()
                end_s = self._now() + PULSE_S
                while self._now() < end_s:  # a sleep this short would take longer
                    pass
                line.lock()
                due_s += PERIOD_S
                self._sleep(max(0.0, due_s - self._now()))
        finally:
            for line in self._lines:
                line.lock()

    def _run(self) -> None:
        while True:
            card = self._numbers.get()
            try:
                self.transmit(card)
            except DoorUnavailable as error:
                _log.warning("the controller's lines can't be driven: %s", error.message)
            self._sleep(PAUSE_S)
