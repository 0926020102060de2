"""What a sync of prices asks, emits and remembers, with a made-up vendor in place of HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.http import RequestPolicy
from source_stock_prices.prices import Prices
from source_stock_prices.providers.terms import ANY, Bar, Kind, Problem, Query
from source_stock_prices.report import Report
from source_stock_prices.sync import Sync
from unit_tests.horizons import Until

START, END = date(2026, 11, 2), date(2026, 11, 20)  # a Monday, and the Friday of the third week
MAY = date(2026, 5, 1)
State = dict[str, Any]
Row = tuple[str, date, float]


def day(number: int) -> date:
    return date(2026, 11, number)


class World:
    """A vendor with bars since January, and a stream's state: the first ticker closes at 10, the next at 20, …"""

    def __init__(self, *tickers: str, provider: str = "tiingo", **settings: Any) -> None:
        self.tickers = tickers or ("AAPL",)
        self.settings = {
            "provider": {"name": provider, "api_key": "s3cr3t"},
            "stock_ticker": ",".join(self.tickers),
            "num_workers": 1,
            **settings,
        }
        names = ("AAPL", "MSFT", "TSLA") if self.tickers == (ANY,) else self.tickers
        self.closes = {
            ticker: dict.fromkeys(sessions.between(date(2026, 1, 2), END), 10.0 * n)
            for n, ticker in enumerate(names, 1)
        }
        self.state: State = {}
        self.asked: list[tuple[tuple[str, ...], date, date]] = []
        self.lines: list[str] = []
        self.failure: AirbyteTracedException | None = None
        self.first_served = date.min
        self.problems: dict[str, Kind] = {}

    def ask(self, query: Query, report: Report) -> dict[str, list[Bar]]:
        self.asked.append((query.tickers, query.start, query.end))
        for ticker in query.tickers:
            if ticker in self.problems:
                raise ProviderError(Problem(self.problems[ticker], "not today", ticker=ticker), 404)
        if query.start < self.first_served:
            raise ProviderError(Problem(Kind.BEYOND_PLAN, "too old for your plan"), 403)
        names = query.tickers if ANY not in query.tickers else tuple(self.closes)
        found = {}
        for ticker in names:
            closes = self.closes.get(ticker, {})
            days = sorted(each for each in closes if query.start <= each <= query.end)
            if days:
                found[ticker] = [Bar(ticker, each, closes[each]) for each in days]
        report.market_rows = (len(found), None)
        return found

    def move(self, ticker: str, factor: float, until: date) -> None:
        """Rewrites a ticker's closes before a day, as a split does."""
        for each in self.closes[ticker]:
            if each < until:
                self.closes[ticker][each] *= factor

    def sync(
        self, until: int | date = 20, start: date = START, bound: date | None = None, **settings: Any
    ) -> list[Row]:
        """The rows that a sync emits, up to a day of November."""
        config = Config.parse({**self.settings, **settings})
        end = until if isinstance(until, date) else day(until)
        logger = logging.Logger("test")
        self.lines = []
        logger.addHandler(Lines(self.lines))
        self.asked = []
        self.failure = None
        prices = Prices(
            config,
            logger,
            start=bound or start,
            bound=bound,
            horizon=Until(end),
            ask=self.ask,
            in_envelopes=False,
        )
        sync = Sync(prices, config, end, logger, RequestPolicy(config.provider, patient=False))
        rows: list[Row] = []

        def messages() -> Any:
            for part in sync.slices(self.state):
                yield from sync.records(part, self.state)

        try:
            for message in sync.run(messages()):
                record = getattr(message, "record", None)
                if record:
                    data: Mapping[str, Any] = record.data
                    rows.append((data["stock_ticker"], date.fromisoformat(data["date"]), data["price"]))
        except AirbyteTracedException as error:
            self.failure = error
        assert len({row[:2] for row in rows}) == len(rows), "a key came twice in a sync"
        return rows

    def told(self, *words: str) -> bool:
        """Whether a line of the log has all the words."""
        return any(all(word in line for word in words) for line in self.lines)


class Lines(logging.Handler):
    """Collects the lines of a log."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def rows(world: World, ticker: str, first: date, last: date = END) -> list[Row]:
    """A ticker's rows as the vendor has them now."""
    closes = world.closes[ticker]
    return [(ticker, each, closes[each]) for each in sorted(closes) if first <= each <= last]


