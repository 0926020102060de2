"""The stream `tickers` between a vendor's lists: what each of them is asked, and what is made of both."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock

from source_stock_prices.errors import ProviderError
from source_stock_prices.providers.terms import Query
from source_stock_prices.report import Report
from unit_tests.test_events import TODAY, streams

LIST = "https://financialmodelingprep.com/stable/delisted-companies"

PLAN = (
    "Premium Query Parameter: 'Special Endpoint : This value set for 'page' is not available under your current"
    " subscription please visit our subscription page to upgrade your plan at https://financialmodelingprep.com/"
)
"""Believed: that the smaller plans refuse the second page with 402 is in the notes of a user of 2026, its words not."""


def page(*tickers: str) -> list[dict[str, str]]:
    """A full page of delisted companies, with some tickers of ours at its end."""
    others = [f"X{n}.F" for n in range(100 - len(tickers))]
    return [
        {"symbol": symbol, "companyName": "Gone AG", "exchange": "FSX", "delistedDate": "2026-10-05"}
        for symbol in (*others, *tickers)
    ]


def read(*tickers: str, pages: list[dict[str, Any]]) -> tuple[list[str], Report, list[str]]:
    """The tickers found in the list, what the report says, and which pages were asked for."""
    stream = streams({"name": "fmp", "api_key": "s3cr3t"}, ",".join(tickers))["tickers"]
    stream.list_name = "delisted-companies"
    report = Report(stream.provider)
    with requests_mock.Mocker() as wire:
        wire.get(LIST, pages)
        found = stream.answer(Query(tickers, TODAY, TODAY, "raw", TODAY), {}, report)
        asked = [request.qs.get("page", ["0"])[0] for request in wire.request_history]
    return list(found), report, asked


def test_it_reads_a_list_no_further_than_the_last_ticker_that_is_wanted() -> None:
    found, report, asked = read("GONE", "OLD", pages=[{"json": page("GONE")}, {"json": page("OLD")}, {"json": page()}])
    assert found == ["GONE", "OLD"]
    assert asked == ["0", "1"]
    assert not report.failed


def test_it_ends_a_list_with_its_short_page() -> None:
    found, report, asked = read("GONE", pages=[{"json": page()}, {"json": page()[:3]}, {"json": page("GONE")}])
    assert not found
    assert asked == ["0", "1"]
    assert list(report.failed) == ["GONE"]


def test_it_takes_a_list_as_far_as_the_plan_has_it() -> None:
    """What the first page has is not lost, and the log says why there is no more."""
    found, report, _ = read("GONE", "OLD", pages=[{"json": page("GONE")}, {"text": PLAN, "status_code": 402}])
    assert found == ["GONE"]
    (line,) = report.summary()
    assert line.startswith("Notice from Financial Modeling Prep for GONE, OLD: Premium Query Parameter")
    assert list(report.failed) == ["OLD"]


def test_it_fails_the_tickers_of_a_list_that_cannot_be_read_at_once() -> None:
    """The list is not asked for again for each of them."""
    found, report, asked = read("GONE", "OLD", pages=[{"text": "<html>"}])
    assert not found
    assert asked == ["0"]
    assert {error.problem.kind.value for error in report.failed.values()} == {"unreadable"}
    assert list(report.failed) == ["GONE", "OLD"]


def test_it_takes_a_wrong_key_for_no_end_of_a_list() -> None:
    with pytest.raises(ProviderError, match="bad credentials"):
        read("GONE", pages=[{"json": {"Error Message": "Invalid API KEY."}, "status_code": 401}])
