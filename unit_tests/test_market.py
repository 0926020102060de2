"""Sessions of the whole market: believed or not, new or not, and how far they were read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from source_stock_prices import plan, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.healing import remember
from source_stock_prices.market import Market, Taken
from source_stock_prices.prints import load_market, print_of
from source_stock_prices.providers.terms import ANY, RAW, Bar, Query
from source_stock_prices.recheck import remember_market
from source_stock_prices.report import Report
from unit_tests.horizons import Until

SINCE, END = date(2026, 11, 2), date(2026, 11, 20)  # a Monday, and the Friday of the third week
TICKERS = ("AAA", "BBB", "CCC", "DDD")
State = dict[str, Any]


def day(number: int) -> date:
    return date(2026, 11, number)


def config(**settings: Any) -> Config:
    return Config.parse({"provider": {"name": "massive", "api_key": "s3cr3t"}, "stock_ticker": "*", **settings})


def bars(number: int, *tickers: str, close: float = 10.0) -> list[Bar]:
    """A session's bars, a ticker each."""
    return [Bar(ticker, day(number), close) for ticker in tickers or TICKERS]


def entry(*numbers: int, since: date = SINCE, **more: Any) -> State:
    """The entry of a market that was read up to the last of some days, with the prints of each."""
    known = {day(number): {bar.ticker: print_of(bar) for bar in bars(number)} for number in numbers}
    written = remember_market(
        None,
        known=known,
        state_date=day(numbers[-1]),
        recheck_sessions=10,
        since=since,
        adjustment=RAW,
        provider="massive",
    )
    return {**written, **more}


class Sync:
    """A market in a sync that ends on the 20th, with its state and what it remarked."""

    def __init__(self, state: State, *, last_final: date = END, **settings: Any) -> None:
        self.config = config(**settings)
        self.state = dict(state)
        self.market = Market(state, self.config, Until(END, last_final), self.config.tickers)
        self.report = Report(self.config.provider)

    def take(self, number: int, served: list[Bar] | None, said: int | None = None) -> Taken:
        """What one session brings; the state remembers it. None for a session that is not published."""
        query = Query((ANY,), day(number), day(number), self.config.adjustment, END)
        self.report.market_rows = None if served is None else (len(served), said)
        taken = self.market.take(query, served or [], self.report)
        self.market.remember(query, served or [], self.state)
        return taken

    @property
    def lines(self) -> list[str]:
        return list(self.report.summary())


# Whether a session is believed


@pytest.mark.parametrize(
    ("served", "said", "reason"),
    [
        ([], None, "it has no ticker"),
        (bars(20, "AAA", "BBB", "CCC"), 4, "it has 3 of the 4 rows that it says it has"),
        (bars(20, "AAA"), None, "it has 1 of the 4 tickers of the session before, less than half"),
    ],
)
def test_it_stops_at_a_new_session_that_is_not_believed(served: list[Bar], said: int | None, reason: str) -> None:
    """The state must not pass it: the next sync asks for it again."""
    sync = Sync({})
    sync.take(19, bars(19))
    with pytest.raises(ProviderError) as raised:
        sync.take(20, served, said)
    assert f"2026-11-20 is not believed: {reason}" in raised.value.problem.said
    assert sync.state[ANY]["date"] == "2026-11-19"


@pytest.mark.parametrize("served", [bars(20), bars(20, "AAA", "BBB"), bars(20, *"ABCDEFGHIJ")])
def test_it_believes_a_session_of_half_as_many_tickers(served: list[Bar]) -> None:
    """After a holiday elsewhere fewer trade, and nobody knows how many have to."""
    sync = Sync({})
    sync.take(19, bars(19))
    assert sync.take(20, served, len(served)).bars == served


def test_it_measures_a_session_by_the_last_one_that_was_believed() -> None:
    """Or else one bad session makes the next as bad one good."""
    sync = Sync({ANY: entry(18, 19)})
    sync.take(18, bars(18))
    sync.take(19, bars(19, "AAA"))
    with pytest.raises(ProviderError):
        sync.take(20, bars(20, "AAA"))


