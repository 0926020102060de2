"""A second opinion through the front door: two vendors of the sandbox, of which one says something else, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from integration_tests.front_door import Output, check, read
from integration_tests.liar import Liar
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.app import VENDORS as SERVED
from integration_tests.sandbox.faults import can_fail
from integration_tests.scenario import FRIDAY_EVENING, at, config, many
from source_stock_prices import bounds, second_opinion
from source_stock_prices.providers import PROVIDERS

FIRST, SECOND = "tiingo", "eodhd"
TICKERS = ["AAPL", "IBM", "KO", "MSFT"]
TUESDAY, FRIDAY = date(2026, 11, 17), date(2026, 11, 20)
MONDAY = FRIDAY_EVENING.add(days=3)
STREAMS = ("stock_prices", "findings")
KINDS = ("second opinion differs", "no second opinion")
FAULTS = ["bad-key", "throttle", "quota", "500", "503-html", "timeout", "cut", "html", "truncated", "redirect"]

Row = Mapping[str, Any]


def verified(sandbox: Sandbox, first: str = FIRST, second: str = SECOND, **settings: Any) -> dict[str, Any]:
    """A config with both vendors."""
    settings = {"start_date": "2026-11-02", **settings}
    return config(sandbox, first, ", ".join(TICKERS), verify_with=sandbox.provider(second), **settings)


def sync(sandbox: Sandbox, settings: Row, **more: Any) -> Output:
    return read(settings, now=at(sandbox, FRIDAY_EVENING), streams=STREAMS, **more)


def found(output: Output) -> list[Row]:
    """What was found of the second opinion, by ticker."""
    rows = [row for row in output.rows("findings") if row["kind"] in KINDS]
    return sorted(rows, key=lambda row: str(row["stock_ticker"]))


def asked(sandbox: Sandbox, vendor: str) -> int:
    return len([request for request in sandbox.requests if request.vendor == vendor])


def test_it_writes_where_another_provider_has_other_numbers(sandbox: Sandbox) -> None:
    """With both numbers, in the log and as data; the table keeps what its provider has."""
    sandbox.book.contradict(SECOND, "AAPL", FRIDAY, close=100.0)
    sandbox.book.contradict(SECOND, "KO", TUESDAY, close=0.5)
    output = sync(sandbox, verified(sandbox))
    ours = {(row["stock_ticker"], row["date"]): row["close"] for row in output.rows("stock_prices")}
    keys = [("AAPL", "2026-11-20"), ("KO", "2026-11-17")]
    assert output.exit_code == 0
    assert [(row["stock_ticker"], row["date"], row["kind"], row["provider"]) for row in found(output)] == [
        (ticker, day, KINDS[0], FIRST) for ticker, day in keys
    ]
    assert [(row["old"], row["new"]) for row in found(output)] == [
        (f"{ours[keys[0]]}", "100.0"),
        (f"{ours[keys[1]]}", "0.5"),
    ]
    (line,) = output.log("WARN").splitlines()
    assert line.startswith("stock_prices: EODHD has other numbers than Tiingo: ")
    assert line.endswith(" Find out which are right; nothing was changed.")
    assert f"AAPL 2026-11-20 (close 100, not {ours[keys[0]]:g})" in line
    truth = sandbox.truth(TICKERS, date(2026, 11, 2), FRIDAY)
    assert ours == {(ticker, f"{day}"): trade.close for (ticker, day), trade in truth.items()}


@pytest.mark.parametrize("first", ["tiingo", "massive", "alpaca", "twelve_data", "marketstack"])
@pytest.mark.parametrize("second", ["fmp", "alpha_vantage", "iex", "alpaca", "twelve_data"])
def test_it_says_nothing_where_both_agree(sandbox: Sandbox, first: str, second: str) -> None:
    """Whichever two they are; a request for each ticker is all that it takes."""
    if first == second:
        return
    output = sync(sandbox, verified(sandbox, first, second))
    assert found(output) == []
    assert f"compared the last sessions of 4 tickers with {PROVIDERS[second].title}" in output.log("INFO")
    assert asked(sandbox, second) == len(TICKERS)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_fails_no_sync_whatever_the_other_provider_answers(sandbox: Sandbox, fault: str, waits: list[float]) -> None:
    """A sync that had its prices is done. One sentence says that they were not compared, and hardly anybody waits."""
    vendor = next(name for name in (SECOND, "alpaca", "fmp") if can_fail(SERVED[name], fault))
    plain = sync(sandbox, config(sandbox, FIRST, ", ".join(TICKERS), start_date="2026-11-02"))
    sandbox.fail(fault, times=-1, vendor=vendor)
    output = sync(sandbox, verified(sandbox, second=vendor))
    assert output.exit_code == 0
    assert output.rows("stock_prices") == plain.rows("stock_prices")
    assert output.states_of("stock_prices")[-1] == plain.states_of("stock_prices")[-1]
    assert {row["kind"] for row in found(output)} == {KINDS[1]}
    assert "gave no second opinion on " in output.log("WARN")
    assert 0 < asked(sandbox, vendor) <= 5
    assert sum(waits) <= 5


def test_it_says_that_the_quota_of_the_other_provider_is_spent(sandbox: Sandbox) -> None:
    """In one record for all tickers that were left, and asks no more."""
    sandbox.fail("quota", times=-1, vendor=SECOND)
    output = sync(sandbox, verified(sandbox))
    (row,) = found(output)
    assert (row["stock_ticker"], row["date"], row["kind"]) == ("*", "2026-11-20", KINDS[1])
    assert row["detail"].startswith("EODHD gave no second opinion on ")
    assert all(ticker in row["detail"] for ticker in TICKERS)
    assert "quota spent (HTTP 402" in row["detail"]
    assert asked(sandbox, SECOND) == 1


def test_it_waits_only_a_little_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then would hold a sync that is done."""
    monkeypatch.setattr(bounds, "MAX_SECONDS", 5)
    monkeypatch.setattr(second_opinion, "ANSWER_SECONDS", 0.3)
    with Liar((b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",), drip=b" ") as liar:
        settings = {
            "provider": {"name": "sample"},
            "stock_ticker": "AAPL, KO",
            "verify_with": {"name": "tiingo", "api_key": "s3cr3t", "base_url": liar.url},
        }
        output = read(settings, now=FRIDAY_EVENING)
        assert liar.requests == 1
    assert output.exit_code == 0
    assert 'unavailable ("ReadTimeout: no complete response within 0 seconds")' in output.log("WARN")
    with bounds.DEADLINE.within(20):
        assert bounds.DEADLINE.seconds == 20
    assert bounds.DEADLINE.seconds == 5


def test_it_asks_for_no_more_tickers_than_it_is_told_to_and_only_where_something_was_read(sandbox: Sandbox) -> None:
    """Of many tickers a few each day. A sync with nothing new is over at once."""
    sandbox.universe = many(12)
    settings = verified(sandbox) | {"stock_ticker": ", ".join(sandbox.universe)}
    first = sync(sandbox, settings)
    assert asked(sandbox, SECOND) == 5
    again = sync(sandbox, settings, state=first.state_messages)
    assert (again.rows("stock_prices"), asked(sandbox, SECOND)) == ([], 5)
    read(settings | {"verify_tickers": 2}, now=at(sandbox, MONDAY), streams=STREAMS, state=first.state_messages)
    assert asked(sandbox, SECOND) == 7


@pytest.mark.parametrize("tickers", ["*", ", ".join(many(12))])
def test_it_compares_sessions_of_the_whole_market(sandbox: Sandbox, tickers: str) -> None:
    """Of tickers that nobody has named, too."""
    sandbox.universe = many(12)
    for ticker in sandbox.universe:
        sandbox.book.contradict(SECOND, ticker, FRIDAY, close=100_000.0)
    settings = verified(sandbox, "massive", start_date="2026-11-16") | {"stock_ticker": tickers}
    output = sync(sandbox, settings)
    assert output.exit_code == 0
    assert [(row["date"], row["kind"]) for row in found(output)] == [("2026-11-20", KINDS[0])] * 5


def test_it_checks_the_second_provider_and_fails_for_none_of_its_answers(sandbox: Sandbox) -> None:
    """A platform checks before it syncs."""
    at(sandbox, FRIDAY_EVENING)
    assert check(verified(sandbox), now=FRIDAY_EVENING).log("WARN") == ""
    sandbox.fail("bad-key", times=-1, vendor=SECOND)
    output = check(verified(sandbox), now=FRIDAY_EVENING)
    assert output.connection["status"] == "SUCCEEDED"
    assert output.log("WARN").startswith("verify_with: EODHD rejected the API key.")
    assert asked(sandbox, SECOND) == 2
