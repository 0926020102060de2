"""Prices in a sync: which bars are asked for, how those that come are judged, and what the state remembers of them.

Each step has its section below: *queries* are asked for their *answer* in a worker, whose bars become *records* on the
main thread, after which the *state* has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from logging import Logger

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import healing, plan, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.gaps import LONGEST_CLOSURE, Gaps
from source_stock_prices.healing import Entry
from source_stock_prices.market import Market, Taken
from source_stock_prices.providers.terms import ANY, RAW, Bar, Kind, Problem, Query
from source_stock_prices.reach import Reach
from source_stock_prices.recheck import believable
from source_stock_prices.records import Records
from source_stock_prices.report import Report
from source_stock_prices.sync import Found, State, by_ticker

Ask = Callable[[Query, Report], Found[Bar]]

GONE = "{title} no longer serves the last bars read for {names}. Check for a renamed, reassigned or delisted ticker."
CUT = "The {{title}} plan reaches back to {first}: rows of {{names}} before that day keep their old scale."
LATER = "{{title}} data starts later than {first}: {{names}}. Rows before its first bar keep their old scale."
UNREACHED = "The {{title}} plan does not reach back to {first}: {{names}} stay as they are."
BEYOND_PLAN = "The {title} plan no longer reaches sessions of the whole market, which keep their old scale: {names}."


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
        self._config = config
        self._provider = config.provider
        self._logger = logger
        self._start = start
        self._bound = bound
        self._blank = blank
        self._end = blank.end
        self._last_final = last_final
        self._reach = Reach(ask)
        self._gaps = Gaps(config.provider, start)
        self._records = Records(self.name, config, last_final, in_envelopes=in_envelopes)
        self._entries: State = {}
        """The state as it was before the sync."""
        self._market = self._market_of({})
        self._again: dict[str, date] = {}
        """The tickers whose history turned out to be rewritten, and where to read it again from."""
        self._rereading: set[str] = set()

    def _market_of(self, entries: State) -> Market:
        return Market(entries, self._config, self._last_final, self._end)

    def _entry(self, ticker: str) -> Entry:
        entry: Entry = self._entries.get(ticker, {})
        return entry

    def _was_read(self, ticker: str) -> bool:
        return "date" in self._entry(ticker)

    def _changed_setting(self, ticker: str) -> str | None:
        """Which setting a ticker was read with that is another one now, as a clause; None where there is none."""
        if not self._was_read(ticker):
            return None
        entry = self._entry(ticker)
        return healing.changed_setting(entry, self._config.adjustment, self._provider.name)

    def _is_by_date(self, query: Query) -> bool:
        """Whether a query is for a session of many tickers, not for the window of a few."""
        return plan.is_by_date(query, self._provider.tickers_per_request)

    # Queries: what is asked

    def queries(self, seen: State) -> list[Query]:
        self._entries = self._upgraded(seen)
        self._market = self._market_of(self._entries)
        facts = self._facts()
        if self._market.is_whole:
            queries = plan.market_queries(self._entries, facts)
        else:
            queries = plan.price_queries(self._config.tickers, self._entries, facts)
        self._tell_of_settings()
        self._tell_of_nothing(queries)
        return queries

    def _upgraded(self, seen: State) -> State:
        """The state as this version writes it."""
        entries: State = {}
        for ticker, entry in seen.items():
            entries[ticker] = healing.upgraded(entry, self._bound)
        of_market = entries.get(ANY, {})
        if "date" in of_market:
            of_market.setdefault("adjustment", RAW)  # older versions wrote the others only
        return entries

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

    def _tell_of_settings(self) -> None:
        by_change: defaultdict[str, list[str]] = defaultdict(list)
        for ticker in self._config.tickers:
            change = self._changed_setting(ticker)
            if change:
                by_change[change].append(ticker)
        for change, tickers in by_change.items():
            first = min(healing.first_day(self._entry(ticker)) for ticker in tickers)
            which = "the whole market" if tickers == [ANY] else names(tickers)
            self._logger.warning(f"{self.name}: {change}; rereading {which} from {first}.")

    def _tell_of_nothing(self, queries: Sequence[Query]) -> None:
        """Why nothing is asked, where that is so."""
        start = self._start
        end = self._end
        has_new = not all(self._was_read(ticker) for ticker in self._config.tickers)
        if has_new and start > end:
            self._logger.warning(f"{self.name}: start_date {start} is after {end}, the last session to read.")
        elif not queries:
            self._logger.info(f"{self.name}: nothing to do; all tickers are up to date ({end}).")

    def more_queries(self) -> list[Query]:
        """The histories that turned out to be rewritten, to be read again."""
        self._rereading = set(self._again)
        windows = []
        for ticker, first in self._again.items():
            windows.append(plan.Window(ticker, first, self._end))
        return plan.batches(windows, self._facts())

    def expected(self, query: Query) -> int | None:
        if query.tickers == (ANY,):
            return None
        days = sessions.between(query.start, query.end)
        return len(days) * len(query.tickers)

    # Answer: what comes back, in a worker

    def answer(
        self,
        query: Query,
        seen: State,
        report: Report,
    ) -> Found[Bar]:
        if self._is_by_date(query):
            return self._answer_of_session(query, report)
        ask = self._reach.ask
        if self._market.is_whole or all(self._was_read(ticker) for ticker in query.tickers):
            ask = self._reach.ask_as_far_as_it_goes
        found = by_ticker(ask, query, report, self._provider)
        self._forgive_unreached(query, found, report)
        return found

    def _answer_of_session(self, query: Query, report: Report) -> Found[Bar]:
        found = self._reach.ask(query, report)
        is_over = query.start <= self._last_final
        if not is_over or report.market_rows is None:
            return found
        count, said = report.market_rows
        if believable(count, said, before=None) is None:
            return found
        return self._reach.ask(query, report)  # a moment later it may be whole

    def _forgive_unreached(
        self,
        query: Query,
        found: Found[Bar],
        report: Report,
    ) -> None:
        """What an earlier start adds before the plan's window is no failure of a ticker that is read."""
        for ticker, error in list(report.failed.items()):
            if error.problem.kind is Kind.BEYOND_PLAN and self._is_before_history(query, ticker):
                del report.failed[ticker]
                found[ticker] = []
                report.remark(UNREACHED.format(first=query.start), ticker)

    def _is_before_history(self, query: Query, ticker: str) -> bool:
        """Whether a query ends before the first day ever read of a ticker."""
        if not self._was_read(ticker):
            return False
        return query.end < healing.first_day(self._entry(ticker))

    def survives(
        self,
        query: Query,
        error: ProviderError,
        state: State,
        report: Report,
    ) -> bool:
        """An old session of the whole market that the plan no longer reaches stops nothing."""
        if error.problem.kind is not Kind.BEYOND_PLAN or not self._is_by_date(query):
            return False
        market = self._market
        if not market.is_read(query.start):
            return False
        report.remark(BEYOND_PLAN, str(query.start))
        if market.is_whole and market.is_history(query.start):
            market.give_up(query, state)
        return True

    # Records: what is emitted, on the main thread

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        if self._is_by_date(query):
            yield from self._session(query, found, state, report)
            return
        for ticker in tickers:
            bars = found.get(ticker, [])
            if self._is_history(ticker):
                yield from self._history(query, ticker, bars, state, report)
            elif ticker in self._again:
                continue  # what an earlier start adds comes with the history, too
            elif not self._was_read(ticker):
                yield from self._first_bars(query, ticker, bars, state, report)
            elif self._is_before_history(query, ticker):
                yield from self._earlier_bars(query, ticker, bars, state, report)
            else:
                yield from self._window(query, ticker, bars, state, report)

    def _is_history(self, ticker: str) -> bool:
        """Whether a ticker's bars are its whole history, read again."""
        if ticker in self._rereading:
            return True
        is_waiting = self._entry(ticker).get("again") is True
        return is_waiting or self._changed_setting(ticker) is not None

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
        self._remember(ticker, bars, state, since=query.start)

    def _earlier_bars(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """Bars that an earlier start adds before a ticker's history."""
        since = healing.first_day(self._entry(ticker))
        self._gaps.read_before(query, ticker, bars, since)
        yield from self._records.of(bars, report)
        self._remember(ticker, bars, state, since=query.start)

    def _window(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """New bars of a ticker, with those before them to compare."""
        entry = self._entry(ticker)
        state_date = date.fromisoformat(entry["date"])
        known = healing.known_of(entry)
        asked = query.start, query.end
        verdict = healing.judge(known, state_date, bars, asked, entry.get("price"))
        is_cut = ticker in report.cut
        has_whole_history = query.start <= healing.first_day(entry)
        if verdict.rewritten and not has_whole_history:
            if not is_cut:
                self._tell_gone(ticker, verdict.missing, state, report)
            self._read_again(ticker, verdict.moved_on, report)
            return

        fresh: Sequence[Bar] = verdict.fresh
        if verdict.rewritten:
            fresh = bars
            self._tell_rewritten(ticker, verdict.moved_on, query.start, report)
            self._tell_cut(query, ticker, bars, report)
        if not bars and known:
            report.remark(GONE, f"{ticker} ({state_date})")
        elif verdict.missing and not is_cut:
            self._tell_gone(ticker, verdict.missing, state, report)
        self._gaps.read_on(query, ticker, bars, known, state_date)
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
        lack = self._lack(ticker, bars)
        if lack:
            problem = Problem(Kind.UNREADABLE, lack)
            report.set_aside(ticker, ProviderError(problem))
            return
        self._tell_cut(query, ticker, bars, report)
        yield from self._records.of(bars, report)
        if self._market.is_whole:
            self._market.replace(ticker, bars, state)
            return
        known_since = healing.first_day(self._entry(ticker))
        self._remember(ticker, bars, state, since=min(query.start, known_since))

    def _lack(self, ticker: str, bars: Sequence[Bar]) -> str | None:
        """What a history lacks that was read before; None if it is whole. A new setting may know less."""
        if not bars:
            return "the reread history has no bars"
        if not self._was_read(ticker) or self._changed_setting(ticker):
            return None
        state_date = self._entry(ticker)["date"]
        if bars[-1].date < date.fromisoformat(state_date):
            return f"the reread history has no bar for {state_date}"
        return None

    def _session(
        self,
        query: Query,
        found: Found[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        """One session of many tickers."""
        bars = list(chain.from_iterable(found.values()))
        taken = self._market.take(query, bars, report)
        for ticker in taken.rewritten:
            self._read_again(ticker, query.start, report)
        if self._market.is_whole:
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
        for ticker in taken.rewritten:
            state[ticker] = {"again": True}
        for ticker in taken.missing:
            report.remark(GONE, f"{ticker} ({query.start})")
        yield from self._records.of(taken.bars, report)
        self._market.remember(query, bars, state)
        is_first_sync = not self._entry(ANY)
        if is_first_sync:
            self._market.begin(self._start, state)

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
            since = None if self._was_read(ticker) else self._start
            self._remember(ticker, bars, state, since)

    def _watch_gaps(self, query: Query, found: Found[Bar]) -> None:
        for ticker in query.tickers:
            bars = found.get(ticker, ())
            if not self._was_read(ticker):
                self._gaps.read(query, ticker, bars, is_new=True)
                continue
            entry = self._entry(ticker)
            known = healing.known_of(entry)
            state_date = date.fromisoformat(entry["date"])
            self._gaps.read_on(query, ticker, bars, known, state_date)

    # What is found on the way: read again, or told

    def _read_again(
        self,
        ticker: str,
        moved_on: date | None,
        report: Report,
    ) -> None:
        """A ticker's history was rewritten, and comes in a second round of queries."""
        entry = self._entry(ANY if self._market.is_whole else ticker)
        first = healing.first_day(entry)
        if self._bound:
            first = min(self._bound, first)
        self._again[ticker] = first
        self._tell_rewritten(ticker, moved_on, first, report)

    def _tell_rewritten(
        self,
        ticker: str,
        moved_on: date | None,
        first: date,
        report: Report,
    ) -> None:
        title = self._provider.title
        report.lines.append(f"{title} rewrote the history of {ticker}: {moved_on} changed. Rereading from {first}.")

    def _tell_cut(
        self,
        query: Query,
        ticker: str,
        bars: Sequence[Bar],
        report: Report,
    ) -> None:
        """Tells of rows that a rewritten history does not reach any more."""
        if ticker in report.cut:
            report.remark(CUT.format(first=report.cut[ticker]), ticker)
        elif bars[0].date > query.start + LONGEST_CLOSURE:
            report.remark(LATER.format(first=query.start), f"{ticker} ({bars[0].date})")

    def _tell_gone(
        self,
        ticker: str,
        days: Sequence[date],
        state: State,
        report: Report,
    ) -> None:
        """Bars that the vendor had, and has no more: told once, then they are holes like others."""
        for day in days:
            report.remark(GONE, f"{ticker} ({day})")
        state[ticker] = healing.forget(state[ticker], days)

    def summary(self) -> Iterable[str]:
        return self._gaps.lines()

    # State: what is remembered

    def _remember(
        self,
        ticker: str,
        bars: Sequence[Bar],
        state: State,
        since: date | None = None,
    ) -> None:
        """The state of a ticker has its bars, which were emitted. `since` is where they begin, if they are a history."""
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
        days = healing.known_of(entry)
        if days:
            self._gaps.given_up(ticker, min(days))

    def checkpoint(self, state: State) -> None:
        self._market.checkpoint(state)
