"""What to ask: from what the state remembers of each ticker to queries, in slices. Pure: dates in, queries out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from typing import NamedTuple

from source_stock_prices import healing, sessions
from source_stock_prices.healing import Entry
from source_stock_prices.providers.terms import ANY, Query
from source_stock_prices.recheck import recheck_days

BARS_A_QUERY = 20_000
"""Calendar days times tickers of one query at most: its bars are held in memory until they are sorted."""

ANNOUNCED = timedelta(days=366)
"""How long before its ex-date an event is announced, at most."""

MARKET_SPAN = timedelta(days=500)
"""How many days of the whole market's events one query asks for: its rows are held until they are sorted."""

TICKER_BYTES = 200
"""The length of a ticker's entry in the state, more or less."""

MARKET_BYTES = 800_000
"""That of the whole market's: some 12,000 tickers, six characters for each of eight sessions."""

DAY = timedelta(days=1)

Entries = Mapping[str, Entry]


class Window(NamedTuple):
    """The days to ask for of a ticker, both ends inclusive."""

    ticker: str
    first: date
    last: date


class Facts(NamedTuple):
    """What a plan for prices depends on, beside the state.

    `blank` is a query without tickers, up to the last day to ask for. `start` is where a history begins, `bound` the
    same if the user said so.
    """

    blank: Query
    start: date
    bound: date | None = None
    provider: str = ""
    recheck_sessions: int = 10
    tickers_per_request: int = 1
    bars_per_request: int | None = BARS_A_QUERY
    whole_market_by_date: bool = False


def price_queries(tickers: Sequence[str], entries: Entries, facts: Facts) -> list[Query]:
    """The queries for the bars that can be new or changed, in the order of their use: the fewest requests."""
    daily: list[Window] = []
    others: list[Window] = []
    dates = {}
    for ticker in healing.order(tickers, entries):
        entry = entries.get(ticker, {})
        daily += _new_bars(ticker, entry, facts)
        others += _older_bars(ticker, entry, facts)
        dates[ticker] = _state_date(entry) or facts.start

    first_day = None
    if facts.whole_market_by_date:
        first_day = _by_date_from(daily, dates, facts)
    if first_day is None:
        return _failed_last(batches(daily + others, facts), entries)

    alone = []
    together = {}
    for window in daily:
        day = dates[window.ticker]
        if day < first_day:
            alone.append(window)
        else:
            together[window.ticker] = day
    sessions_together = _by_date(together, entries, _days_from(first_day, facts), facts)
    queries = [*batches(alone, facts), *sessions_together, *batches(others, facts)]
    return _failed_last(queries, entries)


def _failed_last(queries: Iterable[Query], entries: Entries) -> list[Query]:
    """The queries in their order, but those for none but tickers that failed in the last sync at the end."""

    def has_failed(query: Query) -> bool:
        return all(entries.get(ticker, {}).get("failed") for ticker in query.tickers)

    return sorted(queries, key=has_failed)


def market_queries(entries: Entries, facts: Facts) -> list[Query]:
    """The queries for the whole market, a session each: those to recheck, then the new ones, ascending.

    Older sessions that a changed setting or an earlier start wants follow, the newest first, so that the state can say
    how far they were read. The histories of tickers that wait to be read again come last.
    """
    entry = entries.get(ANY, {})
    end = facts.blank.end
    state_date = _state_date(entry)
    if state_date is None:
        return [_of_day((ANY,), day, facts.blank) for day in sessions.between(facts.start, end)]
    if state_date > facts.blank.today:
        return []
    days: list[date] = []
    unread_setting = _unread_setting(entry, facts)
    if state_date < end:
        for day in _days_from(state_date, facts):
            if unread_setting is None or day > unread_setting:
                days.append(day)
    if unread_setting is not None:
        days += reversed(sessions.between(healing.first_day(entry), unread_setting))
    gap = healing.gap_before(entry, facts.bound) if facts.bound else None
    if gap:
        days += reversed(sessions.between(*gap))
    since = healing.first_day(entry)
    first = min(facts.bound or since, since)
    waiting = [Window(ticker, first, end) for ticker, each in entries.items() if each.get("again") is True]
    return [_of_day((ANY,), day, facts.blank) for day in days] + batches(waiting, facts)


def is_by_date(query: Query, tickers_per_request: int) -> bool:
    """Whether a query is answered with a session of the whole market."""
    return query.tickers == (ANY,) or len(query.tickers) > tickers_per_request


def event_queries(
    tickers: Sequence[str],
    entries: Entries,
    *,
    end: date | None,
    lookback: timedelta,
    facts: Facts,
) -> list[Query]:
    """The queries for events, from the start, or the lookback before the last read, to as far as they are announced.

    A ticker that was read today is not asked for again. `end` is the last day that the user wants.
    """
    today = facts.blank.today
    last = min(end or date.max, today + ANNOUNCED)
    windows = []
    for ticker in healing.order(tickers, entries):
        first = _first_day_of_events(entries.get(ticker, {}), lookback, facts)
        if first is not None and first <= last:
            windows.append(Window(ticker, first, last))
    return [part for query in batches(windows, facts) for part in _in_spans(query)]


def ticker_queries(tickers: Sequence[str], facts: Facts) -> list[Query]:
    """The queries for what a vendor knows of tickers, today."""
    today = facts.blank.today
    return batches([Window(ticker, today, today) for ticker in tickers], facts)


