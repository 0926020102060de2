"""Many tickers judged one session at a time."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import healing, recheck, sessions
from source_stock_prices.prints import print_of
from source_stock_prices.providers.terms import Bar
from source_stock_prices.recheck import Recheck

OLD, MIDDLE, LAST, NEW = (date(2026, 11, day) for day in (11, 17, 20, 23))


def bar(day: date, ticker: str = "AAA", close: float = 400.0, **more: Any) -> Bar:
    return Bar(ticker, day, close, **more)


def known(*bars: Bar) -> dict[date, dict[str, str]]:
    by_session: dict[date, dict[str, str]] = {}
    for each in bars:
        by_session.setdefault(each.date, {})[each.ticker] = print_of(each)
    return by_session


SEEN = [bar(day, ticker) for day in (OLD, MIDDLE, LAST) for ticker in ("AAA", "BBB")]


def rechecked(*seen: Bar, **more: Any) -> Recheck:
    return Recheck(known(*(seen or SEEN)), LAST, NEW, **more)


def test_it_emits_the_session_of_the_states_date_and_new_ones() -> None:
    """What did not change in an older session is in the table already."""
    market = rechecked()
    assert market.judge(OLD, [bar(OLD), bar(OLD, "BBB")]) == ([], [], [], [], [])
    assert market.judge(LAST, [bar(LAST), bar(LAST, "BBB")]).fresh == [bar(LAST), bar(LAST, "BBB")]
    assert market.judge(NEW, [bar(NEW), bar(NEW, "CCC")]) == ([bar(NEW), bar(NEW, "CCC")], [], [], [], [])
    assert market.known == known(*SEEN, bar(NEW), bar(NEW, "CCC"))


def test_it_emits_corrected_and_late_bars_before_the_session_of_the_states_date() -> None:
    """They are held back until it is sure that their ticker is not read again as a whole."""
    market = rechecked(*SEEN[:1], *SEEN[2:])
    late, corrected = bar(OLD, "BBB"), bar(MIDDLE, close=399.0)
    assert market.judge(OLD, [bar(OLD), late]) == ([], [], [], ["BBB"], [])
    assert market.judge(MIDDLE, [corrected, bar(MIDDLE, "BBB")]) == ([], [], ["AAA"], [], [])
    assert market.known[MIDDLE]["AAA"] == print_of(bar(MIDDLE))
    assert market.judge(LAST, SEEN[4:]).fresh == [late, corrected, *SEEN[4:]]
    assert market.known == known(bar(OLD), late, corrected, bar(MIDDLE, "BBB"), *SEEN[4:])


def test_it_reads_a_ticker_again_whose_oldest_bar_moved() -> None:
    """Only the oldest session that both have tells; nothing else of the ticker is emitted or remembered."""
    market = rechecked()
    split = [bar(day, "BBB", 100.0) for day in (OLD, MIDDLE, LAST, NEW)]
    assert market.judge(OLD, [bar(OLD), split[0]]).rewritten == ["BBB"]
    assert market.judge(MIDDLE, [bar(MIDDLE), split[1]]) == ([], [], [], [], [])
    assert market.judge(LAST, [bar(LAST), split[2]]).fresh == [bar(LAST)]
    assert market.judge(NEW, [bar(NEW), split[3]]).fresh == [bar(NEW)]
    assert market.known == known(*SEEN, bar(NEW))


def test_it_compares_the_oldest_session_that_both_have() -> None:
    """The vendor lost the older bar, and rewrote the others."""
    market = rechecked()
    assert market.judge(OLD, [bar(OLD)]).missing == ["BBB"]
    assert market.judge(MIDDLE, [bar(MIDDLE), bar(MIDDLE, "BBB", 100.0)]).rewritten == ["BBB"]


def test_it_goes_on_where_one_remembered_bar_is_lost_and_another_did_not_move() -> None:
    """One bar is enough to compare with."""
    market = rechecked()
    market.judge(OLD, [bar(OLD)])
    market.judge(MIDDLE, SEEN[2:4])
    assert market.judge(LAST, SEEN[4:]) == (SEEN[4:], [], [], [], [])


def test_it_does_not_go_on_where_no_remembered_bar_is_left_to_compare_with() -> None:
    """The new bar may be in new shares, or another company's."""
    market = rechecked()
    for day in (OLD, MIDDLE, LAST):
        assert market.judge(day, [bar(day)]).rewritten == []
    assert market.judge(NEW, [bar(NEW), bar(NEW, "BBB", 100.0)]) == ([bar(NEW)], ["BBB"], [], [], [])


def test_it_emits_no_key_twice_when_a_late_bar_belongs_to_a_rewritten_history() -> None:
    """The late bar comes with the whole history; a table that only appends would have it twice."""
    market = rechecked(*SEEN[:1], *SEEN[2:])
    market.judge(OLD, [bar(OLD), bar(OLD, "BBB", 100.0)])
    assert market.judge(MIDDLE, [bar(MIDDLE), bar(MIDDLE, "BBB", 100.0)]).rewritten == ["BBB"]
    assert market.judge(LAST, [bar(LAST), bar(LAST, "BBB", 100.0)]).fresh == [bar(LAST)]


