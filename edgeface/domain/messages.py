"""What the messages of a site's state, and those between admins and the agent, say once they are verified and opened
(docs/protocol.md; those of the doors are in messages_door). Ids are 32 hex digits; hashes, keys, nonces and salts are
raw bytes; `_s` and `_ms` are Unix time; `version` and `seq` count from 1. The wire form of each is in adapters/link."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgeface.domain.types import Person

SHARDS = 256
SHARD_DIGEST_BYTES = 16


class SiteMode(str, Enum):
    NORMAL = "normal"
    LOCKDOWN = "lockdown"
    FREE_ACCESS = "free_access"


class RequestOp(str, Enum):
    """What an admin may ask of the agent; the roles that each needs are in `REQUEST_ROLES` (adapters/link/requests)."""

    PUT = "put"  # `message`: a signed person
    REMOVE = "remove"  # `message`: a signed tombstone
    MODE = "mode"  # `message`: a signed site mode
    ROSTER = "roster"  # `message`: a roster signed by the root key, to be published
    RESIGN = "resign"  # `message`: a signed person, equal in content to the record that stands
    LIST = "list"
    SHOW = "show"
    STATUS = "status"


# -- the site's state -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PersonContent:
    """What an admin signs: the whole record, its templates unrotated. `salt` is 16 random bytes, fresh for every
    change, so that a hash of the content tells nothing."""

    person: Person
    salt: bytes


@dataclass(frozen=True)
class SealedRecord:
    """A record as the broker sees it. `by` signed the content; `since` is the first manifest version that covers it;
    `ciphertext` is AES-256-GCM of a signed PersonContent."""

    epoch: int
    seq: int
    id: str
    by: str
    since: int
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Removal:
    """A tombstone. `seq` is one above the highest that its signer knew; `erased` asks for a receipt of each door."""

    id: str
    seq: int
    erased: bool = False
    at_s: int = 0


@dataclass(frozen=True)
class Manifest:
    """`roster` is the version of the roster that it was made under; `digests` is SHARDS x SHARD_DIGEST_BYTES;
    `revoked` lists, sorted, the removals that some door has not confirmed yet; `count` is that of the records."""

    version: int
    epoch: int
    roster: int
    count: int
    digests: bytes
    revoked: tuple[str, ...] = ()
    at_s: int = 0


@dataclass(frozen=True)
class ModeState:
    version: int
    mode: SiteMode
    at_s: int = 0


# -- keys -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyGrant:
    """`sealed` is HPKE of an EpochKeys, to this device and epoch alone."""

    device: str
    epoch: int
    sealed: bytes


@dataclass(frozen=True)
class EpochKeys:
    """`key` is K(epoch); `rotation_seed` makes the epoch's matching matrix. Both 32 bytes."""

    epoch: int
    key: bytes
    rotation_seed: bytes

    def __repr__(self) -> str:
        return f"EpochKeys(epoch={self.epoch})"


# -- admins and the agent ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SealedRequest:
    """`to` is the agent; `id` is 16 random bytes in hex, and names the answer."""

    id: str
    to: str
    sealed: bytes


@dataclass(frozen=True)
class Request:
    """`saw` is the version of what it changes that the admin saw: a record's seq (0 for a new person), the site
    mode's, the roster's. `record` and `cursor` and `limit` belong to LIST and SHOW."""

    op: RequestOp
    saw: int = 0
    message: bytes = b""
    record: str | None = None
    cursor: str | None = None
    limit: int = 0
    at_s: int = 0


@dataclass(frozen=True)
class PhotoEnrolment:
    """Photos of one person for the agent to make a record of. `saw` as in Request; `photos` are JPEG or PNG files.
    `force` takes a lookalike that was warned of."""

    record: str
    name: str
    photos: tuple[bytes, ...]
    saw: int = 0
    groups: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    schedule: str = "always"
    valid_from_ms: int | None = None
    valid_to_ms: int | None = None
    notes: tuple[tuple[str, str], ...] = ()
    force: bool = False
    at_s: int = 0


@dataclass(frozen=True)
class SealedReply:
    id: str
    to: str
    sealed: bytes


@dataclass(frozen=True)
class Reply:
    """`code` is empty when done, else a Refusal's value or one of the operation's own; `version` is what stands now;
    `items` are signed messages in their wire form or JSON; `reasons` are (what, sentence), e.g. for each photo."""

    done: bool
    code: str = ""
    message: str = ""
    version: int = 0
    items: tuple[bytes, ...] = ()
    cursor: str | None = None
    reasons: tuple[tuple[str, str], ...] = ()
