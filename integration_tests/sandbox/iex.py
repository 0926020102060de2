"""IEX Cloud. Source: the recordings of https://github.com/dblock/iex-ruby-client and rows from its last years."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, request
from pendulum import Date

from integration_tests.sandbox.vendor import Hours, Vendor, answer
from source_stock_prices.providers.sample_market import Trade
from source_stock_prices.sessions import ZONE

# Refusals are plain text with the content type of HTML.
REFUSALS = {
    "no-key": partial(answer, "An API key is required to access this data and no key was provided", 401),
    "bad-key": partial(answer, "The API key provided is not valid.", 403),
    "throttle": partial(answer, "Too many requests", 429),
    "quota": partial(
        answer, "You have exceeded your allotted message quota. Please enable pay-as-you-go to regain access", 402
    ),
    "plan": partial(answer, "The requested data is not available to your current tier.", 402),
}

PARAMETERS = {"token", "sort", "chartLast", "chartByDay"}

MONTHS = {"1m": 1, "3m": 3, "6m": 6, "1y": 12, "2y": 24, "5y": 60, "max": 180}
SESSIONS = {"5d": 5}

vendor = Vendor(
    "iex",
    hours=Hours(final=time(4), days_later=1),
    key=lambda: request.args.get("token", ""),
    refusals=REFUSALS,
    market_ticker=lambda spelling: None if "-" in spelling else spelling.upper(),
    fields={
        "open": ("open", "uOpen", "fOpen"),
        "high": ("high", "uHigh", "fHigh"),
        "low": ("low", "uLow", "fLow"),
        "close": ("close", "uClose", "fClose"),
        "volume": ("volume", "uVolume", "fVolume"),
    },
)


Row = dict[str, Any]


class Change(NamedTuple):
    """A close, the close before it, and the first close of the range."""

    close: float
    before: float
    first: float

    @property
    def amount(self) -> float:
        """The change since the previous session."""
        return round(self.close - self.before, 4)

    @property
    def ratio(self) -> float:
        """The change since the previous session, as a fraction of that close."""
        return self.close / self.before - 1

    @property
    def over_time(self) -> float:
        """The change since the start of the range, as a fraction of its first close."""
        return round(self.close / self.first - 1, 6)


@vendor.get("/stock/<ticker>/chart/<reach>")
def chart(ticker: str, reach: str) -> Response:
    """The bars of one ticker in a range that ends today. A ticker that starts with OLD gets a response as of 2020."""
    if strange := sorted(request.args.keys() - PARAMETERS):
        return answer({"error": f'"{strange[0]}" is not allowed'}, 400)
    if not vendor.listed(ticker):
        return answer("Unknown symbol", 404)
    if reach not in {*MONTHS, *SESSIONS, "ytd"}:
        return REFUSALS["bad-key"]()  # as recorded for /chart/invalid; 7d is in no list of ranges either
    old = ticker.upper().startswith("OLD")
    rows = _rows(ticker, reach, _row_of_2020 if old else partial(_row, ticker.upper()))
    rows = rows[-request.args.get("chartLast", 0, type=int) :]
    if request.args.get("sort", "asc" if old else "desc") == "desc":
        rows.reverse()
    return answer(rows, headers={"iexcloud-messages-used": str(10 * len(rows))})


def _rows(ticker: str, reach: str, shape: Callable[[Trade, Trade, Trade, Change], Row]) -> list[Any]:
    """The rows of a range, oldest first."""
    start, count = _start(vendor.now.date(), reach), SESSIONS.get(reach, 0)
    raw, split, full = (vendor.bars(ticker, start, date.max, each)[-count:] for each in ("raw", "splits", "all"))
    closes = [trade.close for trade in split]
    changes = [Change(close, before, closes[0]) for close, before in zip(closes, closes[:1] + closes, strict=False)]
    return [vendor.told(ticker, row[0].date, shape(*row)) for row in zip(raw, split, full, changes, strict=True)]


def _start(today: Date, reach: str) -> date:
    if reach == "ytd":
        return today.start_of("year")
    return today.subtract(months=MONTHS.get(reach, 1))


def _row(ticker: str, raw: Trade, split: Trade, full: Trade, change: Change) -> Row:
    day = raw.date
    published = datetime.combine(day + timedelta(days=1), vendor.hours.final, ZoneInfo(ZONE))
    return {
        **{name: getattr(split, name) for name in ("close", "high", "low", "open")},
        "priceDate": day.isoformat(),
        "symbol": ticker,
        "volume": split.volume,
        "id": "HISTORICAL_PRICES",
        "key": ticker,
        "subkey": "",
        "date": day.isoformat(),
        "updated": int(published.timestamp() * 1000),
        "changeOverTime": change.over_time,
        "marketChangeOverTime": change.over_time,
        **_prices("u", raw),
        **_prices("f", full),
        "label": f"{day:%b} {day.day}, {day:%y}",
        "change": change.amount,
        "changePercent": round(change.ratio, 4),
    }


def _row_of_2020(raw: Trade, split: Trade, full: Trade, change: Change) -> Row:
    day = raw.date
    return {
        "date": day.isoformat(),
        **{name: getattr(split, name) for name in ("open", "close", "high", "low", "volume")},
        **_prices("u", raw),
        "change": change.amount,
        "changePercent": round(100 * change.ratio, 4),
        "label": f"{day:%b} {day.day}",
        "changeOverTime": change.over_time,
    }


def _prices(prefix: str, trade: Trade) -> Row:
    return {f"{prefix}{name.title()}": getattr(trade, name) for name in ("open", "close", "high", "low", "volume")}