def test_it_takes_the_prints_of_a_history_that_was_read_again() -> None:
    """The next sync compares with what is in the table now."""
    market = rechecked()
    split = [bar(day, "BBB", 100.0) for day in (date(2020, 1, 2), OLD, MIDDLE, LAST)]
    market.judge(OLD, [bar(OLD), split[1]])
    market.replace("BBB", split)
    assert market.judge(LAST, [bar(LAST), split[3]]).fresh == [bar(LAST)]
    assert market.known == known(*SEEN[::2], *split[1:])


def test_it_leaves_out_tickers_that_are_read_again_anyway() -> None:
    """A re-read that failed in the last sync is tried again in this one, and has all bars of its ticker."""
    market = rechecked(waiting=["BBB"])
    assert market.judge(OLD, [bar(OLD), bar(OLD, "BBB", 100.0)]) == ([], [], [], [], [])
    assert market.judge(LAST, [bar(LAST), bar(LAST, "BBB", 100.0)]).fresh == [bar(LAST)]


def test_it_remembers_final_sessions_only() -> None:
    """The session of today moves by itself."""
    market = Recheck(known(*SEEN), LAST, LAST)
    assert market.judge(NEW, [bar(NEW)]).fresh == [bar(NEW)]
    assert NEW not in market.known


def test_it_gives_what_it_holds_where_the_states_date_is_not_reached() -> None:
    """A session that is not believed ends the sync: what was found before it is still right."""
    market = rechecked()
    corrected = bar(OLD, volume=7)
    assert market.judge(OLD, [corrected, bar(OLD, "BBB")]).changed == ["AAA"]
    assert market.release() == [corrected]
    assert market.release() == []


def test_it_repeats_the_bar_of_each_tickers_own_date() -> None:
    """Named tickers have a date each, and one can be behind the others."""
    entries = {
        "AAA": {"date": LAST.isoformat(), "bars": healing.dump(LAST, {LAST: print_of(bar(LAST))})},
        "BBB": {"date": OLD.isoformat(), "bars": healing.dump(OLD, {OLD: print_of(bar(OLD, "BBB"))})},
        "CCC": {"failed": True},
    }
    before = recheck.known_by_session(entries)
    assert before == known(bar(LAST), bar(OLD, "BBB"))
    market = Recheck(before, LAST, NEW, dates={"AAA": LAST, "BBB": OLD})
    assert market.judge(OLD, [bar(OLD, "BBB")]) == ([], [], [], [], [])
    fresh = market.judge(LAST, [bar(LAST), bar(LAST, "BBB")])
    assert fresh == ([bar(OLD, "BBB"), bar(LAST), bar(LAST, "BBB")], [], [], [], [])


CLOSES = st.dictionaries(
    st.tuples(st.sampled_from([OLD, MIDDLE, LAST, NEW]), st.sampled_from("ABC")), st.sampled_from([1.0, 2.0])
)


@given(CLOSES, CLOSES)
def test_it_leaves_the_table_as_the_vendor_answers_with_no_key_twice(
    before: dict[tuple[date, str], float], now: dict[tuple[date, str], float]
) -> None:
    """The rule of the whole module, for any two states of a market; a rewritten ticker is read again as a whole."""
    table = {key: close for key, close in before.items() if key[0] <= LAST}
    market = Recheck(known(*(bar(*key, close) for key, close in table.items())), LAST, NEW)
    emitted: list[Bar] = []
    for day in (OLD, MIDDLE, LAST, NEW):
        session = market.judge(day, [bar(*key, close) for key, close in now.items() if key[0] == day])
        emitted += session.fresh
    for ticker in sorted(market.waiting):
        history = [bar(*key, close) for key, close in now.items() if key[1] == ticker]
        market.replace(ticker, history)
        emitted += history
    keys = [(bar.date, bar.ticker) for bar in emitted]
    assert len(keys) == len(set(keys))
    table |= {(bar.date, bar.ticker): bar.close for bar in emitted if bar.close}
    assert now.items() <= table.items()
    remembered = {(day, ticker): print_ for day, session in market.known.items() for ticker, print_ in session.items()}
    assert remembered == {key: print_of(bar(*key, close)) for key, close in table.items() if key in remembered}
    window = min(market.known, default=NEW)
    served = {key for key in now if key[0] >= window}
    assert served <= remembered.keys()
    gone = remembered.keys() - served  # told of once, but for those of a ticker that is read again anyway
    assert {ticker for _, ticker in gone} <= market.waiting


# Which sessions


DUE = sessions.between(date(2026, 6, 1), date(2026, 11, 20))


