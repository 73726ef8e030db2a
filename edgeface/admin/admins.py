"""Other admins: one makes keys on his own machine and offers the public ones, the owner takes him into the roster with
roles, and his answer makes the folder a site's."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeface.adapters.link import certificates, codec, topics
from edgeface.adapters.link.codec import PartyKeys, Signed
from edgeface.adapters.link.secret_file import write_whole
from edgeface.admin import home as homes
from edgeface.admin.desk import Desk
from edgeface.admin.devices import Owner
from edgeface.admin.home import VIEWERS, Home, Info, viewer_name
from edgeface.admin.people import People
from edgeface.domain.errors import ConfigError, SourceError
from edgeface.domain.messages import ModeState, Request, RequestOp
from edgeface.domain.messages_door import PairingOffer
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import ADMIN_ROLES, Party, Role, Roster, short_code
from edgeface.domain.text import clean_text

_WAITING = "joining.json"
_MOST = 4 << 20


@dataclass(frozen=True)
class Joined:
    """`site_code` is for the new admin to compare with the owner's."""

    home: Home
    site_code: str
    roles: tuple[Role, ...]


def join(folder: Path, name: str, passphrase: bytes | None, now_s: int) -> bytes:
    """Makes the keys in an empty folder; the offer for the owner. Raises ConfigError."""
    if not clean_text(name, 128):
        raise ConfigError("A name has 1 to 128 characters and no control characters.", "Give another name.")
    homes.make_folder(folder)
    keys = PartyKeys.generate()
    homes.write_key(folder, "admin", keys.secret(), passphrase)
    public, private = certificates.new_key()
    for one in _certificate_names():
        write_whole(folder / "tls" / f"{one}.key", private)
    write_whole(folder / _WAITING, json.dumps({"name": name, "admin": keys.id}).encode())
    return codec.sign_offer(PairingOffer(keys.ed25519, keys.x25519, public, name, "edgeface admin", now_s), keys)


def accept(folder: Path, answer: Path) -> Joined:
    """The owner's answer makes the folder a site's. Raises SourceError, ConfigError."""
    try:
        waiting = json.loads((folder / _WAITING).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ConfigError(f"{folder} waits for no answer.", "Begin with: edgeface admin site join NAME.") from e
    try:
        given = json.loads(answer.read_bytes()[:_MOST])
        root = bytes.fromhex(given["root"])
        roster = codec.open_roster(base64.b64decode(given["roster"]), root).value
        host, port = str(given["broker_host"]), int(given["broker_port"])
        ca, issued = str(given["ca"]), {n: str(given["certificates"][n]) for n in _certificate_names()}
    except (OSError, ValueError, KeyError, TypeError, MessageRefused) as e:
        raise SourceError(f"{answer} is no answer of a site's owner.", "Have it made anew: admin admin add.") from e
    me = roster.admin(waiting["admin"])
    if me is None:
        raise SourceError("The answer is for somebody else.", "Give the owner your own offer.")
    write_whole(folder / "tls" / "ca.pem", ca.encode(), 0o644)
    for name, certificate in issued.items():
        write_whole(folder / "tls" / f"{name}.pem", certificate.encode(), 0o644)
    homes.write_info(folder, Info(roster.site_name, root.hex(), me.id, me.name, host, port, owner=False))
    (folder / _WAITING).unlink()
    home = Home(folder, lambda: b"")
    return Joined(home, short_code(home.site), me.roles)


def add(owner: Owner, offer: Signed[PairingOffer], name: str, roles: Sequence[Role]) -> bytes:
    """The answer for him; again with other roles it changes them. Raises ConfigError, RequestRefused."""
    if not roles:
        raise ConfigError("An admin without a role can do nothing.", f"Give --role: {_names(ADMIN_ROLES)}.")
    if not clean_text(name, 128):
        raise ConfigError("A name has 1 to 128 characters and no control characters.", "Give --name.")
    roster = owner.desk.roster
    if offer.signer in roster.revoked:
        raise ConfigError("These keys were removed from the site.", "He has to make new ones: site join.")
    ordered = tuple(r for r in ADMIN_ROLES if r in roles)
    party = Party(name, offer.value.ed25519, offer.value.x25519, ordered)
    owner.publish_roster(replace(roster, admins=(*(a for a in roster.admins if a.id != party.id), party)))
    home, authority = owner.home, owner.home.authority()
    named = {"admin": party.id, **{f"view{n}": viewer_name(party.id, n) for n in range(1, VIEWERS + 1)}}
    issued = {n: authority.certify(offer.value.tls, common, owner.now()) for n, common in named.items()}
    for certificate in issued.values():
        owner.certify(party.id, certificate)
    answer = {
        "root": home.info.root,
        "roster": base64.b64encode(owner.roster_message()).decode(),
        "broker_host": home.info.broker_host,
        "broker_port": home.info.broker_port,
        "ca": (home.folder / "tls" / "ca.pem").read_text(encoding="ascii"),
        "certificates": {n: c.decode("ascii") for n, c in issued.items()},
    }
    return json.dumps(answer, indent=1).encode()


def remove(owner: Owner, party: Party, people: People, now_s: int) -> int:
    """What he signed is signed by the owner first, as it stands; how many records that were. Raises ConfigError."""
    if party.id == owner.home.info.admin:
        raise ConfigError("You can't remove yourself.", "The root key is here: there would be nobody left.")
    resigned = people.resign(party.id)
    resign_mode(owner.desk, owner.home, party.id, now_s)
    roster = owner.desk.roster
    kept = tuple(a for a in roster.admins if a.id != party.id)
    owner.publish_roster(replace(roster, admins=kept, revoked=tuple(sorted({*roster.revoked, party.id}))))
    owner.revoke(party.id)
    return resigned


def resign_mode(desk: Desk, home: Home, signer: str, now_s: int) -> None:
    """The site mode that he signed stands on under another operator's name, with the next version."""
    standing = desk.mode
    if standing is None or standing[1] != signer:
        return
    set_mode(desk, home, replace(standing[0], version=standing[0].version + 1, at_s=now_s))


def set_mode(desk: Desk, home: Home, mode: ModeState) -> None:
    """Signed by this admin, to doors and agent at once. Raises RequestRefused (stale), LinkError."""
    raw = codec.sign(codec.MODE, mode, home.site, home.admin())
    desk.publish(topics.of_site(home.site, "mode"), raw, retain=True)
    desk.ask(Request(RequestOp.MODE, mode.version - 1, raw, at_s=mode.at_s))


def find_admin(roster: Roster, who: str) -> Party:
    """By name, id or the id's beginning. Raises ConfigError."""
    found = [a for a in roster.admins if who in (a.name, a.id) or (len(who) >= 6 and a.id.startswith(who.lower()))]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} admins are called {who!r}.", "See: edgeface admin admin list.")
    return found[0]


def read_roles(names: Sequence[str]) -> list[Role]:
    """Raises ConfigError."""
    known = {r.value: r for r in ADMIN_ROLES}
    unknown = [n for n in names if n not in known]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is no role.", f"There are: {_names(ADMIN_ROLES)}.")
    return [known[n] for n in names]


def _names(roles: Sequence[Role]) -> str:
    return ", ".join(r.value for r in roles)


def _certificate_names() -> list[str]:
    return ["admin", *(f"view{n}" for n in range(1, VIEWERS + 1))]
