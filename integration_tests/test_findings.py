"""The stream `findings`: every kind of thing to look at, by name, and how the stream behaves in a sync."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft7Validator
from pendulum import DateTime

from integration_tests.front_door import Output, discover, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import FRIDAY_EVENING, at, config
from source_stock_prices.findings import KINDS
from source_stock_prices.providers import PROVIDERS

WEDNESDAY, MONDAY = FRIDAY_EVENING.subtract(days=2), FRIDAY_EVENING.add(days=3)
TUESDAY, THURSDAY = date(2026, 11, 17), date(2026, 11, 19)
STREAMS = ("findings", "stock_prices", "stock_splits", "dividends", "ticker_changes")
"""Not in the order in which they are read."""

LATE = date(2026, 10, 19)

SCHEMA = json.loads(Path("source_stock_prices/schemas/findings.json").read_text())
KEY = ("found_at", "stream", "stock_ticker", "date", "kind")

Row = Mapping[str, Any]
Happening = Callable[[Sandbox], object]


def nothing(sandbox: Sandbox) -> None:
    """Nothing happens."""


class Case(NamedTuple):
    """What happens before a first sync on Wednesday, and before a second one on Friday."""

    kind: str
    ticker: str
    day: str
    first: Happening = nothing
    second: Happening = nothing
    stream: str = "stock_prices"
    old: str | None = None
    new: str | None = None


def jump(sandbox: Sandbox) -> None:
    sandbox.book.misquote("IBM", THURSDAY, open=500.0, high=1000.0, low=500.0, close=1000.0)


def announce_many(sandbox: Sandbox) -> None:
    for number in (9, 10, 11):
        sandbox.book.announce("GE", date(2026, 11, number), dividend=0.5)


def cancel_many(sandbox: Sandbox) -> None:
    for number in (9, 10, 11):
        sandbox.book.cancel("GE", date(2026, 11, number))


def pay_twice(sandbox: Sandbox) -> None:
    sandbox.book.announce("T", THURSDAY, dividend=0.439, currency="CAD")
    sandbox.book.announce("T", THURSDAY, dividend=0.31)


def announce_oddly(sandbox: Sandbox) -> None:
    sandbox.book.announce("T", date(2026, 11, 16), dividend=0.5)
    sandbox.book.announce("T", date(2026, 11, 13), dividend=0.5)
    sandbox.book.announce("T", date(2026, 11, 12), dividend=0.5)
    sandbox.book.garble("T", date(2026, 11, 16), [], "dividend")


CASES = [
    Case("missing session", "AAPL", "2026-11-17", first=lambda sandbox: sandbox.hide("AAPL", TUESDAY)),
    Case(
        "filled late",
        "AAPL",
        "2026-11-17",
        first=lambda sandbox: sandbox.hide("AAPL", TUESDAY),
        second=lambda sandbox: sandbox.show("AAPL", TUESDAY),
    ),
    Case(
        "dropped row", "MSFT", "2026-11-19", second=lambda sandbox: sandbox.book.garble("MSFT", THURSDAY, "NA", "close")
    ),
    Case("odd field", "KO", "2026-11-19", second=lambda sandbox: sandbox.book.garble("KO", THURSDAY, "NA", "open")),
    Case(
        "changed bar",
        "KO",
        "2026-11-17",
        second=lambda sandbox: sandbox.correct("KO", TUESDAY, close=60.0),
    ),
    Case(
        "history rewritten",
        "CSCO",
        "2026-11-04",
        second=lambda sandbox: sandbox.book.scale("CSCO", TUESDAY, 0.5, raw=True),
    ),
    Case("price jump", "IBM", "2026-11-19", second=jump, old="375.83", new="1000.0"),
    Case(
        "ticker gone",
        "PEP",
        "2026-11-20",
        second=lambda sandbox: sandbox.book.delist("PEP", THURSDAY, forgotten=THURSDAY),
    ),
    Case("ticker unknown", "ZZZZ", "2026-11-20"),
    Case(
        "not read",
        "NVDA",
        "2026-11-20",
        second=lambda sandbox: sandbox.fail("html", times=-1, vendor="eodhd", ticker="NVDA"),
    ),
    Case(
        "starts late",
        "F",
        "2026-10-19",
        first=lambda sandbox: sandbox.book.begin("F", LATE),
        old="2026-10-01",
        new="2026-10-19",
    ),
    Case(
        "event cancelled",
        "TSLA",
        "2026-11-19",
        first=lambda sandbox: sandbox.book.announce("TSLA", THURSDAY, split=3.0),
        second=lambda sandbox: sandbox.book.cancel("TSLA", THURSDAY),
        stream="stock_splits",
    ),
    Case("events not believed", "GE", "2026-11-20", first=announce_many, second=cancel_many, stream="dividends"),
    Case("odd event", "T", "2026-11-19", second=pay_twice, stream="dividends"),
    Case("dropped row", "T", "2026-11-16", first=announce_oddly, stream="dividends"),
    Case(
        "ticker renamed",
        "NEWA",
        "2026-11-16",
        first=lambda sandbox: sandbox.book.rename("OLDA", "NEWA", date(2026, 11, 16)),
        stream="ticker_changes",
        old="OLDA",
        new="NEWA",
    ),
]


def sync(
    sandbox: Sandbox,
    now: DateTime,
    *,
    tickers: Sequence[str],
    state: Any = None,
    vendor: str = "eodhd",
    streams: Sequence[str] = STREAMS,
    **settings: Any,
) -> Output:
    settings = {"start_date": "2026-10-01", **settings}
    return read(
        config(sandbox, vendor, ", ".join(tickers), **settings),
        now=at(sandbox, now),
        state=state,
        streams=streams,
    )


def found(output: Output, kind: str) -> list[Row]:
    return [row for row in output.rows("findings") if row["kind"] == kind]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind} {case.ticker}")
def test_it_writes_a_record_of_what_is_found(sandbox: Sandbox, case: Case) -> None:
    """One for each thing, with a sentence that names it, and the values where they are known."""
    case.first(sandbox)
    tickers = [case.ticker]
    first = sync(sandbox, WEDNESDAY, tickers=tickers)
    case.second(sandbox)
    second = sync(sandbox, FRIDAY_EVENING, tickers=tickers, state=first.state_messages)
    rows = found(first, case.kind) + found(second, case.kind)
    told = {(row["stream"], row["stock_ticker"], row["date"]): row for row in rows}
    row = told[case.stream, case.ticker, case.day]
    assert case.ticker in row["detail"]
    assert (row["old"], row["new"], row["provider"]) == (case.old, case.new, "eodhd")


def test_it_writes_what_was_found_of_a_setting(sandbox: Sandbox) -> None:
    first = sync(sandbox, WEDNESDAY, tickers=["AAPL", "MSFT"])
    second = sync(sandbox, FRIDAY_EVENING, tickers=["AAPL", "MSFT"], state=first.state_messages, adjustment="all")
    rows = found(second, "setting changed")
    assert [(row["stock_ticker"], row["date"], row["old"], row["new"]) for row in rows] == [
        ("AAPL", "2026-11-20", "raw", "all"),
        ("MSFT", "2026-11-20", "raw", "all"),
    ]
    assert "stock_prices: adjustment changed from raw to all; rereading AAPL, MSFT from " in second.log("WARN")


def test_it_writes_what_was_found_of_the_plan(sandbox: Sandbox) -> None:
    """Rows that keep their old scale, and data that the provider says it left out."""
    first = sync(sandbox, WEDNESDAY, tickers=["AAPL"], vendor="fmp", adjustment="splits", start_date="2026-03-02")
    sandbox.reach = timedelta(days=60)
    sandbox.split("AAPL", THURSDAY, 4.0)
    second = sync(
        sandbox,
        FRIDAY_EVENING,
        tickers=["AAPL"],
        vendor="fmp",
        adjustment="splits",
        start_date="2026-03-02",
        state=first.state_messages,
    )
    (row,) = [row for row in found(second, "cut by the plan") if row["stream"] == "stock_prices"]
    assert (row["stock_ticker"], row["date"]) == ("AAPL", "2026-09-21")
    (notice,) = found(sync(sandbox, FRIDAY_EVENING, tickers=["KO"], start_date="2026-03-02"), "notice")[:1]
    assert notice["stock_ticker"] == "KO"


def test_it_writes_that_a_whole_day_is_not_believed(sandbox: Sandbox) -> None:
    """About no single ticker."""
    settings = {"tickers": ["*"], "vendor": "massive", "streams": ("findings", "stock_prices")}
    first = sync(sandbox, WEDNESDAY, **settings)
    sandbox.book.shorten(date(2026, 11, 20), 1)
    second = sync(sandbox, FRIDAY_EVENING.add(days=1), state=first.state_messages, **settings)
    rows = [(row["kind"], row["stock_ticker"], row["date"]) for row in second.rows("findings")]
    assert rows == [("whole day not believed", "*", "2026-11-20"), ("not read", "*", "2026-11-20")]
    assert second.exit_code == 1


def test_it_tells_of_every_kind_at_once(sandbox: Sandbox) -> None:
    """A bad day: what the log says of each is in a record, and no record comes twice."""
    tickers = list(dict.fromkeys(case.ticker for case in CASES))
    for case in CASES:
        case.first(sandbox)
    first = sync(sandbox, WEDNESDAY, tickers=tickers)
    for case in CASES:
        case.second(sandbox)
    sandbox.hide("AAPL", date(2026, 11, 18))
    second = sync(sandbox, FRIDAY_EVENING, tickers=tickers, state=first.state_messages)
    rows = second.rows("findings")
    assert len({tuple(row[name] for name in KEY) for row in rows}) == len(rows)
    assert not [error for row in rows for error in Draft7Validator(SCHEMA).iter_errors(row)]
    elsewhere = {"cut by the plan", "notice", "setting changed", "whole day not believed"}
    elsewhere |= {"second opinion differs", "no second opinion"}  # test_second_opinion.py
    told = {row["kind"] for row in [*first.rows("findings"), *rows]}
    assert told == set(KINDS) - elsewhere
    assert all(said(row, second) for row in rows if row["kind"] not in QUIET)


QUIET = {"changed bar", "event cancelled", "filled late"}
"""What the sync has put right, so that the log says nothing of it."""


def said(row: Row, output: Output) -> bool:
    """Whether a warning of the log is about a finding's stream and names its ticker."""
    lines = output.log("WARN").splitlines()
    return any(line.startswith(row["stream"]) and row["stock_ticker"] in line for line in lines)


