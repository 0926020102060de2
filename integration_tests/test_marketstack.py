"""What is Marketstack's alone: pages over several tickers, and a plan that cuts a window without a word."""

from __future__ import annotations

from datetime import date

import pytest

from integration_tests.front_door import read, table
from integration_tests.sandbox import FREE_KEY, Sandbox
from integration_tests.scenario import FRIDAY_EVENING, at, config
from source_stock_prices.providers.marketstack import Marketstack


def test_it_follows_every_page(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages count rows over all tickers, so that one session can be on two of them."""
    template = Marketstack.bars_template
    short = template._replace(params={**template.params, "limit": "5"})
    monkeypatch.setattr(Marketstack, "bars_template", short)
    output = read(config(sandbox, "marketstack", "AAPL, BRK.B, TSCO.L"), now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(["AAPL", "BRK.B", "TSCO.L"], date(2026, 11, 13), date(2026, 11, 20))
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert [asked.query.get("offset") for asked in sandbox.requests] == [None, "5", "10", "15"]


def test_it_asks_apart_for_tickers_that_a_row_does_not_tell_apart(sandbox: Sandbox) -> None:
    """Some rows leave the exchange out: of two listings of one name, a shared answer would be nobody's."""
    tickers = ["VOD", "VOD.L", "AAPL", "MSFT", "KO"]
    output = read(config(sandbox, "marketstack", ", ".join(tickers)), now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(tickers, date(2026, 11, 13), date(2026, 11, 20))
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert {asked.query["symbols"] for asked in sandbox.requests} == {"VOD,AAPL,MSFT,KO", "VOD.L"}


def test_it_says_where_the_history_begins_that_the_plan_serves(sandbox: Sandbox) -> None:
    """The vendor leaves out what is older than a free plan's year, and does not say so."""
    settings = config(sandbox, "marketstack", start_date="2020-01-02")
    settings["provider"] = sandbox.provider("marketstack", FREE_KEY)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    assert output.records[0]["date"] == "2025-11-20"
    assert "Marketstack data starts later than 2020-01-02: AAPL (2025-11-20)." in output.log("WARN")


def test_it_fills_adjusted_prices_that_the_vendor_leaves_null(sandbox: Sandbox) -> None:
    """The row has the same session as it was traded: in proportion to its close, nothing of it is unknown."""
    output = read(config(sandbox, "marketstack", adjustment="all"), now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(["AAPL"], date(2026, 11, 13), date(2026, 11, 20), "all")
    assert len(output.records) == len(truth)
    for record in output.records:
        trade = truth["AAPL", date.fromisoformat(record["date"])]
        for field in ("open", "high", "low", "close"):
            assert record[field] == pytest.approx(getattr(trade, field), rel=1e-3)
