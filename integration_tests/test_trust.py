"""A table one can trust: rewritten histories, kills at any line, tickers that fail, gaps that are told of."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pendulum import DateTime

from integration_tests.conftest import DRAWN
from integration_tests.front_door import Output, as_message, read, table
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import FRIDAY_EVENING, VENDORS, at, config, last_served, many
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import ALL, SPLITS

ADJUSTED = [
    (vendor, adjustment)
    for vendor in VENDORS
    for adjustment in (SPLITS, ALL)
    if adjustment in PROVIDERS[vendor].adjustments
]
ADJUSTED_CLOSE = ["tiingo", "eodhd", "marketstack", "iex"]
"""Vendors whose raw rows have that column, too."""

SPLIT_DAY = date(2026, 11, 19)
BEFORE, AFTER = FRIDAY_EVENING.subtract(days=2), FRIDAY_EVENING.add(days=1)


def truth(
    sandbox: Sandbox, vendor: str, tickers: list[str], start: date, now: DateTime, adjustment: str = "raw"
) -> Any:
    bars = sandbox.truth(tickers, start, last_served(vendor, now), adjustment)
    return pytest.approx({key: trade.close for key, trade in bars.items()}, rel=1e-4)


@pytest.mark.parametrize(("vendor", "adjustment"), ADJUSTED)
@pytest.mark.parametrize("start", ["2026-06-01", None])
def test_it_reads_a_rewritten_history_again(sandbox: Sandbox, vendor: str, adjustment: str, start: str | None) -> None:
    """A split between two syncs: the table equals the vendor's present series, not two halves of different scale."""
    settings = config(sandbox, vendor, "AAPL, MSFT", adjustment=adjustment)
    if start:
        settings["start_date"] = start
    rows: dict[tuple[str, date], float] = {}
    state: Any = None
    moments = [BEFORE.subtract(days=14), BEFORE.subtract(days=8), BEFORE] if start is None else [BEFORE]
    for moment in moments:
        output = read(settings, now=at(sandbox, moment), state=state)
        rows |= table(output.records)
        state = as_message(output.state)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    after = read(settings, now=at(sandbox, AFTER), state=state)
    rows |= table(after.records)
    first = min(day for _, day in rows)
    assert after.exit_code == 0
    assert rows == truth(sandbox, vendor, ["AAPL", "MSFT"], first, AFTER, adjustment)
    again = {row["stock_ticker"] for row in after.records if row["date"] == first.isoformat()}
    assert again == {"AAPL"}, "exactly the ticker that split is read again"
    assert f"{PROVIDERS[vendor].title} rewrote the history of AAPL: " in after.log("WARN")
    assert f"Rereading from {start or first}" in after.log("WARN")
    quiet = read(settings, now=at(sandbox, AFTER.add(days=3)), state=as_message(after.state))
    assert "rewrote" not in quiet.log("WARN")


@pytest.mark.parametrize("vendor", ["massive", "alpaca", "fmp"])
def test_it_reads_a_rewritten_history_again_though_the_last_bar_is_never_final(sandbox: Sandbox, vendor: str) -> None:
    """Syncs at five in the afternoon, the unfinished session included: the state stays on a bar to compare with."""
    settings = config(sandbox, vendor, adjustment="splits", start_date="2026-11-02", include_unfinished_session=True)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    rows: dict[tuple[str, date], float] = {}
    state: Any = None
    for day in (17, 18, 19, 20, 23):
        output = read(
            settings, now=at(sandbox, pendulum.datetime(2026, 11, day, 17, tz="America/New_York")), state=state
        )
        rows |= table(output.records)
        state = as_message(output.state)
    expected = sandbox.truth(["AAPL"], date(2026, 11, 2), date(2026, 11, 20), "splits")
    final = {key: price for key, price in rows.items() if key[1] <= date(2026, 11, 20)}
    assert final == pytest.approx({key: trade.close for key, trade in expected.items()}, rel=1e-4)


def test_it_reads_the_history_again_when_the_adjustment_is_changed(sandbox: Sandbox) -> None:
    """The last bar is equal in both, the older ones are not."""
    sandbox.split("AAPL", date(2026, 10, 15), 4.0)
    settings = config(sandbox, "massive", start_date="2026-10-01")
    raw = read(settings, now=at(sandbox, BEFORE))
    settings["adjustment"] = "splits"
    adjusted = read(settings, now=at(sandbox, AFTER), state=as_message(raw.state))
    assert table(adjusted.records) == truth(sandbox, "massive", ["AAPL"], date(2026, 10, 1), AFTER, "splits")


