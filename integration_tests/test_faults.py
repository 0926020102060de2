"""What a sync does when the vendor or the network fails: it recovers whole, or it says so and keeps its state."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from integration_tests.front_door import as_message, read, table
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import (
    FRIDAY_EVENING,
    GARBLED,
    PASSING,
    VENDORS,
    config,
    failed,
    faults_of,
    last_served,
    many,
)
from source_stock_prices.http import MAX_TRIES
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.report import MAX_FAILURES_IN_A_ROW

TICKERS = ["AAPL", "MSFT", "GOOG"]

LASTING = {
    "throttle": "transient_error",
    "quota": "transient_error",
    "plan": "config_error",
    "bad-key": "config_error",
    "suspended": "config_error",
    "timeout": "transient_error",
    "cut": "transient_error",
    "cut-body": "transient_error",
}
"""Faults that are no ticker's: the limit, the key and the network are the same for all."""

OF_TICKER = {
    **dict.fromkeys(GARBLED, ("system_error", "returned an unexpected response for the ticker MSFT")),
    "500": ("transient_error", "failed for the ticker MSFT. The API replied (HTTP 500)"),
    "503-html": ("transient_error", "failed for the ticker MSFT. The API replied (HTTP 503)"),
}
"""Faults of one ticker's answer, as long as those of others are good."""


@pytest.mark.parametrize(("vendor", "fault"), faults_of(VENDORS, PASSING))
def test_it_recovers_from_a_fault_that_passes(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """A hiccup costs a try, never a bar."""
    now = sandbox.now = FRIDAY_EVENING.add(minutes=30)  # Tiingo has us wait for the full hour, twice: an hour in all
    sandbox.fail(fault, times=2, vendor=vendor, ticker="MSFT")
    output = read(config(sandbox, vendor, ", ".join(TICKERS)), now=now)
    truth = sandbox.truth(TICKERS, date(2026, 11, 13), last_served(vendor))
    assert output.exit_code == 0
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}


