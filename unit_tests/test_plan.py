"""What has to be asked, from what the state remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import combinations, pairwise
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import healing, plan, sessions
from source_stock_prices.plan import Facts
from source_stock_prices.providers.terms import ANY, RAW, Query
from source_stock_prices.recheck import recheck_days
from unit_tests.horizons import Until

START, END = date(2026, 11, 2), date(2026, 11, 20)  # a Monday, and the Friday of the third week
DAY = timedelta(days=1)
BLANK = Query((), START, END, RAW, END)
FACTS = Facts(BLANK, Until(END), START, provider="massive")
BY_DATE = FACTS._replace(calls_by_date=1)

DAYS = st.dates(min_value=START - timedelta(days=30), max_value=END + timedelta(days=30))
UP_TO_END = st.dates(min_value=START - timedelta(days=30), max_value=END)


def seen(day: date, since: date = date(2026, 1, 2), **more: Any) -> dict[str, Any]:
    """An entry of the state."""
    return {
        "date": day.isoformat(),
        "price": 1.0,
        "adjustment": RAW,
        "provider": "massive",
        "since": since.isoformat(),
        **more,
    }


def november(*days: int) -> list[date]:
    return [date(2026, 11, day) for day in days]


def is_by_date(query: Query) -> bool:
    return len(query.tickers) > 1


def windows(queries: Iterable[Query]) -> list[tuple[str, date, date]]:
    """What is asked of each ticker, in order."""
    return [(ticker, query.start, query.end) for query in queries for ticker in query.tickers]


def days(queries: Iterable[Query]) -> list[date]:
    """The sessions that are asked for, in order."""
    found = []
    for query in queries:
        assert query.start == query.end
        found.append(query.start)
    return found


# Prices of named tickers


def test_it_asks_for_a_new_ticker_from_the_start_date() -> None:
    """A ticker added later gets its whole history, whatever the others' states are."""
    queries = plan.price_queries(("AAPL", "MSFT"), {"AAPL": seen(date(2026, 11, 19))}, FACTS)
    assert ("MSFT", START, END) in windows(queries)
    assert len(queries) == 2


@pytest.mark.parametrize(
    ("recheck_sessions", "first"),
    [(0, date(2026, 11, 19)), (1, date(2026, 11, 18)), (4, date(2026, 11, 13)), (10, date(2026, 11, 5))],
)
def test_it_asks_again_for_the_sessions_of_the_recheck_window(recheck_sessions: int, first: date) -> None:
    """They cost no further request, and show what the vendor changed since."""
    facts = FACTS._replace(recheck_sessions=recheck_sessions)
    queries = plan.price_queries(("AAPL",), {"AAPL": seen(date(2026, 11, 19))}, facts)
    assert windows(queries) == [("AAPL", first, END)]


@pytest.mark.parametrize(
    ("since", "bound", "first"),
    [
        (date(2026, 11, 12), None, date(2026, 11, 12)),
        (date(2026, 1, 2), date(2026, 11, 16), date(2026, 11, 5)),
    ],
)
def test_it_asks_again_for_nothing_before_the_history_begins(since: date, bound: date | None, first: date) -> None:
    """What was never read cannot have changed. A start that was moved later takes nothing out of the table."""
    entries = {"AAPL": seen(date(2026, 11, 19), since)}
    assert windows(plan.price_queries(("AAPL",), entries, FACTS._replace(bound=bound))) == [("AAPL", first, END)]


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), DAYS.map(seen)), st.integers(0, 60))
def test_it_asks_for_every_day_that_can_be_new_and_for_no_ticker_without_one(
    entries: dict[str, dict[str, Any]], recheck_sessions: int
) -> None:
    """Nothing is lost and nothing is paid for twice: each window reaches from the last bar, or before, to the end."""
    facts = FACTS._replace(recheck_sessions=recheck_sessions)
    queries = plan.price_queries(("A", "B", "C"), entries, facts)
    asked = {ticker: (first, last) for ticker, first, last in windows(queries)}
    assert len(asked) == len(queries)
    for ticker in ("A", "B", "C"):
        last = date.fromisoformat(entries[ticker]["date"]) if ticker in entries else None
        if last is None:
            assert asked[ticker] == (START, END)
        elif last < END:
            first, end = asked[ticker]
            assert end == END
            assert len(sessions.between(first, last)) == recheck_sessions + 1 or first == last
        else:
            assert ticker not in asked


