"""A sentence that sends somebody to a command names one that exists, with options that it has."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import edgeface
from edgeface.cli.main import COMMANDS

ROOT = Path(edgeface.__file__).parent
# in backticks, in an example, or behind a colon: "Begin with: edgeface enroll NAME"
NAMED = re.compile(r'(?:`(?:sudo )?|\("|: |^Example: *|", ")edgeface((?: [A-Za-z{-][\w{}./=,-]*)+)', re.MULTILINE)
COMMON = {"--config", "-c", "--help", "--debug", "--version", "--json"}


def tree(name: str) -> Any:
    return typer.main.get_command(importlib.import_module(f"edgeface.cli.{COMMANDS[name][0]}").app)


def wrong(words: list[str]) -> str:
    """What is wrong with `edgeface WORDS`, empty where nothing is. A group alone is a command too."""
    words = [w.rstrip(".,:;") for w in words]
    while words and words[0] in COMMON:
        words = words[1:]
    if not words or words[0].startswith("{"):
        return ""
    if words[0] not in COMMANDS:
        return f"edgeface {words[0]} is no command"
    found, path = tree(words[0]), f"edgeface {words[0]}"
    rest = words[1:]
    while hasattr(found, "commands") and rest and re.fullmatch("[a-z][a-z-]*", rest[0]):
        if rest[0] not in found.commands:
            return f"{path} {rest[0]} is no command"
        found, path, rest = found.commands[rest[0]], f"{path} {rest[0]}", rest[1:]
    known = {name for parameter in found.params for name in parameter.opts} | COMMON
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in known:
            return f"{path} has no option {word}"
    return ""


def findings(text: str) -> list[str]:
    joined = re.sub(r'"\s*\n\s*f?"', "", text)  # a sentence that goes on in the next line's literal
    named = NAMED.findall(joined)
    return [said for words in named if (said := wrong(words.split()))]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    assert findings(path.read_text(encoding="utf-8")) == []


def test_the_sentences_are_found() -> None:
    """The measurement itself can fail."""
    names = [name for path in ROOT.rglob("*.py") for name in NAMED.findall(path.read_text(encoding="utf-8"))]
    assert len(names) > 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("look at `edgeface status`", "edgeface status is no command"),
        ("Choose one that `edgeface physician` lists.", "edgeface physician is no command"),
        ("or: edgeface gallery erase {who}", "edgeface gallery erase is no command"),
        ("`edgeface door test --pulse 3`", "edgeface door test has no option --pulse"),
        ('advice = "Run `edge"\n    "face` or `edgeface gallery "\n    f"purge {x}`."', "gallery purge is no command"),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, said: str) -> None:
    assert any(said in finding for finding in findings(text)), findings(text)


def test_what_exists_is_not_complained_about() -> None:
    text = "`edgeface gallery remove {who.id}`, `edgeface audit list | head`, `edgeface --version`, `edgeface gallery`"
    assert findings(text) == []
