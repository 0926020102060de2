"""What to ask: from what the state remembers of each ticker to queries, in slices. Pure: dates in, queries out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import date, timedelta
from math import ceil
from typing import NamedTuple

from source_stock_prices import healing, sessions
from source_stock_prices.healing import Entry
from source_stock_prices.providers.terms import ANY, Query, of_market
from source_stock_prices.recheck import recheck_days
from source_stock_prices.sessions import Horizon

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

Span = tuple[date, date]
"""Days, both ends inclusive."""


class Window(NamedTuple):
    """The days to ask for of a ticker, both ends inclusive."""

    ticker: str
    first: date
    last: date


def one_market(_: str) -> str:
    """The market of every ticker, where there is one."""
    return ANY


class Facts(NamedTuple):
    """What a plan for prices depends on, beside the state.

    `blank` is a query without tickers. `start` is where a history begins, `bound` the same if the user said so;
    `horizon` knows up to which day a ticker is asked for. A request for a ticker costs one call, one for a session of
    a whole market `calls_by_date`; None where there is none. Tickers with one `name_in_rows` are never asked for
    together.
    """

    blank: Query
    horizon: Horizon
    start: date
    bound: date | None = None
    provider: str = ""
    recheck_sessions: int = 10
    tickers_per_request: int = 1
    bars_per_request: int | None = BARS_A_QUERY
    calls_by_date: int | None = None
    market_of: Callable[[str], str] = one_market
    name_in_rows: Callable[[str], str] = str


def price_queries(
    tickers: Sequence[str],
    entries: Entries,
    facts: Facts,
) -> list[Query]:
    """The queries for the bars that can be new or changed, in the order of their use: the fewest calls of the plan."""
    daily: list[Window] = []
    rereads: list[Window] = []
    earlier: list[Window] = []
    turns = healing.order(tickers, entries)
    for ticker in turns:
        entry = entries.get(ticker, {})
        daily += _new_bars(ticker, entry, facts)
        rereads += _bars_to_reread(ticker, entry, facts)
        earlier += _earlier_bars(ticker, entry, facts)

    by_date, alone = _in_fewest_calls(daily, entries, facts)
    # Who is behind those that are read by date failed, or is new. What an earlier start adds comes after every window:
    # one may find that a history is to be read again.
    return [
        *by_date,
        *batches(_in_turn(alone, turns), facts),
        *batches(rereads, facts),
        *batches(earlier, facts),
    ]


def new_windows(
    tickers: Iterable[str],
    entries: Entries,
    facts: Facts,
) -> Iterator[Window]:
    """The windows of the bars of some tickers that can be new."""
    for ticker in tickers:
        yield from _new_bars(ticker, entries.get(ticker, {}), facts)


def _in_fewest_calls(
    daily: Iterable[Window],
    entries: Entries,
    facts: Facts,
) -> tuple[list[Query], list[Window]]:
    """The queries for days of whole markets, and the windows of the tickers that are better asked for by themselves."""
    alone: list[Window] = []
    by_date: list[Query] = []
    for windows in _by_market(daily, facts):
        dates = {}
        for window in windows:
            entry = entries.get(window.ticker, {})
            dates[window.ticker] = _state_date(entry) or facts.start
        first_day = _by_date_from(windows, dates, facts)
        together = {}
        for window in windows:
            day = dates[window.ticker]
            if first_day is None or day < first_day:
                alone.append(window)
            else:
                together[window.ticker] = day
        if first_day is not None and _lacks_a_session(together, entries, facts):
            days = _days_from(first_day, windows[0].ticker, facts)
            by_date += _by_date(together, entries, days, facts)
    return by_date, alone


def _lacks_a_session(
    tickers: Iterable[str],
    entries: Entries,
    facts: Facts,
) -> bool:
    """Whether any of some tickers was not read up to its last session."""
    for ticker in tickers:
        state_date = _state_date(entries.get(ticker, {}))
        if state_date is None or state_date < facts.horizon.end(ticker):
            return True
    return False


def _in_turn(windows: Iterable[Window], tickers: Iterable[str]) -> list[Window]:
    """The windows in the order of the tickers."""
    turns = {ticker: turn for turn, ticker in enumerate(tickers)}
    return sorted(windows, key=lambda window: turns[window.ticker])


def _by_market(windows: Iterable[Window], facts: Facts) -> Iterable[list[Window]]:
    """The windows of the tickers of each market that a request by date would be about."""
    markets: defaultdict[str, list[Window]] = defaultdict(list)
    for window in windows:
        market = facts.market_of(window.ticker)
        markets[market].append(window)
    return markets.values()


def market_queries(market: str, entries: Entries, facts: Facts) -> list[Query]:
    """The queries for a whole market, a session each: those to recheck, then the new ones, ascending.

    Older sessions that a changed setting or an earlier start wants follow, the newest first, so that the state can say
    how far they were read. The histories of tickers that wait to be read again come last.
    """
    entry = entries.get(market, {})
    end = facts.horizon.end(market)
    state_date = _state_date(entry)
    if state_date is None:
        every = _sessions(facts.start, end, market, facts)
        return [_of_day((market,), day, facts) for day in every]
    if state_date > facts.blank.today:
        return []
    days = _days_of_market(market, entry, state_date, facts)
    queries = [_of_day((market,), day, facts) for day in days]

    waiting = []
    for ticker, each in entries.items():
        if each.get("again") is True and facts.market_of(ticker) == market:
            first = _earliest(entry, facts)
            if "date" in each:
                first = min(first, healing.first_day(each))
            waiting.append(Window(ticker, first, end))
    return queries + batches(waiting, facts)


def _days_of_market(
    market: str,
    entry: Entry,
    state_date: date,
    facts: Facts,
) -> Sequence[date]:
    """The sessions of the whole market to ask for, where some were read before."""
    days: list[date] = []
    unread = _unread_setting(entry, facts)
    since = healing.first_day(entry)
    if state_date < facts.horizon.end(market):
        for day in _days_from(state_date, market, facts):
            if day >= since and (unread is None or day > unread):
                days.append(day)
    if unread is not None:
        days += reversed(_sessions(since, unread, market, facts))
    gap = _gap(entry, facts)
    if gap:
        days += reversed(_sessions(*gap, market, facts))
    return days


def event_queries(
    tickers: Sequence[str],
    entries: Entries,
    *,
    end: date | None,
    lookback: timedelta,
    facts: Facts,
) -> list[Query]:
    """The queries for events, from the start, or the lookback before the last read, to as far as they are announced.

    A ticker that was read today is not asked for again. `end` is the last day that the user wants. Where a request can
    be about a day of a whole market, those are asked for like prices, up to the last session: nothing is announced so.
    """
    if facts.calls_by_date is not None and of_market(tickers):
        (market,) = tickers
        return market_queries(market, entries, facts)
    today = facts.blank.today
    last = min(end or date.max, today + ANNOUNCED)
    daily = []
    histories = []
    turns = healing.order(tickers, entries)
    for ticker in turns:
        entry = entries.get(ticker, {})
        is_again = _is_read_again(entry, facts)
        first = _earliest(entry, facts) if is_again else _first_day_of_events(entry, lookback, facts)
        if first is None or first > last:
            continue
        window = Window(ticker, first, last)
        if is_again:
            histories.append(window)
        else:
            daily.append(window)

    by_date, alone = _in_fewest_calls(daily, entries, facts)
    queries = by_date
    for query in batches(_in_turn(alone + histories, turns), facts):
        queries += _in_spans(query)
    return queries


def read_by_date(
    before: Entry,
    query: Query,
    until: date,
    start: date,
    provider: str,
) -> dict[str, str]:
    """What the state says of a ticker or a market, but for its events, once a day of its market was read.

    `before` is what it said, `until` up to which day it was read, `start` where a first sync begins: on a Sunday, too.
    Where the provider is another one, `again` is up to which day it is to be read again. Those days, and the ones
    before the first that was ever read, come backwards.
    """
    day = query.start.isoformat()
    since = before.get("since") or before.get("date") or start.isoformat()
    entry = {
        "date": until.isoformat(),
        "since": min(day, since),
        "provider": provider,
    }
    again = before.get("again")
    if before.get("provider", provider) != provider:
        again = before["date"]
    if again and day <= again:
        again = str(query.start - DAY)
    if again and again >= entry["since"]:
        entry["again"] = again
    return entry


def ticker_queries(tickers: Sequence[str], facts: Facts) -> list[Query]:
    """The queries for what a vendor knows of tickers, today."""
    today = facts.blank.today
    windows = [Window(ticker, today, today) for ticker in tickers]
    return batches(windows, facts)


def batches(windows: Iterable[Window], facts: Facts) -> list[Query]:
    """The queries for some windows. Tickers with the same window are asked for together, as many as a request takes.

    They are in the order of the windows, each where its first ticker is: the others may be far ahead of their turn.
    """
    alike: defaultdict[Span, list[str]] = defaultdict(list)
    places = {}
    for place, (ticker, first, last) in enumerate(windows):
        alike[first, last].append(ticker)
        places[ticker] = place

    queries = []
    for (first, last), tickers in alike.items():
        size = _batch_size(first, last, facts)
        for group in _told_apart(tickers, facts):
            for n in range(0, len(group), size):
                query = facts.blank._replace(
                    tickers=tuple(group[n : n + size]),
                    start=first,
                    end=last,
                )
                queries.append(query)
    return sorted(queries, key=lambda query: places[query.tickers[0]])


def _told_apart(tickers: Iterable[str], facts: Facts) -> list[list[str]]:
    """The tickers in groups, so that an answer about a group tells each from the others."""
    groups: list[dict[str, str]] = []
    for ticker in tickers:
        name = facts.name_in_rows(ticker)
        group = next((each for each in groups if name not in each), None)
        if group is None:
            group = {}
            groups.append(group)
        group[name] = ticker
    return [list(group.values()) for group in groups]


def _batch_size(
    first: date,
    last: date,
    facts: Facts,
) -> int:
    """How many tickers one query asks for, each for the same days."""
    if facts.bars_per_request is None:
        return facts.tickers_per_request
    days = (last - first).days + 1
    fitting = facts.bars_per_request // days
    return max(1, min(facts.tickers_per_request, fitting))


def state_bytes(tickers: Sequence[str], now: int) -> int:
    """How long a STATE of a sync will be at most, from how long it is now: every ticker gets an entry."""
    expected = MARKET_BYTES if of_market(tickers) else TICKER_BYTES * len(tickers)
    return max(now, expected)


def slice_size(queries: int, state_bytes: int = 0) -> int:
    """Queries of one slice, so that a sync has few STATEs, and the fewer the larger they are."""
    slices = healing.states_a_sync(state_bytes)
    return ceil(queries / slices) or 1


def _sessions(
    first: date,
    last: date,
    ticker: str,
    facts: Facts,
) -> tuple[date, ...]:
    """The sessions of a ticker's exchange."""
    return sessions.between(first, last, facts.horizon.exchange_of(ticker))


