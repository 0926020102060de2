"""Splits, dividends and tickers beside the prices: one connector, whichever half of it reads a stream."""

from __future__ import annotations

import json
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.sources.streams import call_rate
from pendulum import DateTime

from integration_tests.front_door import Output, Row, discover, read
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.app import VENDORS
from integration_tests.scenario import EVENTS, FRIDAY_EVENING, GARBLED, PASSING, at, config, faults_of, many
from source_stock_prices.events import manifest
from source_stock_prices.report import MAX_FAILURES_IN_A_ROW

STREAMS = {name: [stream["name"] for stream in manifest(name)["streams"]] for name in VENDORS}
WITH_EVENTS = [name for name, streams in STREAMS.items() if "stock_splits" in streams]
WITH_STREAMS = [name for name, streams in STREAMS.items() if streams]
WITH_TICKERS = [name for name, streams in STREAMS.items() if "tickers" in streams]
OF_LISTS = {("eodhd", "tickers"), ("alpha_vantage", "tickers"), ("eodhd", "ticker_changes"), ("fmp", "ticker_changes")}
"""Streams that are read from a list, where no request names a ticker."""
TICKERS = ["AAPL", "MSFT", "BRK.B"]
START = date(2019, 1, 2)
"""Both AAPL and MSFT split after it."""


def settings(sandbox: Sandbox, vendor: str, tickers: str = ", ".join(TICKERS)) -> dict[str, Any]:
    return config(sandbox, vendor, tickers, start_date=f"{START}")


def sync(sandbox: Sandbox, vendor: str, now: DateTime, tickers: str = ", ".join(TICKERS), state: Any = None) -> Output:
    """A sync of every stream but the prices."""
    streams = [name for name in STREAMS[vendor] if tickers != "*" or name != "ticker_changes"]
    return read(settings(sandbox, vendor, tickers), now=at(sandbox, now), state=state, streams=streams)


def ratios(rows: list[Row]) -> dict[tuple[str, str], float]:
    return {(row["stock_ticker"], row["date"]): row["ratio"] for row in rows}


def amounts(rows: list[Row]) -> dict[tuple[str, str], float]:
    return {(row["stock_ticker"], row["date"]): row["amount"] for row in rows}


def truth(sandbox: Sandbox, what: str, tickers: list[str], start: date, end: date) -> Any:
    """What happened in a window, as far as prices are published: some vendors announce nothing before it happens."""
    nothing = {"split": 1.0, "dividend": 0.0}[what]
    trades = sandbox.truth(tickers, start, end).items()
    happened = {(ticker, f"{day}"): getattr(trade, what) for (ticker, day), trade in trades}
    return pytest.approx({key: value for key, value in happened.items() if value != nothing}, rel=1e-6)


def happened(rows: dict[tuple[str, str], float], until: date) -> dict[tuple[str, str], float]:
    return {key: value for key, value in rows.items() if key[1] <= f"{until}"}


