"""The terms between the connector and a market data API: what is asked, what comes back, what can go wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from source_stock_prices.secrecy import mask

RAW, SPLITS, ALL = "raw", "splits", "all"

USD = "USD"

ANY = "*"
"""In the place of a ticker: every ticker of the market. `*.XETRA`: every one of an exchange."""

TICKER = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9^$][A-Za-z0-9.^$&=:/_+~-]{0,31}")
"""Every character that occurs in a ticker on some exchange, or in some vendor's spelling of it."""

Row = Any
"""A row of an answer as it was decoded: of any type, until it is read."""

Rows = Iterable[Row]

MISREAD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading something raises that is not as its vendor writes it."""


@lru_cache(maxsize=50_000)
def is_ticker(text: str) -> bool:
    """Whether some exchange or vendor could spell a ticker so. A key that is sent back as one is none."""
    return TICKER.fullmatch(text) is not None and mask(text) == text


def is_market(ticker: str) -> bool:
    """Whether a ticker stands for every one of a market."""
    return ticker == ANY or ticker.startswith(f"{ANY}.")


def of_market(tickers: Collection[str]) -> bool:
    """Whether tickers stand for every one of a market: then there is only one. It is asked once a ticker."""
    return len(tickers) == 1 and is_market(*tickers)


class Query(NamedTuple):
    """One question: the daily bars of some tickers in a window whose two ends are inclusive.

    There is more than one ticker for vendors with `tickers_per_request` above 1, and for those with
    `calls_by_date` in a window of one day; the latter can be asked for ANY in such a window.

    `today` is the calendar day in New York on which the question is asked, for vendors whose ranges count back from it.
    """

    tickers: tuple[str, ...]
    start: date
    end: date
    adjustment: str
    today: date

    @property
    def ticker(self) -> str:
        """The ticker, for vendors that take one a request. Raises ValueError if there are several."""
        (ticker,) = self.tickers
        return ticker


class Request(NamedTuple):
    """The HTTP GET that asks a query of one vendor, or the template of one, with words in braces."""

    url: str
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


class Bar(NamedTuple):
    """One ticker's session. Prices are in the listing's currency, volume in shares, `date` is the exchange's day.

    `open` to `close`, `volume` and `vwap` follow the query's adjustment; `adjusted_close` is the vendor's close
    adjusted for splits and dividends. `currency` is that of the prices: an ISO 4217 code, or GBX for pence. None stands
    for what the vendor does not send.
    """

    ticker: str
    date: date
    close: float | None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    vwap: float | None = None
    trade_count: float | None = None
    adjusted_close: float | None = None
    dividend: float | None = None
    split_factor: float | None = None
    currency: str | None = None


class Drop(Protocol):
    """Takes note of a bar that was left out and why or, with a `field`, that only this field of it was.

    `ticker` is empty and `day` is None where the row does not tell. They are for a person to read: in place of a row
    that tells nothing, they may name the bar `after` which it comes.
    """

    def __call__(self, ticker: str, day: date | None, reason: str, field: str = "") -> None: ...


class Fields(NamedTuple):
    """The names that a bar's numbers have in a vendor's rows, in the order of `Bar`; None for what is not taken."""

    close: str = "close"
    open: str = "open"
    high: str = "high"
    low: str = "low"
    volume: str | None = "volume"
    vwap: str | None = None
    trade_count: str | None = None
    adjusted_close: str | None = None
    dividend: str | None = None
    split_factor: str | None = None


class Kind(Enum):
    """Why an answer holds no bars. An empty answer is not a problem. Of MACHINE the vendor is not the cause."""

    BAD_ADDRESS = "bad address"
    BAD_CREDENTIALS = "bad credentials"
    NOT_ENTITLED = "not entitled"
    BEYOND_PLAN = "beyond the plan's window"
    UNKNOWN_TICKER = "unknown ticker"
    TICKER_NOT_ENTITLED = "ticker not entitled"
    INCOMPLETE = "incomplete"
    NOT_YET = "not yet"
    THROTTLED = "throttled"
    QUOTA_SPENT = "quota spent"
    UNAVAILABLE = "unavailable"
    UNREADABLE = "unreadable"
    MACHINE = "this machine"


class Problem(NamedTuple):
    """A problem in the vendor's own words, which may echo the key.

    `wait` is the seconds the vendor asks for, or None when it names no time. `fix` is what the user can do, where
    only this vendor's module knows it. `ticker` is the one, in the vendor's spelling, that failed a whole batch.
    """

    kind: Kind
    said: str
    wait: float | None = None
    fix: str = ""
    ticker: str = ""


class Rule(NamedTuple):
    """One row of a vendor's error table: an answer with this status (None: any) that says this phrase, in any case.

    `wait` is in seconds. `period` is the length in seconds of a window aligned to the clock, after which the vendor
    counts from zero again (3600: on the hour).
    """

    status: int | None
    phrase: str
    kind: Kind
    wait: float | None = None
    period: int | None = None
    fix: str = ""
