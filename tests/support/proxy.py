"""A TCP proxy that a test can make behave like a bad network."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass(eq=False)
class _Way:
    """One direction of a connection."""

    source: socket.socket
    target: socket.socket
    upstream: bool  # towards the broker
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    carried: int = 0


class Proxy:
    """Listens on `port` and passes on to `target_port`. Its settings may change at any time, from any thread."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.swallow = False  # takes what comes, passes nothing on, keeps the connections: half-open
        self.refuse = False  # new connections are closed at once
        self.delay_s = 0.0
        self.cut_after_up: int | None = None  # bytes towards the broker, then the connection is cut in mid-message
        self.cut_after_down: int | None = None
        self.connections = 0
        self._ways: list[_Way] = []
        self._lock = threading.RLock()
        self._server = socket.create_server((HOST, 0))
        self._server.setblocking(False)
        self.port = int(self._server.getsockname()[1])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            for way in list(self._ways):
                self._reset(way)

    def inject(self, data: bytes, *, upstream: bool) -> None:
        """Bytes that neither end sent."""
        with self._lock:
            for way in self._ways:
                if way.upstream == upstream:
                    way.waiting.append((0.0, data))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self.cut()
        self._server.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                sources = {way.source: way for way in self._ways}
            with selectors.DefaultSelector() as selector:
                selector.register(self._server, selectors.EVENT_READ)
                for source in sources:
                    with contextlib.suppress(ValueError, OSError):
                        selector.register(source, selectors.EVENT_READ)
                ready = [key.fileobj for key, _ in selector.select(0.02)]
            with self._lock:
                for one in ready:
                    if one is self._server:
                        self._accept()
                    elif (way := sources.get(one)) in self._ways:  # type: ignore[arg-type, call-overload]
                        self._take(way)
                for way in list(self._ways):
                    self._pass_on(way)

    def _accept(self) -> None:
        client, _ = self._server.accept()
        if self.refuse:
            client.close()
            return
        try:
            broker = socket.create_connection((HOST, self.target_port), 2)
        except OSError:
            client.close()
            return
        self.connections += 1
        self._ways += [_Way(client, broker, True), _Way(broker, client, False)]

    def _take(self, way: _Way) -> None:
        try:
            data = way.source.recv(65536)
        except OSError:
            data = b""
        if not data:
            if not self.swallow:
                self._reset(way)
            else:
                time.sleep(0.01)  # gone, but the other end must not know
        elif not self.swallow:
            way.waiting.append((time.monotonic() + self.delay_s, data))

    def _pass_on(self, way: _Way) -> None:
        limit = self.cut_after_up if way.upstream else self.cut_after_down
        while way.waiting and way.waiting[0][0] <= time.monotonic() and way in self._ways:
            _, data = way.waiting.popleft()
            part = data if limit is None else data[: max(0, limit - way.carried)]
            way.carried += len(part)
            try:
                way.target.settimeout(5)
                way.target.sendall(part)
            except OSError:
                self._reset(way)
                return
            if len(part) < len(data):
                self._reset(way)

    def _reset(self, way: _Way) -> None:
        for other in [w for w in self._ways if w.source in (way.source, way.target)]:
            self._ways.remove(other)
            other.source.close()
