"""Texts without the secrets that people write into addresses and pipelines: for messages, logs and the screen."""

from __future__ import annotations

import re

HIDDEN = "…"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^\s\"']*)")
# properties of GStreamer elements (user-pw, proxy-pw, …)
_PROPERTY = re.compile(
    r"""\b([\w-]*(?:user|passw|passphrase|pw|secret|token|key)[\w-]*\s*=\s*)("[^"]*"|'[^']*'|[^\s!]+)""", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """`text` with the user and password of every address left out, its query hidden, and so the properties that hold a
    password. Passwords hold @, / and ? unescaped too: where it can't be told what belongs to one, more is hidden."""
    return _PROPERTY.sub(rf"\1{HIDDEN}", _ADDRESS.sub(_address, text))


def _address(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    before, question, query = rest.partition("?")
    if "@" in query:  # a password with a question mark, or a query with an @
        return scheme + HIDDEN
    return scheme + before.rpartition("@")[2] + (f"?{HIDDEN}" if question else "")
