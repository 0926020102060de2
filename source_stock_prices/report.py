"""What a sync reports at its end: missing or dropped bars, failed tickers, and the problem that stopped it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.base import Bar, Kind, Provider, Query

LATE = timedelta(days=10)
"""A first bar this long after the start is not reported: no run of days without a session is longer."""

GARBLED = 3
"""Unreadable responses in a row after which the whole sync fails, not only their tickers."""


class Report:
    """Collects findings while a sync runs, one report per query; at the end they become log lines and one error."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.lines: list[str] = []
        """Warnings to log as soon as the response of the query is used."""
        self._garbled = 0
        self._dropped: Counter[str] = Counter()
        self._notices: dict[str, list[str]] = {}
        self._first: dict[str, date | None] = {}
        self._gaps: dict[str, list[date]] = {}
        self._waiting: dict[str, list[date]] = {}
        self._gone: list[str] = []
        self._late: list[str] = []

    def add(self, other: Report, query: Query) -> None:
        """Merges the report of one query into this one.

        An unreadable response fails its ticker; GARBLED of them in a row fail the sync. A readable response in between,
        even an empty one, starts the count again.
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
        """Records that a ticker failed; the other tickers are still read."""
        self.failed[ticker] = error
        self.lines.append(error.explain(self._provider, [ticker]))

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """Records the problem that ends the whole sync, and the tickers whose query met it."""
        self.stopped = tickers, error

    def drop(self, why: str) -> None:
        """Counts a bar that was dropped, by reason."""
        self._dropped[why] += 1

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """Records a notice that the vendor sent with the bars of some tickers."""
        self._notices.setdefault(notice, []).extend(tickers)

    def gone(self, ticker: str, day: str) -> None:
        """Records that the vendor no longer serves the last bar read for a ticker."""
        self._gone.append(f"{ticker} ({day})")

    def read(self, query: Query, ticker: str, bars: Sequence[Bar], *, is_new: bool) -> None:
        """Records which sessions of a query's window have no bar for a ticker; `is_new` if it was never read before.

        Sessions before a ticker's first bar are not gaps; those after its last bar are gaps only when there are many.
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
        """Records that a history requested from `start` begins on `first`, if that is much later."""
        if first > start + LATE:
            self._late.append(f"{ticker} ({first})")

    def failure(self) -> AirbyteTracedException | None:
        """The error that ends the sync: what stopped it, then the failed tickers by kind. None after a success."""
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
        """One warning per finding that a person should look at, for a sync that reads from `start`."""
        barless = [ticker for ticker, first in self._first.items() if first is None]
        late = self._late + [
            f"{ticker} ({first})" for ticker, first in self._first.items() if first and first > start + LATE
        ]
        stale = {ticker: days for ticker, days in self._waiting.items() if days[-1] - days[0] > LATE}
        gaps = {ticker: self._gaps.get(ticker, []) + stale.get(ticker, []) for ticker in {**self._gaps, **stale}}
        title = self._provider.title
        for why, count in self._dropped.items():
            yield f"Dropped {count:,} bar{'s' * (count != 1)} from {title}: {why}."
        for notice, tickers in self._notices.items():
            yield f"Notice from {title} for {names(tickers)}: {notice}"
        if barless:
            yield (
                f"{title} has no bars for {names(barless)} since {start}. Check the spelling, and how far back your"
                " plan reaches."
            )
        if late:
            yield f"{title} data starts later than {start}: {names(late)}."
        if self._gone:
            yield (
                f"{title} no longer serves the last bar read for {names(self._gone)}. Check for a renamed, reassigned"
                " or delisted ticker."
            )
        if gaps:
            count = sum(map(len, gaps.values()))
            places = [f"{ticker} {day}" for ticker, days in gaps.items() for day in days[:3]]
            sessions_of = f"{count:,} session{'s' * (count != 1)} of {len(gaps):,} ticker{'s' * (len(gaps) != 1)}"
            yield f"{title} has no bar for {sessions_of}: {names(places)}."
