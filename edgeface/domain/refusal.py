"""Why something that came over the link was refused: a closed list, each with a sentence. Whoever receives counts and
reports them; nothing else happens."""

from __future__ import annotations

from enum import Enum

from edgeface.domain.errors import EdgefaceError


class Refusal(str, Enum):
    """Values are a public contract (docs/protocol.md): they are counted in telemetry and named in replies."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_VERSION = "unsupported_version"
    WRONG_KIND = "wrong_kind"
    WRONG_SITE = "wrong_site"
    WRONG_RECIPIENT = "wrong_recipient"
    UNKNOWN_SIGNER = "unknown_signer"
    REVOKED_SIGNER = "revoked_signer"
    NOT_ALLOWED = "not_allowed"
    BAD_SIGNATURE = "bad_signature"
    CANNOT_OPEN = "cannot_open"
    WRONG_EPOCH = "wrong_epoch"
    REPLAYED = "replayed"
    ROLLED_BACK = "rolled_back"
    CONFLICT = "conflict"
    REMOVED = "removed"
    STALE = "stale"
    EXPIRED = "expired"
    UNKNOWN_NONCE = "unknown_nonce"
    RETAINED_COMMAND = "retained_command"
    OVERFLOW = "overflow"


SENTENCES: dict[Refusal, str] = {
    Refusal.MALFORMED: "The message is not in the form that the protocol prescribes.",
    Refusal.TOO_LARGE: "The message is larger than its kind may be.",
    Refusal.UNSUPPORTED_VERSION: "The message is of another version of the protocol.",
    Refusal.WRONG_KIND: "The message is of another kind than its topic is for.",
    Refusal.WRONG_SITE: "The message belongs to another site.",
    Refusal.WRONG_RECIPIENT: "The message is for somebody else.",
    Refusal.UNKNOWN_SIGNER: "The message is signed by nobody in this site's roster.",
    Refusal.REVOKED_SIGNER: "The message is signed by somebody who was removed from this site.",
    Refusal.NOT_ALLOWED: "The signer's role doesn't allow this.",
    Refusal.BAD_SIGNATURE: "The signature doesn't fit the message: it was altered or forged.",
    Refusal.CANNOT_OPEN: "The content was not sealed for this place, or was altered.",
    Refusal.WRONG_EPOCH: "The message is of a key epoch that is over, or not begun.",
    Refusal.REPLAYED: "An older or equal state of this was applied already.",
    Refusal.ROLLED_BACK: "The message would take the site behind a version that was seen already.",
    Refusal.CONFLICT: "Another message with the same version number stands.",
    Refusal.REMOVED: "The record was removed, and a removal is final.",
    Refusal.STALE: "It was changed since you looked; look again and decide anew.",
    Refusal.EXPIRED: "The message came too late.",
    Refusal.UNKNOWN_NONCE: "The message answers a nonce that was never issued, or was used already.",
    Refusal.RETAINED_COMMAND: "A command may not be retained by the broker.",
    Refusal.OVERFLOW: "Too much is waiting already; it is asked for again later.",
}


class MessageRefused(EdgefaceError):
    """A message was refused. `refusal` is what is counted; `detail` says more and never quotes what came."""

    exit_code = 65

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(f"{SENTENCES[refusal]}{f' ({detail})' if detail else ''}")
        self.refusal = refusal
        self.detail = detail
