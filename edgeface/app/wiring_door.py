"""wiring.py's part for the door process: the settings as what is fitted to the door."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeface.adapters.door.driver import InputSpec, RelaySpec
from edgeface.adapters.door.fittings import Fittings, LampSpec
from edgeface.adapters.door.pins import check, this_board
from edgeface.app.settings import Settings
from edgeface.app.settings_door import NOT_WIRED
from edgeface.domain.door_rules import DoorRule, GrantAction, Input, Relock
from edgeface.domain.errors import ConfigError

UNITS_MODE_FILE = Path("/var/lib/edgeface-doord/mode.json")  # the state folder of edgeface-doord.service


def relay_of(settings: Settings) -> RelaySpec:
    door = settings.door
    return RelaySpec(
        door.driver, door.pin, door.chip, not door.active_high,
        str(settings.board_socket) if door.driver == "simboard" else "", door.wiring == "fail_safe",
    )  # fmt: skip


def rule_of(settings: Settings) -> DoorRule:
    door, inputs = settings.door, settings.door.inputs
    return DoorRule(
        relock=Relock(door.relock),
        grant_action=GrantAction(door.grant_action),
        toggle_max_s=door.toggle_max_s,
        turnstile=settings.turnstile.enabled,
        rex_pulse_ms=inputs.rex_pulse_ms,
        rex_unlocks=inputs.rex_unlocks,
        rex_in_lockdown=inputs.rex_in_lockdown,
        rex_stuck_s=inputs.rex_stuck_s,
        held_open_s=door.held_open_s,
        held_open_warning_s=door.held_open_warning_s,
        latch_grace_ms=door.latch_grace_ms,
    )


def fittings_of(settings: Settings) -> Fittings:
    wired = {f"{k}": v for k, v in settings.door.inputs.model_dump().items()}
    wired.update({k.replace("sensor", "passage"): v for k, v in settings.turnstile.model_dump().items()})
    inputs = tuple(
        InputSpec(
            name,
            wired[f"{name.value}_pin"],
            not wired[f"{name.value}_active_high"],
            wired[f"{name.value}_pull"],
            wired[f"{name.value}_debounce_ms"],
        )
        for name in Input
        if wired[f"{name.value}_pin"] != NOT_WIRED
    )
    signals = settings.door.signals
    pins = {"green": signals.green_pin, "red": signals.red_pin, "buzzer": signals.buzzer_pin}
    lamps = tuple(LampSpec(n, pin, not signals.active_high) for n, pin in pins.items() if pin != NOT_WIRED)
    lines = settings.reader.wiegand, settings.controller.wiegand
    return Fittings(inputs, lamps, rule_of(settings), settings.mode_file, *lines)


def require_right_pins(settings: Settings) -> None:
    """What the door process refuses at its start. Raises ConfigError."""
    check(relay_of(settings), fittings_of(settings), this_board())


def doord_environment(settings: Settings) -> list[str]:
    """Lines of an EnvironmentFile for edgeface-doord.service, whose ExecStart and ExecStopPost take them apart again.
    Raises ConfigError for what a unit can't quote."""
    lines = {
        "EDGEFACE_RELAY": relay_of(settings).to_args(),
        "EDGEFACE_MAX_PULSE_MS": [str(settings.door.max_pulse_ms)],
        "EDGEFACE_DOOR_OPTIONS": replace(
            fittings_of(settings), state_file=settings.door.mode_file or UNITS_MODE_FILE
        ).to_args(),
    }
    for args in lines.values():
        if any(set(arg) & set(" \"'\\$\n") for arg in args):
            raise ConfigError(f"{' '.join(args)} has characters that a unit's environment can't carry.", "Rename it.")
    return [f"{name}={' '.join(args)}" for name, args in lines.items()]
