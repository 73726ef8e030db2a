"""The rules of docs/design.md, section 2, on the real tree; and each of them on a tree that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import architecture as a

import edgeface

ROOT = Path(edgeface.__file__).parent

# the check, what a tree that breaks it looks like, what the check says then
BROKEN: list[tuple[Callable[[Path], list[str]], dict[str, str], str]] = [
    (a.check_layers, {"domain/x.py": "from edgeface import ports", "ports.py": ""}, "domain must not import"),
    (a.check_layers, {"ports.py": "from edgeface.app.y import z", "app/y.py": ""}, "ports must not import"),
    (a.check_layers, {"app/x.py": "import edgeface.adapters.door.relay"}, "app must not import"),
    (a.check_layers, {"app/x.py": "def f():\n    from ..adapters.door import relay"}, "x.py:2: app must not"),
    (a.check_layers, {"app/x.py": "from edgeface.cli import main"}, "app must not import"),
    (a.check_layers, {"cli/x.py": "from edgeface.adapters.door.relay import Relay"}, "cli must not import"),
    (a.check_layers, {"control/x.py": "from edgeface.cli.main import app"}, "control must not import"),
    (a.check_layers, {"console/x.py": "from edgeface.app.wiring import build"}, "console must not import"),
    (a.check_layers, {"adapters/camera/x.py": "import edgeface.adapters.vision.warp"}, "adapters.camera must not"),
    (
        a.check_layers,
        {"adapters/camera/x.py": "from edgeface.app.settings import Settings"},
        "adapters.camera must not",
    ),
    (a.check_layers, {"doord/x.py": "from edgeface.ports import Door"}, "doord must not import"),
    (a.check_layers, {"doord/x.py": "from edgeface.adapters.vision import warp"}, "doord must not import"),
    (a.check_layers, {"misc/x.py": ""}, "misc has no place"),
    (a.check_cycles, {"app/x.py": "import edgeface.app.y", "app/y.py": "import edgeface.app.x"}, "a cycle"),
    (a.check_cycles, {"app/x.py": "import edgeface.app.y", "app/y.py": "def f():\n    from . import x"}, "a cycle"),
    (a.check_lengths, {"app/x.py": "x = 1\n" * (a.LONGEST_MODULE + 1)}, "301 lines"),
    (
        a.check_runtime,
        {"adapters/vision/x.py": "from ai_edge_litert.interpreter import I"},
        "belongs to adapters/vision",
    ),
    (
        a.check_runtime,
        {"adapters/vision/x.py": "import importlib\nimportlib.import_module('tflite_runtime')"},
        "x.py:2",
    ),
    (a.check_runtime, {"app/x.py": "def f():\n    import cv2"}, "cv2 belongs to the adapters"),
    (a.check_domain, {"domain/x.py": "import pydantic"}, "neither the standard library nor numpy"),
    (a.check_domain, {"domain/x.py": "import threading"}, "no place in the domain"),
    (a.check_domain, {"domain/x.py": "x = open('y')"}, "open() has no place"),
    (a.check_domain, {"domain/x.py": "import datetime\nx = datetime.datetime.now()"}, "the time is an argument"),
    (a.check_environment, {"app/x.py": "import os\nx = os.environ['Y']"}, "read by app/settings.py"),
    (a.check_environment, {"cli/x.py": "from os import getenv"}, "read by app/settings.py"),
    (a.check_placeholders, {"app/x.py": "# TO" + "DO: later"}, "x.py:1"),
    (a.check_placeholders, {"app/x.py": "raise NotImplemented" + "Error"}, "x.py:1"),
]
CHECKS = list(dict.fromkeys(check for check, _, _ in BROKEN))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_tree_keeps_to_the_floor_plan(check: Callable[[Path], list[str]]) -> None:
    assert not check(ROOT), "\n".join(check(ROOT))


@pytest.mark.parametrize(("check", "files", "says"), BROKEN)
def test_a_tree_that_breaks_a_rule_is_told_so(
    check: Callable[[Path], list[str]], files: dict[str, str], says: str, tmp_path: Path
) -> None:
    for where, text in files.items():
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert any(says in sentence for sentence in check(tmp_path)), check(tmp_path)


def test_a_tree_within_the_rules_is_not_complained_about(tmp_path: Path) -> None:
    """Arrows that are allowed, a type-only import back, and words that only look like placeholders."""
    files = {
        "domain/x.py": "import math\nimport numpy as np\nfrom edgeface.domain import y",
        "domain/y.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from edgeface.domain.x import X",
        "ports.py": "from edgeface.domain.x import X",
        "adapters/door/relay.py": "import gpiozero\nfrom edgeface.ports import Door",
        "app/wiring.py": "from edgeface.adapters.door.relay import Relay",
        "app/daemon.py": "from edgeface.app.wiring import build",
        "doord/x.py": "from edgeface.adapters.door import relay",
        "cli/x.py": "from edgeface.app import wiring  # not a method of hacking",
    }
    for where, text in files.items():
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for check in CHECKS:
        assert check(tmp_path) == [], check.__name__


def test_every_exception_for_the_environment_is_still_needed() -> None:
    for where in a.ENVIRONMENT:
        assert "environ" in (ROOT / where).read_text(encoding="utf-8"), f"{where} needs no exception any more"
