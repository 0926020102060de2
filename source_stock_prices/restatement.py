"""Decides whether a vendor rewrote a ticker's history, from the last bar seen, which every sync reads again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from source_stock_prices.providers.terms import ALL, RAW, Bar

REUSED = 0.2
"""Relative change of a raw price from which the ticker was probably reassigned: corrections are far smaller."""


class Finding(Enum):
    """What happened to the last bar seen."""

    KEPT = "kept"
    RESTATED = "restated"
    GONE = "gone"
    IRRECONCILABLE = "irreconcilable"


class Verdict(NamedTuple):
    """A finding, with the price of the last bar seen in the state and at the vendor now; None if absent."""

    finding: Finding
    was: float | None = None
    now: float | None = None


def judge(seen: Mapping[str, Any], bars: Sequence[Bar], adjustment: str) -> Verdict:
    """Compares what the state keeps of a ticker with its bars from that day on.

    Raw prices are never rewritten. Every split rewrites adjusted prices and, with `all`, so does every dividend: the
    last bar seen changes, or a newer bar carries the event. A state with another adjustment belongs to another history.
    """
    anchor = next((bar for bar in bars if bar.date.isoformat() == seen["date"]), None)
    was, now = seen.get("price"), anchor.close if anchor else None
    if adjustment != RAW and any(_is_event(bar, adjustment) for bar in bars if bar.date.isoformat() > seen["date"]):
        return Verdict(Finding.RESTATED, was, now)
    if was is None:
        return Verdict(Finding.KEPT, was, now)
    if seen.get("adjustment", RAW) != adjustment:
        return Verdict(Finding.RESTATED, was, now)
    if now is None:
        return Verdict(Finding.GONE, was)
    if adjustment == RAW:
        return Verdict(Finding.IRRECONCILABLE if abs(now / was - 1) > REUSED else Finding.KEPT, was, now)
    return Verdict(Finding.RESTATED if moved(was, now) else Finding.KEPT, was, now)


def moved(was: float, now: float) -> bool:
    """Whether a price changed by more than rounding: half a cent, or 0.05 % of a price below ten."""
    return abs(now - was) > min(0.005, 0.0005 * abs(was))


def _is_event(bar: Bar, adjustment: str) -> bool:
    return bar.split_factor not in (None, 0, 1) or (adjustment == ALL and bool(bar.dividend))
