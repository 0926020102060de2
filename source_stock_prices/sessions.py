"""When a daily bar can no longer change, and which days have one."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from pendulum import DateTime, Time

ZONE = "America/New_York"

FINAL_AT = Time(20, 30)
"""The time in New York from which the day's session is final everywhere: vendors say that they correct the day's bars
until about 20:00 there, and every other exchange they serve closes earlier.
"""


@lru_cache(maxsize=100)
def _holidays(year: int) -> frozenset[date]:
    # Imported when first asked: `spec` and a sync with nothing to plan never need a calendar.
    from holidays import financial_holidays

    return frozenset(financial_holidays("NYSE", years=year))


def is_session(day: date) -> bool:
    """Whether the New York Stock Exchange trades on a day."""
    return day.weekday() < 5 and day not in _holidays(day.year)


@lru_cache(maxsize=100)
def between(first: date, last: date) -> tuple[date, ...]:
    """The sessions in a window, both ends inclusive."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(day for day in days if is_session(day))


def today(now: DateTime) -> date:
    """The calendar day in New York at a moment."""
    return now.in_timezone(ZONE).date()


def last_final(now: DateTime) -> date:
    """The latest session that can no longer change at a moment.

    On a day when New York is closed and another exchange trades, that exchange's bar is simply read a session later.
    """
    local = now.in_timezone(ZONE)
    return latest(local.date() if local.time() >= FINAL_AT else local.date() - timedelta(days=1))


def latest(day: date) -> date:
    """The latest session on or before a day."""
    while not is_session(day):
        day -= timedelta(days=1)
    return day