def _state_date(entry: Entry) -> date | None:
    day = entry.get("date")
    if not day:
        return None
    return date.fromisoformat(day)


def _has_changed(entry: Entry, facts: Facts) -> bool:
    """Whether a setting changed since an entry was written."""
    change = healing.changed_setting(entry, facts.blank.adjustment, facts.provider)
    return change is not None


def _earliest(entry: Entry, facts: Facts) -> date:
    """The first day ever read, or a start before it."""
    since = healing.first_day(entry)
    if facts.bound is None:
        return since
    return min(facts.bound, since)


def _gap(entry: Entry, facts: Facts) -> Span | None:
    """What an earlier start adds before the first day ever read."""
    if facts.bound is None:
        return None
    return healing.gap_before(entry, facts.bound)


def _new_bars(
    ticker: str,
    entry: Entry,
    facts: Facts,
) -> Iterator[Window]:
    """The window of the bars that can be new, with those to recheck; the whole history where a setting changed."""
    end = facts.horizon.end(ticker)
    state_date = _state_date(entry)
    if state_date is None:
        if facts.start <= end:
            yield Window(ticker, facts.start, end)
        return
    is_in_future = state_date > facts.blank.today
    if is_in_future or _has_changed(entry, facts) or "again" in entry:
        return
    if state_date < end:
        first = _recheck_from(ticker, entry, state_date, facts)
        yield Window(ticker, first, end)


