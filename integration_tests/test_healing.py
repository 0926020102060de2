"""What heals in a table, kind by kind: wrong scales, holes, changed settings, odd rows, doubled keys, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from pendulum import DateTime

from integration_tests.front_door import Output, as_message, discover, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import FRIDAY_EVENING, VENDORS, at, config, last_served, many
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.sessions import between, is_session

START = date(2026, 10, 1)
SPLIT_DAY = date(2026, 11, 19)
WEDNESDAY, MONDAY = FRIDAY_EVENING.subtract(days=2), FRIDAY_EVENING.add(days=3)
THANKSGIVING = date(2026, 11, 26)
NEXT_WEEK = FRIDAY_EVENING.add(days=8)
ADJUSTED = [
    (vendor, adjustment) for vendor in VENDORS for adjustment in PROVIDERS[vendor].adjustments if adjustment != "raw"
]
OF_ALL = [vendor for vendor in VENDORS if "all" in PROVIDERS[vendor].adjustments]
WITH_REACH = ["massive", "fmp", "eodhd", "marketstack", "alpha_vantage"]
WITH_EVENTS = ["massive", "alpaca", "fmp", "eodhd", "alpha_vantage"]
ROWS_IN_A_LIST = [vendor for vendor in VENDORS if vendor != "alpha_vantage"]
EVENTS = ("stock_splits", "dividends")

Row = Mapping[str, Any]


class Connection:
    """Syncs one after another, each from the state of the last, into a table that has one row a key."""

    def __init__(self, sandbox: Sandbox, vendor: str, tickers: str = "AAPL, MSFT", **more: Any) -> None:
        self.sandbox, self.vendor, self.tickers = sandbox, vendor, tickers
        self.settings: dict[str, Any] = {"start_date": f"{START}", **more}
        self.rows: dict[tuple[str, str], Row] = {}
        self.events: dict[tuple[Any, ...], Row] = {}
        self.messages: dict[str, Any] = {}

    def sync(
        self,
        now: DateTime,
        *,
        streams: Sequence[str] = ("stock_prices",),
        fails: bool = False,
        stops: bool = False,
    ) -> Output:
        """One sync at a moment, which has to end well unless it `fails`.

        One that `stops` is killed after its last record, before the STATE of it.
        """
        self.sandbox.now = now
        given = {name: value for name, value in self.settings.items() if value is not None}
        settings = config(self.sandbox, self.vendor, self.tickers, **given)
        output = read(settings, now=now, state=list(self.messages.values()) or None, streams=streams)
        for record in output.of_type("RECORD"):
            row = record["data"]
            if record["stream"] == "stock_prices":
                self.rows[row["stock_ticker"], row["date"]] = row
            else:
                self.events[record["stream"], row["stock_ticker"], row["date"], row.get("type")] = row
        states = output.state_messages
        if stops:
            lines = output.text.splitlines()
            last = max(n for n, line in enumerate(lines) if line.startswith('{"type":"RECORD"'))
            states = Output("\n".join(lines[:last]), 1).state_messages
        for message in states:
            self.messages[message["stream"]["stream_descriptor"]["name"]] = message
        assert bool(output.exit_code) == fails, output.error
        return output

    def closes(self, since: date = START) -> dict[tuple[str, str], float]:
        """The prices in the table since a day."""
        return {key: row["price"] for key, row in self.rows.items() if key[1] >= f"{since}"}

    def served(self, tickers: str = "", since: date = START) -> Any:
        """What the vendor would answer now, of final sessions."""
        adjustment = self.settings.get("adjustment", "raw")
        last = last_served(self.vendor, self.sandbox.time)
        names = (tickers or self.tickers).split(", ") if self.tickers != "*" else self.sandbox.universe
        bars = {
            (ticker, f"{day}"): trade.close
            for ticker in names
            for day, trade in self.sandbox.published(self.vendor, ticker, since, last, adjustment).items()
        }
        return pytest.approx(bars, abs=1e-4)

    def happened(self, stream: str) -> dict[tuple[str, str], Row]:
        """The events in the table that were not taken back."""
        rows = {(key[1], key[2]): row for key, row in self.events.items() if key[0] == stream}
        return {key: row for key, row in rows.items() if not row.get("cancelled")}


def keys_of(output: Output) -> list[tuple[str, str]]:
    return [(row["stock_ticker"], row["date"]) for row in output.rows("stock_prices")]


# 1. A history that is rewritten late


@pytest.mark.parametrize("days_late", [1, 4])
@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_sees_a_split_that_is_applied_late(sandbox: Sandbox, vendor: str, adjustment: str, days_late: int) -> None:
    """The row of its day is right at once, and never moves: those before tell, when they do."""
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    sandbox.book.split("AAPL", SPLIT_DAY, 4.0, applied=SPLIT_DAY + timedelta(days=days_late))
    connection.sync(WEDNESDAY.add(days=1))
    connection.sync(FRIDAY_EVENING)
    connection.sync(MONDAY)
    output = connection.sync(MONDAY.add(days=1))
    assert connection.closes() == connection.served()
    assert "rewrote" not in output.log("WARN")


@pytest.mark.parametrize("factor", [0.25, 0.8])
@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_sees_a_split_of_a_wrong_ratio_and_its_mending(
    sandbox: Sandbox, vendor: str, adjustment: str, factor: float
) -> None:
    """Applied twice, or as five for four: the table follows, and follows back."""
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    sandbox.book.scale("AAPL", SPLIT_DAY, factor)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    sandbox.book.scale("AAPL", SPLIT_DAY, 1.0)
    connection.sync(MONDAY)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_sees_raw_prices_that_are_rewritten(sandbox: Sandbox, vendor: str) -> None:
    """Some vendors scale them for a spin-off, some days after it."""
    connection = Connection(sandbox, vendor)
    connection.sync(WEDNESDAY)
    connection.sync(FRIDAY_EVENING)
    sandbox.book.scale("AAPL", SPLIT_DAY, 0.8, raw=True)
    output = connection.sync(MONDAY)
    assert connection.closes() == connection.served()
    assert "AAPL" in output.log("WARN")


@pytest.mark.parametrize("vendor", OF_ALL)
def test_it_sees_dividends_however_small(sandbox: Sandbox, vendor: str) -> None:
    """Each moves the history by a hundredth of a percent; ten of them are a tenth."""
    connection = Connection(sandbox, vendor, "AAPL", adjustment="all")
    connection.sync(WEDNESDAY)
    for day in (19, 20, 23, 24):
        sandbox.book.pay("AAPL", date(2026, 11, day), 0.03)
        connection.sync(WEDNESDAY.set(day=day))
    connection.sync(NEXT_WEEK)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("tickers", ["*", ", ".join(many(12))])
def test_it_sees_a_late_split_where_a_request_is_a_session(sandbox: Sandbox, tickers: str) -> None:
    """Sessions of some ages are asked again: the oldest of them are from before the split."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, "massive", tickers, adjustment="splits")
    connection.sync(WEDNESDAY)
    sandbox.book.split(sandbox.universe[3], SPLIT_DAY, 4.0, applied=date(2026, 11, 23))
    connection.sync(FRIDAY_EVENING)
    connection.sync(MONDAY)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_sees_a_split_though_the_last_bar_read_is_gone(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """There are others to compare with."""
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    last = last_served(vendor, WEDNESDAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    sandbox.hide("AAPL", last)
    output = connection.sync(FRIDAY_EVENING)
    connection.rows.pop(("AAPL", f"{last}"), None)
    assert connection.closes() == connection.served()
    assert f"AAPL ({last})" in output.log("WARN") or f"AAPL {last}" in output.log("WARN")


# 2. The first day ever read


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_reads_again_since_the_first_raw_day_too(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """The first weeks were read raw, without a start: they are rows of the table as well."""
    connection = Connection(sandbox, vendor, start_date=None)
    for days in (21, 14, 7):
        connection.sync(WEDNESDAY.subtract(days=days))
    connection.settings["adjustment"] = adjustment
    connection.sync(WEDNESDAY)
    first = min(date.fromisoformat(day) for _, day in connection.rows)
    assert connection.closes() == connection.served(since=first)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served(since=first)
    assert {row["adjustment"] for row in connection.rows.values()} == {adjustment}


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_remembers_an_earlier_start_that_was_taken_away(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """What was read since then is to be read again as well."""
    connection = Connection(sandbox, vendor, adjustment=adjustment, start_date="2026-11-02")
    connection.sync(WEDNESDAY.subtract(days=2))
    connection.settings["start_date"] = "2026-10-01"
    connection.sync(WEDNESDAY.subtract(days=1))
    connection.settings["start_date"] = None
    connection.sync(WEDNESDAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()


# 3. What a plan no longer reaches


@pytest.mark.parametrize("vendor", WITH_REACH)
def test_it_reads_again_as_far_as_the_plan_reaches(sandbox: Sandbox, vendor: str) -> None:
    """The plan's window moved on since the first sync: older rows keep their scale, and a warning says so."""
    adjustment = PROVIDERS[vendor].adjustments[-1]
    connection = Connection(sandbox, vendor, start_date="2026-03-02", adjustment=adjustment)
    connection.sync(WEDNESDAY)
    sandbox.reach = timedelta(days=60)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    output = connection.sync(FRIDAY_EVENING)
    reached = date(2026, 9, 23)
    assert connection.closes(since=reached) == connection.served(since=reached)
    (line,) = [line for line in output.log("WARN").splitlines() if "AAPL" in line and "scale" in line]
    assert "MSFT" not in line
    connection.sync(MONDAY)
    assert connection.closes(since=reached) == connection.served(since=reached)


def test_it_reads_the_market_again_as_far_as_the_plan_reaches(sandbox: Sandbox) -> None:
    """One ticker of thousands that split must not end the sync for all."""
    sandbox.universe = many(6)
    connection = Connection(sandbox, "massive", "*", start_date="2026-09-01", adjustment="splits")
    connection.sync(WEDNESDAY)
    sandbox.reach = timedelta(days=30)
    split = sandbox.universe[2]
    sandbox.split(split, SPLIT_DAY, 4.0)
    output = connection.sync(FRIDAY_EVENING)
    reached = date(2026, 10, 22)
    assert connection.closes(since=reached) == connection.served(since=reached)
    assert split in output.log("WARN")


# 4. Holes


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_fills_a_hole_that_the_vendor_fills_later(sandbox: Sandbox, vendor: str) -> None:
    """The bar comes after that of the next session, which the state is on."""
    connection = Connection(sandbox, vendor)
    sandbox.hide("AAPL", date(2026, 11, 17))
    connection.sync(FRIDAY_EVENING)
    sandbox.show("AAPL", date(2026, 11, 17))
    output = connection.sync(MONDAY)
    assert connection.closes() == connection.served()
    assert ("AAPL", "2026-11-17") in keys_of(output)


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "eodhd"])  # whose raw volume is null
def test_it_takes_over_a_correction_of_an_older_bar(sandbox: Sandbox, vendor: str) -> None:
    """Of what did not change nothing is written but the bar on the state's date."""
    connection = Connection(sandbox, vendor)
    last = connection.sync(FRIDAY_EVENING).state["AAPL"]["date"]
    sandbox.correct("AAPL", date(2026, 11, 12), volume=77_000)
    output = connection.sync(MONDAY)
    assert connection.closes() == connection.served()
    assert connection.rows["AAPL", "2026-11-12"]["volume"] == pytest.approx(77_000, rel=0.1)
    assert [day for name, day in keys_of(output) if name == "AAPL" and day <= last] == ["2026-11-12", last]


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_tells_of_a_hole_that_leaves_the_window(sandbox: Sandbox, vendor: str) -> None:
    """It is not asked for any more: who needs the bar has to look elsewhere."""
    connection = Connection(sandbox, vendor)
    sandbox.hide("AAPL", date(2026, 11, 9))
    said = "".join(
        connection.sync(WEDNESDAY.set(day=9).add(days=days)).log("WARN") for days in range(1, 20) if days % 7 != 6
    )
    assert any("AAPL" in line and "2026-11-09" in line for line in said.splitlines())


@pytest.mark.parametrize(("vendor", "tickers"), [("massive", "*"), ("massive", ", ".join(many(12))), ("eodhd", "*")])
@pytest.mark.parametrize("age", [1, 2, 4, 8])
def test_it_asks_for_sessions_of_some_ages_again(sandbox: Sandbox, vendor: str, tickers: str, age: int) -> None:
    """Where a request is a session of the whole market: four beside the new one. The newest session has the age 0."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, vendor, tickers)
    connection.sync(WEDNESDAY)
    aged = between(date(2026, 11, 2), date(2026, 11, 19))[-1 - age]
    sandbox.correct(sandbox.universe[4], aged, close=12.34)
    sandbox.requests.clear()
    connection.sync(WEDNESDAY.add(days=1))
    assert connection.closes() == connection.served()
    assert len(sandbox.requests) <= 2 + 4  # one more where the oldest of them makes it read the history again


@pytest.mark.parametrize("tickers", ["*", ", ".join(many(12))])
def test_it_finds_a_session_that_was_missing_for_all(sandbox: Sandbox, tickers: str) -> None:
    """The day before it and the day after were served."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, "massive", tickers)
    sandbox.hide("*", date(2026, 11, 18))
    sandbox.now = WEDNESDAY
    for day in (17, 19):
        settings = config(sandbox, "massive", tickers, start_date=f"{START}")
        sandbox.now = WEDNESDAY.set(day=day)
        output = read(settings, now=sandbox.now, state=list(connection.messages.values()) or None)
        connection.rows |= {(row["stock_ticker"], row["date"]): row for row in output.records}
        connection.messages |= {"stock_prices": output.state_messages[-1]}
    assert "2026-11-18" in output.text
    sandbox.show("*", date(2026, 11, 18))
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize(("rows", "admitted"), [(0, True), (0, False), (3, False), (3, True)])
def test_it_does_not_believe_a_market_answer_that_cannot_be(sandbox: Sandbox, rows: int, admitted: bool) -> None:
    """No ticker, fewer than it says, less than half of the session before: the state does not pass it."""
    connection = Connection(sandbox, "massive", "*")
    connection.sync(FRIDAY_EVENING.subtract(days=3))
    sandbox.book.shorten(date(2026, 11, 18), rows, admitted=admitted)
    sandbox.now = FRIDAY_EVENING
    settings = config(sandbox, "massive", "*", start_date=f"{START}")
    output = read(settings, now=FRIDAY_EVENING, state=list(connection.messages.values()))
    assert "2026-11-18" in output.text
    assert output.exit_code == 1 or "2026-11-18" in output.log("WARN")
    connection.rows |= {(row["stock_ticker"], row["date"]): row for row in output.records}
    connection.messages |= {"stock_prices": output.state_messages[-1]} if output.states else {}
    sandbox.book.restore(date(2026, 11, 18))
    connection.sync(MONDAY)
    assert connection.closes() == connection.served()


def test_it_holds_a_ticker_of_the_market_back_whose_history_it_cannot_read(sandbox: Sandbox) -> None:
    """One date for all of them must not pass what one of them failed on."""
    sandbox.universe = many(6)
    split = sandbox.universe[2]
    connection = Connection(sandbox, "massive", "*", adjustment="splits")
    connection.sync(WEDNESDAY)
    sandbox.split(split, SPLIT_DAY, 4.0)
    sandbox.fail("html", times=-1, vendor="massive", ticker=split)
    output = connection.sync(FRIDAY_EVENING, fails=True)
    assert output.error and split in output.error["message"]
    sandbox.faults.clear()
    connection.sync(MONDAY)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_asks_no_more_often_for_the_window(sandbox: Sandbox, vendor: str) -> None:
    """A request of a ticker, or of a hundred, holds it all."""
    connection = Connection(sandbox, vendor, "AAPL")
    connection.sync(FRIDAY_EVENING)
    sandbox.requests.clear()
    connection.sync(MONDAY)
    assert len(sandbox.requests) == 1


def test_it_tells_once_of_a_hole_before_a_session_that_is_not_over(sandbox: Sandbox) -> None:
    """Syncs in the course of a day are no news of it: alerts would repeat with each of them."""
    connection = Connection(sandbox, "fmp", "AAPL", include_unfinished_session=True)
    thursday = FRIDAY_EVENING.subtract(days=1)
    sandbox.hide("AAPL", thursday.date())
    connection.sync(thursday)
    told = 0
    for hour in (10, 11, 12, 15):
        told += "AAPL 2026-11-19" in connection.sync(FRIDAY_EVENING.set(hour=hour)).log("WARN")
    assert told == 0
    assert "AAPL 2026-11-19" in connection.sync(FRIDAY_EVENING).log("WARN")


# 5. Settings


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_reads_what_is_before_when_the_start_moves_back(sandbox: Sandbox, vendor: str) -> None:
    """And nothing again that it has."""
    connection = Connection(sandbox, vendor, start_date="2026-11-02")
    connection.sync(FRIDAY_EVENING)
    connection.settings["start_date"] = f"{START}"
    output = connection.sync(FRIDAY_EVENING.add(hours=1))
    assert connection.closes() == connection.served()
    again = {day for _, day in keys_of(output) if day >= "2026-11-02"}
    assert again <= {last_served(vendor).isoformat()}


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_says_that_the_setting_changed(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """The vendor rewrote nothing."""
    sandbox.split("AAPL", date(2026, 10, 15), 4.0)
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    connection.settings["adjustment"] = "raw"
    output = connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    assert {row["adjustment"] for row in connection.rows.values()} == {"raw"}
    said = output.log("INFO") + output.log("WARN")
    assert "adjustment" in said and "rewrote" not in said


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "tiingo"])
def test_it_reads_again_from_another_provider(sandbox: Sandbox, vendor: str) -> None:
    """Two vendors in one series would differ where one of them corrected."""
    connection = Connection(sandbox, "tiingo")
    connection.sync(WEDNESDAY)
    connection.vendor = vendor
    output = connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    assert {row["provider"] for row in connection.rows.values()} == {vendor}
    assert "provider" in output.log("INFO") + output.log("WARN")


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_reads_again_since_the_first_day_though_the_start_is_later_now(
    sandbox: Sandbox, vendor: str, adjustment: str
) -> None:
    """The rows before it are in the table, and would keep their old scale."""
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    connection.settings["start_date"] = "2026-11-02"
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()


BY_EVERY_WAY = [
    ("tiingo", "AAPL, KO"),
    ("alpaca", "AAPL, KO"),
    ("massive", ", ".join(many(12))),
    ("massive", "*"),
    ("eodhd", "*"),
]


@pytest.mark.parametrize(("vendor", "tickers"), BY_EVERY_WAY)
def test_it_reads_what_lies_between_an_end_in_the_past_and_what_it_has(
    sandbox: Sandbox, vendor: str, tickers: str
) -> None:
    """An archive's start and end, set and taken away again, leave no hole behind."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, vendor, tickers)
    connection.sync(WEDNESDAY)
    connection.settings |= {"start_date": "2026-08-03", "end_date": "2026-08-31"}
    connection.sync(WEDNESDAY.add(days=1))
    connection.settings["end_date"] = None
    connection.sync(FRIDAY_EVENING)
    early = date(2026, 8, 3)
    assert connection.closes(early) == connection.served(since=early)


@pytest.mark.parametrize(("vendor", "tickers"), BY_EVERY_WAY)
def test_it_reads_every_row_again_though_the_end_is_in_the_past(sandbox: Sandbox, vendor: str, tickers: str) -> None:
    """Rows after the end are in the table, too, and would keep the old adjustment."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, vendor, tickers)
    connection.sync(WEDNESDAY)
    adjustment = next(each for each in PROVIDERS[vendor].adjustments if each != "raw")
    connection.settings |= {"adjustment": adjustment, "end_date": "2026-10-20"}
    connection.sync(WEDNESDAY.add(days=1))
    connection.settings["end_date"] = None
    connection.sync(FRIDAY_EVENING)
    assert {row["adjustment"] for row in connection.rows.values()} == {adjustment}
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("days_late", [0, 1])
def test_it_sees_a_split_after_the_market_was_read_with_another_setting(sandbox: Sandbox, days_late: int) -> None:
    """The re-read sessions are what the next sync compares with."""
    sandbox.universe = many(6)
    connection = Connection(sandbox, "massive", "*")
    connection.sync(WEDNESDAY)
    connection.settings["adjustment"] = "splits"
    connection.sync(WEDNESDAY.add(hours=1))
    sandbox.book.split(sandbox.universe[2], SPLIT_DAY, 4.0, applied=SPLIT_DAY + timedelta(days=days_late))
    connection.sync(WEDNESDAY.add(days=1))
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_goes_on_for_a_forgotten_ticker_whose_setting_changed(sandbox: Sandbox, vendor: str) -> None:
    """Its history cannot be read again: a warning says so, and the others are read."""
    adjustments = PROVIDERS[vendor].adjustments
    connection = Connection(sandbox, vendor, adjustment=adjustments[0])
    connection.sync(WEDNESDAY)
    sandbox.book.delist("AAPL", SPLIT_DAY, forgotten=SPLIT_DAY)
    connection.sync(FRIDAY_EVENING)
    if len(adjustments) > 1:
        connection.settings["adjustment"] = adjustments[1]
    else:
        connection.vendor = "fmp"
    for day in (MONDAY, NEXT_WEEK):
        output = connection.sync(day)
        assert "AAPL" in output.log("WARN")
    rows = {key: price for key, price in connection.closes().items() if key[0] != "AAPL"}
    assert rows == connection.served("MSFT")


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
def test_it_names_a_session_that_a_history_read_again_lacks(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """Its row in the table keeps the old scale."""
    connection = Connection(sandbox, vendor, adjustment=adjustment)
    connection.sync(WEDNESDAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    sandbox.hide("AAPL", date(2026, 10, 15))
    output = connection.sync(FRIDAY_EVENING)
    assert "AAPL 2026-10-15" in output.log("WARN")


NAMED = ", ".join(many(3))


@pytest.mark.parametrize(("first", "second"), [(NAMED, "*"), ("*", NAMED)])
def test_it_reads_again_what_the_other_way_to_name_tickers_overwrote(sandbox: Sandbox, first: str, second: str) -> None:
    """Some by name, and the whole market with another adjustment, write one table in turns."""
    sandbox.universe = many(6)
    sandbox.split(sandbox.universe[1], date(2026, 11, 3), 4.0)
    connection = Connection(sandbox, "massive", first)
    connection.sync(WEDNESDAY)
    connection.tickers, connection.settings["adjustment"] = second, "splits"
    connection.sync(WEDNESDAY.add(days=1))
    connection.tickers, connection.settings["adjustment"] = first, "raw"
    connection.sync(FRIDAY_EVENING)
    names = sandbox.universe if first == "*" else NAMED.split(", ")
    rows = {key: price for key, price in connection.closes().items() if key[0] in names}
    assert rows == connection.served()


@pytest.mark.parametrize("waits", [False, True])
def test_it_goes_on_by_name_from_what_the_whole_market_has(sandbox: Sandbox, waits: bool) -> None:
    """Also for a ticker whose history was still to be read again. No start is needed for that."""
    sandbox.universe = many(6)
    connection = Connection(sandbox, "massive", "*", adjustment="splits")
    connection.sync(WEDNESDAY)
    if waits:
        sandbox.split(sandbox.universe[1], SPLIT_DAY, 4.0)
        sandbox.fail("html", times=-1, vendor="massive", ticker=sandbox.universe[1])
        connection.sync(WEDNESDAY.add(days=1), fails=True)
        sandbox.faults.clear()
    connection.tickers, connection.settings["start_date"] = NAMED, None
    connection.sync(FRIDAY_EVENING)
    if not waits:
        sandbox.split(sandbox.universe[1], MONDAY.date(), 4.0)
    connection.sync(MONDAY)
    rows = {key: price for key, price in connection.closes().items() if key[0] in NAMED.split(", ")}
    assert rows == connection.served()


@pytest.mark.parametrize(("vendor", "tickers"), BY_EVERY_WAY)
def test_it_reads_again_what_a_killed_sync_left_of_a_setting_that_was_changed_back(
    sandbox: Sandbox, vendor: str, tickers: str
) -> None:
    """The rows of the killed sync are in the table, though no state came after them."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, vendor, tickers)
    connection.sync(WEDNESDAY)
    connection.settings["adjustment"] = PROVIDERS[vendor].adjustments[-1]
    connection.sync(WEDNESDAY.add(days=1), stops=True)
    connection.settings["adjustment"] = "raw"
    connection.sync(FRIDAY_EVENING)
    assert {row["adjustment"] for row in connection.rows.values()} == {"raw"}
    assert connection.closes() == connection.served()


@pytest.mark.parametrize(("vendor", "tickers"), BY_EVERY_WAY)
def test_it_reads_again_what_a_killed_sync_left_of_a_rewrite_that_was_taken_back(
    sandbox: Sandbox, vendor: str, tickers: str
) -> None:
    """The vendor answers as it did before; only the table does not."""
    sandbox.universe = many(12)
    ticker = sandbox.universe[3] if tickers == "*" else tickers.split(", ")[1]
    connection = Connection(sandbox, vendor, tickers, adjustment=PROVIDERS[vendor].adjustments[-1])
    connection.sync(WEDNESDAY)
    sandbox.book.scale(ticker, SPLIT_DAY, 0.5)
    connection.sync(WEDNESDAY.add(days=1), stops=True)
    sandbox.book.scale(ticker, SPLIT_DAY, 1.0)
    output = connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    assert tickers == "*" or "an earlier reread did not finish" in output.log("WARN")


@pytest.mark.parametrize("vendor", WITH_REACH)
def test_it_reads_what_an_upgraded_plan_reaches(sandbox: Sandbox, vendor: str) -> None:
    """An earlier start was cut by the plan. Where the vendor cuts without a word, one day earlier asks again."""
    sandbox.reach = timedelta(days=60)
    connection = Connection(sandbox, vendor, start_date="2026-11-02")
    connection.sync(WEDNESDAY)
    connection.settings["start_date"] = "2026-06-02"
    connection.sync(WEDNESDAY.add(days=1))
    connection.sync(FRIDAY_EVENING)
    sandbox.reach = None
    connection.settings["start_date"] = "2026-06-01"
    connection.sync(MONDAY)
    early = date(2026, 6, 1)
    assert connection.closes(early) == connection.served(since=early)
    sandbox.requests.clear()
    connection.sync(MONDAY.add(hours=1))
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("vendor", "tickers"), [("fmp", "AAPL, KO"), ("massive", ", ".join(many(12))), ("massive", "*")]
)
def test_it_asks_for_a_start_before_the_plan_with_few_requests(sandbox: Sandbox, vendor: str, tickers: str) -> None:
    """Whoever upgrades need not touch a setting: what the plan refused is asked for in each sync."""
    sandbox.universe = many(12)
    sandbox.reach = timedelta(days=60)
    connection = Connection(sandbox, vendor, tickers, start_date="2026-11-02")
    connection.sync(WEDNESDAY)
    connection.settings["start_date"] = "2026-06-02"
    connection.sync(WEDNESDAY.add(days=1))
    sandbox.requests.clear()
    output = connection.sync(WEDNESDAY.add(days=1, hours=1))
    assert len(sandbox.requests) <= 5  # four workers ask at once
    assert "plan does not reach" in output.log("WARN")
    sandbox.reach = None
    connection.sync(FRIDAY_EVENING)
    early = date(2026, 6, 2)
    assert connection.closes(early) == connection.served(since=early)


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_reads_a_history_again_whose_last_bar_is_gone(sandbox: Sandbox, vendor: str) -> None:
    """It is gone from the window, too: the vendor took it back, and the rest is right."""
    connection = Connection(sandbox, vendor, adjustment=PROVIDERS[vendor].adjustments[-1])
    connection.sync(WEDNESDAY)
    last = last_served(vendor, WEDNESDAY)
    sandbox.hide("AAPL", last)
    sandbox.book.scale("AAPL", last, 0.5, raw=True)
    for day in between(last + timedelta(days=1), date(2026, 12, 31)):
        sandbox.hide("AAPL", day)
    output = connection.sync(FRIDAY_EVENING)
    rows = {key: price for key, price in connection.closes().items() if key != ("AAPL", f"{last}")}
    assert rows == connection.served()
    assert f"AAPL ({last})" in output.log("WARN")


# 6. One odd thing costs no more than itself


@pytest.mark.parametrize("odd", [[], None, "nothing", 7])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_leaves_a_row_out_that_is_none(sandbox: Sandbox, vendor: str, odd: Any) -> None:
    """The others count, and a warning says that one of them could not be read."""
    day = date(2026, 11, 17)
    sandbox.book.garble("AAPL", day, odd)
    connection = Connection(sandbox, vendor, "AAPL, MSFT")
    output = connection.sync(FRIDAY_EVENING)
    whole = dict(connection.served().expected)
    whole.pop(("AAPL", f"{day}"))
    assert connection.closes() == pytest.approx(whole)
    assert any("AAPL" in line for line in output.log("WARN").splitlines())


@pytest.mark.parametrize("odd", ["NA", "NaN", None, -3.5, 0])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_leaves_a_bar_out_whose_close_is_none(sandbox: Sandbox, vendor: str, odd: Any) -> None:
    """By name, day and reason; it stays a hole, and comes when the vendor has mended it."""
    day = date(2026, 11, 17)
    sandbox.book.garble("AAPL", day, odd, "close")
    connection = Connection(sandbox, vendor)
    output = connection.sync(FRIDAY_EVENING)
    assert ("AAPL", f"{day}") not in connection.rows
    assert len(connection.rows) == len(connection.served().expected) - 1
    assert any("AAPL" in line and f"{day}" in line for line in output.log("WARN").splitlines())
    sandbox.book.garbled("AAPL", day).clear()  # type: ignore[attr-defined]
    connection.sync(MONDAY)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("side", ["open", "high", "low", "volume"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_makes_an_odd_side_field_null(sandbox: Sandbox, vendor: str, side: str) -> None:
    """The close is what most people need."""
    day = date(2026, 11, 17)
    sandbox.book.garble("AAPL", day, "NA", side)
    connection = Connection(sandbox, vendor)
    output = connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    assert connection.rows["AAPL", f"{day}"][side] is None
    assert any("AAPL" in line and f"{day}" in line for line in output.log("WARN").splitlines())


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_reads_those_behind_tickers_with_odd_rows(sandbox: Sandbox, vendor: str) -> None:
    """Three in a row were taken for a vendor whose answers are not its own."""
    tickers = many(5)
    for ticker in tickers[:3]:
        sandbox.book.garble(ticker, date(2026, 11, 17), "NA", "close")
    connection = Connection(sandbox, vendor, ", ".join(tickers))
    connection.sync(FRIDAY_EVENING)
    assert len(connection.rows) == len(connection.served().expected) - 3


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_reads_those_behind_a_ticker_that_the_vendor_fails_on(sandbox: Sandbox, vendor: str) -> None:
    """A lasting 500 of one ticker, in every sync, is that ticker's failure where others are answered."""
    connection = Connection(sandbox, vendor, "AAPL, MSFT, KO")
    sandbox.fail("500", times=-1, vendor=vendor, ticker="MSFT")
    for now in (FRIDAY_EVENING, MONDAY):
        output = connection.sync(now, fails=True)
        assert output.error and "MSFT" in output.error["message"]
        assert connection.closes() == connection.served("AAPL, KO")


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_warns_of_a_ticker_that_the_vendor_forgot(sandbox: Sandbox, vendor: str) -> None:
    """It had bars: it was delisted or renamed, and that is no failure. One that never had any is a typo."""
    connection = Connection(sandbox, vendor)
    connection.sync(WEDNESDAY)
    sandbox.book.delist("AAPL", SPLIT_DAY, forgotten=SPLIT_DAY)
    output = connection.sync(FRIDAY_EVENING)
    assert "AAPL" in output.log("WARN")
    assert max(day for name, day in connection.rows if name == "MSFT") == f"{last_served(vendor)}"
    connection.sync(MONDAY)


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if PROVIDERS[vendor].tickers_per_request == 1])
def test_it_asks_last_for_a_ticker_that_failed(sandbox: Sandbox, vendor: str) -> None:
    """A quota that ends half-way must not end at the same ticker every day."""
    connection = Connection(sandbox, vendor, "AAPL, MSFT, KO", num_workers=1)
    connection.sync(WEDNESDAY)
    sandbox.fail("html", times=-1, vendor=vendor, ticker="AAPL")
    connection.sync(FRIDAY_EVENING, fails=True)
    sandbox.faults.clear()
    output = connection.sync(MONDAY)
    assert list(dict.fromkeys(name for name, _ in keys_of(output)))[-1] == "AAPL"


def test_it_asks_last_for_a_ticker_that_is_behind_those_of_a_session(sandbox: Sandbox) -> None:
    """One request has the others, and a quota that ends with it has not read them in vain."""
    sandbox.universe = many(13)
    *known, new = sandbox.universe
    connection = Connection(sandbox, "massive", ", ".join(known), num_workers=1)
    connection.sync(WEDNESDAY)
    connection.tickers += f", {new}"
    sandbox.requests.clear()
    connection.sync(FRIDAY_EVENING)
    is_alone = [f"/ticker/{new}/" in asked.path for asked in sandbox.requests]
    assert is_alone[-1]
    assert is_alone == sorted(is_alone)
    assert connection.closes() == connection.served()


# 7. What is a bar


@pytest.mark.parametrize("side", [{"open": 1.0}, {"open": 9999.0}, {"high": 1.0}, {"low": 9999.0}])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_keeps_a_bar_whose_prices_do_not_fit(sandbox: Sandbox, vendor: str, side: dict[str, float]) -> None:
    """An open that does not count for high and low is the vendor's to say."""
    sandbox.book.misquote("AAPL", date(2026, 11, 17), **side)
    connection = Connection(sandbox, vendor)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()


@pytest.mark.parametrize("vendor", ROWS_IN_A_LIST)
def test_it_takes_the_row_that_traded(sandbox: Sandbox, vendor: str) -> None:
    """A stand-in repeats the close of the day before, without volume, until the bar comes."""
    sandbox.book.carry("AAPL", date(2026, 11, 17))
    connection = Connection(sandbox, vendor)
    connection.sync(FRIDAY_EVENING)
    assert connection.closes() == connection.served()
    assert connection.rows["AAPL", "2026-11-17"]["volume"] != 0


@pytest.mark.parametrize("day", [date(2026, 11, 21), THANKSGIVING])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_takes_no_row_of_a_day_without_a_session(sandbox: Sandbox, vendor: str, day: date) -> None:
    assert not is_session(day)
    sandbox.book.carry("AAPL", day)
    connection = Connection(sandbox, vendor)
    connection.sync(NEXT_WEEK)
    assert connection.closes() == connection.served()


def test_it_takes_no_ticker_that_no_exchange_could_have(sandbox: Sandbox) -> None:
    """A NUL ends a load into PostgreSQL."""
    sandbox.universe = ["AAPL", "", "\u0000HTLB", "MSFT"]
    connection = Connection(sandbox, "massive", "*")
    output = connection.sync(FRIDAY_EVENING)
    assert {name for name, _ in connection.rows} == {"AAPL", "MSFT"}
    assert output.log("WARN")


# 8. A key once a sync


@pytest.mark.parametrize("tickers", ["*", ", ".join(many(12))])
def test_it_writes_a_key_once_on_the_day_of_a_split(sandbox: Sandbox, tickers: str) -> None:
    """The history that is read again has the new sessions, and so have their own answers."""
    sandbox.universe = many(12)
    connection = Connection(sandbox, "massive", tickers, adjustment="splits")
    connection.sync(WEDNESDAY)
    sandbox.split(sandbox.universe[3], SPLIT_DAY, 4.0)
    keys = keys_of(connection.sync(FRIDAY_EVENING))
    assert len(keys) == len(set(keys))
    assert connection.closes() == connection.served()


# 9. Events


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_multiplies_two_splits_of_a_day(sandbox: Sandbox, vendor: str) -> None:
    """Small holders are paid out by a reverse split and a split back: nothing changes."""
    sandbox.book.announce("KO", SPLIT_DAY, split=1 / 500)
    sandbox.book.announce("KO", SPLIT_DAY, split=500.0)
    connection = Connection(sandbox, vendor, "KO")
    connection.sync(FRIDAY_EVENING, streams=EVENTS)
    row = connection.happened("stock_splits").get(("KO", f"{SPLIT_DAY}"))
    assert row is None or row["ratio"] == pytest.approx(1)


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_counts_a_dividend_once_that_is_listed_twice(sandbox: Sandbox, vendor: str) -> None:
    """Two ids of one payment. Without ids, the very same row twice means two payments, and a warning says so."""
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.31)
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.31)
    connection = Connection(sandbox, vendor, "KO")
    output = connection.sync(FRIDAY_EVENING, streams=EVENTS)
    paid = 0.31 if vendor in ("massive", "alpaca") else 0.62
    assert connection.happened("dividends")["KO", f"{SPLIT_DAY}"]["amount"] == pytest.approx(paid)
    assert any("KO" in line and f"{SPLIT_DAY}" in line for line in output.log("WARN").splitlines())


