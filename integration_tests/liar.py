"""A vendor whose responses are bytes of a test's own, right or wrong."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Parts = tuple[bytes, ...]


def response(body: bytes = b"", status: int = 200, **headers: str) -> Parts:
    """A response as it should be, except for what a test says. Underscores in the names of headers are hyphens."""
    named = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"HTTP/1.1 {status} Some Words", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return ("\r\n".join(lines).encode("latin-1"), body)


def chunked(body: bytes) -> Parts:
    """A response whose body is already in chunks, or in what passes for them."""
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body)


class Liar(socketserver.ThreadingTCPServer):
    """Sends the parts to each request, then `drips` one byte again and again, and closes the connection.

    With `keeps_open`, requests follow each other on a connection. `connections` and `requests` are counted.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, parts: Parts, *, drip: bytes = b"", keeps_open: bool = False) -> None:
        self.parts, self.drip, self.keeps_open = parts, drip, keeps_open
        self.connections = self.requests = 0
        self.counting = threading.Lock()
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Lie)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Liar:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class Lie(socketserver.StreamRequestHandler):
    server: Liar

    def handle(self) -> None:
        with suppress(OSError):
            with self.server.counting:
                self.server.connections += 1
            while self._asked():
                for part in self.server.parts:
                    self.wfile.write(part)
                while self.server.drip and not self.server.over.wait(0.01):
                    self.wfile.write(self.server.drip)
                if not self.server.keeps_open:
                    return

    def _asked(self) -> bool:
        """Whether there is one more request, which is read."""
        lines: Callable[[], bytes] = self.rfile.readline
        line = lines()
        if not line:
            return False
        while line not in (b"\r\n", b""):
            line = lines()
        with self.server.counting:
            self.server.requests += 1
        return True
