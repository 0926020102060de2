"""What a person is told of the cost of syncs, before they are made."""

from __future__ import annotations

from datetime import date

import pytest

from source_stock_prices.bill import Cost, line, lines, shortfall
from source_stock_prices.config import Config
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import RAW, Query

DAY = date(2026, 11, 20)


def config(provider: str, tickers: int, requests_per_minute: int | None = None) -> Config:
    block = {"name": provider, "api_key": "s3cr3t", "api_secret": "s3cr3t"}
    names = ",".join(f"T{number}" for number in range(tickers))
    return Config.parse({"provider": block, "stock_ticker": names, "requests_per_minute": requests_per_minute})


@pytest.mark.parametrize(
    ("settings", "cost", "told"),
    [
        (
            config("massive", 500, 5),
            Cost("stock_prices", 500, 5),
            "stock_prices: a first sync of 500 tickers costs 500 calls (100 minutes at 5 a minute), a daily one 5 calls"
            " (1 minute at 5 a minute).",
        ),
        (
            config("massive", 1),
            Cost("dividends", 1, 1),
            "dividends: a first sync of 1 ticker costs 1 call (1 minute at a free plan's 5 a minute), a daily one"
            " 1 call (1 minute at a free plan's 5 a minute).",
        ),
        (
            config("tiingo", 3),
            Cost("stock_prices", 3000, 3),
            "stock_prices: a first sync of 3 tickers costs 3,000 calls (60 hours at a free plan's 50 an hour), a daily"
            " one 3 calls.",
        ),
        (
            config("eodhd", 3, 1),
            Cost("stock_prices", 300, 3),
            "stock_prices: a first sync of 3 tickers costs 300 calls (5 hours at 1 a minute), a daily one 3 calls (3"
            " minutes at 1 a minute).",
        ),
    ],
)
def test_it_says_what_a_stream_costs_and_how_long_that_takes(settings: Config, cost: Cost, told: str) -> None:
    """At the pace that is set, else at that of the free plan, else nobody knows."""
    assert line(cost, settings) == told


def test_it_adds_the_streams_up() -> None:
    costs = [Cost("stock_prices", 8, 8), Cost("dividends", 8, 7)]
    assert list(lines(costs, config("eodhd", 8)))[-1] == (
        "all streams: a first sync of 8 tickers costs 16 calls, a daily one 15 calls."
    )
    assert len(list(lines(costs[:1], config("tiingo", 8)))) == 1


def test_it_counts_each_ticker_where_the_vendor_does() -> None:
    """A request for eight tickers is eight of the plan's."""
    query = Query(tuple("ABCDEFGH"), DAY, DAY, RAW, DAY)
    assert config("twelve_data", 1).provider.calls(query) == 8
    assert config("alpaca", 1).provider.calls(query) == 1


@pytest.mark.parametrize(
    ("name", "tickers", "bars", "pages"),
    [
        ("alpaca", 5, 10_000, 1),
        ("alpaca", 5, 10_001, 2),
        ("fmp", 1, 12_000, 3),
        ("marketstack", 1, 1_300, 2),
        ("twelve_data", 2, 9_000, 1),
        ("twelve_data", 2, 10_002, 2),
        ("tiingo", 1, 12_000, 1),
        ("alpaca", 1, 0, 1),
        ("alpaca", 1, None, 1),
    ],
)
def test_it_counts_the_pages_of_a_history(name: str, tickers: int, bars: int | None, pages: int) -> None:
    """Each is a request of the plan, and long histories have several."""
    query = Query(tuple("ABCDEFGH"[:tickers]), DAY, DAY, RAW, DAY)
    assert config(name, 1).provider.pages(query, bars) == pages


@pytest.mark.parametrize(("daily", "days"), [(8, 0), (25, 0), (26, 2), (300, 12)])
def test_it_warns_of_a_plan_that_is_too_small(daily: int, days: int) -> None:
    """And says what that means, and what helps."""
    told = shortfall([Cost("stock_prices", 1000, daily)], config("alpha_vantage", 3))
    if not days:
        assert told is None
        return
    assert told == (
        f"A free Alpha Vantage plan has 25 calls a day, and a daily sync of every stream costs {daily}: each ticker has"
        f" its turn every {days} days. Select fewer streams or tickers, or upgrade."
    )


def test_it_knows_no_turns_in_a_whole_market() -> None:
    """It is read a session at a time, and no free plan has those."""
    whole = Config.parse({"provider": {"name": "eodhd", "api_key": "s3cr3t"}, "stock_ticker": "*"})
    assert shortfall([Cost("stock_prices", 50_000, 500)], whole) is None


def test_it_knows_no_quota_of_some_plans() -> None:
    assert shortfall([Cost("stock_prices", 9_999, 9_999)], config("alpaca", 3)) is None
    assert {name for name, provider in PROVIDERS.items() if provider.free_calls_per_day} == {
        "alpha_vantage",
        "eodhd",
        "fmp",
        "tiingo",
        "twelve_data",
    }