def _bars_to_reread(
    ticker: str,
    entry: Entry,
    facts: Facts,
) -> Iterator[Window]:
    """The history to read again where a setting changed.

    Where an earlier sync did not finish a history, the window tells which bars it has to have.
    """
    state_date = _state_date(entry)
    if state_date is None or state_date > facts.blank.today:
        return
    last = max(facts.horizon.end(ticker), state_date)
    if _has_changed(entry, facts):
        yield Window(ticker, _earliest(entry, facts), last)
    elif "again" in entry:
        yield Window(ticker, _recheck_from(ticker, entry, state_date, facts), last)


def _earlier_bars(
    ticker: str,
    entry: Entry,
    facts: Facts,
) -> Iterator[Window]:
    """What an earlier start adds before the first day ever read. Where a setting changed, it is read with the rest."""
    state_date = _state_date(entry)
    if state_date is None or state_date > facts.blank.today or _has_changed(entry, facts):
        return
    gap = _gap(entry, facts)
    if gap:
        yield Window(ticker, *gap)


def _recheck_from(
    ticker: str,
    entry: Entry,
    state_date: date,
    facts: Facts,
) -> date:
    """The first day of the recheck window: not before what was ever read, for nothing else is in the table."""
    span = timedelta(days=2 * facts.recheck_sessions + 10)
    recent = _sessions(state_date - span, state_date, ticker, facts)
    first = healing.window_start(recent, facts.recheck_sessions) if recent else state_date
    since = healing.first_day(entry)
    return max(first, since)


