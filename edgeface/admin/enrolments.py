"""Photos sealed to the site's agent: for software that has no models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.secret_file import write_whole
from edgeface.admin.home import Home
from edgeface.domain.errors import LinkError
from edgeface.domain.messages import PhotoEnrolment
from edgeface.domain.roster import Role, Roster


@dataclass(frozen=True)
class Sealed:
    """`id` names the answer, which comes on reply/<admin>."""

    id: str
    topic: str
    message: bytes


def seal(home: Home, roster: Roster, wanted: PhotoEnrolment) -> Sealed:
    """Raises LinkError where the site's agent takes no photos, MessageRefused for what the protocol has no room for."""
    agent = next((a for a in roster.agents if Role.ENROL in a.roles), None)
    if agent is None:
        raise LinkError("This site's agent takes no photos.", "Its owner decides that at `site create --photos`.")
    keys, request = home.admin(), os.urandom(16).hex()
    message = codec.sign_enrolment(wanted, request, agent, home.site, keys)
    return Sealed(request, topics.of_admin(home.site, "enrol", keys.id), message)


def write(path: Path, message: bytes) -> None:
    write_whole(path, message)
