"""The market as the vendors of a sandbox see it: the made-up one, with the edits of a test."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from math import prod
from typing import Any

from source_stock_prices.providers import sample_market as market
from source_stock_prices.providers.sample_market import Trade
from source_stock_prices.sessions import is_session

Edit = Callable[[Trade], Trade]


class Book:
    """The trades of the market, with the corrections, splits and late bars of a test applied in order."""

    def __init__(self) -> None:
        self._edits: defaultdict[str, list[Edit]] = defaultdict(list)
        self._splits: defaultdict[str, list[tuple[date, float]]] = defaultdict(list)
        self._hidden: set[tuple[str, date]] = set()

    def hide(self, ticker: str, day: date) -> None:
        """Withholds a bar until `show` is called."""
        self._hidden.add((ticker, _session(day)))

    def show(self, ticker: str, day: date) -> None:
        """Publishes a bar that was hidden."""
        self._hidden.discard((ticker, day))

    def is_hidden(self, ticker: str, day: date) -> bool:
        """Whether a bar is withheld."""
        return (ticker, day) in self._hidden

    def correct(self, ticker: str, day: date, **changes: float) -> None:
        """Changes fields of a session's raw trade. High and low are extended where necessary."""
        if not changes or not set(changes) <= {"open", "high", "low", "close", "volume", "vwap", "trades"}:
            raise ValueError(f"{sorted(changes)} are not fields that can be corrected")
        _session(day)
        self._edits[ticker].append(lambda trade: _corrected(trade, changes) if trade.date == day else trade)

    def split(self, ticker: str, day: date, factor: float) -> None:
        """Splits a ticker at the open of a session: one share becomes `factor` shares."""
        if factor <= 0:
            raise ValueError(f"the factor of a split must be above zero, not {factor}")
        self._splits[ticker].append((_session(day), factor))
        self._edits[ticker].append(lambda trade: _split(trade, day, factor))

    def trades(self, ticker: str, start: date, end: date, adjustment: str, as_of: date) -> list[Trade]:
        """A ticker's trades in a window that ends no later than `as_of`, including hidden ones.

        They are adjusted for the events up to `as_of`. A correction does not change the factors of dividends.
        """
        window = [self._edited(ticker, trade) for trade in _traded(ticker, start, min(end, as_of))]
        if adjustment == "raw":
            return window
        splits = _factors(ticker, as_of, dividends=False)
        factors = _factors(ticker, as_of, dividends=True) if adjustment == "all" else splits
        rows = ((trade, self._extra_factor(ticker, trade.date, as_of)) for trade in window)
        return [
            market.adjusted(trade, factors[trade.date] * extra, splits[trade.date] * extra) for trade, extra in rows
        ]

    def _edited(self, ticker: str, trade: Trade) -> Trade:
        for edit in self._edits.get(ticker, ()):
            trade = edit(trade)
        return trade

    def _extra_factor(self, ticker: str, day: date, as_of: date) -> float:
        return 1 / prod(factor for ex_date, factor in self._splits.get(ticker, ()) if day < ex_date <= as_of)


def _session(day: date) -> date:
    if not is_session(day):
        raise ValueError(f"{day} is not a trading day in New York")
    return day


# The market caches the history of only a few tickers, and a response for the whole market needs all of them.
@lru_cache(maxsize=64)
def _known(ticker: str, year: int) -> tuple[Trade, ...]:
    return market.history(ticker, date(year, 12, 31))


def _traded(ticker: str, start: date, end: date) -> tuple[Trade, ...]:
    known = _known(ticker, end.year)
    first = bisect_left(known, start, key=lambda trade: trade.date)
    return known[first : bisect_right(known, end, key=lambda trade: trade.date)]


@lru_cache(maxsize=64)
def _factors(ticker: str, as_of: date, *, dividends: bool) -> dict[date, float]:
    return market.price_factors(ticker, as_of, dividends=dividends)


def _corrected(trade: Trade, changes: dict[str, Any]) -> Trade:
    trade = trade._replace(**changes)
    prices = (trade.open, trade.high, trade.low, trade.close)
    return trade._replace(high=max(prices), low=min(prices))


def _split(trade: Trade, day: date, factor: float) -> Trade:
    if trade.date < day:
        return trade
    split = trade.split * factor if trade.date == day else trade.split
    dividend = round(trade.dividend / factor, 4)
    return market.adjusted(trade, 1 / factor, 1 / factor)._replace(split=split, dividend=dividend)
