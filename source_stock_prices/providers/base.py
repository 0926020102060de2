"""The terms between the connector and a market data API: what is asked, what comes back, what can be wrong.

A provider translates, and does nothing else: it never sends, waits, retries, logs or looks at a clock.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import orjson
from pydantic_core import from_json
from requests import Response
from requests.adapters import BaseAdapter

RAW, SPLITS, ALL = "raw", "splits", "all"

ANY = "*"
"""In the place of a ticker: every ticker of the market."""


class Query(NamedTuple):
    """One question: the daily bars of some tickers in a window whose two ends are inclusive.

    There is more than one ticker for vendors with `tickers_per_request` above 1, and for those with
    `whole_market_by_date` in a window of one day; those can be asked for ANY there.

    `today` is the calendar day in New York on which it is asked, for vendors whose ranges count back from it.
    """

    tickers: tuple[str, ...]
    start: date
    end: date
    adjustment: str
    today: date

    @property
    def ticker(self) -> str:
        """The ticker, for vendors that take one a request."""
        (ticker,) = self.tickers
        return ticker


class Request(NamedTuple):
    """The HTTP GET that asks a query of one vendor."""

    url: str
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


class Bar(NamedTuple):
    """One ticker's session. Prices are in the listing's currency, volume in shares, `date` is the exchange's.

    `open` to `close`, `volume` and `vwap` follow the query's adjustment; `adjusted_close` is the vendor's close
    adjusted for splits and dividends. None stands for what the vendor does not send.
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


class Kind(Enum):
    """Why an answer holds no bars. An empty answer is not a problem."""

    BAD_ADDRESS = "bad address"
    BAD_CREDENTIALS = "bad credentials"
    NOT_ENTITLED = "not entitled"
    UNKNOWN_TICKER = "unknown ticker"
    TICKER_NOT_ENTITLED = "ticker not entitled"
    NOT_YET = "not yet"
    THROTTLED = "throttled"
    QUOTA_SPENT = "quota spent"
    UNAVAILABLE = "unavailable"
    UNREADABLE = "unreadable"


class Problem(NamedTuple):
    """A problem in the vendor's own words, which may echo the key.

    `wait` is the seconds the vendor asks for, or None when it names no time. `fix` is what the user can do, when
    only this vendor's module knows it. `ticker` is the one, in the vendor's spelling, that failed a whole batch.
    """

    kind: Kind
    said: str
    wait: float | None = None
    fix: str = ""
    ticker: str = ""


class Rule(NamedTuple):
    """One row of a vendor's error table: an answer with this status (None: any) that says this phrase.

    `wait` is in seconds; `period` is the length in seconds of the clock-aligned window after which the vendor
    counts anew (3600: at the full hour).
    """

    status: int | None
    phrase: str
    kind: Kind
    wait: float | None = None
    period: int | None = None
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Provider(ABC):
    """One market data API. The fields of a subclass are its settings in the config, required unless they default."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str]
    key_url: ClassVar[str]
    adjustments: ClassVar[tuple[str, ...]]
    free_requests_per_minute: ClassVar[int | None] = None
    tickers_per_request: ClassVar[int] = 1
    charges_by_ticker: ClassVar[bool] = False
    """Whether a request for many tickers counts as many requests of the plan."""
    bars_per_request: ClassVar[int | None] = None
    """The bars, of all tickers together, up to which a request is charged once: each further page costs again."""

    whole_market_by_date: ClassVar[bool] = False
    """Whether one request has every ticker's bar of a day."""

    base_url: str

    def spelling(self, ticker: str) -> str:
        """The vendor's spelling of a ticker."""
        return ticker

    def trades_in_new_york(self, ticker: str) -> bool:
        """Whether a ticker has a bar for each session of the New York Stock Exchange."""
        return True

    def key_headers(self) -> Mapping[str, str]:
        """The headers that carry the key, of a vendor that takes it there."""
        return {}

    def key_params(self) -> Mapping[str, str]:
        """The parameters that carry the key, of a vendor that takes it in the query alone."""
        return {}

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Request:
        """A request with the key."""
        return Request(url, {**(params or {}), **self.key_params()}, self.key_headers())

    @abstractmethod
    def request(self, query: Query) -> Request:
        """The first request for a query."""

    @abstractmethod
    def problem(self, response: Response) -> Problem | None:
        """What is wrong with an answer. Asked of every answer, 200 included, before anything else."""

    @abstractmethod
    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        """The bars of an answer without a problem, in the vendor's order, under the query's spelling of the ticker.

        A missing or mistyped field raises KeyError, TypeError or ValueError.
        """

    def next_request(self, response: Response) -> Request | None:
        """The request for the next page, where the vendor pages. It never leaves `base_url`'s host."""
        return None

    def refused(self, response: Response, query: Query) -> Mapping[str, Problem]:
        """The tickers of a batch that an answer refuses beside the bars of the others."""
        return {}

    def notice(self, response: Response, query: Query) -> str:
        """What the user should know of an answer without a problem: bars that the vendor says it left out."""
        return ""

    def splits_request(self, start: date, end: date) -> Request | None:
        """A request for the splits of every ticker in a window, where there is one: both ends inclusive."""
        return None

    def split_tickers(self, response: Response) -> Iterable[str]:
        """The tickers in an answer to `splits_request`."""
        return ()

    def reference_request(self, ticker: str) -> Request | None:
        """A request for what the vendor knows of a ticker, where an empty list of bars does not tell."""
        return None

    def is_listed(self, response: Response) -> bool:
        """Whether an answer to `reference_request` that is no problem has the ticker."""
        return True

    def adapter(self) -> BaseAdapter | None:
        """What carries requests to `base_url` in place of a network."""
        return None


