"""Pins against each other and against the board, and the fittings on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.door.driver import InputSpec, RelaySpec
from edgeface.adapters.door.fittings import LAMPS, PULLS, Fittings, LampSpec
from edgeface.adapters.door.pins import Board, check
from edgeface.app.settings import Settings
from edgeface.app.wiring_door import doord_environment, fittings_of, relay_of
from edgeface.domain.door_rules import DoorRule, GrantAction, Input, Relock
from edgeface.domain.errors import ConfigError
from edgeface.doord import options

PI = Board("Raspberry Pi 5 Model B Rev 1.0", "console=serial0,115200 console=tty1 root=/dev/sda2")


def rex(pin: int, pull: str = "up") -> Fittings:
    return Fittings((InputSpec(Input.REX, pin, True, pull),))


def test_one_pin_for_two_things_is_refused_on_every_board() -> None:
    for board in (PI, Board()):
        with pytest.raises(ConfigError, match="GPIO 17 stands for the relay and for the input rex"):
            check(RelaySpec("gpiochip", 17), rex(17), board)


def test_a_pin_off_the_header_is_refused() -> None:
    with pytest.raises(ConfigError, match="GPIO 40"):
        check(RelaySpec("gpiozero", 17), rex(40), PI)
    assert check(RelaySpec("gpiochip", 105), rex(85), Board("NVIDIA Jetson Orin Nano")) == []
    assert check(RelaySpec("gpiochip", 40, "/dev/gpiochip7"), rex(41), PI) == [], "an expander's lines are its own"


@pytest.mark.parametrize(
    ("pin", "pull", "words"),
    [(0, "up", "ID_SD"), (14, "up", "console=serial0"), (2, "up", "fine for a button"), (3, "down", "can't work")],
)
def test_a_reserved_pin_is_warned_about(pin: int, pull: str, words: str) -> None:
    assert any(words in warning for warning in check(RelaySpec("gpiozero", 17), rex(pin, pull), PI))


@pytest.mark.parametrize(
    ("relay", "warned"),
    [
        (RelaySpec("gpiozero", 17), False),
        (RelaySpec("gpiozero", 17, active_low=True), True),
        (RelaySpec("gpiozero", 5), True),
        (RelaySpec("gpiozero", 5, active_low=True), False),
        (RelaySpec("gpiozero", 17, fail_safe=True), True),
        (RelaySpec("gpiozero", 5, fail_safe=True), False),
    ],
)
def test_a_relay_that_would_open_at_every_boot_is_warned_about(relay: RelaySpec, warned: bool) -> None:
    """A Pi pulls GPIO 0 to 8 up and the others down until a process takes them."""
    assert any("at every boot" in warning for warning in check(relay, Fittings(), PI)) is warned


SOME = st.builds(
    Fittings,
    st.lists(
        st.builds(InputSpec, st.sampled_from(Input), st.integers(0, 1023), st.booleans(), st.sampled_from(PULLS),
                  st.integers(0, 2000)),
        unique_by=lambda i: i.name,
    ).map(tuple),
    st.lists(st.builds(LampSpec, st.sampled_from(LAMPS), st.integers(0, 1023), st.booleans()),
             unique_by=lambda lamp: lamp.name).map(tuple),
    st.builds(DoorRule, st.sampled_from(Relock), st.sampled_from(GrantAction), st.floats(1, 3600), st.booleans(),
              st.integers(1, 60_000), st.booleans(), st.booleans(), st.floats(1, 100), st.floats(20, 100),
              st.floats(0, 10)),
)  # fmt: skip


@settings(max_examples=100)
@given(SOME, st.builds(RelaySpec, st.just("gpiochip"), st.integers(0, 1023), st.just("/dev/gpiochip3"), st.booleans(),
                       st.just(""), st.booleans()))  # fmt: skip
def test_what_the_daemon_says_is_what_the_door_process_understands(fittings: Fittings, relay: RelaySpec) -> None:
    parsed = options.parse(["--socket", "s", *relay.to_args(), *fittings.to_args()], "doord", "")
    assert (parsed.relay, parsed.fittings) == (relay, fittings)


def test_settings_become_fittings() -> None:
    made = Settings(
        state_dir="state",
        door={"wiring": "fail_safe", "relock": "on_close",
              "inputs": {"contact_pin": 27, "rex_pin": 22, "rex_debounce_ms": 5},
              "signals": {"green_pin": 5, "active_high": False}},
        turnstile={"sensor_pin": 6, "enabled": True},
    )  # fmt: skip
    fittings = fittings_of(made)
    assert relay_of(made).fail_safe
    assert fittings.inputs == (
        InputSpec(Input.CONTACT, 27, False, "up", 50),
        InputSpec(Input.REX, 22, True, "up", 5),
        InputSpec(Input.PASSAGE, 6, True, "up", 50),
    )
    assert fittings.lamps == (LampSpec("green", 5, True),)
    assert (fittings.rule.relock, fittings.rule.turnstile) == (Relock.ON_CLOSE, True)
    assert made.pulse_ms == 8000


def test_the_default_settings_are_the_default_rule() -> None:
    """A door process that is started by hand behaves as one that the daemon starts."""
    assert fittings_of(Settings()).rule == DoorRule()
    assert doord_environment(Settings())[2] == "EDGEFACE_DOOR_OPTIONS=--state-file /var/lib/edgeface-doord/mode.json"


@pytest.mark.parametrize(
    ("door", "words"),
    [
        ({"inputs": {"rex_pin": 17}}, "door.inputs.rex_pin and door.pin are both 17"),
        ({"inputs": {"rex_pin": 5}, "signals": {"red_pin": 5}}, "both 5"),
        ({"relock": "on_open"}, "contact_pin"),
        ({"held_open_s": 5.0}, "held_open_warning_s"),
        ({"free_schedule": "nights"}, "no schedule"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(door: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(door=door)


def test_what_a_unit_cannot_carry_is_refused() -> None:
    with pytest.raises(ConfigError, match="unit"):
        doord_environment(Settings(door={"chip": "/dev/my chip"}))