@pytest.mark.parametrize("vendor", WITH_STREAMS)
def test_it_offers_the_streams_of_the_provider_beside_the_prices(sandbox: Sandbox, vendor: str) -> None:
    (catalog,) = discover(settings(sandbox, vendor), now=at(sandbox, FRIDAY_EVENING)).of_type("CATALOG")
    streams = {stream["name"]: stream for stream in catalog["streams"]}
    assert list(streams) == ["stock_prices", *STREAMS[vendor], "findings"]
    for name, stream in streams.items():
        keys = [key for (key,) in stream["source_defined_primary_key"]]
        assert set(keys) <= set(stream["json_schema"]["required"])
        modes = ["full_refresh"] if name == "tickers" else ["full_refresh", "incremental"]
        assert stream["supported_sync_modes"] == modes


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_reads_every_event_since_the_start(sandbox: Sandbox, vendor: str) -> None:
    output = sync(sandbox, vendor, FRIDAY_EVENING)
    until = date(2026, 11, 19)
    assert output.exit_code == 0, output.error
    splits = happened(ratios(output.rows("stock_splits")), until)
    assert splits == truth(sandbox, "split", TICKERS, START, until)
    assert {ticker for ticker, _ in splits} == {"AAPL", "MSFT"}
    if "dividends" in STREAMS[vendor]:
        assert happened(amounts(output.rows("dividends")), until) == truth(sandbox, "dividend", TICKERS, START, until)
    if "tickers" in STREAMS[vendor]:
        assert [row["stock_ticker"] for row in output.rows("tickers")] == TICKERS
    days = [row["date"] for row in output.rows("dividends") if row["stock_ticker"] == "AAPL"]
    assert days == sorted(days)
    for name in EVENTS:
        states = output.states_of(name)
        assert {ticker: seen["date"] for ticker, seen in states[-1].items()} == dict.fromkeys(TICKERS, "2026-11-20")


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_asks_once_a_day(sandbox: Sandbox, vendor: str) -> None:
    first = sync(sandbox, vendor, FRIDAY_EVENING)
    sandbox.requests.clear()
    chosen = [name for name in STREAMS[vendor] if name in EVENTS]
    again = read(settings(sandbox, vendor), now=FRIDAY_EVENING.add(hours=1), state=first.state_messages, streams=chosen)
    assert again.exit_code == 0
    assert not again.records
    assert not sandbox.requests
    assert "stock_splits: nothing to do; all is read that is due today (2026-11-20)" in again.log("INFO")
    assert not again.log("WARN")
    for stream in chosen:
        assert again.states_of(stream)[-1] == first.states_of(stream)[-1]


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_finds_an_event_that_came_to_be_known_late(sandbox: Sandbox, vendor: str) -> None:
    """A split entered weeks after its day: the days before the state are asked for again."""
    first = sync(sandbox, vendor, FRIDAY_EVENING)
    sandbox.split("BRK.B", date(2026, 10, 5), 4.0)
    second = sync(sandbox, vendor, FRIDAY_EVENING.add(days=4), state=first.state_messages)
    assert ratios(second.rows("stock_splits")) == pytest.approx({("BRK.B", "2026-10-05"): 4.0})


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_cancels_an_event_that_moved_to_another_day(sandbox: Sandbox, vendor: str) -> None:
    """Once: the record of the old day is written again, and nothing else that did not change."""
    sandbox.split("BRK.B", date(2026, 10, 5), 4.0)
    first = sync(sandbox, vendor, FRIDAY_EVENING)
    sandbox.split("BRK.B", date(2026, 10, 5), 0.25)  # taken back
    sandbox.split("BRK.B", date(2026, 10, 6), 4.0)
    second = sync(sandbox, vendor, FRIDAY_EVENING.add(days=3), state=first.state_messages)
    written = [(row["date"], row["ratio"], row["cancelled"]) for row in second.rows("stock_splits")]
    assert written == [("2026-10-05", None, True), ("2026-10-06", pytest.approx(4.0), False)]
    third = sync(sandbox, vendor, FRIDAY_EVENING.add(days=4), state=second.state_messages)
    assert not third.rows("stock_splits")


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_reads_the_whole_history_of_a_ticker_that_was_added_later(sandbox: Sandbox, vendor: str) -> None:
    first = sync(sandbox, vendor, FRIDAY_EVENING, "BRK.B")
    second = sync(sandbox, vendor, FRIDAY_EVENING.add(days=1), "BRK.B, AAPL", state=first.state_messages)
    until = date(2026, 11, 19)
    assert ratios(second.rows("stock_splits")) == truth(sandbox, "split", ["AAPL"], START, until)
    assert second.states_of("stock_splits")[-1]["AAPL"] == {
        "date": "2026-11-21",
        "since": f"{START}",
        "provider": vendor,
    }


def test_it_looks_back_no_further_than_it_ever_began(sandbox: Sandbox) -> None:
    settled = {**settings(sandbox, "tiingo", "AAPL"), "start_date": "2026-11-10"}
    first = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=["dividends"])
    read(settled, now=at(sandbox, FRIDAY_EVENING.add(days=3)), state=first.state_messages, streams=["dividends"])
    assert [request.query["startDate"] for request in sandbox.requests] == ["2026-11-10", "2026-11-10"]


