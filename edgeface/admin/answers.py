"""The agent's answers as the commands see them."""

from __future__ import annotations

from edgeface.domain.errors import EdgefaceError
from edgeface.domain.messages import Reply


class RequestRefused(EdgefaceError):
    """The agent said no. `code` is a word of docs/protocol.md, section 5, or the operation's own."""

    exit_code = 65

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.message or f"The agent refused this ({reply.code}).", _ADVICE.get(reply.code, ""))
        self.code, self.reasons = reply.code, reply.reasons


_ADVICE = {
    "stale": "Somebody else changed it; look again and repeat the command.",
    "not_allowed": "Ask the owner for the role: edgeface admin admin add.",
    "removed": "Enrol the person anew.",
}


def checked(reply: Reply) -> Reply:
    """Raises RequestRefused."""
    if not reply.done:
        raise RequestRefused(reply)
    return reply
