"""What a daily sync costs: the table in docs/stock-prices.md, counted from what is asked."""

from __future__ import annotations

from datetime import date
from logging import getLogger
from typing import Any, NoReturn

import pytest

from source_stock_prices import reference
from source_stock_prices.config import Config
from source_stock_prices.http import RequestPolicy
from source_stock_prices.prices import Prices
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices
from unit_tests.horizons import Until
from unit_tests.vendor_cases import FILES, ROOT

BEFORE, TODAY = date(2026, 11, 19), date(2026, 11, 20)
EVENTS = ("stock_splits", "dividends")
HEAD = "| Provider | 500 tickers | with splits and dividends | 5,000 tickers | with splits and dividends |"
VENDORS = [name for name in PROVIDERS if name not in ("sample", "iex")]


def stream_of(name: str, count: int) -> StockPrices:
    settings = {"name": name, **FILES[name]["settings"]}
    config = Config.parse({"provider": settings, "stock_ticker": [f"T{n}" for n in range(count)]})
    return StockPrices(config, start=BEFORE, horizon=Until(TODAY), policy=RequestPolicy(config.provider, patient=False))


def of_prices(name: str, count: int) -> tuple[int, int]:
    """The requests and the calls of the plan for the prices of tickers that were read the day before, too."""
    config = stream_of(name, count).config
    horizon = Until(TODAY)
    prices = Prices(
        config, getLogger("test"), start=BEFORE, bound=None, horizon=horizon, ask=nobody, in_envelopes=False
    )
    queries = prices.queries(state(config), Report(config.provider))
    return len(queries), sum(map(config.provider.calls, queries))


def of_events(name: str, count: int) -> tuple[int, int]:
    """The requests and the calls of the plan for splits and dividends; none where there are none."""
    stream = stream_of(name, count)
    requests = calls = 0
    for events in reference.streams(stream):
        if events.name in EVENTS:
            queries = events.queries(state(stream.config), Report(stream.provider))
            requests += len(queries)
            calls += sum(map(events.calls, queries))
    return requests, calls


def nobody(*_: Any) -> NoReturn:
    raise AssertionError("nothing is sent to plan a sync")


def state(config: Config) -> dict[str, Any]:
    """The state after the sync of the day before."""
    entry = {"date": str(BEFORE), "since": "2026-01-02", "adjustment": "raw", "provider": config.provider.name}
    return {ticker: dict(entry) for ticker in config.tickers}


def row(name: str) -> str:
    cells = []
    for count in (500, 5000):
        requests, calls = of_prices(name, count)
        requests_of_events, calls_of_events = of_events(name, count)
        cells.append(cell(requests, calls))
        together = cell(requests + requests_of_events, calls + calls_of_events)
        cells.append(together if requests_of_events else "not served")
    return f"| {PROVIDERS[name].title.partition(' (')[0]} | {' | '.join(cells)} |"


def cell(requests: int, calls: int) -> str:
    return f"{requests:,}" if requests == calls else f"{requests:,} ({calls:,} calls)"


def test_it_costs_what_the_page_says() -> None:
    """The figures that people choose a provider by."""
    page = (ROOT / "docs/stock-prices.md").read_text("utf-8")
    table = "\n".join([HEAD, "|---|---|---|---|---|", *map(row, VENDORS)])
    assert table in page, f"docs/stock-prices.md should have:\n{table}"


@pytest.mark.parametrize("name", VENDORS)
def test_it_never_costs_more_calls_than_a_request_for_each_ticker(name: str) -> None:
    """A plan that counts calls is not used up by fewer requests."""
    for count in (1, 100, 500, 501, 799, 800, 2000):
        requests, calls = of_prices(name, count)
        assert requests <= calls <= count
        requests, calls = of_events(name, count)
        assert requests <= calls <= 2 * count
