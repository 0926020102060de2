"""Which bars of a response can be true. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from source_stock_prices.providers.terms import Bar, Query

NUMBER_LIMIT = 2.0**63
"""No price, volume or count is this large, and not every JSON reader takes a larger integer."""

ROUNDING_TOLERANCE = 0.001
"""The share by which an open or close may lie outside low and high: vendors round adjusted prices one by one."""

ZERO_MEANS_MISSING = ("open", "high", "low", "vwap")


def clean(bars: Iterable[Bar], query: Query, drop: Callable[[str], None]) -> dict[str, list[Bar]]:
    """The bars that can be true: by ticker, one per session, ascending.

    Calls `drop` with the reason for every other bar. An identical duplicate is no reason: pages overlap.
    """
    kept: defaultdict[str, dict[date, Bar]] = defaultdict(dict)
    start, end = query.start, query.end
    for bar in bars:
        if not start <= bar.date <= end:
            drop("outside the requested window")
            continue
        if bar.close is None:
            drop("no closing price")
            continue
        if not is_possible(bar):
            bar = without_zeros(bar)
            if not is_possible(bar):
                drop("impossible prices or volume")
                continue
        first = kept[bar.ticker].setdefault(bar.date, bar)
        if first != bar:
            drop("a conflicting duplicate")
    return {ticker: _ascending(kept[ticker]) for ticker in sorted(kept)}


def _ascending(days: dict[date, Bar]) -> list[Bar]:
    return [days[day] for day in sorted(days)]


def without_zeros(bar: Bar) -> Bar:
    """The bar with None in place of a zero open, high, low or vwap: vendors write zero for a price they lack."""
    missing: dict[str, Any] = {}
    for name in ZERO_MEANS_MISSING:
        if getattr(bar, name) == 0:
            missing[name] = None
    return bar._replace(**missing)


def is_possible(bar: Bar) -> bool:
    """Whether a bar's numbers agree: prices above zero, open and close between low and high except for rounding."""
    # Unpacked, spelled out and not looped over: this runs for every bar.
    (
        _,
        _,
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
    ) = bar
    if not 0 <= (adjusted_close or 0) < NUMBER_LIMIT:
        return False
    if not 0 <= (trade_count or 0) < NUMBER_LIMIT:
        return False
    if not 0 <= (dividend or 0) < NUMBER_LIMIT:
        return False
    if not 0 <= (split_factor or 0) < NUMBER_LIMIT:
        return False
    if vwap is not None and not 0 < vwap < NUMBER_LIMIT:
        return False
    try:  # nearly every bar has all five numbers, in order
        is_in_order = 0 < low <= opened <= high < NUMBER_LIMIT and low <= close <= high  # type: ignore[operator]
        if is_in_order and 0 <= volume < NUMBER_LIMIT:  # type: ignore[operator]
            return True
    except TypeError:
        pass
    return _agree_within_rounding(close, opened, high, low, volume)


def _agree_within_rounding(
    close: float | None,
    opened: float | None,
    high: float | None,
    low: float | None,
    volume: float | None,
) -> bool:
    for number in (close, opened, high, low, volume):
        if number is not None and not 0 <= number < NUMBER_LIMIT:
            return False
    prices = [price for price in (opened, close) if price is not None]
    lowest, highest = min(prices), max(prices)
    if lowest <= 0:
        return False
    if low is not None and not 0 < low * (1 - ROUNDING_TOLERANCE) <= lowest:
        return False
    return high is None or highest <= high * (1 + ROUNDING_TOLERANCE)


JUMP = 10
"""A close so many times the one before, or so small a part of it, is reported: hardly one in a million is real."""


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
