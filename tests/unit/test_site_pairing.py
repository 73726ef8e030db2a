"""A door joins a site and leaves it: paired or not, never by half; floors are kept; nobody else's answer is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.people import person
from support.siteowner import Site

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.link import codec as c
from edgeface.adapters.link.certificates import Authority
from edgeface.adapters.link.device_pairing import DevicePairing
from edgeface.app import wiring, wiring_site
from edgeface.app.settings import Settings
from edgeface.app.site_pairing import Pairing, PairingError
from edgeface.domain.errors import EnrolmentError, GalleryError
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import party_id, short_code

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
AUTHORITY = Authority.create("hq", NOW)


class Door:
    def __init__(self, folder: Path) -> None:
        self.keys = DeviceKeys.load_or_create(folder / "key", environ={})
        self.path = folder / "gallery.db"
        self.store = SqliteGallery(self.path, self.keys)

    @property
    def pairing(self) -> Pairing:
        return Pairing(SiteMemory(self.store, self.keys), DevicePairing(), self.store, "front", "edgeface 0")

    def join(self, site: Site) -> bytes:
        answer = site.answer(self.pairing.offer(0).data, AUTHORITY, "broker.example", 8883, NOW)
        self.pairing.accept(answer)
        return answer


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_the_offer_is_the_same_each_time_and_its_code_is_the_keys(door: Door) -> None:
    first, again = door.pairing.offer(1), door.pairing.offer(1)
    opened = c.open_offer(c.offer_from_text(first.text))
    assert first == again
    assert first.code == short_code(party_id(opened.value.ed25519, opened.value.x25519)) == door.pairing.device_code
    assert opened.value.name == "front"


def test_what_pairing_brings_is_kept_sealed(door: Door, tmp_path: Path) -> None:
    site = Site()
    door.join(site)
    found = door.pairing.site
    assert found is not None
    assert (found.id, found.name, found.door_name) == (site.id, "HQ", "front")
    assert (found.host, found.port) == ("broker.example", 8883)
    assert b"BEGIN CERTIFICATE" in found.certificate
    kept = SiteMemory(door.store, door.keys).read()
    assert int(kept["roster-floor"]) == site.roster_version
    raw = b"".join(p.read_bytes() for p in tmp_path.glob("gallery.db*"))
    assert site.epoch.key not in raw
    assert site.epoch.rotation_seed not in raw
    assert found.identity not in raw
    assert b"PRIVATE KEY" not in raw
    door.store.close()
    with pytest.raises(GalleryError, match="another device key"):
        SqliteGallery(door.path, DeviceKeys.generate())


def spoilt(how: str, site: Site, door: Door, other: Door) -> bytes:
    if how == "another device's":
        return site.answer(other.pairing.offer(0).data, AUTHORITY, "b", 1, NOW)
    answer = site.answer(door.pairing.offer(0).data, AUTHORITY, "b", 1, NOW)
    if how == "altered":
        return answer[:-1] + bytes([answer[-1] ^ 1])
    value = c.open_answer(answer, c.PartyKeys.from_secret(secret(door))).value
    if how == "another key's certificate":
        stranger = c.open_offer(other.pairing.offer(0).data).value
        value = dataclasses.replace(value, certificate=AUTHORITY.certify(stranger.tls, "x", NOW).decode())
    elif how == "below its own floor":
        value = dataclasses.replace(value, roster_floor=99)
    else:
        value = dataclasses.replace(value, roster=Site().roster_raw)
    return c.sign_answer(value, site.root)


def secret(door: Door) -> bytes:
    return SiteMemory(door.store, door.keys).read()["identity"]


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ("another device's", Refusal.WRONG_RECIPIENT),
        ("altered", Refusal.BAD_SIGNATURE),
        ("another key's certificate", Refusal.CONFLICT),
        ("below its own floor", Refusal.ROLLED_BACK),
        ("another site's roster", Refusal.WRONG_SITE),
    ],
)
def test_an_answer_that_is_not_sound_changes_nothing(
    how: str, refusal: Refusal, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site, other = Site(), Door(tmp_path_factory.mktemp("other"))
    door.pairing.offer(0)
    with pytest.raises(MessageRefused) as caught:
        door.pairing.accept(spoilt(how, site, door, other))
    assert caught.value.refusal is refusal
    assert door.pairing.site is None


def test_people_who_were_enrolled_here_stand_in_the_way(door: Door) -> None:
    door.store.put(person(1))
    with pytest.raises(PairingError, match="1 people were enrolled at this door itself"):
        door.join(Site())
    assert door.pairing.site is None
    assert len(list(door.store.people())) == 1


def test_a_second_answer_renews_and_an_older_or_anothers_is_refused(door: Door) -> None:
    site = Site()
    old = door.join(site)
    door.join(site)
    with pytest.raises(PairingError, match="older"):
        door.pairing.accept(old)
    with pytest.raises(PairingError, match="another site"):
        door.join(Site())
    assert door.pairing.site is not None


def test_leaving_destroys_everything_of_the_site_and_a_new_device_joins(door: Door, tmp_path: Path) -> None:
    door.join(Site())
    before = door.pairing.device_code
    rows = door.store._file.db.execute("SELECT value FROM site").fetchall()
    door.pairing.leave()
    raw = b"".join(p.read_bytes() for p in tmp_path.glob("gallery.db*"))
    assert not any(value[:48] in raw for (value,) in rows)
    assert door.pairing.site is None
    assert door.pairing.device_code == ""
    door.join(Site())
    assert door.pairing.device_code != before


@pytest.mark.parametrize("paired", [False, True])
def test_people_of_a_sites_door_are_enrolled_at_the_site(tmp_path: Path, paired: bool) -> None:
    settings = Settings(state_dir=tmp_path)
    keys = wiring.open_keys(settings, create=True)
    store = wiring.open_gallery(settings, keys)
    act: Callable[[], None] = lambda: wiring_site.refuse_local(settings, store, keys)  # noqa: E731
    if paired:
        pairing = wiring_site.open_pairing(settings, store, keys)
        pairing.accept(Site().answer(pairing.offer(0).data, AUTHORITY, "b", 1, NOW))
        with pytest.raises(EnrolmentError, match="belongs to a site"):
            act()
        with pytest.raises(EnrolmentError, match="hold no PINs and cards"):
            wiring_site.refuse_local(settings, store, keys, wiring_site.no_factors_here)
    else:
        act()
    store.close()
