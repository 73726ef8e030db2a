"""All checks, in order. One that fails by itself is a finding too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeface.app.doctor.finding import Check, Context, Finding
from edgeface.app.doctor.machine import MACHINE
from edgeface.app.doctor.parts import PARTS
from edgeface.domain.errors import EdgefaceError

CHECKS: Sequence[Check] = (*MACHINE, *PARTS)


def examine(context: Context, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    for check in checks:
        try:
            yield from check(context)
        except EdgefaceError as e:
            yield Finding(check.__name__, "check", "wrong", e.message, e.advice)
        except Exception as e:  # a machine that nobody foresaw must not hide what the other checks find
            sentence = f"The check failed by itself ({type(e).__name__}: {str(e)[:200]})."
            yield Finding(check.__name__, "check", "unknown", sentence, "Please report it.")
