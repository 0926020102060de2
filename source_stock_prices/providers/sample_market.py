"""A synthetic stock market: what the `sample` provider sells and what the tests' sandbox serves.

Every ticker that does not start with `ZZZZ` is listed. Its bars are a pure function of ticker and date: real New York
sessions, prices that walk at random, a split when a price grows too tall or too small, a dividend every quarter for
most. Nothing here is real.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from math import exp
from random import Random
from typing import Any, NamedTuple

from source_stock_prices.sessions import between

FIRST_SESSION = date(2005, 1, 3)
LAST_YEAR = 2040


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


@lru_cache(maxsize=1)
def sessions() -> tuple[date, ...]:
    """Every New York session from 2005 to 2040, ascending."""
    return between(FIRST_SESSION, date(LAST_YEAR, 12, 31))


def history(ticker: str, until: date) -> tuple[Trade, ...]:
    """A ticker's trades from its listing to a date, inclusive. A longer history begins with the shorter one."""
    if not is_listed(ticker):
        return ()
    walked = _walk(ticker, until.year)
    count = bisect_right(walked, until, key=lambda trade: trade.date)
    return walked[:count]


@lru_cache(maxsize=16)
def _walk(ticker: str, last_year: int) -> tuple[Trade, ...]:
    random = Random(zlib.crc32(ticker.encode()))
    price = exp(random.uniform(2.5, 5.0))
    drift = random.uniform(0.0002, 0.0007)
    swing = random.uniform(0.008, 0.022)
    turnover = exp(random.uniform(13.0, 17.5))
    payout = random.choice((0.0, 0.002, 0.004, 0.006))
    quarter = random.randrange(63)
    count = bisect_right(sessions(), date(last_year, 12, 31))
    trades: list[Trade] = []
    for n, day in enumerate(sessions()[:count]):
        split = _split(price)
        price /= split
        dividend = 0.0
        if n % 63 == quarter:
            dividend = round(price * payout, 2)
        at_open = random.gauss(0, swing / 3)
        at_close = random.gauss(drift, swing)
        above = abs(random.gauss(0, swing / 3))
        below = abs(random.gauss(0, swing / 3))
        traded = random.gauss(0, 0.35)
        opened = price * exp(at_open)
        closed = price * exp(at_close)
        high = max(opened, closed) * exp(above)
        low = min(opened, closed) * exp(-below)
        volume = int(turnover / price * 20 * exp(traded))
        vwap = (opened + high + low + closed) / 4
        trades.append(
            Trade(
                day,
                round(opened, 2),
                round(high, 2),
                round(low, 2),
                round(closed, 2),
                volume,
                round(vwap, 4),
                volume // 90,
                dividend,
                split,
            )
        )
        price = closed
    return tuple(trades)


def _split(price: float) -> float:
    if price > 600:
        return 4.0
    if price < 4:
        return 0.1
    return 1.0


def trades(ticker: str, start: date, end: date) -> tuple[Trade, ...]:
    """A ticker's trades in a window whose ends are inclusive, as traded."""
    known = history(ticker, end)
    first = bisect_left(known, start, key=lambda trade: trade.date)
    return known[first:]


def price_factors(ticker: str, as_of: date, *, dividends: bool) -> dict[date, float]:
    """For each session, what its prices are multiplied by to be comparable with those of `as_of`.

    Splits divide all earlier prices; with `dividends`, each also takes its share of the close before it (the method of
    the Center for Research in Security Prices).
    """
    known = history(ticker, as_of)
    factors: dict[date, float] = {}
    factor = 1.0
    for n in range(len(known) - 1, -1, -1):
        trade = known[n]
        factors[trade.date] = factor
        factor /= trade.split
        if dividends and trade.dividend and n:
            before = known[n - 1].close
            factor *= 1 - trade.dividend * trade.split / before
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
    window = trades(ticker, start, end)
    if adjustment == "raw":
        return list(window)
    splits = price_factors(ticker, as_of, dividends=False)
    factors = splits
    if adjustment == "all":
        factors = price_factors(ticker, as_of, dividends=True)
    comparable = []
    for trade in window:
        factor = factors[trade.date]
        split_factor = splits[trade.date]
        comparable.append(adjusted(trade, factor, split_factor))
    return comparable


def answer(kind: str, ticker: str, params: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
    """What the market's API answers: an HTTP status, and a body that JSON can hold once its dates are text."""
    if not is_listed(ticker):
        return 404, {"error": f"no ticker {ticker} on the sample market"}
    return 200, {kind: ANSWERS[kind](ticker, params)}


def _bars(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    start = date.fromisoformat(params["from"])
    end = date.fromisoformat(params["to"])
    asked = adjusted_trades(ticker, start, end, params["adjustment"], as_of=end)
    fully = adjusted_trades(ticker, start, end, adjustment="all", as_of=end)
    bars = []
    for trade, same in zip(asked, fully, strict=True):
        bar = trade._asdict()
        bar["adjusted_close"] = same.close
        bars.append(bar)
    return bars


def _splits(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    splits = []
    for trade in _window(ticker, params):
        if trade.split != 1:
            split = {"date": trade.date, "ratio": trade.split}
            splits.append(split)
    return splits


def _dividends(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    dividends = []
    for trade in _window(ticker, params):
        if trade.dividend:
            dividend = {"date": trade.date, "amount": trade.dividend}
            dividends.append(dividend)
    return dividends


def _tickers(ticker: str, _: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": f"{ticker} (made up)"}]


def _window(ticker: str, params: Mapping[str, str]) -> tuple[Trade, ...]:
    start = date.fromisoformat(params["from"])
    end = date.fromisoformat(params["to"])
    return trades(ticker, start, end)


ANSWERS = {
    "bars": _bars,
    "splits": _splits,
    "dividends": _dividends,
    "tickers": _tickers,
}
