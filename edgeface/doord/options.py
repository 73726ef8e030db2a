"""The options that doord, its guard and the lock command share."""

from __future__ import annotations

import argparse
import pwd
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeface.adapters.door import fittings
from edgeface.adapters.door.driver import DRIVERS, RelaySpec
from edgeface.adapters.door.fittings import Fittings
from edgeface.domain.door_rules import LONGEST_PULSE_MS
from edgeface.domain.errors import ConfigError

DEFAULT_MAX_PULSE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """`beat_fd`: a pipe to the guard, a byte per turn of the loop. `ready_fd`: a pipe to whoever started the guard, a
    byte once the door is served. -1 where there is none."""

    relay: RelaySpec
    socket: Path
    max_pulse_ms: int = DEFAULT_MAX_PULSE_MS
    allow_uids: frozenset[int] = frozenset()
    die_with_parent: bool = False
    beat_fd: int = -1
    parent_pid: int = 0
    ready_fd: int = -1
    fittings: Fittings = field(default_factory=Fittings)


def relay_parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=description, allow_abbrev=False)
    parser.add_argument("--driver", choices=DRIVERS, required=True)
    parser.add_argument("--pin", type=_within(0, 1023), required=True, help="GPIO (BCM) number, or a line's offset")
    parser.add_argument("--chip", default="", help="/dev/gpiochipN; the driver's default where left out")
    parser.add_argument("--active-low", action="store_true", help="the relay board pulls in on a low level")
    parser.add_argument("--fail-safe", action="store_true", help="the relay is pulled in while the door is locked")
    parser.add_argument("--board-socket", default="", help="the simulated board's socket (driver simboard)")
    return parser


def relay_of(parsed: argparse.Namespace) -> RelaySpec:
    return RelaySpec(parsed.driver, parsed.pin, parsed.chip, parsed.active_low, parsed.board_socket, parsed.fail_safe)


def parse(argv: Sequence[str] | None, prog: str, description: str | None) -> Options:
    parser = relay_parser(prog, description)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--max-pulse-ms", type=_within(1, LONGEST_PULSE_MS), default=DEFAULT_MAX_PULSE_MS)
    parser.add_argument(
        "--allow-uid", type=_uid, action="append", default=[], help="user (number or name) who may control the door"
    )
    fittings.add_options(parser)
    parser.add_argument("--die-with-parent", action="store_true", help="lock and end when the parent dies")
    parser.add_argument("--parent-pid", type=int, default=0, help="the parent that --die-with-parent and guard mean")
    parser.add_argument("--beat-fd", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, default=-1, help=argparse.SUPPRESS)
    parsed = parser.parse_args(argv)
    return Options(
        relay_of(parsed),
        parsed.socket,
        parsed.max_pulse_ms,
        frozenset(parsed.allow_uid),
        parsed.die_with_parent,
        parsed.beat_fd,
        parsed.parent_pid,
        parsed.ready_fd,
        _fittings(parser, parsed),
    )


def _fittings(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> Fittings:
    try:
        return fittings.from_options(parsed)
    except ConfigError as error:
        parser.error(str(error))


class _within:
    """An integer within bounds; a class so that argparse can name it in its message."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def __call__(self, text: str) -> int:
        value = int(text)
        if not self._low <= value <= self._high:
            raise argparse.ArgumentTypeError(f"{value} is not within {self._low} to {self._high}")
        return value

    def __repr__(self) -> str:
        return "whole number"


def _uid(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no user {text}") from None
