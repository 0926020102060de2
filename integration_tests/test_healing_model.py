"""The healing contract, held against a market where anything may happen between syncs, and to them.

Whatever the vendor serves late, corrects, rescales or withdraws, whichever settings are changed, wherever a sync is
killed: after a sync that ended well the table says what the vendor would answer now. Excused is a change of a bar
outside the recheck window that no bar inside it shows; and what a finding of a fitting kind tells of.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
from integration_tests.sandbox.app import VENDORS as SERVED
from integration_tests.sandbox.book import WHOLE_MARKET
from integration_tests.sandbox.faults import can_fail
from integration_tests.scenario import VENDORS, config
from source_stock_prices import sessions
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.sample_market import Trade

BEGIN = pendulum.datetime(2026, 9, 15, 21, tz=sessions.ZONE)
RECHECKED = 10
"""The sessions before a ticker's last one that are asked again, unless the settings say otherwise."""

AGES = (1, 2, 4, 8)
"""The ages of those asked again where a request is one session of the whole market."""

FEW = ("AAPL", "MSFT", "KO", "BRK.B")
MANY = tuple(f"T{letter}" for letter in "ABCDEFGHIJKL")
NEWCOMERS = ("NVDA", "IBM", "PEP")
SHARES_OF_A_SPLIT = (4.0, 2.0, 0.1, 1.5)
OTHER_SHARES = (("eodhd", "raw"), ("alpha_vantage", "all"), ("marketstack", "all"))
"""Whose volume is in the shares of another day than the prices: made right with the splits, or null."""

PASSING, LASTING, STOPPING = ("throttle", "500", "cut"), ("500", "html"), ("quota", "bad-key")
UNKNOWN = {"ticker gone", "ticker unknown", "not read"}
"""The kinds of finding that excuse a ticker that the vendor has forgotten."""

UNREACHED = {"cut by the plan", "starts late"}
"""Those that excuse rows on an old scale: a plan refuses what is older, or leaves it out without a word."""

FAILURES = {"not read", "ticker unknown", "cut by the plan"}
"""Those that excuse a sync that failed."""

STEPS = 25
MOST_LINES = 12

HOURS = st.sampled_from([0, 6, 9, 15, 17, 20, 21, 23])
DELAYS = st.sampled_from([0, 0, 1, 2, 3, 5, 12])
ONE_IN_FIVE = st.sampled_from([True, False, False, False, False])

FIGURES: Counter[str] = Counter()
"""What all the runs of this module met, for whoever runs many."""


@dataclass
class Known:
    """What the contract owes of one ticker."""

    first: date
    """The first day that was asked for."""

    settings: tuple[str, str]
    """The provider and the adjustment that it was last read with."""

    rechecked: int
    """The recheck window that it was last read with: as many bars are remembered."""

    served: dict[date, Trade] = field(default_factory=dict)
    """What the vendor had when it was last read."""

    owed: set[date] = field(default_factory=set)
    """The days on which the table has to say what the vendor says."""


