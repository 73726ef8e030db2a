"""Runs a workload again and again, in a fresh process each time and without the time that imports take.

python forks.py gallery|audit FOLDER: every line on standard input starts one with that seed; prints its pid, and when
it is dead."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


workload = __import__(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        say(op="pid", pid=os.getpid())
        workload.main(Path(sys.argv[2]), 0, False, int(line))
        os._exit(0)
    os.waitpid(child, 0)
    say(op="dead")
