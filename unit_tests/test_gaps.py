"""Which missing sessions a person is told of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import pytest

from source_stock_prices import sessions
from source_stock_prices.findings import When, lines
from source_stock_prices.gaps import Gaps
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import RAW, Bar, Query

SAMPLE = PROVIDERS["sample"]()
START, END = date(2026, 11, 2), date(2026, 11, 20)  # a Monday, and the Friday of the third week
QUERY = Query(("AAPL",), START, END, RAW, END)
NOVEMBER = (2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20)


def day(number: int) -> date:
    return date(2026, 11, number)


def bars(*numbers: int, ticker: str = "AAPL") -> list[Bar]:
    """The bars of some days of November."""
    return [Bar(ticker, day(number), 1.0) for number in numbers]


def without(*numbers: int) -> list[int]:
    return [number for number in NOVEMBER if number not in numbers]


def told(gaps: Gaps) -> list[str]:
    """What the log says of gaps."""
    return list(lines(gaps.findings(), When.AT_THE_END, SAMPLE.title))


def first_read(served: Sequence[Bar], ticker: str = "AAPL", start: date = START) -> list[str]:
    """The lines after a ticker was read for the first time."""
    gaps = Gaps(SAMPLE, start)
    gaps.read(QUERY._replace(start=start), ticker, served, is_new=True)
    return told(gaps)


def read_on(known: Collection[int], served: Sequence[Bar], start: int, window_start: int) -> list[str]:
    """The lines after a ticker was read on from the 13th, whose window now begins with another day."""
    gaps = Gaps(SAMPLE, START)
    query = QUERY._replace(start=day(start))
    gaps.read_on(query, "AAPL", served, {day(number) for number in known}, day(13))
    gaps.given_up("AAPL", day(window_start))
    return told(gaps)


def test_it_says_nothing_of_a_whole_history() -> None:
    """A log that always warns is not read."""
    assert first_read(bars(*NOVEMBER)) == []


def test_it_tells_of_sessions_between_two_bars() -> None:
    """The vendor lost them, or the ticker did not trade: somebody has to look."""
    (line,) = first_read(bars(*without(4, 11)))
    assert "has no bar for 2 sessions of 1 ticker: AAPL 2026-11-04, AAPL 2026-11-11." in line
    assert "asked for again as long as they are recent" in line


def test_it_takes_the_days_before_the_first_bar_for_those_before_the_listing() -> None:
    """They are no gap. Many of them are told of, for the plan may reach back less than the start."""
    assert first_read(bars(*without(2, 3, 4))) == []
    (line,) = first_read(bars(17, 18, 19, 20))
    assert line.endswith("data starts later than 2026-11-02: AAPL (2026-11-17).")


def test_it_takes_a_few_days_after_the_last_bar_for_those_still_to_come() -> None:
    """The vendor may be late; a ticker that has none for longer than any exchange is closed is told of."""
    assert first_read(bars(*without(18, 19, 20))) == []
    (line,) = first_read(bars(2, 3))
    assert "has no bar for 13 sessions of 1 ticker: AAPL 2026-11-04, AAPL 2026-11-05, AAPL 2026-11-06." in line


def test_it_tells_of_a_ticker_without_bars() -> None:
    """It is a typo more often than not, and an empty answer is no error."""
    (line,) = first_read([])
    assert "has no bars for AAPL since 2026-11-02. Check the spelling" in line


def test_it_joins_the_windows_of_a_ticker() -> None:
    """Where a request has one session, the day after the last bar is a gap as soon as another bar follows."""
    gaps = Gaps(SAMPLE, START)
    for number in NOVEMBER:
        query = QUERY._replace(start=day(number), end=day(number))
        gaps.read(query, "AAPL", bars(number) if number != 4 else [], is_new=True)
    (line,) = told(gaps)
    assert "1 session of 1 ticker: AAPL 2026-11-04." in line


# Reading on


def test_it_tells_of_a_new_hole_in_the_sync_that_meets_it() -> None:
    """And not of older ones, which the sync before told of."""
    (line,) = read_on(known=[9, 10, 12, 13], served=bars(9, 10, 12, 13, 16, 18, 19, 20), start=9, window_start=9)
    assert "has no bar for 1 session of 1 ticker: AAPL 2026-11-17." in line


def test_it_tells_of_a_hole_that_is_given_up() -> None:
    """From then on nobody asks for it: it is in the table for good unless the stream is reset."""
    served = bars(9, 10, 12, 13, 16, 17, 18, 19, 20)
    (line,) = read_on(known=[9, 10, 12, 13], served=served, start=9, window_start=12)
    assert (
        "still has no bar for 1 session of 1 ticker: AAPL 2026-11-11. Sessions that old are not asked for any more."
        in line
    )


def test_it_says_nothing_of_a_hole_that_is_asked_for_again() -> None:
    """It was told of when it was met, and the vendor may still fill it."""
    served = bars(9, 10, 12, 13, 16, 17, 18, 19, 20)
    assert read_on(known=[9, 10, 12, 13], served=served, start=9, window_start=10) == []


def test_it_says_nothing_of_a_hole_that_was_filled() -> None:
    """This is what the vendor was asked again for."""
    served = bars(9, 10, 11, 12, 13, 16, 17, 18, 19, 20)
    assert read_on(known=[9, 10, 12, 13], served=served, start=9, window_start=16) == []


def test_it_tells_once_of_a_hole_whatever_the_queries_of_a_sync() -> None:
    """Where a request has one session, each of them moves the window."""
    gaps = Gaps(SAMPLE, START)
    known = {day(9), day(10), day(12), day(13)}
    for number in (16, 17, 18):
        query = QUERY._replace(start=day(number), end=day(number))
        gaps.read_on(query, "AAPL", bars(number), known, day(13))
        gaps.given_up("AAPL", day(12))
    (line,) = told(gaps)
    assert "1 session of 1 ticker: AAPL 2026-11-11." in line


def test_it_knows_no_holes_of_an_entry_without_bars() -> None:
    """Older versions remembered a date only: whether the days before it have bars, nobody knows."""
    assert read_on(known=[], served=bars(13, 16, 17, 18, 19, 20), start=13, window_start=16) == []


# An earlier start


@pytest.mark.parametrize(
    ("served", "parts"),
    [
        ([2, 3, 4, 5, 6, 9, 10], []),
        ([2, 3, 5, 6, 9, 10], ["no bar for 1 session of 1 ticker: AAPL 2026-11-04"]),
        ([4, 5, 6, 9, 10], []),
    ],
)
def test_it_looks_at_what_an_earlier_start_adds_as_at_a_first_read(served: list[int], parts: list[str]) -> None:
    """A ticker can be younger than the new start: what is before its first bar is no gap."""
    gaps = Gaps(SAMPLE, START)
    gaps.read_before(QUERY._replace(end=day(10)), "AAPL", bars(*served), day(11))
    said = told(gaps)
    assert len(said) == len(parts)
    assert all(part in line for part, line in zip(parts, said, strict=True))


def test_it_tells_where_a_ticker_begins_when_an_earlier_start_adds_nothing() -> None:
    """It is no typo: it has bars, only none as old."""
    gaps = Gaps(SAMPLE, date(2020, 1, 2))
    gaps.read_before(QUERY._replace(start=date(2020, 1, 2), end=day(10)), "AAPL", [], day(11))
    (line,) = told(gaps)
    assert line.endswith("data starts later than 2020-01-02: AAPL (2026-11-11).")


# Without a calendar


LONDON = "VOD.L"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Gaps:
    """Of a provider none of whose tickers trades in New York."""
    monkeypatch.setattr(type(SAMPLE), "exchange_of", lambda self, ticker: None)
    return Gaps(SAMPLE, START)


def test_it_knows_no_holidays_of_another_exchange(elsewhere: Gaps) -> None:
    """A day without a bar is no gap there: it may have been closed."""
    elsewhere.read(QUERY, LONDON, bars(2, 3, 5, 9, 16, 20, ticker=LONDON), is_new=True)
    assert told(elsewhere) == []


@pytest.mark.parametrize(
    ("served", "span"), [((2, 3, 17, 20), "2026-11-03 to 2026-11-17"), ((2, 3, 4), "2026-11-04 to 2026-11-20")]
)
def test_it_tells_of_a_gap_longer_than_any_exchange_is_closed(
    elsewhere: Gaps, served: Sequence[int], span: str
) -> None:
    """The longest holidays are China's and last eight days."""
    elsewhere.read(QUERY, LONDON, bars(*served, ticker=LONDON), is_new=True)
    (line,) = told(elsewhere)
    assert line.endswith(f"has no bars for longer than any exchange is closed: {LONDON} {span}.")


