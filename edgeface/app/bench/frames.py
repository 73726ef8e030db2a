"""Times whole frames: the production door loop with a living person before it, and the bare models beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import cycle
from typing import Protocol

from edgeface.app.bench.report import Frames, Spread
from edgeface.app.wiring_tools import Replay
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Deny, Frame, Grant, Pixels

TEMPLATES = 1_000
FPS = 30.0
WARM_UP = 15  # measured frames that are thrown away: caches, branch predictors, the runtime's first touch of memory
LEAST_SHARE = 0.2  # of the frames must show a face that all models look at; else the input is no input
NEXT_VISIT_S = 100_000.0  # after a decision: beyond every hold, lockout and cooldown, as somebody who comes again later
START = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)
# stage of the door loop -> role of the model in the manifest
MODELS = {"detect": "detector", "landmarks": "landmarks", "spoof": "spoof", "embed": "embedder"}


class Network(Protocol):
    @property
    def runs(self) -> int: ...

    def rerun(self) -> None:
        """Runs again on the input that it still holds."""


def measure(
    replay: Replay,
    networks: Mapping[str, Network],
    pictures: Sequence[Pixels],
    frames: int,
    progress: Callable[[float], None] = lambda _done: None,
) -> Frames:
    """Goes to and fro over `pictures` until `frames` of them ran through every stage. A frame is `DoorLoop.step`, from
    the capture to the decision; those that ended early (a pause between attempts) are not counted. Right after each,
    the four `networks` (by their role) run again on the inputs that they still hold, as often as the frame ran them:
    that is the floor. Nobody whom the pictures could show may be in the replay's gallery. Raises SourceError where
    hardly any picture has a face that is good enough."""
    bare_networks = {stage: networks[role] for stage, role in MODELS.items()}
    whole: list[float] = []
    stages: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {stage: [] for stage in MODELS}
    t_s = 0.0
    for tried, pixels in enumerate(_to_and_fro(pictures), start=1):
        t_s += 1 / FPS
        replay.clock.advance_to(t_s)
        frame = Frame(pixels.copy(), t_s, tried)  # just written, as by a camera; not from the depths of the memory
        runs = {stage: network.runs for stage, network in bare_networks.items()}
        start = time.perf_counter()
        decision = replay.loop.step(frame)
        took = time.perf_counter() - start
        timings = replay.loop.timings
        if timings.keys() >= MODELS.keys():
            whole.append(took)
            for stage, seconds in timings.items():
                stages.setdefault(stage, []).append(seconds)
            for stage, network in bare_networks.items():
                start = time.perf_counter()
                for _ in range(network.runs - runs[stage]):
                    network.rerun()
                bare[stage].append(time.perf_counter() - start)
            progress(min(1.0, len(whole) / (frames + WARM_UP)))
            if len(whole) == frames + WARM_UP:
                break
        if isinstance(decision, (Deny, Grant)):
            t_s += NEXT_VISIT_S
        if tried >= 60 and len(whole) < LEAST_SHARE * tried:
            raise SourceError(
                f"Only {len(whole)} of {tried} pictures show a face that is good enough to be recognised.",
                "Give a recording of one person who looks at the camera, at least 5 seconds of it.",
            )
    return _summary(whole[WARM_UP:], stages, {k: v[WARM_UP:] for k, v in bare.items()})


def _summary(whole: list[float], stages: Mapping[str, list[float]], bare: Mapping[str, list[float]]) -> Frames:
    steady = {stage: values[-len(whole) :] for stage, values in stages.items()}
    floor = [sum(parts) for parts in zip(*bare.values(), strict=True)]
    return Frames(
        len(whole),
        {stage: Spread.of(values) for stage, values in steady.items()},
        Spread.of(whole),
        {stage: Spread.of(values) for stage, values in bare.items()},
        Spread.of(floor),
    )


def _to_and_fro(pictures: Sequence[Pixels]) -> Iterator[Pixels]:
    """0 1 2 3 2 1 0 1 ...: nobody jumps."""
    return cycle([*pictures, *pictures[-2:0:-1]])
