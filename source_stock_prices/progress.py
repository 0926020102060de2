"""The progress of a stream: a log line for people, an estimate for the platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from time import time_ns

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    EstimateType,
    TraceType,
    Type,
)

from source_stock_prices.errors import counted
from source_stock_prices.providers.terms import (
    Query,
    of_market,
)

BYTES_PER_RECORD = 330
"""The approximate length of a price record."""


class Progress:
    """Counts the answers to one stream's queries.

    `expected` gives the number of records in a query's answer, or None if it cannot be known.
    """

    def __init__(
        self,
        stream: str,
        queries: Sequence[Query],
        expected: Callable[[Query], int | None],
    ) -> None:
        self._stream = stream
        self._expected = expected
        self._queries = len(queries)
        self._answered = 0
        self._records = 0
        self._last_estimate: int | None = None
        self._waiting: Counter[str] = Counter()
        for query in queries:
            self._waiting.update(query.tickers)
        self._tickers = frozenset(self._waiting)
        self._is_one_query_per_ticker = all(count == 1 for count in self._waiting.values())
        self._to_come = self._total(queries)

    def plan(self, configured: int) -> str:
        """What the sync is going to read, out of so many configured tickers."""
        queries = counted(self._queries, "query", "queries")
        if of_market(self._tickers):
            return f"{self._stream}: reading the whole market in {queries}."
        tickers = counted(len(self._tickers), "ticker")
        up_to_date = configured - len(self._tickers)
        if up_to_date <= 0:
            return f"{self._stream}: reading {tickers} in {queries}."
        return f"{self._stream}: reading {tickers} in {queries}; {up_to_date:,} already up to date."

    def answered(self, query: Query, records: int) -> None:
        """A query was answered, with so many records."""
        self._answered += 1
        self._records += records
        for ticker in query.tickers:
            self._waiting[ticker] -= 1
            if not self._waiting[ticker]:
                del self._waiting[ticker]
        if self._to_come is not None:
            self._to_come -= self._expected(query) or 0

    def line(self, requests: int, failed: Collection[str]) -> str:
        """How far the sync is, after so many requests, with the tickers that failed so far.

        Counts tickers, or queries where a ticker needs several: with one query a session, every ticker would be
        finished only by the last.
        """
        if self._is_one_query_per_ticker and not of_market(self._tickers):
            finished = self._tickers.difference(self._waiting, failed)
            tickers = counted(len(self._tickers), "ticker")
            done = f"{len(finished):,} of {tickers} read"
            failures = f", {len(failed):,} failed"
        else:
            queries = counted(self._queries, "query", "queries")
            done = f"{self._answered:,} of {queries} answered"
            failures = f", {counted(len(failed), 'ticker')} failed"
        if failed:
            done += failures
        records = counted(self._records, "record")
        made = counted(requests, "request")
        return f"{self._stream}: {done}; {records} in {made}."

    def estimate(self) -> Iterator[AirbyteMessage]:
        """An estimate of all records of the sync, those already read included; nothing if it did not change.

        Where nobody knows the number, the remaining answers are taken to be like those before them.
        """
        to_come = self._to_come
        if to_come is None and self._answered:
            per_query = self._records / self._answered
            to_come = round(per_query * (self._queries - self._answered))
        if to_come is None:
            return
        records = self._records + to_come
        if records == self._last_estimate:
            return
        self._last_estimate = records
        yield self._message(records)

    def _total(self, queries: Sequence[Query]) -> int | None:
        total = 0
        for query in queries:
            count = self._expected(query)
            if count is None:
                return None
            total += count
        return total

    def _message(self, records: int) -> AirbyteMessage:
        estimate = AirbyteEstimateTraceMessage(
            name=self._stream,
            type=EstimateType.STREAM,
            row_estimate=records,
            byte_estimate=records * BYTES_PER_RECORD,
        )
        trace = AirbyteTraceMessage(
            type=TraceType.ESTIMATE,
            emitted_at=time_ns() / 1e6,
            estimate=estimate,
        )
        return AirbyteMessage(type=Type.TRACE, trace=trace)