def test_it_asks_for_nothing_where_the_start_is_still_to_come() -> None:
    """A window that ends before it begins would be refused by some vendors, and cost a request with all."""
    assert plan.price_queries(("AAPL",), {}, FACTS._replace(start=END + DAY)) == []


@pytest.mark.parametrize("change", [{"adjustment": "all"}, {"provider": "tiingo"}])
def test_it_asks_for_the_whole_history_where_a_setting_changed(change: dict[str, str]) -> None:
    """Half a series of one scale and half of another looks like a crash. No second query brings a key twice."""
    entries = {"AAPL": seen(date(2026, 11, 19), date(2020, 1, 2), **change)}
    assert windows(plan.price_queries(("AAPL",), entries, FACTS)) == [("AAPL", date(2020, 1, 2), END)]
    later = FACTS._replace(bound=date(2024, 1, 2))
    assert windows(plan.price_queries(("AAPL",), entries, later)) == [("AAPL", date(2020, 1, 2), END)]
    earlier = FACTS._replace(bound=date(2019, 1, 2))
    assert windows(plan.price_queries(("AAPL",), entries, earlier)) == [("AAPL", date(2019, 1, 2), END)]


def test_it_reads_a_history_again_up_to_the_state_where_the_end_is_earlier() -> None:
    """An end date that the user moved back leaves later rows in the table, which need the new scale as well."""
    entries = {"AAPL": seen(END, date(2020, 1, 2), adjustment="all")}
    facts = FACTS._replace(horizon=Until(date(2026, 11, 10)))
    assert windows(plan.price_queries(("AAPL",), entries, facts)) == [("AAPL", date(2020, 1, 2), END)]


@pytest.mark.parametrize("state_date", [date(2026, 11, 19), END])
def test_it_asks_only_for_what_an_earlier_start_adds(state_date: date) -> None:
    """All the rest is in the table, and the new bars come first: they are what a dashboard waits for."""
    entries = {"AAPL": seen(state_date, date(2020, 1, 2))}
    queries = plan.price_queries(("AAPL",), entries, FACTS._replace(bound=date(2019, 1, 2)))
    assert windows(queries)[-1] == ("AAPL", date(2019, 1, 2), date(2020, 1, 1))
    assert len(queries) == 1 + (state_date < END)


def test_it_asks_for_what_an_earlier_start_adds_where_a_history_is_to_be_read_again() -> None:
    """Not in the next sync only. It comes after every reread, for one of the whole history has it as well."""
    entries = {"AAPL": seen(END, date(2026, 11, 12)), "MSFT": seen(END, date(2026, 11, 12), again=True)}
    facts = FACTS._replace(bound=date(2026, 10, 1), tickers_per_request=9)
    queries = plan.price_queries(("AAPL", "MSFT"), entries, facts)
    gap = date(2026, 10, 1), date(2026, 11, 11)
    assert windows(queries) == [("MSFT", date(2026, 11, 12), END), ("AAPL", *gap), ("MSFT", *gap)]


def test_it_asks_for_nothing_while_the_state_is_in_the_future() -> None:
    """Reading it again, or before it, would move a state that somebody set."""
    entries = {"AAPL": seen(END + DAY, adjustment="all"), "MSFT": seen(END + DAY)}
    assert plan.price_queries(("AAPL", "MSFT"), entries, FACTS._replace(bound=date(2019, 1, 2))) == []


def test_it_asks_first_for_what_is_unread_the_longest_and_last_for_what_failed() -> None:
    """A quota that ends half-way then brings each ticker its turn."""
    entries = {
        "A": seen(date(2026, 11, 19)),
        "B": seen(date(2026, 11, 17)),
        "C": seen(date(2026, 11, 10), failed=True, tried="2026-11-19"),
        "E": {"failed": True, "tried": "2026-11-18"},
    }
    queries = plan.price_queries(("A", "B", "C", "D", "E"), entries, FACTS)
    assert [ticker for ticker, _, _ in windows(queries)] == ["D", "B", "E", "A", "C"]


