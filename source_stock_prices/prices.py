"""Prices in a sync: what is asked of each ticker, whether its history was rewritten, and the records of its bars."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from logging import Logger
from operator import attrgetter
from typing import Any

from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import envelope, plan, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.gaps import LONGEST_CLOSURE, Gaps
from source_stock_prices.providers.terms import ANY, RAW, Bar, Kind, Problem, Query
from source_stock_prices.report import Report
from source_stock_prices.restatement import Finding, judge, moved
from source_stock_prices.sync import Found, State, by_ticker

Ask = Callable[[Query, Report], Found[Bar]]

iso = lru_cache(maxsize=20_000)(date.isoformat)
"""A day as text: that of every ticker, once."""


class Prices:
    """The half of the connector that reads bars. `ask` has the bars of a query; `split_tickers` every ticker of the
    market that splits in a window, both ends inclusive.
    """

    name = "stock_prices"

    def __init__(
        self,
        config: Config,
        logger: Logger,
        *,
        start: date,
        blank: Query,
        last_final: date,
        ask: Ask,
        split_tickers: Callable[[date, date], Iterable[str]],
        in_envelopes: bool,
    ) -> None:
        self._config, self._logger = config, logger
        self._start, self._blank, self._last_final = start, blank, last_final
        self._ask, self._split_tickers = ask, split_tickers
        self._in_envelopes = in_envelopes
        self._is_whole_market = config.tickers == (ANY,)
        self.gaps = Gaps(config.provider, start)

    def queries(self, seen: State) -> list[Query]:
        queries = plan.price_queries(self._config.tickers, seen, self._start, self._blank, self._limits())
        end = self._blank.end
        if self._is_whole_market and queries and ANY in seen and self._config.adjustment != RAW:
            queries = self._history_of_splits(seen[ANY]) + queries
        if self._start > end and not all(ticker in seen for ticker in self._config.tickers):
            self._logger.warning(f"{self.name}: start_date {self._start} is after {end}, the last session to read.")
        elif not queries:
            self._logger.info(f"{self.name}: nothing to do; all tickers are up to date ({end}).")
        return queries

    def _history_of_splits(self, seen: Mapping[str, Any]) -> list[Query]:
        """The history of every ticker of the market that split after the last day seen."""
        first = date.fromisoformat(seen["date"]) + timedelta(days=1)
        tickers = sorted(self._split_tickers(first, self._blank.end))
        since = self._rewritten_since(seen)
        if tickers:
            self._logger.warning(f"{self.name}: {names(tickers)} split after {seen['date']}; rereading from {since}.")
        return self._batches((ticker, since) for ticker in tickers)

    def answer(self, query: Query, seen: State, report: Report) -> Found[Bar]:
        """The bars of a query by ticker; of a ticker whose history was rewritten, the whole history."""
        provider = self._config.provider
        if query.tickers == (ANY,) or len(query.tickers) > provider.tickers_per_request:
            bars = self._ask(query, report)  # a day of the whole market: a failure fails the whole sync
        else:
            bars = by_ticker(self._ask, query, report, provider)
        rewritten = [
            (ticker, self._rewritten_since(seen[ticker]))
            for ticker in query.tickers
            if self._is_rewritten(query, ticker, seen, bars, report)
        ]
        for again in self._batches(rewritten):
            bars |= self._history(again, seen, report)
        return bars

    def _history(self, query: Query, seen: State, report: Report) -> Found[Bar]:
        """The whole history of some tickers. Until all of it was read, nothing of such a ticker is emitted."""
        bars = by_ticker(self._ask, query, report, self._config.provider)
        for ticker in query.tickers:
            history = bars.setdefault(ticker, [])
            day = seen[ticker]["date"]
            if ticker in report.failed:
                continue
            if not history or iso(history[0].date) > day:
                said = f"the reread history has no bar for {day}"
                report.set_aside(ticker, ProviderError(Problem(Kind.UNREADABLE, said)))
            elif history[0].date > query.start + LONGEST_CLOSURE:
                sentence = f"{{title}} data starts later than {self._start}: {{names}}."
                report.remark(sentence, f"{ticker} ({history[0].date})")
        return bars

    def _is_rewritten(self, query: Query, ticker: str, seen: State, bars: Found[Bar], report: Report) -> bool:
        if ticker == ANY or ticker not in seen or ticker in report.failed:
            return False
        day = seen[ticker]["date"]
        if iso(query.start) > day:
            return False  # a later day of the whole market: the one of the last bar seen was asked before
        finding, was, now = judge(seen[ticker], bars.get(ticker, []), self._config.adjustment)
        if finding is Finding.GONE:
            sentence = "{title} no longer serves the last bar read for {names}. Was it renamed or delisted?"
            report.remark(sentence, f"{ticker} ({day})")
        elif finding is Finding.IRRECONCILABLE:
            report.lines.append(f"{ticker} on {day}: raw price was {was}, now {now}; has the ticker been reassigned?")
        elif finding is Finding.RESTATED:
            since = self._rewritten_since(seen[ticker])
            before, after = seen[ticker].get("adjustment", RAW), self._config.adjustment
            if was and before != after:
                report.lines.append(f"adjustment changed from {before} to {after}; rereading {ticker} from {since}.")
            else:
                why = "a new split or dividend"
                if now and was and moved(was, now):
                    why = f"{day} was {was}, now {now} (ratio {now / was:.6g})"
                report.lines.append(
                    f"{self._config.provider.title} rewrote the history of {ticker}: {why}. Rereading from {since}."
                )
        return finding is Finding.RESTATED

    def _rewritten_since(self, seen: Mapping[str, Any]) -> date:
        """The first day of a ticker that was ever read, as far as the config and the state tell."""
        known = [date.fromisoformat(seen[key]) for key in ("since", "date") if key in seen]
        return min([self._config.start_date or self._start, *known])

    def records(
        self, query: Query, tickers: Iterable[str], found: Found[Bar], state: State, report: Report
    ) -> Iterator[StreamData]:
        if self._is_whole_market:
            bars = [bar for ticker in tickers for bar in found.get(ticker, ())]
            yield from self._emit(bars)
            if query.tickers == (ANY,):
                self._remember(ANY, bars, state)  # a history read again says nothing of the days after it
            return
        for ticker in tickers:
            bars = found.get(ticker, [])
            self.gaps.read(query, ticker, bars, is_new=ticker not in state)
            yield from self._emit(bars)
            self._remember(ticker, bars, state)

    def _emit(self, bars: Sequence[Bar]) -> Iterator[StreamData]:
        """The records of some bars, ascending by day within a ticker."""
        if not bars:
            return
        records = (self._record(bar) for bar in bars)
        if self._in_envelopes:
            last = max(self._n_final(bars) - 1, 0)
            yield envelope.in_envelope(self.name, records, len(bars), self._record(bars[last]))
        else:
            yield from envelope.one_by_one(self.name, records)

    def _n_final(self, bars: Sequence[Bar]) -> int:
        return bisect_right(bars, self._last_final, key=attrgetter("date"))

    def _remember(self, ticker: str, bars: Sequence[Bar], state: State) -> None:
        # An unfinished bar moves by itself: it is read again, and could not tell whether a history was rewritten.
        final = bars[: self._n_final(bars)]
        seen = state.get(ticker)
        if not final or (seen is not None and iso(final[-1].date) < seen["date"]):
            return
        last = final[-1]
        now: dict[str, Any] = {"date": iso(last.date), "price": None if ticker == ANY else last.close}
        if self._config.adjustment != RAW:
            since = seen.get("since", seen["date"]) if seen else iso(final[0].date)
            now.update(adjustment=self._config.adjustment, since=since)
        state[ticker] = now

    def expected(self, query: Query) -> int | None:
        if query.tickers == (ANY,):
            return None
        return len(sessions.between(query.start, query.end)) * len(query.tickers)

    def summary(self) -> Iterable[str]:
        return self.gaps.lines()

    def _batches(self, windows: Iterable[plan.Window]) -> list[Query]:
        return plan.batches(windows, self._blank, self._limits())

    def _limits(self) -> plan.Limits:
        provider = self._config.provider
        tickers = provider.tickers_per_request
        if self._config.requests_per_minute and provider.charges_by_ticker:
            tickers = 1  # the pace counts requests, and here each ticker counts as one
        return plan.Limits(tickers, provider.bars_per_request or plan.BARS_A_QUERY, provider.whole_market_by_date)

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
            "provider": self._config.provider.name,
        }
