"""The relay on the simulated board (simboard.py), another process: tests and the demo."""

from __future__ import annotations

import socket

from edgeface.adapters.door import wire
from edgeface.adapters.door.driver import RelaySpec, busy
from edgeface.domain.errors import DoorUnavailable

_REPLY_S = 0.3


class SimboardRelay:
    """Owns its pin for as long as its connection to the board lives."""

    def __init__(self, spec: RelaySpec) -> None:
        self._spec = spec
        self._locked_level = 1 if spec.active_low else 0
        self._socket: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_REPLY_S)
        try:
            self._socket.connect(spec.board_socket)
        except OSError as error:
            self._hang_up()
            raise DoorUnavailable(
                f"The simulated board at {spec.board_socket or '(no --board-socket)'} can't be reached: {error}.",
                "Start it with `python -m edgeface.adapters.door.simboard`.",
            ) from error
        reply = self._ask({"op": "claim", "pin": spec.pin, "level": self._locked_level})
        if reply.get("code") == "busy":
            self._hang_up()
            raise busy(spec, f"process {reply.get('owner_pid')}", f"`ps -fp {reply.get('owner_pid')}` shows it.")
        self._expect(reply)

    def energise(self) -> None:
        self._expect(self._ask({"op": "set", "pin": self._spec.pin, "level": 1 - self._locked_level}))

    def lock(self) -> None:
        self._expect(self._ask({"op": "set", "pin": self._spec.pin, "level": self._locked_level}))

    def close(self) -> None:
        if self._socket is not None:
            try:
                self.lock()
            finally:
                self._hang_up()

    def _ask(self, message: dict[str, object]) -> dict[str, object]:
        try:
            if self._socket is None:
                raise OSError("it is closed")
            self._socket.send(wire.encode(message))
            return wire.decode(self._socket.recv(wire.MAX_PACKET + 1))
        except (OSError, wire.WireError) as error:
            self._hang_up()  # a late answer must not be taken for the next one's
            raise DoorUnavailable(
                f"GPIO {self._spec.pin} of the simulated board can't be driven: {error}.", "Is the board running?"
            ) from error

    def _expect(self, reply: dict[str, object]) -> None:
        if reply.get("ok") is not True:
            self._hang_up()
            raise DoorUnavailable(
                f"GPIO {self._spec.pin} of the simulated board can't be driven: {reply.get('message')}.",
                "Check --pin and the board's --pins.",
            )

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def preload() -> None:
    """Nothing beyond this module."""


def open_relay(spec: RelaySpec) -> SimboardRelay:
    return SimboardRelay(spec)
