"""Commands to a door are good once, for the admin who asked, within 10 s of the door issuing their nonce, by the door's
own monotonic clock: no clock but that one has to be right, and nothing that was recorded works again."""

from __future__ import annotations

from collections import OrderedDict

from edgeface.domain.messages_door import COMMAND_VALID_S
from edgeface.domain.refusal import Refusal

MAX_OUTSTANDING = 16  # of all admins together; asking costs a signature of an operate admin


class CommandNonces:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._issued: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def issue(self, nonce: bytes, admin: str, now_s: float) -> None:
        """`nonce`: 16 random bytes, made by the caller. The oldest goes when there are too many."""
        self._issued[nonce] = (admin, now_s)
        while len(self._issued) > MAX_OUTSTANDING:
            self._issued.popitem(last=False)

    def take(self, nonce: bytes, admin: str, now_s: float, *, retained: bool = False) -> Refusal | None:
        """None: the command may be carried out, and the nonce is used up. Only a command that is good, or too late,
        uses it up; nobody else's can."""
        if retained:
            return Refusal.RETAINED_COMMAND
        issued = self._issued.get(nonce)
        if issued is None or issued[0] != admin:
            return Refusal.UNKNOWN_NONCE
        del self._issued[nonce]
        return Refusal.EXPIRED if now_s - issued[1] > COMMAND_VALID_S else None
