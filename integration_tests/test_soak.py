"""The soak test itself, with a few tickers instead of thousands."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from integration_tests.soak.__main__ import Found, grown, soak, take
from integration_tests.soak.vendor import Vendor, price


def test_it_syncs_under_load() -> None:
    """What is to run for an hour runs for a moment."""
    with Vendor(seed=7, odds=5) as vendor:
        found = soak(minutes=0, tickers=10, workers=4, vendor=vendor)
    assert found.faults == []
    assert found.syncs == 2
    assert found.records == 10 * 60 + 10 * 2
    assert vendor.met["drip"]


def record(close: float) -> dict[str, Any]:
    return {"type": "RECORD", "record": {"data": {"stock_ticker": "AAAA", "date": "2024-01-02", "price": close}}}


def done(exit_code: int = 0, threads: tuple[str, ...] = (), sockets: int = 0) -> dict[str, Any]:
    threads = ("MainThread", "deadline", *threads)
    return {"type": "DONE", "exit_code": exit_code, "threads": [*threads], "sockets": sockets}


GOOD = price("AAAA", date(2024, 1, 2))
FAULTS = {
    "a price": record(GOOD + 1),
    "an exit code": done(exit_code=1),
    "a thread": done(threads=("worker",)),
    "a socket": done(sockets=1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_finds_a_fault(fault: str) -> None:
    """A soak that judges nothing is green after an hour."""
    found = Found()
    for message in (record(GOOD), done()):
        take(message, found, set(), [])
    assert found.faults == []
    take(FAULTS[fault], found, set(), [])
    assert len(found.faults) == 1


def test_it_compares_the_last_tenth_of_the_time_with_the_second() -> None:
    """In the first one, memory grows to its size."""
    assert grown([50] * 10 + [100] * 40 + [300] * 40 + [150] * 10) == 1.5
