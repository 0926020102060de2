"""When a daily bar can no longer change, and which days have one, on each exchange.

An exchange is named by its MIC (ISO 10383): XNYS is New York. Of an exchange without a known calendar (None, or a MIC
that the library does not have), the days and the hours of New York count.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from pendulum import DateTime

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

NEW_YORK = "XNYS"
"""The calendar of every exchange in the United States."""

ZONE = "America/New_York"

FINAL_AFTER = timedelta(hours=4, minutes=30)
"""How long after the regular close a session is final: in New York from 20:30, for vendors say that they correct the
day's bars until about 20:00 there.
"""

CLOSES = {
    NEW_YORK: time(16),
    "XFRA": time(22),  # of the floor; the library has Xetra's
}
"""The regular closes that do not come from the library."""

SAME_DAYS = {
    "NEOE": "XTSE",
    "ROCO": "XTAI",
    "XBER": "XHAM",
    "XCNQ": "XTSE",
    "XHAN": "XHAM",
    "XKOS": "XKRX",
    "XMUN": "XHAM",
    "XNSE": "XBOM",
    "XSHE": "XSHG",
    "XSTU": "XHAM",
}
"""Exchanges that the library lacks, and one in the same country that trades on the same days, at least as late."""

ONE_DAY = timedelta(days=1)

SATURDAY = 5

Exchange = str | None


def has_calendar(exchange: Exchange) -> bool:
    """Whether there is a calendar of an exchange."""
    if exchange is None or exchange == NEW_YORK:
        return exchange == NEW_YORK
    return SAME_DAYS.get(exchange, exchange) in _names()


def known(first: date, last: date, exchange: Exchange) -> tuple[date, date] | None:
    """The part of a window that the calendar of an exchange reaches, both ends inclusive; None where there is none."""
    if exchange != NEW_YORK:
        if not has_calendar(exchange):
            return None
        oldest, newest = _range(exchange)
        first = max(first, oldest)
        last = min(last, newest)
    return (first, last) if first <= last else None


def is_known(day: date, exchange: Exchange) -> bool:
    """Whether the calendar of an exchange reaches a day."""
    return known(day, day, exchange) is not None


def is_session(day: date, exchange: Exchange = NEW_YORK) -> bool:
    """Whether an exchange trades on a day. Of days that its calendar does not reach, weekdays count."""
    if exchange == NEW_YORK or not has_calendar(exchange):
        return day.weekday() < SATURDAY and day not in _holidays(day.year)
    if not is_known(day, exchange):
        return day.weekday() < SATURDAY
    return day in _sessions(exchange, day.year // 10)


@lru_cache(maxsize=200)
def between(
    first: date,
    last: date,
    exchange: Exchange = NEW_YORK,
) -> tuple[date, ...]:
    """The sessions from `first` to `last`, both inclusive, ascending; empty if `last` is earlier."""
    sessions = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if is_session(day, exchange):
            sessions.append(day)
    return tuple(sessions)


def latest(day: date, exchange: Exchange = NEW_YORK) -> date:
    """The latest session on or before a day."""
    while not is_session(day, exchange):
        day -= ONE_DAY
    return day


def today(now: DateTime, exchange: Exchange = NEW_YORK) -> date:
    """The calendar day at an exchange at a moment."""
    return now.in_timezone(zone_of(exchange)).date()


def last_final(now: DateTime, exchange: Exchange = NEW_YORK) -> date:
    """The latest session of an exchange that can no longer change at a moment."""
    closed = (now - FINAL_AFTER).in_timezone(zone_of(exchange))
    day = closed.date()
    if closed.time() < close_of(exchange, day):
        day -= ONE_DAY
    return latest(day, exchange)


class Horizon:
    """How far the bars of each ticker can be read at a moment, by the clock and the calendar of its exchange.

    `exchange_of` tells the exchange of a ticker. `wanted` is the last day that the user wants, None for no end.
    """

    def __init__(
        self,
        now: DateTime,
        exchange_of: Callable[[str], Exchange],
        *,
        wanted: date | None = None,
        with_unfinished: bool = False,
    ) -> None:
        self.today = today(now)
        """The calendar day in New York."""
        self.exchange_of = exchange_of
        self._now = now
        self._wanted = wanted or date.max
        self._with_unfinished = with_unfinished
        self._last_final: dict[Exchange, date] = {}
        self._end: dict[Exchange, date] = {}

    def last_final(self, ticker: str) -> date:
        """The last session of a ticker's exchange that can no longer change."""
        exchange = self.exchange_of(ticker)
        if exchange not in self._last_final:
            self._last_final[exchange] = last_final(self._now, exchange)
        return self._last_final[exchange]

    def end(self, ticker: str) -> date:
        """The last day to ask for of a ticker."""
        exchange = self.exchange_of(ticker)
        if exchange not in self._end:
            last = self.last_final(ticker)
            if self._with_unfinished:
                last = latest(today(self._now, exchange), exchange)
            self._end[exchange] = min(self._wanted, last)
        return self._end[exchange]


# The calendars


@lru_cache(maxsize=100)
def _holidays(year: int) -> frozenset[date]:
    """Those of New York."""
    # Imported on first use: `spec`, and a sync with nothing to plan, never need a calendar.
    from holidays import financial_holidays

    calendar = financial_holidays("NYSE", years=year)
    return frozenset(calendar)


def zone_of(exchange: Exchange) -> str:
    """The time zone of an exchange."""
    if exchange == NEW_YORK or not has_calendar(exchange):
        return ZONE
    return str(_library(exchange).tz)


def close_of(exchange: Exchange, day: date) -> time:
    """The regular close on a day, by the exchange's clock."""
    if not has_calendar(exchange):
        exchange = NEW_YORK
    if exchange in CLOSES:
        return CLOSES[exchange]
    close = time.max
    for since, each in _library(exchange).close_times:
        if since is None or since.date() <= day:
            close = each
    return close


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """The exchanges that the library has, New York's among them."""
    from exchange_calendars import get_calendar_names

    return frozenset(get_calendar_names())


@lru_cache(maxsize=100)
def _library(exchange: Exchange) -> ExchangeCalendar:
    """The library's calendar of an exchange, of a year that all its calendars have."""
    # It takes half a second with pandas, and a sync of New York needs neither: there, `holidays` knows the same days.
    from exchange_calendars import get_calendar

    name = SAME_DAYS.get(exchange or "", exchange)
    return get_calendar(name, start="2023-01-01", end="2023-12-31")


@lru_cache(maxsize=100)
def _range(exchange: Exchange) -> tuple[date, date]:
    """The first and the last day that the library knows of an exchange."""
    library = _library(exchange)
    oldest = library.bound_min()
    newest = library.bound_max()
    return (
        oldest.date() if oldest else date(1950, 1, 1),
        newest.date() if newest else date(2199, 12, 31),
    )


@lru_cache(maxsize=100)
def _sessions(exchange: Exchange, decade: int) -> frozenset[date]:
    """The sessions of ten years, as far as the library knows them."""
    oldest, newest = _range(exchange)
    first = max(date(10 * decade, 1, 1), oldest)
    last = min(date(10 * decade + 9, 12, 31), newest)
    calendar = type(_library(exchange))(start=str(first), end=str(last))
    return frozenset(calendar.sessions.date)