# One ticker


def test_it_reads_a_new_ticker_from_the_start_and_remembers_where_it_began() -> None:
    """The first day asked for, whether or not it has a bar: what is before it is what an earlier start would add."""
    world = World()
    assert world.sync(bound=date(2026, 10, 31)) == rows(world, "AAPL", START)
    entry = world.state["AAPL"]
    assert entry.pop("bars")
    assert entry == {
        "date": "2026-11-20",
        "price": 10.0,
        "adjustment": "raw",
        "provider": "tiingo",
        "since": "2026-10-31",
    }


def test_it_emits_nothing_of_the_window_but_the_states_own_bar() -> None:
    """What did not change is in the table. Every new session is emitted."""
    world = World()
    world.sync(18)
    assert world.sync(20) == rows(world, "AAPL", day(18))
    assert world.asked == [(("AAPL",), day(4), day(20))]


def test_it_asks_for_nothing_twice_a_day() -> None:
    """Nothing new can exist."""
    world = World()
    world.sync()
    assert world.sync() == []
    assert world.asked == []
    assert world.told("nothing to do")


def test_it_emits_a_corrected_bar_of_the_window() -> None:
    """Vendors correct a close for days."""
    world = World()
    world.sync(19)
    world.closes["AAPL"][day(17)] = 10.5
    assert world.sync() == [("AAPL", day(17), 10.5), *rows(world, "AAPL", day(19))]


def test_it_emits_a_bar_that_fills_a_hole() -> None:
    """The vendor lost a session and found it a week later. It is told of once, and not again."""
    world = World()
    late = world.closes["AAPL"].pop(day(11))
    world.sync(18)
    assert world.told("no bar for 1 session of 1 ticker: AAPL 2026-11-11")
    assert world.sync(19) == rows(world, "AAPL", day(18), day(19))
    assert not world.told("no bar for")
    world.closes["AAPL"][day(11)] = late
    assert world.sync(20) == [("AAPL", day(11), 10.0), *rows(world, "AAPL", day(19))]


def test_it_says_when_it_gives_a_hole_up() -> None:
    """From then on nobody asks for that session."""
    world = World(recheck_sessions=2)
    del world.closes["AAPL"][day(12)]
    gave_up = []
    for until in (13, 16, 17, 18, 19, 20):
        world.sync(until)
        if world.told("still has no bar for 1 session of 1 ticker: AAPL 2026-11-12"):
            gave_up.append(until)
    assert gave_up == [17]


def test_it_reads_a_rewritten_history_again_from_its_first_day() -> None:
    """Two halves of different scales look like a crash. Nothing is emitted before, for a key comes once a sync."""
    world = World()
    world.sync(18, start=MAY)
    world.move("AAPL", 0.5, until=END)
    assert world.sync() == rows(world, "AAPL", MAY)
    assert [window for _, *window in world.asked] == [[day(4), END], [MAY, END]]
    assert world.told("rewrote the history of AAPL", "2026-11-04 changed", f"Rereading from {MAY}")
    assert world.state["AAPL"]["since"] == str(MAY)
    assert world.sync() == []


def test_it_sees_a_split_that_is_applied_late() -> None:
    """The newest bars have the new scale already, and tell nothing."""
    world = World()
    world.sync(17, start=MAY)
    world.closes["AAPL"].update({day(18): 5.0, day(19): 5.0, day(20): 5.0})
    assert world.sync(19) == rows(world, "AAPL", day(17), day(19))
    world.move("AAPL", 0.5, until=day(18))
    assert world.sync(20) == rows(world, "AAPL", MAY)


def test_it_reads_a_history_again_since_its_first_day_though_the_start_was_moved_later() -> None:
    """The rows before it are in the table, and would keep their old scale."""
    world = World()
    world.sync(18, start=MAY)
    world.move("AAPL", 0.5, until=END)
    assert world.sync(bound=date(2026, 8, 3)) == rows(world, "AAPL", MAY)
    assert world.state["AAPL"]["since"] == str(MAY)


def test_it_asks_once_where_the_window_is_the_whole_history() -> None:
    """All that would be read again is there."""
    world = World()
    world.sync(18)
    world.move("AAPL", 0.5, until=END)
    assert world.sync(bound=day(9), recheck_sessions=60) == rows(world, "AAPL", START)
    assert len(world.asked) == 1
    assert world.told("rewrote the history of AAPL")


