"""PINs and card ids as they are stored. Implements ports.FactorHasher.

A PIN has few digits, so no hash of it stands long against somebody who has the record *and* its key; scrypt (RFC 7914)
makes each guess cost memory and time, a salt of its own makes guesses for one person useless for another. Card ids are
short numbers too, and must be found without knowing whose they are: HMAC-SHA256 under a key that is not in the
gallery."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import os
import re

from edgeface.domain.errors import GalleryError

PURPOSE = "card ids"  # of the key, for ports.Keys.secret
LOG_N, R, P = 14, 8, 1  # 16 MiB and some 40 ms on a Pi 5; OWASP's floor where memory is short
LEAST_PIN, LONGEST_PIN = 4, 8
_STORED = re.compile(r"scrypt\$ln=(\d{2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")
_CARD = re.compile(r"[0-9a-f]{64}")
_HIGHEST_LOG_N = 16  # a stored record must not make the door compute for a minute


class FactorHasher:
    """`key`: 32 secret bytes, the same for whatever shares a gallery."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the key of card ids has 32 bytes")
        self._key = key

    def card(self, card_id: str) -> str:
        """64 hex digits."""
        return hmac.new(self._key, card_id.encode(), hashlib.sha256).hexdigest()

    def pin(self, digits: str) -> str:
        """Raises GalleryError for a PIN that is none, or that everybody tries first."""
        why = weakness(digits)
        if why:
            raise GalleryError(f"This PIN can't be used: {why}.", f"Choose {LEAST_PIN} to {LONGEST_PIN} other digits.")
        salt = os.urandom(16)
        found = _scrypt(digits, salt, LOG_N, R, P)
        return f"scrypt$ln={LOG_N},r={R},p={P}${_text(salt)}${_text(found)}"

    def verify(self, digits: str, stored: str) -> bool:
        """In constant time as far as the PIN goes. False also for what is no stored PIN."""
        parts = _STORED.fullmatch(stored)
        if parts is None or not is_stored_pin(stored) or not digits.isascii() or not digits.isdecimal():
            return False
        log_n, r, p = (int(parts[i]) for i in (1, 2, 3))
        return hmac.compare_digest(_scrypt(digits, _bytes(parts[4]), log_n, r, p), _bytes(parts[5]))


def weakness(digits: str) -> str:
    """Why a PIN won't do; empty where it does."""
    if not (digits.isascii() and digits.isdecimal() and LEAST_PIN <= len(digits) <= LONGEST_PIN):
        return f"it does not have {LEAST_PIN} to {LONGEST_PIN} digits"
    steps = {int(b) - int(a) for a, b in itertools.pairwise(digits)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        return "equal or consecutive digits are what everybody tries first"
    return ""


def is_stored_pin(text: object) -> bool:
    parts = _STORED.fullmatch(text) if isinstance(text, str) else None
    return parts is not None and 10 <= int(parts[1]) <= _HIGHEST_LOG_N and 1 <= int(parts[2]) <= 8 and parts[3] == "1"


def is_stored_card(text: object) -> bool:
    return isinstance(text, str) and _CARD.fullmatch(text) is not None


def _scrypt(digits: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(digits.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=256 << 20, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