def batches(windows: Iterable[Window], facts: Facts) -> list[Query]:
    """The queries for some windows. Tickers with the same window are asked for together, as many as a request takes."""
    alike: dict[tuple[date, date], list[str]] = {}
    for ticker, first, last in windows:
        alike.setdefault((first, last), []).append(ticker)
    queries = []
    for (first, last), tickers in alike.items():
        size = facts.tickers_per_request
        if facts.bars_per_request is not None:
            days = (last - first).days + 1
            size = max(1, min(size, facts.bars_per_request // days))
        for n in range(0, len(tickers), size):
            queries.append(facts.blank._replace(tickers=tuple(tickers[n : n + size]), start=first, end=last))
    return queries


def state_bytes(tickers: Sequence[str], now: int) -> int:
    """How long a STATE of a sync will be at most, from how long it is now: every ticker gets an entry."""
    expected = MARKET_BYTES if tuple(tickers) == (ANY,) else TICKER_BYTES * len(tickers)
    return max(now, expected)


def slice_size(queries: int, state_bytes: int = 0) -> int:
    """Queries of one slice, so that a sync has few STATEs, and the fewer the larger they are."""
    return ceil(queries / healing.states_a_sync(state_bytes)) or 1


def _state_date(entry: Entry) -> date | None:
    day = entry.get("date")
    return date.fromisoformat(day) if day else None


def _new_bars(ticker: str, entry: Entry, facts: Facts) -> Iterator[Window]:
    """The window of the bars that can be new, with those to recheck; the whole history where a setting changed."""
    end = facts.blank.end
    state_date = _state_date(entry)
    if state_date is None:
        if facts.start <= end:
            yield Window(ticker, facts.start, end)
        return
    if state_date > facts.blank.today or healing.changed_setting(entry, facts.blank.adjustment, facts.provider):
        return
    if state_date < end:
        yield Window(ticker, _recheck_from(entry, state_date, facts), end)


def _older_bars(ticker: str, entry: Entry, facts: Facts) -> Iterator[Window]:
    """The history to read again where a setting changed, and what an earlier start adds before it."""
    state_date = _state_date(entry)
    if state_date is None or state_date > facts.blank.today:
        return
    if healing.changed_setting(entry, facts.blank.adjustment, facts.provider):
        first = healing.first_day(entry)
        yield Window(ticker, min(first, facts.bound or first), max(facts.blank.end, state_date))
        return
    gap = healing.gap_before(entry, facts.bound) if facts.bound else None
    if gap:
        yield Window(ticker, *gap)


def _recheck_from(entry: Entry, state_date: date, facts: Facts) -> date:
    """The first day of the recheck window: not before what was ever read, for nothing else is in the table."""
    span = timedelta(days=2 * facts.recheck_sessions + 10)
    first = healing.window_start(sessions.between(state_date - span, state_date), facts.recheck_sessions)
    return max(first, healing.first_day(entry))


def _unread_setting(entry: Entry, facts: Facts) -> date | None:
    """The last day of the market that was read with another setting; None where there is none."""
    if healing.changed_setting(entry, facts.blank.adjustment, facts.provider):
        return _state_date(entry)
    return date.fromisoformat(entry["again"]) if "again" in entry else None


def _days_from(state_date: date, facts: Facts) -> list[date]:
    """The sessions to ask for where one request has all tickers: some old ones, and every new one, ascending."""
    end = facts.blank.end
    span = timedelta(days=4 * facts.recheck_sessions + 20)
    due = sessions.between(state_date - span, end)
    return recheck_days(due, state_date, facts.recheck_sessions) + [day for day in due if day > state_date]


def _by_date_from(windows: Sequence[Window], dates: Mapping[str, date], facts: Facts) -> date | None:
    """From which day on to ask for a session of the whole market, in place of each ticker that was read up to that day
    or later: None where that is no fewer requests.
    """
    best, fewest = None, len(batches(windows, facts))
    begun = min((window.first for window in windows), default=facts.start)
    for day in sorted({dates[window.ticker] for window in windows}, reverse=True):
        alone = sum(dates[window.ticker] < day for window in windows)
        count = sum(each >= begun for each in _days_from(day, facts)) + alone
        if count < fewest:
            best, fewest = day, count
    return best


def _by_date(dates: Mapping[str, date], entries: Entries, days: Sequence[date], facts: Facts) -> Iterator[Query]:
    """The sessions that tickers are read from together: each those that have begun by then."""
    begun = {ticker: _begun(entries.get(ticker, {}), first) for ticker, first in dates.items()}
    asked: tuple[str, ...] = ()
    for day in days:
        of_day = tuple(ticker for ticker, first in begun.items() if first <= day)
        if of_day != asked:
            asked = of_day  # mostly the same: one of them is enough to keep
        if asked:
            yield _of_day(asked, day, facts.blank)


def _begun(entry: Entry, first: date) -> date:
    return healing.first_day(entry) if "date" in entry else first


def _of_day(tickers: tuple[str, ...], day: date, blank: Query) -> Query:
    return blank._replace(tickers=tickers, start=day, end=day)


def _first_day_of_events(entry: Entry, lookback: timedelta, facts: Facts) -> date | None:
    """From which day on to ask for a ticker's events: its whole history where a setting changed; None for nothing."""
    until, bound = _state_date(entry), facts.bound
    if until is None:
        return facts.start
    since = healing.first_day(entry)
    is_earlier = bound is not None and healing.gap_before(entry, bound) is not None
    if is_earlier or healing.changed_setting(entry, facts.blank.adjustment, facts.provider):
        return min(since, bound or since)
    if until >= facts.blank.today:
        return None
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
        first = last + DAY