@given(st.lists(UP_TO_END, max_size=300), st.integers(1, 100))
def test_it_asks_together_for_tickers_with_the_same_window(firsts: list[date], most: int) -> None:
    """One request for many tickers, each asked for once, within the vendor's limit and what fits in memory."""
    asked = [plan.Window(f"T{n}", first, END) for n, first in enumerate(firsts)]
    queries = plan.batches(asked, FACTS._replace(tickers_per_request=most))
    assert sorted(windows(queries)) == sorted(asked)
    for query in queries:
        assert query == BLANK._replace(tickers=query.tickers, start=query.start)
        assert len(query.tickers) <= most
        span = (END - query.start).days + 1
        assert len(query.tickers) == 1 or len(query.tickers) * span <= plan.BARS_A_QUERY


def test_it_keeps_the_windows_of_two_ends_apart() -> None:
    """A history that is read again and a gap before it can begin on the same day."""
    asked = [plan.Window("A", START, END), plan.Window("B", START, END - DAY)]
    assert windows(plan.batches(asked, FACTS._replace(tickers_per_request=9))) == asked


@given(st.integers(1, 3000), st.integers(0, 10_000_000))
def test_it_cuts_a_sync_into_few_slices(count: int, state_bytes: int) -> None:
    """Each slice ends in a STATE that repeats every ticker: more than a few would outweigh the records."""
    slices = ceil(count / plan.slice_size(count, state_bytes))
    assert 0 < slices <= healing.MAX_STATES
    assert slices == 1 or slices * state_bytes <= healing.MAX_STATE_BYTES


# Named tickers, from sessions of the whole market


def needed(state_date: date, recheck_sessions: int) -> set[date]:
    """The sessions that a ticker needs if it is read by date: those to recheck, and the new ones."""
    due = sessions.between(date(2026, 1, 2), END)
    return set(recheck_days(due, state_date, recheck_sessions)) | {day for day in due if day > state_date}


@given(st.lists(UP_TO_END, max_size=9), st.sampled_from([0, 1, 10, 20]))
def test_it_asks_for_the_whole_market_by_date_wherever_that_is_fewer(dates: list[date], recheck_sessions: int) -> None:
    """No choice of the tickers that are asked for alone takes fewer requests, sessions to recheck included."""
    entries = {f"T{n}": seen(day) for n, day in enumerate(dates)}
    unread = {ticker: day for ticker, day in zip(entries, dates, strict=True) if day < END}

    def requests(together: Iterable[str]) -> int:
        asked: set[date] = set().union(*(needed(unread[ticker], recheck_sessions) for ticker in together))
        oldest = min((unread[ticker] for ticker in together), default=END)
        asked -= {day for day in asked if day < oldest} - needed(oldest, recheck_sessions)
        return len(asked) + len(unread) - len(list(together))

    choices = [chosen for size in range(len(unread) + 1) for chosen in combinations(unread, size)]
    facts = BY_DATE._replace(recheck_sessions=recheck_sessions)
    queries = plan.price_queries(tuple(entries), entries, facts)
    assert len(queries) == min(map(requests, choices))
    alone = {query.ticker for query in queries if not is_by_date(query)}
    for query in queries:
        if is_by_date(query):
            assert query.start == query.end
            assert set(query.tickers) == unread.keys() - alone


def test_it_reads_a_thousand_tickers_with_five_requests_a_day() -> None:
    """The new session, and those of the ages 1, 2, 4 and 8, as they are on the new session's day."""
    tickers = tuple(f"T{n}" for n in range(1000))
    entries = {ticker: seen(date(2026, 11, 19)) for ticker in tickers}
    queries = plan.price_queries(tickers, entries, BY_DATE)
    assert days(queries) == november(10, 16, 18, 19, 20)
    assert all(query.tickers == tickers for query in queries)


