"""Which bars of an answer can be true. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from math import inf
from typing import Any

from source_stock_prices.providers.base import Bar, Query

ROUNDING = 0.001
"""How far, of itself, an open or close may lie outside low and high: vendors round adjusted prices one by one."""


def clean(bars: Iterable[Bar], query: Query, drop: Callable[[str], None]) -> list[Bar]:
    """The bars that can be true, one a ticker and session, ascending within a ticker; each other one is dropped.

    The same bar twice is one bar: pages overlap.
    """
    kept: dict[tuple[str, date], Bar] = {}
    start, end = query.start, query.end
    for bar in bars:
        key = bar[:2]
        if not start <= bar.date <= end:
            drop("outside the window asked for")
        elif bar.close is None:
            drop("without a close")
        elif not is_possible(bar := without_zeros(bar) if 0 in bar[3:8] else bar):
            drop("with prices or a volume that cannot be")
        elif kept.get(key, bar) != bar:
            drop("for a session already read, with other numbers")
        else:
            kept[key] = bar
    return [kept[key] for key in sorted(kept)]


def without_zeros(bar: Bar) -> Bar:
    """The bar with None for an open, high, low or vwap of zero, which is how vendors write that they have none."""
    zeros: dict[str, Any] = {name: None for name in ("open", "high", "low", "vwap") if getattr(bar, name) == 0}
    return bar._replace(**zeros)


def is_possible(bar: Bar) -> bool:
    """Whether the numbers of a bar agree: prices above zero, open and close between low and high but for rounding."""
    _, _, close, opened, high, low, volume, vwap, count, _, dividend, split = bar
    if close is None:
        return False
    opened = close if opened is None else opened
    lowest, highest = (opened, close) if opened < close else (close, opened)
    return (
        (lowest if low is None else low) > 0
        and lowest > 0
        and (low is None or low * (1 - ROUNDING) <= lowest)
        and (high is None or high * (1 + ROUNDING) >= highest)
        and highest < inf
        and (high is None or 0 < high < inf)
        and (vwap is None or 0 < vwap < inf)
        and (volume is None or 0 <= volume < inf)
        and (count or 0) >= 0
        and (dividend or 0) >= 0
        and (split or 0) >= 0
    )