def test_it_counts_from_the_state_where_a_ticker_is_read_on(elsewhere: Gaps) -> None:
    """The last bar that was read before is where a gap begins."""
    elsewhere.read_on(QUERY, LONDON, [], {day(2), day(6)}, day(6))
    (line,) = told(elsewhere)
    assert f"{LONDON} 2026-11-06 to 2026-11-20" in line


# With the calendar of another exchange


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Gaps:
    """Of a provider all of whose tickers trade in Tokyo, which is closed on the 3rd and the 23rd."""
    monkeypatch.setattr(type(SAMPLE), "exchange_of", lambda self, ticker: "XTKS")
    return Gaps(SAMPLE, START)


def test_it_tells_of_sessions_of_another_exchange(tokyo: Gaps) -> None:
    """A holiday there is no gap, whatever New York does on it."""
    tokyo.read(QUERY, LONDON, bars(*without(3, 11), ticker=LONDON), is_new=True)
    (line,) = told(tokyo)
    assert f"has no bar for 1 session of 1 ticker: {LONDON} 2026-11-11." in line


def test_it_tells_of_a_hole_of_another_exchange_that_is_given_up(tokyo: Gaps) -> None:
    """As in New York."""
    served = bars(9, 10, 12, 13, 16, 17, 18, 19, 20, ticker=LONDON)
    tokyo.read_on(QUERY._replace(start=day(9)), LONDON, served, {day(9), day(10), day(12), day(13)}, day(13))
    tokyo.given_up(LONDON, day(12))
    (line,) = told(tokyo)
    assert f"still has no bar for 1 session of 1 ticker: {LONDON} 2026-11-11." in line


