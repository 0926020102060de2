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

ONE_DAY = timedelta(days=1)

SATURDAY = 5


@lru_cache(maxsize=100)
def _holidays(year: int) -> frozenset[date]:
    # Imported on first use: `spec`, and a sync with nothing to plan, never need a calendar.
    from holidays import financial_holidays

    calendar = financial_holidays("NYSE", years=year)
    return frozenset(calendar)


def is_session(day: date) -> bool:
    """Whether the New York Stock Exchange trades on a day."""
    if day.weekday() >= SATURDAY:
        return False
    return day not in _holidays(day.year)


@lru_cache(maxsize=100)
def between(first: date, last: date) -> tuple[date, ...]:
    """The sessions from `first` to `last`, both inclusive, ascending; empty if `last` is earlier."""
    sessions = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if is_session(day):
            sessions.append(day)
    return tuple(sessions)


def today(now: DateTime) -> date:
    """The calendar day in New York at a moment."""
    return now.in_timezone(ZONE).date()


def last_final(now: DateTime) -> date:
    """The latest session that can no longer change at a moment.

    On a day when New York is closed and another exchange trades, that exchange's bar is read one session later.
    """
    local = now.in_timezone(ZONE)
    day = local.date()
    if local.time() < FINAL_AT:
        day -= ONE_DAY
    return latest(day)


def latest(day: date) -> date:
    """The latest session on or before a day."""
    while not is_session(day):
        day -= ONE_DAY
    return day
