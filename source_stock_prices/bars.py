"""Which bars of an answer are used, and which of their numbers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from source_stock_prices import sessions
from source_stock_prices.providers.terms import (
    Bar,
    Drop,
    Query,
    is_ticker,
    of_market,
)

TOO_MUCH = 2.0**63
"""No price, volume or count is as large, and no JSON integer beyond it can be written."""

WITHOUT_PRICE = ("open", "high", "low", "vwap")
"""Where a zero is how vendors write that they have none."""

ABOVE_ZERO = (
    *WITHOUT_PRICE,
    "adjusted_close",
    "split_factor",
)

NOT_BELOW_ZERO = (
    "volume",
    "trade_count",
    "dividend",
)


def clean(
    bars: Iterable[Bar],
    query: Query,
    drop: Drop,
    exchange_of: Callable[[str], str | None],
) -> dict[str, list[Bar]]:
    """The bars that can be used, by ticker, one a session, ascending; each other one is dropped.

    A number beside the close that cannot be is None in what is kept. Pages overlap: the same bar twice is one bar.
    """
    kept: defaultdict[str, dict[date, Bar]] = defaultdict(dict)
    start, end = query.start, query.end
    whole_market = of_market(query.tickers)
    for bar in bars:
        if not start <= bar.date <= end:
            drop(bar.ticker, bar.date, "outside the requested window")
            continue
        if bar.close is None:
            drop(bar.ticker, bar.date, "no closing price")
            continue
        if not 0 < bar.close < TOO_MUCH:
            drop(bar.ticker, bar.date, "an impossible closing price")
            continue
        if whole_market and not is_ticker(bar.ticker):
            drop(bar.ticker, bar.date, "no exchange has such a ticker")
            continue
        if not is_usual(bar):
            bar = without_odd_numbers(bar, drop)
        if not bar.volume and was_closed(bar, exchange_of(bar.ticker)):
            drop(bar.ticker, bar.date, "no trading on that day")
            continue
        days = kept[bar.ticker]
        other = days.setdefault(bar.date, bar)
        if other is not bar and other != bar:
            days[bar.date] = chosen(other, bar, drop)
    found = {}
    for ticker in sorted(kept):
        days = kept[ticker]
        found[ticker] = [days[day] for day in sorted(days)]
    return found


def is_usual(bar: Bar) -> bool:
    """Whether a bar has all five numbers of a session, and every number that it has can be."""
    _, _, _, opened, high, low, volume, vwap, count, adjusted, dividend, split, _ = bar
    try:
        return (
            0 < opened < TOO_MUCH  # type: ignore[operator]
            and 0 < high < TOO_MUCH  # type: ignore[operator]
            and 0 < low < TOO_MUCH  # type: ignore[operator]
            and 0 <= volume < TOO_MUCH  # type: ignore[operator]
            and (vwap is None or 0 < vwap < TOO_MUCH)
            and (count is None or 0 <= count < TOO_MUCH)
            and (adjusted is None or 0 < adjusted < TOO_MUCH)
            and (dividend is None or 0 <= dividend < TOO_MUCH)
            and (split is None or 0 < split < TOO_MUCH)
        )
    except TypeError:
        return False


def without_odd_numbers(bar: Bar, drop: Drop) -> Bar:
    """The bar with None for each number beside the close that cannot be: an odd side field costs itself."""
    odd = _odd_numbers(bar)
    if not odd:
        return bar
    for field in odd:
        value = getattr(bar, field)
        if value != 0 or field not in WITHOUT_PRICE:
            drop(bar.ticker, bar.date, "is impossible", field)
    nothing: dict[str, Any] = dict.fromkeys(odd)
    return bar._replace(**nothing)


def _odd_numbers(bar: Bar) -> list[str]:
    odd = []
    for field in ABOVE_ZERO:
        value = getattr(bar, field)
        if value is not None and not 0 < value < TOO_MUCH:
            odd.append(field)
    for field in NOT_BELOW_ZERO:
        value = getattr(bar, field)
        if value is not None and not 0 <= value < TOO_MUCH:
            odd.append(field)
    return odd


def was_closed(bar: Bar, exchange: str | None) -> bool:
    """Whether the exchange of a bar without volume was closed on its day, so that it is no session's.

    The calendars of other exchanges than New York's are less sure, and where there is none only weekends are known,
    on some of which some exchanges trade: there, a row without a volume of zero has to be without an open, too.
    """
    if exchange == sessions.NEW_YORK:
        return not sessions.is_session(bar.date)
    if sessions.has_calendar(exchange):
        is_open = sessions.is_session(bar.date, exchange)
    else:
        is_open = bar.date.weekday() < sessions.SATURDAY
    return not is_open and (bar.volume == 0 or bar.open is None)


def chosen(
    first: Bar,
    second: Bar,
    drop: Drop,
) -> Bar:
    """Which of two bars of one session counts: the one that traded, else that with more fields, else the later one."""
    winner = second
    loser = first
    if _weight(first) > _weight(second):
        winner = first
        loser = second
    for ours, theirs in zip(winner, loser, strict=True):
        if None not in (ours, theirs) and ours != theirs:
            drop(loser.ticker, loser.date, "a conflicting duplicate")
            break
    return winner


def _weight(bar: Bar) -> tuple[int, int]:
    """A volume speaks for a bar, none says nothing, and one of zero is that of a stand-in."""
    if bar.volume is None:
        traded = 1
    elif bar.volume > 0:
        traded = 2
    else:
        traded = 0
    fields = [value for value in bar if value is not None]
    return traded, len(fields)


JUMP = 1.8
"""A close so many times the one before, or so small a part of it, is reported: as after a split of 2 for 1 that a day's
own move makes a little smaller."""


def jumps(bars: Iterable[Bar], last: dict[str, Bar]) -> Iterator[tuple[Bar, float]]:
    """The bars, ascending by day within a ticker, whose close is far from the one before, with that close.

    A bar with a split in its row is none of them. `last` has each ticker's last bar of what was emitted before, and is
    kept up to date. An older bar, of a history that is read after the newest bars, is not compared with it.
    """
    previous: Bar | None = None
    for bar in bars:
        if previous is None or bar.ticker != previous.ticker:
            if previous:
                last[previous.ticker] = previous
            previous = last.get(bar.ticker)
            if previous and previous.date >= bar.date:
                previous = None
        before = previous.close if previous else None
        if before and not _is_near(bar.close, before) and bar.split_factor in (None, 0, 1):
            yield bar, before
        previous = bar
    if previous:
        last[previous.ticker] = previous


def _is_near(close: float | None, before: float) -> bool:
    return before / JUMP < (close or 0.0) < before * JUMP
