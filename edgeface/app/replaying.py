"""Drives the production door loop over a recording: as fast as it goes, on a virtual clock, the same every time."""

from __future__ import annotations

from collections.abc import Callable

from edgeface.app.wiring_tools import Replay
from edgeface.domain.errors import EndOfStream
from edgeface.ports import CameraInfo

READ_TIMEOUT_S = 10.0  # a recording answers at once; this bounds a network drive that hangs


def play(
    replay: Replay,
    on_frame: Callable[[CameraInfo, int], None] = lambda _info, _n: None,
    on_end: Callable[[EndOfStream], None] = lambda _end: None,
) -> int:
    """Plays to the end and returns the number of frames. Raises SourceError. Events go to the replay's listener, in
    order; `on_frame` hears of each frame (for a progress bar), `on_end` how it ended: a broken one has advice."""
    info = replay.camera.open()
    frames = 0
    try:
        while True:
            try:
                frame = replay.camera.read(READ_TIMEOUT_S)
            except EndOfStream as end:
                on_end(end)
                break
            replay.clock.advance_to(frame.captured_s)
            replay.recorder.record(replay.door.poll_events())
            replay.loop.step(frame)
            frames += 1
            on_frame(info, frames)
    finally:
        replay.camera.close()
    replay.clock.advance(replay.loop.rules.pulse_ms / 1000)  # a pulse that runs at the end still ends
    replay.recorder.record(replay.door.poll_events())
    return frames
