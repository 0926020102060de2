"""Syncs for an hour, session after session, and judges: the table, the exit code, memory, threads and sockets."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice, product
from pathlib import Path
from statistics import mean
from string import ascii_uppercase
from typing import Any

from integration_tests.front_door import catalog
from integration_tests.soak.vendor import Vendor, price
from source_stock_prices.sessions import between

START = date(2024, 1, 2)
HISTORY = 60
"""Sessions that the first sync reads. Each one after it has one more."""

MOST_GROWTH = 1.1
"""Of memory: the last tenth of the time against the second one."""

END_SECONDS = 10

IMAGE = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""How memory is shared out in the image."""

WATCH = ["MainThread", "deadline"]
"""The threads that stay: the watch over late responses ends with the program."""


@dataclass
class Found:
    """What came of the syncs so far. `memory` is in bytes, once a second, but for the first sync: all is new to it."""

    syncs: int = 0
    records: int = 0
    states: int = 0
    memory: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Connector:
    """A process that runs commands one after the other."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "integration_tests.soak.syncs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **IMAGE},
            text=True,
        )

    def read(self, config: Any, state: Any, moment: str) -> Iterator[dict[str, Any]]:
        """The messages of a sync, the last of type DONE."""
        files = {"config": config, "catalog": catalog(), "state": state}
        args = ["read"]
        for name, content in files.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps(content))
            args += [f"--{name}", str(path)]
        assert self._process.stdin and self._process.stdout
        print(json.dumps({"args": args, "moment": moment}), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            message = json.loads(line)
            yield message
            if message["type"] == "DONE":
                return
        raise RuntimeError(f"the connector died with {self._process.wait()}")

    @contextmanager
    def weighed(self, memory: list[int]) -> Iterator[None]:
        """Adds the memory of the process once a second."""
        over = threading.Event()

        def weigh() -> None:
            while not over.wait(1):
                memory.append(self.memory())

        thread = threading.Thread(target=weigh)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            memory.append(self.memory())

    def memory(self) -> int:
        """Resident bytes, as Linux tells."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> int:
        """The exit code, once there is nothing more to do."""
        assert self._process.stdin
        self._process.stdin.close()
        return self._process.wait(END_SECONDS)


def soak(minutes: float, tickers: int, workers: int, vendor: Vendor) -> Found:
    """Syncs until the time is over, at least twice."""
    names = many(tickers)
    config = {
        "provider": {"name": "tiingo", "api_key": "k3y+t/est==", "base_url": vendor.url},
        "stock_ticker": ",".join(names),
        "start_date": START.isoformat(),
        "num_workers": workers,
    }
    found = Found()
    table: set[tuple[str, str]] = set()
    state: Any = []
    days = between(START, START + timedelta(days=2000))
    until = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        connector = Connector(folder)
        for number, day in enumerate(days[HISTORY - 1 :], HISTORY):
            memory = found.memory if found.syncs else []
            began = time.monotonic()
            with connector.weighed(memory):
                for message in connector.read(config, state, f"{day}T21:00:00-05:00"):
                    state = take(message, found, table, state)
            found.syncs += 1
            found.seconds.append(time.monotonic() - began)
            if len(table) != tickers * number:
                found.faults.append(f"{day}: {len(table):,} rows, not {tickers * number:,}")
            tell(found, connector.memory())
            if found.syncs >= 2 and time.monotonic() > until:
                break
        if connector.end():
            found.faults.append("the process did not end with 0")
    growth = grown(found.memory)
    if growth > MOST_GROWTH:
        found.faults.append(f"memory grew to {growth:.2f} of what it was")
    return found


def take(message: dict[str, Any], found: Found, table: set[tuple[str, str]], state: Any) -> Any:
    """Judges one message, and returns the state after it."""
    kind = message["type"]
    if kind == "RECORD":
        row = message["record"]["data"]
        found.records += 1
        table.add((row["stock_ticker"], row["date"]))
        if row["price"] != price(row["stock_ticker"], date.fromisoformat(row["date"])):
            found.faults.append(f"a wrong price: {row}")
    elif kind == "STATE":
        found.states += 1
        return [message["state"]]
    elif kind == "DONE":
        if message["exit_code"]:
            found.faults.append(f"exit code {message['exit_code']}")
        if message["threads"] != WATCH or message["sockets"]:
            found.faults.append(f"left: {message['threads']}, {message['sockets']} sockets")
    elif kind == "TRACE" and message["trace"]["type"] == "ERROR":
        found.faults.append(message["trace"]["error"]["message"])
    return state


def grown(memory: Sequence[int]) -> float:
    """The last tenth against the second one.

    In the first one, the memory of a process grows to its size: Python keeps what the largest moment so far took, and
    how much is under way at a moment varies.
    """
    tenth = max(len(memory) // 10, 1)
    second = memory[tenth : 2 * tenth] or memory
    return mean(memory[-tenth:]) / mean(second)


def many(count: int) -> list[str]:
    return ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), count)]


def tell(found: Found, memory: int) -> None:
    print(
        f"{found.syncs:4} syncs, the last in {found.seconds[-1]:5.1f} s; {found.records:,} records, "
        f"{found.states:,} states; {memory / 1e6:.0f} MB; {len(found.faults)} faults",
        file=sys.stderr,
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m integration_tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--tickers", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--odds", type=float, default=1.0, help="how much more trouble than usual")
    chosen = parser.parse_args()
    with Vendor(chosen.seed, chosen.odds) as vendor:
        found = soak(chosen.minutes, chosen.tickers, chosen.workers, vendor)
    print(f"Seed {chosen.seed}. Requests by what they met: {dict(vendor.met)}.")
    print(f"{found.syncs} syncs in {sum(found.seconds) / 60:.1f} minutes wrote {found.records:,} records.")
    print(
        f"Memory: at most {max(found.memory) / 1e6:.0f} MB; the last tenth is {grown(found.memory):.3f} of the second."
    )
    for fault in found.faults[:20]:
        print(f"FAULT: {fault}")
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main()