class Warehouse:
    """A destination in Append + Deduped, and the state that the platform keeps."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, date], Mapping[str, Any]] = {}
        self.state: dict[str, Any] = {}
        self.state_message: list[Any] | None = None

    def entry(self, ticker: str) -> Any:
        """What the state says of a ticker: with `*` all may share one."""
        markets = (entry for name, entry in self.state.items() if name.startswith(WHOLE_MARKET))
        return self.state.get(ticker, next(markets, None))

    def last_read(self, ticker: str) -> date | None:
        """The day of a ticker's state."""
        entry = self.entry(ticker)
        return date.fromisoformat(entry["date"]) if entry and "date" in entry else None

    def has_failed(self) -> bool:
        """Whether the last sync had to set a ticker aside."""
        return any("failed" in entry for entry in self.state.values() if isinstance(entry, dict))

    def take(self, output: Output) -> set[str]:
        """Keep what a sync wrote, and hold it against what is true of every sync, however it ended.

        Gives the tickers that the last state written stands for: those with a record before it.
        """
        last_day: dict[str, str] = {}
        first_day: dict[str, str] = {}
        stated: set[str] = set()
        keys: set[tuple[str, str]] = set()
        for message in output.messages:
            if message["type"] == "RECORD" and message["record"]["stream"] == "stock_prices":
                row = message["record"]["data"]
                ticker, day = row["stock_ticker"], row["date"]
                assert (ticker, day) not in keys, f"{ticker} {day} comes twice in one sync"
                is_earlier = day < first_day.setdefault(ticker, day)  # what an earlier start adds comes after the rest
                assert is_earlier or day > last_day.get(ticker, ""), f"{ticker} {day} comes after {last_day[ticker]}"
                first_day[ticker] = min(day, first_day[ticker])
                keys.add((ticker, day))
                last_day[ticker] = day
                self.rows[ticker, date.fromisoformat(day)] = row
            elif message["type"] == "STATE" and is_of_prices(message["state"]):
                self._keep(message["state"])
                stated = set(last_day)
        return stated

    def _keep(self, message: Mapping[str, Any]) -> None:
        state = message["stream"]["stream_state"]
        for ticker, entry in state.items():
            before = self.state.get(ticker)
            if isinstance(before, dict) and "date" in before:
                assert entry["date"] >= before["date"], f"the state of {ticker} went back"
            if isinstance(entry, dict) and "date" in entry and not ticker.startswith(WHOLE_MARKET):
                assert (ticker, date.fromisoformat(entry["date"])) in self.rows, f"no bar on {ticker}'s {entry['date']}"
        read = {ticker for ticker, entry in self.state.items() if isinstance(entry, dict) and "date" in entry}
        assert state.keys() >= read, "the state forgot a ticker"
        self.state, self.state_message = state, [message]


def is_of_prices(state: Mapping[str, Any]) -> bool:
    return bool(state["stream"]["stream_descriptor"]["name"] == "stock_prices")