def test_it_asks_of_a_session_only_the_tickers_whose_history_has_begun() -> None:
    """A bar before the start would be a row that no other sync brings, or keeps right."""
    entries = {f"OLD{n}": seen(date(2026, 11, 19)) for n in range(9)}
    entries |= {f"LATE{n}": seen(date(2026, 11, 19), date(2026, 11, 18)) for n in range(9)}
    for query in plan.price_queries(tuple(entries), entries, BY_DATE):
        late = [ticker for ticker in query.tickers if ticker.startswith("LATE")]
        assert len(query.tickers) - len(late) == 9
        assert len(late) == (9 if query.start >= date(2026, 11, 18) else 0)


def test_it_asks_for_new_tickers_by_date_where_their_history_is_short() -> None:
    """Three sessions are three requests; a hundred tickers would be a hundred."""
    tickers = tuple(f"T{n}" for n in range(100))
    queries = plan.price_queries(tickers, {}, BY_DATE._replace(start=date(2026, 11, 17)))
    assert days(queries) == november(17, 18, 19, 20)


def test_it_rechecks_sessions_before_a_start_that_was_moved_later() -> None:
    """Their rows are in the table, and can be corrected like others."""
    entries = {f"T{n}": seen(date(2026, 11, 19)) for n in range(99)}
    queries = plan.price_queries(tuple(entries), entries, BY_DATE._replace(bound=date(2026, 11, 17)))
    assert days(queries) == november(10, 16, 18, 19, 20)


def on_two_exchanges(xetra: int, london: int) -> tuple[tuple[str, ...], dict[str, dict[str, Any]], Facts]:
    """So many tickers of each, and a vendor whose plan counts a day of an exchange as a hundred calls."""
    tickers = [f"T{n}.XETRA" for n in range(xetra)] + [f"T{n}.LSE" for n in range(london)]
    entries = {ticker: seen(date(2026, 11, 19)) for ticker in tickers}
    facts = FACTS._replace(calls_by_date=100, market_of=lambda ticker: ticker.rpartition(".")[2])
    return tuple(tickers), entries, facts


@pytest.mark.parametrize(("count", "requests"), [(499, 499), (500, 5), (5000, 5)])
def test_it_asks_by_date_once_that_is_fewer_calls_of_the_plan(count: int, requests: int) -> None:
    """A request less is no gain where it costs a hundred. Of as many calls, the fewest requests."""
    tickers, entries, facts = on_two_exchanges(count, 0)
    assert len(plan.price_queries(tickers, entries, facts)) == requests


def test_it_weighs_each_exchange_by_itself() -> None:
    """A request by date has one of them."""
    tickers, entries, facts = on_two_exchanges(600, 400)
    queries = plan.price_queries(tickers, entries, facts)
    alone = [query.ticker for query in queries if not is_by_date(query)]
    assert alone == [f"T{n}.LSE" for n in range(400)]
    assert days(query for query in queries if is_by_date(query)) == november(10, 16, 18, 19, 20)


# The whole market


def market(**entries: Any) -> dict[str, Any]:
    return {ANY: entries.pop("market"), **entries}


def test_it_asks_for_every_session_of_a_market_that_was_never_read() -> None:
    """One request has all tickers of a day: weekends and holidays cost none."""
    assert days(plan.market_queries(ANY, {}, FACTS)) == list(sessions.between(START, END))


def test_it_rechecks_nothing_before_the_market_was_read() -> None:
    """A session before the start would be rows that nobody asked for."""
    entries = {ANY: seen(date(2026, 11, 19), date(2026, 11, 17))}
    assert days(plan.market_queries(ANY, entries, FACTS)) == november(18, 19, 20)


def test_it_reads_again_the_tickers_of_the_market_alone() -> None:
    """Those of another exchange wait for its turn."""
    entries = {"*.LSE": seen(date(2026, 11, 20)), "A.LSE": {"again": True}, "B.XETRA": {"again": True}}
    facts = FACTS._replace(market_of=lambda ticker: f"*.{ticker.rpartition('.')[2]}")
    assert [query.tickers for query in plan.market_queries("*.LSE", entries, facts)] == [("A.LSE",)]


