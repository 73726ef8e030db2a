"""Text from elsewhere that people will read: without what could disguise it."""

from __future__ import annotations

import unicodedata

_OVERRIDES = "\u202a\u202b\u202d\u202e"  # they turn the order of what follows around


def clean_text(text: object, longest: int, *, lines: bool = False) -> bool:
    """Whether this is text of 1 to `longest` characters without control, direction-override or surrogate characters;
    `lines` allows line breaks and tabs."""
    if not isinstance(text, str) or not 1 <= len(text) <= longest:
        return False
    if text.isascii():
        return text.isprintable() or (lines and text.replace("\n", "").replace("\t", "").isprintable())
    return not any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _OVERRIDES
        for c in text
        if not (lines and c in "\n\t")
    )
