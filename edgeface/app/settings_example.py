"""The commented settings file, written from the model itself: config/edgeface.toml is its output."""

from __future__ import annotations

import textwrap

from edgeface.app import settings_help
from edgeface.app.settings import Settings

HEAD = """\
# edgeface: every setting, at its default. Uncomment what you change; a variable wins over this file:
# EDGEFACE_DOOR__PULSE_MS=2000. `edgeface config check` says whether all of it makes sense, `edgeface config explain
# KEY` what one setting means. Relative paths are meant from this file's own folder.
# (Written by `edgeface config example`.)
"""
SCHEDULES = """
# Weekly hours that gallery records refer to by name, in the door's time zone; as many as there are needed. `always` and
# `never` are built in. A window whose end is not after its beginning runs past midnight.
# [[schedule]]
# name = "office"
# windows = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "07:00", to = "19:30" }]
# holidays = [2027-01-01, 2027-12-25]
"""
_UNSET = {"path": '"/path/of/it"', "number": "0.5", "whole number": "1"}  # for those without a default


def example_file() -> str:
    """TOML in which every setting is a comment: as it stands it changes nothing."""
    lines: list[str] = []
    table = ""
    for key in settings_help.fields(Settings):
        group, _, name = key.rpartition(".")
        if key == "schedule":
            continue
        if group != table:
            lines += ["", f"# {settings_help.description_of(group, Settings)}", f"[{group}]"]
            table = group
        told = settings_help.explain(key, Settings)
        choices = told.type if told.type != "true or false" and ("," in told.type or " or " in told.type) else ""
        facts = ", ".join(fact for fact in (told.unit, told.bounds, choices) if fact)
        sentence = told.description + (f" ({facts})" if facts else "")
        lines += textwrap.wrap(sentence, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        lines.append(f"# {name} = {told.default or _UNSET[told.type]}")
    return HEAD + "\n" + "\n".join(lines) + "\n" + SCHEDULES