def _unread_setting(entry: Entry, facts: Facts) -> date | None:
    """The last day of the market that was read with another setting; None where there is none."""
    if _has_changed(entry, facts):
        return _state_date(entry)
    if "again" not in entry:
        return None
    return date.fromisoformat(entry["again"])


def _days_from(state_date: date, ticker: str, facts: Facts) -> list[date]:
    """The sessions to ask for where one request has all tickers of an exchange: some old ones, and every new one.

    They are ascending, and those of one ticker's exchange.
    """
    end = facts.horizon.end(ticker)
    span = timedelta(days=4 * facts.recheck_sessions + 20)
    due = _sessions(state_date - span, end, ticker, facts)
    old = recheck_days(due, state_date, facts.recheck_sessions)
    new = [day for day in due if day > state_date]
    return old + new


def _by_date_from(
    windows: Sequence[Window],
    dates: Mapping[str, date],
    facts: Facts,
) -> date | None:
    """From which day on to ask for a session of the whole market, in place of each ticker that was read up to that day
    or later: None where that is no fewer calls, nor as many in fewer requests.
    """
    exchange = facts.horizon.exchange_of(windows[0].ticker)
    if facts.calls_by_date is None or not sessions.has_calendar(exchange):
        return None
    best = None
    requests = len(windows)
    fewest = requests, requests
    begun = min((window.first for window in windows), default=facts.start)
    read_up_to = Counter(dates[window.ticker] for window in windows)
    alone = len(windows)
    for day in sorted(read_up_to, reverse=True):
        alone -= read_up_to[day]
        together = [each for each in _days_from(day, windows[0].ticker, facts) if each >= begun]
        requests = alone + len(together)
        calls = alone + facts.calls_by_date * len(together)
        if together and (calls, requests) < fewest:
            best = day
            fewest = calls, requests
    return best


def _by_date(
    dates: Mapping[str, date],
    entries: Entries,
    days: Sequence[date],
    facts: Facts,
) -> Iterator[Query]:
    """The sessions that tickers are read from together: each those that have begun by then."""
    begun = {}
    for ticker, first in dates.items():
        entry = entries.get(ticker, {})
        begun[ticker] = healing.first_day(entry) if "date" in entry else first

    asked: tuple[str, ...] = ()
    for day in days:
        of_day = tuple(ticker for ticker, first in begun.items() if first <= day)
        if of_day != asked:
            asked = of_day  # mostly the same: one of them is enough to keep
        if asked:
            yield _of_day(asked, day, facts)


def _of_day(
    tickers: tuple[str, ...],
    day: date,
    facts: Facts,
) -> Query:
    return facts.blank._replace(
        tickers=tickers,
        start=day,
        end=day,
    )


def _is_read_again(entry: Entry, facts: Facts) -> bool:
    """Whether the whole history of a ticker's events is asked for: a setting changed, or the start is earlier."""
    if _state_date(entry) is None:
        return False
    return _gap(entry, facts) is not None or _has_changed(entry, facts)


def _first_day_of_events(
    entry: Entry,
    lookback: timedelta,
    facts: Facts,
) -> date | None:
    """From which day on to ask for a ticker's events; None where it was read today."""
    until = _state_date(entry)
    if until is None:
        return facts.start
    if until >= facts.blank.today:
        return None
    since = healing.first_day(entry)
    return max(until - lookback, since)


def _in_spans(query: Query) -> Iterator[Query]:
    """A query for the whole market in parts of a length that memory holds; any other as it is."""
    if not of_market(query.tickers):
        yield query
        return
    first = query.start
    while first <= query.end:
        last = min(query.end, first + MARKET_SPAN)
        yield query._replace(start=first, end=last)
        first = last + DAY