class Market(RuleBasedStateMachine):
    """Syncs of some tickers from some vendor, with what happens between them."""

    sandbox: Sandbox
    plan: str

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.sandbox.reset()
        self.now: DateTime = BEGIN
        self.sandbox.now = BEGIN
        self.warehouse = Warehouse()
        self.known: dict[str, Known] = {}
        self.hidden: set[tuple[str, date]] = set()
        self.carried: set[tuple[str, date]] = set()
        self.corrected: set[tuple[str, date]] = set()
        self.mendable: list[tuple[str, date, bool]] = []
        self.gone: set[str] = set()
        self.carried: set[tuple[str, date]] = set()
        vendors = [name for name in VENDORS if name in self._vendors()]
        self.vendor = data.draw(st.sampled_from(vendors), label="vendor")
        self.tickers = list(MANY if self.plan in ("by date", "market") else FEW)
        self.sandbox.universe = list(self.tickers)
        self.settings: dict[str, Any] = {
            "adjustment": data.draw(st.sampled_from(PROVIDERS[self.vendor].adjustments), label="adjustment"),
            "start_date": data.draw(st.sampled_from([None, "2026-09-01", "2026-07-01"]), label="start"),
        }
        if self.plan == "window":
            self.settings["start_date"] = "2026-09-01"
            self.sandbox.reach = timedelta(days=30)
        FIGURES["histories"] += 1
        self._log("vendor", self.vendor, self.settings)

    def _vendors(self) -> Iterable[str]:
        return {
            "a ticker": ["tiingo", "eodhd", "alpha_vantage", "fmp", "iex"],
            "batch": ["alpaca", "twelve_data", "marketstack"],
            "by date": ["massive"],
            "market": ["massive", "eodhd"],
            "window": ["massive", "fmp", "eodhd", "marketstack"],
        }[self.plan]

    # What happens on the market

    @rule(data=st.data(), whole_market=ONE_IN_FIVE)
    def a_bar_will_come_late(self, data: st.DataObject, whole_market: bool) -> None:
        ticker = WHOLE_MARKET if whole_market else self._ticker(data)
        day = self._session_ahead(data.draw(st.integers(1, 2), label="sessions ahead"))
        if any(carried == day and ticker in (name, WHOLE_MARKET) for name, carried in self.carried):
            return  # until the bar comes, the row in its place is what the vendor says
        self.sandbox.hide(ticker, day)
        self.hidden.add((ticker, day))

    @precondition(lambda self: self.hidden)
    @rule(data=st.data())
    def a_late_bar_comes(self, data: st.DataObject) -> None:
        ticker, day = data.draw(st.sampled_from(sorted(self.hidden)), label="arrives")
        self.sandbox.show(ticker, day)
        self.hidden.discard((ticker, day))
        FIGURES["late bars"] += 1

    @rule(data=st.data(), age=st.integers(0, 30), factor=st.sampled_from([0.9, 0.999, 1.01, 1.2]))
    def a_bar_is_corrected(self, data: st.DataObject, age: int, factor: float) -> None:
        ticker, day = self._ticker(data), self._session_ago(age)
        trade = next(iter(self.sandbox.truth([ticker], day, day).values()), None)
        if trade is None:
            return
        self.sandbox.correct(ticker, day, close=round(trade.close * factor, 2), volume=trade.volume + 100)
        self.corrected.add((ticker, day))
        FIGURES["corrections"] += 1

    @rule(data=st.data(), factor=st.sampled_from(SHARES_OF_A_SPLIT), delay=DELAYS)
    def a_ticker_splits(self, data: st.DataObject, factor: float, delay: int) -> None:
        """The vendor applies it on its day, or some days later."""
        day = self._session_ahead(1)
        self.sandbox.book.split(self._ticker(data), day, factor, applied=day + timedelta(days=delay))
        FIGURES["splits"] += 1

    @rule(data=st.data(), amount=st.sampled_from([0.01, 0.3, 2.0]), delay=DELAYS)
    def a_ticker_pays(self, data: st.DataObject, amount: float, delay: int) -> None:
        ticker, day = self._ticker(data), self._session_ahead(1)
        if ticker in self.gone:
            return
        self.sandbox.book.pay(ticker, day, amount, applied=day + timedelta(days=delay))
        FIGURES["dividends"] += 1

    @rule(data=st.data(), factor=st.sampled_from([0.25, 4.0, 0.8, 1.05]), age=st.integers(-1, 15), raw=ONE_IN_FIVE)
    def a_history_is_rescaled(self, data: st.DataObject, factor: float, age: int, raw: bool) -> None:
        """An event applied twice, or of a wrong ratio; of a spin-off, raw prices too."""
        ticker, day = self._ticker(data), self._session_ago(age) if age >= 0 else self._session_ahead(1)
        self.sandbox.book.scale(ticker, day, factor, raw=raw)
        self.mendable.append((ticker, day, raw))
        FIGURES["rescaled"] += 1

    @precondition(lambda self: self.mendable)
    @rule(data=st.data())
    def a_history_is_mended(self, data: st.DataObject) -> None:
        ticker, day, raw = data.draw(st.sampled_from(self.mendable), label="mended")
        self.mendable.remove((ticker, day, raw))
        self.sandbox.book.scale(ticker, day, 1.0, raw=raw)

    @rule(data=st.data(), ahead=st.integers(1, 6))
    def a_row_repeats_the_close_before(self, data: st.DataObject, ahead: int) -> None:
        """On a session, beside the bar that traded; on a Saturday or holiday alone."""
        later = self.now.date() + timedelta(days=ahead)
        ticker, day = self._ticker(data), date(later.year, later.month, later.day)
        is_beside = sessions.is_session(day)
        if ticker in self.gone:
            return  # of a session that it no longer trades, nobody could tell the row from a bar
        if is_beside and (self.vendor == "alpha_vantage" or self.hidden & {(ticker, day), (WHOLE_MARKET, day)}):
            return  # one row a day, or nothing beside it
        self.sandbox.book.carry(ticker, day)
        self.carried.add((ticker, day))

    @precondition(lambda self: len(self.tickers) > 2 and not self.gone)
    @rule(data=st.data(), forgotten=ONE_IN_FIVE, delist=ONE_IN_FIVE)
    def a_ticker_is_delisted(self, data: st.DataObject, forgotten: bool, delist: bool) -> None:
        if not delist:
            return
        ticker, day = self._ticker(data), self._session_ahead(1)
        if ticker in dict(self.carried):
            return  # the row may be of a session that it no longer trades
        self.sandbox.book.delist(ticker, day, forgotten=day if forgotten else None)
        self.gone.add(ticker)
        FIGURES["delisted"] += 1

    # What happens to the settings

    @precondition(lambda self: self.plan not in ("market", "window"))
    @rule(data=st.data(), add=st.booleans())
    def tickers_change(self, data: st.DataObject, add: bool) -> None:
        choice = NEWCOMERS if add else tuple(self.tickers)
        ticker = data.draw(st.sampled_from(choice), label="ticker")
        if add and ticker not in self.tickers:
            self.tickers.append(ticker)
            self.sandbox.universe = sorted({*self.sandbox.universe, ticker})
        elif not add and len(self.tickers) > 2:
            self.tickers.remove(ticker)
        FIGURES["settings changed"] += 1

    @rule(data=st.data())
    def the_order_changes(self, data: st.DataObject) -> None:
        self.tickers = data.draw(st.permutations(self.tickers), label="order")

    @precondition(lambda self: self.plan != "window")
    @rule(start=st.sampled_from([None, "2026-06-01", "2026-08-10", "2026-09-08"]))
    def the_start_changes(self, start: str | None) -> None:
        self._set("start_date", start)

    @rule(ahead=st.sampled_from([None, None, -5, 0, 4]))
    def the_end_changes(self, ahead: int | None) -> None:
        end = None if ahead is None else f"{self.now.date() + timedelta(days=ahead)}"
        self._set("end_date", end if (end or "") >= (self.settings["start_date"] or "") else None)

    @rule(data=st.data())
    def the_adjustment_changes(self, data: st.DataObject) -> None:
        self._set("adjustment", data.draw(st.sampled_from(PROVIDERS[self.vendor].adjustments), label="adjustment"))

    @precondition(lambda self: self.plan in ("a ticker", "batch"))
    @rule(data=st.data())
    def the_provider_changes(self, data: st.DataObject) -> None:
        vendors = [name for name in VENDORS if self.settings["adjustment"] in PROVIDERS[name].adjustments]
        if any(sessions.is_session(day) for _, day in self.carried):
            vendors = [name for name in vendors if name != "alpha_vantage"]  # it has one row a day
        self.vendor = data.draw(st.sampled_from(vendors), label="vendor")
        FIGURES["settings changed"] += 1

    @rule(
        workers=st.sampled_from([1, 4, 9]),
        unfinished=st.booleans(),
        pace=st.sampled_from([None, 60_000]),
        rechecked=st.sampled_from([None, 0, 3, 10, 60]),
    )
    def other_settings_change(self, workers: int, unfinished: bool, pace: int | None, rechecked: int | None) -> None:
        self._set("num_workers", workers)
        self._set("include_unfinished_session", unfinished)
        self._set("requests_per_minute", pace)
        self._set("recheck_sessions", rechecked)

    # What happens to syncs

    @rule(days=st.integers(0, 4), hour=HOURS)
    def a_sync(self, days: int, hour: int) -> None:
        self._wait(days, hour)
        output = self._read()
        self._judge(output, failing=set())

    @rule(days=st.integers(0, 4), hour=HOURS)
    def a_daily_sync(self, days: int, hour: int) -> None:
        """Some in a row, for what a longer rest would hide."""
        for _ in range(5):
            self.a_sync(1, 21)

    @rule(days=st.integers(0, 3), hour=HOURS, data=st.data())
    def a_sync_is_killed(self, days: int, hour: int, data: st.DataObject) -> None:
        self._wait(days, hour)
        whole = self._read()
        lines = whole.text.splitlines()
        kill = data.draw(st.integers(0, len(lines)), label="killed behind line")
        FIGURES["kills"] += 1
        self._take(Output("\n".join(lines[:kill]), -9))

    @rule(days=st.integers(0, 3), hour=HOURS, data=st.data(), kind=st.sampled_from(PASSING))
    def a_sync_meets_a_passing_fault(self, days: int, hour: int, data: st.DataObject, kind: str) -> None:
        self._wait(days, hour)
        # What failed in the last sync is tried twice, all else more often.
        self.sandbox.fail(kind, times=1 if self.warehouse.has_failed() else 2, vendor=self.vendor)
        FIGURES["faults"] += 1
        output = self._read()
        self.sandbox.faults.clear()
        self._judge(output, failing=set())

    @rule(days=st.integers(0, 3), hour=HOURS, data=st.data(), kind=st.sampled_from(LASTING))
    def a_sync_meets_a_ticker_that_fails(self, days: int, hour: int, data: st.DataObject, kind: str) -> None:
        self._wait(days, hour)
        ticker = self._ticker(data)
        self.sandbox.fail(kind, times=-1, vendor=self.vendor, ticker=ticker)
        FIGURES["faults"] += 1
        output = self._read()
        self.sandbox.faults.clear()
        if output.exit_code == 0 or self._waits(output):  # it was not asked for by its name
            self._judge(output, failing=set())
            return
        assert self._has_found(output, FAILURES, ticker), f"nothing is found of {ticker}, which failed"
        self._judge(output, failing={ticker})

    @rule(days=st.integers(0, 3), hour=HOURS, data=st.data(), kind=st.sampled_from(STOPPING))
    def a_sync_is_stopped(self, days: int, hour: int, data: st.DataObject, kind: str) -> None:
        """After some answers nothing is answered any more."""
        if not can_fail(SERVED[self.vendor], kind):
            return
        self._wait(days, hour)
        self.sandbox.fail(kind, times=-1, vendor=self.vendor, ticker=self._ticker(data))
        FIGURES["faults"] += 1
        output = self._read()
        self.sandbox.faults.clear()
        self._take(output)

    @precondition(lambda self: self.plan in ("by date", "market"))
    @rule(days=st.integers(1, 3), rows=st.integers(0, 5), admitted=st.booleans())
    def a_whole_market_answer_is_cut(self, days: int, rows: int, admitted: bool) -> None:
        """It cannot be: empty, or short of what it says or of half the session before. The day is not passed."""
        self._wait(days, 21)
        day = self._session_ago(0)
        lacking = [ticker for ticker in self._judged() if self._lacks(ticker, day)]
        self.sandbox.book.shorten(day, rows, admitted=admitted)
        FIGURES["faults"] += 1
        output = self._read()
        self.sandbox.book.restore(day)
        self._take(output)
        for ticker in self._judged():
            if day in self._served(ticker) and (ticker, day) not in self.warehouse.rows:
                last = self.warehouse.last_read(ticker)
                assert last is None or last < day, f"the state of {ticker} passed {day}, whose answer was cut"
                is_told = self._has_found(output, {"whole day not believed"})
                assert is_told or ticker not in lacking, f"nothing is found of {day}, whose answer was cut"

    def _lacks(self, ticker: str, day: date) -> bool:
        """Whether the next sync asks for a day of a ticker that was not read before."""
        last = self.warehouse.last_read(ticker)
        return self._start(ticker) <= day <= self._end() and (last is None or last < day)

    # The judge

    def _judge(self, output: Output, failing: set[str]) -> None:
        """Take what a sync wrote, and hold the table against the vendor for each ticker that did not have to fail."""
        before = {ticker: self.warehouse.last_read(ticker) for ticker in self._judged()}
        due = {ticker for ticker in self._judged() if self._is_due(ticker)}
        forgotten = {ticker for ticker in self.gone if not self._is_known(ticker)}
        self._take(output, failing)
        if self._waits(output):
            assert self._has_found(output, {"whole day not believed"}), "nothing is found of the session"
            return
        # What was never read before the plan's window moved on cannot be read any more.
        is_too_late = self.plan == "window" and not self.known.keys() >= set(self.tickers)
        is_typo = any(before[ticker] is None for ticker in forgotten & before.keys())
        if not failing and not is_too_late and not is_typo:
            assert output.exit_code == 0, f"the sync failed without a cause: {output.error}"
        wrong = Counter[str]()
        for ticker in due - failing - forgotten:
            if ticker in self.known:
                wrong += self._compare(ticker, before[ticker])
            elif any(self._start(ticker) <= day <= self._end() for day in self._served(ticker)):
                assert self._has_found(output, UNKNOWN | UNREACHED, ticker), f"nothing is found of {ticker}, not read"
        for ticker in due & forgotten - failing:
            if before[ticker] and self.plan != "market":
                assert ticker in output.log("WARN"), f"nothing is said of {ticker}, which is unknown now"
                assert self._has_found(output, UNKNOWN, ticker), f"nothing is found of {ticker}, which is unknown now"
        FIGURES["bars lost"] += wrong.pop("lost", 0)
        FIGURES["bars wrong"] += wrong.pop("wrong", 0)
        assert not wrong, "\n".join(list(wrong)[:MOST_LINES])

    def _compare(self, ticker: str, before: date | None) -> Counter[str]:
        """What the table has wrong of a ticker, where it is owed right."""
        found: Counter[str] = Counter()
        served, known = self._served(ticker), self.known[ticker]
        last, end = self.warehouse.last_read(ticker), self._end()
        newest = max((day for day in served if self._start(ticker) <= day <= end), default=None)
        is_behind = last is None or (newest is not None and last < newest)
        if newest and (before is None or newest > before) and is_behind:
            found[f"the state of {ticker} is on {last}, its last bar on {newest}"] += 1
        for day in sorted(known.owed & served.keys()):
            if last is None or day > last:
                continue
            row, trade = self.warehouse.rows.get((ticker, day)), served[day]
            if row is None:
                found["lost"] += 1
                found[f"{ticker} {day} is missing"] += 1
            elif not _agree(row, trade) or (row["provider"], row["adjustment"]) != self._told():
                found["wrong"] += 1
                found[f"{ticker} {day} is {json.dumps(row)}, served is {trade}"] += 1
        for (name, day), row in self.warehouse.rows.items():
            if row["provider"] != self.vendor:
                continue  # of another provider, until this one has the session, too
            if name == ticker and day not in served and day <= sessions.last_final(self.now):
                found["wrong"] += 1
                found[f"{ticker} {day} is no bar"] += 1
        return found

    def _take(self, output: Output, failing: Iterable[str] = ()) -> None:
        """Keep what a sync wrote, and note of each ticker that it dealt with what is owed from now on."""
        before = {ticker: (self.warehouse.entry(ticker), self.warehouse.last_read(ticker)) for ticker in self._judged()}
        due = {ticker for ticker in before if self._is_due(ticker) and self._is_known(ticker)}
        windows = {ticker: self._window(ticker) for ticker in before}
        stated = self.warehouse.take(output)
        if output.exit_code == 1:
            assert self._has_found(output, FAILURES), f"nothing is found of {output.error}"
        for ticker in due.difference(failing):
            entry, last = before[ticker]
            if output.exit_code == 0:
                dealt_with = last is not None or self.warehouse.last_read(ticker) is not None
            else:
                dealt_with = ticker in stated and self.warehouse.entry(ticker) != entry
            if dealt_with:
                self._owe(ticker, last, windows[ticker], output)
        FIGURES["syncs"] += 1

    def _owe(self, ticker: str, last: date | None, window: set[date], output: Output) -> None:
        served, start = self._served(ticker), self._start(ticker)
        known = self.known.get(ticker)
        rechecked = self.settings.get("recheck_sessions")
        rechecked = RECHECKED if rechecked is None else rechecked
        if known is None or last is None:
            since = (self.warehouse.entry(ticker) or {}).get("since", f"{start}")  # of a market, read without it
            first = min(start, date.fromisoformat(since))
            known = self.known[ticker] = Known(first, self._told(), rechecked)
            known.owed = {day for day in served if day >= start}
        else:
            changed = {day for day in {*served, *known.served} if served.get(day) != known.served.get(day)}
            bound = max(known.first, self._bound())
            known.owed -= changed
            earlier = self._earlier_start(known)
            gap: set[date] = set()
            is_said = earlier and self.warehouse.entry(ticker)["since"] <= f"{earlier}"
            if earlier and (is_said or output.exit_code == 0):
                gap = {day for day in served if earlier <= day < known.first}
                known.owed |= gap
                known.first = earlier
            if last >= self._end() and known.settings == self._told():
                known.served |= {day: served[day] for day in gap}
                return  # nothing can be new: only an earlier start was read, and nothing compared
            known.owed |= {day for day in served if day in window or day >= max(last, bound)}
            if known.settings != self._told():
                known.owed = {day for day in served if day >= bound}
                self._expect_plan_warning(ticker, output)
            elif self._shows(ticker, last, known, window, rechecked):
                known.owed |= {day for day in served if day >= bound}
                self._expect_plan_warning(ticker, output)
        known.served, known.settings, known.rechecked = served, self._told(), rechecked
        self.corrected = {(name, day) for name, day in self.corrected if name != ticker}

    def _shows(self, ticker: str, last: date, known: Known, window: set[date], rechecked: int) -> bool:
        """Whether the oldest remembered bar that was asked again moved, and not by a correction of its own."""
        served = self._served(ticker)
        remembered = {last, *_sessions_before(last, min(rechecked, known.rechecked))}
        both = sorted((window | {last}) & remembered & known.owed & served.keys() & known.served.keys())
        if not both or (ticker, both[0]) in self.corrected:
            return False
        return served[both[0]].close != known.served[both[0]].close

    def _expect_plan_warning(self, ticker: str, output: Output) -> None:
        read = {row["date"] for row in output.rows("stock_prices") if row["stock_ticker"] == ticker}
        oldest = self._bound()  # the first day that surely is in reach: the one before it may be, by the vendor's clock
        rows = [day for name, day in self.warehouse.rows if name == ticker]
        older = any(day < oldest and f"{day}" not in read for day in rows)
        if self.sandbox.reach and older and output.exit_code == 0:
            assert ticker in output.log("WARN"), f"nothing is said of the rows of {ticker} before {oldest}"
            is_told = self._has_found(output, UNREACHED, ticker)
            assert is_told, f"nothing is found of the rows of {ticker} before {oldest}"

    def _has_found(self, output: Output, kinds: set[str], ticker: str | None = None, day: date | None = None) -> bool:
        """Whether a sync has a finding of a kind, about a ticker and a day if they are given."""
        return any(
            row["kind"] in kinds
            and (ticker is None or row["stock_ticker"] == ticker)
            and (day is None or row["date"] == f"{day}")
            for row in output.rows("findings")
        )

    def _window(self, ticker: str) -> set[date]:
        """The days before a ticker's last one that the next sync asks again at the least."""
        last, rechecked = self.warehouse.last_read(ticker), self.settings.get("recheck_sessions")
        if last is None:
            return set()
        rechecked = RECHECKED if rechecked is None else rechecked
        before = _sessions_before(last, rechecked)
        if self.plan == "market" or (self.vendor == "massive" and len(self.tickers) > 1):
            alike = {self.warehouse.last_read(name) for name in self.tickers} == {last}
            new = len(sessions.between(last + timedelta(days=1), max(self._end(), last)))
            ages = [age for age in AGES if alike and age <= max(rechecked, 1)]
            # Each session that reaches one of the ages with the new sessions.
            reaching = {was for was in range(len(before) + 1) for age in ages if was < age <= was + new}
            before = [day for was, day in enumerate(reversed(before), 1) if was in reaching]
        known = self.known.get(ticker)
        bound = max(self._bound(), known.first if known else date.min)
        return {day for day in before if day >= bound}

    def _is_due(self, ticker: str) -> bool:
        """Whether something can be new of a ticker, so that the vendor is asked."""
        last, known, end = self.warehouse.last_read(ticker), self.known.get(ticker), self._end()
        if last is None or known is None:
            return self._start(ticker) <= end
        return last < end or known.settings != self._told() or bool(self._earlier_start(known))

    def _earlier_start(self, known: Known) -> date | None:
        start = self.settings.get("start_date")
        return date.fromisoformat(start) if start and date.fromisoformat(start) < known.first else None

    def _start(self, ticker: str) -> date:
        start, end = self.settings.get("start_date"), self.settings.get("end_date")
        today = sessions.today(self.now)
        if start:
            return date.fromisoformat(start)
        return min(date.fromisoformat(end), today) - timedelta(days=7) if end else today - timedelta(days=7)

    def _end(self) -> date:
        today = sessions.today(self.now)
        last = sessions.last_final(self.now)
        if self.settings.get("include_unfinished_session"):
            last = sessions.latest(today)
        end = self.settings.get("end_date")
        return min(date.fromisoformat(end), last) if end else last

    def _bound(self) -> date:
        """Before which day nothing is read again: a later start, and the reach of the plan."""
        start = self.settings.get("start_date")
        bounds = [date.fromisoformat(start)] if start else []
        if self.sandbox.reach:
            bounds.append(sessions.today(self.now) - self.sandbox.reach + timedelta(days=1))
        return max(bounds, default=date.min)

    def _served(self, ticker: str) -> dict[date, Trade]:
        """The final bars that the vendor has of a ticker now."""
        adjustment, final = self.settings["adjustment"], sessions.last_final(self.now)
        start = date(2026, 5, 1)
        return self.sandbox.published(self.vendor, ticker, start, final, adjustment)

    def _waits(self, output: Output) -> bool:
        """Whether a sync ended early because it waits for a session that nobody has yet."""
        is_late = any(ticker == WHOLE_MARKET for ticker, _ in self.hidden)
        return is_late and output.error is not None and "is not believed" in output.error["message"]

    def _told(self) -> tuple[str, str]:
        return self.vendor, self.settings["adjustment"]

    def _is_known(self, ticker: str) -> bool:
        return self.sandbox.book.is_known(ticker, sessions.today(self.now))

    def _judged(self) -> list[str]:
        return list(self.sandbox.universe if self.plan == "market" else self.tickers)

    # Helpers of the rules

    def _read(self) -> Output:
        tickers = WHOLE_MARKET if self.plan == "market" else ", ".join(self.tickers)
        given = {name: value for name, value in self.settings.items() if value is not None}
        self._log("sync", f"{self.now:YYYY-MM-DD HH:mm}", tickers, given)
        settings = config(self.sandbox, self.vendor, tickers, **given)
        return read(settings, now=self.now, state=self.warehouse.state_message, streams=("stock_prices", "findings"))

    def _wait(self, days: int, hour: int) -> None:
        self.now = max(self.now, self.now.add(days=days).set(hour=hour, minute=45))
        self.sandbox.now = self.now

    def _ticker(self, data: st.DataObject) -> str:
        return str(data.draw(st.sampled_from(sorted(self._judged())), label="ticker"))

    def _session_ago(self, count: int) -> date:
        day = sessions.latest(self.now.date())
        return _sessions_before(day, count)[0] if count else day

    def _session_ahead(self, count: int) -> date:
        today = sessions.today(self.now)
        return sessions.between(today + timedelta(days=1), today + timedelta(days=15))[count - 1]

    def _set(self, name: str, value: Any) -> None:
        FIGURES["settings changed"] += self.settings.get(name) != value
        self.settings[name] = value

    def _log(self, *what: Any) -> None:
        if os.environ.get("TALK"):
            print(*what)


