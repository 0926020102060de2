"""What a sync has to tell at its end: bars that are missing or were dropped, tickers that failed, what stopped it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from logging import Logger

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.base import Bar, Kind, Provider, Query

LATE = timedelta(days=10)
"""How long after the start a first bar is no news: the longest run of days without a session is shorter."""


class Report:
    """Collects while the sync runs; a line each in the log, and one error, when it ends."""

    def __init__(self, provider: Provider, logger: Logger) -> None:
        self._provider, self._logger = provider, logger
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self._dropped: Counter[str] = Counter()
        self._notices: dict[str, list[str]] = {}
        self._barless: list[str] = []
        self._late: list[str] = []
        self._gaps: dict[str, list[date]] = {}
        self._gone: list[str] = []

    def set_aside(self, ticker: str, error: ProviderError) -> None:
        """A ticker failed, the others go on."""
        self.failed[ticker] = error
        self._logger.warning(error.explain(self._provider, [ticker]))

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """A problem of the whole sync was met when some tickers were asked for."""
        self.stopped = tickers, error

    def drop(self, why: str) -> None:
        """A bar was left out."""
        self._dropped[why] += 1

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """The vendor said something beside the bars of some tickers."""
        self._notices.setdefault(notice, []).extend(tickers)

    def first_read(self, ticker: str, start: date, bars: Sequence[Bar]) -> None:
        """A ticker was read for the first time, from a day on."""
        if not bars:
            self._barless.append(ticker)
        elif bars[0].date > start + LATE:
            self._late.append(f"{ticker} ({bars[0].date})")

    def gone(self, ticker: str, day: str) -> None:
        """The last bar seen of a ticker is not served any more."""
        self._gone.append(f"{ticker} ({day})")

    def gaps(self, query: Query, ticker: str, bars: Sequence[Bar]) -> None:
        """Counts the sessions of a window, from a ticker's first bar on, that have none."""
        if not bars or not self._provider.trades_in_new_york(ticker):
            return
        expected = sessions.between(bars[0].date, query.end)
        if len(expected) > len(bars):
            served = {bar.date for bar in bars}
            missing = [day for day in expected if day not in served]
            if missing:
                self._gaps[ticker] = missing

    def write(self, start: date) -> None:
        """Writes what was collected to the log."""
        for line in self._lines(start):
            self._logger.warning(line)

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

    def _lines(self, start: date) -> Iterable[str]:
        title = self._provider.title
        for why, count in self._dropped.items():
            yield f"{count} bars of {title} were dropped: {why}."
        for notice, tickers in self._notices.items():
            yield f"{title} on {names(tickers)}: {notice}"
        if self._barless:
            yield (
                f"{title} has no bar of {names(self._barless)} since {start}. Is each spelled as there, and does the"
                " plan reach back that far?"
            )
        if self._late:
            yield f"{title} has no bar as old as the start, {start}. The first one is that of {names(self._late)}."
        if self._gone:
            yield f"{title} no longer serves the last bar read of {names(self._gone)}: renamed, reused or delisted?"
        if self._gaps:
            count = sum(map(len, self._gaps.values()))
            places = [f"{ticker} {day}" for ticker, days in self._gaps.items() for day in days[:3]]
            yield f"{title} has no bar for {count} sessions of {len(self._gaps)} tickers: {names(places)}."
