"""The command line in this process: quick, and with what it printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgeface.cli import main as command_line


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Of a stream of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Said]


def commands(capsys: pytest.CaptureFixture[str], config: Path | None = None) -> Command:
    """`edgeface ARGUMENTS`, with the settings file where one is given."""

    def edgeface(*arguments: object) -> Said:
        given = [*map(str, arguments), *(("--config", str(config)) if config else ())]
        with pytest.raises(SystemExit) as caught:
            command_line.main(given)
        out, err = capsys.readouterr()
        return Said(int(caught.value.code or 0), out, err)

    return edgeface