def test_it_reads_all_again_with_another_adjustment_and_says_why() -> None:
    """It was the user and not the vendor: nobody should look for a split."""
    world = World()
    world.sync(18, start=MAY)
    world.move("AAPL", 0.25, until=day(12))
    assert world.sync(adjustment="all") == rows(world, "AAPL", MAY)
    assert world.told(f"adjustment changed from raw to all; rereading AAPL from {MAY}")
    assert not world.told("rewrote")
    assert world.state["AAPL"]["adjustment"] == "all"
    assert world.sync(adjustment="all") == []


def test_it_reads_only_what_an_earlier_start_adds() -> None:
    """All the rest is in the table, and a request of years costs more than one of months with some vendors."""
    world = World()
    world.sync(19)
    older = rows(world, "AAPL", MAY, date(2026, 11, 1))
    assert world.sync(bound=MAY) == rows(world, "AAPL", day(19)) + older
    assert world.state["AAPL"]["since"] == str(MAY)
    assert not world.told("no bar")
    assert world.sync(bound=MAY) == []


def test_it_does_not_ask_again_before_a_ticker_was_listed() -> None:
    """An answer without bars says that there is nothing, and does so once."""
    world = World()
    world.closes["AAPL"] = dict.fromkeys(sessions.between(START, END), 10.0)
    world.sync()
    assert world.sync(bound=date(2020, 1, 2)) == []
    assert world.told("data starts later than 2020-01-02: AAPL (2026-11-02)")
    assert world.sync(bound=date(2020, 1, 2)) == []
    assert world.asked == []


def test_it_reads_a_rewritten_history_from_a_start_that_was_moved_earlier() -> None:
    """Both at once: one query brings it all, and each key once."""
    world = World()
    world.sync(18)
    world.move("AAPL", 0.5, until=END)
    world.sync(recheck_sessions=2, until=19)
    world.move("AAPL", 0.5, until=END)
    assert world.sync(bound=MAY, recheck_sessions=2) == rows(world, "AAPL", MAY)
    assert world.failure is None
    assert world.state["AAPL"]["since"] == str(MAY)


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.UNREADABLE])
def test_it_keeps_what_it_knew_of_a_ticker_whose_history_could_not_be_read(kind: Kind) -> None:
    """The next sync finds it rewritten again. Nothing of it was emitted, and the sync fails by its name."""
    world = World("AAPL", "MSFT")
    world.sync(18, start=MAY)
    before = deepcopy(world.state)
    world.move("AAPL", 0.5, until=END)
    served = world.ask

    def ask(query: Query, report: Report) -> dict[str, list[Bar]]:
        if query.start == MAY:
            raise ProviderError(Problem(kind, "Bad Gateway"), 502)
        return served(query, report)

    world.ask = ask  # type: ignore[method-assign]
    assert world.sync() == rows(world, "MSFT", day(18))
    assert world.state["AAPL"] == {**before["AAPL"], "again": True, "failed": True, "tried": "2026-11-20"}
    assert world.failure
    assert "AAPL" in str(world.failure.message)
    world.ask = served  # type: ignore[method-assign]
    assert world.sync() == rows(world, "AAPL", MAY)
    assert "failed" not in world.state["AAPL"]


def test_it_does_not_take_a_history_that_comes_back_short() -> None:
    """An answer that was cut would pass for the whole, and half of the table keep its old scale."""
    world = World()
    world.sync(18, start=MAY)
    before = deepcopy(world.state["AAPL"])
    world.move("AAPL", 0.5, until=END)
    served = world.ask

    def ask(query: Query, report: Report) -> dict[str, list[Bar]]:
        last = date(2026, 9, 30) if query.start == MAY else query.end
        return served(query._replace(end=last), report)

    world.ask = ask  # type: ignore[method-assign]
    assert world.sync() == []
    assert world.failure
    assert "no bar for 2026-11-18" in str(world.failure.message)
    assert world.state["AAPL"] == {**before, "again": True, "failed": True, "tried": "2026-11-20"}
    assert world.sync() == []
    assert world.failure
    world.ask = served  # type: ignore[method-assign]
    assert world.sync() == rows(world, "AAPL", MAY)
    assert world.state["AAPL"].keys() == before.keys()