def asked(response: Response) -> dict[str, str]:
    """The parameters that an answer was asked with."""
    return dict(parse_qsl(urlsplit(response.request.url or "").query))


def classify(response: Response, said: str, rules: Iterable[Rule]) -> Problem:
    """The problem of an answer that is not the expected container: the first rule that fits, else by status alone."""
    status = response.status_code
    for rule in rules:
        if rule.status in (None, status) and rule.phrase.lower() in said.lower():
            break
    else:
        rule = Rule(status, "", _kind_of_status(status))
    wait = _retry_after(response) or rule.wait
    if wait is None and rule.period:
        wait = rule.period - (_vendor_time(response) or 0) % rule.period
    if 300 <= status < 400 and not said:
        said = f"a redirect to {urlsplit(response.headers.get('Location', '')).netloc}"
    return Problem(rule.kind, trim(said, 2000), wait, rule.fix)


def _kind_of_status(status: int) -> Kind:
    if status == 429:
        return Kind.THROTTLED
    if status == 401:
        return Kind.BAD_CREDENTIALS
    if status == 408 or status >= 500:
        return Kind.UNAVAILABLE
    return Kind.UNREADABLE


def _vendor_time(response: Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None


def _retry_after(response: Response) -> float | None:
    """Seconds of a Retry-After header in either of its forms; None when absent, past or unreadable."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value) or None
    try:
        until = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    now = _vendor_time(response)
    return until - now if now is not None and until > now else None


LARGE_BODY = 1 << 20
"""Bytes of a body from which on memory counts more than time."""

_decoded: WeakKeyDictionary[Response, Any] = WeakKeyDictionary()


def body_text(response: Response) -> str:
    """The start of a body as text, enough to quote. Never guesses an encoding: that takes seconds on a large body."""
    return response.content[:2000].decode(errors="replace")


def decode(response: Response) -> Any:
    """The body as JSON, decoded once an answer; None where it is no JSON."""
    if response not in _decoded:
        try:
            _decoded[response] = _loads(response.content)
        except ValueError:
            _decoded[response] = None
    return _decoded[response]


def _loads(content: bytes) -> Any:
    # orjson takes half the time, and holds a tree of the body beside the objects: 5 MB for a day of the whole market.
    return from_json(content, allow_inf_nan=False) if len(content) >= LARGE_BODY else orjson.loads(content)


def text_at(body: Any, *keys: str) -> str:
    """The first text that a JSON object holds under one of the keys, else an empty one."""
    values = (body.get(key) for key in keys) if isinstance(body, dict) else ()
    return next((value for value in values if isinstance(value, str) and value), "")


def trim(text: str, length: int = 200) -> str:
    """A text on one line, cut to a length a person reads."""
    line = " ".join(text[: length * 10].split())
    return line if len(line) <= length else line[: length - 1] + "…"


def number(value: Any) -> float | None:
    """A finite JSON number, or one written as text; None for null. Raises TypeError or ValueError for all else."""
    if value is None or (type(value) is int):
        return value
    result = value if type(value) is float else float(value) if type(value) is str else None
    if result is None or not isfinite(result):
        raise ValueError(f"{value!r} is not a number")
    return result


_JSON_NUMBERS = {int, float, type(None)}


def numbers(*values: Any) -> tuple[float | None, ...]:
    """Each value as `number` gives it, in one step where all of them are JSON numbers or null."""
    return values if _JSON_NUMBERS.issuperset(map(type, values)) else tuple(map(number, values))


def calendar_day(text: str) -> date:
    """The date of a label such as 2023-01-03T00:00:00.000Z: a calendar day, never converted between zones."""
    return date.fromisoformat(text[:10])


@lru_cache(maxsize=20_000)
def new_york_day(epoch_ms: int) -> date:
    """The calendar day in New York of a moment in epoch milliseconds."""
    return datetime.fromtimestamp(epoch_ms / 1000, ZoneInfo("America/New_York")).date()


def on_host(base_url: str, link: str) -> str:
    """A link from an answer, moved to our own base URL, so that the key never follows it to a foreign host."""
    if link.startswith(base_url + "/"):
        return link
    parts = urlsplit(link)
    return f"{base_url}/{parts.path.lstrip('/')}?{parts.query}"
