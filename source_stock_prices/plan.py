"""From what was seen of each ticker to what has to be asked, in slices. Pure: dates in, queries out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from math import ceil
from typing import Any

from source_stock_prices.providers.base import Query

STATES_A_SYNC = 20
"""Slices, and so STATE messages, of the longest sync. Each repeats the state of every ticker."""


BARS_A_QUERY = 20_000
"""Calendar days times tickers of one query at most: its bars are held in memory until they are sorted."""


def windows(
    tickers: Sequence[str], seen: Mapping[str, Mapping[str, Any]], start: date, end: date
) -> Iterator[tuple[str, date]]:
    """Each ticker that can have a bar not seen yet, with the first day to ask for: the last bar seen, or the start.

    The last bar seen is asked for again with what is new, since vendors correct it; alone only if it was unfinished.
    """
    for ticker in tickers:
        last = seen.get(ticker)
        if last is None:
            first, is_open = start, start <= end
        else:
            first = date.fromisoformat(last["date"])
            is_open = first < end or (first == end and last.get("unfinished", False))
        if is_open:
            yield ticker, first


def batches(
    windows: Iterable[tuple[str, date]], end: date, tickers_per_request: int, bars_per_request: int | None = None
) -> Iterator[tuple[tuple[str, ...], date]]:
    """The tickers that are asked for together, with their first day: those whose windows are the same."""
    alike: dict[date, list[str]] = {}
    for ticker, first in windows:
        alike.setdefault(first, []).append(ticker)
    for first, tickers in alike.items():
        size = max(1, min(tickers_per_request, (bars_per_request or BARS_A_QUERY) // ((end - first).days + 1)))
        for n in range(0, len(tickers), size):
            yield tuple(tickers[n : n + size]), first


def slices(queries: Sequence[Query]) -> Iterator[Sequence[Query]]:
    """The queries in as many batches as a sync may write states."""
    size = ceil(len(queries) / STATES_A_SYNC)
    for n in range(0, len(queries), size or 1):
        yield queries[n : n + size]