@pytest.mark.parametrize("vendor", ["massive", "alpaca", "eodhd"])
def test_it_never_adds_two_currencies(sandbox: Sandbox, vendor: str) -> None:
    """Of those vendors that name one."""
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.439, currency="CAD")
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.31)
    connection = Connection(sandbox, vendor, "KO")
    output = connection.sync(FRIDAY_EVENING, streams=EVENTS)
    row = connection.happened("dividends")["KO", f"{SPLIT_DAY}"]
    assert (row["amount"], row["currency"]) in [(0.439, "CAD"), (0.31, "USD"), (None, None)]
    assert any("KO" in line and f"{SPLIT_DAY}" in line for line in output.log("WARN").splitlines())


@pytest.mark.parametrize("vendor", WITH_EVENTS)
@pytest.mark.parametrize(("field", "odd"), [("dividend", None), ("dividend", ""), ("dividend", "NA"), ("", [])])
def test_it_leaves_an_event_out_that_cannot_be_read(sandbox: Sandbox, vendor: str, field: str, odd: Any) -> None:
    """The others of the ticker, and of the tickers behind it, count."""
    for day in (16, 17):
        sandbox.book.announce("KO", date(2026, 11, day), dividend=0.5)
    sandbox.book.garble("KO", date(2026, 11, 16), odd, field)
    connection = Connection(sandbox, vendor, "KO, MSFT")
    output = connection.sync(FRIDAY_EVENING, streams=["dividends"])
    assert ("KO", "2026-11-17") in connection.happened("dividends")
    assert any("KO" in line for line in output.log("WARN").splitlines())