@pytest.mark.parametrize("lookback", range(3))
def test_it_asks_nothing_for_an_end_long_before_its_state(sandbox: Sandbox, lookback: int) -> None:
    """The state stays where it is."""
    first = sync(sandbox, "tiingo", FRIDAY_EVENING, "AAPL")
    sandbox.requests.clear()
    end = date(2026, 11, 20) - timedelta(days=90 + lookback)
    settled = {**settings(sandbox, "tiingo", "AAPL"), "end_date": f"{end}"}
    output = read(settled, now=at(sandbox, FRIDAY_EVENING.add(days=1)), state=first.state_messages, streams=EVENTS)
    assert output.exit_code == 0
    assert len(sandbox.requests) == (2 if lookback == 0 else 0)
    assert output.states_of("dividends")[-1] == first.states_of("dividends")[-1]


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_goes_on_from_an_end_that_was_taken_away(sandbox: Sandbox, vendor: str) -> None:
    """Everything after it is read, however long ago it was."""
    whole = sync(sandbox, vendor, FRIDAY_EVENING, "AAPL")
    end = date.fromisoformat(whole.rows("stock_splits")[0]["date"]) - timedelta(days=1)
    ended = {**settings(sandbox, vendor, "AAPL"), "end_date": f"{end}"}
    first = read(ended, now=FRIDAY_EVENING, streams=EVENTS)
    assert not first.rows("stock_splits")
    second = sync(sandbox, vendor, FRIDAY_EVENING, "AAPL", state=first.state_messages)
    for stream in EVENTS:
        rows = {json.dumps(row) for row in first.rows(stream) + second.rows(stream)}
        assert rows == {json.dumps(row) for row in whole.rows(stream)}
        assert second.states_of(stream)[-1] == whole.states_of(stream)[-1]


def test_it_asks_no_further_ahead_than_events_are_announced(sandbox: Sandbox) -> None:
    """An end for all time is no reason to ask for all time."""
    settled = {**settings(sandbox, "massive", "*"), "start_date": "2026-01-02", "end_date": f"{date.max}"}
    output = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=EVENTS)
    assert output.exit_code == 0
    assert len(sandbox.requests) == 2 * 2


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_reads_all_again_in_a_full_refresh(sandbox: Sandbox, vendor: str) -> None:
    first = sync(sandbox, vendor, FRIDAY_EVENING)
    output = read(
        settings(sandbox, vendor),
        now=FRIDAY_EVENING,
        state=first.state_messages,
        mode="full_refresh",
        streams=["stock_splits"],
    )
    assert output.records == first.rows("stock_splits")


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_mixes_the_streams_in_one_sync(sandbox: Sandbox, vendor: str) -> None:
    """Each with its own records and state; the prices are what they are alone."""
    tickers = "AAPL, MSFT"
    alone = read(settings(sandbox, vendor, tickers), now=at(sandbox, FRIDAY_EVENING))
    streams = [name for name in reversed(STREAMS[vendor]) if name != "ticker_changes"] + ["stock_prices"]
    output = read(settings(sandbox, vendor, tickers), now=FRIDAY_EVENING, streams=streams)
    assert output.exit_code == 0
    assert output.statuses == ["STARTED", "RUNNING", "COMPLETE"] * len(streams)
    assert output.rows("stock_prices") == alone.records
    assert output.states_of("stock_prices")[-1] == alone.state
    assert all(output.rows(stream) for stream in streams)


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_reads_the_other_streams_when_one_fails(sandbox: Sandbox, vendor: str) -> None:
    settled = settings(sandbox, vendor, "AAPL")
    whole = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=STREAMS[vendor])
    sandbox.fail("bad-key", vendor=vendor)
    output = read(settled, now=FRIDAY_EVENING, streams=["stock_prices", *STREAMS[vendor]])
    assert output.exit_code == 1
    assert output.error and output.error["failure_type"] == "config_error"
    assert output.statuses[:2] == ["STARTED", "INCOMPLETE"]
    assert output.statuses.count("COMPLETE") == len(STREAMS[vendor])
    assert output.records == whole.records