@pytest.mark.parametrize(
    ("recheck_sessions", "asked"),
    [(0, (19, 20)), (1, (19, 20)), (2, (18, 19, 20)), (10, (10, 16, 18, 19, 20))],
)
def test_it_asks_again_for_few_sessions_of_a_market(recheck_sessions: int, asked: tuple[int, ...]) -> None:
    """Here each costs a request: those of the ages 1, 2, 4, 8 are asked for again."""
    entries = market(market=seen(date(2026, 11, 19)))
    assert days(plan.market_queries(ANY, entries, FACTS._replace(recheck_sessions=recheck_sessions))) == november(
        *asked
    )


@pytest.mark.parametrize("state_date", [END, END + DAY])
def test_it_asks_for_no_session_of_a_market_that_is_read(state_date: date) -> None:
    """Nothing new can exist, and a state in the future stays what it is."""
    assert plan.market_queries(ANY, market(market=seen(state_date)), FACTS) == []


def test_it_reads_no_market_again_while_its_state_is_in_the_future() -> None:
    """Reading it again, or before it, would move a state that somebody set."""
    entries = market(market=seen(END + DAY, adjustment="all"))
    assert plan.market_queries(ANY, entries, FACTS._replace(bound=date(2019, 1, 2))) == []


def test_it_reads_a_market_again_from_the_newest_session_back_where_a_setting_changed() -> None:
    """The new sessions come first, then the older ones, so that the state can say how far back they were read."""
    entries = market(market=seen(date(2026, 11, 18), date(2026, 11, 12), adjustment="all"))
    assert days(plan.market_queries(ANY, entries, FACTS)) == november(19, 20, 18, 17, 16, 13, 12)
    later = FACTS._replace(bound=date(2026, 11, 16))
    assert days(plan.market_queries(ANY, entries, later)) == november(19, 20, 18, 17, 16, 13, 12)


def test_it_resumes_where_reading_a_market_again_was_interrupted() -> None:
    """A history of years takes more requests than a day's quota has."""
    entries = market(market=seen(END, date(2026, 11, 12), again="2026-11-16"))
    assert days(plan.market_queries(ANY, entries, FACTS)) == november(16, 13, 12)


def test_it_asks_for_what_an_earlier_start_adds_to_a_market_the_newest_first() -> None:
    """The first day ever read then moves back with each of them."""
    entries = market(market=seen(END, date(2026, 11, 5)))
    assert days(plan.market_queries(ANY, entries, FACTS._replace(bound=START))) == november(4, 3, 2)


def test_it_reads_the_histories_that_wait_at_last_each_by_its_ticker() -> None:
    """They were found to be rewritten in a sync that ended before it came to them."""
    entries = market(market=seen(END, date(2026, 11, 5)), AAPL={"again": True}, MSFT={"again": True, "failed": True})
    queries = plan.market_queries(ANY, entries, FACTS)
    assert windows(queries) == [("AAPL", date(2026, 11, 5), END), ("MSFT", date(2026, 11, 5), END)]


# Events


def events(entries: Mapping[str, Any], *, end: date | None = None, **facts: Any) -> list[tuple[str, date, date]]:
    lookback = timedelta(days=30)
    queries = plan.event_queries(
        ("AAPL",), entries, end=end, lookback=lookback, facts=FACTS._replace(**{"bars_per_request": None, **facts})
    )
    return windows(queries)


def test_it_asks_for_events_as_far_as_they_are_announced() -> None:
    """Warehouses want next month's ex-dates now."""
    assert events({}) == [("AAPL", START, END + plan.ANNOUNCED)]
    assert events({}, end=date(2026, 12, 31)) == [("AAPL", START, date(2026, 12, 31))]
    assert events({}, end=START - DAY) == []


def test_it_asks_again_for_the_events_of_the_lookback() -> None:
    """Vendors correct a dividend after its ex-date, but not what was never read."""
    last = END + plan.ANNOUNCED
    assert events({"AAPL": seen(END - DAY)}) == [("AAPL", END - timedelta(days=31), last)]
    assert events({"AAPL": seen(END - DAY, date(2026, 11, 9))}) == [("AAPL", date(2026, 11, 9), last)]


