"""The currency of a price: as the answer tells it, else as the ticker's market does, else null."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import currency_code
from source_stock_prices.providers.terms import Query
from unit_tests.vendor_cases import FILES

DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("provider", "ticker", "currency"),
    [
        ("massive", "AAPL", "USD"),
        ("massive", "C:EURGBP", None),
        ("alpaca", "BRK.B", "USD"),
        ("tiingo", "AAPL", "USD"),
        ("tiingo", "600519", None),
        ("twelve_data", "AAPL", None),
        ("twelve_data", "EUR/USD", "USD"),
        ("eodhd", "AAPL", "USD"),
        ("eodhd", "BRK.B", "USD"),
        ("eodhd", "VOD.LSE", None),
        ("eodhd", "EURUSD.FOREX", None),
        ("alpha_vantage", "IBM", "USD"),
        ("alpha_vantage", "TSCO.LON", "GBX"),
        ("alpha_vantage", "SHOP.TRT", None),
        ("fmp", "AAPL", "USD"),
        ("fmp", "BRK.B", "USD"),
        ("fmp", "VOD.L", None),
        ("fmp", "EURGBP", None),
        ("fmp", "^N225", None),
        ("marketstack", "AAPL", "USD"),
        ("marketstack", "VOD.L", None),
        ("iex", "BRK.B", "USD"),
        ("iex", "VOD-LN", None),
        ("sample", "AAPL", "USD"),
    ],
)
def test_it_tells_the_currency_of_a_market(provider: str, ticker: str, currency: str | None) -> None:
    """Null where a market quotes in several: a wrong currency is worse than none."""
    assert PROVIDERS[provider](**FILES[provider]["settings"]).currency(ticker) == currency


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("USD", "USD"),
        ("usd", "USD"),
        ("GBp", "GBX"),
        ("GBX", "GBX"),
        ("GBP", "GBP"),
        ("ZAc", None),
        ("ILA", None),
        ("", None),
        (None, None),
        ([], None),
        (5, None),
        ("US Dollar", None),
    ],
)
def test_it_reads_a_vendors_word_for_a_currency(told: Any, code: str | None) -> None:
    """Pence are GBX; the hundredth of another currency is not that currency."""
    assert currency_code(told) == code


@pytest.mark.parametrize(("told", "code"), [("CAD", "CAD"), ("GBp", "GBX"), ("ZAc", None)])
def test_it_believes_the_answer(told: str, code: str | None) -> None:
    """A ticker may mean another listing than its spelling says."""
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1)
    twelve = {"meta": {"currency": told}, "values": [{"datetime": str(DAY), **prices}], "status": "ok"}
    marketstack = {**prices, "symbol": "AAPL", "date": str(DAY), "price_currency": told}
    marketstack |= dict.fromkeys(("adj_close", "dividend", "split_factor"), 1)
    for name, body in (("twelve_data", twelve), ("marketstack", {"data": [marketstack]})):
        provider = PROVIDERS[name](**FILES[name]["settings"])
        answer = Answer(200, {}, "https://x.example/?symbol=AAPL", json.dumps(body).encode())
        query = Query(("AAPL",), DAY, DAY, "raw", DAY)
        (bar,) = provider.parse(answer, query, lambda *_: None)
        assert bar.currency == code, name