def test_it_reads_a_history_again_as_far_as_the_plan_reaches() -> None:
    """What a plan no longer reaches never blocks: the rest has the new scale, and the log says what has not."""
    world = World()
    world.sync(18, start=MAY)
    world.move("AAPL", 0.5, until=END)
    world.first_served = date(2026, 7, 1)
    assert world.sync() == rows(world, "AAPL", world.first_served)
    assert world.failure is None
    assert world.told("plan reaches back to 2026-07-01: rows of AAPL before that day keep their old scale")
    assert world.sync() == []


def test_it_tells_of_a_reread_history_that_begins_a_session_later() -> None:
    """Some vendors leave out what a plan does not reach, without a word: the row before it keeps its old scale."""
    world = World()
    world.sync(18, start=MAY)
    world.move("AAPL", 0.5, until=END)
    del world.closes["AAPL"][MAY]
    assert world.sync() == rows(world, "AAPL", MAY)
    assert world.told("data starts later than 2026-05-01: AAPL (2026-05-04). Rows before its first bar, if there are")


def test_it_tells_nothing_of_a_reread_history_that_begins_with_the_first_session() -> None:
    """The start may be a Sunday."""
    world = World()
    world.sync(18, bound=date(2026, 5, 3))
    world.move("AAPL", 0.5, until=END)
    world.sync(bound=date(2026, 5, 3))
    assert not world.told("data starts later than")


def test_it_fails_a_start_that_the_plan_does_not_reach() -> None:
    """Of a ticker that was never read: a shorter history than the user asked for looks like a whole one."""
    world = World()
    world.first_served = date(2026, 7, 1)
    assert world.sync(bound=MAY) == []
    assert world.failure
    assert "plan does not reach as far back as requested for the ticker AAPL" in str(world.failure.message)


def test_it_says_that_the_vendor_no_longer_serves_a_ticker() -> None:
    """An empty answer is no error, and the table would stay as it is for ever."""
    world = World()
    world.sync(18)
    world.closes["AAPL"].clear()
    before = deepcopy(world.state)
    assert world.sync() == []
    assert world.told("no longer serves the last bars read for AAPL (2026-11-18)")
    assert world.state == {"AAPL": {**before["AAPL"], "tried": "2026-11-20"}}


def test_it_tells_once_of_a_bar_that_the_vendor_no_longer_serves() -> None:
    """The row stays in the table; from then on the session is a hole like others, and emitted if it comes back."""
    world = World()
    world.sync(17)
    lost = world.closes["AAPL"].pop(day(12))
    assert world.sync(18) == rows(world, "AAPL", day(17), day(18))
    assert world.told("no longer serves the last bars read for AAPL (2026-11-12)")
    world.sync(19)
    assert not world.told("no longer serves")
    world.closes["AAPL"][day(12)] = lost
    assert world.sync(20) == [("AAPL", day(12), lost), *rows(world, "AAPL", day(19))]


def test_it_forgives_a_ticker_that_was_delisted_and_not_one_that_never_was() -> None:
    """One had bars, the other is a typo."""
    world = World("AAPL", "MSFT")
    world.sync(18)
    world.problems["MSFT"] = Kind.UNKNOWN_TICKER
    assert world.sync() == rows(world, "AAPL", day(18))
    assert world.failure is None
    assert world.told("no longer knows MSFT")
    del world.state["MSFT"]
    world.sync()
    assert world.failure
    assert "MSFT" in str(world.failure.message)


def test_it_goes_on_from_the_state_of_a_tutorial() -> None:
    """It has a date and nothing else."""
    world = World()
    world.state = {"AAPL": {"date": "2026-11-18", "price": None}}
    assert world.sync() == rows(world, "AAPL", day(18))
    assert world.state["AAPL"]["since"] == "2026-11-18"


def test_it_says_that_a_close_is_far_from_the_one_before() -> None:
    """It is emitted as the vendor has it."""
    world = World()
    world.closes["AAPL"][day(19)] = 1000.0
    assert ("AAPL", day(19), 1000.0) in world.sync()
    assert world.told("AAPL closed at 1000 on 2026-11-19, after 10 before")


# The whole market


def market(**settings: Any) -> World:
    return World(ANY, provider="massive", **settings)


