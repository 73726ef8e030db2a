"""What the tests of the whole product share: two portraits, and a device at which one of them is enrolled."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.device import Device
from support.simboard import Simboard
from support.visits import COLLINS

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.types import Person


@dataclass(frozen=True)
class Photos:
    collins: Path
    hopper: Path


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    pytest.importorskip("skimage", reason="the portraits come with the extra `demo`")
    import cv2
    from support.portraits import astronaut, grace_hopper

    folder = tmp_path_factory.mktemp("photos")
    found = Photos(folder / "collins.jpg", folder / "hopper.jpg")
    cv2.imwrite(str(found.collins), astronaut())
    cv2.imwrite(str(found.hopper), grace_hopper())
    return found


@pytest.fixture(scope="session")
def enrolled_state(tmp_path_factory: pytest.TempPathFactory, photos: Photos) -> Path:
    """A state folder with Eileen Collins in it, enrolled by the command."""
    device = Device(tmp_path_factory.mktemp("enrolled"))
    said = device.edgeface("enroll", COLLINS, "--photo", photos.collins, "--json")
    assert said.code == 0, said.err
    return device.state


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Nobody is enrolled."""
    return Device(tmp_path)


@pytest.fixture
def enrolled(device: Device, enrolled_state: Path) -> Device:
    """Eileen Collins is enrolled."""
    shutil.copytree(enrolled_state, device.state)
    return device


@pytest.fixture
def collins(enrolled_state: Path) -> Person:
    """As a site's admin enrols her: the same templates, without a door's own record."""
    gallery = SqliteGallery(enrolled_state / "gallery.db", DeviceKeys.load(enrolled_state / "device.key", environ={}))
    (person,) = gallery.people()
    gallery.close()
    return dataclasses.replace(person, seq=1, name=COLLINS, doors=("front",))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Simboard]:
    with Simboard(tmp_path) as running:
        yield running