def test_it_is_read_last_and_written_though_another_stream_fails(sandbox: Sandbox) -> None:
    """Whatever the order in the catalog. What went wrong is what one wants to know."""
    sandbox.fail("html", times=-1, vendor="eodhd", ticker="MSFT")
    output = sync(sandbox, FRIDAY_EVENING, tickers=["AAPL", "MSFT"])
    streams = [record["stream"] for record in output.of_type("RECORD")]
    assert output.exit_code == 1
    assert (streams[0], streams[-1]) == ("stock_prices", "findings")
    assert output.statuses[-1] == "COMPLETE"
    assert {row["stock_ticker"] for row in found(output, "not read")} == {"MSFT"}


@pytest.mark.parametrize("fault", ["bad-key", "quota"])
def test_it_says_why_nothing_was_read(sandbox: Sandbox, fault: str) -> None:
    """Also where the whole sync failed."""
    sandbox.fail(fault, times=-1, vendor="eodhd")
    output = sync(sandbox, FRIDAY_EVENING, tickers=["AAPL", "MSFT"])
    rows = found(output, "not read")
    assert {(row["stream"], row["stock_ticker"], row["date"]) for row in rows} == {
        (stream, "*", "2026-11-20") for stream in STREAMS if stream != "findings"
    }
    assert output.error and output.error["message"] == rows[0]["detail"]


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_it_writes_what_this_sync_found(sandbox: Sandbox, mode: str) -> None:
    """In either mode; the state is the moment of the sync, and never goes back."""
    sandbox.hide("AAPL", TUESDAY)
    settings = config(sandbox, "eodhd", "AAPL", start_date="2026-11-02")
    late = {"findings": {"found_at": "2099-01-01T00:00:00.000000Z"}}
    output = read(settings, now=at(sandbox, FRIDAY_EVENING), mode=mode, streams=STREAMS, state=late)
    (row,) = output.rows("findings")
    assert row["kind"] == "missing session"
    assert row["found_at"] == "2026-11-21T02:00:00.000000Z"
    if mode == "incremental":
        assert output.states_of("findings")[-1] == late["findings"]
    quiet = read(settings, now=at(sandbox, MONDAY), streams=["findings"])
    assert quiet.rows("findings") == []
    assert quiet.states_of("findings") == [{"found_at": "2026-11-24T02:00:00.000000Z"}]


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_it_is_there_with_every_provider(sandbox: Sandbox, vendor: str) -> None:
    """Incremental, with its key."""
    output = discover(config(sandbox, vendor), now=FRIDAY_EVENING)
    (stream,) = [stream for stream in output.of_type("CATALOG")[0]["streams"] if stream["name"] == "findings"]
    assert stream["source_defined_primary_key"] == [[name] for name in KEY]
    assert stream["default_cursor_field"] == ["found_at"]
    assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
