"""What a sync finds out beside its records: failed tickers, dropped bars, what stopped it, and its final error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from datetime import date
from typing import NamedTuple

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.errors import ProviderError, counted, names
from source_stock_prices.occurrences import Place
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Query

MAX_FAILURES_IN_A_ROW = 10
"""Tickers in a row with unreadable answers or server errors, after which the whole sync fails."""

UNANSWERED = (Kind.UNREADABLE, Kind.UNAVAILABLE)
"""The kinds of a ticker's problem that may well be the problem of all."""

Key = tuple[str, date | None]
"""A bar's ticker and day, as far as its row says them."""


MarketRows = tuple[int, int | None]
"""How many tickers a session of the whole market has, and how many rows the vendor says it has."""


class Dropped(NamedTuple):
    """Why bars were left out or, with a field, why only this field of them was."""

    reason: str
    field: str


class Report:
    """Collects findings while a sync runs, one report per query; at the end they become log lines and one error.

    `lines` are warnings to log as soon as the response of the query is used. `doubts` are the places where a row of an
    event was left out.
    """

    def __init__(self, provider: Provider, failed_before: Collection[str] = ()) -> None:
        self._provider = provider
        self.failed_before = frozenset(failed_before)
        """The tickers that failed in the last sync."""
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.lines: list[str] = []
        self.doubts: set[Place] = set()
        self.cut: dict[str, date] = {}
        """The tickers whose answer begins where the plan does, with that day."""
        self.market_rows: MarketRows | None = None
        self._is_answered = False
        self._unanswered = 0
        self._dropped: defaultdict[Dropped, dict[Key, None]] = defaultdict(dict)
        self._notices: defaultdict[str, list[str]] = defaultdict(list)
        self._remarks: defaultdict[str, list[str]] = defaultdict(list)

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
        for dropped, bars in other._dropped.items():
            self._dropped[dropped].update(bars)
        for notice, tickers in other._notices.items():
            self.note(notice, tickers)
        for sentence, things in other._remarks.items():
            self._remarks[sentence].extend(things)

    def set_aside(self, ticker: str, error: ProviderError) -> None:
        """Records that a ticker failed; the other tickers are still read."""
        self.failed[ticker] = error

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """Records the problem that ends the whole sync, and the tickers whose query met it."""
        self.stopped = tickers, error

    def drop(
        self,
        ticker: str,
        day: date | None,
        reason: str,
        field: str = "",
    ) -> None:
        """Records a bar that was left out or, with a `field`, that only this field of it was."""
        bars = self._dropped[Dropped(reason, field)]
        bars[ticker, day] = None

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """Records a notice that the vendor sent with the bars of some tickers."""
        self._notices[notice].extend(tickers)

    def remark(self, sentence: str, thing: str) -> None:
        """Records something to look at. `sentence` has {title} and {names}; things with the same one share a line."""
        self._remarks[sentence].append(thing)

    def summary(self) -> Iterator[str]:
        """One warning per finding that a person should look at."""
        title = self._provider.title
        for (reason, field), bars in self._dropped.items():
            named = names([_named(*bar) for bar in bars])
            if field:
                yield f"{field} of {named} from {title} {reason}; it is null."
            else:
                count = counted(len(bars), "bar")
                yield f"Dropped {count} from {title}: {reason} ({named})."
        for notice, tickers in self._notices.items():
            yield f"Notice from {title} for {names(tickers)}: {notice}"
        for sentence, things in self._remarks.items():
            yield sentence.format(title=title, names=names(things))

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


def _named(ticker: str, day: date | None) -> str:
    """A bar in a sentence, as far as its row says which one it is."""
    shown = ticker if ticker.isprintable() else ascii(ticker)
    name = trim(shown, 40) or "no ticker"
    when = day or "on an unknown day"
    return f"{name} {when}"
