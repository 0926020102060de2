"""What both halves of the connector do with queries: ask them ahead, read them in slices, a STATE after each."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import plan, state
from source_stock_prices.ahead import ahead
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.progress import Progress
from source_stock_prices.providers.base import ANY, Provider, Query
from source_stock_prices.report import GARBLED, Report

SLICE_SECONDS = 60
"""How long a slice of a slow sync goes on before its STATE is written."""

T = TypeVar("T")
Answer = tuple[dict[str, list[T]], Report]
"""What a query's answer has of each ticker, and what else there is to tell of it."""


class Asking(Stream, ABC, Generic[T]):
    """A stream whose records are the answers to queries.

    A ticker that fails does not stop the others; a problem of the whole sync ends it after the records already read are
    checkpointed. Both raise at the end.
    """

    state: Any
    """As the CDK hands it over, and asks for it."""

    def __init__(self, config: Config, *, start: date, today: date, **kwargs: Any) -> None:
        self.config, self.start, self.today = config, start, today
        self.provider: Provider = config.provider
        self._report = Report(config.provider)
        self._answers = ahead(partial(self._answer, {}), (), 1)
        super().__init__(**kwargs)

    def read(self, configured_stream: ConfiguredAirbyteStream, *args: Any, **kwargs: Any) -> Iterable[StreamData]:
        # The CDK hands the state over in every mode; only an incremental sync has one.
        full = configured_stream.sync_mode == SyncMode.full_refresh
        self.state = {} if full else dict(state.read(self.state, self.config.tickers, self.logger))
        try:
            yield from super().read(configured_stream, *args, **kwargs)
        finally:
            self._answers.close()
        for line in self._report.summary(self.start):
            self.logger.warning(f"{self.name}: {line}")
        if failure := self._report.failure():
            raise failure

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        seen = stream_state or {}
        ahead_of_us = [ticker for ticker, last in seen.items() if last["date"] > self.today.isoformat()]
        if ahead_of_us:
            self.logger.warning(
                f"{self.name}: the state of {names(ahead_of_us)} is in the future; nothing is read until that date."
            )
        try:
            queries = self._queries(seen)
        except ProviderError as error:
            self._report.stop(self.config.tickers, error)
            return
        self._answers = ahead(partial(self._answer, seen), queries, self.config.num_workers)
        self._progress, before = Progress(self.name, queries, self._expected), self._requests()
        if queries:
            self.logger.info(self._progress.plan(len(self.config.tickers)))
        self._left, size = len(queries), plan.slice_size(len(queries))
        while self._left and not self._report.stopped:
            yield {"queries": min(size, self._left), "of": len(queries)}
            self.logger.info(self._progress.line(self._requests() - before, self._report.failed))

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        """The next queries' records: as many as the slice has, or those of a minute, so that a slow sync has states."""
        until = time.monotonic() + SLICE_SECONDS
        yield from self._progress.estimate()
        for query, answer in islice(self._answers, (stream_slice or {}).get("queries", 0)):
            self._left -= 1
            sys.stdout.flush()  # nothing read so far is held back while this answer is waited for
            try:
                found, report = answer()
            except ProviderError as error:
                self._report.stop(query.tickers, error)
                return
            for line in report.lines:
                self.logger.warning(f"{self.name}: {line}")
            self._report.add(report, query)
            # A later query's rows would hide those that a ticker failed on.
            asked = found if query.tickers == (ANY,) else query.tickers
            good = [ticker for ticker in asked if ticker not in self._report.failed]
            self._progress.answered(query, sum(len(found.get(ticker, ())) for ticker in good))
            yield from self._records(query, good, found, stream_state or {})
            if self._report.stopped or time.monotonic() > until:
                return

    @abstractmethod
    def _queries(self, seen: Mapping[str, Any]) -> list[Query]:
        """What has to be asked, in the order of its use; may raise ProviderError."""

    @abstractmethod
    def _answer(self, seen: Mapping[str, Any], query: Query) -> Answer[T]:
        """The answer to a query. Runs in a worker: must not touch shared state."""

    @abstractmethod
    def _records(
        self, query: Query, tickers: Iterable[str], found: Mapping[str, list[T]], seen: Mapping[str, Any]
    ) -> Iterator[StreamData]:
        """The records of the tickers of an answer that did not fail."""

    @abstractmethod
    def _requests(self) -> int:
        """How many requests were answered or failed so far, those of other streams included."""

    def _expected(self, query: Query) -> int | None:
        """How many records a query's answer has; None where nobody knows."""
        return None

    def _by_ticker(
        self, ask: Callable[[Query, Report], dict[str, list[T]]], query: Query, report: Report
    ) -> dict[str, list[T]]:
        """What a query's answer has of each ticker; one that fails is set aside, and the others are asked for again."""
        try:
            return ask(query, report)
        except ProviderError as error:
            if not error.reaction.of_ticker or self._is_of_all(query):
                raise
            culprits = [
                ticker
                for ticker in query.tickers
                if len(query.tickers) == 1 or self.provider.spelling(ticker) == error.problem.ticker
            ]
            for ticker in culprits:
                report.set_aside(ticker, error)
            rest = tuple(ticker for ticker in query.tickers if ticker not in culprits)
            if culprits:
                return self._by_ticker(ask, query._replace(tickers=rest), report) if rest else {}
            found: dict[str, list[T]] = {}
            for tried, ticker in enumerate(rest, 1):  # the vendor does not say which
                found |= self._by_ticker(ask, query._replace(tickers=(ticker,)), report)
                if tried >= GARBLED and report.failed.keys() >= set(rest[:tried]):
                    raise
            return found

    def _is_of_all(self, query: Query) -> bool:
        """Whether a query asks for the whole market, so that a failure fails the whole sync."""
        return query.tickers == (ANY,)
