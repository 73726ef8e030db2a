"""How long and how regular the pulses of a Wiegand number are, as a process of its own sees them (the simulated board's
log): python scripts/wiegand_timing.py [NUMBERS]. The board's own answer is part of every figure, so a GPIO's are
lower; what matters is the tail, which is the scheduler's."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgeface.adapters.door.driver import RelaySpec, open_relay
from edgeface.domain.wiegand import WiegandCard
from edgeface.doord.card_output import PAUSE_S, CardOutput


def main(numbers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        board, log = Path(folder) / "board.sock", Path(folder) / "edges.jsonl"
        command = [sys.executable, "-m", "edgeface.adapters.door.simboard", "--die-with-parent", "--pins", "5:1,6:1"]
        process = subprocess.Popen([*command, "--socket", str(board), "--log", str(log)])
        try:
            while not board.exists():
                time.sleep(0.05)
            time.sleep(0.2)  # bound, and then listening
            d0, d1 = (open_relay(RelaySpec("simboard", pin, "", True, str(board))) for pin in (5, 6))
            output = CardOutput((d0, d1))
            for number in range(numbers):
                output.transmit(WiegandCard(34, number, number))
                time.sleep(PAUSE_S)
            edges = [json.loads(line) for line in log.read_text().splitlines()]
        finally:
            process.terminate()
            process.wait()
    pairs = itertools.pairwise(edges)
    widths = [b["t_s"] - a["t_s"] for a, b in pairs if (a["level"], b["level"]) == (0, 1)]
    periods = [b - a for a, b in itertools.pairwise(e["t_s"] for e in edges if e["level"] == 0) if b - a < PAUSE_S]
    for what, values in (("pulse", sorted(widths)), ("period", sorted(periods))):
        shown = {q: round(1e6 * values[min(len(values) - 1, int(q * len(values)))]) for q in (0.5, 0.99, 0.999, 1.0)}
        sys.stdout.write(f"{what}: {len(values)}, us at these quantiles: {shown}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
