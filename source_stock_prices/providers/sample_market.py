"""A synthetic stock market: what the `sample` provider sells and what the tests' sandbox serves.

Every ticker that does not start with `ZZZZ` is listed, in New York unless it ends with a dot or a colon and a word for
another exchange. Its bars are a pure function of ticker and date: real sessions of the exchange, prices that walk at
random, a split when a price grows too tall or too small, a dividend every quarter for most. Nothing here is real.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import repeat, starmap
from math import cos, exp, log, pi, sin, sqrt
from random import Random
from typing import Any, NamedTuple

from source_stock_prices.providers.exchanges import EXCHANGES
from source_stock_prices.sessions import NEW_YORK, between

FIRST_SESSION = date(2005, 1, 3)
LAST_YEAR = 2040

LOWEST, HIGHEST = 4, 600
"""Prices beyond which a share is split, or several are joined."""

DRAWS = 5
"""Random numbers of a session, of a normal distribution: its open, close, high, low and volume."""

TWO_PI = 2 * pi

Params = Mapping[str, str]

Rows = list[dict[str, Any]]

RENAMED = {"CSCO": ("CSYS", date(2026, 3, 2))}
"""Which tickers had another name before, and since when they have the one of today."""


class Trade(NamedTuple):
    """One ticker's session as it was traded, before any adjustment. `dividend` and `split` take effect at its open."""

    date: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    vwap: float
    trades: int
    dividend: float
    split: float


def is_listed(ticker: str) -> bool:
    """Whether the market knows a ticker."""
    return not ticker.upper().startswith("ZZZZ")


class Walk(NamedTuple):
    """The way of a ticker's price from session to session, and all that its trades are made of.

    `prices` has the price before each session, a split of its morning included. The rest of a session is calculated
    only when it is asked for: that takes five times as long. Sessions are numbered from FIRST_SESSION.
    """

    days: Sequence[date]
    drift: float
    swing: float
    turnover: float
    payout: float
    quarter: int
    draws: Sequence[float]
    prices: Sequence[float]
    splits: Mapping[int, float]

    def chance(self, n: int, k: int, deviation: float) -> float:
        """The kth of a session's random numbers, for a standard deviation."""
        return _normal(self.draws, DRAWS * n + k) * deviation

    def window(self, start: date, end: date) -> range:
        """The numbers of the sessions in a window whose ends are inclusive."""
        return range(bisect_left(self.days, start), bisect_right(self.days, end))

    def split(self, n: int) -> float:
        return self.splits.get(n, 1.0)

    def dividend(self, n: int) -> float:
        if n % 63 != self.quarter:
            return 0.0
        return round(self.prices[n] * self.payout, 2)

    def close(self, n: int) -> float:
        at_close = self.chance(n, 1, self.swing)
        return round(self.prices[n] * exp(self.drift + at_close), 2)

    def trade(self, n: int) -> Trade:
        price = self.prices[n]
        at_open = self.chance(n, 0, self.swing / 3)
        at_close = self.chance(n, 1, self.swing)
        above = abs(self.chance(n, 2, self.swing / 3))
        below = abs(self.chance(n, 3, self.swing / 3))
        traded = self.chance(n, 4, 0.35)
        opened = price * exp(at_open)
        closed = price * exp(self.drift + at_close)
        high = max(opened, closed) * exp(above)
        low = min(opened, closed) * exp(-below)
        volume = int(self.turnover / price * 20 * exp(traded))
        vwap = (opened + high + low + closed) / 4
        return Trade(
            self.days[n],
            round(opened, 2),
            round(high, 2),
            round(low, 2),
            round(closed, 2),
            volume,
            round(vwap, 4),
            volume // 90,
            self.dividend(n),
            self.split(n),
        )


def _normal(draws: Sequence[float], n: int) -> float:
    """The nth number of a normal distribution, where each pair of draws makes two: what `Random.gauss` returns."""
    angle = draws[n & ~1] * TWO_PI
    radius = sqrt(-2.0 * log(1.0 - draws[n | 1]))
    side = sin(angle) if n & 1 else cos(angle)
    return side * radius


def exchange_of(ticker: str) -> str:
    """The MIC of the exchange where a ticker is listed."""
    _, dot, word = ticker.replace(":", ".").rpartition(".")
    return EXCHANGES.get(word, NEW_YORK) if dot else NEW_YORK


@lru_cache(maxsize=16)
def sessions(exchange: str) -> tuple[date, ...]:
    """Every session of an exchange from 2005 to 2040, ascending."""
    return between(FIRST_SESSION, date(LAST_YEAR, 12, 31), exchange)


@lru_cache(maxsize=64)
def _walk(ticker: str, last_year: int) -> Walk:
    """How a ticker's price walks until the end of a year. A longer walk begins with the shorter one."""
    random = Random(zlib.crc32(ticker.encode()))
    price = exp(random.uniform(2.5, 5.0))
    drift = random.uniform(0.0002, 0.0007)
    swing = random.uniform(0.008, 0.022)
    turnover = exp(random.uniform(13.0, 17.5))
    payout = random.choice((0.0, 0.002, 0.004, 0.006))
    quarter = random.randrange(63)
    days = sessions(exchange_of(ticker))
    count = bisect_right(days, date(last_year, 12, 31))
    no_arguments = repeat((), DRAWS * (count + 1))
    draws = array("d", starmap(random.random, no_arguments))
    moves = [exp(drift + _normal(draws, n) * swing) for n in range(1, DRAWS * count, DRAWS)]
    prices = array("d")
    splits = {}
    for n, move in enumerate(moves):
        if not LOWEST <= price <= HIGHEST:
            splits[n] = 4.0 if price > HIGHEST else 0.1
            price /= splits[n]
        prices.append(price)
        price *= move
    return Walk(
        days,
        drift,
        swing,
        turnover,
        payout,
        quarter,
        draws,
        prices,
        splits,
    )


