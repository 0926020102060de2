"""The streams `tickers` and `ticker_changes`, and which streams a provider has beside the prices."""

from __future__ import annotations

from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any

from source_stock_prices import plan
from source_stock_prices.errors import ProviderError
from source_stock_prices.events import Events, definitions
from source_stock_prices.findings import RENAMED, Finding
from source_stock_prices.occurrences import Row
from source_stock_prices.providers.terms import (
    Kind,
    Problem,
    Query,
    is_market,
    of_market,
)
from source_stock_prices.report import Report
from source_stock_prices.sync import Found, State

if TYPE_CHECKING:
    from source_stock_prices.stream import StockPrices

UNKNOWN = ProviderError(Problem(Kind.UNKNOWN_TICKER, ""))


def streams(prices: StockPrices) -> list[Events]:
    """The streams that the manifest of a price stream's provider has."""
    found = []
    for definition in definitions(prices.provider.name, prices.config.tickers):
        kind = KINDS.get(definition["name"], Events)
        found.append(kind(definition, prices))
    return found


class Tickers(Events):
    """What the vendor knows of each ticker: a row a ticker. It has no state.

    Where the parameter `lists` of a manifest names several of the vendor's lists, each is asked for the tickers that
    those before do not have, or do not have as active: what it knows of them is added. Each list stands there with how
    many tickers of a market a request for it can be about.
    """

    def __init__(self, definition: Mapping[str, Any], prices: StockPrices) -> None:
        super().__init__(definition, prices)
        per_request = self._parameters.get("tickers_per_request", 1)
        self._lists: Mapping[str, int] = self._parameters.get("lists", {"": per_request})
        self._begin()

    def _begin(self) -> None:
        self.list_name, *_ = self._lists
        self._left: dict[str, Row] = {}
        self._written: set[str] = set()

    @property
    def _is_last_list(self) -> bool:
        *_, last = self._lists
        return self.list_name == last

    @property
    def is_list(self) -> bool:
        return self._lists[self.list_name] > 1

    def queries(self, seen: State, report: Report) -> list[Query]:
        self._begin()
        return self._of_list(self._config.tickers)

    def forecast(self) -> tuple[list[Query], list[Query]]:
        queries = self._of_list(self._config.tickers)
        if self._config.market:
            queries *= len(self._lists)  # of named tickers, the others are asked for those that the first does not have
        return queries, queries

    def more_queries(self) -> list[Query]:
        if self._is_last_list:
            return []
        names = list(self._lists)
        following = names.index(self.list_name) + 1
        self.list_name = names[following]
        return self._of_list(list(self._left))

    def _of_list(self, tickers: Sequence[str]) -> list[Query]:
        facts = self.facts(self._lists[self.list_name])
        groups: dict[str, list[str]] = {}
        for ticker in tickers:
            market = self.provider.market_of(ticker)
            groups.setdefault(market, []).append(ticker)
        queries = []
        for group in groups.values():
            queries += plan.ticker_queries(group, facts)
        return queries

    def answer(self, query: Query, seen: State, report: Report) -> Found[Row]:
        found = super().answer(query, seen, report)
        for ticker in query.tickers:
            if ticker not in found and not is_market(ticker):
                report.failed.setdefault(ticker, UNKNOWN)
            is_unknown = report.failed.get(ticker, UNKNOWN).problem.kind is Kind.UNKNOWN_TICKER
            if is_unknown and (self._left.get(ticker) or not self._is_last_list):
                report.failed.pop(ticker, None)
        return found

    def told(
        self,
        answered: Iterable[Row],
        query: Query,
        report: Report,
    ) -> Iterator[Row]:
        """The rows of an answer, or those of the tickers that are wanted in a list, as far as the plan has it."""
        rows = super().told(answered, query, report)
        if not self.is_list:
            yield from rows
            return
        left = set(query.tickers)
        try:
            for row in rows:
                ticker = row["stock_ticker"]
                if ticker is None:
                    continue
                yield row
                left.discard(ticker)
                if not left and "paginator" in self._definition["retriever"]:
                    return  # the next pages have nothing that is wanted
        except ProviderError as error:
            if error.problem.kind is not Kind.NOT_ENTITLED or self._is_first_list:
                raise
            report.note(error.problem.said, query.tickers)

    @property
    def _is_first_list(self) -> bool:
        first, *_ = self._lists
        return self.list_name == first

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Row],
        state: State,
        report: Report,
    ) -> Iterator[Row]:
        is_of_all = of_market(query.tickers)
        if is_of_all:
            self._left[query.tickers[0]] = {}
        for ticker in tickers:
            if ticker in self._written:
                continue  # of the whole market: another company had this ticker before
            row = self._left.pop(ticker, {})
            for other in found.get(ticker, ()):
                row = {name: value if row.get(name) is None else row[name] for name, value in other.items()}
            is_done = is_of_all or self._is_last_list
            if row and (is_done or row["active"] is not False):
                self._written.add(ticker)
                yield row
            else:
                self._left[ticker] = row


class TickerChanges(Events):
    """The changes of tickers: a record for each ticker of the config that is, or was, one of the two.

    A new one is a warning where prices are read that far back: under another ticker they may be missing, or be those of
    another company. Of a whole market there are too many of them to warn of each.
    """

    def told(
        self,
        answered: Iterable[Row],
        query: Query,
        report: Report,
    ) -> Iterator[Row]:
        if not self.is_list:
            yield from super().told(answered, query, report)
            return
        for row in answered:
            sides = dict.fromkeys((row.get("old_ticker"), row.get("new_ticker")))
            for side in filter(None, sides):
                ticker = self._wanted(side, row.get("exchange") or "", query)
                if ticker:
                    yield {**row, "stock_ticker": ticker}

    def _wanted(self, name: str, exchange: str, query: Query) -> str | None:
        """The ticker of a query that has a name on an exchange; None where it has none."""
        spelling = f"{name}.{exchange}" if exchange else name
        if not of_market(query.tickers):
            return self.spellings(query).get(spelling)
        return self.provider.ticker(spelling) if exchange == self.exchange_of(query) else None

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Row],
        state: State,
        report: Report,
    ) -> Iterator[Row]:
        for row in super().records(query, tickers, found, state, report):
            yield row
            is_new = row["date"] > self._prices.start.isoformat()
            if is_new and not row["cancelled"] and not of_market(query.tickers):
                report.findings.add(self._renamed(row))

    def _renamed(self, row: Row) -> Finding:
        spelling = self.provider.spelling(row["stock_ticker"])
        old, new = row["old_ticker"], row["new_ticker"]
        is_old = spelling == old or spelling.startswith(f"{old}.")
        side = "since" if is_old else "before"
        facts = (f"{old} became {new}", side)
        return Finding(RENAMED, row["stock_ticker"], row["date"], facts, old=old, new=new)


KINDS = {"tickers": Tickers, "ticker_changes": TickerChanges}
