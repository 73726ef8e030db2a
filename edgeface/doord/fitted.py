"""What belongs to a door beside its relay, opened as the options say."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

from edgeface.adapters.door.driver import (
    Inputs,
    Relay,
    RelaySpec,
    open_edges,
    open_inputs,
    open_patiently,
    open_relay_patiently,
)
from edgeface.domain.door import DoorMachine, Outcome, Refusal, Refused
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.wiegand import WiegandCard
from edgeface.doord.card_lines import CardLines
from edgeface.doord.card_output import CardOutput
from edgeface.doord.host import boot_s
from edgeface.doord.leaving import hold
from edgeface.doord.modes import ModeKeeper
from edgeface.doord.options import Options
from edgeface.doord.panel import Panel


@dataclass(slots=True)
class Fitted:
    inputs: Inputs | None = None
    panel: Panel = field(default_factory=lambda: Panel({}))
    reader: CardLines | None = None
    modes: ModeKeeper = field(default_factory=lambda: ModeKeeper(None))
    output: CardOutput | None = None

    def send_card(self, card: WiegandCard, outcome: Outcome) -> Outcome:
        """To the existing controller; refused where none is wired."""
        if self.output is None:
            return replace(outcome, refusal=Refusal(Refused.NOT_ALLOWED, "no controller's lines are wired"))
        self.output.send(card)
        return outcome

    def rest(self) -> None:
        """The process ends: lamps dark, the controller's lines at rest."""
        self.panel.dark()
        if self.output is not None:
            self.output.rest()


def fit(options: Options) -> tuple[Fitted, DoorMachine]:
    """And the machine that knows of it. Raises DoorUnavailable; a lamp that can't be opened is done without."""
    fittings, lamps = options.fittings, {}
    inputs = open_patiently(lambda: open_inputs(options.relay, fittings.inputs)) if fittings.inputs else None
    for lamp in fittings.lamps:
        try:
            lamps[lamp.name] = hold(open_relay_patiently(lamp.on(options.relay)))
        except DoorUnavailable as error:
            sys.stderr.write(f"edgeface-doord: without the {lamp.name} output: {error}\n")
    lines = fittings.wiegand_in
    reader = None if lines is None else CardLines(open_patiently(lambda: open_edges(options.relay, lines)))
    output = None
    if fittings.wiegand_out is not None:
        try:
            output = CardOutput(_lines(options, fittings.wiegand_out))
            output.start()
        except DoorUnavailable as error:
            sys.stderr.write(f"edgeface-doord: without the controller's lines: {error}\n")
    modes = ModeKeeper(fittings.state_file)
    mode, unreadable = modes.load()
    if unreadable:
        sys.stderr.write(f"edgeface-doord: {unreadable} The door is in lockdown.\n")
    debounce = {each.name: each.debounce_ms for each in fittings.inputs}
    machine = DoorMachine(options.max_pulse_ms, boot_s(), rule=fittings.rule, inputs=debounce, mode=mode)
    return Fitted(inputs, Panel(lamps), reader, modes, output), machine


def _lines(options: Options, pins: tuple[int, int]) -> tuple[Relay, Relay]:
    """D0 and D1, high from the first moment on: what rests low would be a pulse without end."""
    relay = options.relay
    specs = [RelaySpec(relay.driver, pin, relay.chip, True, relay.board_socket) for pin in pins]
    d0, d1 = (hold(open_relay_patiently(spec)) for spec in specs)
    return d0, d1
