"""A simulated board, as a process of its own: it holds an output's level after the owner has died, as a Pi does, gives
a pin to one owner at a time, as the kernel does, and logs every edge with its time. Kill tests judge that log.

    python -m edgeface.adapters.door.simboard --socket board.sock --log edges.jsonl --pins 17,22:1

`--pins 22:1`: pin 22 is at level 1 before anybody claims it (a pull-up). Packets are door/wire.py's; an owner is a
connection. `claim` and `set` are an output's owner's, `watch` and `levels` an input's, `listen` that of one who is told
of every edge; `drive` moves a pin that is no
output, as a button or a contact does; `read` is free to all. A line of the log:
{"t_s": 1.5, "pin": 17, "level": 1, "owner_pid": 42}."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from edgeface.adapters.door import wire
from edgeface.adapters.door.lifeline import die_with_parent, go_first


@dataclass
class _Pin:
    level: int
    owner: socket.socket | None = None
    owner_pid: int = 0
    output: bool = False
    told: bool = False  # its owner hears of every edge


class Board:
    """The levels and who owns them. `log_fd` gets one line per edge, in one write."""

    def __init__(self, levels: dict[int, int], log_fd: int) -> None:
        self._pins = {number: _Pin(level) for number, level in levels.items()}
        self._log_fd = log_fd

    def release(self, owner: socket.socket) -> None:
        """The owner is gone; the level stays."""
        for pin in self._pins.values():
            if pin.owner is owner:
                pin.owner, pin.owner_pid, pin.output, pin.told = None, 0, False, False

    def handle(self, asked: dict[str, object], by: socket.socket, pid: int) -> dict[str, object]:
        op, number, level = asked.get("op"), asked.get("pin"), asked.get("level")
        if op == "levels":
            return self._levels(asked.get("pins"))
        pin = self._pins.get(number) if type(number) is int else None
        if pin is None or type(number) is not int:
            return _no("no_such_pin", f"the board has no pin {number}")
        if op == "read":
            return {"ok": True, "pin": number, "level": pin.level, "owner_pid": pin.owner_pid}
        taken = {**_no("busy", "the pin has an owner"), "owner_pid": pin.owner_pid}
        if op in ("watch", "listen"):
            if pin.owner is not None:
                return taken
            pin.owner, pin.owner_pid, pin.told = by, pid, op == "listen"
            return {"ok": True, "pin": number, "level": pin.level}
        if type(level) is not int or level not in (0, 1):
            return _no("malformed", "a level is 0 or 1")
        if op == "claim" and pin.owner is None:
            pin.owner, pin.owner_pid, pin.output = by, pid, True
        elif (op == "claim" and pin.owner is not None) or (op == "drive" and pin.output):
            return taken
        elif op == "set" and not (pin.owner is by and pin.output):
            return _no("not_owner", "claim the pin first")
        elif op not in ("claim", "set", "drive"):
            return _no("unknown_op", "use claim, set, watch, listen, levels, drive or read")
        self._move(number, pin, level, pid)
        return {"ok": True, "pin": number, "level": level}

    def _levels(self, numbers: object) -> dict[str, object]:
        if not isinstance(numbers, list) or not all(type(n) is int and n in self._pins for n in numbers):
            return _no("no_such_pin", "the board has not all of these pins")
        return {"ok": True, "levels": [self._pins[n].level for n in numbers]}

    def _move(self, number: int, pin: _Pin, level: int, pid: int) -> None:
        if pin.level != level:
            pin.level = level
            edge = {"t_s": time.monotonic(), "pin": number, "level": level, "owner_pid": pid}
            os.write(self._log_fd, (json.dumps(edge) + "\n").encode())
            if pin.told and pin.owner is not None:
                with contextlib.suppress(OSError):  # who doesn't read loses edges, as with the kernel
                    pin.owner.send(wire.encode({**edge, "edge": True}), socket.MSG_DONTWAIT)


def _no(code: str, message: str) -> dict[str, object]:
    return {"ok": False, "code": code, "message": message}


def serve(listener: socket.socket, board: Board) -> None:
    """Until SIGTERM ends the process."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    pids: dict[socket.socket, int] = {}
    while True:
        for key, _ in selector.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            if ready is listener:
                client, _ = listener.accept()
                creds = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                pids[client] = struct.unpack("3i", creds)[0]
                selector.register(client, selectors.EVENT_READ)
            elif not _serve_one(ready, board, pids[ready]):
                board.release(ready)
                selector.unregister(ready)
                del pids[ready]
                ready.close()


def _serve_one(client: socket.socket, board: Board, pid: int) -> bool:
    """False when the client is gone."""
    try:
        packet = client.recv(wire.MAX_PACKET + 1)
        if not packet:
            return False
        try:
            reply = board.handle(wire.decode(packet), client, pid)
        except wire.WireError as error:
            reply = _no("malformed", str(error))
        client.send(wire.encode(reply), socket.MSG_DONTWAIT)
    except OSError:
        return False
    return True


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m edgeface.adapters.door.simboard", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--pins", default="17", help="17,22:1 - numbers, with the level at power-up where it is 1")
    parser.add_argument("--die-with-parent", action="store_true")
    parser.add_argument("--parent-pid", type=int, default=0, help="the parent that --die-with-parent means")
    options = parser.parse_args(argv)
    if options.die_with_parent:
        die_with_parent(options.parent_pid)
    go_first()  # hardware never waits for a core
    levels = {int(number): int(level or 0) for number, _, level in (p.partition(":") for p in options.pins.split(","))}
    log_fd = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    with contextlib.suppress(FileNotFoundError):
        options.socket.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(options.socket))
    listener.listen(16)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(listener, Board(levels, log_fd))


if __name__ == "__main__":
    main()
