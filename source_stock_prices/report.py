"""What a sync finds out beside its records: findings, failed tickers, what stopped it, and its final error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from datetime import date

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.errors import ProviderError
from source_stock_prices.findings import (
    BEYOND_PLAN,
    DROPPED,
    EMPTIED,
    NOT_READ,
    NOTICE,
    STOPPED,
    UNKNOWN,
    Finding,
    Found,
    Sentence,
    When,
    lines,
    shown,
)
from source_stock_prices.occurrences import Place
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Query

MAX_FAILURES_IN_A_ROW = 10
"""Tickers in a row with unreadable answers or server errors, after which the whole sync fails."""

UNANSWERED = (Kind.UNREADABLE, Kind.UNAVAILABLE)
"""The kinds of a ticker's problem that may well be the problem of all."""

SENTENCES_OF_FAILURES = {
    Kind.BEYOND_PLAN: BEYOND_PLAN,
    Kind.UNKNOWN_TICKER: UNKNOWN,
}

MarketRows = tuple[int, int | None]
"""How many tickers a session of the whole market has, and how many rows the vendor says it has."""


class Report:
    """Collects findings while a sync runs, one report per query; they become log lines, records and one error.

    `doubts` are the places where a row of an event was left out.
    """

    def __init__(self, provider: Provider, failed_before: Collection[str] = ()) -> None:
        self._provider = provider
        self.failed_before = frozenset(failed_before)
        """The tickers that failed in the last sync."""
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.findings = Found()
        self.doubts: set[Place] = set()
        self.cut: dict[str, date] = {}
        """The tickers whose answer begins where the plan does, with that day."""
        self.market_rows: MarketRows | None = None
        self._is_answered = False
        self._unanswered = 0

    def add(self, other: Report, query: Query) -> None:
        """Takes over the failures of one query, and stops the sync where nothing is answered any more.

        An unreadable answer, or an error of the vendor's server, fails its ticker. Many in a row fail the sync. Tickers
        that failed in the last sync, too, do not count.
        """
        self.failed |= other.failed
        unanswered = []
        for ticker, error in other.failed.items():
            if error.problem.kind in UNANSWERED and ticker not in self.failed_before:
                unanswered.append(error)

        if len(other.failed) < len(query.tickers):
            self._is_answered = True
            self._unanswered = 0
        self._unanswered += len(unanswered)

        if unanswered and self._unanswered >= MAX_FAILURES_IN_A_ROW:
            self.stop(query.tickers, unanswered[-1])

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing was answered so far, but something failed."""
        return self._unanswered > 0 and not self._is_answered

    def take_over(self, other: Report) -> None:
        """Merges what else the report of one query has to say into this one."""
        self.failed |= other.failed
        self.doubts |= other.doubts
        self.findings.take_over(other.findings)

    def set_aside(self, ticker: str, error: ProviderError) -> None:
        """Records that a ticker failed; the other tickers are still read."""
        self.failed[ticker] = error

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """Records the problem that ends the whole sync, and the tickers whose query met it."""
        self.stopped = tickers, error

    def find(
        self,
        sentence: Sentence,
        ticker: str | None = None,
        day: date | str | None = None,
        *facts: str,
        named: str = "",
        old: str | None = None,
        new: str | None = None,
    ) -> None:
        """Records something to look at. Findings with the same sentence and facts share a line of the log."""
        finding = Finding(sentence, ticker, day, facts, named, old, new)
        self.findings.add(finding)

    def drop(
        self,
        ticker: str,
        day: date | None,
        reason: str,
        field: str = "",
    ) -> None:
        """Records a bar that was left out or, with a `field`, that only this field of it was."""
        named = ""
        if not ticker or not day:
            named = f"{shown(ticker) or 'no ticker'} {day or 'on an unknown day'}"
        if field:
            self.find(EMPTIED, ticker, day, field, reason, named=named)
        else:
            self.find(DROPPED, ticker, day, reason, named=named)

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """Records a notice that the vendor sent with the bars of some tickers."""
        for ticker in tickers:
            self.find(NOTICE, ticker, None, notice)

    def everything(self) -> Iterator[Finding]:
        """All findings, and what failed."""
        yield from self.findings
        for ticker, error in self.failed.items():
            sentence = SENTENCES_OF_FAILURES.get(error.problem.kind, NOT_READ)
            said = error.explain(self._provider, [ticker])
            yield Finding(sentence, ticker, facts=(said,))
        if self.stopped:
            tickers, error = self.stopped
            said = error.explain(self._provider, tickers)
            yield Finding(STOPPED, facts=(said,))

    def at_once(self) -> Iterator[str]:
        """The warnings that do not wait for the end of the stream."""
        return lines(self.everything(), When.AT_ONCE, self._provider.title)

    def summary(self) -> Iterator[str]:
        """The warnings at the end of the stream: a line for all findings that share a sentence."""
        return lines(self.findings, When.AT_THE_END, self._provider.title)

    def failure(self) -> AirbyteTracedException | None:
        """The error that ends the sync: what stopped it, then the failed tickers by kind. None after a success."""
        by_kind: defaultdict[Kind, list[str]] = defaultdict(list)
        for ticker, error in self.failed.items():
            by_kind[error.problem.kind].append(ticker)

        errors = []
        sentences = []
        if self.stopped:
            tickers, error = self.stopped
            errors.append(error)
            sentences.append(error.explain(self._provider, tickers))
        for alike in by_kind.values():
            error = self.failed[alike[0]]
            errors.append(error)
            sentences.append(error.explain(self._provider, alike))
        if not errors:
            return None

        message = " ".join(sentences)
        return AirbyteTracedException(
            message=message,
            internal_message=message,
            failure_type=errors[0].reaction.failure,
        )
