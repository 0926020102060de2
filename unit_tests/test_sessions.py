"""Which days are sessions, which of them are final, and how far a ticker is read."""

import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_stock_prices import sessions

MOMENTS = st.datetimes(
    min_value=pendulum.naive(2010, 1, 1), max_value=pendulum.naive(2035, 1, 1), timezones=st.just(pendulum.UTC)
).map(pendulum.instance)

OF_A_DECADE = st.datetimes(
    min_value=pendulum.naive(2020, 2, 1), max_value=pendulum.naive(2029, 12, 31), timezones=st.just(pendulum.UTC)
).map(pendulum.instance)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20T20:29:59", "2026-11-19"),  # half a minute early on a Friday
        ("2026-11-20T20:30:00", "2026-11-20"),
        ("2026-11-21T23:00:00", "2026-11-20"),  # Saturday
        ("2026-11-23T12:00:00", "2026-11-20"),  # Monday noon
        ("2026-11-26T21:00:00", "2026-11-25"),  # Thanksgiving
        ("2026-07-03T21:00:00", "2026-07-02"),  # Independence Day, observed on the Friday
        ("2025-01-09T21:00:00", "2025-01-08"),  # closed to mourn a president
        ("2026-03-09T20:30:00", "2026-03-09"),  # first session of daylight saving time
    ],
)
def test_it_calls_a_session_final_from_2030_in_new_york(moment: str, expected: str) -> None:
    """Vendors correct the day's bars until about 20:00 New York; a bar read before that could be wrong for ever."""
    now = pendulum.parse(moment, tz=sessions.ZONE)
    assert isinstance(now, pendulum.DateTime)
    assert sessions.last_final(now) == date.fromisoformat(expected)


@given(MOMENTS)
def test_it_names_the_same_session_in_whatever_zone_the_clock_runs(now: pendulum.DateTime) -> None:
    """Airbyte workers run anywhere; only New York's clock decides."""
    assert sessions.last_final(now.in_timezone("Asia/Tokyo")) == sessions.last_final(now)
    assert sessions.today(now.in_timezone("Pacific/Honolulu")) == sessions.today(now)


@given(MOMENTS)
def test_it_never_calls_a_session_final_that_has_not_closed(now: pendulum.DateTime) -> None:
    """The last final session is a session, not after today, and no more than a long weekend old."""
    final, today = sessions.last_final(now), sessions.today(now)
    assert sessions.is_session(final)
    assert today - timedelta(days=6) <= final <= today


@given(st.dates(min_value=date(2010, 1, 10), max_value=date(2034, 12, 31)))
def test_it_finds_a_session_in_every_ten_days(day: date) -> None:
    """`check` relies on it: ten days without one bar mean that something is wrong."""
    assert day - sessions.latest(day) < timedelta(days=10)


# Other exchanges

CLOSED_IN_2026 = {
    "XETR": "01-01 04-03 04-06 05-01 12-24 12-25 12-31",
    "XLON": "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    "XTKS": "01-01 01-02 01-12 02-11 02-23 03-20 04-29 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03"
    " 11-23 12-31",
    "XTSE": "01-01 02-16 04-03 05-18 07-01 08-03 09-07 10-12 12-25 12-28",
}
"""The weekdays on which each exchange is closed, as it publishes them. Half days are sessions."""


@pytest.mark.parametrize("exchange", CLOSED_IN_2026)
def test_it_knows_the_sessions_of_other_exchanges(exchange: str) -> None:
    """A day that only New York has off is one of their sessions, and their own holidays are none."""
    closed = {date.fromisoformat(f"2026-{day}") for day in CLOSED_IN_2026[exchange].split()}
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    expected = tuple(day for day in days if day.weekday() < 5 and day not in closed)
    assert sessions.between(days[0], days[-1], exchange) == expected


@pytest.mark.parametrize(
    ("exchange", "zone", "moment", "expected"),
    [
        ("XETR", "Europe/Berlin", "2026-11-26T21:59", "2026-11-25"),
        ("XETR", "Europe/Berlin", "2026-11-26T22:00", "2026-11-26"),  # Thanksgiving, in the evening of the same day
        ("XETR", "Europe/Berlin", "2026-12-24T23:00", "2026-12-23"),
        ("XETR", "Europe/Berlin", "2026-03-30T22:00", "2026-03-30"),  # the first session of summer time
        ("XETR", "America/New_York", "2026-10-26T17:00", "2026-10-26"),  # Europe's summer time ends a week before
        ("XETR", "America/New_York", "2026-11-02T15:59", "2026-10-30"),
        ("XLON", "Europe/London", "2026-12-24T20:59", "2026-12-23"),  # a half day is final no earlier
        ("XLON", "Europe/London", "2026-12-24T21:00", "2026-12-24"),
        ("XLON", "Europe/London", "2026-12-28T22:00", "2026-12-24"),
        ("XTKS", "Asia/Tokyo", "2026-11-20T19:59", "2026-11-19"),
        ("XTKS", "Asia/Tokyo", "2026-11-20T20:00", "2026-11-20"),
        ("XTKS", "Asia/Tokyo", "2024-11-01T19:30", "2024-11-01"),  # it closed half an hour earlier until then
        ("XTKS", "America/New_York", "2026-11-22T21:00", "2026-11-20"),  # Monday in Tokyo, a holiday
        ("XTSE", "America/Toronto", "2026-10-12T21:00", "2026-10-09"),  # Thanksgiving in Canada
        ("XTSE", "America/Toronto", "2026-11-26T20:30", "2026-11-26"),
        ("XFRA", "Europe/Berlin", "2026-11-20T23:00", "2026-11-19"),  # the floor closes at 22:00
        ("XFRA", "Europe/Berlin", "2026-11-21T02:30", "2026-11-20"),
        ("XSHE", "Asia/Shanghai", "2026-10-07T23:00", "2026-09-30"),  # as Shanghai, closed for a week
    ],
)
def test_it_calls_a_session_final_some_hours_after_its_own_close(
    exchange: str, zone: str, moment: str, expected: str
) -> None:
    """By the clock of its exchange, be it summer or winter there or here."""
    now = pendulum.parse(moment, tz=zone)
    assert isinstance(now, pendulum.DateTime)
    assert sessions.last_final(now, exchange) == date.fromisoformat(expected)


