"""Which bars of an answer can be true. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from source_stock_prices.providers.base import Bar, Query

ROUNDING = 0.001
"""How far, of itself, an open or close may lie outside low and high: vendors round adjusted prices one by one."""


def clean(bars: Iterable[Bar], query: Query, drop: Callable[[str], None]) -> list[Bar]:
    """The bars that can be true, one a ticker and session, ascending within a ticker; each other one is dropped."""
    kept: dict[tuple[str, date], Bar] = {}
    for bar in bars:
        key = bar.ticker, bar.date
        if not query.start <= bar.date <= query.end:
            drop("outside the window asked for")
        elif bar.close is None:
            drop("without a close")
        elif not is_possible(bar := without_zeros(bar)):
            drop("with prices or a volume that cannot be")
        elif key in kept:
            drop("for a session already read")
        else:
            kept[key] = bar
    return [kept[key] for key in sorted(kept)]


def without_zeros(bar: Bar) -> Bar:
    """The bar with None for an open, high, low or vwap of zero, which is how vendors write that they have none."""
    zeros: dict[str, Any] = {name: None for name in ("open", "high", "low", "vwap") if getattr(bar, name) == 0}
    return bar._replace(**zeros) if zeros else bar


def is_possible(bar: Bar) -> bool:
    """Whether the numbers of a bar agree: prices above zero, open and close between low and high but for rounding."""
    ends = [price for price in (bar.open, bar.close) if price is not None]
    prices = [price for price in (bar.high, bar.low, bar.vwap) if price is not None] + ends
    counts = [count for count in (bar.volume, bar.trade_count, bar.dividend, bar.split_factor) if count is not None]
    return (
        min(prices) > 0
        and min(counts, default=0) >= 0
        and (bar.low is None or bar.low * (1 - ROUNDING) <= min(ends))
        and (bar.high is None or bar.high * (1 + ROUNDING) >= max(ends))
    )
