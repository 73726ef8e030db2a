"""The page that a technician reads shows the states that the code has."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

REPO = Path(__file__).resolve().parents[2]


def diagram() -> ModuleType:
    spec = importlib.util.spec_from_file_location("door_diagram", REPO / "scripts" / "door_diagram.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_machine_as_it_is() -> None:
    page = (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
    assert diagram().put_into(page) == page, "run: python scripts/door_diagram.py docs/operations.md"


def test_only_fire_and_exits_leave_a_lockdown_before_its_mode_does() -> None:
    left = {after: events for (before, after), events in diagram().explore().items() if before == "Lockdown"}
    assert left == {
        "Exit in lockdown": ["request to exit"],
        "Free access": ["mode free_access"],
        "Locked": ["mode normal"],
        "Fire": ["fire"],
    }


def test_the_daemons_death_leaves_nothing_that_rested_on_it() -> None:
    edges = diagram().explore()
    ends = {before for (before, after), events in edges.items() if "the daemon dies" in events and after == "Locked"}
    assert ends == {"Granted", "Free by schedule"}