@given(OF_A_DECADE, st.sampled_from([*CLOSED_IN_2026, "XHKG", "XNZE", "XFRA", "BVMF"]))
@settings(max_examples=50, deadline=None)  # the decade of an exchange is made on first use
def test_it_is_in_the_past_of_new_york_when_a_session_is_final_elsewhere(now: pendulum.DateTime, exchange: str) -> None:
    """A state in the future of New York's day would stop a ticker."""
    final = sessions.last_final(now, exchange)
    assert sessions.is_session(final, exchange)
    assert sessions.today(now) - timedelta(days=12) <= final <= sessions.today(now)


@pytest.mark.parametrize("exchange", [None, "XXXX"])
def test_it_takes_an_exchange_without_a_calendar_for_new_york(exchange: str | None) -> None:
    """A bar may be read late, and none is read too early."""
    now = pendulum.datetime(2026, 11, 26, 22, tz=sessions.ZONE)
    assert not sessions.has_calendar(exchange)
    assert sessions.last_final(now, exchange) == sessions.last_final(now) == date(2026, 11, 25)
    assert sessions.today(now, exchange) == sessions.today(now)


@pytest.mark.parametrize(
    ("exchange", "first", "last"),
    [("XTKS", date(1996, 12, 30), date(1997, 1, 10)), ("XSHG", date(1990, 11, 30), date(1990, 12, 28))],
)
def test_it_knows_where_a_calendar_begins(exchange: str, first: date, last: date) -> None:
    """Before that its weekdays count, and nobody is told that one of them is missing."""
    assert sessions.has_calendar(exchange)
    assert sessions.is_known(last, exchange)
    assert not sessions.is_known(first, exchange)
    begin, end = sessions.known(first, last, exchange) or (None, None)
    assert begin and first < begin < last == end
    assert sessions.known(first, first, exchange) is None
    assert sessions.is_session(first, exchange)


def test_it_reads_no_calendar_but_new_yorks_for_tickers_of_new_york() -> None:
    """The other calendars come with pandas: half a second of every sync."""
    code = "from source_stock_prices import sessions as s; import pendulum, sys; " + (
        "s.Horizon(pendulum.now(), lambda ticker: s.NEW_YORK).end('AAPL'); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


# How far a ticker is read

THANKSGIVING = pendulum.datetime(2026, 11, 26, 17, tz=sessions.ZONE)


def horizon(now: pendulum.DateTime = THANKSGIVING, **more: Any) -> sessions.Horizon:
    exchanges = {"AAPL": "XNYS", "VOW3": "XETR", "7203": "XTKS"}
    return sessions.Horizon(now, exchanges.__getitem__, **more)


def test_it_ends_each_ticker_with_its_own_exchange() -> None:
    """A holiday in New York delays nobody else."""
    ends = {ticker: horizon().end(ticker) for ticker in ("AAPL", "VOW3", "7203")}
    assert ends == {"AAPL": date(2026, 11, 25), "VOW3": date(2026, 11, 26), "7203": date(2026, 11, 26)}


def test_it_ends_with_the_day_that_the_user_wants() -> None:
    assert horizon(wanted=date(2026, 11, 4)).end("VOW3") == date(2026, 11, 4)
    assert horizon(wanted=date(2026, 11, 4)).last_final("VOW3") == date(2026, 11, 26)


def test_it_ends_with_the_session_under_way_where_that_is_wanted() -> None:
    """The day is that of the exchange: in Tokyo Monday begins on New York's Sunday."""
    sunday = pendulum.datetime(2026, 11, 15, 21, tz=sessions.ZONE)
    assert horizon(sunday, with_unfinished=True).end("7203") == date(2026, 11, 16)
    assert horizon(sunday, with_unfinished=True).end("AAPL") == date(2026, 11, 13)
    assert horizon(sunday, with_unfinished=True).last_final("7203") == date(2026, 11, 13)
