"""What to ask: from what was seen of each ticker to queries, in slices. Pure: dates in, queries out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from typing import Any, NamedTuple

from source_stock_prices import sessions
from source_stock_prices.providers.terms import ANY, Query

STATES_A_SYNC = 12
"""Slices, and so STATE messages, of the largest sync. Each repeats the state of every ticker."""

BARS_A_QUERY = 20_000
"""Calendar days times tickers of one query at most: its bars are held in memory until they are sorted."""

ANNOUNCED = timedelta(days=366)
"""How long before its ex-date an event is announced, at most."""

MARKET_SPAN = timedelta(days=500)
"""How many days of the whole market's events one query asks for: its rows are held until they are sorted."""

Seen = Mapping[str, Mapping[str, Any]]
Window = tuple[str, date]
"""A ticker, with the first day to ask for."""


class Limits(NamedTuple):
    """What one request of a vendor can ask for. None stands for as much as one likes."""

    tickers: int = 1
    bars: int | None = BARS_A_QUERY
    whole_market_by_date: bool = False


def price_queries(tickers: Sequence[str], seen: Seen, start: date, blank: Query, limits: Limits) -> list[Query]:
    """The queries for the bars that can be new, in the order of their use: the fewest requests.

    `blank` is a query without tickers, up to the last day to ask for.
    """
    wanted = list(windows(tickers, seen, start, blank.end))
    if tuple(tickers) == (ANY,):
        return [_of_day((ANY,), day, blank) for _, first in wanted for day in sessions.between(first, blank.end)]
    first_day = by_date(wanted, blank.end) if limits.whole_market_by_date else None
    if first_day is None:
        return batches(wanted, blank, limits)
    queries = batches([(ticker, first) for ticker, first in wanted if first < first_day], blank, limits)
    asked: tuple[str, ...] = ()
    for day in sessions.between(first_day, blank.end):
        of_day = tuple(ticker for ticker, first in wanted if first_day <= first <= day)
        if of_day != asked:
            asked = of_day  # mostly the same: one of them is enough to keep
        queries.append(_of_day(asked, day, blank))
    return queries


def event_queries(
    tickers: Sequence[str], seen: Seen, start: date, end: date | None, lookback: timedelta, blank: Query, limits: Limits
) -> list[Query]:
    """The queries for events, from the start, or the lookback before the last read, to as far as they are announced.

    A ticker that was read today is not asked for again. `end` is the last day that the user wants.
    """
    today = blank.today
    last = min(end or date.max, today + ANNOUNCED)
    wanted = []
    for ticker in tickers:
        first = _first_day_of_events(seen.get(ticker), start, lookback, today)
        if first is not None and first <= last:
            wanted.append((ticker, first))
    queries = batches(wanted, blank._replace(end=last), limits)
    return [part for query in queries for part in _in_spans(query)]


def ticker_queries(tickers: Sequence[str], blank: Query, limits: Limits) -> list[Query]:
    """The queries for what a vendor knows of tickers, today."""
    wanted = [(ticker, blank.today) for ticker in tickers]
    return batches(wanted, blank._replace(end=blank.today), limits)


def windows(tickers: Sequence[str], seen: Seen, start: date, end: date) -> Iterator[Window]:
    """Each ticker that can have a bar not seen yet, with the first day to ask for: the last bar seen, or the start.

    The last bar seen is asked for again with what is new, since vendors correct it.
    """
    for ticker in tickers:
        last = seen.get(ticker)
        if last is None:
            if start <= end:
                yield ticker, start
            continue
        first = date.fromisoformat(last["date"])
        if first < end:
            yield ticker, first


def batches(windows: Iterable[Window], blank: Query, limits: Limits) -> list[Query]:
    """The queries for some windows. Tickers with the same window are asked for together, as many as a request takes."""
    alike: dict[date, list[str]] = {}
    for ticker, first in windows:
        alike.setdefault(first, []).append(ticker)
    queries = []
    for first, tickers in alike.items():
        size = limits.tickers
        if limits.bars is not None:
            days = (blank.end - first).days + 1
            size = max(1, min(size, limits.bars // days))
        for n in range(0, len(tickers), size):
            queries.append(blank._replace(tickers=tuple(tickers[n : n + size]), start=first))
    return queries


def by_date(windows: Sequence[Window], end: date) -> date | None:
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


def _of_day(tickers: tuple[str, ...], day: date, blank: Query) -> Query:
    return blank._replace(tickers=tickers, start=day, end=day)


def _first_day_of_events(seen: Mapping[str, Any] | None, start: date, lookback: timedelta, today: date) -> date | None:
    if seen is None:
        return start
    until = date.fromisoformat(seen["date"])
    if until >= today:
        return None
    since = date.fromisoformat(seen.get("since", seen["date"]))
    return max(until - lookback, since)


def _in_spans(query: Query) -> Iterator[Query]:
    """A query for the whole market in parts of a length that memory holds; any other as it is."""
    if query.tickers != (ANY,):
        yield query
        return
    first = query.start
    while first <= query.end:
        last = min(query.end, first + MARKET_SPAN)
        yield query._replace(start=first, end=last)
        first = last + timedelta(days=1)
