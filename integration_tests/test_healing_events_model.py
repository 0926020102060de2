"""Splits and dividends whose list changes between syncs: told late, corrected, moved, cancelled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pendulum
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from pendulum import DateTime

from integration_tests.conftest import DRAWN
from integration_tests.front_door import Output, read
from integration_tests.sandbox import Sandbox
from integration_tests.test_sync import config
from source_stock_prices import sessions

BEGIN = pendulum.datetime(2026, 9, 15, 21, tz=sessions.ZONE)
START = date(2026, 5, 4)
TICKERS = ("KO", "MSFT", "BRK.B")
VALUES = {"stock_splits": "ratio", "dividends": "amount"}
LOOKED_BACK = timedelta(days=80)
"""A little less than what is asked again: the dates of some vendors are not those of the record."""

FIGURES: Counter[str] = Counter()

Key = tuple[str, str, date]


class Announcements(RuleBasedStateMachine):
    """Syncs of a stream of events, and what the vendor does to its list between them."""

    sandbox: Sandbox
    vendor: str

    @initialize()
    def begin(self) -> None:
        self.sandbox.reset()
        self.sandbox.universe = list(TICKERS)
        self.now: DateTime = BEGIN
        self.rows: dict[Key, Mapping[str, Any]] = {}
        self.messages: dict[str, Any] = {}
        self.told: dict[Key, float] = {}
        self.unstated: set[Key] = set()
        """Written by a sync that was killed before its state: nobody knows of them if the vendor takes them back."""
        FIGURES["histories"] += 1

    @rule(data=st.data(), days=st.integers(-60, 20), stream=st.sampled_from(sorted(VALUES)))
    def an_event_is_told(self, data: st.DataObject, days: int, stream: str) -> None:
        """Ahead of its day, or weeks after it."""
        ticker, day = data.draw(st.sampled_from(TICKERS), label="ticker"), self.now.date() + timedelta(days=days)
        if self._is_free(ticker, day):
            value = data.draw(st.sampled_from([2.0, 3.0, 0.25]), label="value")
            self.sandbox.book.announce(ticker, day, **{self._field(stream): value})
            self.told[stream, ticker, day] = value
            FIGURES["events"] += 1

    @precondition(lambda self: self.told)
    @rule(data=st.data(), value=st.sampled_from([2.5, 4.0, 0.125]))
    def an_event_is_corrected(self, data: st.DataObject, value: float) -> None:
        stream, ticker, day = self._told(data)
        self.sandbox.book.amend(ticker, day, **{self._field(stream): value})
        self.told[stream, ticker, day] = value
        FIGURES["corrected"] += 1

    @precondition(lambda self: self.told)
    @rule(data=st.data(), days=st.integers(-5, 5))
    def an_event_is_moved(self, data: st.DataObject, days: int) -> None:
        stream, ticker, day = self._told(data)
        other = day + timedelta(days=days)
        if self._is_free(ticker, other):
            self.sandbox.book.amend(ticker, day, date=other)
            self.told[stream, ticker, other] = self.told.pop((stream, ticker, day))
            FIGURES["moved"] += 1

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def an_event_is_cancelled(self, data: st.DataObject) -> None:
        key = self._told(data)
        self.sandbox.book.cancel(key[1], key[2])
        self.told.pop(key)
        FIGURES["cancelled"] += 1

    @rule(days=st.integers(1, 5), hour=st.sampled_from([0, 6, 15, 21]))
    def a_sync(self, days: int, hour: int) -> None:
        output = self._read(days, hour)
        self._take(output)
        assert output.exit_code == 0, output.error
        for stream in VALUES:
            assert self._live(stream) == pytest.approx(self._listed(stream), rel=1e-4)
            assert self._cancelled(output, stream) == self._found(output, stream), "not all that was cancelled is found"

    @rule(days=st.integers(1, 5), hour=st.sampled_from([0, 6, 15, 21]), data=st.data())
    def a_sync_is_killed(self, days: int, hour: int, data: st.DataObject) -> None:
        lines = self._read(days, hour).text.splitlines()
        kill = data.draw(st.integers(0, len(lines)), label="killed behind line")
        self._take(Output("\n".join(lines[:kill]), -9))
        FIGURES["kills"] += 1

    def _read(self, days: int, hour: int) -> Output:
        self.now = self.now.add(days=days).set(hour=hour, minute=45)
        self.sandbox.now = self.now
        settings = config(self.sandbox, self.vendor, ", ".join(TICKERS), start_date=f"{START}")
        state = list(self.messages.values()) or None
        FIGURES["syncs"] += 1
        return read(settings, now=self.now, state=state, streams=[*sorted(VALUES), "findings"])

    def _take(self, output: Output) -> None:
        keys: set[Key] = set()
        for message in output.messages:
            if message["type"] == "RECORD" and message["record"]["stream"] in VALUES:
                row = message["record"]["data"]
                key = message["record"]["stream"], row["stock_ticker"], date.fromisoformat(row["date"])
                assert key not in keys, f"{key} comes twice in one sync"
                keys.add(key)
                self.rows[key] = row
                self.unstated.add(key)
            elif message["type"] == "STATE":
                stated = message["state"]["stream"]["stream_descriptor"]["name"]
                self.unstated = {key for key in self.unstated if key not in keys or key[0] != stated}
        for message in output.state_messages:
            self.messages[message["stream"]["stream_descriptor"]["name"]] = message

    def _cancelled(self, output: Output, stream: str) -> set[tuple[str, str]]:
        """What a sync wrote as cancelled of a stream."""
        return {(row["stock_ticker"], row["date"]) for row in output.rows(stream) if row["cancelled"]}

    def _found(self, output: Output, stream: str) -> set[tuple[str, str]]:
        """What it found to be cancelled of a stream."""
        return {
            (row["stock_ticker"], row["date"])
            for row in output.rows("findings")
            if (row["stream"], row["kind"]) == (stream, "event cancelled")
        }

    def _live(self, stream: str) -> dict[tuple[str, date], float]:
        """What the table has of a stream in the days that are asked for again, without what was taken back."""
        rows = {(ticker, day): row for (name, ticker, day), row in self.rows.items() if name == stream}
        return {
            (ticker, day): row[VALUES[stream]]
            for (ticker, day), row in rows.items()
            if self._is_looked_at(day)
            and not row.get("cancelled")
            and ((stream, ticker, day) not in self.unstated or (stream, ticker, day) in self.told)
        }

    def _listed(self, stream: str) -> dict[tuple[str, date], float]:
        """What the vendor lists of a stream in the same days."""
        ahead, field = sessions.today(self.now) + timedelta(days=30), self._field(stream)
        nothing = {"split": 1.0, "dividend": 0.0}[field]
        events = {
            (ticker, event.date): getattr(event, field)
            for ticker in TICKERS
            for event in self.sandbox.book.events(ticker, START, ahead, as_of=ahead)
        }
        return {key: value for key, value in events.items() if value != nothing and self._is_looked_at(key[1])}

    def _is_looked_at(self, day: date) -> bool:
        today = sessions.today(self.now)
        # Some vendors list an event by the day on which it is processed, weeks later, or tell nothing ahead.
        return today - LOOKED_BACK <= day <= today + timedelta(days=5)

    def _is_free(self, ticker: str, day: date) -> bool:
        return not self.sandbox.book.events(ticker, day, day, as_of=self.now.date() + timedelta(days=60))

    def _told(self, data: st.DataObject) -> Key:
        return data.draw(st.sampled_from(sorted(self.told)), label="event")

    def _field(self, stream: str) -> str:
        return {"stock_splits": "split", "dividends": "dividend"}[stream]


@pytest.mark.parametrize("vendor", ["massive", "alpaca", "fmp", "eodhd", "alpha_vantage"])
def test_it_follows_the_list_of_events(sandbox: Sandbox, vendor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After a sync that ended well, what the vendor lists is in the table, and what it does not is cancelled there."""
    machine = type("AnnouncementsModel", (Announcements,), {"sandbox": sandbox, "vendor": vendor})
    FIGURES.clear()
    try:
        run_state_machine_as_test(machine, settings=hypothesis_settings(DRAWN, stateful_step_count=20))
    finally:
        if "EXAMPLES" in os.environ:
            with capsys.disabled():
                print(f"\n{vendor}: " + ", ".join(f"{name} {count}" for name, count in sorted(FIGURES.items())))
