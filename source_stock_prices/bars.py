"""Which bars of an answer can be true. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from source_stock_prices.providers.terms import Bar, Query

TOO_MUCH = 2.0**63
"""No price, volume or count is as large, and no JSON integer beyond it can be written."""

ROUNDING = 0.001
"""How far, of itself, an open or close may lie outside low and high: vendors round adjusted prices one by one."""


def clean(bars: Iterable[Bar], query: Query, drop: Callable[[str], None]) -> dict[str, list[Bar]]:
    """The bars that can be true, by ticker, one a session, ascending; each other one is dropped.

    The same bar twice is one bar: pages overlap.
    """
    kept: defaultdict[str, dict[date, Bar]] = defaultdict(dict)
    start, end = query.start, query.end
    for bar in bars:
        if not start <= bar.date <= end:
            drop("outside the requested window")
        elif bar.close is None:
            drop("no closing price")
        elif not is_possible(bar) and not is_possible(bar := without_zeros(bar)):
            drop("impossible prices or volume")
        elif kept[bar.ticker].setdefault(bar.date, bar) != bar:
            drop("a conflicting duplicate")
    return {ticker: [days[day] for day in sorted(days)] for ticker, days in sorted(kept.items())}


def without_zeros(bar: Bar) -> Bar:
    """The bar with None for an open, high, low or vwap of zero, which is how vendors write that they have none."""
    zeros: dict[str, Any] = {name: None for name in ("open", "high", "low", "vwap") if getattr(bar, name) == 0}
    return bar._replace(**zeros)


def is_possible(bar: Bar) -> bool:
    """Whether the numbers of a bar agree: prices above zero, open and close between low and high but for rounding."""
    _, _, close, opened, high, low, volume, vwap, count, adjusted, dividend, split = bar
    if (
        not 0 <= (adjusted or 0) < TOO_MUCH
        or not 0 <= (count or 0) < TOO_MUCH
        or not 0 <= (dividend or 0) < TOO_MUCH
        or not 0 <= (split or 0) < TOO_MUCH
        or (vwap is not None and not 0 < vwap < TOO_MUCH)
    ):
        return False
    try:  # nearly every bar has all five, in order
        if 0 < low <= opened <= high < TOO_MUCH and low <= close <= high and 0 <= volume < TOO_MUCH:  # type: ignore[operator]
            return True
    except TypeError:
        pass
    if not all(0 <= number < TOO_MUCH for number in (opened, close, low, high, volume) if number is not None):
        return False
    ends = [price for price in (opened, close) if price is not None]
    return (
        min(ends) > 0
        and (low is None or 0 < low * (1 - ROUNDING) <= min(ends))
        and (high is None or max(ends) <= high * (1 + ROUNDING))
    )