def _sessions_before(day: date, count: int) -> list[date]:
    """So many sessions before a day, ascending."""
    before = sessions.between(day - timedelta(days=2 * count + 15), day - timedelta(days=1))
    return list(before[len(before) - count :])


def _agree(row: Mapping[str, Any], trade: Trade) -> bool:
    """Whether a row has a trade's prices and shares. Some vendors have no other adjusted price than the close."""
    if row["price"] != pytest.approx(trade.close, abs=1e-4) or row["close"] != row["price"]:
        return False
    is_counted_alike = (row["provider"], row["adjustment"]) not in OTHER_SHARES
    if is_counted_alike and row["volume"] != pytest.approx(trade.volume, rel=1e-3, abs=2):
        return False
    return all(
        row[name] is None or row[name] == pytest.approx(getattr(trade, name), rel=2e-3, abs=1e-3)
        for name in ("open", "high", "low")
    )


@pytest.mark.parametrize("plan", ["a ticker", "batch", "by date", "market", "window"])
def test_it_heals_whatever_happens(sandbox: Sandbox, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that heals itself, by every way to ask: a ticker, a batch or a session a request, the whole market."""
    machine = type("MarketModel", (Market,), {"sandbox": sandbox, "plan": plan})
    FIGURES.clear()
    try:
        run_state_machine_as_test(machine, settings=hypothesis_settings(DRAWN, stateful_step_count=STEPS))
    finally:
        if "EXAMPLES" in os.environ:
            with capsys.disabled():
                print(f"\n{plan}: " + ", ".join(f"{name} {count}" for name, count in sorted(FIGURES.items())))