def test_it_does_not_judge_a_session_that_is_not_over() -> None:
    """At ten in the morning few tickers have traded. The state does not pass it."""
    sync = Sync({ANY: entry(18, 19)}, last_final=day(19), include_unfinished_session=True)
    sync.take(19, bars(19))
    assert sync.take(20, bars(20, "AAA")).bars == bars(20, "AAA")
    assert sync.state[ANY]["date"] == "2026-11-19"


def test_it_takes_a_session_that_is_not_published_for_one_to_come() -> None:
    """Nobody was asked: this is no empty answer."""
    sync = Sync({ANY: entry(18, 19)})
    assert sync.take(20, None) == Taken()
    assert sync.state[ANY]["date"] == "2026-11-19"
    assert sync.lines == []


def test_it_says_that_an_old_session_is_not_believed_and_goes_on() -> None:
    """What the table has of it stays, and it is asked for again."""
    sync = Sync({ANY: entry(17, 18, 19)})
    assert sync.take(18, []) == Taken()
    assert sync.take(19, bars(19)).bars == bars(19)
    assert sync.take(20, bars(20)).bars == bars(20)
    (line,) = sync.lines
    assert "has not all of a session of the whole market: 2026-11-18 (it has no ticker)" in line


def test_it_emits_what_it_held_back_when_the_states_own_session_is_not_believed() -> None:
    """A corrected bar of the session before would wait for ever."""
    sync = Sync({ANY: entry(17, 18, 19)})
    sync.take(17, bars(17))
    corrected = bars(18, "AAA", close=9.0)
    sync.take(18, corrected + bars(18, "BBB", "CCC", "DDD"))
    assert sync.take(19, []).bars == corrected


def test_it_passes_a_session_that_is_too_old_to_wait_for() -> None:
    """A vendor that lost a session of long ago would stop the sync for good. What there is of it counts."""
    sync = Sync({ANY: entry(3, 4)}, recheck_sessions=2)
    sync.take(4, bars(4))
    assert sync.take(5, bars(5, "AAA")).bars == bars(5, "AAA")
    assert sync.take(6, bars(6)).bars == bars(6)
    (line,) = sync.lines
    assert "has not all of a session of the whole market: 2026-11-05 (it has 1 of the 4 tickers" in line
    assert sync.state[ANY]["date"] == "2026-11-06"


# What is new, and what the state remembers


def test_it_remembers_each_session_and_the_first_of_all() -> None:
    """A sync that is interrupted goes on where it was."""
    sync = Sync({})
    for number in (18, 19, 20):
        assert sync.take(number, bars(number)).bars == bars(number)
        assert sync.state[ANY]["date"] == day(number).isoformat()
    assert sync.state[ANY]["since"] == "2026-11-18"
    sync.market.checkpoint(sync.state)
    assert load_market(sync.state[ANY]).keys() == {day(18), day(19), day(20)}


def test_it_begins_with_the_start_date_whether_or_not_that_is_a_session() -> None:
    """Otherwise every sync would take the Sunday for a gap."""
    sync = Sync({})
    sync.take(16, bars(16))
    sync.market.begin(day(15), sync.state)
    assert sync.state[ANY]["since"] == "2026-11-15"
    sync.market.begin(day(18), sync.state)
    assert sync.state[ANY]["since"] == "2026-11-15"


def test_it_emits_what_changed_and_the_sessions_that_are_new() -> None:
    """And the session of the state's date, as a promise of the tutorial."""
    sync = Sync({ANY: entry(18, 19)})
    assert sync.take(18, bars(18)).bars == []
    assert sync.take(19, bars(19)).bars == bars(19)
    assert sync.take(20, bars(20)).bars == bars(20)
    assert sync.state[ANY]["since"] == SINCE.isoformat()


def test_it_names_a_ticker_whose_history_was_rewritten_and_emits_nothing_of_it() -> None:
    """Reading it again brings those bars too, and a key comes once a sync."""
    sync = Sync({ANY: entry(18, 19)})
    split = bars(18, "AAA", close=5.0)
    assert sync.take(18, split + bars(18, "BBB", "CCC", "DDD")) == Taken([], ["AAA"], [], [], [])
    assert {bar.ticker for bar in sync.take(19, bars(19)).bars} == {"BBB", "CCC", "DDD"}