def history(ticker: str, until: date) -> tuple[Trade, ...]:
    """A ticker's trades from its listing to a date, inclusive. A longer history begins with the shorter one."""
    return trades(ticker, FIRST_SESSION, until)


def trades(ticker: str, start: date, end: date) -> tuple[Trade, ...]:
    """A ticker's trades in a window whose ends are inclusive, as traded."""
    if not is_listed(ticker):
        return ()
    walk = _walk(ticker, end.year)
    return tuple(map(walk.trade, walk.window(start, end)))


def price_factors(
    ticker: str,
    as_of: date,
    *,
    dividends: bool,
    start: date = FIRST_SESSION,
) -> dict[date, float]:
    """For each session from `start` on, what its prices are multiplied by to be comparable with those of `as_of`.

    Splits divide all earlier prices; with `dividends`, each also takes its share of the close before it (the method of
    the Center for Research in Security Prices).
    """
    factors: dict[date, float] = {}
    if not is_listed(ticker):
        return factors
    walk = _walk(ticker, as_of.year)
    factor = 1.0
    for n in reversed(walk.window(start, as_of)):
        factors[walk.days[n]] = factor
        split = walk.split(n)
        factor /= split
        dividend = walk.dividend(n)
        if dividends and dividend and n:
            factor *= 1 - dividend * split / walk.close(n - 1)
    return factors


def adjusted(trade: Trade, factor: float, split_factor: float) -> Trade:
    """A trade with its prices multiplied by a factor and its volume divided by the one of splits alone."""
    return trade._replace(
        open=round(trade.open * factor, 4),
        high=round(trade.high * factor, 4),
        low=round(trade.low * factor, 4),
        close=round(trade.close * factor, 4),
        volume=round(trade.volume / split_factor),
        vwap=round(trade.vwap * factor, 4),
    )


def adjusted_trades(
    ticker: str,
    start: date,
    end: date,
    adjustment: str,
    as_of: date,
) -> list[Trade]:
    """A ticker's trades in a window, adjusted for what happened until `as_of`: `raw`, `splits` or `all`."""
    return _comparable(ticker, trades(ticker, start, end), adjustment, as_of)


def _comparable(
    ticker: str,
    window: Sequence[Trade],
    adjustment: str,
    as_of: date,
) -> list[Trade]:
    if adjustment == "raw" or not window:
        return list(window)
    start = window[0].date
    splits = price_factors(ticker, as_of, dividends=False, start=start)
    factors = splits
    if adjustment == "all":
        factors = price_factors(ticker, as_of, dividends=True, start=start)
    comparable = []
    for trade in window:
        factor = factors[trade.date]
        split_factor = splits[trade.date]
        comparable.append(adjusted(trade, factor, split_factor))
    return comparable


def answer(kind: str, ticker: str, params: Params) -> tuple[int, Mapping[str, Any]]:
    """What the market's API answers: an HTTP status, and a body that JSON can hold once its dates are text."""
    if not is_listed(ticker):
        return 404, {"error": f"no ticker {ticker} on the sample market"}
    return 200, {kind: ANSWERS[kind](ticker, params)}


def _bars(ticker: str, params: Params) -> Rows:
    window = _asked(ticker, params)
    end = date.fromisoformat(params["to"])
    asked = _comparable(ticker, window, params["adjustment"], as_of=end)
    fully = _comparable(ticker, window, adjustment="all", as_of=end)
    bars = []
    for trade, same in zip(asked, fully, strict=True):
        bar = trade._asdict()
        bar["adjusted_close"] = same.close
        bars.append(bar)
    return bars


def _splits(ticker: str, params: Params) -> Rows:
    splits = []
    for trade in _asked(ticker, params):
        if trade.split != 1:
            split = {"date": trade.date, "ratio": trade.split}
            splits.append(split)
    return splits


def _dividends(ticker: str, params: Params) -> Rows:
    dividends = []
    for trade in _asked(ticker, params):
        if trade.dividend:
            dividend = {"date": trade.date, "amount": trade.dividend}
            dividends.append(dividend)
    return dividends


def _tickers(ticker: str, _: Params) -> Rows:
    return [{"name": f"{ticker} (made up)"}]


def _ticker_changes(ticker: str, params: Params) -> Rows:
    if ticker not in RENAMED:
        return []
    before, day = RENAMED[ticker]
    if not params["from"] <= day.isoformat() <= params["to"]:
        return []
    return [{"date": day, "old_ticker": before, "new_ticker": ticker, "name": f"{ticker} (made up)"}]


def _asked(ticker: str, params: Params) -> tuple[Trade, ...]:
    start = date.fromisoformat(params["from"])
    end = date.fromisoformat(params["to"])
    return trades(ticker, start, end)


ANSWERS = {
    "bars": _bars,
    "splits": _splits,
    "dividends": _dividends,
    "tickers": _tickers,
    "ticker_changes": _ticker_changes,
}