def test_it_reads_a_market_a_session_at_a_time() -> None:
    """And again only the sessions of some ages."""
    world = market()
    assert len(world.sync(19)) == 3 * 14
    assert world.state[ANY]["since"] == "2026-11-02"
    assert {row[1] for row in world.sync()} == {day(19), day(20)}
    assert [start for _, start, _ in world.asked] == [day(10), day(16), day(18), day(19), day(20)]


def test_it_reads_a_rewritten_history_of_a_market_again_and_once() -> None:
    """The next syncs compare with what was read then."""
    world = market()
    world.sync(18)
    world.move("MSFT", 0.5, until=END)
    assert [row for row in world.sync(19) if row[0] == "MSFT"] == rows(world, "MSFT", START, day(19))
    assert world.state.keys() == {ANY}
    assert {row[1] for row in world.sync(20)} == {day(19), day(20)}
    assert not world.told("rewrote")


def test_it_reads_a_rewritten_history_of_a_market_in_a_later_sync() -> None:
    """A quota that ended before it: the state says that it waits, and nothing of it is emitted until then."""
    world = market()
    world.sync(18)
    world.move("MSFT", 0.5, until=END)
    world.problems["MSFT"] = Kind.QUOTA_SPENT
    assert {row[0] for row in world.sync(19)} == {"AAPL", "TSLA"}
    assert world.state["MSFT"] == {"again": True}
    del world.problems["MSFT"]
    assert [row for row in world.sync(20) if row[0] == "MSFT"] == rows(world, "MSFT", START)
    assert world.state.keys() == {ANY}


def test_it_reads_a_waiting_history_from_a_start_that_was_moved_earlier() -> None:
    """The sessions that the start adds leave the ticker out, for its history brings them."""
    world = market()
    world.sync(19)
    world.state["MSFT"] = {"again": True}
    october = date(2026, 10, 26)
    emitted = world.sync(bound=october)
    assert [row for row in emitted if row[0] == "MSFT"] == rows(world, "MSFT", october)
    assert sorted(row for row in emitted if row[0] == "AAPL") == rows(world, "AAPL", october, day(1)) + rows(
        world, "AAPL", day(19)
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"adjustment": "splits"}, "plan no longer reaches sessions of the whole market"),
        ({"bound": date(2026, 10, 1)}, "plan does not reach older sessions of the whole market"),
    ],
)
def test_it_goes_on_without_sessions_that_the_plan_no_longer_reaches(settings: Any, line: str) -> None:
    """The user can do nothing but upgrade: what is served is read, and the rest is told of."""
    world = market()
    world.sync(19, bound=date(2026, 10, 12))
    world.first_served = date(2026, 11, 9)
    emitted = world.sync(**{"bound": date(2026, 10, 12), **settings})
    assert world.failure is None
    assert ("AAPL", day(20), 10.0) in emitted
    assert world.told(line)
    assert world.state[ANY]["date"] == "2026-11-20"


def test_it_stops_at_a_session_of_a_market_that_lost_its_tickers() -> None:
    """And asks for it again, at once and in the next sync."""
    world = market()
    world.sync(19)
    closes = {ticker: dict(days) for ticker, days in world.closes.items()}
    for days in world.closes.values():
        days.pop(END)
    world.sync()
    assert world.failure
    assert world.asked[-2:] == [((ANY,), END, END)] * 2
    assert world.state[ANY]["date"] == "2026-11-19"
    world.closes = closes
    assert {row[1] for row in world.sync()} == {day(19), END}


# Named tickers, from sessions of the whole market


def test_it_reads_many_tickers_from_sessions_of_the_whole_market() -> None:
    """Each has its own entry, and one whose history was rewritten is read again by its ticker."""
    tickers = [f"T{n}" for n in range(9)]
    world = World(*tickers, provider="massive")
    world.sync(19)
    world.move("T3", 0.5, until=END)
    emitted = world.sync()
    assert [row for row in emitted if row[0] == "T3"] == rows(world, "T3", START)
    assert [row for row in emitted if row[0] == "T4"] == rows(world, "T4", day(19))
    assert len(world.asked) == 5 + 1
    assert {entry["date"] for entry in world.state.values()} == {"2026-11-20"}
    assert {entry["since"] for entry in world.state.values()} == {"2026-11-02"}
    assert world.sync() == []
