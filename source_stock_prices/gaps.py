"""Which sessions of a ticker have no bar, and which tickers begin later than asked. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Collection,
    Iterator,
    Sequence,
)
from datetime import date, timedelta
from itertools import pairwise

from source_stock_prices import sessions
from source_stock_prices.findings import (
    LATE,
    LONG_GAP,
    NO_BAR,
    NO_BARS,
    STILL_NO_BAR,
    Finding,
)
from source_stock_prices.healing import LONGEST_CLOSURE
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Bar, Query

DAY = timedelta(days=1)

Days = defaultdict[str, list[date]]
"""Days by ticker."""


class Gaps:
    """Looks at the bars of a sync, query by query, in order of date."""

    def __init__(self, provider: Provider, start: date) -> None:
        self._provider = provider
        self._start = start
        self._first: dict[str, date | None] = {}
        self._missing: Days = defaultdict(list)
        self._since_last_bar: dict[str, list[date]] = {}
        self._holes: dict[str, set[date]] = {}
        self._given_up: Days = defaultdict(list)
        self._long_gaps: list[tuple[str, date, date]] = []

    def read(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        *,
        is_new: bool,
    ) -> None:
        """Records which sessions of a query's window have no bar for a ticker; `is_new` if it was never read before.

        Sessions before a ticker's first bar are not gaps; those after its last bar are gaps only when there are many.
        """
        start: date | None = query.start
        if is_new and self._first.get(ticker) is None:
            start = bars[0].date if bars else None
            self._first[ticker] = start
        if start is None:
            return
        served = [bar.date for bar in bars]
        self._look_at(ticker, start, query.end, served, before=served[0] if served else start)

    def _look_at(
        self,
        ticker: str,
        start: date,
        end: date,
        served: Sequence[date],
        *,
        before: date,
    ) -> None:
        """Records what is missing in a window: sessions where the calendar reaches, and long gaps where it does not.

        Those are counted from the bar `before` the window, or its first one.
        """
        exchange = self._provider.exchange_of(ticker)
        known = sessions.known(start, end, exchange)
        if known is None:
            self._look_for_long_gaps(ticker, [before, *served], end)
            return
        first, last = known
        if start < first:
            self._look_for_long_gaps(ticker, [before, *(day for day in served if day < first)], first)
        if last < end:
            self._look_for_long_gaps(ticker, [last, *(day for day in served if day > last)], end)

        due = sessions.between(first, last, exchange)
        waiting = self._since_last_bar.pop(ticker, [])
        if tuple(served) != due:
            waiting += sorted(set(due).difference(served))
        last = max(served, default=start)
        after_last = []
        for day in waiting:
            if day < last:
                self._missing[ticker].append(day)
            else:
                after_last.append(day)
        if after_last:
            self._since_last_bar[ticker] = after_last

    def read_before(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        since: date,
    ) -> None:
        """Records what is missing in the bars of a ticker from before `since`, the first day ever read before."""
        if not bars:
            self._first[ticker] = since
            return
        first = bars[0].date
        self._first[ticker] = first
        since_first = query._replace(start=first)
        self.read(since_first, ticker, bars, is_new=False)

    def read_on(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        known: Collection[date],
        state_date: date,
    ) -> None:
        """A ticker was read on from its state: tells of sessions after it, and of old holes that are given up now.

        `known` are the days of the recheck window that the state remembers. A hole is asked for again as long as it is
        in the window, and told of when it leaves it.
        """
        self._fill(ticker, known, bars)
        if query.end <= state_date:
            return
        new = [bar.date for bar in bars if bar.date > state_date]
        first = max(query.start, state_date + DAY)
        self._look_at(ticker, first, query.end, new, before=state_date)

    def _fill(
        self,
        ticker: str,
        known: Collection[date],
        bars: Sequence[Bar],
    ) -> None:
        """Remembers which sessions between known ones have no bar, and takes out those that have one now."""
        if not known:
            return
        exchange = self._provider.exchange_of(ticker)
        span = sessions.known(min(known), max(known), exchange)
        if span is None:
            return
        if ticker not in self._holes:
            due = sessions.between(*span, exchange)
            self._holes[ticker] = set(due).difference(known)
        self._holes[ticker].difference_update(bar.date for bar in bars)

    def _look_for_long_gaps(
        self,
        ticker: str,
        days: Sequence[date],
        end: date,
    ) -> None:
        """Without a calendar, a ticker is missing bars where no exchange is closed for as long."""
        for before, after in pairwise([*days, end]):
            if after - before > LONGEST_CLOSURE:
                self._long_gaps.append((ticker, before, after))

    def given_up(self, ticker: str, window_start: date) -> None:
        """The recheck window of a ticker begins with a day from the next sync on: older holes stay."""
        holes = self._holes.get(ticker)
        if not holes:
            return
        old = sorted(day for day in holes if day < window_start)
        if old:
            self._given_up[ticker].extend(old)
            holes.difference_update(old)

    def findings(self) -> Iterator[Finding]:
        """What a person is told of gaps, by kind."""
        yield from self._beginnings()
        for ticker, days in self._all_missing().items():
            for day in days:
                yield Finding(NO_BAR, ticker, day)
        for ticker, days in self._given_up.items():
            for day in days:
                yield Finding(STILL_NO_BAR, ticker, day)
        for ticker, before, after in self._long_gaps:
            yield Finding(LONG_GAP, ticker, before + DAY, named=f"{ticker} {before} to {after}")

    def _beginnings(self) -> Iterator[Finding]:
        """The tickers that have no bar at all, and those whose first one is late."""
        start = str(self._start)
        for ticker, first in self._first.items():
            if first is None:
                yield Finding(NO_BARS, ticker, None, (start,))
            elif first > self._start + LONGEST_CLOSURE:
                yield Finding(LATE, ticker, first, (start,), f"{ticker} ({first})", old=start, new=str(first))

    def _all_missing(self) -> Days:
        gaps: Days = defaultdict(list)
        for ticker, days in self._missing.items():
            gaps[ticker].extend(days)
        for ticker, days in self._since_last_bar.items():
            if days[-1] - days[0] > LONGEST_CLOSURE:
                gaps[ticker].extend(days)
        return gaps
