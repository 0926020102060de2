"""The server as the benchmark sees it: a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from typing import Any, NamedTuple

from benchmarks.measure import ROOT

_run = count(1)


class Traffic(NamedTuple):
    """What the server saw of a run: its requests, and the seconds from the first one to the last answer."""

    requests: int
    seconds: float


class Vendor:
    """A running server. Nothing here imports the connector: what it weighs would weigh on every process measured."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)

    def address(self, latency_ms: int = 0) -> str:
        """A base URL of its own, so that a run's requests are counted apart."""
        return f"http://127.0.0.1:{self._connection.port}/{next(_run)}/{latency_ms}"

    def traffic(self, address: str) -> Traffic:
        """What was asked of a base URL so far."""
        seen = self._get(f"/log/{address.split('/')[3]}")
        return Traffic(seen["requests"], seen["seconds"])

    def sessions(self, number: int) -> list[str]:
        """The last final session, and those before it, ascending."""
        return list(self._get(f"/sessions/{number}"))

    def render(self, tickers: Iterable[str], start: str, end: str) -> None:
        """Has the answers of a job rendered, before anything is measured."""
        for ticker in tickers:
            self._get(f"/rendered/0/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}")

    def _get(self, path: str) -> Any:
        self._connection.request("GET", path)
        return json.loads(self._connection.getresponse().read())


@contextmanager
def serving() -> Iterator[Vendor]:
    """Starts the server, and ends it."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                sys.exit("The server did not start.")
            yield Vendor(int(line))
        finally:
            process.terminate()
