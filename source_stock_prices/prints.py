"""A bar's print: six characters by which the state knows the bar again. And how prints are written in the state. Pure.

The first half of a print tells the prices that a rewritten history moves: `close` and `adjusted_close`. The second half
tells everything else that a record carries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from itertools import product
from math import nan
from string import ascii_letters, digits
from struct import Struct
from typing import Any
from zlib import crc32

from source_stock_prices.providers.terms import Bar

Prints = dict[date, str]
"""The prints of one ticker, by day."""

MarketPrints = dict[date, dict[str, str]]
"""The prints of many tickers, by session and ticker."""

HALF = 3
"""Characters of each half of a print: 18 bits, so that one change of 262,144 goes unseen in one bar."""

LENGTH = 2 * HALF

NO_BAR = "."
"""A calendar day without a bar, in the prints of a ticker."""

ABSENT = NO_BAR * LENGTH
"""A ticker without a bar, in the prints of a session."""

_ALPHABET = ascii_letters + digits + "-_"
_PAIRS = ["".join(pair) for pair in product(_ALPHABET, repeat=2)]
_BITS = (1 << 18) - 1

_PRICES = Struct("<2d").pack
_OTHERS = Struct("<8d").pack

_OF_TICKER = re.compile(r"\.|[\w-]{6}", re.ASCII)
_OF_SESSION = re.compile(r"(?:\.{6}|[\w-]{6})*", re.ASCII)


def print_of(bar: Bar) -> str:
    """The print of a bar: the same in every process and for equal numbers, 1 and 1.0 included."""
    numbers = [nan if number is None else number for number in bar[2:12]]
    adjusted_close = numbers.pop(7)
    close = numbers.pop(0)
    currency = (bar.currency or "").encode()
    of_prices = crc32(_PRICES(close, adjusted_close))
    of_others = crc32(currency, crc32(_OTHERS(*numbers)))
    prices = of_prices & _BITS
    others = of_others & _BITS
    both = prices << 18 | others
    first = _PAIRS[both >> 24]
    second = _PAIRS[both >> 12 & 4095]
    third = _PAIRS[both & 4095]
    return first + second + third


def same_prices(one: str, other: str) -> bool:
    """Whether two prints of a bar tell the same `close` and `adjusted_close`."""
    return one[:HALF] == other[:HALF]


def dump(last: date, prints: Prints) -> str:
    """The prints of a ticker as one text, newest first from a day backwards, a dot for a calendar day without a bar.

    Raises ValueError for a print after that day.
    """
    if not prints:
        return ""
    if max(prints) > last:
        raise ValueError(f"a print of {max(prints)} is after {last}")
    newest = last.toordinal()
    oldest = min(prints).toordinal()
    parts = []
    for ordinal in range(newest, oldest - 1, -1):
        day = date.fromordinal(ordinal)
        parts.append(prints.get(day, NO_BAR))
    return "".join(parts)


def load(last: date, text: str) -> Prints:
    """The prints of a ticker from what `dump` wrote; raises ValueError for any other text."""
    parts = _OF_TICKER.findall(text)
    if "".join(parts) != text:
        raise ValueError(f"{text!r} holds no prints of bars")
    newest = last.toordinal()
    prints = {}
    for age, part in enumerate(parts):
        if part != NO_BAR:
            prints[date.fromordinal(newest - age)] = part
    return prints


def dump_market(known: MarketPrints) -> dict[str, Any]:
    """The prints of a market, by session and ticker, as JSON: `{"tickers": "A AA", "bars": {"2026-11-20": "…"}}`.

    `bars` has six characters a ticker, in the order of `tickers`. A ticker that holds a space has no print.
    """
    every = set().union(*known.values())
    written = [ticker for ticker in every if ticker and " " not in ticker]
    tickers = sorted(written)
    bars = {}
    for day in sorted(known):
        prints = known[day]
        parts = [prints.get(ticker, ABSENT) for ticker in tickers]
        bars[day.isoformat()] = "".join(parts)
    return {"tickers": " ".join(tickers), "bars": bars}


def load_market(written: Mapping[str, Any]) -> MarketPrints:
    """The prints of a market from what `dump_market` wrote; raises ValueError for anything else."""
    names = written.get("tickers", "")
    bars = written.get("bars", {})
    if not isinstance(names, str) or not isinstance(bars, Mapping):
        raise ValueError("the tickers are no text, or the bars no object")
    tickers = names.split(" ") if names else []
    known = {}
    for written_day, text in bars.items():
        day = _day(written_day)
        known[day] = _session(tickers, text)
    return known


def _session(tickers: list[str], text: Any) -> dict[str, str]:
    length = LENGTH * len(tickers)
    is_written = isinstance(text, str) and len(text) == length
    if not is_written or not _OF_SESSION.fullmatch(text):
        raise ValueError(f"a session does not hold one print for each of {len(tickers)} tickers")
    prints = {}
    for n, ticker in enumerate(tickers):
        start = n * LENGTH
        part = text[start : start + LENGTH]
        if part != ABSENT:
            prints[ticker] = part
    return prints


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError(f"{text!r} is not a date (YYYY-MM-DD)")
    return day