def test_it_asks_for_no_event_twice_a_day() -> None:
    """Events are a few a year: an hourly schedule would spend a quota on them."""
    assert events({"AAPL": seen(END)}) == []


@pytest.mark.parametrize(
    ("change", "bound", "first"),
    [
        ({"provider": "tiingo"}, None, date(2020, 1, 2)),
        ({"provider": "tiingo"}, date(2024, 1, 2), date(2020, 1, 2)),
        ({}, date(2019, 1, 2), date(2019, 1, 2)),
    ],
)
def test_it_asks_for_all_events_where_a_setting_or_the_start_changed(
    change: dict[str, str], bound: date | None, first: date
) -> None:
    """Even on the same day: whoever changed it waits for it."""
    entry = seen(END, date(2020, 1, 2), **change)
    assert events({"AAPL": entry}, bound=bound) == [("AAPL", first, END + plan.ANNOUNCED)]


def test_it_asks_for_events_by_name_where_no_session_has_come_since_the_start() -> None:
    """No request by date would be fewer than any, and nobody would be asked for."""
    sunday = END + 2 * DAY
    facts = BY_DATE._replace(blank=BLANK._replace(today=sunday), start=sunday, bars_per_request=None)
    queries = plan.event_queries(("AAPL", "MSFT", "KO"), {}, end=None, lookback=DAY, facts=facts)
    assert sorted(ticker for ticker, _, _ in windows(queries)) == ["AAPL", "KO", "MSFT"]


def test_it_asks_for_the_events_of_the_whole_market_in_parts_without_a_gap() -> None:
    """A decade of every dividend does not fit into the memory of a small container."""
    queries = plan.event_queries(
        (ANY,), {}, end=None, lookback=DAY, facts=FACTS._replace(start=date(2016, 1, 4), bars_per_request=None)
    )
    assert queries[0].start == date(2016, 1, 4)
    assert queries[-1].end == END + plan.ANNOUNCED
    for query, following in pairwise(queries):
        assert following.start == query.end + DAY
        assert query.end - query.start <= plan.MARKET_SPAN


def by_date(tickers: tuple[str, ...], entries: Mapping[str, Any], **facts: Any) -> list[Query]:
    """The queries for events, from a vendor that has a day of the whole market for the calls of five tickers."""
    served = {"calls_by_date": 5, "recheck_sessions": 64, "bars_per_request": None, "start": date(2020, 1, 2)}
    return plan.event_queries(
        tickers, entries, end=None, lookback=timedelta(days=110), facts=FACTS._replace(**{**served, **facts})
    )


def test_it_asks_for_the_events_of_a_market_by_session_where_a_vendor_has_them_so() -> None:
    """Up to the last session: nothing that is announced is in an answer about a day."""
    assert days(by_date((ANY,), {}, start=date(2026, 11, 13))) == november(13, 16, 17, 18, 19, 20)
    again = days(by_date((ANY,), {ANY: seen(date(2026, 11, 19))}))
    assert [day for day in again if day.month == 11] == november(10, 16, 18, 19, 20)
    assert len(again) == 8
    assert by_date((ANY,), {ANY: seen(END)}) == []


def test_it_asks_for_events_as_is_fewer_calls() -> None:
    """Eight sessions cost as many as forty tickers; a history by session would cost hundreds."""
    few, many = tuple(f"T{n}" for n in range(39)), tuple(f"T{n}" for n in range(40))
    entries = dict.fromkeys(many, seen(date(2026, 11, 19)))
    assert not any(map(is_by_date, by_date(few, entries)))
    assert len(by_date(many, entries)) == 8
    assert windows(by_date(many, {})) == [(ticker, date(2020, 1, 2), END + plan.ANNOUNCED) for ticker in many]
    mixed = by_date((*many, "NEW"), entries)
    assert windows(mixed)[-1] == ("NEW", date(2020, 1, 2), END + plan.ANNOUNCED)
    assert len(mixed) == 9


