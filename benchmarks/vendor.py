"""The benchmark's view of the server: a separate process, used over HTTP."""

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
    """The server's view of a run: its requests, and the seconds from the first request to the last response."""

    requests: int
    seconds: float


class Vendor:
    """A running server. This module does not import the connector, which would add to every process measured."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)

    def address(self, latency_ms: int = 0) -> str:
        """A new base URL, so that the requests of a run are counted separately."""
        return f"http://127.0.0.1:{self._connection.port}/{next(_run)}/{latency_ms}"

    def traffic(self, address: str) -> Traffic:
        """The requests made to a base URL so far."""
        seen = self._get(f"/log/{address.split('/')[3]}")
        return Traffic(seen["requests"], seen["seconds"])

    def sessions(self, number: int) -> list[str]:
        """The latest final sessions, oldest first."""
        return list(self._get(f"/sessions/{number}"))

    def render(self, tickers: Iterable[str], start: str, end: str) -> None:
        """Makes the server render the responses of a job before anything is measured."""
        for ticker in tickers:
            self._get(f"/rendered/0/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}")

    def _get(self, path: str) -> Any:
        self._connection.request("GET", path)
        return json.loads(self._connection.getresponse().read())


@contextmanager
def serving() -> Iterator[Vendor]:
    """Starts the server, and terminates it at the end."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                sys.exit("The server did not start.")
            yield Vendor(int(line))
        finally:
            process.terminate()
