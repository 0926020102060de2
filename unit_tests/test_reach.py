"""How far back a plan reaches."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.errors import ProviderError
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import RAW, Bar, Kind, Problem, Query
from source_stock_prices.reach import Found, Reach
from source_stock_prices.report import Report

TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)


class Vendor:
    """Serves windows that begin on a day or later, and counts what it is asked."""

    def __init__(self, first: date, kind: Kind = Kind.BEYOND_PLAN) -> None:
        self.first, self.kind = first, kind
        self.asked: list[Query] = []

    def ask(self, query: Query, report: Report) -> Found:
        self.asked.append(query)
        if query.start < self.first:
            raise ProviderError(Problem(self.kind, "Your plan doesn't include this data timeframe."), 403)
        return {ticker: [Bar(ticker, query.start, 1.0)] for ticker in query.tickers}


def question(start: date, *tickers: str, end: date = TODAY) -> Query:
    return Query(tickers or ("AAPL",), start, end, RAW, TODAY)


def report() -> Report:
    return Report(PROVIDERS["sample"]())


@given(st.integers(0, 4000), st.data())
def test_it_finds_the_first_day_that_is_served(days: int, data: st.DataObject) -> None:
    """No day that the plan has is lost, and a window of years costs a dozen requests, refusals among them."""
    start = TODAY - timedelta(days=days)
    vendor = Vendor(start + timedelta(days=data.draw(st.integers(0, days))))
    found = Reach(vendor.ask).ask_as_far_as_it_goes(question(start), report())
    assert found == {"AAPL": [Bar("AAPL", vendor.first, 1.0)]}
    assert len(vendor.asked) <= 2 + ceil(log2(days + 1))


def test_it_asks_once_for_a_window_that_is_served() -> None:
    """Nearly every sync is one: the search costs nothing where nothing is refused."""
    vendor, heard = Vendor(date(2020, 1, 2)), report()
    Reach(vendor.ask).ask_as_far_as_it_goes(question(vendor.first), heard)
    assert vendor.asked == [question(vendor.first)]
    assert list(heard.summary()) == []


def test_it_says_of_which_tickers_it_cut_the_answer_and_where() -> None:
    """Whoever uses it knows whether rows of an old scale stay before that day."""
    vendor, heard = Vendor(date(2024, 11, 20)), report()
    Reach(vendor.ask).ask_as_far_as_it_goes(question(date(2020, 1, 2), "AAPL", "MSFT"), heard)
    assert heard.cut == {"AAPL": date(2024, 11, 20), "MSFT": date(2024, 11, 20)}


def test_it_remembers_for_every_other_ticker_how_far_the_plan_reaches() -> None:
    """The search is paid for once a sync, and from then on each ticker costs one request."""
    vendor = Vendor(date(2024, 11, 20))
    reach = Reach(vendor.ask)
    reach.ask_as_far_as_it_goes(question(date(2020, 1, 2)), report())
    vendor.asked.clear()
    for ticker in ("MSFT", "TSLA"):
        assert reach.ask_as_far_as_it_goes(question(date(2020, 1, 2), ticker), report())
    assert vendor.asked == [question(vendor.first, "MSFT"), question(vendor.first, "TSLA")]


def test_it_does_not_ask_again_what_is_known_to_be_refused() -> None:
    """A refusal counts against the quota like an answer, and a later start was refused already."""
    vendor = Vendor(date(2024, 11, 20))
    reach = Reach(vendor.ask)
    with pytest.raises(ProviderError) as first:
        reach.ask(question(date(2022, 1, 3)), report())
    with pytest.raises(ProviderError) as second:
        reach.ask(question(date(2020, 1, 2), "MSFT"), report())
    assert second.value is first.value
    assert len(vendor.asked) == 1
    assert reach.ask(question(date(2024, 11, 20)), report())


@given(st.lists(st.integers(0, 800), min_size=1, max_size=6), st.integers(0, 700))
def test_it_finds_it_whatever_was_asked_before(starts: list[int], first: int) -> None:
    """What it remembers of one ticker's window must never cut another's."""
    vendor = Vendor(TODAY - timedelta(days=first))
    reach = Reach(vendor.ask)
    for days in starts:
        start = TODAY - timedelta(days=days)
        (bar,) = reach.ask_as_far_as_it_goes(question(start), report())["AAPL"]
        assert bar.date == max(start, vendor.first)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.BEYOND_PLAN])
def test_it_passes_any_other_problem_on(kind: Kind) -> None:
    """A key that was rejected is rejected for every window."""
    vendor = Vendor(TODAY, kind)
    with pytest.raises(ProviderError) as raised:
        Reach(vendor.ask).ask_as_far_as_it_goes(question(date(2020, 1, 2)), report())
    assert raised.value.problem.kind is kind
    assert len(vendor.asked) == 1


def test_it_passes_on_a_problem_that_is_met_while_searching() -> None:
    """A quota that ends half-way is no day that the plan does not reach."""
    vendor = Vendor(date(2024, 11, 20))

    def ask(query: Query, heard: Report) -> Found:
        if len(vendor.asked) == 3:
            raise ProviderError(Problem(Kind.QUOTA_SPENT, "25 requests per day"))
        return vendor.ask(query, heard)

    with pytest.raises(ProviderError) as raised:
        Reach(ask).ask_as_far_as_it_goes(question(date(2020, 1, 2)), report())
    assert raised.value.problem.kind is Kind.QUOTA_SPENT


def test_it_tells_the_refusal_where_no_day_of_the_window_is_served() -> None:
    """An empty answer would pass for a ticker without bars."""
    vendor, heard = Vendor(TODAY + DAY), report()
    with pytest.raises(ProviderError) as raised:
        Reach(vendor.ask).ask_as_far_as_it_goes(question(date(2020, 1, 2)), heard)
    assert raised.value.problem.kind is Kind.BEYOND_PLAN
    assert list(heard.summary()) == []


def test_it_still_finds_the_day_of_a_later_window_when_an_earlier_one_was_refused_whole() -> None:
    """The gap before the first day ever read can lie beyond the plan, while what is new does not."""
    vendor = Vendor(date(2024, 11, 20))
    reach = Reach(vendor.ask)
    with pytest.raises(ProviderError):
        reach.ask_as_far_as_it_goes(question(date(2020, 1, 2), end=date(2021, 12, 31)), report())
    (bar,) = reach.ask_as_far_as_it_goes(question(date(2020, 1, 2)), report())["AAPL"]
    assert bar.date == vendor.first
