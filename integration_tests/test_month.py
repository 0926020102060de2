"""A month of daily syncs, with what happens in a month, compared at the end with the market's true table."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_tests.conftest import DRAWN
from integration_tests.front_door import as_message, read, table
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import VENDORS, config
from source_stock_prices.sessions import ZONE, is_session

START = date(2026, 10, 26)
DAYS = [START + timedelta(days=n) for n in range(38)]
"""Weekends, the end of daylight saving time (November 1) and Thanksgiving (November 26) are among them."""

SESSIONS = [day for day in DAYS if is_session(day)]
LAST = SESSIONS[-2].isoformat()
"""The last session that is final on the morning of the last day."""

HOURS = st.sampled_from([0, 6, 9, 15, 17, 20, 21, 23])


@pytest.mark.parametrize("vendor", VENDORS)
@settings(DRAWN, max_examples=DRAWN.max_examples // 2)
@given(
    hours=st.lists(st.lists(HOURS, max_size=2, unique=True), min_size=len(DAYS), max_size=len(DAYS)),
    late=st.dictionaries(
        st.tuples(st.sampled_from(["AAPL", "MSFT", "KO"]), st.sampled_from(SESSIONS[:-2])),
        st.integers(1, 8).map(timedelta),
        max_size=8,
    ),
    added=st.sampled_from(DAYS),
    removed=st.sampled_from(DAYS),
)
def test_it_loses_no_bar_and_keeps_no_wrong_one(
    sandbox: Sandbox,
    vendor: str,
    hours: list[list[int]],
    late: dict[tuple[str, date], timedelta],
    added: date,
    removed: date,
) -> None:
    """Whatever the hours of the syncs: MSFT is added on a day, KO removed on another, some bars arrive a week late."""
    sandbox.reset()
    for ticker, day in late:
        sandbox.hide(ticker, day)
    still_late = set(late)
    rows: dict[tuple[str, date], float] = {}
    state: dict[str, Any] = {}
    hours = [*hours[:-1], [6]]  # the last bar of all has been published everywhere
    for day, of_day in zip(DAYS, hours, strict=True):
        for hour in sorted(of_day):
            sandbox.now = pendulum.datetime(day.year, day.month, day.day, hour, 45, tz=ZONE)
            for (ticker, hidden), delay in late.items():
                arrival = hidden + delay
                if (arrival, 6) <= (day, hour) and arrival < DAYS[-1]:  # the last sync may have nothing new to ask for
                    sandbox.show(ticker, hidden)
                    still_late.discard((ticker, hidden))
            tickers = ["AAPL", *(["MSFT"] if day >= added else []), *(["KO"] if day < removed else [])]
            output = read(
                config(sandbox, vendor, ", ".join(tickers), start_date=START.isoformat()),
                now=sandbox.now,
                state=as_message(state) if state else None,
            )
            assert output.exit_code == 0
            rows |= table(output.records)
            read_so_far = {ticker: seen for ticker, seen in output.state.items() if "date" in seen}
            for ticker, seen in read_so_far.items():
                assert seen["date"] >= state.get(ticker, seen)["date"], "the state went back"
                assert (ticker, date.fromisoformat(seen["date"])) in rows, "the state is on a day without a bar"
            state = read_so_far
    assert {ticker: state[ticker]["date"] for ticker in ("AAPL", "MSFT")} == dict.fromkeys(("AAPL", "MSFT"), LAST)
    truth = sandbox.truth(state, START, DAYS[-1])
    due = {key: trade.close for key, trade in truth.items() if key[1].isoformat() <= state[key[0]]["date"]}
    after_the_last_read = {key for key in late if key[0] == "KO"}  # it was removed meanwhile
    assert due.keys() - rows.keys() <= still_late | after_the_last_read
    assert rows == {key: due[key] for key in rows}
