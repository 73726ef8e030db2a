"""What can be set about the door itself: relay, inputs, lights, turnstile. One frozen model for each table, as in
settings_groups.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from edgeface.app.settings_fields import Group, Number, OptionalPath, Whole, setting
from edgeface.domain.door_inputs import LONGEST_DEBOUNCE_MS
from edgeface.domain.door_rules import LONGEST_PULSE_MS, LONGEST_TOGGLE_S

Pull = Literal["up", "down", "none"]
NOT_WIRED = -1


def pin_setting(what: str) -> Any:
    return setting(NOT_WIRED, f"Pin of {what}, numbered as door.pin; -1: not wired.", ge=NOT_WIRED, le=1023)


def _high(default: bool, meaning: str) -> Any:
    return setting(default, f"A high level means: {meaning}.")


def _pull(what: str) -> Any:
    return setting("up", f"The board's own pull resistor for {what}.")


def _debounce(what: str) -> Any:
    return setting(
        50, f"{what} counts once its level has stood still for this long.", "ms", ge=0, le=LONGEST_DEBOUNCE_MS
    )


class Inputs(BaseModel):
    """The defaults are those of closed-circuit wiring: with the pull up, a cut wire reads as an opened door, a fire,
    a tampered case; the button to leave closes a circuit."""

    model_config = Group
    contact_pin: Whole = pin_setting("the door contact")
    contact_active_high: bool = _high(True, "the door is open (a reed contact to ground that is closed with the door)")
    contact_pull: Pull = _pull("the contact")
    contact_debounce_ms: Whole = _debounce("The contact")
    rex_pin: Whole = pin_setting("the request to exit (button, handle or motion sensor)")
    rex_active_high: bool = _high(False, "somebody wants to leave")
    rex_pull: Pull = _pull("the request to exit")
    rex_debounce_ms: Whole = _debounce("The request to exit")
    rex_pulse_ms: Whole = setting(
        5000, "How long a request to exit unlocks the door.", "ms", ge=100, le=LONGEST_PULSE_MS
    )
    rex_unlocks: bool = setting(
        True, "A request to exit unlocks; false: it only keeps the opening from being an alarm (the handle opens)."
    )
    rex_in_lockdown: bool = setting(True, "A request to exit unlocks in a lockdown too.")
    rex_stuck_s: Number = setting(60.0, "Pressed for so long the button counts as stuck.", "s", ge=5, le=3600)
    fire_pin: Whole = pin_setting("the fire alarm's contact; it stands above everything")
    fire_active_high: bool = _high(True, "fire (a contact to ground that the alarm opens)")
    fire_pull: Pull = _pull("the fire input")
    fire_debounce_ms: Whole = _debounce("The fire input")
    tamper_pin: Whole = pin_setting("the case's tamper contact")
    tamper_active_high: bool = _high(True, "the case is open")
    tamper_pull: Pull = _pull("the tamper contact")
    tamper_debounce_ms: Whole = _debounce("The tamper contact")


class Signals(BaseModel):
    model_config = Group
    green_pin: Whole = pin_setting("the green light")
    red_pin: Whole = pin_setting("the red light")
    buzzer_pin: Whole = pin_setting("the buzzer")
    active_high: bool = setting(True, "A high level lights them.")


class Turnstile(BaseModel):
    model_config = Group
    enabled: bool = setting(False, "One passage for each grant: the sensor ends the pulse.")
    timeout_ms: Whole = setting(
        8000, "How long a grant waits for its passage, instead of door.pulse_ms.", "ms", ge=500, le=LONGEST_PULSE_MS
    )
    sensor_pin: Whole = pin_setting("the sensor that somebody passes")
    sensor_active_high: bool = _high(False, "somebody passes")
    sensor_pull: Pull = _pull("the sensor")
    sensor_debounce_ms: Whole = _debounce("The sensor")

    @model_validator(mode="after")
    def _has_a_sensor(self) -> Turnstile:
        if self.enabled and self.sensor_pin == NOT_WIRED:
            raise ValueError("turnstile.enabled needs turnstile.sensor_pin: without it nothing ends a passage")
        return self


class Door(BaseModel):
    model_config = Group
    driver: Literal["gpiozero", "gpiochip", "simboard", "recording"] = setting(
        "gpiozero", "What moves the relay: gpiozero on a Pi; gpiochip on a Jetson and others; simboard, a simulated "
        "board; recording for a dry run: no relay moves.",
    )  # fmt: skip
    pin: Whole = setting(17, "GPIO (BCM) number of the relay, or the line's offset with gpiochip.", ge=0, le=1023)
    chip: str = setting("", "GPIO chip as /dev/gpiochipN; empty: the driver's own choice.")
    active_high: bool = setting(True, "The relay board pulls in on a high level.")
    wiring: Literal["fail_secure", "fail_safe"] = setting(
        "fail_secure", "fail_secure: the relay is pulled in while the door is unlocked; fail_safe: while it is locked, "
        "so that the door is open without current.",
    )  # fmt: skip
    pulse_ms: Whole = setting(3000, "How long a grant holds the door open.", "ms", ge=100, le=LONGEST_PULSE_MS)
    max_pulse_ms: Whole = setting(
        10_000, "Longest pulse that the door process allows anybody.", "ms", ge=100, le=LONGEST_PULSE_MS
    )
    relock: Literal["timed", "on_open", "on_close"] = setting(
        "timed", "When a pulse ends before its time: timed, never; on_open, as soon as the door has opened (strikes); "
        "on_close, as soon as it has closed again (magnets, motor bolts).",
    )  # fmt: skip
    grant_action: Literal["pulse", "toggle"] = setting(
        "pulse", "What a grant does: pulse; or toggle, one unlocks and the next one locks."
    )
    toggle_max_s: Number = setting(
        28_800.0, "A toggled door locks by itself after this.", "s", ge=1, le=LONGEST_TOGGLE_S
    )
    held_open_s: Number = setting(30.0, "Open for so long the door counts as held open.", "s", ge=1, le=86_400)
    held_open_warning_s: Number = setting(
        10.0, "So long before that alarm the buzzer warns; 0: no warning.", "s", ge=0, le=3600
    )
    latch_grace_ms: Whole = setting(
        1000, "After locking or closing, an opening within this is no break-in.", "ms", ge=0, le=10_000
    )
    free_schedule: str = setting(
        "", "Schedule in which the door is open for everybody; empty: none. Without the right time it stays locked."
    )
    first_person_in: bool = setting(True, "free_schedule begins only with the first grant in it.")
    socket: OptionalPath = setting(None, "Socket of the door process; unset: door.sock in run_dir.")
    board_socket: OptionalPath = setting(None, "Socket of the simulated board; unset: board.sock in run_dir.")
    mode_file: OptionalPath = setting(
        None,
        "Where the door process keeps lockdown and free access; unset: door-mode.json in state_dir, under systemd "
        "mode.json in the unit's own folder.",
    )
    start_process: bool | Literal["auto"] = setting(
        "auto", "Whether `edgeface run` starts the door process itself; auto: yes, except under systemd."
    )
    inputs: Inputs = Field(default_factory=Inputs, description="What the door process listens to.")
    signals: Signals = Field(default_factory=Signals, description="Two lights and a buzzer at the door.")

    @model_validator(mode="after")
    def _pulse_within_cap(self) -> Door:
        if self.pulse_ms > self.max_pulse_ms:
            raise ValueError(
                f"door.pulse_ms ({self.pulse_ms}) must not be above door.max_pulse_ms ({self.max_pulse_ms})"
            )
        return self

    @model_validator(mode="after")
    def _warning_before_alarm(self) -> Door:
        if self.held_open_warning_s > self.held_open_s:
            raise ValueError("door.held_open_warning_s must not be above door.held_open_s")
        if self.relock != "timed" and self.inputs.contact_pin == NOT_WIRED:
            raise ValueError(f"door.relock is {self.relock}: that needs door.inputs.contact_pin")
        return self


def refuse_misfits(door: Door, turnstile: Turnstile, schedules: Collection[str], more: Mapping[str, int]) -> None:
    """Raises ValueError where one pin stands for two things (`more`: those of other tables), a schedule is none, or
    the turnstile asks for more than the door allows."""
    if door.free_schedule and door.free_schedule not in schedules:
        raise ValueError(f"door.free_schedule names {door.free_schedule!r}, which is no schedule")
    if turnstile.enabled and turnstile.timeout_ms > door.max_pulse_ms:
        raise ValueError(
            f"turnstile.timeout_ms ({turnstile.timeout_ms}) must not be above door.max_pulse_ms ({door.max_pulse_ms})"
        )
    pins = {"door.pin": door.pin, **more}
    for prefix, table in (("door.inputs", door.inputs), ("door.signals", door.signals), ("turnstile", turnstile)):
        pins.update({f"{prefix}.{k}": v for k, v in table.model_dump().items() if k.endswith("_pin")})
    seen: dict[int, str] = {}
    for key, pin in pins.items():
        if pin in seen and pin != NOT_WIRED:
            raise ValueError(f"{key} and {seen[pin]} are both {pin}: each needs a pin of its own")
        seen[pin] = key
