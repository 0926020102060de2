"""What syncs of prices and of events share: queries in slices, answers in order, a bad ticker set aside."""

from __future__ import annotations

import time
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from copy import deepcopy
from datetime import date
from functools import partial
from itertools import islice
from logging import Logger
from typing import (
    Any,
    Generic,
    Protocol,
    TypeVar,
)

import orjson
from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import bill, healing, plan
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, counted, shortage_in
from source_stock_prices.findings import DELISTED, IN_FUTURE, Finding
from source_stock_prices.http import RequestPolicy
from source_stock_prices.prefetch import prefetch
from source_stock_prices.progress import Progress
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    Kind,
    Query,
    of_market,
)
from source_stock_prices.report import MAX_FAILURES_IN_A_ROW, Report

SLICE_SECONDS = 60
"""After so many seconds a slice ends and its STATE is written, however many queries it has left."""

T = TypeVar("T")
State = MutableMapping[str, Any]
Found = dict[str, list[T]]
"""What a query's answer has of each ticker."""

Answered = tuple[Found[T], Report]
Slice = Mapping[str, Any]
Ask = Callable[[Query, Report], Found[T]]


class Half(Protocol[T]):
    """What prices and events each do in their own way."""

    @property
    def name(self) -> str:
        """The stream's."""

    def queries(self, seen: State, report: Report) -> list[Query]:
        """What has to be asked, in the order of its use. May raise ProviderError."""

    def forecast(self) -> tuple[list[Query], list[Query]]:
        """What has to be asked in a first sync, and on a day after that if nothing is found."""

    def calls(self, query: Query) -> int:
        """What a query costs, in calls of the plan, as far as that is known before."""

    def answer(self, query: Query, seen: State, report: Report) -> Found[T]:
        """The answer to a query. Runs in a worker: it must not touch what others see. May raise ProviderError."""

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[T],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """The records of the tickers that did not fail; once they are taken, `state` says that they were."""

    def checkpoint(self, state: State) -> None:
        """A STATE is about to be written: `state` has to say all that is remembered."""

    def more_queries(self) -> list[Query]:
        """What has to be asked in addition, after all answers were used: each time something else, until nothing is."""

    def survives(
        self,
        query: Query,
        error: ProviderError,
        state: State,
        report: Report,
    ) -> bool:
        """Whether the sync goes on without the answer to a query that failed as a whole; `report` says so then."""

    def expected(self, query: Query) -> int | None:
        """How many records a query's answer has; None where nobody knows."""

    def last_findings(self) -> Iterable[Finding]:
        """What there is to look at that is not in the report, when all was read."""


