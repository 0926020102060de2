"""Prices in a sync: which bars are asked for, and which of them a sync can go on without.

The way of a bar: *queries* are asked for their *answer* in a worker, and `arrivals` makes *records* of what came, on
the main thread, and notes in the *state* that they were emitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import date, timedelta
from logging import Logger

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import healing, plan, sessions
from source_stock_prices.arrivals import Arrivals
from source_stock_prices.config import Config
from source_stock_prices.entries import Entries
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.findings import (
    OLDER_UNREACHED,
    ONE_BY_ONE,
    RESUMED,
    SETTING,
    UNREACHED,
    Finding,
)
from source_stock_prices.healing import Change, Entry
from source_stock_prices.market import Markets
from source_stock_prices.providers.terms import (
    Bar,
    Kind,
    Query,
    of_market,
)
from source_stock_prices.reach import Reach
from source_stock_prices.recheck import believable
from source_stock_prices.records import Records
from source_stock_prices.report import Report
from source_stock_prices.second_opinion import SecondOpinion
from source_stock_prices.sessions import Horizon
from source_stock_prices.sync import Found, State, by_ticker

Ask = Callable[[Query, Report], Found[Bar]]

DAY = timedelta(days=1)


class Prices:
    """The half of the connector that reads bars, as the healing contract wants it. `ask` has the bars of a query.

    `start` is where a ticker's history begins; `bound` the same if the user said so, before which nothing is asked.
    `horizon` knows how far each ticker can be read. `opinion` is another provider's on the bars that are read.
    """

    name = "stock_prices"

    def __init__(
        self,
        config: Config,
        logger: Logger,
        *,
        start: date,
        bound: date | None,
        horizon: Horizon,
        ask: Ask,
        opinion: SecondOpinion | None = None,
        in_envelopes: bool,
    ) -> None:
        self._config = config
        self._provider = config.provider
        self._logger = logger
        self._start = start
        self._bound = bound
        self._horizon = horizon
        self._reach = Reach(ask)
        self._opinion = opinion
        self._records = Records(self.name, config, horizon, opinion, in_envelopes=in_envelopes)
        self._begin({})

    def _begin(self, seen: State) -> None:
        """From the state before the sync, everything that depends on it."""
        self._entries = Entries(seen, self._config, self._bound)
        self._refused: set[str] = set()
        self._markets = Markets(
            self._entries.by_ticker,
            self._config,
            self._horizon,
        )
        self._arrivals = Arrivals(
            self._entries,
            self._markets,
            self._config,
            start=self._start,
            bound=self._bound,
            horizon=self._horizon,
            records=self._records,
        )

    # Queries: what is asked

    def queries(self, seen: State, report: Report) -> list[Query]:
        self._begin(seen)
        queries = self._planned(self._entries.by_ticker)
        self._find_settings(report)
        self._tell_of_unwatched()
        self._tell_of_nothing(queries)
        return queries

    def _planned(self, entries: Mapping[str, Entry]) -> list[Query]:
        facts = self._facts()
        if self._config.market:
            return plan.market_queries(self._config.market, entries, facts)
        return plan.price_queries(self._config.tickers, entries, facts)

    def forecast(self) -> tuple[list[Query], list[Query]]:
        read = {}
        for ticker in self._config.tickers:
            exchange = self._horizon.exchange_of(ticker)
            before = sessions.latest(self._horizon.end(ticker) - DAY, exchange)
            read[ticker] = {
                "date": str(before),
                "since": str(min(self._start, before)),
                "adjustment": self._config.adjustment,
                "provider": self._provider.origin,
            }
        return self._planned({}), self._planned(read)

    def calls(self, query: Query) -> int:
        provider = self._provider
        bars = self.expected(query) if provider.bars_per_page else None
        return provider.calls(query) * provider.pages(query, bars)

    def _facts(self) -> plan.Facts:
        provider = self._provider
        today = self._horizon.today
        tickers = provider.tickers_per_request
        if self._config.requests_per_minute and provider.charges_by_ticker:
            tickers = 1  # the pace counts requests, and here each ticker counts as one
        return plan.Facts(
            blank=Query((), today, today, self._config.adjustment, today),
            horizon=self._horizon,
            start=self._start,
            bound=self._bound,
            provider=provider.origin,
            recheck_sessions=self._config.recheck_sessions,
            tickers_per_request=tickers,
            bars_per_request=provider.bars_per_request or plan.BARS_A_QUERY,
            calls_by_date=provider.calls_by_date,
            market_of=provider.market_of,
            name_in_rows=provider.name_in_rows,
        )

    def _find_settings(self, report: Report) -> None:
        by_change: defaultdict[Change, list[str]] = defaultdict(list)
        for ticker in self._config.tickers:
            change = self._entries.to_read_again(ticker)
            if change:
                by_change[change].append(ticker)
        for change, tickers in by_change.items():
            first_days = [healing.first_day(self._entries.of(ticker)) for ticker in tickers]
            first = str(min(first_days))
            sentence = SETTING if change.old else RESUMED
            for ticker in tickers:
                which = "the whole market" if ticker == self._config.market else ticker
                report.find(sentence, ticker, None, change.clause, first, named=which, old=change.old, new=change.new)

    def _tell_of_unwatched(self) -> None:
        """Tickers whose exchange has no calendar here, or one that ended."""
        unwatched = []
        for ticker in self._config.tickers:
            end = self._horizon.end(ticker)
            if not sessions.is_known(end, self._horizon.exchange_of(ticker)):
                unwatched.append(ticker)
        if unwatched:
            self._logger.info(
                f"{self.name}: no calendar is known for the exchange of {names(unwatched)}. A day is taken for final"
                " when New York's is, and missing sessions are noticed only if they are many in a row."
            )

    def _tell_of_nothing(self, queries: Sequence[Query]) -> None:
        """Why nothing is asked, where that is so."""
        start = self._start
        ends = set(map(self._horizon.end, self._config.tickers))
        last = max(ends)
        new = [ticker for ticker in self._config.tickers if not self._entries.has_read(ticker)]
        too_new = [ticker for ticker in new if start > self._horizon.end(ticker)]
        if too_new:
            end = max(map(self._horizon.end, too_new))
            self._logger.warning(f"{self.name}: start_date {start} is after {end}, the last session to read.")
        elif not queries:
            self._logger.info(f"{self.name}: nothing to do; all tickers are up to date ({last}).")

    def more_queries(self) -> list[Query]:
        """The histories that turned out to be rewritten, to be read again, and tickers that no session may bring."""
        refused = sorted(self._refused)
        self._refused.clear()
        windows = list(plan.new_windows(refused, self._entries.by_ticker, self._facts()))
        for ticker, first in self._arrivals.reread().items():
            last = max(self._horizon.end(ticker), self._entries.last_day(ticker))
            windows.append(plan.Window(ticker, first, last))
        return plan.batches(windows, self._facts())

    def expected(self, query: Query) -> int | None:
        if of_market(query.tickers):
            return None
        count = 0
        for ticker in query.tickers:
            exchange = self._horizon.exchange_of(ticker)
            count += len(sessions.between(query.start, query.end, exchange))
        return count

    # Answer: what comes back, in a worker

    def answer(
        self,
        query: Query,
        seen: State,
        report: Report,
    ) -> Found[Bar]:
        if self._provider.is_by_date(query):
            return self._answer_of_session(query, report)
        ask = self._reach.ask
        was_read = all(self._entries.has_read(ticker) for ticker in query.tickers)
        if self._config.market or was_read:
            ask = self._reach.ask_as_far_as_it_goes
        found = by_ticker(ask, query, report, self._provider)
        self._forgive_unreached(query, found, report)
        return found

    def _answer_of_session(self, query: Query, report: Report) -> Found[Bar]:
        found = self._reach.ask(query, report)
        is_over = query.start <= self._horizon.last_final(query.tickers[0])
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
        """What an earlier start adds before the plan's window is no failure of a ticker that is read, nor is a history
        to read again.
        """
        for ticker, error in list(report.failed.items()):
            if error.problem.kind is not Kind.BEYOND_PLAN:
                continue
            is_earlier = self._entries.begin_after(query, ticker)
            if not is_earlier and not self._entries.changed_setting(ticker):
                continue
            del report.failed[ticker]
            found[ticker] = []
            report.cut[ticker] = query.end + DAY

    def survives(
        self,
        query: Query,
        error: ProviderError,
        state: State,
        report: Report,
    ) -> bool:
        """An old session of the whole market that the plan no longer reaches stops nothing.

        Nor does a plan without sessions of the whole market where tickers are named: each is read by itself then.
        """
        if not self._provider.is_by_date(query):
            return False
        if error.problem.kind is Kind.NOT_ENTITLED and not self._config.market:
            report.find(ONE_BY_ONE, None, query.start)
            self._refused.update(query.tickers)
            return True
        if error.problem.kind is not Kind.BEYOND_PLAN:
            return False
        market = self._markets.of(query)
        if not market.is_read(query.start):
            return False
        if market.is_older(query.start):
            report.find(OLDER_UNREACHED, None, query.start)
            return True
        report.find(UNREACHED, None, query.start)
        if market.is_whole and market.is_history(query.start):
            market.give_up(state)
        return True

    # Records and state: what becomes of it, on the main thread

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Bar],
        state: State,
        report: Report,
    ) -> Iterator[StreamData]:
        if self._provider.is_by_date(query):
            return self._arrivals.of_session(query, found, state, report)
        return self._arrivals.of_tickers(query, tickers, found, state, report)

    def checkpoint(self, state: State) -> None:
        for market in self._markets:
            market.checkpoint(state)

    def last_findings(self) -> Iterator[Finding]:
        yield from self._arrivals.gaps()
        if self._opinion:
            yield from self._opinion.findings()
