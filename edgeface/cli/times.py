"""Times as people write and read them in commands."""

from __future__ import annotations

from datetime import datetime, timezone

import typer


def parse_time(text: str | None, option: str) -> float | None:
    """Unix seconds of a date or time as ISO 8601; without a zone it is UTC. Raises typer.BadParameter."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise typer.BadParameter(
            f"{text[:40]!r} is no date or time. Write 2026-12-31 or 2026-12-31T18:00+01:00.", param_hint=option
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def show_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
