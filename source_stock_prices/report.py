"""What a sync finds out beside its records: failed tickers, dropped bars, what stopped it, and its final error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Query

MAX_UNREADABLE = 3
"""Unreadable responses in a row after which the whole sync fails, not only their tickers."""


class Report:
    """Collects findings while a sync runs, one report per query; at the end they become log lines and one error.

    `lines` are warnings to log as soon as the response of the query is used.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.failed: dict[str, ProviderError] = {}
        self.stopped: tuple[Sequence[str], ProviderError] | None = None
        self.lines: list[str] = []
        self._unreadable = 0
        self._dropped: dict[tuple[str, str], dict[tuple[str, date | None], None]] = {}
        self._notices: dict[str, list[str]] = {}
        self._remarks: dict[str, list[str]] = {}

    def add(self, other: Report, query: Query) -> None:
        """Merges the report of one query into this one.

        An unreadable response fails its ticker; MAX_UNREADABLE of them in a row fail the sync. A readable response in
        between, even an empty one, starts the count again.
        """
        self.failed |= other.failed
        unreadable = [error for error in other.failed.values() if error.problem.kind is Kind.UNREADABLE]
        if len(other.failed) == len(query.tickers):
            self._unreadable += len(unreadable)
        else:
            self._unreadable = 0
        if self._unreadable >= MAX_UNREADABLE:
            self.stop(query.tickers, unreadable[-1])
        for reason, bars in other._dropped.items():
            self._dropped.setdefault(reason, {}).update(bars)
        for notice, tickers in other._notices.items():
            self.note(notice, tickers)
        for sentence, things in other._remarks.items():
            self._remarks.setdefault(sentence, []).extend(things)

    def set_aside(self, ticker: str, error: ProviderError) -> None:
        """Records that a ticker failed; the other tickers are still read."""
        self.failed[ticker] = error
        self.lines.append(error.explain(self._provider, [ticker]))

    def stop(self, tickers: Sequence[str], error: ProviderError) -> None:
        """Records the problem that ends the whole sync, and the tickers whose query met it."""
        self.stopped = tickers, error

    def drop(self, ticker: str, day: date | None, reason: str, field: str = "") -> None:
        """Records a bar that was left out or, with a `field`, that only this field of it was."""
        bars = self._dropped.setdefault((reason, field), {})
        bars[ticker, day] = None

    def note(self, notice: str, tickers: Iterable[str]) -> None:
        """Records a notice that the vendor sent with the bars of some tickers."""
        self._notices.setdefault(notice, []).extend(tickers)

    def remark(self, sentence: str, thing: str) -> None:
        """Records something to look at. `sentence` has {title} and {names}; things with the same one share a line."""
        self._remarks.setdefault(sentence, []).append(thing)

    def summary(self) -> Iterator[str]:
        """One warning per finding that a person should look at."""
        title = self._provider.title
        for (reason, field), bars in self._dropped.items():
            count = len(bars)
            named = names([_named(*bar) for bar in bars])
            if field:
                yield f"{field} of {named} from {title} {reason}; it is null."
            else:
                yield f"Dropped {count:,} bar{'s' * (count != 1)} from {title}: {reason} ({named})."
        for notice, tickers in self._notices.items():
            yield f"Notice from {title} for {names(tickers)}: {notice}"
        for sentence, things in self._remarks.items():
            yield sentence.format(title=title, names=names(things))

    def failure(self) -> AirbyteTracedException | None:
        """The error that ends the sync: what stopped it, then the failed tickers by kind. None after a success."""
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


def _named(ticker: str, day: date | None) -> str:
    """A bar in a sentence, as far as its row says which one it is."""
    shown = ticker if ticker.isprintable() else ascii(ticker)
    parts = [trim(shown, 40) or "no ticker", str(day or "on an unknown day")]
    return " ".join(parts)