@pytest.mark.parametrize(("vendor", "stream"), [(name, stream) for name in WITH_STREAMS for stream in STREAMS[name]])
def test_it_says_what_the_price_stream_says_of_a_wrong_key(sandbox: Sandbox, vendor: str, stream: str) -> None:
    settled = {**settings(sandbox, vendor, "AAPL"), "provider": sandbox.provider(vendor, "wr0ng+k3y/=")}
    prices = read(settled, now=at(sandbox, FRIDAY_EVENING))
    output = read(settled, now=FRIDAY_EVENING, streams=[stream])
    assert output.exit_code == 1
    assert not output.records
    assert output.error and prices.error
    assert output.error["message"] == prices.error["message"]
    assert output.error["failure_type"] == "config_error"
    assert "wr0ng" not in output.text


@pytest.mark.parametrize(("vendor", "fault"), faults_of(WITH_STREAMS, PASSING))
def test_it_recovers_from_a_fault_that_passes(sandbox: Sandbox, vendor: str, fault: str) -> None:
    now = FRIDAY_EVENING.add(minutes=30)  # Tiingo has us wait for the full hour, twice: an hour in all
    whole = sync(sandbox, vendor, now)
    sandbox.fail(fault, times=2, vendor=vendor, ticker="MSFT")
    output = sync(sandbox, vendor, now)
    assert output.exit_code == 0
    assert output.records == whole.records


