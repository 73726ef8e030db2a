"""Two faces on one track: the name of one and the life of the other never add up, whatever the gate thinks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.doorway import Doorway, Seen, enrolled

ANNA = Seen("anna")
HIDDEN = {
    "covered": Seen("attacker", presence=0.3),
    "half out of the picture": Seen("attacker", x=30.0),
    "in the dark": Seen("attacker", eyes=20.0),  # too far away
}
SWEEP = [*range(0, 32, 4), 30, 30, 30, *range(28, -1, -4), 0, 0, 0]


def turn(doorway: Doorway, face: Seen) -> None:
    """To one side and back, then to the other: whichever was asked for is among them."""
    for side in (1, -1):
        for yaw in SWEEP:
            doorway.show(replace(face, yaw=side * yaw), frames=1)


def blink(doorway: Doorway, face: Seen) -> None:
    doorway.show(face, s=0.8)
    doorway.show(replace(face, shut=True), frames=5)
    doorway.show(face, s=0.4)


ACTIONS: dict[str, Callable[[Doorway, Seen], None]] = {"challenge": turn, "blink": blink}


@pytest.mark.parametrize("passive", [(), ("passive",)])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_face_does_that_nobody_looked_at_is_no_action_of_the_next(
    passive: tuple[str, ...], action: str, hidden: str, seed: int
) -> None:
    """Somebody who is not recognisable turns or blinks; then a still picture of an enrolled person takes his place."""
    doorway = Doorway(enrolled("anna"), fps=30, seed=seed, liveness={"mode": (*passive, action)})
    doorway.show(HIDDEN[hidden], s=0.8)
    ACTIONS[action](doorway, HIDDEN[hidden])
    for x in (HIDDEN[hidden].x, 60.0, 90.0, 120.0, 150.0):
        doorway.show(replace(ANNA, x=x), frames=2)
    doorway.show(ANNA, s=2.0)
    assert doorway.moved == 0


@pytest.mark.parametrize("hidden", HIDDEN)
def test_an_action_in_between_is_none_of_the_face_before_and_after(hidden: str) -> None:
    """The picture first, then its bearer, unrecognisable, who blinks; then the picture again."""
    doorway = Doorway(enrolled("anna"), fps=30, liveness={"mode": ("blink",)})
    doorway.show(ANNA, s=0.6)
    blink(doorway, HIDDEN[hidden])
    doorway.show(ANNA, s=1.0)
    assert doorway.moved == 0


def test_a_blurred_or_hidden_moment_does_not_make_the_camera_too_slow_for_a_blink() -> None:
    doorway = Doorway(enrolled("anna"), fps=20, liveness={"mode": ("blink",)})
    for _ in range(4):
        doorway.show(ANNA, s=0.3)
        doorway.show(HIDDEN["covered"], s=0.3)
    blink(doorway, ANNA)
    assert doorway.count("liveness_unavailable") == 0
    assert doorway.moved == 1


@pytest.mark.parametrize("cosine", [0.28, 0.31, 0.33, 0.38])
@pytest.mark.parametrize("spoof", [0.7, 0.74])
def test_the_life_of_a_lookalike_does_not_outvote_the_picture_that_follows(cosine: float, spoof: float) -> None:
    """Of the frames that name the person, the spoof evidence alone must be below its limit, too."""
    doorway = Doorway(enrolled("anna"), fps=15)
    doorway.show(Seen("eve", like="anna", cosine=cosine), s=0.5)
    doorway.show(replace(ANNA, spoof=spoof), s=2.5)
    assert doorway.moved == 0
    assert "spoof" in doorway.reasons()
