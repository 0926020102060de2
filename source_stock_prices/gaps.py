"""Which sessions of a ticker have no bar, and which tickers begin later than asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from source_stock_prices import sessions
from source_stock_prices.errors import names
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Bar, Query

LONGEST_CLOSURE = timedelta(days=10)
"""No exchange is closed as long: a first bar that comes so long after the start is late, and so is a last one."""

NAMED_SESSIONS = 3
"""Missing sessions of one ticker that a line names."""


class Gaps:
    """Looks at the bars of a sync, query by query, in order of date."""

    def __init__(self, provider: Provider, start: date) -> None:
        self._provider, self._start = provider, start
        self._first: dict[str, date | None] = {}
        self._missing: dict[str, list[date]] = {}
        self._since_last_bar: dict[str, list[date]] = {}

    def read(self, query: Query, ticker: str, bars: Sequence[Bar], *, is_new: bool) -> None:
        """Records which sessions of a query's window have no bar for a ticker; `is_new` if it was never read before.

        Sessions before a ticker's first bar are not gaps; those after its last bar are gaps only when there are many.
        """
        start: date | None = query.start
        if is_new and self._first.get(ticker) is None:
            start = bars[0].date if bars else None
            self._first[ticker] = start
        if start is None or not self._provider.trades_in_new_york(ticker):
            return
        due = sessions.between(start, query.end)
        served = [bar.date for bar in bars]
        waiting = self._since_last_bar.pop(ticker, [])
        if tuple(served) != due:
            waiting += sorted(set(due).difference(served))
        last = max(served, default=start)
        missing = [day for day in waiting if day < last]
        if missing:
            self._missing.setdefault(ticker, []).extend(missing)
        after_last = [day for day in waiting if day >= last]
        if after_last:
            self._since_last_bar[ticker] = after_last

    def lines(self) -> Iterator[str]:
        """A line for each kind of gap."""
        title, start = self._provider.title, self._start
        barless = [ticker for ticker, first in self._first.items() if first is None]
        if barless:
            yield (
                f"{title} has no bars for {names(barless)} since {start}. Check the spelling, and how far back your"
                " plan reaches."
            )
        late = [
            f"{ticker} ({first})" for ticker, first in self._first.items() if first and first > start + LONGEST_CLOSURE
        ]
        if late:
            yield f"{title} data starts later than {start}: {names(late)}."
        gaps = self._all_missing()
        if gaps:
            count = sum(map(len, gaps.values()))
            places = [f"{ticker} {day}" for ticker, days in gaps.items() for day in days[:NAMED_SESSIONS]]
            of = f"{count:,} session{'s' * (count != 1)} of {len(gaps):,} ticker{'s' * (len(gaps) != 1)}"
            yield f"{title} has no bar for {of}: {names(places)}."

    def _all_missing(self) -> dict[str, list[date]]:
        gaps = {ticker: list(days) for ticker, days in self._missing.items()}
        for ticker, days in self._since_last_bar.items():
            if days[-1] - days[0] > LONGEST_CLOSURE:
                gaps.setdefault(ticker, []).extend(days)
        return gaps