def test_it_remembers_a_history_that_was_read_again() -> None:
    """With the old prints, the next sync would find it rewritten once more, and so every day."""
    sync = Sync({ANY: entry(18, 19)})
    sync.take(18, bars(18, "AAA", close=5.0) + bars(18, "BBB", "CCC", "DDD"))
    sync.take(19, bars(19))
    sync.state["AAA"] = {"again": True}
    history = [bar for number in (17, 18, 19) for bar in bars(number, "AAA", close=5.0)]
    sync.market.replace("AAA", history, sync.state)
    assert sync.state.keys() == {ANY}
    following = Sync(sync.state)
    assert following.take(18, history[1:2] + bars(18, "BBB", "CCC", "DDD")).rewritten == []
    assert following.take(19, history[2:] + bars(19, "BBB", "CCC", "DDD")).rewritten == []


def test_it_leaves_the_bars_of_a_waiting_ticker_to_its_history() -> None:
    """It was found rewritten in a sync that did not come to read it again."""
    sync = Sync({ANY: entry(18, 19), "AAA": {"again": True}})
    assert sync.take(18, bars(18, close=5.0)).rewritten == ["BBB", "CCC", "DDD"]
    sync = Sync({ANY: entry(18, 19), "AAA": {"again": True}})
    for number in (18, 19, 20):
        assert "AAA" not in {bar.ticker for bar in sync.take(number, bars(number)).bars}


def test_it_forgets_the_prints_of_sessions_that_are_no_longer_compared() -> None:
    """Those of a long first history would fill the memory: of named tickers, too."""
    sync = Sync({}, stock_ticker="AAA, BBB")
    for each in sessions.between(date(2026, 1, 2), END):
        query = Query(("AAA", "BBB"), each, each, RAW, END)
        sync.report.market_rows = (2, None)
        sync.market.take(query, [Bar("AAA", each, 10.0)], sync.report)
    assert len(sync.market._recheck.known) < 30


# Older sessions


def test_it_moves_the_first_day_back_with_each_session_of_an_earlier_start() -> None:
    """The newest comes first, so an interrupted sync leaves no gap."""
    sync = Sync({ANY: entry(19, 20, since=day(5))})
    for number in (4, 3):
        assert sync.take(number, bars(number)).bars == bars(number)
        assert sync.state[ANY]["since"] == day(number).isoformat()
    assert sync.state[ANY]["date"] == "2026-11-20"
    assert sync.state[ANY]["bars"] == entry(19, 20)["bars"]


def test_it_tells_how_far_back_the_sessions_of_another_setting_were_read() -> None:
    """A history of years takes longer than one day's quota: the next sync goes on from there."""
    sync = Sync({ANY: entry(18, 19, since=day(17))}, adjustment="splits")
    sync.take(20, bars(20))
    assert {key: sync.state[ANY].get(key) for key in ("date", "adjustment", "again")} == {
        "date": "2026-11-20",
        "adjustment": "splits",
        "again": "2026-11-19",
    }
    for number, again in ((19, "2026-11-18"), (18, "2026-11-17"), (17, None)):
        assert sync.take(number, bars(number)).bars == bars(number)
        assert sync.state[ANY].get("again") == again
    assert sync.state[ANY]["since"] == "2026-11-17"


def test_it_reads_again_without_a_new_session() -> None:
    """Whoever changes a setting at noon does not wait for the evening. Prints of the old numbers are of no use."""
    sync = Sync({ANY: entry(19, 20, since=day(19))}, adjustment="splits")
    sync.take(20, bars(20, close=5.0))
    assert sync.state[ANY] == {
        "date": "2026-11-20",
        "adjustment": "splits",
        "provider": "massive",
        "since": "2026-11-19",
        "again": "2026-11-19",
    }


def test_it_compares_the_sessions_that_have_the_new_setting_already() -> None:
    """Reading all the rest again takes days, or the plan does not reach it: nobody else looks after these."""
    sync = Sync({ANY: entry(18, 19, again="2026-11-10")})
    assert sync.take(18, bars(18, "AAA", close=5.0) + bars(18, "BBB", "CCC", "DDD")).rewritten == ["AAA"]
    sync.take(19, bars(19))
    sync.take(20, bars(20))
    assert sync.state[ANY]["again"] == "2026-11-10"
    assert sync.take(10, bars(10)).bars == bars(10, "BBB", "CCC", "DDD")
    assert sync.state[ANY]["again"] == "2026-11-09"


