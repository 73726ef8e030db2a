"""What the machine with the broker needs of a site: certificates, revocations, rights. Copied there by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from edgeface.adapters.link.broker import home_assistant_rights
from edgeface.adapters.link.certificates import Authority
from edgeface.adapters.link.secret_file import write_whole
from edgeface.admin.home import VIEWERS, Home, viewer_name
from edgeface.domain.errors import ConfigError
from edgeface.domain.roster import Roster

_BLOCK = re.compile(r"^user admin\n(?:(?:topic|#) ?.*\n)+", re.MULTILINE)


def acl(shipped: str, admins: Iterable[str]) -> str:
    """The ACL that ships, with the admin's block for each of these ids. Raises ConfigError."""
    block = _BLOCK.search(shipped)
    if block is None:
        raise ConfigError("The ACL that ships has no block for an admin.", "Install edgeface again.")
    reading = "topic read edgeface/v1/+/device/#\n"
    made = []
    for admin in admins:
        made.append(block[0].replace("user admin\n", f"user {admin}\n", 1))
        made += [f"user {viewer_name(admin, n)}\n{reading}" for n in range(1, VIEWERS + 1)]
    return shipped.replace(block[0], "\n".join(made))


def write_acl(home: Home, roster: Roster, shipped: Path) -> None:
    try:
        text = shipped.read_text(encoding="utf-8")
    except OSError as e:
        raise ConfigError(f"The ACL that ships ({shipped}) can't be read: {e.strerror}.") from e
    made = acl(text, (a.id for a in roster.admins))
    if home.info.home_assistant:
        made = home_assistant_rights(made, unlock=home.info.home_assistant == "unlock")
    write_whole(home.broker_folder / "acl", made.encode(), 0o644)


def write_revocations(home: Home, authority: Authority, serials: Iterable[int], now: datetime) -> None:
    write_whole(home.broker_folder / "crl.pem", authority.revocation_list(serials, now), 0o644)
