"""Made-up bars in the format of the vendors. Pure functions of ticker and session; each body is rendered only once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from functools import cache, lru_cache
from math import sin
from typing import NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
MIDNIGHT, CLOSE = time(0), time(16)
UNIVERSE = 12_000
"""Number of tickers in the whole market: about as many as trade in the United States."""


class Bar(NamedTuple):
    """One session of one ticker. Prices have cents, and volumes have fractions, as they have had since 2026."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int


def ticker(n: int) -> str:
    """The n-th ticker: four letters."""
    letters = []
    for _ in range(4):
        n, letter = divmod(n, 26)
        letters.append(chr(ord("A") + letter))
    return "".join(reversed(letters))


def bar(name: str, day: date) -> Bar:
    """The bar of a ticker on a day."""
    seed = crc32(name.encode())
    n = day.toordinal()
    base = 20 + seed % 400
    closed = round(base * (1.3 + 0.3 * sin((n + seed % 997) / 61)), 2)
    opened = round(closed * (1 + 0.01 * sin(n * 1.7 + seed % 13)), 2)
    swing = round(0.4 + (n * 31 + seed) % 173 / 100, 2)
    volume = round(250_000 + seed % 40_000_000 * (1.1 + sin(n * 0.9 + seed % 7)) + n % 1000 / 1001, 6)
    high, low = round(max(opened, closed) + swing, 2), round(min(opened, closed) - swing, 2)
    return Bar(opened, high, low, closed, volume, round((high + low + closed) / 3, 4), int(volume) // 97 + 1)


@cache
def massive_bars(name: str, days: tuple[date, ...]) -> bytes:
    """Massive's response for one ticker in a window."""
    rows = ",".join(_row(bar(name, day), _epoch_ms(day, MIDNIGHT)) for day in days)
    count = len(days)
    results = f'"results":[{rows}],' if days else ""
    head = f'"ticker":"{name}","queryCount":{count},"resultsCount":{count},"adjusted":false'
    return f'{{{head},{results}"status":"OK","request_id":"benchmark","count":{count}}}'.encode()


@lru_cache(maxsize=8)
def massive_grouped(day: date, is_session: bool) -> bytes:
    """Massive's response for the whole market on one day."""
    names = [ticker(n) for n in range(UNIVERSE)] if is_session else []
    at = _epoch_ms(day, CLOSE)
    rows = ",".join(f'{{"T":"{name}",{_row(bar(name, day), at)[1:]}' for name in names)
    count = len(names)
    head = f'"queryCount":{count},"resultsCount":{count},"adjusted":false,"results":[{rows}]'
    return f'{{{head},"status":"OK","request_id":"benchmark","count":{count}}}'.encode()


@cache
def alpaca_bars(names: Sequence[str], days: tuple[date, ...]) -> bytes:
    """Alpaca's response for some tickers in a window, on one page."""
    tickers = ",".join(f'"{name}":[{",".join(_alpaca_row(name, day) for day in days)}]' for name in sorted(names))
    return f'{{"bars":{{{tickers}}},"next_page_token":null}}'.encode()


def _row(bar: Bar, at: int) -> str:
    return (
        f'{{"v":{bar.volume},"vw":{bar.vwap},"o":{bar.open},"c":{bar.close},"h":{bar.high},"l":{bar.low},'
        f'"t":{at},"n":{bar.trades}}}'
    )


def _alpaca_row(name: str, day: date) -> str:
    one = bar(name, day)
    at = f"{day}T{_utc_hour(day):02}:00:00Z"
    return (
        f'{{"c":{one.close},"h":{one.high},"l":{one.low},"n":{one.trades},"o":{one.open},'
        f'"t":"{at}","v":{one.volume},"vw":{one.vwap}}}'
    )


@cache
def _epoch_ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, ZONE).timestamp()) * 1000


def _utc_hour(day: date) -> int:
    return _epoch_ms(day, MIDNIGHT) // 3_600_000 % 24
