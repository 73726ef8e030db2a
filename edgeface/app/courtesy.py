"""Recognition goes first: work of thousands of small steps lets the frame at hand pass before each of them. Python runs
one thread at a time, and a frame that has to share with such work takes twice as long."""

from __future__ import annotations

import threading
from types import TracebackType

PATIENCE_S = 0.05  # where frames come without a pause the other work still goes on


class Courtesy:
    """Thread-safe. A context manager for the one that goes first."""

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()

    def __enter__(self) -> None:
        self._free.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.set()

    def give_way(self) -> None:
        self._free.wait(PATIENCE_S)