def test_it_tries_a_rewritten_history_again_when_reading_it_failed(sandbox: Sandbox) -> None:
    """Until all of it was read, the old state stays, and nothing new hides the next try."""
    settings = config(sandbox, "massive", "AAPL, MSFT", adjustment="splits", start_date="2026-06-01")
    before = read(settings, now=at(sandbox, BEFORE))
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    sandbox.now = AFTER
    sandbox.fail("slow", vendor="massive", ticker="AAPL")  # the bar read again is served, the whole history is not
    sandbox.fail("bad-key", times=-1, vendor="massive", ticker="AAPL")
    failed = read(settings, now=AFTER, state=as_message(before.state))
    assert failed.exit_code == 1
    assert failed.state["AAPL"] == {**before.state["AAPL"], "again": True, "tried": "2026-11-21"}
    sandbox.faults.clear()
    done = read(settings, now=AFTER, state=as_message(failed.state))
    rows = table(before.records) | table(failed.records) | table(done.records)
    assert rows == truth(sandbox, "massive", ["AAPL", "MSFT"], date(2026, 6, 1), AFTER, "splits")


def test_it_does_not_take_a_correction_of_raw_prices_for_a_rewritten_history(sandbox: Sandbox) -> None:
    """Raw prices stay as traded, and so do the oldest of the window: the corrected bar is read again, and no other."""
    settings = config(sandbox, "massive", start_date="2026-06-01")
    before = read(settings, now=at(sandbox, BEFORE))
    sandbox.correct("AAPL", date(2026, 11, 18), close=288.0)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    after = read(settings, now=at(sandbox, AFTER), state=as_message(before.state))
    assert [row["date"] for row in after.records] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert after.records[0]["price"] == 288.0


@pytest.mark.parametrize("vendor", ADJUSTED_CLOSE)
def test_it_reads_raw_prices_again_whose_adjusted_close_moved(sandbox: Sandbox, vendor: str) -> None:
    """A split rewrites that column, beside prices that stay as they were: no row keeps the old one."""
    settings = config(sandbox, vendor, start_date="2026-06-01")
    before = read(settings, now=at(sandbox, BEFORE))
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    after = read(settings, now=at(sandbox, AFTER), state=as_message(before.state))
    rows = {row["date"]: row["adjusted_close"] for row in [*before.records, *after.records]}
    anew = read(settings, now=AFTER)
    assert rows and None not in rows.values()
    assert rows == {row["date"]: row["adjusted_close"] for row in anew.records}
    assert "rewrote the history of AAPL: " in after.log("WARN")


def test_it_warns_of_a_last_bar_that_is_gone(sandbox: Sandbox) -> None:
    """It left the plan's window, or the ticker was renamed, reused or delisted: that is no change of prices."""
    before = read(config(sandbox, "massive", adjustment="splits"), now=at(sandbox, BEFORE))
    sandbox.hide("AAPL", date(2026, 11, 18))
    after = read(
        config(sandbox, "massive", adjustment="splits"), now=at(sandbox, AFTER), state=as_message(before.state)
    )
    assert after.exit_code == 0
    assert [row["date"] for row in after.records] == ["2026-11-19", "2026-11-20"]
    assert "no longer serves the last bars read for AAPL (2026-11-18)." in after.log("WARN")


def test_it_warns_of_a_ticker_that_seems_reused(sandbox: Sandbox) -> None:
    """A price that is suddenly another's belongs to another company. A state of an older version has but one price."""
    state = as_message({"AAPL": {"date": "2026-11-18", "price": 7.5}})
    output = read(config(sandbox, "massive"), now=at(sandbox, AFTER), state=state)
    assert "rewrote the history of AAPL: 2026-11-18 changed. Rereading from 2026-11-18." in output.log("WARN")
    assert [row["date"] for row in output.records] == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_it_tells_of_sessions_without_a_bar(sandbox: Sandbox) -> None:
    """A hole at the vendor is seen by a person: one line a sync, with the first few."""
    sandbox.hide("MSFT", date(2026, 11, 17))
    sandbox.hide("KO", date(2026, 11, 17))
    sandbox.hide("KO", date(2026, 11, 18))
    output = read(config(sandbox, "massive", "AAPL, MSFT, KO"), now=at(sandbox, FRIDAY_EVENING))
    assert output.exit_code == 0
    assert "has no bar for 3 sessions of 2 tickers: MSFT 2026-11-17, KO 2026-11-17, KO 2026-11-18." in output.log(
        "WARN"
    )