def of_tokyo(first: date, last: date, *without: date) -> list[Bar]:
    """The bars of Tokyo's sessions but some."""
    days = sessions.between(first, last, "XTKS")
    return [Bar(LONDON, day, 1.0) for day in days if day not in without]


def test_it_tells_of_long_gaps_alone_where_a_calendar_does_not_reach(tokyo: Gaps) -> None:
    """Tokyo's holidays before 1997 are not known: each would look like a hole. Those since then are."""
    start, end = date(1996, 12, 2), date(1997, 1, 31)
    before = [Bar(LONDON, day, 1.0) for day in (start, date(1996, 12, 9), date(1996, 12, 30))]
    since = of_tokyo(date(1997, 1, 1), end, date(1997, 1, 8))
    tokyo.read(QUERY._replace(start=start, end=end), LONDON, [*before, *since], is_new=True)
    hole, long_gap = told(tokyo)
    assert f"has no bar for 1 session of 1 ticker: {LONDON} 1997-01-08." in hole
    assert long_gap.endswith(f"longer than any exchange is closed: {LONDON} 1996-12-09 to 1996-12-30.")


def test_it_knows_a_long_closure_though_a_calendar_does_not_reach_the_whole_window(tokyo: Gaps) -> None:
    """In 2019 the emperor's accession closed Tokyo for ten days."""
    start, end = date(1996, 12, 27), date(2019, 5, 31)
    served = [Bar(LONDON, start, 1.0), *of_tokyo(date(1997, 1, 1), end)]
    tokyo.read(QUERY._replace(start=start, end=end), LONDON, served, is_new=True)
    assert told(tokyo) == []


@pytest.mark.parametrize("end", [date(2026, 12, 31), date(2027, 1, 29)])
def test_it_tells_of_sessions_up_to_where_a_calendar_ends(monkeypatch: pytest.MonkeyPatch, end: date) -> None:
    """Shanghai's holidays are published a year ahead. After that, only long gaps are told."""
    monkeypatch.setattr(type(SAMPLE), "exchange_of", lambda self, ticker: "XSHG")
    monkeypatch.setattr(sessions, "_range", lambda exchange: (date(1990, 12, 3), date(2026, 12, 31)))
    days = [*sessions.between(date(2026, 12, 15), date(2026, 12, 31), "XSHG"), date(2027, 1, 4), date(2027, 1, 29)]
    served = [Bar(LONDON, day, 1.0) for day in days if day <= end and day != date(2026, 12, 22)]
    gaps = Gaps(SAMPLE, START)
    gaps.read_on(
        QUERY._replace(start=date(2026, 12, 1), end=end), LONDON, served, {date(2026, 12, 14)}, date(2026, 12, 14)
    )
    hole, *long_gaps = told(gaps)
    assert f"has no bar for 1 session of 1 ticker: {LONDON} 2026-12-22." in hole
    assert len(long_gaps) == (end.year == 2027)
