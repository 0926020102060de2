"""What a sync has to tell at its end: bars that are missing or were dropped, tickers that failed, what stopped it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Bar, Kind, Query

LATE = timedelta(days=10)
"""How long after the start a first bar is no news: the longest run of days without a session is shorter."""

GARBLED = 3
"""Unreadable answers in a row after which it is no ticker's fault."""


class Report:
    """Collects while the sync runs, each query in a report of its own; a line each in the log, and one error, when it
    ends.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.lines: list[str] = []
        """Warnings to write as soon as the query's answer is used."""
        self._garbled = 0
        self._dropped: Counter[str] = Counter()
        self._notices: dict[str, list[str]] = {}
        self._first: dict[str, date | None] = {}
        self._gaps: dict[str, list[date]] = {}
        self._waiting: dict[str, list[date]] = {}
        self._gone: list[str] = []
        self._late: list[str] = []

    def add(self, other: Report, query: Query) -> None:
        """Takes over what the report of one query collected.

        An unreadable answer is its ticker's failure, until there are GARBLED in a row: then it is the whole sync's. A
        ticker that could be read, also as one without a row, ends the row.
        """
        self.failed |= other.failed
        garbled = [error for error in other.failed.values() if error.problem.kind is Kind.UNREADABLE]
        self._garbled = self._garbled + len(garbled) if len(other.failed) == len(query.tickers) else 0
        if self._garbled >= GARBLED:
            self.stop(query.tickers, garbled[-1])
        self._dropped += other._dropped
        self._gone += other._gone
        self._late += other._late
        for notice, tickers in other._notices.items():
            self.note(notice, tickers)

    def set_aside(self, ticker: str, error: ProviderError) -> None:
        """A ticker failed, the others go on."""
        self.failed[ticker] = error
        self.lines.append(error.explain(self._provider, [ticker]))

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """A problem of the whole sync was met when some tickers were asked for."""
        self.stopped = tickers, error

    def drop(self, why: str) -> None:
        """A bar was left out."""
        self._dropped[why] += 1

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """The vendor said something beside the bars of some tickers."""
        self._notices.setdefault(notice, []).extend(tickers)

    def gone(self, ticker: str, day: str) -> None:
        """The last bar seen of a ticker is not served any more."""
        self._gone.append(f"{ticker} ({day})")

    def read(self, query: Query, ticker: str, bars: Sequence[Bar], *, is_new: bool) -> None:
        """A ticker was read in a query's window, for the first time or again: counts the sessions without a bar.

        Those before the first bar ever are no gap, and those after the last one only when they are many.
        """
        start: date | None = query.start
        if is_new and self._first.get(ticker) is None:
            self._first[ticker] = start = bars[0].date if bars else None
        if start is None or not self._provider.trades_in_new_york(ticker):
            return
        due, served = sessions.between(start, query.end), [bar.date for bar in bars]
        waiting = self._waiting.pop(ticker, [])
        if tuple(served) != due:
            waiting += sorted(set(due).difference(served))
        last = max(served, default=start)
        if gaps := [day for day in waiting if day < last]:
            self._gaps.setdefault(ticker, []).extend(gaps)
        if tail := [day for day in waiting if day >= last]:
            self._waiting[ticker] = tail

    def began(self, ticker: str, start: date, first: date) -> None:
        """A history that was asked for from a day on begins with another."""
        if first > start + LATE:
            self._late.append(f"{ticker} ({first})")

    def failure(self) -> AirbyteTracedException | None:
        """The error that ends the sync: what stopped it, then every failed ticker, by kind of problem."""
        by_kind: dict[Kind, list[str]] = {}
        for ticker, error in self.failed.items():
            by_kind.setdefault(error.problem.kind, []).append(ticker)
        met = [(self.failed[tickers[0]], tickers) for tickers in by_kind.values()]
        if self.stopped:
            met.insert(0, (self.stopped[1], list(self.stopped[0])))
        if not met:
            return None
        message = " ".join(error.explain(self._provider, tickers) for error, tickers in met)
        return AirbyteTracedException(
            message=message, internal_message=message, failure_type=met[0][0].reaction.failure
        )

    def summary(self, start: date) -> Iterable[str]:
        """A line for each thing a person should look at, of a sync that began with a day."""
        barless = [ticker for ticker, first in self._first.items() if first is None]
        late = self._late + [
            f"{ticker} ({first})" for ticker, first in self._first.items() if first and first > start + LATE
        ]
        stale = {ticker: days for ticker, days in self._waiting.items() if days[-1] - days[0] > LATE}
        gaps = {ticker: self._gaps.get(ticker, []) + stale.get(ticker, []) for ticker in {**self._gaps, **stale}}
        title = self._provider.title
        for why, count in self._dropped.items():
            yield f"{count} bars of {title} were dropped: {why}."
        for notice, tickers in self._notices.items():
            yield f"{title} on {names(tickers)}: {notice}"
        if barless:
            yield (
                f"{title} has no bar of {names(barless)} since {start}. Is each spelled as there, and does the"
                " plan reach back that far?"
            )
        if late:
            yield f"{title} has no bar as old as the start, {start}. The first one is that of {names(late)}."
        if self._gone:
            yield f"{title} no longer serves the last bar read of {names(self._gone)}: renamed, reused or delisted?"
        if gaps:
            count = sum(map(len, gaps.values()))
            places = [f"{ticker} {day}" for ticker, days in gaps.items() for day in days[:3]]
            yield f"{title} has no bar for {count} sessions of {len(gaps)} tickers: {names(places)}."
