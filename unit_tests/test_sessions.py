"""Which sessions are final, and when."""

from datetime import date, timedelta

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import sessions

MOMENTS = st.datetimes(
    min_value=pendulum.naive(2010, 1, 1), max_value=pendulum.naive(2035, 1, 1), timezones=st.just(pendulum.UTC)
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