def test_it_is_silent_about_weekends_and_holidays(sandbox: Sandbox) -> None:
    """A warning a day would soon be read by nobody."""
    now = at(sandbox, pendulum.datetime(2026, 12, 1, 21, tz="America/New_York"))
    assert not read(config(sandbox, "massive", start_date="2026-01-02"), now=now).log("WARN")


# Kills


def resumed(sandbox: Sandbox, settings: dict[str, Any], output: Output, lines: int, state: Any) -> dict[Any, float]:
    """The table after a sync that was killed behind its first lines, and a second one from the last state written."""
    killed = Output("\n".join(output.text.splitlines()[:lines]), -9)
    again = read(settings, now=sandbox.time, state=as_message(killed.state) if killed.states else state)
    return table(killed.records) | table(again.records)


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_is_whole_again_wherever_it_was_killed(sandbox: Sandbox, vendor: str) -> None:
    """Every output line of a sync with several tickers, a bad one, and a history that is rewritten."""
    adjustment = PROVIDERS[vendor].adjustments[-1]
    settings = config(sandbox, vendor, "AAPL, ZZZZ, MSFT, KO", adjustment=adjustment, start_date="2026-11-02")
    first = read(settings, now=at(sandbox, BEFORE))
    if adjustment != "raw":
        sandbox.split("MSFT", SPLIT_DAY, 4.0)
    state = as_message(first.state)
    second = read(settings, now=at(sandbox, AFTER), state=state)
    whole = table(first.records) | table(second.records)
    assert whole == truth(sandbox, vendor, ["AAPL", "MSFT", "KO"], date(2026, 11, 2), AFTER, adjustment)
    lines = len(second.text.splitlines())
    for kill in range(lines):
        assert table(first.records) | resumed(sandbox, settings, second, kill, state) == whole, f"killed at line {kill}"


@DRAWN
@given(data=st.data())
def test_it_is_whole_again_wherever_a_larger_sync_was_killed(sandbox: Sandbox, data: st.DataObject) -> None:
    """Sampled: many tickers in few slices, killed twice."""
    sandbox.reset()
    sandbox.universe = tickers = many(data.draw(st.integers(1, 25)))
    vendor = data.draw(st.sampled_from(VENDORS))
    settings = config(sandbox, vendor, ", ".join(tickers))
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    rows: dict[Any, float] = {}
    state: Any = None
    for _ in range(2):
        text = output.text.splitlines()
        killed = Output("\n".join(text[: data.draw(st.integers(0, len(text)))]), -9)
        rows |= table(killed.records)
        state = as_message(killed.state) if killed.states else state
        output = read(settings, now=FRIDAY_EVENING, state=state)
    rows |= table(output.records)
    assert rows == truth(sandbox, vendor, tickers, date(2026, 11, 13), FRIDAY_EVENING)


# Whatever comes in


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
STATES = st.fixed_dictionaries({}, optional={"date": JSON, "AAPL": JSON, "MSFT": st.fixed_dictionaries({"date": JSON})})


@DRAWN
@given(state=JSON | STATES | st.fixed_dictionaries({"stock_prices": JSON | STATES}))
def test_it_answers_whatever_is_in_a_state_file_with_a_sync_or_a_sentence(sandbox: Sandbox, state: Any) -> None:
    """Never a stack trace as the message, and never a state that is taken for no state."""
    output = read(config(sandbox, "sample"), now=FRIDAY_EVENING, state=json.dumps(state))
    if output.exit_code:
        assert output.error and "cannot be read" in output.error["message"]
        assert not output.records
    else:
        assert output.statuses[-1] == "COMPLETE"


@DRAWN
@given(raw=st.dictionaries(st.sampled_from(["stock_ticker", "provider", "start_date", "adjustment", "api_key"]), JSON))
def test_it_answers_whatever_is_in_a_config_file_with_a_sentence(sandbox: Sandbox, raw: dict[str, Any]) -> None:
    """A user sees the message, not the log."""
    output = read({**raw, "end_date": "never"}, now=FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.error and output.error["failure_type"] == "config_error"
    assert (
        "Allowed: " in output.error["message"]
        or "missing" in output.error["message"]
        or "must be" in output.error["message"]
        or "not" in output.error["message"]
    )
    assert "Traceback" not in output.error["message"]