@pytest.mark.parametrize("vendor", WITH_EVENTS)
@pytest.mark.parametrize("odd", ["0000-00-00", "soon", 7])
def test_it_makes_an_odd_day_of_payment_null(sandbox: Sandbox, vendor: str, odd: Any) -> None:
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.5)
    sandbox.book.garble("KO", SPLIT_DAY, odd, "paid")
    connection = Connection(sandbox, vendor, "KO")
    connection.sync(FRIDAY_EVENING, streams=["dividends"])
    row = connection.happened("dividends")["KO", f"{SPLIT_DAY}"]
    assert (row["amount"], row["pay_date"]) == (0.5, None)


@pytest.mark.parametrize("stream", EVENTS)
@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_takes_back_an_event_that_is_cancelled(sandbox: Sandbox, vendor: str, stream: str) -> None:
    """It is written once more, as cancelled, and not a third time."""
    sandbox.book.announce("KO", SPLIT_DAY, **{"stock_splits": {"split": 3.0}, "dividends": {"dividend": 0.5}}[stream])
    connection = Connection(sandbox, vendor, "KO")
    connection.sync(FRIDAY_EVENING, streams=[stream])
    assert ("KO", f"{SPLIT_DAY}") in connection.happened(stream)
    sandbox.book.cancel("KO", SPLIT_DAY)
    output = connection.sync(MONDAY, streams=[stream])
    assert ("KO", f"{SPLIT_DAY}") not in connection.happened(stream)
    assert [row["cancelled"] for row in output.rows(stream) if row["date"] == f"{SPLIT_DAY}"] == [True]
    again = connection.sync(MONDAY.add(days=1), streams=[stream])
    assert not [row for row in again.rows(stream) if row["date"] == f"{SPLIT_DAY}"]


