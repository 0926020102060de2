"""Bars that came, on the main thread: compared with the state, emitted, and remembered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import healing, sessions
from source_stock_prices.config import Config
from source_stock_prices.entries import Entries
from source_stock_prices.errors import ProviderError
from source_stock_prices.findings import (
    CHANGED,
    CUT,
    FILLED,
    GONE,
    LATE_REREAD,
    NOT_REREAD,
    REWRITTEN,
    SHORT,
    Finding,
)
from source_stock_prices.gaps import Gaps
from source_stock_prices.healing import LONGEST_CLOSURE
from source_stock_prices.market import Markets, Taken
from source_stock_prices.providers.terms import (
    Bar,
    Kind,
    Problem,
    Query,
)
from source_stock_prices.records import Records
from source_stock_prices.report import Report
from source_stock_prices.sessions import Horizon
from source_stock_prices.sync import Found, State


class Arrivals:
    """Takes the bars of one query after another, and makes records of those that are new or changed.

    `entries` are what the state said before the sync; the `state` that the methods are given is the one to write.
    `start` is where a ticker's history begins; `bound` the same if the user said so.
    """

    def __init__(
        self,
        entries: Entries,
        markets: Markets,
        config: Config,
        *,
        start: date,
        bound: date | None,
        horizon: Horizon,
        records: Records,
    ) -> None:
        self._entries = entries
        self._markets = markets
        self._config = config
        self._provider = config.provider
        self._start = start
        self._bound = bound
        self._horizon = horizon
        self._records = records
        self._gaps = Gaps(config.provider, start)
        self._rewritten: dict[str, date] = {}
        self._rereading: set[str] = set()

    def reread(self) -> dict[str, date]:
        """The tickers whose history turned out to be rewritten, with its first day: from now on it is what arrives."""
        found = {ticker: first for ticker, first in self._rewritten.items() if ticker not in self._rereading}
        self._rereading.update(found)
        return found

    def gaps(self) -> Iterator[Finding]:
        """The gaps of all that arrived."""
        return self._gaps.findings()

    # The bars of some tickers

    def of_tickers(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """The records of some tickers in a query's window; once they are taken, `state` has them."""
        for ticker in tickers:
            bars = found.get(ticker, [])
            if self._is_history(ticker):
                yield from self._history(query, ticker, bars, state, report)
            elif ticker in self._rewritten:
                continue  # what an earlier start adds comes with the history, too
            elif not self._entries.has_read(ticker):
                yield from self._first_bars(query, ticker, bars, state, report)
            elif self._entries.begin_after(query, ticker):
                yield from self._earlier_bars(query, ticker, bars, state, report)
            else:
                yield from self._window(query, ticker, bars, state, report)
            self._note_try(query, ticker, state)

    def _note_try(self, query: Query, ticker: str, state: State) -> None:
        """A ticker had its turn. Where that brought nothing new, its date does not tell so."""
        if self._config.market or self._entries.begin_after(query, ticker):
            return
        entry = state.get(ticker, {})
        if entry.get("date") == self._entries.of(ticker).get("date"):
            state[ticker] = healing.tried(entry, query.today)

    def _is_history(self, ticker: str) -> bool:
        """Whether a ticker's bars are its whole history, read again."""
        if ticker in self._rereading or self._entries.changed_setting(ticker):
            return True
        return self._config.market is not None and self._entries.is_waiting(ticker)

    def _first_bars(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """Bars of a ticker that was never read before."""
        self._gaps.read(query, ticker, bars, is_new=True)
        yield from self._records.of(bars, report)
        self._remember(ticker, bars, state, query.start)

    def _earlier_bars(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """Bars that an earlier start adds before a ticker's history. What the plan cut off is asked for again."""
        since = healing.first_day(self._entries.of(ticker))
        if ticker in report.cut:
            first = report.cut[ticker]
            report.find(SHORT, ticker, first, str(query.start), named=f"{ticker} ({first})")
        self._gaps.read_before(query, ticker, bars, since)
        yield from self._records.of(bars, report)
        self._remember(ticker, bars, state, report.cut.get(ticker, query.start))

    def _window(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """New bars of a ticker, with those before them to compare."""
        entry = self._entries.of(ticker)
        state_date = date.fromisoformat(entry["date"])
        known = healing.known_of(entry)
        asked = query.start, query.end
        verdict = healing.judge(known, state_date, bars, asked, entry.get("price"))
        is_cut = ticker in report.cut
        has_whole_history = query.start <= healing.first_day(entry)
        is_due = self._entries.is_waiting(ticker)
        if is_due and not bars:
            report.find(NOT_REREAD, ticker)
            return
        if (verdict.rewritten or is_due) and not has_whole_history:
            if not is_cut:
                self._tell_gone(ticker, verdict.missing, state, report)
            self._read_again(ticker, verdict.moved_on, state, report)
            return

        fresh: Sequence[Bar] = verdict.fresh
        if verdict.rewritten or is_due:
            fresh = bars
            self._tell_rewritten(ticker, verdict.moved_on, query.start, report)
            self._tell_cut(query, ticker, bars, report)
        if not bars and known:
            report.find(GONE, ticker, state_date, named=f"{ticker} ({state_date})")
        elif verdict.missing and not is_cut:
            self._tell_gone(ticker, verdict.missing, state, report)
        if not verdict.rewritten:
            for day in verdict.changed:
                report.find(CHANGED, ticker, day)
        for day in verdict.filled:
            report.find(FILLED, ticker, day)
        self._gaps.read_on(*self._final(query, ticker, bars), known, state_date)
        yield from self._records.of(fresh, report)
        self._remember(ticker, fresh, state)

    def _history(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """A ticker's whole history, read again."""
        if not bars and ticker not in self._rereading:
            # Most of them are delisted and forgotten. What marks them stays in the state, so they are asked for again.
            if ticker in report.cut:
                self._tell_cut(query, ticker, bars, report)
            else:
                report.find(NOT_REREAD, ticker)
            return
        lack = self._lack(ticker, bars, state)
        if lack:
            problem = Problem(Kind.UNREADABLE, lack)
            report.set_aside(ticker, ProviderError(problem))
            return
        self._tell_cut(query, ticker, bars, report)
        since_first = query._replace(start=bars[0].date)
        self._gaps.read(since_first, ticker, bars, is_new=False)
        yield from self._records.of(bars, report)
        if self._config.market:
            self._markets.of(query).replace(ticker, bars, state)
            return
        self._remember(ticker, bars, state, report.cut.get(ticker, query.start))

    def _lack(
        self,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
    ) -> str | None:
        """What a history lacks that was read before; None if it is whole. A new setting may know less.

        The last bar that the state knows has to be there: those that are gone from the window, too, it has forgotten.
        """
        if not bars:
            return "the reread history has no bars"
        if self._config.market or self._entries.changed_setting(ticker):
            return None
        known = healing.days_of(state.get(ticker, {}))
        if known and bars[-1].date < known[-1]:
            return f"the reread history has no bar for {known[-1]}"
        return None

    # The bars of one session

    def of_session(
        self,
        query: Query,
        found: Found[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """The records of many tickers in one session; once they are taken, `state` has them."""
        bars = list(chain.from_iterable(found.values()))
        market = self._markets.of(query)
        taken = market.take(query, bars, report)
        for ticker in taken.rewritten:
            self._read_again(ticker, query.start, state, report)
        for ticker in taken.changed:
            report.find(CHANGED, ticker, query.start)
        for ticker in taken.filled:
            report.find(FILLED, ticker, query.start)
        if market.is_whole:
            yield from self._session_of_all(query, bars, taken, state, report)
        else:
            self._watch_gaps(query, found)
            yield from self._session_of_named(query, taken, state, report)

    def _session_of_all(
        self,
        query: Query,
        bars: Sequence[Bar],
        taken: Taken,
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """A session of the whole market, which has one entry in the state."""
        for ticker in taken.missing:
            report.find(GONE, ticker, query.start, named=f"{ticker} ({query.start})")
        yield from self._records.of(taken.bars, report)
        market = self._markets.of(query)
        market.remember(query, bars, state)
        is_first_sync = not self._entries.of(query.tickers[0])
        if is_first_sync:
            market.begin(self._start, state)

    def _session_of_named(
        self,
        query: Query,
        taken: Taken,
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """A session of named tickers, which have an entry each."""
        for ticker in taken.missing:
            self._tell_gone(ticker, [query.start], state, report)
        yield from self._records.of(taken.bars, report)
        bars_of: defaultdict[str, list[Bar]] = defaultdict(list)
        for bar in taken.bars:
            bars_of[bar.ticker].append(bar)
        for ticker, bars in bars_of.items():
            since = None if self._entries.has_read(ticker) else self._start
            self._remember(ticker, bars, state, since)

    def _watch_gaps(self, query: Query, found: Found[Bar]) -> None:
        for ticker in query.tickers:
            bars = found.get(ticker, ())
            if not self._entries.has_read(ticker):
                self._gaps.read(query, ticker, bars, is_new=True)
                continue
            entry = self._entries.of(ticker)
            known = healing.known_of(entry)
            state_date = date.fromisoformat(entry["date"])
            self._gaps.read_on(*self._final(query, ticker, bars), known, state_date)

    def _final(self, query: Query, ticker: str, bars: Sequence[Bar]) -> tuple[Query, str, Sequence[Bar]]:
        """What an answer says of final sessions: a bar that can still change leaves no hole before it."""
        last = self._horizon.last_final(ticker)
        final = [bar for bar in bars if bar.date <= last]
        return query._replace(end=min(query.end, last)), ticker, final

    # What is found on the way

    def _read_again(
        self,
        ticker: str,
        moved_on: date | None,
        state: State,
        report: Report,
    ) -> None:
        """A ticker's history was rewritten, and comes in a second round of queries.

        The state says so before the first of its rows: a sync that is stopped between them leaves two scales.
        """
        first = self._entries.first_day(ticker)
        if self._bound:
            first = min(self._bound, first)
        self._rewritten[ticker] = first
        state[ticker] = healing.to_read_again(state.get(ticker))
        self._tell_rewritten(ticker, moved_on, first, report)

    def _tell_rewritten(
        self,
        ticker: str,
        moved_on: date | None,
        first: date,
        report: Report,
    ) -> None:
        if moved_on:
            report.find(REWRITTEN, ticker, moved_on, str(moved_on), str(first), named=ticker)

    def _tell_cut(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        report: Report,
    ) -> None:
        """Tells of rows that a rewritten history does not reach any more."""
        if ticker in report.cut:
            first = report.cut[ticker]
            report.find(CUT, ticker, first, str(first), named=ticker)
        elif self._begins_late(query, ticker, bars[0].date):
            first = bars[0].date
            asked = str(query.start)
            report.find(LATE_REREAD, ticker, first, asked, named=f"{ticker} ({first})", old=asked, new=str(first))

    def _begins_late(self, query: Query, ticker: str, first: date) -> bool:
        """Whether sessions before a ticker's first bar were asked for, so that there may be rows of them."""
        exchange = self._horizon.exchange_of(ticker)
        span = sessions.known(query.start, first, exchange)
        if span is None:
            return first > query.start + LONGEST_CLOSURE
        return len(sessions.between(*span, exchange)) > 1

    def _tell_gone(
        self,
        ticker: str,
        days: Sequence[date],
        state: State,
        report: Report,
    ) -> None:
        """Bars that the vendor had, and has no more: told once, then they are holes like others."""
        for day in days:
            report.find(GONE, ticker, day, named=f"{ticker} ({day})")
        state[ticker] = healing.forget(state[ticker], days)

    # What is remembered

    def _remember(
        self,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        since: date | None = None,
    ) -> None:
        """Bars were emitted: the state has them. `since` is the first day asked for, if they are a history."""
        entry = healing.remember(
            state.get(ticker),
            bars=bars,
            window=self._config.recheck_sessions,
            last_final=self._horizon.last_final(ticker),
            since=since,
            adjustment=self._config.adjustment,
            provider=self._provider.origin,
        )
        if entry is None:
            state.pop(ticker, None)
            return
        state[ticker] = entry
        days = healing.known_of(entry)
        if days:
            self._gaps.given_up(ticker, min(days))