class Sync(Generic[T]):
    """One stream's sync, from its queries to its final error.

    A ticker that fails does not stop the others. A problem of the whole sync ends it after the records already read are
    checkpointed. Both raise at the end.
    """

    def __init__(
        self,
        half: Half[T],
        config: Config,
        today: date,
        logger: Logger,
        policy: RequestPolicy,
    ) -> None:
        self._half = half
        self._config = config
        self._provider = config.provider
        self._today = today
        self._logger = logger
        self._policy = policy
        self._report = Report(config.provider)
        self._left = 0
        self._answers = self._under_way([], {})

    def _under_way(
        self,
        queries: list[Query],
        seen: State,
    ) -> Generator[tuple[Query, Callable[[], Answered[T]]], None, None]:
        ask = partial(self._answer, seen)
        return prefetch(ask, queries, self._config.num_workers)

    def run(self, messages: Iterable[StreamData]) -> Iterator[StreamData]:
        """Passes on what the CDK makes of this sync, then logs its findings, and raises the error that ends it."""
        report = self._report
        spent_before = self._policy.spent
        with self._policy.reading(self._half.name):
            try:
                yield from messages
            finally:
                self._answers.close()
        for finding in self._half.last_findings():
            report.findings.add(finding)
        spent = self._policy.spent - spent_before
        if spent:
            self._logger.info(f"{self._half.name}: this sync cost {counted(spent, 'call')} of the plan.")
        for line in report.summary():
            self._warn(line)
        failure = report.failure()
        if failure:
            raise failure

    @property
    def cost(self) -> bill.Cost:
        """What a first and a daily sync of the stream cost."""
        first, daily = self._half.forecast()
        return bill.Cost(
            self._half.name,
            first=sum(map(self._half.calls, first)),
            daily=sum(map(self._half.calls, daily)),
        )

    @property
    def findings(self) -> Iterable[Finding]:
        """What there is to look at, as far as the stream was read."""
        return self._report.everything()

    def _warn(self, line: str) -> None:
        self._logger.warning(f"{self._half.name}: {line}")

    def slices(self, state: Mapping[str, Any]) -> Iterator[Slice]:
        """Batches of queries. A STATE follows each."""
        seen = deepcopy(dict(state))
        self._look_at(seen)
        try:
            queries = self._half.queries(seen, self._report)
        except ProviderError as error:
            self._report.stop(self._config.tickers, error)
            return
        self._tell(self._report)
        if queries:
            self._logger.info(bill.line(self.cost, self._config))
        while queries:
            yield from self._round(queries, seen)
            queries = [] if self._report.stopped else self._half.more_queries()

    def _look_at(self, seen: State) -> None:
        """Which tickers failed in the last sync, and which are not to be read at all."""
        today = self._today.isoformat()
        failed = []
        for ticker, entry in seen.items():
            if entry.get("failed"):
                failed.append(ticker)
            if entry.get("date", "") > today:
                self._report.find(IN_FUTURE, ticker)
        self._report.failed_before = frozenset(failed)

    def _round(self, queries: list[Query], seen: State) -> Iterator[Slice]:
        """The slices of some queries, which are under way from the first slice on."""
        self._progress = Progress(self._half.name, queries, self._half.expected)
        requests_before = self._policy.judged
        tickers = self._config.tickers
        if queries:
            self._logger.info(self._progress.plan(len(tickers)))

        self._answers.close()
        self._answers = self._under_way(queries, seen)
        count = self._left = len(queries)
        state_bytes = len(orjson.dumps(seen))
        size = plan.slice_size(count, plan.state_bytes(tickers, state_bytes))
        while self._left and not self._report.stopped:
            yield {"queries": min(size, self._left), "of": count}
            requests = self._policy.judged - requests_before
            self._logger.info(self._progress.line(requests, self._report.failed))

    def records(self, stream_slice: Slice, state: State) -> Iterator[StreamData]:
        """The records of the slice's queries, or of those that were answered before it had lasted long enough."""
        yield from self._progress.estimate()
        try:
            yield from self._records(stream_slice["queries"], state)
        except Exception as error:  # a pool that gets no thread fails with an AttributeError
            shortage = shortage_in(error)
            if shortage is None:
                raise
            self._report.stop(self._config.tickers, ProviderError(shortage))
        self._half.checkpoint(state)

    def _records(self, queries: int, state: State) -> Iterator[StreamData]:
        until = time.monotonic() + SLICE_SECONDS
        for query, answer in islice(self._answers, queries):
            self._left -= 1
            try:
                found, report = answer()
                yield from self._use(query, found, report, state)
            except ProviderError as error:
                if not self._half.survives(query, error, state, self._report):
                    self._report.stop(query.tickers, error)
                for ticker in error.tried:
                    state[ticker] = healing.failed(state.get(ticker), self._today)
            if self._report.stopped or time.monotonic() > until:
                return

    def _use(
        self,
        query: Query,
        found: Found[T],
        report: Report,
        state: State,
    ) -> Iterator[StreamData]:
        """The records of an answer, of the tickers that did not fail."""
        self._forgive_delisted(report, state)
        self._report.add(report, query)
        good = self._good(query, found)
        count = sum(len(found.get(ticker, ())) for ticker in good)
        self._progress.answered(query, count)
        try:
            yield from self._half.records(query, good, found, state, report)
        finally:
            self._report.take_over(report)
        for ticker in report.failed:
            state[ticker] = healing.failed(state.get(ticker), self._today)
        self._tell(report)

    def _tell(self, report: Report) -> None:
        for line in report.at_once():
            self._warn(line)

    def _good(self, query: Query, found: Found[T]) -> list[str]:
        """The tickers of an answer that never failed in this sync: later rows would hide those that they failed on."""
        asked: Iterable[str] = query.tickers
        if of_market(query.tickers):
            asked = found
        return [ticker for ticker in asked if ticker not in self._report.failed]

    def _forgive_delisted(self, report: Report, state: State) -> None:
        """A ticker that had bars, and is unknown now, is no typo: it fails nothing."""
        for ticker, error in list(report.failed.items()):
            is_unknown = error.problem.kind is Kind.UNKNOWN_TICKER
            entry = state.get(ticker, {})
            was_read = "date" in entry or "again" in entry
            if is_unknown and was_read:
                del report.failed[ticker]
                report.find(DELISTED, ticker)

    def _answer(self, seen: State, query: Query) -> Answered[T]:
        """What a worker does: it asks, and notes what it finds in a report of its own."""
        report = Report(self._provider, self._report.failed_before)
        failed_before = report.failed_before.issuperset(query.tickers)
        with self._policy.doubting(failed_before or self._report.is_unanswered):
            found = self._half.answer(query, seen, report)
        return found, report


def by_ticker(
    ask: Ask[T],
    query: Query,
    report: Report,
    provider: Provider,
) -> Found[T]:
    """What a query's answer has of each ticker. One that fails is set aside, and the others are asked for again.

    Raises ProviderError where the problem is not one ticker's.
    """
    try:
        return ask(query, report)
    except ProviderError as error:
        if not error.is_of_ticker:
            raise
        culprits = _culprits(query, error, provider)
        for ticker in culprits:
            report.set_aside(ticker, error)
        rest = tuple(ticker for ticker in query.tickers if ticker not in culprits)
        if not rest:
            return {}
        if culprits:
            return by_ticker(ask, query._replace(tickers=rest), report, provider)
        return _each_alone(ask, query, report, provider)


def _culprits(query: Query, error: ProviderError, provider: Provider) -> list[str]:
    """The tickers that an error is about: the only one, or the one that the vendor names."""
    if len(query.tickers) == 1:
        return list(query.tickers)
    named = error.problem.ticker
    return [ticker for ticker in query.tickers if provider.spelling(ticker) == named]


def _each_alone(
    ask: Ask[T],
    query: Query,
    report: Report,
    provider: Provider,
) -> Found[T]:
    """A batch failed, and the vendor does not say for which ticker. Raises where many in a row fail alone, too."""
    found: Found[T] = {}
    for tried, ticker in enumerate(query.tickers, 1):
        alone = query._replace(tickers=(ticker,))
        found |= by_ticker(ask, alone, report, provider)
        all_failed = report.failed.keys() >= set(query.tickers[:tried])
        new_failures = report.failed.keys() - report.failed_before
        if all_failed and len(new_failures) >= MAX_FAILURES_IN_A_ROW:
            error = report.failed[ticker]
            raise ProviderError(error.problem, error.status, query.tickers[:tried])
    return found
