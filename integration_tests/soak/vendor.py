"""An imitation of Tiingo that throttles, drips, fails and cuts at random, and of which each bar is known beforehand."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

from source_stock_prices.sessions import between

DRIPS = 20
"""Pieces of a response that drips."""

DRIP_SECONDS = 0.02

ODDS = {
    "throttle": 0.0002,
    "throttle for a second": 0.0002,
    "fail": 0.001,
    "cut": 0.002,
    "cut body": 0.002,
    "drip": 0.003,
}
"""How often a request meets each kind of trouble."""


def price(ticker: str, day: date) -> float:
    """The closing price of a session."""
    return 10 + crc32(f"{ticker} {day}".encode()) % 100_000 / 100


class Vendor(ThreadingHTTPServer):
    """Serves on a local port while entered. `met` counts the requests by the trouble they met."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, seed: int, odds: float = 1.0) -> None:
        self._random = Random(seed)
        self._odds = odds
        self.met: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Vendor:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def trouble(self) -> str:
        """What the next request meets."""
        none = max(1 / self._odds - sum(ODDS.values()), 0)
        (kind,) = self._random.choices([*ODDS, "none"], [*ODDS.values(), none])
        self.met[kind] += 1
        return kind

    def handle_error(self, *_: Any) -> None:
        """Says nothing of a client that hangs up, but lets no error of its own pass for one."""
        if not isinstance(sys.exc_info()[1], OSError):
            os._exit(1)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection, on which requests follow each other until one is cut."""

    server: Vendor
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        trouble = self.server.trouble()
        if trouble == "cut":
            self.close_connection = True
        elif trouble == "fail":
            self._send(500, b"Internal Server Error")
        elif trouble.startswith("throttle"):
            headers = {"Retry-After": "1"} if trouble.endswith("second") else {}
            self._send(429, b'{"detail":"Too many requests."}', headers)
        else:
            self._send(200, self._bars(), trouble=trouble)

    def _bars(self) -> bytes:
        url = urlsplit(self.path)
        ticker = url.path.split("/")[3]
        window = dict(parse_qsl(url.query))
        days = between(date.fromisoformat(window["startDate"]), date.fromisoformat(window["endDate"]))
        return json.dumps([row(day, price(ticker, day)) for day in days]).encode()

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, trouble: str = "") -> None:
        named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        if trouble == "cut body":
            self.close_connection = True
            body = body[: len(body) // 2]
        if trouble == "drip":
            self._drip(body)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes) -> None:
        size = len(body) // DRIPS + 1
        for start in range(0, len(body), size):
            self.wfile.write(body[start : start + size])
            self.wfile.flush()
            time.sleep(DRIP_SECONDS)

    def log_message(self, *_: Any) -> None:
        """Writes no log."""


def row(day: date, close: float) -> dict[str, Any]:
    """A bar as Tiingo sends it."""
    prices = dict.fromkeys(("open", "high", "low", "close", "adjOpen", "adjHigh", "adjLow", "adjClose"), close)
    volumes = dict.fromkeys(("volume", "adjVolume"), 1000)
    return {"date": f"{day}T00:00:00.000Z", **prices, **volumes, "divCash": 0.0, "splitFactor": 1.0}