@pytest.mark.parametrize(
    ("state", "settings", "number", "is_read"),
    [
        ({}, {}, 10, False),
        ({ANY: entry(18, 19)}, {}, 19, True),
        ({ANY: entry(18, 19)}, {}, 20, False),
        ({ANY: entry(18, 19)}, {"adjustment": "splits"}, 10, True),
        ({ANY: entry(18, 19)}, {"adjustment": "splits"}, 20, False),
        ({ANY: entry(18, 19, since=day(17))}, {}, 3, True),
    ],
)
def test_it_knows_which_sessions_the_sync_can_go_on_without(
    state: State, settings: State, number: int, is_read: bool
) -> None:
    """A new one that is refused stops the state; one before it leaves the table as it was."""
    assert Sync(state, **settings).market.is_read(day(number)) is is_read


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({}, (18, 19, 20)),
        ({"start_date": "2026-11-03"}, (3, 4, 18, 19, 20)),
        ({"adjustment": "splits"}, (5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20)),
        ({"adjustment": "splits", "start_date": "2026-11-17"}, (5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20)),
    ],
)
@pytest.mark.parametrize("quota", [1, 2, 3, 50])
def test_it_comes_to_an_end_whatever_a_days_quota_is(quota: int, settings: State, due: tuple[int, ...]) -> None:
    """Sync after sync, each of them cut short: every session that is due is read, and then nothing is left to ask."""
    state: State = {ANY: entry(17, 18, since=day(5))}
    read: set[date] = set()
    for _ in range(20):
        sync = Sync(state, **settings)
        facts = plan.Facts(
            Query((), SINCE, END, sync.config.adjustment, END),
            Until(END),
            SINCE,
            bound=sync.config.start_date,
            provider="massive",
            recheck_sessions=0,
        )
        queries = plan.market_queries(ANY, state, facts)
        if not queries:
            break
        for query in queries[: quota + 1]:  # the state's own session comes with each sync
            sync.take(query.start.day, bars(query.start.day))
            read.add(query.start)
        state = sync.state
    assert not queries
    assert read == {day(number) for number in due}


# Named tickers, from sessions of the whole market


def named(*numbers: int, **more: Any) -> State:
    """The entry of one ticker."""
    written = remember(
        None,
        bars=[Bar("AAA", day(number), 10.0) for number in numbers],
        window=10,
        last_final=END,
        since=SINCE,
        adjustment=RAW,
        provider="massive",
    )
    return {**(written or {}), **more}


def test_it_takes_each_ticker_from_its_own_date_on() -> None:
    """One was read longer ago than the other: what is new for it is old for that."""
    sync = Sync({"AAA": named(17, 18), "BBB": named(17, 18, 19)}, stock_ticker="AAA,BBB")
    assert sync.take(18, bars(18, "AAA", "BBB")).bars == []
    assert sync.take(19, bars(19, "AAA", "BBB")).bars == bars(18, "AAA") + bars(19, "AAA", "BBB")


@pytest.mark.parametrize("number", [20, 30])
def test_it_holds_nothing_back_for_a_ticker_that_is_not_asked_for(number: int) -> None:
    """A state at the end of the sync, or after it, is nobody's business but its ticker's."""
    sync = Sync({"AAA": named(18, 19), "BBB": named(19, number)}, stock_ticker="AAA,BBB")
    assert sync.market.state_date == day(19)
    assert sync.take(19, bars(19, "AAA")).bars == bars(19, "AAA")
    assert sync.take(20, bars(20, "AAA")).bars == bars(20, "AAA")


def test_it_does_not_compare_what_was_read_with_another_setting() -> None:
    """Every price would look changed. Such a ticker is read again by its own query."""
    sync = Sync({"AAA": named(18, 19)}, stock_ticker="AAA,BBB", adjustment="splits")
    assert sync.market.state_date == date.min