def test_it_asks_for_no_day_of_events_where_no_session_is_new() -> None:
    """At a weekend, or by the hour."""
    many = tuple(f"T{n}" for n in range(41))
    saturday = BLANK._replace(today=END + DAY)
    assert by_date(many, dict.fromkeys(many, seen(END)), blank=saturday) == []
    assert len(by_date(many[:3], dict.fromkeys(many, seen(END)), blank=saturday)) == 3


def test_it_asks_for_a_history_of_events_by_ticker() -> None:
    """A changed setting, or an earlier start, is one request a ticker."""
    many = tuple(f"T{n}" for n in range(41))
    entries = {**dict.fromkeys(many, seen(END - DAY)), "T7": seen(END - DAY, provider="tiingo")}
    queries = by_date(many, entries)
    assert len(queries) == 9
    assert windows(queries)[-1] == ("T7", date(2026, 1, 2), END + plan.ANNOUNCED)


def remembered(entry: Mapping[str, Any], queries: Iterable[Query], start: date = date(2026, 11, 13)) -> dict[str, Any]:
    """What the state says of the market after some days of events were read."""
    for query in queries:
        until = max(query.end, date.fromisoformat(entry["date"])) if "date" in entry else query.end
        entry = plan.read_by_date(entry, query, until, start, "massive")
    return dict(entry)


def test_it_remembers_up_to_which_day_the_events_of_a_market_were_read() -> None:
    queries = by_date((ANY,), {}, start=date(2026, 11, 13))
    assert remembered({}, queries[:2]) == {"date": "2026-11-16", "since": "2026-11-13", "provider": "massive"}
    before = remembered({}, queries)
    again = by_date((ANY,), {ANY: before}, blank=BLANK._replace(today=END + DAY))
    assert remembered(before, again) == before


def test_it_reads_no_history_of_events_again_that_begins_before_a_session() -> None:
    """The start is a Sunday: that nothing was asked of it is no earlier start."""
    sunday = date(2026, 11, 15)
    many = tuple(f"T{n}" for n in range(41))
    entry = remembered({}, by_date(many, {}, start=sunday, bound=sunday), sunday)
    assert entry["since"] == "2026-11-15"
    monday = BLANK._replace(today=date(2026, 11, 23))
    following = by_date(many, dict.fromkeys(many, entry), bound=sunday, blank=monday, horizon=Until(monday.today))
    assert all(map(is_by_date, following))


@pytest.mark.parametrize("stopped_after", range(8))
def test_it_goes_on_with_an_earlier_history_of_events_where_it_stopped(stopped_after: int) -> None:
    """It is read backwards, so that its first day says how far: a long one takes the quotas of several days."""
    bound = date(2026, 11, 9)
    before = {"date": "2026-11-20", "since": "2026-11-18", "provider": "massive"}
    first = by_date((ANY,), {ANY: before}, bound=bound)[:stopped_after]
    entry = remembered(before, first)
    rest = by_date((ANY,), {ANY: entry}, bound=bound)
    assert days([*first, *rest]) == november(17, 16, 13, 12, 11, 10, 9)
    assert remembered(entry, rest) == {**before, "since": "2026-11-09"}


@pytest.mark.parametrize("stopped_after", range(6))
def test_it_goes_on_with_the_events_of_another_provider_where_it_stopped(stopped_after: int) -> None:
    """What is new comes first, then all the rest, backwards."""
    before = {"date": "2026-11-18", "since": "2026-11-16", "provider": "tiingo"}
    first = by_date((ANY,), {ANY: before})[:stopped_after]
    entry = remembered(before, first)
    rest = by_date((ANY,), {ANY: entry})
    asked = days([*first, *rest])
    assert list(dict.fromkeys(asked)) == november(19, 20, 18, 17, 16)
    assert len(asked) <= 6
    assert remembered(entry, rest) == {"date": "2026-11-20", "since": "2026-11-16", "provider": "massive"}


def test_it_asks_today_what_a_vendor_knows_of_tickers() -> None:
    """A reference has no history."""
    queries = plan.ticker_queries(("A", "B", "C"), FACTS._replace(tickers_per_request=2))
    assert windows(queries) == [("A", END, END), ("B", END, END), ("C", END, END)]
    assert len(queries) == 2
