"""From what was seen of each ticker to what has to be asked, in slices. Pure: dates in, queries out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from math import ceil
from typing import Any

from source_stock_prices import sessions

STATES_A_SYNC = 12
"""Slices, and so STATE messages, of the largest sync. Each repeats the state of every ticker."""


BARS_A_QUERY = 20_000
"""Calendar days times tickers of one query at most: its bars are held in memory until they are sorted."""


def windows(
    tickers: Sequence[str], seen: Mapping[str, Mapping[str, Any]], start: date, end: date
) -> Iterator[tuple[str, date]]:
    """Each ticker that can have a bar not seen yet, with the first day to ask for: the last bar seen, or the start.

    The last bar seen is asked for again with what is new, since vendors correct it.
    """
    for ticker in tickers:
        last = seen.get(ticker)
        if last is None:
            first, is_open = start, start <= end
        else:
            first = date.fromisoformat(last["date"])
            is_open = first < end
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


def by_date(windows: Sequence[tuple[str, date]], end: date) -> date | None:
    """From which day on to ask for the whole market a session, in place of each ticker whose window begins then or
    later: None where that is no fewer requests.
    """
    best, fewest = None, len(windows)
    for day in sorted({first for _, first in windows}, reverse=True):
        alone = sum(first < day for _, first in windows)
        count = len(sessions.between(day, end)) + alone
        if count < fewest:
            best, fewest = day, count
    return best


def slice_size(queries: int) -> int:
    """Queries of one slice, so that a sync has few."""
    return ceil(queries / STATES_A_SYNC) or 1
