"""What a sync found out beside its records: tickers that failed, rows left out, what stopped it, and its final error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Query

MAX_UNREADABLE = 3
"""Unreadable answers in a row after which it is no ticker's fault."""


class Report:
    """Collects while a sync runs: each query in a report of its own, which the report of the sync takes over.

    `lines` are warnings to write as soon as the query's answer is used; `summary` has those of the whole sync.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.lines: list[str] = []
        self._unreadable = 0
        self._dropped: Counter[str] = Counter()
        self._notices: dict[str, list[str]] = {}
        self._remarks: dict[str, list[str]] = {}

    def add(self, other: Report, query: Query) -> None:
        """Takes over what the report of one query collected.

        An unreadable answer is its ticker's failure, until there are several in a row: then it is the whole sync's. A
        ticker that could be read, even without a row, ends the run.
        """
        self.failed |= other.failed
        unreadable = [error for error in other.failed.values() if error.problem.kind is Kind.UNREADABLE]
        if len(other.failed) == len(query.tickers):
            self._unreadable += len(unreadable)
        else:
            self._unreadable = 0
        if self._unreadable >= MAX_UNREADABLE:
            self.stop(query.tickers, unreadable[-1])
        self._dropped += other._dropped
        for notice, tickers in other._notices.items():
            self.note(notice, tickers)
        for sentence, things in other._remarks.items():
            self._remarks.setdefault(sentence, []).extend(things)

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

    def remark(self, sentence: str, thing: str) -> None:
        """Something to look at. `sentence` has {title} and {names} in it: all things with the same one share a line."""
        self._remarks.setdefault(sentence, []).append(thing)

    def summary(self) -> Iterator[str]:
        """A line for each kind of thing that a person should look at."""
        title = self._provider.title
        for why, count in self._dropped.items():
            yield f"{count} bars of {title} were dropped: {why}."
        for notice, tickers in self._notices.items():
            yield f"{title} on {names(tickers)}: {notice}"
        for sentence, things in self._remarks.items():
            yield sentence.format(title=title, names=names(things))

    def failure(self) -> AirbyteTracedException | None:
        """The error that ends the sync: what stopped it, then every failed ticker, by kind of problem."""
        by_kind: dict[Kind, list[str]] = {}
        for ticker, error in self.failed.items():
            by_kind.setdefault(error.problem.kind, []).append(ticker)
        met: list[tuple[ProviderError, Sequence[str]]] = []
        if self.stopped:
            tickers, error = self.stopped
            met.append((error, tickers))
        for tickers in by_kind.values():
            met.append((self.failed[tickers[0]], tickers))
        if not met:
            return None
        message = " ".join(error.explain(self._provider, tickers) for error, tickers in met)
        first, _ = met[0]
        return AirbyteTracedException(message=message, internal_message=message, failure_type=first.reaction.failure)
