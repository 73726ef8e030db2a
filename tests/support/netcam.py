"""A network camera: MJPEG over HTTP, as cheap ones have it, that can be unplugged, covered, or hang."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

PERIOD_S = 0.1


class NetworkCamera:
    """`mode`: live (a grey room with noise), black, frozen, or off (no stream, and those that run end)."""

    def __init__(self) -> None:
        self.mode = "live"
        self._stopped = False
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if camera.mode == "off":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                rng = np.random.default_rng(1)
                try:
                    while camera.mode != "off" and not camera._stopped:
                        data = camera._picture(rng)
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode() + data + b"\r\n")
                        time.sleep(PERIOD_S)
                except OSError:
                    pass  # the viewer has gone

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/camera.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _picture(self, rng: np.random.Generator) -> bytes:
        if self.mode == "black":
            pixels = np.zeros((240, 320, 3), np.uint8)
        else:
            seed = rng if self.mode == "live" else np.random.default_rng(2)
            pixels = seed.integers(90, 160, (240, 320, 3), dtype=np.uint8)
        return cv2.imencode(".jpg", pixels)[1].tobytes()

    def __enter__(self) -> NetworkCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
