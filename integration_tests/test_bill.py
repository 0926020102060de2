"""The bill before a sync, held against what the sandbox's vendors are asked."""

from __future__ import annotations

import re

import pytest

from integration_tests.front_door import check, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import FRIDAY_EVENING, VENDORS, at, config, many
from source_stock_prices.providers import PROVIDERS

COSTS = re.compile(r"stock_prices: a first sync of 12 tickers costs ([\d,]+) calls?.*, a daily one ([\d,]+) calls?")
SPENT = re.compile(r"stock_prices: this sync cost ([\d,]+) calls? of the plan")
MONDAY = FRIDAY_EVENING.add(days=3)


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_says_before_what_a_sync_costs_and_after_what_it_did_cost(sandbox: Sandbox, vendor: str) -> None:
    """The first one and the next day's, in the plan's calls."""
    sandbox.universe = many(12)
    settings = config(sandbox, vendor, ", ".join(sandbox.universe), start_date="2026-10-01")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING))
    said = COSTS.search(first.log("INFO"))
    assert said
    asked = len(sandbox.requests)
    second = read(settings, now=at(sandbox, MONDAY), state=first.state_messages)
    spent = [SPENT.search(output.log("INFO")) for output in (first, second)]
    assert [each and each[1] for each in spent] == [said[1], said[2]]
    if not PROVIDERS[vendor].charges_by_ticker:
        assert [said[1], said[2]] == [str(asked), str(len(sandbox.requests) - asked)]


@pytest.mark.parametrize("vendor", ["alpaca", "marketstack"])
def test_it_counts_every_page_of_a_long_history(sandbox: Sandbox, vendor: str) -> None:
    """A first sync of years takes many times as many requests as one of weeks."""
    sandbox.universe = many(12)
    settings = config(sandbox, vendor, ", ".join(sandbox.universe), start_date="2022-01-03")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    said, spent = COSTS.search(output.log("INFO")), SPENT.search(output.log("INFO"))
    assert said and spent and said[1] == spent[1]


def test_it_says_in_the_check_what_every_stream_costs(sandbox: Sandbox) -> None:
    """With a warning where a free plan has too few calls; the check sends no request for it."""
    sandbox.now = FRIDAY_EVENING
    output = check(config(sandbox, "alpha_vantage", ", ".join(many(12)), requests_per_minute=60), now=FRIDAY_EVENING)
    told = [line for line in output.log("INFO").splitlines() if " a first sync of " in line]
    assert told[0].startswith("stock_prices: a first sync of 12 tickers costs 12 calls (1 minute at 60 a minute)")
    assert told[-1].startswith("all streams: ")
    assert "A free Alpha Vantage plan has 25 calls a day" in output.log("WARN")
    assert output.connection["status"] == "SUCCEEDED"