def ages(state_age: int, recheck_sessions: int) -> list[int]:
    """The ages asked for again, counted from the newest session due, with a state that many sessions before it."""
    days = recheck.recheck_days(DUE, DUE[-1 - state_age], recheck_sessions)
    assert days == sorted(days)
    return [len(DUE) - 1 - DUE.index(day) for day in reversed(days)]


@pytest.mark.parametrize(
    ("state_age", "recheck_sessions", "asked"),
    [
        (1, 0, [1]),
        (1, 1, [1]),
        (1, 10, [1, 2, 4, 8]),
        (1, 60, [1, 2, 4, 8, 16, 32]),
        (2, 10, [2, 3, 4, 5, 8, 9]),
        (5, 10, [5, 6, 7, 8, 9, 10, 11, 12]),
        (21, 10, [21, 22, 23, 24, 25, 26, 27, 28]),
        (21, 0, [21]),
    ],
)
def test_it_asks_again_for_sessions_of_doubling_ages(state_age: int, recheck_sessions: int, asked: list[int]) -> None:
    """A daily sync costs four requests more; after a pause, no session skips the ages it passed meanwhile."""
    assert ages(state_age, recheck_sessions) == asked


def test_it_asks_for_the_last_session_where_the_states_date_has_none() -> None:
    """A tutorial's date can be a Saturday."""
    assert recheck.recheck_days(DUE, date(2026, 11, 15), 0) == [date(2026, 11, 13)]
    assert recheck.recheck_days(DUE, date(2020, 1, 1), 10) == []


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(2, 60))
def test_it_sees_each_session_again_at_or_soon_after_each_age(pauses: list[int], recheck_sessions: int) -> None:
    """For syncs of any rhythm: in the first sync at or after each of the ages, a session has been asked for."""
    due = list(range(1, 1 + sum(pauses)))
    days = [date.fromordinal(700_000 + n) for n in due]
    syncs, read = [], 0
    for pause in pauses:
        asked = recheck.recheck_days(days[: read + pause], days[read - 1], recheck_sessions) if read else []
        syncs.append((read + pause, {*asked, *days[read : read + pause]}))
        read += pause
    for n, session in enumerate(days, 1):
        age = 1
        while age <= recheck_sessions:
            first = next((asked for newest, asked in syncs if newest - n >= age), None)
            assert first is None or session in first
            age *= 2


# The entry of a market


def test_it_remembers_a_market_in_one_entry() -> None:
    """One date, and a print for each ticker and session that may be asked for again."""
    entry = recheck.remember_market(
        None,
        known=known(*SEEN, bar(NEW)),
        state_date=LAST,
        recheck_sessions=3,
        since=date(2026, 11, 2),
        adjustment="splits",
        provider="massive",
    )
    print_ = print_of(bar(LAST))
    assert entry == {
        "date": "2026-11-20",
        "adjustment": "splits",
        "provider": "massive",
        "since": "2026-11-02",
        "tickers": "AAA BBB",
        "bars": {"2026-11-17": print_ * 2, "2026-11-20": print_ * 2},
    }
    assert recheck.known_of_market(entry) == known(*SEEN[2:])


def test_it_keeps_the_first_day_and_never_goes_back() -> None:
    """The date of the whole market stands for every ticker of it."""
    setting: dict[str, Any] = {"known": {}, "recheck_sessions": 10, "adjustment": "raw", "provider": "massive"}
    entry = recheck.remember_market(None, state_date=LAST, since=OLD, **setting)
    again = recheck.remember_market(entry, state_date=MIDDLE, since=None, **setting)
    assert (again["date"], again["since"]) == ("2026-11-20", "2026-11-11")


@given(st.integers(1, 60), st.integers(1, 40))
def test_it_remembers_every_session_it_may_ask_for_again(recheck_sessions: int, new: int) -> None:
    """A session asked for without a print of it would be written again as a whole."""
    read = DUE[:-new]
    entry = recheck.remember_market(
        None,
        known={day: {"AAA": "abcdef"} for day in read},
        state_date=read[-1],
        recheck_sessions=recheck_sessions,
        since=read[0],
        adjustment="raw",
        provider="massive",
    )
    assert set(recheck.recheck_days(DUE, read[-1], recheck_sessions)) <= set(recheck.known_of_market(entry))


@pytest.mark.parametrize(
    ("count", "said", "before", "why"),
    [
        (12_000, 12_000, 12_100, None),
        (12_000, None, None, None),
        (6_000, None, 12_000, None),
        (0, None, None, "it has no ticker"),
        (0, 0, 12_000, "it has no ticker"),
        (3, 12_000, None, "it has 3 of the 12,000 rows that it says it has"),
        (5_999, 5_999, 12_000, "it has 5,999 of the 12,000 tickers of the session before, less than half"),
    ],
)
def test_it_believes_a_session_of_the_market_only_if_it_can_be(
    count: int, said: int | None, before: int | None, why: str | None
) -> None:
    """An empty or cut answer for a day that New York traded would leave a hole in every ticker."""
    assert recheck.believable(count, said, before) == why
