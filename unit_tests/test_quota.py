"""A plan of 25 requests a day for 300 tickers, over some months: each ticker has its turn, whatever the others do."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError
from source_stock_prices.providers.terms import Bar, Kind, Problem, Query
from source_stock_prices.report import Report
from unit_tests.test_prices import World

QUOTA = 25
TICKERS = [f"T{number:03}" for number in range(300)]
MONTHS = sessions.between(date(2026, 9, 1), date(2026, 11, 20))
ROUND = len(TICKERS) // QUOTA
"""Sessions in which each ticker can be read once."""


class Plan(World):
    """A vendor that answers so many requests a day, and on which day each ticker was asked for."""

    def __init__(self, *tickers: str, **settings: Any) -> None:
        super().__init__(*tickers, **settings)
        self.asked_on: dict[str, list[date]] = {ticker: [] for ticker in tickers}
        self.read_on: dict[str, list[date]] = {ticker: [] for ticker in tickers}

    def ask(self, query: Query, report: Report) -> dict[str, list[Bar]]:
        if len(self.asked) == QUOTA:
            raise ProviderError(Problem(Kind.QUOTA_SPENT, "25 a day"), 429)
        for ticker in query.tickers:
            self.asked_on[ticker].append(query.end)
        found = super().ask(query, report)
        for ticker in found:
            self.read_on[ticker].append(query.end)
        return found

    def run(self, until: int = len(MONTHS)) -> None:
        for session in MONTHS[:until]:
            self.sync(session, start=date(2026, 8, 3))

    def longest_wait(self, turns: dict[str, list[date]], tickers: list[str]) -> int:
        """The most sessions that one of some tickers was without a turn, from the first day to the last."""
        longest = 0
        for ticker in tickers:
            places = [-1, *(MONTHS.index(day) for day in turns[ticker]), len(MONTHS)]
            gaps = [after - before for before, after in pairwise(places)]
            longest = max(longest, *gaps)
        return longest


def test_it_brings_every_ticker_its_turn() -> None:
    """None is older than it has to be."""
    plan = Plan(*TICKERS)
    plan.run()
    assert plan.longest_wait(plan.read_on, TICKERS) <= ROUND + 1


def test_it_brings_a_ticker_its_turn_that_failed_once() -> None:
    """One bad day must not keep it behind those that never fail for ever."""
    plan = Plan(*TICKERS)
    plan.problems = {"T003": Kind.UNREADABLE}
    plan.run(1)
    plan.problems = {}
    plan.run()
    assert plan.longest_wait(plan.read_on, TICKERS) <= 2 * ROUND


def test_it_brings_others_their_turn_beside_those_that_fail() -> None:
    """As many as the plan has requests a day: asked first, they would be the only ones."""
    bad = TICKERS[::10]
    plan = Plan(*TICKERS)
    plan.problems = dict.fromkeys(bad, Kind.UNREADABLE)
    plan.run()
    good = [ticker for ticker in TICKERS if ticker not in bad]
    assert plan.longest_wait(plan.read_on, good) <= ROUND + 2
    assert plan.longest_wait(plan.asked_on, bad) <= len(bad) + 1


def test_it_brings_others_their_turn_beside_those_that_ended() -> None:
    """A delisted ticker stays the longest unread."""
    ended = TICKERS[:30]
    plan = Plan(*TICKERS)
    for ticker in ended:
        plan.closes[ticker] = {day: close for day, close in plan.closes[ticker].items() if day < date(2026, 9, 15)}
    plan.run()
    others = TICKERS[30:]
    assert plan.longest_wait(plan.read_on, others) <= ROUND + 2


def test_it_brings_others_their_turn_beside_those_that_never_were() -> None:
    """A vendor that answers a misspelled ticker with nothing."""
    nothing = TICKERS[:30]
    plan = Plan(*TICKERS)
    for ticker in nothing:
        plan.closes[ticker] = {}
    plan.run()
    assert plan.longest_wait(plan.read_on, TICKERS[30:]) <= ROUND + 2