@pytest.mark.parametrize(("vendor", "fault"), faults_of(WITH_EVENTS, [*GARBLED, "500"]))
def test_it_sets_a_ticker_aside_whose_answer_is_no_good(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """Never no rows: it fails by name, keeps its state, and the next sync completes the table."""
    whole = sync(sandbox, vendor, FRIDAY_EVENING)
    sandbox.fail(fault, times=-1, vendor=vendor, ticker="MSFT")
    output = sync(sandbox, vendor, FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.error
    assert output.error["failure_type"] == ("transient_error" if fault == "500" else "system_error")
    assert "MSFT" in output.error["message"]
    assert output.statuses.count("INCOMPLETE") == len(
        [name for name in STREAMS[vendor] if (vendor, name) not in OF_LISTS]
    )
    state = output.states_of("stock_splits")[-1]
    assert state.pop("MSFT") == {"failed": True, "tried": "2026-11-20"}
    assert set(state) == {"AAPL", "BRK.B"}
    sandbox.reset()
    rest = sync(sandbox, vendor, FRIDAY_EVENING, state=output.state_messages)
    for stream in EVENTS:
        rows = {json.dumps(row) for row in output.rows(stream) + rest.rows(stream)}
        assert rows == {json.dumps(row) for row in whole.rows(stream)}


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_stops_when_every_answer_is_garbled(sandbox: Sandbox, vendor: str) -> None:
    sandbox.fail("html", times=-1, vendor=vendor)
    tickers = ", ".join(f"T{n}" for n in range(50))
    output = read(
        {**settings(sandbox, vendor, tickers), "num_workers": 1},
        now=at(sandbox, FRIDAY_EVENING),
        streams=["stock_splits"],
    )
    assert output.exit_code == 1
    assert len(sandbox.requests) <= 2 * MAX_FAILURES_IN_A_ROW


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_goes_on_past_garbled_answers_when_those_between_them_hold_nothing(sandbox: Sandbox, vendor: str) -> None:
    """Most tickers never split: an answer without a row shows as well as any that the vendor is there."""
    tickers = ["TA", "TB", "TC", "TD", "TE", "AAPL"]  # of these AAPL alone has a split
    for ticker in tickers[:5:2]:
        sandbox.fail("html", times=-1, vendor=vendor, ticker=ticker)
    settled = settings(sandbox, vendor, ", ".join(tickers))
    output = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=["stock_splits"])
    assert output.exit_code == 1
    assert {row["stock_ticker"] for row in output.rows("stock_splits")} == {"AAPL"}
    state = output.states_of("stock_splits")[-1]
    assert {ticker for ticker, seen in state.items() if not seen.get("failed")} == {"TB", "TD", "AAPL"}


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_is_whole_wherever_it_is_killed(sandbox: Sandbox, vendor: str) -> None:
    """Cut after any line, the next sync goes on from the states before it: every event is in one of the two."""
    whole = sync(sandbox, vendor, FRIDAY_EVENING)
    lines = whole.text.splitlines(keepends=True)
    wanted = {(stream, json.dumps(row)) for stream in EVENTS for row in whole.rows(stream)}
    cuts = [n for n, line in enumerate(lines) if '"STATE"' in line or n % 80 == 0]
    for cut in cuts:
        killed = Output("".join(lines[:cut]), -9)
        rest = sync(sandbox, vendor, FRIDAY_EVENING, state=killed.state_messages)
        found = {(stream, json.dumps(row)) for part in (killed, rest) for stream in EVENTS for row in part.rows(stream)}
        assert found == wanted


@pytest.mark.parametrize("vendor", WITH_EVENTS)
def test_it_reads_nothing_for_a_state_in_the_future(sandbox: Sandbox, vendor: str) -> None:
    first = sync(sandbox, vendor, FRIDAY_EVENING.add(days=30))
    sandbox.requests.clear()
    chosen = [name for name in STREAMS[vendor] if name in EVENTS]
    output = read(
        settings(sandbox, vendor), now=at(sandbox, FRIDAY_EVENING), state=first.state_messages, streams=chosen
    )
    assert not output.records
    assert not sandbox.requests
    assert output.states_of("stock_splits")[-1] == first.states_of("stock_splits")[-1]
    assert "in the future" in output.log("WARN")


def test_it_reads_the_events_of_the_whole_market(sandbox: Sandbox) -> None:
    """Months of every ticker in a request or two; the state is one date, and prints."""
    sandbox.universe = ["AAPL", "CSCO", "KIMpL"]
    output = sync(sandbox, "massive", FRIDAY_EVENING, "*")
    until = date(2026, 11, 19)
    universe = list(sandbox.universe)
    asked = [request.query for request in sandbox.requests if request.path == "/stocks/v1/splits"]
    begins, ends = (sorted(query[f"execution_date.{side}"] for query in asked) for side in ("gte", "lte"))
    assert begins == [f"{START}", *(f"{date.fromisoformat(end) + timedelta(days=1)}" for end in ends[:-1])]
    assert output.exit_code == 0
    assert happened(ratios(output.rows("stock_splits")), until) == truth(sandbox, "split", universe, START, until)
    assert sorted(row["stock_ticker"] for row in output.rows("tickers")) == sorted(universe)
    seen = output.states_of("dividends")[-1]["*"]
    assert (seen["date"], seen["since"]) == ("2026-11-20", f"{START}")
    assert min(seen["events"]) > "2026-08-21"  # those of the lookback
    sandbox.requests.clear()
    sync(sandbox, "massive", FRIDAY_EVENING.add(days=1), "*", state=output.state_messages)
    assert len(sandbox.requests) == 4


def test_it_is_whole_wherever_the_whole_market_is_killed(sandbox: Sandbox) -> None:
    """Years are asked for in windows, a state after one or two: what begins later is not taken for read."""
    sandbox.universe = ["AAPL", "CSCO", "KIMpL"]
    whole = sync(sandbox, "massive", FRIDAY_EVENING, "*")
    lines = whole.text.splitlines(keepends=True)
    cuts = [n for n, line in enumerate(lines) if '"STATE"' in line]
    assert len(cuts) > 2 * 3
    for cut in cuts:
        killed = Output("".join(lines[:cut]), -9)
        rest = sync(sandbox, "massive", FRIDAY_EVENING, "*", state=killed.state_messages)
        for stream in EVENTS:
            rows = {json.dumps(row) for row in killed.rows(stream) + rest.rows(stream)}
            assert rows == {json.dumps(row) for row in whole.rows(stream)}
            assert rest.states_of(stream)[-1] == whole.states_of(stream)[-1]


def test_it_shares_the_pace_of_the_prices(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan counts requests, whichever stream they are for."""

    def wait(seconds: float) -> None:
        raise TimeoutError(f"asked to wait {seconds:.0f} seconds")

    monkeypatch.setattr(call_rate, "time", SimpleNamespace(sleep=wait))
    settled = {**settings(sandbox, "tiingo", "AAPL"), "requests_per_minute": 2}
    read(settled, now=at(sandbox, FRIDAY_EVENING), streams=["tickers", "stock_prices", "dividends"])
    assert [request.path for request in sandbox.requests] == ["/tiingo/daily/AAPL", "/tiingo/daily/AAPL/prices"]


def test_it_asks_for_many_tickers_at_once(sandbox: Sandbox) -> None:
    sandbox.now = FRIDAY_EVENING
    tickers = ", ".join(f"ZZZZ{name}" for name in many(250))  # none of them has an event
    read(settings(sandbox, "massive", tickers), now=FRIDAY_EVENING, streams=EVENTS)
    assert len(sandbox.requests) == 2 * 3


def test_it_has_the_announced_events(sandbox: Sandbox) -> None:
    """Weeks before its ex-date a split is on the list."""
    sandbox.split("AAPL", date(2026, 12, 7), 4.0)
    output = sync(sandbox, "massive", FRIDAY_EVENING)
    assert ("AAPL", "2026-12-07") in ratios(output.rows("stock_splits"))
    assert output.states_of("stock_splits")[-1]["AAPL"]["date"] == "2026-11-20"


def test_it_takes_a_spin_off_for_no_split(sandbox: Sandbox) -> None:
    """Massive lists both: prices divided by the ratio of one that split no share would be wrong for ever."""
    sandbox.book.announce("AAPL", date(2026, 10, 1), spun_off=0.25)
    sandbox.split("AAPL", date(2026, 11, 2), 4.0)
    output = sync(sandbox, "massive", FRIDAY_EVENING)
    assert output.exit_code == 0
    assert ("AAPL", "2026-11-02") in ratios(output.rows("stock_splits"))
    assert ("AAPL", "2026-10-01") not in ratios(output.rows("stock_splits"))


@pytest.mark.parametrize("ticker", ["AAPL", "NEWCO"])
def test_it_waits_for_the_amount_of_a_dividend_that_is_expected(sandbox: Sandbox, ticker: str) -> None:
    """FMP lists it with nulls until it is confirmed, now and then past its date: that costs nobody the ticker."""
    day = date(2026, 11, 19)
    sandbox.book.begin("NEWCO", date(2026, 11, 16))
    sandbox.book.announce(ticker, day, dividend=None)
    first = sync(sandbox, "fmp", FRIDAY_EVENING, tickers=ticker)
    assert first.exit_code == 0
    assert (ticker, f"{day}") not in amounts(first.rows("dividends"))
    sandbox.book.amend(ticker, day, dividend=0.31)
    second = sync(sandbox, "fmp", FRIDAY_EVENING.add(days=3), tickers=ticker, state=first.state_messages)
    assert amounts(second.rows("dividends")) == {(ticker, f"{day}"): 0.31}


def listed(sandbox: Sandbox, vendor: str, tickers: str) -> Output:
    sandbox.requests.clear()
    return read(settings(sandbox, vendor, tickers), now=at(sandbox, FRIDAY_EVENING), streams=["tickers"])


@pytest.mark.parametrize("vendor", WITH_TICKERS)
def test_it_names_a_ticker_that_the_vendor_does_not_know(sandbox: Sandbox, vendor: str) -> None:
    output = listed(sandbox, vendor, "AAPL, ZZZZ")
    assert [row["stock_ticker"] for row in output.rows("tickers")] == ["AAPL"]
    assert output.exit_code == 1
    # Marketstack says the same of a wrong address.
    told = "unexpected response for the ticker ZZZZ" if vendor == "marketstack" else "does not know the ticker ZZZZ"
    assert output.error and told in output.error["message"]


@pytest.mark.parametrize("vendor", ["massive", "eodhd", "alpha_vantage", "fmp", "twelve_data"])
def test_it_keeps_a_delisted_ticker_with_its_last_day_where_the_vendor_knows_it(sandbox: Sandbox, vendor: str) -> None:
    """A list of delisted tickers is asked for only where one of the tickers is not among the others."""
    all_active = listed(sandbox, vendor, "AAPL, KO, MSFT")
    requests = len(sandbox.requests)
    assert {row["active"] for row in all_active.rows("tickers")} == {True}
    assert requests == (1 if (vendor, "tickers") in OF_LISTS else 3)
    sandbox.book.delist("KO", date(2026, 10, 5))
    output = listed(sandbox, vendor, "AAPL, KO, MSFT")
    assert output.exit_code == 0, output.error
    rows = {row["stock_ticker"]: row for row in output.rows("tickers")}
    assert len(output.rows("tickers")) == 3
    assert [rows[ticker]["active"] for ticker in ("AAPL", "KO", "MSFT")] == [True, False, True]
    assert rows["KO"]["name"]
    assert rows["KO"]["delisted_date"] == (None if vendor in ("eodhd", "twelve_data") else "2026-10-05")
    more = 3 if vendor == "twelve_data" else 1  # stocks and funds are two lists
    assert len(sandbox.requests) == requests + more


def test_it_asks_for_an_exchange_once_whatever_the_number_of_its_tickers(sandbox: Sandbox) -> None:
    sandbox.universe += ["BARC.LSE", "VOD.LSE"]
    output = listed(sandbox, "eodhd", "VOD.LSE, AAPL, BARC.LSE, BRK.B, MSFT")
    assert output.exit_code == 0
    assert {row["stock_ticker"]: row["exchange"] for row in output.rows("tickers")} == {
        "VOD.LSE": "LSE",
        "BARC.LSE": "LSE",
        "AAPL": "NYSE",
        "BRK.B": "NYSE",
        "MSFT": "NYSE",
    }
    assert sorted(request.path for request in sandbox.requests) == [
        "/exchange-symbol-list/LSE",
        "/exchange-symbol-list/US",
    ]


def test_it_sees_the_delisted_tickers_of_the_whole_market(sandbox: Sandbox) -> None:
    sandbox.universe = ["AAPL", "CSCO", "KIMpL"]
    sandbox.book.delist("CSCO", date(2026, 10, 5))
    output = listed(sandbox, "massive", "*")
    found = {row["stock_ticker"]: (row["active"], row["delisted_date"]) for row in output.rows("tickers")}
    assert found == {"AAPL": (True, None), "CSCO": (False, "2026-10-05"), "KIMpL": (True, None)}


@pytest.mark.parametrize("days", [0, 1])
def test_it_walks_the_delisted_companies_as_far_as_it_must(sandbox: Sandbox, days: int) -> None:
    """A hundred a page, latest first."""
    sandbox.universe = many(150)
    for n, ticker in enumerate(sandbox.universe):
        sandbox.book.delist(ticker, date(2026, 11, 19) - timedelta(days=n))
    ticker = sandbox.universe[99 + days]
    output = listed(sandbox, "fmp", ticker)
    (row,) = output.rows("tickers")
    assert row["delisted_date"] == f"{date(2026, 11, 19) - timedelta(days=99 + days)}"
    assert [request.path for request in sandbox.requests][1:] == ["/stable/delisted-companies"] * (1 + days)


def test_it_finds_stocks_and_funds_where_a_vendor_has_a_list_of_each(sandbox: Sandbox) -> None:
    output = listed(sandbox, "twelve_data", "AAPL, SPY, TRP:TSX")
    assert output.exit_code == 0, output.error
    found = {row["stock_ticker"]: (row["type"], row["exchange"], row["isin"]) for row in output.rows("tickers")}
    assert found == {
        "AAPL": ("Common Stock", "XNGS", None),
        "TRP:TSX": ("Common Stock", "XTSE", None),
        "SPY": ("ETF", "XNGS", None),
    }
    assert [request.path for request in sandbox.requests].count("/etfs") == 1


WITH_CHANGES = [name for name, streams in STREAMS.items() if "ticker_changes" in streams]


def changes(output: Output) -> list[tuple[str, str, str, str]]:
    rows = output.rows("ticker_changes")
    return [(row["stock_ticker"], row["date"], row["old_ticker"], row["new_ticker"]) for row in rows]


@pytest.mark.parametrize("vendor", WITH_CHANGES)
def test_it_reads_the_changes_of_a_ticker_and_warns_of_them_once(sandbox: Sandbox, vendor: str) -> None:
    """A first read that crosses a change may lack rows, or have those of another company; so may a later one."""
    sandbox.book.rename("OLDA", "NEWA", date(2026, 3, 2))
    sandbox.book.rename("OTHER", "ELSE", date(2026, 3, 2))
    settled = settings(sandbox, vendor, "AAPL, NEWA")
    streams = ["stock_prices", "ticker_changes"]
    first = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=streams)
    assert first.exit_code == 0, first.error
    assert changes(first) == [("NEWA", "2026-03-02", "OLDA", "NEWA")]
    warning = "NEWA 2026-03-02: OLDA became NEWA. Prices of it before that day may be missing"
    assert first.log("WARN").count(warning) == 1
    second = read(settled, now=at(sandbox, FRIDAY_EVENING.add(days=3)), state=first.state_messages, streams=streams)
    assert second.exit_code == 0
    assert not changes(second)
    assert "became" not in second.log("WARN")


@pytest.mark.parametrize("vendor", WITH_CHANGES)
def test_it_warns_of_no_change_before_the_first_price(sandbox: Sandbox, vendor: str) -> None:
    sandbox.book.rename("OLDA", "NEWA", date(2018, 3, 2))
    settled = settings(sandbox, vendor, "NEWA")
    output = read(settled, now=at(sandbox, FRIDAY_EVENING), streams=["ticker_changes"])
    assert output.exit_code == 0
    assert not changes(output)
    assert "became" not in output.log("WARN")


@pytest.mark.parametrize("vendor", ["fmp", "eodhd"])
def test_it_tells_who_reads_the_old_ticker_of_the_new_one(sandbox: Sandbox, vendor: str) -> None:
    """Before it is gone, and from a list in one request, whatever the number of tickers."""
    tickers = f"OLDA, {', '.join(TICKERS)}"
    streams = ["ticker_changes"]
    first = read(settings(sandbox, vendor, tickers), now=at(sandbox, FRIDAY_EVENING), streams=streams)
    assert len(sandbox.requests) == 1
    assert not changes(first)
    sandbox.book.rename("OLDA", "NEWA", date(2026, 11, 23))
    monday = at(sandbox, FRIDAY_EVENING.add(days=3))
    second = read(settings(sandbox, vendor, tickers), now=monday, state=first.state_messages, streams=streams)
    assert changes(second) == [("OLDA", "2026-11-23", "OLDA", "NEWA")]
    assert "OLDA 2026-11-23: OLDA became NEWA. Prices of it since that day may be missing" in second.log("WARN")


def test_it_does_not_offer_for_the_whole_market_what_is_read_by_name(sandbox: Sandbox) -> None:
    (catalog,) = discover(settings(sandbox, "massive", "*"), now=at(sandbox, FRIDAY_EVENING)).of_type("CATALOG")
    assert [stream["name"] for stream in catalog["streams"]] == [
        "stock_prices",
        "stock_splits",
        "dividends",
        "tickers",
        "findings",
    ]


def test_it_reads_a_part_of_the_whole_market_again_that_failed(sandbox: Sandbox) -> None:
    """The parts after it were answered, but what the state says was read has no hole."""
    sandbox.universe = ["AAPL"]
    sandbox.book.announce("AAPL", date(2024, 3, 1), split=3.0)
    settings = config(sandbox, "massive", "*", start_date="2024-01-02", num_workers=1)
    sandbox.fail("html")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=("stock_splits",))
    assert first.exit_code == 1
    second = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=("stock_splits",), state=first.state_messages)
    assert second.exit_code == 0
    assert ("AAPL", "2024-03-01") in {(row["stock_ticker"], row["date"]) for row in second.records}