def test_it_waits_for_a_slow_answer(sandbox: Sandbox) -> None:
    """Slow is not broken."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("slow", vendor="tiingo")
    assert read(config(sandbox, "tiingo"), now=FRIDAY_EVENING).exit_code == 0
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("vendor", "fault"), faults_of(VENDORS, LASTING))
def test_it_stops_at_a_fault_that_lasts_with_what_it_read_kept(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """The records before the fault are checkpointed, the failure is loud, and the next sync completes the table."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail(fault, times=-1, vendor=vendor, ticker="MSFT")
    settings = config(sandbox, vendor, ", ".join(TICKERS))
    output = read(settings, now=FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.statuses[-1] == "INCOMPLETE"
    assert output.error and output.error["failure_type"] == LASTING[fault]
    before = {"AAPL"} if PROVIDERS[vendor].tickers_per_request == 1 else set()
    assert set(output.synced) == before == {row["stock_ticker"] for row in output.records}

    sandbox.reset()
    sandbox.now = FRIDAY_EVENING
    rest = read(settings, now=FRIDAY_EVENING, state=as_message(output.state))
    truth = sandbox.truth(TICKERS, date(2026, 11, 13), last_served(vendor))
    assert table(output.records + rest.records) == {key: trade.close for key, trade in truth.items()}


@pytest.mark.parametrize(("vendor", "fault"), faults_of(VENDORS, OF_TICKER))
def test_it_sets_a_ticker_aside_whose_answer_is_no_good(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """An odd answer, or a server that fails, is that ticker's: it fails by name at the end, and the others are read."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail(fault, times=-1, vendor=vendor, ticker="MSFT")
    settings = config(sandbox, vendor, ", ".join(TICKERS))
    output = read(settings, now=FRIDAY_EVENING)
    failure, sentence = OF_TICKER[fault]
    assert output.exit_code == 1
    assert output.error and output.error["failure_type"] == failure
    assert sentence in output.error["message"]
    assert set(output.synced) == {"AAPL", "GOOG"} == {row["stock_ticker"] for row in output.records}
    assert output.state["MSFT"] == failed({})

    sandbox.reset()
    sandbox.now = FRIDAY_EVENING
    rest = read(settings, now=FRIDAY_EVENING, state=as_message(output.state))
    truth = sandbox.truth(TICKERS, date(2026, 11, 13), last_served(vendor))
    assert table(output.records + rest.records) == {key: trade.close for key, trade in truth.items()}


def test_it_goes_on_past_garbled_answers_that_are_not_in_a_row(sandbox: Sandbox) -> None:
    """A good answer between them shows that the vendor is there: each is its ticker's alone."""
    sandbox.now = FRIDAY_EVENING
    tickers = many(8)
    for bad in tickers[1::2]:
        sandbox.fail("html", times=-1, vendor="tiingo", ticker=bad)
    output = read(config(sandbox, "tiingo", ", ".join(tickers)), now=FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.synced == tickers[::2]


@pytest.mark.parametrize(("vendor", "fault"), faults_of(VENDORS, ["html", "500"]))
def test_it_stops_when_no_answer_is_good(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """Ten in a row are no ticker's fault, and asking on would only cost requests. A batch is taken apart first."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail(fault, times=-1, vendor=vendor)
    output = read(config(sandbox, vendor, ", ".join(many(50)), num_workers=1), now=FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.error and output.error["failure_type"] == OF_TICKER[fault][0]
    assert not output.records
    tries = {"html": 1, "500": MAX_TRIES}[fault]
    assert len(sandbox.requests) <= 2 * MAX_FAILURES_IN_A_ROW * tries


@pytest.mark.parametrize("vendor", [name for name in VENDORS if name != "massive"])  # asks for them by session
def test_it_stops_only_once_for_the_same_tickers(sandbox: Sandbox, vendor: str) -> None:
    """Many bad tickers before the good ones cost one sync: in the next they are known, and come last."""
    sandbox.now = FRIDAY_EVENING
    tickers = many(2 * MAX_FAILURES_IN_A_ROW)
    for bad in tickers[:MAX_FAILURES_IN_A_ROW]:
        sandbox.fail("500", times=-1, vendor=vendor, ticker=bad)
    settings = config(sandbox, vendor, ", ".join(tickers), num_workers=1)
    first = read(settings, now=FRIDAY_EVENING)
    assert first.exit_code == 1
    second = read(settings, now=FRIDAY_EVENING, state=as_message(first.state))
    assert second.exit_code == 1
    assert {row["stock_ticker"] for row in first.records + second.records} == set(tickers[MAX_FAILURES_IN_A_ROW:])


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_keeps_what_a_large_slice_had_read_when_it_stops(sandbox: Sandbox, vendor: str) -> None:
    """A slice holds several tickers; those already paid for are not asked for again."""
    tickers = many(50)
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("bad-key", times=-1, vendor=vendor, ticker=tickers[31])
    settings = config(sandbox, vendor, ", ".join(tickers))
    if PROVIDERS[vendor].calls_by_date == 1:
        settings["start_date"] = "2026-08-03"  # more sessions than tickers
    output = read(settings, now=FRIDAY_EVENING)
    assert output.exit_code == 1
    size = PROVIDERS[vendor].tickers_per_request
    assert set(output.synced) == set(tickers[: 31 // size * size])


def test_it_waits_as_the_vendor_says(sandbox: Sandbox, waits: list[float]) -> None:
    """Retry-After where it is sent; else the window in which the vendor counts."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("throttle-retry-after", vendor="massive")
    sandbox.fail("throttle", vendor="massive")
    assert read(config(sandbox, "massive"), now=FRIDAY_EVENING).exit_code == 0
    assert [round(wait) for wait in waits if wait] == [2, 1, 60, 1]  # the CDK adds a second


def test_it_asks_a_bucket_again_as_soon_as_it_holds_some_requests(sandbox: Sandbox, waits: list[float]) -> None:
    """Alpaca names no time, and lets requests through all the while: a minute's wait would waste most of it."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("throttle", vendor="alpaca")
    assert read(config(sandbox, "alpaca"), now=FRIDAY_EVENING).exit_code == 0
    assert [round(wait) for wait in waits if wait] == [15, 1]


@pytest.mark.parametrize(
    ("vendor", "refusal"), [("massive", "timeframe"), ("alpaca", "recent"), ("alpaca", "recent-as-before")]
)
def test_it_takes_a_day_that_is_too_new_for_no_limit_of_the_plan(sandbox: Sandbox, vendor: str, refusal: str) -> None:
    """Massive refuses it in the words of one that is too old: the days before are read, and it is asked for later."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail(refusal, vendor=vendor)
    output = read(config(sandbox, vendor), now=FRIDAY_EVENING)
    truth = sandbox.truth(["AAPL"], date(2026, 11, 13), date(2026, 11, 19))
    assert output.exit_code == 0
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}


@pytest.mark.parametrize("workers", [1, 4])
def test_it_tells_of_a_wait_once_and_in_its_own_words(sandbox: Sandbox, workers: int) -> None:
    """One line and one status of the stream that is read; the CDK has lines of its own for each try."""
    sandbox.now = FRIDAY_EVENING
    for _ in range(2):
        sandbox.fail("throttle", vendor="massive")
    sandbox.fail("500", vendor="massive")
    settings = config(sandbox, "massive", "AAPL, MSFT", num_workers=workers, start_date="2026-11-02")
    output = read(settings, now=FRIDAY_EVENING)
    assert output.exit_code == 0
    assert all(line.startswith("{") for line in output.text.splitlines())
    traces = [trace["stream_status"] for trace in output.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
    limited = [trace for trace in traces if trace.get("reasons")]
    assert limited
    assert {trace["stream_descriptor"]["name"] for trace in limited} == {"stock_prices"}
    lines = output.log("INFO").splitlines()
    assert len([line for line in lines if "is rate limiting requests; waiting until" in line]) == len(limited)
    assert len([line for line in lines if "has a problem (HTTP 500); waiting until" in line]) == 1
    assert not [line for line in lines if "ackoff" in line or "Backing off" in line or "retryable" in line]


def test_it_tells_of_a_wait_in_the_name_of_the_stream_that_waits(sandbox: Sandbox) -> None:
    """All streams send through one client, which has the name of one of them."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("throttle", vendor="massive")
    output = read(config(sandbox, "massive"), now=FRIDAY_EVENING, streams=("dividends",))
    traces = [trace["stream_status"] for trace in output.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
    limited = [trace for trace in traces if trace.get("reasons")]
    assert {trace["stream_descriptor"]["name"] for trace in limited} == {"dividends"}


def test_it_does_not_try_a_ticker_that_failed_before_as_often(sandbox: Sandbox) -> None:
    """The state knows it: a ticker whose server fails every day costs a minute of each sync."""
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("500", times=-1, vendor="tiingo", ticker="MSFT")
    settings = config(sandbox, "tiingo", "AAPL, MSFT")
    first = read(settings, now=FRIDAY_EVENING)
    sent = len(sandbox.requests)
    second = read(settings, now=FRIDAY_EVENING, state=as_message(first.state))
    assert (first.exit_code, second.exit_code) == (1, 1)
    assert len(sandbox.requests) - sent < sent


def test_it_reads_a_corrected_last_bar_again(sandbox: Sandbox) -> None:
    """The bar on the state's date comes again with the next session."""
    sandbox.now = FRIDAY_EVENING - timedelta(days=1)
    first = read(config(sandbox, "massive"), now=sandbox.now)
    sandbox.correct("AAPL", date(2026, 11, 19), close=123.45)
    sandbox.now = FRIDAY_EVENING
    second = read(config(sandbox, "massive"), now=sandbox.now, state=as_message(first.state))
    assert table(second.records)["AAPL", date(2026, 11, 19)] == 123.45
