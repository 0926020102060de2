"""From bars to records: the columns of a bar, and the messages in which records travel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import envelope
from source_stock_prices.bars import jumps
from source_stock_prices.config import Config
from source_stock_prices.findings import JUMPED
from source_stock_prices.providers.terms import Bar
from source_stock_prices.report import Report
from source_stock_prices.second_opinion import SecondOpinion
from source_stock_prices.sessions import Horizon

iso = lru_cache(maxsize=20_000)(date.isoformat)
"""A day as text: that of every ticker, once."""


class Records:
    """Makes the records of one sync, and tells of closes that are far from the one before."""

    def __init__(
        self,
        stream: str,
        config: Config,
        horizon: Horizon,
        opinion: SecondOpinion | None,
        *,
        in_envelopes: bool,
    ) -> None:
        self._stream = stream
        self._adjustment = config.adjustment
        self._provider = config.provider.name
        self._horizon = horizon
        self._opinion = opinion
        self._in_envelopes = in_envelopes
        self._last_bars: dict[str, Bar] = {}

    def of(self, bars: Sequence[Bar], report: Report) -> Iterator[StreamData]:
        """The records of some bars, ascending by day within a ticker."""
        if not bars:
            return
        self._tell_of_jumps(bars, report)
        if self._opinion:
            self._opinion.note(bars)
        records = map(self._record, bars)
        if not self._in_envelopes:
            yield from envelope.one_by_one(self._stream, records)
            return
        last = self._record(self._last_final_bar(bars))
        yield envelope.in_envelope(self._stream, records, len(bars), last)

    def _tell_of_jumps(self, bars: Sequence[Bar], report: Report) -> None:
        for bar, before in jumps(bars, self._last_bars):
            report.find(
                JUMPED,
                bar.ticker,
                bar.date,
                named=f"{bar.ticker} closed at {bar.close:g} on {bar.date}, after {before:g} before",
                old=f"{before}",
                new=f"{bar.close}",
            )

    def _last_final_bar(self, bars: Sequence[Bar]) -> Bar:
        """The last bar that is final, or the first bar if none is."""
        last_final = self._horizon.last_final(bars[0].ticker)
        final = bisect_right(bars, last_final, key=attrgetter("date"))
        return bars[max(final - 1, 0)]

    def _record(self, bar: Bar) -> dict[str, Any]:
        """A bar as it is in the table."""
        # Taken apart at once: a history has millions of bars, and an attribute each would take longer.
        (
            ticker,
            day,
            close,
            opened,
            high,
            low,
            volume,
            vwap,
            trade_count,
            adjusted_close,
            dividend,
            split_factor,
            currency,
        ) = bar
        return {
            "date": iso(day),
            "stock_ticker": ticker,
            "price": close,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "vwap": vwap,
            "trade_count": trade_count,
            "adjusted_close": adjusted_close,
            "dividend": dividend,
            "split_factor": split_factor,
            "currency": currency,
            "adjustment": self._adjustment,
            "provider": self._provider,
        }
