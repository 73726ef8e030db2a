"""What is fitted to a door beside its relay, as the door process takes it on its command line and as the daemon's
settings give it: one description, both ways. Stdlib alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from pathlib import Path

from edgeface.adapters.door.driver import InputSpec, RelaySpec
from edgeface.domain.door_inputs import DEFAULT_DEBOUNCE_MS, LONGEST_DEBOUNCE_MS
from edgeface.domain.door_rules import DoorRule, GrantAction, Input, Relock
from edgeface.domain.errors import ConfigError

PULLS = ("up", "down", "none")
LAMPS = ("green", "red", "buzzer")
_ENUMS: dict[str, type[Enum]] = {"Relock": Relock, "GrantAction": GrantAction}


@dataclass(frozen=True, slots=True)
class LampSpec:
    """An output for people: a light or the buzzer."""

    name: str
    pin: int
    active_low: bool = False

    def on(self, relay: RelaySpec) -> RelaySpec:
        """As a driver opens it: beside the relay, dark from the first moment on."""
        return RelaySpec(relay.driver, self.pin, relay.chip, self.active_low, relay.board_socket)


@dataclass(frozen=True, slots=True)
class Fittings:
    """`state_file`: where the mode is kept across restarts; None: it is not."""

    inputs: tuple[InputSpec, ...] = ()
    lamps: tuple[LampSpec, ...] = ()
    rule: DoorRule = field(default_factory=DoorRule)
    state_file: Path | None = None
    wiegand_in: tuple[int, int] | None = None  # lines D0 and D1 of a reader
    wiegand_out: tuple[int, int] | None = None  # of an existing controller

    def to_args(self) -> list[str]:
        """As options of `python -m edgeface.doord`."""
        args: list[str] = []
        for each in self.inputs:
            low = ",active_low" if each.active_low else ""
            args += ["--input", f"{each.name.value}={each.pin},{each.pull}{low},{each.debounce_ms}ms"]
        for lamp in self.lamps:
            args += ["--lamp", f"{lamp.name}={lamp.pin}{',active_low' if lamp.active_low else ''}"]
        for f in fields(DoorRule):
            value = getattr(self.rule, f.name)
            if value != f.default:
                args += [_option(f.name), _text(value)]
        for option, lines in (("--wiegand-in", self.wiegand_in), ("--wiegand-out", self.wiegand_out)):
            args += [option, ",".join(map(str, lines))] if lines is not None else []
        return args + (["--state-file", str(self.state_file)] if self.state_file is not None else [])

    def named_pins(self, relay: RelaySpec) -> Mapping[str, int]:
        """Every pin with what it is for."""
        pins = {"the relay": relay.pin}
        pins.update({f"the input {each.name.value}": each.pin for each in self.inputs})
        pins.update({f"the {lamp.name} output": lamp.pin for lamp in self.lamps})
        for whose, lines in (("reader", self.wiegand_in), ("controller", self.wiegand_out)):
            pins.update({f"the {whose}'s D{i}": pin for i, pin in enumerate(lines or ())})
        return pins


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input", type=parse_input, action="append", default=[], metavar="NAME=PIN[,up|down|none][,active_low][,50ms]",
        help=f"NAME is one of {', '.join(i.value for i in Input)}",
    )  # fmt: skip
    parser.add_argument(
        "--lamp", type=parse_lamp, action="append", default=[], metavar="NAME=PIN[,active_low]",
        help=f"NAME is one of {', '.join(LAMPS)}",
    )  # fmt: skip
    parser.add_argument("--state-file", type=Path, default=None, help="where the mode is kept across restarts")
    parser.add_argument("--wiegand-in", type=parse_lines, default=None, metavar="D0,D1", help="a reader's two lines")
    parser.add_argument(
        "--wiegand-out", type=parse_lines, default=None, metavar="D0,D1", help="an existing controller's two lines"
    )
    for f in fields(DoorRule):
        assert f.default is not MISSING
        choices = [str(m.value) for m in _ENUMS[str(f.type)]] if str(f.type) in _ENUMS else None
        parser.add_argument(
            _option(f.name), choices=choices or (("yes", "no") if f.type == "bool" else None),
            type={"int": int, "float": float}.get(str(f.type), str), default=_text(f.default),
            help="%(default)s where left out",
        )  # fmt: skip


def from_options(parsed: argparse.Namespace) -> Fittings:
    """Raises ConfigError where the rule makes no sense, or something is fitted twice."""
    rule: dict[str, object] = {}
    for f in fields(DoorRule):
        value = getattr(parsed, f.name)
        rule[f.name] = (
            _ENUMS[str(f.type)](value) if str(f.type) in _ENUMS else value == "yes" if f.type == "bool" else value
        )
    inputs, lamps = tuple(parsed.input), tuple(parsed.lamp)
    for names in ([i.name.value for i in inputs], [lamp.name for lamp in lamps]):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ConfigError(f"{twice} is fitted twice.", "Name each input and each lamp once.")
    try:
        return Fittings(inputs, lamps, DoorRule(**rule), parsed.state_file, parsed.wiegand_in, parsed.wiegand_out)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"The door's rules make no sense: {error}.") from None


def parse_input(text: str) -> InputSpec:
    """`contact=27,up,active_low,50ms`. Raises argparse.ArgumentTypeError."""
    name, pin, more = _split(text, [i.value for i in Input])
    active_low, pull, debounce_ms = False, "up", DEFAULT_DEBOUNCE_MS
    for word in more:
        if word == "active_low":
            active_low = True
        elif word in PULLS:
            pull = word
        elif word.endswith("ms") and word[:-2].isdecimal() and int(word[:-2]) <= LONGEST_DEBOUNCE_MS:
            debounce_ms = int(word[:-2])
        else:
            raise argparse.ArgumentTypeError(f"{word!r} is neither a pull, active_low, nor 0ms to 2000ms")
    return InputSpec(Input(name), pin, active_low, pull, debounce_ms)


def parse_lines(text: str) -> tuple[int, int]:
    """`23,24`. Raises argparse.ArgumentTypeError."""
    d0, _, d1 = text.partition(",")
    if not all(pin.isdecimal() and int(pin) <= 1023 for pin in (d0, d1)) or d0 == d1:
        raise argparse.ArgumentTypeError(f"{text!r} is not D0,D1, two different pins")
    return int(d0), int(d1)


def parse_lamp(text: str) -> LampSpec:
    """`green=5,active_low`. Raises argparse.ArgumentTypeError."""
    name, pin, more = _split(text, LAMPS)
    if set(more) - {"active_low"}:
        raise argparse.ArgumentTypeError(f"{more[0]!r} is not active_low")
    return LampSpec(name, pin, bool(more))


def _split(text: str, names: list[str] | tuple[str, ...]) -> tuple[str, int, list[str]]:
    name, _, rest = text.partition("=")
    pin, *more = rest.split(",")
    if name not in names or not pin.isdecimal() or int(pin) > 1023:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PIN with NAME one of {', '.join(names)}")
    return name, int(pin), more


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value.value) if isinstance(value, Enum) else str(value)
