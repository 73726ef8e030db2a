"""Drives the relay to its locked level and ends: systemd's ExecStopPost after doord was killed, and a technician's
last resort. Waits a moment for a pin whose owner has just died."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgeface.adapters.door.driver import open_relay_patiently
from edgeface.domain.errors import EdgefaceError
from edgeface.doord.leaving import hold, leave
from edgeface.doord.options import relay_of, relay_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = relay_parser("python -m edgeface.doord.lock", __doc__)
    try:
        hold(open_relay_patiently(relay_of(parser.parse_args(argv))))  # opening locks
    except EdgefaceError as error:
        sys.stderr.write(f"edgeface-doord: the relay could not be locked. {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    leave(main())
