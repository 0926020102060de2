"""How far back a plan reaches: a window that moved on must not block what is still served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from threading import RLock

from source_stock_prices.errors import ProviderError
from source_stock_prices.providers.terms import Bar, Kind, Query
from source_stock_prices.report import Report

DAY = timedelta(days=1)

Found = dict[str, list[Bar]]


class Reach:
    """Asks queries, and remembers for the rest of a sync from which day on the plan serves them."""

    def __init__(self, ask: Callable[[Query, Report], Found]) -> None:
        self._ask = ask
        self._searching = RLock()
        self._refused: tuple[date, ProviderError] | None = None
        self._served: date | None = None

    def ask(self, query: Query, report: Report) -> Found:
        """The bars of a query. Raises ProviderError, of the kind BEYOND_PLAN without asking where that is known."""
        if self._refused and query.start <= self._refused[0]:
            raise self._refused[1]
        try:
            return self._ask(query, report)
        except ProviderError as error:
            if error.problem.kind is Kind.BEYOND_PLAN:
                self._refuse(query.start, error)
            raise

    def ask_as_far_as_it_goes(self, query: Query, report: Report) -> Found:
        """The bars of a query since the first day that the plan serves: `report.cut` has it where it is a later one."""
        try:
            return self.ask(query, report)
        except ProviderError as error:
            if error.problem.kind is not Kind.BEYOND_PLAN:
                raise
            with self._searching:
                first, found = self._search(query, report, error)
        report.cut |= dict.fromkeys(query.tickers, first)
        return found

    def _search(
        self,
        query: Query,
        report: Report,
        error: ProviderError,
    ) -> tuple[date, Found]:
        """The first day that is served, found by halving, with the bars since then. Raises where there is none."""
        refused = query.start
        if self._refused:
            refused = max(refused, self._refused[0])
        first = refused + DAY
        last = query.end
        guess: date | None = self._served or last
        found: Found | None = None
        while first <= last and (first < last or found is None):
            middle = first + (last - first) // 2
            if guess and first <= guess <= last:
                middle = guess
            guess = None
            try:
                shorter = query._replace(start=middle)
                found = self._ask(shorter, report)
                last = middle
            except ProviderError as refusal:
                if refusal.problem.kind is not Kind.BEYOND_PLAN:
                    raise
                self._refuse(middle, refusal)
                first = middle + DAY
        if found is None:
            raise error
        self._served = last
        return last, found

    def _refuse(self, start: date, error: ProviderError) -> None:
        with self._searching:
            if self._refused is None or start > self._refused[0]:
                self._refused = start, error