@pytest.mark.parametrize("stream", EVENTS)
@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_moves_an_event_that_is_moved(sandbox: Sandbox, vendor: str, stream: str) -> None:
    """One record on the day it moved to, and none that counts on the day before."""
    moved = SPLIT_DAY - timedelta(days=1)
    sandbox.book.announce("KO", SPLIT_DAY, **{"stock_splits": {"split": 3.0}, "dividends": {"dividend": 0.5}}[stream])
    connection = Connection(sandbox, vendor, "KO")
    connection.sync(FRIDAY_EVENING, streams=[stream])
    sandbox.book.amend("KO", SPLIT_DAY, date=moved)
    connection.sync(MONDAY, streams=[stream])
    days = {day for _, day in connection.happened(stream) if day >= "2026-11-16"}
    assert days & {f"{moved}", f"{SPLIT_DAY}"} == {f"{moved}"}


def test_it_counts_a_row_once_that_is_corrected_between_two_pages(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's id tells that it is the same one."""
    monkeypatch.setattr("integration_tests.sandbox.massive._limit", lambda *args, **limits: 1)
    sandbox.book.announce("KO", date(2026, 11, 17), dividend=0.25)
    sandbox.book.announce("KO", SPLIT_DAY, dividend=0.5)
    done: list[bool] = []

    def correct() -> None:
        if not done:
            done.append(True)
            sandbox.book.announce("AAPL", date(2026, 11, 12), dividend=0.1)  # before the others: they move down
            sandbox.book.amend("KO", date(2026, 11, 17), dividend=0.26)

    sandbox.universe = ["AAPL", "KO"]
    sandbox.between_pages = correct
    connection = Connection(sandbox, "massive", "AAPL, KO", start_date="2026-11-10")
    connection.sync(FRIDAY_EVENING, streams=["dividends"])
    assert connection.happened("dividends")["KO", "2026-11-17"]["amount"] == pytest.approx(0.26)
    assert connection.happened("dividends")["KO", f"{SPLIT_DAY}"]["amount"] == pytest.approx(0.5)


# 10. Units


def test_it_gives_a_raw_volume_in_the_shares_of_its_day(sandbox: Sandbox) -> None:
    """EODHD's is in the shares of today: where it is not made right, it is null."""
    connection = Connection(sandbox, "eodhd", "AAPL")
    connection.sync(WEDNESDAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    connection.sync(FRIDAY_EVENING)
    truth = sandbox.truth(["AAPL"], START, last_served("eodhd"))
    for (name, day), trade in truth.items():
        volume = connection.rows[name, f"{day}"]["volume"]
        assert volume is None or volume == pytest.approx(trade.volume, rel=1e-3), day


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_names_the_currency_of_a_price(sandbox: Sandbox, vendor: str) -> None:
    """Where the vendor, or its market, tells."""
    connection = Connection(sandbox, vendor, "AAPL")
    connection.sync(FRIDAY_EVENING)
    assert {row["currency"] for row in connection.rows.values()} <= {"USD", None}


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_writes_one_type_for_a_number(sandbox: Sandbox, vendor: str) -> None:
    """Whatever takes a column's type from its values would make two columns of 100 and 100.25."""
    sandbox.correct("AAPL", date(2026, 11, 17), open=100, high=100, low=100, close=100, volume=5000)
    connection = Connection(sandbox, vendor, "AAPL")
    output = connection.sync(FRIDAY_EVENING)
    for row in output.records:
        numbers = [row[name] for name in ("price", "open", "high", "low", "close", "volume", "vwap")]
        assert all(value is None or isinstance(value, float) for value in numbers), row


@pytest.mark.parametrize("factor", [0.01, 15.0])
@pytest.mark.parametrize("vendor", VENDORS)
def test_it_warns_of_a_price_that_leaps_without_a_split(sandbox: Sandbox, vendor: str, factor: float) -> None:
    """London's pence for pounds, or a row of another company."""
    close = sandbox.truth(["AAPL"], SPLIT_DAY, SPLIT_DAY)["AAPL", SPLIT_DAY].close
    leap = {name: round(close * factor, 2) for name in ("open", "high", "low", "close")}
    sandbox.book.misquote("AAPL", SPLIT_DAY, **leap)
    output = Connection(sandbox, vendor).sync(FRIDAY_EVENING)
    assert any("AAPL" in line and f"{SPLIT_DAY}" in line for line in output.log("WARN").splitlines())


# 11. Modes and waits


def test_it_says_that_a_full_refresh_is_not_resumable(sandbox: Sandbox) -> None:
    """A second attempt begins anew: Airbyte must not keep the rows of the first."""
    sandbox.now = FRIDAY_EVENING
    (catalog,) = discover(config(sandbox, "massive"), now=FRIDAY_EVENING).of_type("CATALOG")
    assert {stream.get("is_resumable") for stream in catalog["streams"]} == {False}


@pytest.mark.parametrize(
    "mark",
    [
        {"__ab_no_cursor_state_message": True},
        {"__ab_full_refresh_sync_complete": True},
        {"__ab_full_refresh_state_message": True},
        {"sync_mode": "full_refresh"},
    ],
)
def test_it_takes_the_marks_of_a_full_refresh_for_no_state(sandbox: Sandbox, mark: dict[str, Any]) -> None:
    """A connection that is switched to incremental begins anew."""
    sandbox.now = FRIDAY_EVENING
    stream = {"stream_descriptor": {"name": "stock_prices"}, "stream_state": mark}
    output = read(config(sandbox, "massive"), now=FRIDAY_EVENING, state=[{"type": "STREAM", "stream": stream}])
    assert (output.exit_code, len(output.records)) == (0, 6)


def test_it_waits_an_hour_at_most_for_one_request(sandbox: Sandbox, waits: list[float]) -> None:
    """All waits of it together: Airbyte's heartbeat ends what is silent for three."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("throttle-retry-after:3500", times=-1, vendor="massive")
    read(config(sandbox, "massive"), now=FRIDAY_EVENING)
    assert 0 < sum(waits) <= 3600 + 60


def test_it_tells_the_platform_that_it_waits(sandbox: Sandbox) -> None:
    """Of the stream that waits, with the time until when."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("throttle", vendor="massive")
    output = read(config(sandbox, "massive"), now=FRIDAY_EVENING)
    traces = [trace["stream_status"] for trace in output.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
    limited = [status for status in traces if (status.get("reasons") or [{}])[0].get("type") == "RATE_LIMITED"]
    assert limited
    for status in limited:
        assert status["stream_descriptor"]["name"] == "stock_prices"
        assert status["reasons"][0]["rate_limited"]["quota_reset"]


def test_it_tells_the_state_of_an_earlier_start_once_every_span_of_events_was_read(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years of the whole market are several requests, and the sync may end between them."""
    sandbox.universe = many(3)
    days = ["2022-03-03", "2023-09-05", "2024-09-05", "2025-09-05", "2026-08-05"]
    for day in days:
        sandbox.book.announce(sandbox.universe[1], date.fromisoformat(day), split=2.0)
    connection = Connection(sandbox, "massive", "*", start_date="2026-06-01", num_workers=1)
    connection.sync(WEDNESDAY, streams=["stock_splits"])
    connection.settings["start_date"] = "2022-01-01"
    faults = iter([None])
    monkeypatch.setattr(sandbox.faults, "take", lambda vendor: next(faults, "bad-key"))
    connection.sync(WEDNESDAY.add(days=1), streams=["stock_splits"], fails=True)
    monkeypatch.undo()
    connection.sync(FRIDAY_EVENING, streams=["stock_splits"])
    assert {day for _, day in connection.happened("stock_splits")} >= set(days)


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_writes_a_key_once_where_an_earlier_start_meets_a_failed_ticker_and_a_split(
    sandbox: Sandbox, vendor: str
) -> None:
    connection = Connection(sandbox, vendor, start_date="2026-11-02", adjustment=PROVIDERS[vendor].adjustments[-1])
    connection.sync(WEDNESDAY)
    sandbox.fail("500", times=-1, vendor=vendor, ticker="AAPL")
    connection.sync(WEDNESDAY.add(days=1), fails=True)
    sandbox.faults.clear()
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    connection.settings["start_date"] = f"{START}"
    keys = keys_of(connection.sync(FRIDAY_EVENING))
    assert len(keys) == len(set(keys))
    assert connection.closes() == connection.served()


def test_it_does_not_call_a_ticker_gone_that_is_asked_for_alone(sandbox: Sandbox) -> None:
    """One session late, it is read by its own name, beside the sessions of the others."""
    sandbox.universe = many(12)
    late = sandbox.universe[3]
    connection = Connection(sandbox, "massive", ", ".join(sandbox.universe), adjustment="splits")
    connection.sync(WEDNESDAY)
    sandbox.hide(late, SPLIT_DAY)
    connection.sync(WEDNESDAY.add(days=1))
    output = connection.sync(FRIDAY_EVENING)
    assert "no longer serves" not in output.log("WARN")


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_goes_on_for_a_ticker_that_was_renamed(sandbox: Sandbox, vendor: str) -> None:
    """The old name is a warning, the new one has its history."""
    connection = Connection(sandbox, vendor)
    connection.sync(WEDNESDAY)
    sandbox.rename("AAPL", "APLE", SPLIT_DAY)
    connection.tickers = "AAPL, APLE, MSFT"
    output = connection.sync(FRIDAY_EVENING)
    assert "AAPL" in output.log("WARN")
    rows = {key: price for key, price in connection.closes().items() if key[0] != "AAPL"}
    assert rows == connection.served("APLE, MSFT")


def test_it_reads_a_ticker_by_name_that_waited_as_one_of_the_market(sandbox: Sandbox) -> None:
    """Whoever changes `*` to a list in the wrong moment has nothing to reset."""
    state = {"*": {"date": "2026-11-18", "price": None}, "AAPL": {"again": True}}
    settings = config(sandbox, "massive", "AAPL, MSFT", start_date="2026-11-02")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING), state=as_message(state))
    assert output.exit_code == 0
    assert {name for name, _ in keys_of(output)} == {"AAPL", "MSFT"}
    assert "again" not in output.state["AAPL"]
