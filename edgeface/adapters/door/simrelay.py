"""Relay and inputs on the simulated board (simboard.py), another process: tests and the demo."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeface.adapters.door import wire
from edgeface.adapters.door.driver import MOST_EDGES, InputSpec, RelaySpec, busy
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import DoorUnavailable

_REPLY_S = 0.3


class SimboardRelay:
    """Owns its pin for as long as its connection to the board lives."""

    def __init__(self, spec: RelaySpec) -> None:
        self._spec = spec
        self._locked_level = 1 - spec.unlock_level
        self._line = BoardLine(spec, f"GPIO {spec.pin}")
        reply = self._line.ask({"op": "claim", "pin": spec.pin, "level": self._locked_level})
        self._line.expect(reply)

    def energise(self) -> None:
        self._line.expect(self._line.ask({"op": "set", "pin": self._spec.pin, "level": 1 - self._locked_level}))

    def lock(self) -> None:
        self._line.expect(self._line.ask({"op": "set", "pin": self._spec.pin, "level": self._locked_level}))

    def close(self) -> None:
        if self._line.connected:
            try:
                self.lock()
            finally:
                self._line.hang_up()


class SimboardInputs:
    def __init__(self, spec: RelaySpec, inputs: Sequence[InputSpec]) -> None:
        self._inputs = tuple(inputs)
        self._pins = [each.pin for each in inputs]
        self._line = BoardLine(spec, "The inputs")
        for pin in self._pins:
            self._line.expect(self._line.ask({"op": "watch", "pin": pin}), pin)

    def levels(self) -> Mapping[Input, bool]:
        reply = self._line.ask({"op": "levels", "pins": self._pins})
        self._line.expect(reply)
        levels = reply["levels"]
        assert isinstance(levels, list)
        return {each.name: bool(level) != each.active_low for each, level in zip(self._inputs, levels, strict=True)}

    def close(self) -> None:
        self._line.hang_up()


class SimboardEdges:
    def __init__(self, spec: RelaySpec, pins: Sequence[int]) -> None:
        self._index = {pin: i for i, pin in enumerate(pins)}
        self._line = BoardLine(spec, "The reader's lines")
        for pin in pins:
            self._line.expect(self._line.ask({"op": "listen", "pin": pin}), pin)

    def fileno(self) -> int:
        return self._line.fileno()

    def read(self) -> list[tuple[int, float]]:
        edges: list[tuple[int, float]] = []
        while len(edges) < MOST_EDGES and (told := self._line.told()) is not None:
            pin, t_s = told.get("pin"), told.get("t_s")
            if told.get("level") == 0 and isinstance(pin, int) and isinstance(t_s, float) and pin in self._index:
                edges.append((self._index[pin], t_s))
        return edges

    def close(self) -> None:
        self._line.hang_up()


class BoardLine:
    """A connection to the board, which is what owns pins there."""

    def __init__(self, spec: RelaySpec, what: str) -> None:
        self._spec, self._what = spec, what
        self._socket: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_REPLY_S)
        try:
            self._socket.connect(spec.board_socket)
        except OSError as error:
            self.hang_up()
            raise DoorUnavailable(
                f"The simulated board at {spec.board_socket or '(no --board-socket)'} can't be reached: {error}.",
                "Start it with `python -m edgeface.adapters.door.simboard`.",
            ) from error

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def ask(self, message: dict[str, object]) -> dict[str, object]:
        try:
            if self._socket is None:
                raise OSError("it is closed")
            self._socket.send(wire.encode(message))
            while (reply := wire.decode(self._socket.recv(wire.MAX_PACKET + 1))).get("edge") is True:
                pass  # told unasked while another line is being opened
            return reply
        except (OSError, wire.WireError) as error:
            self.hang_up()  # a late answer must not be taken for the next one's
            raise DoorUnavailable(
                f"{self._what} of the simulated board can't be driven: {error}.", "Is the board running?"
            ) from error

    def expect(self, reply: dict[str, object], pin: int | None = None) -> None:
        if reply.get("ok") is True:
            return
        self.hang_up()
        if reply.get("code") == "busy":
            spec = self._spec if pin is None else replace(self._spec, pin=pin)
            raise busy(spec, f"process {reply.get('owner_pid')}", f"`ps -fp {reply.get('owner_pid')}` shows it.")
        raise DoorUnavailable(
            f"{self._what} of the simulated board can't be driven: {reply.get('message')}.",
            "Check the pins and the board's --pins.",
        )

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def told(self) -> dict[str, object] | None:
        """What the board says unasked; None where there is nothing."""
        try:
            if self._socket is None:
                raise OSError("it is closed")
            if not select.select([self._socket], [], [], 0)[0]:
                return None
            packet = self._socket.recv(wire.MAX_PACKET + 1)
            if not packet:
                raise OSError("it closed the connection")
            return wire.decode(packet)
        except (OSError, wire.WireError) as error:
            raise DoorUnavailable(f"{self._what} of the simulated board can't be read: {error}.") from error

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def preload() -> None:
    """Nothing beyond this module."""


def open_relay(spec: RelaySpec) -> SimboardRelay:
    return SimboardRelay(spec)


def open_edges(spec: RelaySpec, pins: Sequence[int]) -> SimboardEdges:
    return SimboardEdges(spec, pins)


def open_inputs(spec: RelaySpec, inputs: Sequence[InputSpec]) -> SimboardInputs:
    return SimboardInputs(spec, inputs)
