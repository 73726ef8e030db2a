"""edgeface-doord: owns the door's relay, knows nothing of faces. See docs/design.md, sections 6 and 10.4."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from edgeface.adapters.door.driver import open_relay_patiently
from edgeface.adapters.door.lifeline import die_with_parent, orphaned
from edgeface.adapters.door.pins import check, this_board
from edgeface.domain.errors import EdgefaceError
from edgeface.doord import options as doord_options
from edgeface.doord.fitted import fit
from edgeface.doord.host import Listener, StopSignals, Watchdogs
from edgeface.doord.leaving import hold, leave
from edgeface.doord.server import DoorServer


def serve(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; the relay is locked by then, whatever the code."""
    options = doord_options.parse(argv, "python -m edgeface.doord", __doc__)
    logging.basicConfig(level=logging.INFO, format="edgeface-doord: %(message)s", stream=sys.stderr)
    parent_pid = options.parent_pid or os.getppid()
    if options.die_with_parent:
        die_with_parent()
    signals = StopSignals()
    try:
        for warning in check(options.relay, options.fittings, this_board()):
            sys.stderr.write(f"edgeface-doord: {warning}\n")
        relay = hold(open_relay_patiently(options.relay))  # locked from here on
        fitted, machine = fit(options)
        listener = Listener(options.socket)
        try:
            DoorServer(
                relay,
                machine,
                listener,
                options.allow_uids | {0, os.getuid()},
                signals,
                Watchdogs(options.beat_fd),
                lambda: options.die_with_parent and orphaned(parent_pid),
                fitted=fitted,
            ).run()
        finally:
            listener.close()
    except EdgefaceError as error:
        sys.stderr.write(f"edgeface-doord: {error}\n")
        return error.exit_code
    except Exception:  # a fault of ours: locked already (DoorServer.run), told in full, and the supervisor restarts
        logging.getLogger("edgeface.doord").exception("unexpected fault, locked")
        return 1
    return 0


def main() -> None:
    leave(serve())


if __name__ == "__main__":
    main()
