"""The long campaigns: kills, power cuts, fuzzing, properties; round after round with other seeds, for so many seconds.

python scripts/torture.py 3600 [pytest arguments]

A round is every test marked `torture` or `campaign`. The first one always runs whole; another begins only where the
longest so far would still fit. Ends with 1 where a test failed: what it needs to be repeated (the round) is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

KILLS = "40"  # in a round, of each kind
CAMPAIGNS = "torture or campaign"


def main(seconds: float, arguments: list[str]) -> int:
    began_s, longest_s, rounds = time.monotonic(), 0.0, 0
    while rounds == 0 or time.monotonic() - began_s + longest_s <= seconds:
        print(f"round {rounds}, {time.monotonic() - began_s:.0f} of {seconds:.0f} s", flush=True)
        started_s = time.monotonic()
        environment = {"EDGEFACE_KILL_RUNS": KILLS, "HYPOTHESIS_PROFILE": "torture", **os.environ,
                       "EDGEFACE_ROUND": str(rounds), "EDGEFACE_TORTURE_S": f"{seconds:.0f}"}  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-q", "-m", CAMPAIGNS, "--timeout", "3600", *arguments]
        failed = subprocess.run(command, env=environment, check=False).returncode
        if failed:
            print(f"failed in round {rounds}; once more: EDGEFACE_ROUND={rounds} {' '.join(command)}", file=sys.stderr)
            return 1
        longest_s, rounds = max(longest_s, time.monotonic() - started_s), rounds + 1
    print(f"{rounds} rounds in {time.monotonic() - began_s:.0f} s, nothing failed")
    return 0


if __name__ == "__main__":
    try:
        length_s = float(sys.argv[1])
    except (IndexError, ValueError):
        sys.exit("How long? python scripts/torture.py SECONDS")
    sys.exit(main(length_s, sys.argv[2:]))
