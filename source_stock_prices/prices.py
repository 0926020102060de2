"""Prices in a sync: which bars are asked for, what of them is emitted, and what the state remembers of each ticker."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from logging import Logger
from operator import attrgetter
from typing import Any

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import envelope, healing, plan, sessions
from source_stock_prices.bars import jumps
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.gaps import LONGEST_CLOSURE, Gaps
from source_stock_prices.market import Market
from source_stock_prices.providers.terms import ANY, RAW, Bar, Kind, Problem, Query
from source_stock_prices.reach import Reach
from source_stock_prices.recheck import believable
from source_stock_prices.report import Report
from source_stock_prices.sync import Found, State, by_ticker

Ask = Callable[[Query, Report], Found[Bar]]

GONE = "{title} no longer serves the last bars read for {names}. Check for a renamed, reassigned or delisted ticker."
CUT = "The {{title}} plan reaches back to {first}: rows of {{names}} before that day keep their old scale."
LATER = "{{title}} data starts later than {first}: {{names}}. Rows before its first bar keep their old scale."
UNREACHED = "The {{title}} plan does not reach back to {first}: {{names}} stay as they are."
BEYOND_PLAN = "The {title} plan no longer reaches sessions of the whole market, which keep their old scale: {names}."

iso = lru_cache(maxsize=20_000)(date.isoformat)
"""A day as text: that of every ticker, once."""


class Prices:
    """The half of the connector that reads bars, as the healing contract wants it. `ask` has the bars of a query.

    `start` is where a ticker's history begins; `bound` the same if the user said so, before which nothing is asked.
    """

    name = "stock_prices"

    def __init__(
        self,
        config: Config,
        logger: Logger,
        *,
        start: date,
        bound: date | None,
        blank: Query,
        last_final: date,
        ask: Ask,
        in_envelopes: bool,
    ) -> None:
        self._config, self._provider, self._logger = config, config.provider, logger
        self._start, self._bound = start, bound
        self._blank, self._last_final = blank, last_final
        self._in_envelopes = in_envelopes
        self._reach = Reach(ask)
        self._gaps = Gaps(config.provider, start)
        self._entries: State = {}
        self._market = Market({}, config, last_final, blank.end)
        self._again: dict[str, date] = {}
        self._rereading: set[str] = set()
        self._last: dict[str, Bar] = {}

    # What is asked

    def queries(self, seen: State) -> list[Query]:
        self._entries = {ticker: healing.upgraded(entry, self._bound) for ticker, entry in seen.items()}
        if "date" in self._entries.get(ANY, {}):
            self._entries[ANY].setdefault("adjustment", RAW)  # older versions wrote the others only
        self._market = Market(self._entries, self._config, self._last_final, self._blank.end)
        if self._market.is_whole:
            queries = plan.market_queries(self._entries, self._facts())
        else:
            queries = plan.price_queries(self._config.tickers, self._entries, self._facts())
        self._tell_of_settings()
        self._tell_of_nothing(queries)
        return queries

    def more_queries(self) -> list[Query]:
        """The histories that turned out to be rewritten, to be read again."""
        self._rereading = set(self._again)
        windows = [plan.Window(ticker, first, self._blank.end) for ticker, first in self._again.items()]
        return plan.batches(windows, self._facts())

    def _facts(self) -> plan.Facts:
        provider = self._provider
        tickers = provider.tickers_per_request
        if self._config.requests_per_minute and provider.charges_by_ticker:
            tickers = 1  # the pace counts requests, and here each ticker counts as one
        return plan.Facts(
            blank=self._blank,
            start=self._start,
            bound=self._bound,
            provider=provider.name,
            recheck_sessions=self._config.recheck_sessions,
            tickers_per_request=tickers,
            bars_per_request=provider.bars_per_request or plan.BARS_A_QUERY,
            whole_market_by_date=provider.whole_market_by_date,
        )

    def _changed_setting(self, ticker: str) -> str | None:
        entry = self._entries.get(ticker, {})
        if "date" not in entry:
            return None
        return healing.changed_setting(entry, self._config.adjustment, self._provider.name)

    def _tell_of_settings(self) -> None:
        by_change: dict[str, list[str]] = {}
        for ticker in self._config.tickers:
            change = self._changed_setting(ticker)
            if change:
                by_change.setdefault(change, []).append(ticker)
        for change, tickers in by_change.items():
            first = min(healing.first_day(self._entries[ticker]) for ticker in tickers)
            which = "the whole market" if tickers == [ANY] else names(tickers)
            self._logger.warning(f"{self.name}: {change}; rereading {which} from {first}.")

    def _tell_of_nothing(self, queries: Sequence[Query]) -> None:
        end = self._blank.end
        is_new = any("date" not in self._entries.get(ticker, {}) for ticker in self._config.tickers)
        if self._start > end and is_new:
            self._logger.warning(f"{self.name}: start_date {self._start} is after {end}, the last session to read.")
        elif not queries:
            self._logger.info(f"{self.name}: nothing to do; all tickers are up to date ({end}).")

    def expected(self, query: Query) -> int | None:
        if query.tickers == (ANY,):
            return None
        return len(sessions.between(query.start, query.end)) * len(query.tickers)

    # What comes back

    def answer(self, query: Query, seen: State, report: Report) -> Found[Bar]:
        if self._is_by_date(query):
            found = self._reach.ask(query, report)
            is_over = query.start <= self._last_final
            if is_over and report.market_rows and believable(*report.market_rows, None):
                found = self._reach.ask(query, report)  # a moment later it may be whole
            return found
        is_known = self._market.is_whole or all("date" in self._entries.get(ticker, {}) for ticker in query.tickers)
        ask = self._reach.ask_as_far_as_it_goes if is_known else self._reach.ask
        found = by_ticker(ask, query, report, self._provider)
        self._forgive_unreached(query, found, report)
        return found

    def _forgive_unreached(self, query: Query, found: Found[Bar], report: Report) -> None:
        """What an earlier start adds before the plan's window is no failure of a ticker that is read."""
        for ticker, error in list(report.failed.items()):
            entry = self._entries.get(ticker, {})
            is_earlier = "date" in entry and query.end < healing.first_day(entry)
            if is_earlier and error.problem.kind is Kind.BEYOND_PLAN:
                del report.failed[ticker]
                found[ticker] = []
                report.remark(UNREACHED.format(first=query.start), ticker)

    def survives(self, query: Query, error: ProviderError, state: State, report: Report) -> bool:
        """An old session of the whole market that the plan no longer reaches stops nothing."""
        if error.problem.kind is not Kind.BEYOND_PLAN or not self._is_by_date(query):
            return False
        if not self._market.is_read(query.start):
            return False
        report.remark(BEYOND_PLAN, str(query.start))
        if self._market.is_whole and self._market.is_history(query.start):
            self._market.give_up(query, state)
        return True

    def records(
        self, query: Query, tickers: Iterable[str], found: Found[Bar], state: State, report: Report
    ) -> Iterator[StreamData]:
        if self._is_by_date(query):
            yield from self._session(query, found, state, report)
            return
        for ticker in tickers:
            bars = found.get(ticker, [])
            if ticker in self._rereading or self._is_waiting(ticker) or self._changed_setting(ticker):
                yield from self._history(query, ticker, bars, state, report)
            elif ticker not in self._again:  # what an earlier start adds comes with the history, too
                yield from self._window(query, ticker, bars, state, report)

    def _window(
        self, query: Query, ticker: str, bars: Sequence[Bar], state: State, report: Report
    ) -> Iterator[StreamData]:
        """A ticker's bars of a window: its first ones, those before them, or new ones with those to compare."""
        entry = self._entries.get(ticker, {})
        if "date" not in entry:
            self._gaps.read(query, ticker, bars, is_new=True)
            yield from self._emit(bars, report)
            self._remember(ticker, bars, state, since=query.start)
            return
        since = healing.first_day(entry)
        if query.end < since:
            self._gaps.read_before(query, ticker, bars, since)
            yield from self._emit(bars, report)
            self._remember(ticker, bars, state, since=query.start)
            return
        state_date = date.fromisoformat(entry["date"])
        known = healing.known_of(entry)
        verdict = healing.judge(known, state_date, bars, (query.start, query.end), entry.get("price"))
        if verdict.rewritten and query.start > healing.first_day(entry):
            if ticker not in report.cut:
                self._tell_gone(ticker, verdict.missing, state, report)
            self._rewritten(ticker, verdict.moved_on, report)
            return
        if verdict.rewritten:
            self._tell_rewritten(ticker, verdict.moved_on, query.start, report)
            self._tell_cut(query, ticker, bars, report)
        if not bars and known:
            report.remark(GONE, f"{ticker} ({state_date})")
        elif verdict.missing and ticker not in report.cut:
            self._tell_gone(ticker, verdict.missing, state, report)
        self._gaps.read_on(query, ticker, bars, known, state_date)
        yield from self._emit(bars if verdict.rewritten else verdict.fresh, report)
        self._remember(ticker, bars if verdict.rewritten else verdict.fresh, state)

    def _tell_gone(self, ticker: str, days: Sequence[date], state: State, report: Report) -> None:
        """Bars that the vendor had, and has no more: told once, then they are holes like others."""
        for day in days:
            report.remark(GONE, f"{ticker} ({day})")
        state[ticker] = healing.forget(state[ticker], days)

    def _history(
        self, query: Query, ticker: str, bars: Sequence[Bar], state: State, report: Report
    ) -> Iterator[StreamData]:
        """A ticker's whole history, read again."""
        entry = self._entries.get(ticker, {})
        problem = self._incomplete(ticker, bars)
        if problem:
            report.set_aside(ticker, ProviderError(Problem(Kind.UNREADABLE, problem)))
            return
        self._tell_cut(query, ticker, bars, report)
        yield from self._emit(bars, report)
        if self._market.is_whole:
            self._market.replace(ticker, bars, state)
            return
        since = min(query.start, healing.first_day(entry))
        self._remember(ticker, bars, state, since=since)

    def _tell_cut(self, query: Query, ticker: str, bars: Sequence[Bar], report: Report) -> None:
        """Tells of rows that a rewritten history does not reach any more."""
        if ticker in report.cut:
            report.remark(CUT.format(first=report.cut[ticker]), ticker)
        elif bars[0].date > query.start + LONGEST_CLOSURE:
            report.remark(LATER.format(first=query.start), f"{ticker} ({bars[0].date})")

    def _incomplete(self, ticker: str, bars: Sequence[Bar]) -> str | None:
        """What a history lacks that was read before; None if it is whole. A new setting may know less."""
        entry = self._entries.get(ticker, {})
        if not bars:
            return "the reread history has no bars"
        if "date" not in entry or self._changed_setting(ticker):
            return None
        if iso(bars[-1].date) < entry["date"]:
            return f"the reread history has no bar for {entry['date']}"
        return None

    def _session(self, query: Query, found: Found[Bar], state: State, report: Report) -> Iterator[StreamData]:
        """One session of many tickers."""
        market = self._market
        of_day = [bar for bars in found.values() for bar in bars]
        taken = market.take(query, of_day, report)
        if not market.is_whole:
            self._watch_gaps(query, found)
        for ticker in taken.rewritten:
            self._rewritten(ticker, query.start, report)
            if market.is_whole:
                state[ticker] = {"again": True}
        for ticker in taken.missing:
            if market.is_whole:
                report.remark(GONE, f"{ticker} ({query.start})")
            else:
                self._tell_gone(ticker, [query.start], state, report)
        yield from self._emit(taken.bars, report)
        if market.is_whole:
            market.remember(query, of_day, state)
            if not self._entries.get(ANY):
                market.begin(self._start, state)
            return
        by_ticker: dict[str, list[Bar]] = {}
        for bar in taken.bars:
            by_ticker.setdefault(bar.ticker, []).append(bar)
        for ticker, bars in by_ticker.items():
            is_new = "date" not in self._entries.get(ticker, {})
            self._remember(ticker, bars, state, since=self._start if is_new else None)

    def _watch_gaps(self, query: Query, found: Found[Bar]) -> None:
        for ticker in query.tickers:
            entry = self._entries.get(ticker, {})
            bars = found.get(ticker, ())
            if "date" not in entry:
                self._gaps.read(query, ticker, bars, is_new=True)
            else:
                self._gaps.read_on(query, ticker, bars, healing.known_of(entry), date.fromisoformat(entry["date"]))

    def _rewritten(self, ticker: str, day: date | None, report: Report) -> None:
        entry = self._entries.get(ANY if self._market.is_whole else ticker, {})
        since = healing.first_day(entry)
        first = min(self._bound or since, since)
        self._again[ticker] = first
        self._tell_rewritten(ticker, day, first, report)

    def _tell_rewritten(self, ticker: str, day: date | None, first: date, report: Report) -> None:
        title = self._provider.title
        report.lines.append(f"{title} rewrote the history of {ticker}: {day} changed. Rereading from {first}.")

    # What is emitted, and remembered

    def _emit(self, bars: Sequence[Bar], report: Report) -> Iterator[StreamData]:
        """The records of some bars, ascending by day within a ticker."""
        if not bars:
            return
        for bar, before in jumps(bars, self._last):
            report.lines.append(
                f"{bar.ticker} closed at {bar.close:g} on {bar.date}, after {before:g} before."
                " Check for a split, a wrong price or a reassigned ticker."
            )
        records = (self._record(bar) for bar in bars)
        if self._in_envelopes:
            last = max(self._final(bars) - 1, 0)
            yield envelope.in_envelope(self.name, records, len(bars), self._record(bars[last]))
        else:
            yield from envelope.one_by_one(self.name, records)

    def _final(self, bars: Sequence[Bar]) -> int:
        """How many bars, ascending, are final."""
        return bisect_right(bars, self._last_final, key=attrgetter("date"))

    def _remember(self, ticker: str, bars: Sequence[Bar], state: State, since: date | None = None) -> None:
        entry = healing.remember(
            state.get(ticker),
            bars=bars,
            window=self._config.recheck_sessions,
            last_final=self._last_final,
            since=since,
            adjustment=self._config.adjustment,
            provider=self._provider.name,
        )
        if entry is None:
            state.pop(ticker, None)
            return
        state[ticker] = entry
        if "date" in entry:
            days = healing.known_of(entry)
            if days:
                self._gaps.given_up(ticker, min(days))

    def checkpoint(self, state: State) -> None:
        self._market.checkpoint(state)

    def _is_waiting(self, ticker: str) -> bool:
        return self._entries.get(ticker, {}).get("again") is True

    def _is_by_date(self, query: Query) -> bool:
        return plan.is_by_date(query, self._provider.tickers_per_request)

    def summary(self) -> Iterable[str]:
        return self._gaps.lines()

    def _record(self, bar: Bar) -> dict[str, Any]:
        """A bar as it is in the table."""
        ticker, day, close, opened, high, low, volume, vwap, count, adjusted_close, dividend, split_factor, currency = (
            bar
        )
        return {
            "date": iso(day),
            "stock_ticker": ticker,
            "price": close,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "vwap": vwap,
            "trade_count": count,
            "adjusted_close": adjusted_close,
            "dividend": dividend,
            "split_factor": split_factor,
            "currency": currency,
            "adjustment": self._config.adjustment,
            "provider": self._provider.name,
        }
