"""Draws the README's picture of the demo from the demo's own JSON.

edgeface demo --json > demo.json
python scripts/draw_demo.py demo.json docs/demo.svg
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console

from edgeface.app import wiring_tools
from edgeface.app.demo.show import Moment, Outcome
from edgeface.app.demo.verdict import Happened, Row
from edgeface.cli import demo


def main(source: str, target: str) -> None:
    told = json.loads(Path(source).read_text(encoding="utf-8"))
    story = wiring_tools.load_scene(None)
    acts = story.acts
    fixed = ("t_s", "event")
    events = [Happened(e["t_s"], e["event"], {k: v for k, v in e.items() if k not in fixed}) for e in told["events"]]
    rows = [
        Row(r["name"], r["expected"], r["happened"], r["after_ms"], r["relay_ms"], tuple(r["faults"]))
        for r in told["rows"]
    ]
    console = Console(record=True, width=118, file=io.StringIO())
    console.print(demo._picture(acts, Moment(story.length_s, story.length_s, "done", False, events), console.width))
    console.print(demo._table(Outcome(rows, events, [], told["lasted_s"])))
    drawn = console.export_svg(title="edgeface demo")
    # no font from elsewhere: the picture needs no network, and tells nobody who looks at it
    drawn = re.sub(r"@font-face\s*{.*?}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    Path(target).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
