"""How far a sync is: a line for people, an estimate for the platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from time import time_ns

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    EstimateType,
    TraceType,
    Type,
)

from source_stock_prices.providers.terms import Query

RECORD_BYTES = 330
"""The length of a price record, more or less."""


class Progress:
    """Counts the answers of one stream's queries. `expected` tells how many records a query's answer has, or None."""

    def __init__(self, stream: str, queries: Sequence[Query], expected: Callable[[Query], int | None]) -> None:
        self._stream, self._expected = stream, expected
        self._queries, self._answered, self._records = len(queries), 0, 0
        self._waiting = Counter(ticker for query in queries for ticker in query.tickers)
        self._tickers = len(self._waiting)
        counts = [expected(query) for query in queries]
        self._to_come = None if None in counts else sum(filter(None, counts))
        self._told: int | None = None

    def plan(self, of: int) -> str:
        """What is to be asked, of so many tickers."""
        saved = of - self._queries
        fewer = f", {_many(saved, 'request')} fewer than one a ticker" if saved > 0 else ""
        return f"{_many(self._queries, 'query', 'queries')} for {self._tickers:,} of {_many(of, 'ticker')}{fewer}."

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

    def line(self, requests: int) -> str:
        """How far it is, after so many requests."""
        read = f"{self._tickers - len(self._waiting):,} of {_many(self._tickers, 'ticker')} read"
        answered = (
            f"{self._answered:,} of {_many(self._queries, 'query', 'queries')} answered in {_many(requests, 'request')}"
        )
        return f"{read}, {_many(self._records, 'record')}; {answered}."

    def estimate(self) -> Iterator[AirbyteMessage]:
        """The records of the whole sync, those already read included, where that is new.

        Where nobody knows how many there are, the answers to come are taken to be like those that came.
        """
        to_come = self._to_come
        if to_come is None and self._answered:
            to_come = round(self._records / self._answered * (self._queries - self._answered))
        if to_come is None or self._told == (rows := self._records + to_come):
            return
        self._told = rows
        estimate = AirbyteEstimateTraceMessage(
            name=self._stream, type=EstimateType.STREAM, row_estimate=rows, byte_estimate=rows * RECORD_BYTES
        )
        trace = AirbyteTraceMessage(type=TraceType.ESTIMATE, emitted_at=time_ns() / 1e6, estimate=estimate)
        yield AirbyteMessage(type=Type.TRACE, trace=trace)


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
