"""What the tests of syncs share: a moment, configs, and which vendors there are to ask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pendulum
from pendulum import DateTime

from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.app import VENDORS as SERVED
from integration_tests.sandbox.faults import can_fail
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.sessions import ZONE, last_final

VENDORS = [name for name in PROVIDERS if name in SERVED]
"""Those the sandbox serves. One it does not serve yet has a test of its own that fails: `test_sandbox.py`."""

READABLE = [name for name in PROVIDERS if name in SERVED or name == "sample"]
"""Those that a test can read from: the vendors of the sandbox, and the sample, which needs none."""

UNSERVED = [name for name in PROVIDERS if name not in READABLE]
"""Those that lack a sandbox."""

FRIDAY_EVENING = pendulum.datetime(2026, 11, 20, 21, tz=ZONE)
REACH = {"alpaca": date(2016, 1, 4), "iex": date(2011, 11, 21)}
"""The oldest session of the vendors that do not have them all."""

SCHEMA = json.loads(Path("source_stock_prices/schemas/stock_prices.json").read_text())
EVENTS = ("stock_splits", "dividends")

PASSING = ["throttle", "throttle-in-200", "throttle-retry-after", "500", "503-html", "timeout", "cut", "cut-body"]
"""Faults after which the same request may succeed."""

GARBLED = ["html", "truncated", "empty-body", "redirect"]
"""Answers that are not the API's."""


def at(sandbox: Sandbox, moment: DateTime) -> DateTime:
    """One moment for the vendors and the connector."""
    sandbox.now = moment
    return moment


def config(sandbox: Sandbox, vendor: str, tickers: str = "AAPL", **more: Any) -> dict[str, Any]:
    """A config for a vendor of the sandbox."""
    provider = {"name": "sample"} if vendor == "sample" else sandbox.provider(vendor)
    return {"provider": provider, "stock_ticker": tickers, **more}


def many(count: int) -> list[str]:
    """So many tickers, of letters alone: some vendors know no others."""
    return ["T" + "".join(letters) for letters in islice(product(ascii_uppercase, repeat=2), count)]


def failed(entry: dict[str, Any]) -> dict[str, Any]:
    """What the state has of a ticker that failed on Friday: all that it had before, and marks to ask for it last."""
    return {**entry, "failed": True, "tried": "2026-11-20"}


def last_served(vendor: str, now: DateTime = FRIDAY_EVENING) -> date:
    """The last session whose final bar a vendor has published at a moment."""
    return min(last_final(now), SERVED[vendor].hours.last_final(now)) if vendor in SERVED else last_final(now)


def faults_of(vendors: Iterable[str], kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Each vendor with each kind of fault that it has an answer for.

    A time-out takes its time, and is no vendor's: one that takes a ticker a request and one that takes many stand for
    all.
    """
    pairs = product(vendors, kinds)
    return [
        (vendor, kind)
        for vendor, kind in pairs
        if can_fail(SERVED[vendor], kind) and (kind != "timeout" or vendor in ("massive", "alpaca"))
    ]
