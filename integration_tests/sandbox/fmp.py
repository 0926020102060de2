"""Financial Modeling Prep. Source: https://site.financialmodelingprep.com/developer/docs/stable, OpenBB's recording."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

from flask import Response, g, request

from integration_tests.sandbox.book import Event
from integration_tests.sandbox.vendor import TOLD_AHEAD, Hours, Vendor, answer, sandbox
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade

MOST_ROWS = 5000

FREE_TICKERS = ("AAPL", "AMZN", "BAC", "COST", "CSCO", "DIS", "GOOGL", "INTC", "JPM", "KO", "MSFT", "NVDA", "TSLA")
"""Some of the roughly 85 tickers in the free plan."""

FREE_LIMIT = 5
"""The largest `limit` that the free plan accepts. Without a limit, it returns everything."""

MOST_EVENTS = 1000

USUAL_CHANGES = 100
"""The changes of tickers in an answer that was asked for without a limit."""

MOST_DELISTED = 100
"""The rows of a page of delisted companies, whatever more is asked for."""

ADJUSTMENTS = {"non-split-adjusted": "raw", "full": "splits", "dividend-adjusted": "all", "light": "splits"}

UPGRADE = "please visit our subscription page to upgrade your plan at https://financialmodelingprep.com/"


UNCONFIRMED: Mapping[str, Any] = {
    "recordDate": "",
    "paymentDate": "",
    "declarationDate": "",
    "adjDividend": None,
    "dividend": None,
    "yield": 0,
    "frequency": "Annual",
}
"""What is told of a dividend that is expected, and whose amount nobody knows yet."""


def _error(status: int, said: str) -> Response:
    return answer({"Error Message": said}, status)


REFUSALS = {
    **dict.fromkeys(
        ("no-key", "bad-key"),
        partial(
            _error,
            401,
            "Invalid API KEY. Feel free to create a Free API Key or visit "
            "https://site.financialmodelingprep.com/faqs?search=why-is-my-api-key-invalid for more information.",
        ),
    ),
    # The same for a burst and for a used-up daily quota, and never with a Retry-After header.
    "throttle": partial(
        _error,
        429,
        "Limit Reach . Please upgrade your plan or visit our documentation for more details at "
        "https://site.financialmodelingprep.com/",
    ),
    # The same has been seen with status 200.
    "throttle-in-200": partial(_error, 200, "Limit Reach . Please upgrade your plan or visit our documentation."),
    # The traffic of the last 30 days, and an account that is closed to everybody.
    "quota": partial(
        _error,
        429,
        "Bandwidth Limit Reach . Please upgrade your plan or visit our documentation for more details at "
        "https://site.financialmodelingprep.com/",
    ),
    "suspended": partial(_error, 403, "Account suspended. Please contact info@financialmodelingprep.com more details."),
    # Plain text.
    "plan": partial(
        answer, f"Restricted Endpoint: This endpoint is not available under your current subscription {UPGRADE}", 402
    ),
    "ticker-plan": partial(
        answer,
        "Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' is not available under your current "
        f"subscription {UPGRADE}",
        402,
    ),
    "from": partial(
        answer,
        "Premium Query Parameter: 'Special Endpoint : This value set for 'from' is not available under your current "
        f"subscription {UPGRADE}",
        402,
    ),
    "limit": partial(
        answer,
        "Premium Query Parameter: 'Special Parameters : The values for 'limit' must be between 0 and 5 based on your "
        "current subscription. Please visit our subscription page to upgrade your plan at "
        "https://financialmodelingprep.com/",
        402,
    ),
    "legacy": partial(
        _error,
        403,
        "Legacy Endpoint : Due to Legacy endpoints being no longer supported - This endpoint is only available for "
        "legacy users who have valid subscriptions prior August 31, 2025. Please visit our documentation page "
        "https://site.financialmodelingprep.com/developer/docs for our current APIs.",
    ),
}


def _market_ticker(spelling: str) -> str | None:
    # A share class has a hyphen, as in BRK-B. A dot precedes an exchange suffix, and no suffix is A, B or C.
    return None if re.search(r"\.[ABC]$", spelling) else spelling.upper().replace("-", ".")


vendor = Vendor(
    "fmp",
    hours=Hours(final=time(17), partial=time(9, 30)),
    key=lambda: request.headers.get("apikey", "") or request.args.get("apikey", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=lambda: request.args.get("symbol", "").split(),
    unknown_is_empty=True,
    fields={
        "open": ("open", "adjOpen"),
        "high": ("high", "adjHigh"),
        "low": ("low", "adjLow"),
        "close": ("close", "adjClose", "price"),
        "volume": ("volume",),
        "split": ("numerator",),
        "dividend": ("dividend",),
        "paid": ("paymentDate",),
    },
    free_years=5,
)


@vendor.get("/stable/historical-price-eod/<any('non-split-adjusted', full, 'dividend-adjusted', light):variant>")
def bars(variant: str) -> Response:
    """The bars of one ticker in a window, newest first, at most 5,000; an empty list for an unknown ticker."""
    ticker, today = request.args.get("symbol", ""), vendor.now.date()
    if g.free and ticker not in FREE_TICKERS:
        return REFUSALS["ticker-plan"]()
    start = request.args.get("from", today.subtract(years=5), type=date.fromisoformat)
    end = request.args.get("to", today, type=date.fromisoformat)
    oldest = vendor.oldest or start
    if start < oldest and not g.free:
        return REFUSALS["from"]()
    # Bars older than the free plan allows are left out without a warning.
    trades = vendor.bars(ticker, max(start, oldest), end, ADJUSTMENTS[variant])[::-1][:MOST_ROWS]
    return answer([vendor.told(ticker, trade.date, _row(variant, ticker, trade)) for trade in trades])


@vendor.get("/stable/splits")
def splits() -> Response:
    """All splits of a ticker, newest first; an empty list for an unknown one."""
    return _listed([(event.date, _split(event.split)) for event in _events() if event.split != 1])


@vendor.get("/stable/dividends")
def dividends() -> Response:
    """All dividends of a ticker, newest first; an empty list for an unknown one."""
    events = _events()
    splits = {event.date: prod(later.split for later in events if later.date > event.date) for event in events}
    paid = [(event.date, _dividend(event, splits[event.date])) for event in events if event.dividend]
    expected = [(event.date, UNCONFIRMED) for event in events if event.dividend is None]
    return _listed(sorted(paid + expected, key=lambda row: row[0]))


@vendor.get("/stable/profile")
def profile() -> Response:
    """The company profile of a ticker; an empty list for an unknown one."""
    ticker = request.args.get("symbol", "")
    if g.free and ticker not in FREE_TICKERS:
        return REFUSALS["ticker-plan"]()
    known = {"symbol": ticker, "companyName": f"{ticker} Synthetic Corp.", "currency": "USD"}
    listing = {"exchangeFullName": "New York Stock Exchange", "exchange": "NYSE"}
    flags = {"isEtf": False, "isActivelyTrading": not vendor.delisted(ticker), "isAdr": False, "isFund": False}
    return answer([{**known, **listing, **flags}] if vendor.listed(ticker) else [])


@vendor.get("/stable/delisted-companies")
def delisted_companies() -> Response:
    """The companies that were delisted, latest first, at most 100 a page; the free plan has the first page."""
    page = request.args.get("page", 0, type=int)
    if g.free and page:
        return REFUSALS["ticker-plan"]()
    limit = min(request.args.get("limit", MOST_DELISTED, type=int), MOST_DELISTED)
    days = {ticker: vendor.delisted(ticker.replace(".", "-")) for ticker in sorted(sandbox().universe)}
    latest = sorted(((day, ticker) for ticker, day in days.items() if day), reverse=True)
    return answer([_company(ticker, day) for day, ticker in latest[page * limit :][:limit]])


@vendor.get("/stable/symbol-change")
def symbol_changes() -> Response:
    """The changes of tickers, latest first: the latest 100, or as many as asked for."""
    limit = request.args.get("limit", USUAL_CHANGES, type=int)
    if g.free and limit > FREE_LIMIT:
        return REFUSALS["limit"]()
    rows = [
        {
            "date": f"{day}",
            "companyName": f"{new} Synthetic Corp.",
            "oldSymbol": old.replace(".", "-"),
            "newSymbol": new.replace(".", "-"),
        }
        for day, old, new in reversed(vendor.renamed())
    ]
    return answer(rows[:limit])


def _company(ticker: str, day: date) -> dict[str, str]:
    return {
        "symbol": ticker.replace(".", "-"),
        "companyName": f"{ticker} Synthetic Corp.",
        "exchange": "NYSE",
        "ipoDate": f"{FIRST_SESSION}",
        "delistedDate": f"{day}",
    }


@vendor.get("/api/<path:path>")
def legacy(path: str) -> Response:
    """The API before /stable, which rejects newer keys."""
    return REFUSALS["legacy"]()


@vendor.get("/<path:path>")
def missing(path: str) -> Response:
    """Any other path: an empty list with status 404."""
    return answer([], 404)


def _events() -> Sequence[Event]:
    return vendor.events(request.args.get("symbol", ""), FIRST_SESSION, date.max)


def _listed(rows: Sequence[tuple[date, Mapping[str, Any]]]) -> Response:
    ticker, limit = request.args.get("symbol", ""), request.args.get("limit", type=int)
    if g.free and ticker not in FREE_TICKERS:
        return REFUSALS["ticker-plan"]()
    if g.free and limit and limit > FREE_LIMIT:
        return REFUSALS["limit"]()
    events = [
        vendor.told(ticker, day, {"symbol": ticker, "date": day.isoformat(), **row}) for day, row in reversed(rows)
    ]
    return answer(events[: limit or MOST_EVENTS])


def _split(factor: float) -> Mapping[str, Any]:
    numerator, denominator = Fraction(factor).limit_denominator(1000).as_integer_ratio()
    return {"numerator": numerator, "denominator": denominator, "splitType": "stock-split"}


def _dividend(event: Event, split_since: float) -> Mapping[str, Any]:
    declared = event.date - TOLD_AHEAD
    return {
        "recordDate": f"{event.date + timedelta(days=1)}",
        "paymentDate": f"{event.date + timedelta(days=21)}",
        "declarationDate": declared.isoformat() if declared > FIRST_SESSION else "",
        "adjDividend": round(event.dividend / split_since, 6),
        "dividend": event.dividend,
        "yield": 4 * event.dividend,  # as if each share cost 100
        "frequency": "Quarterly",
    }


def _row(variant: str, ticker: str, trade: Trade) -> dict[str, Any]:
    named = {"symbol": ticker, "date": trade.date.isoformat()}
    if variant == "light":
        return {**named, "price": trade.close, "volume": trade.volume}
    if variant != "full":  # raw and fully adjusted prices have the same field names
        prices = {"adjOpen": trade.open, "adjHigh": trade.high, "adjLow": trade.low, "adjClose": trade.close}
        return {**named, **prices, "volume": trade.volume}
    change = round(trade.close - trade.open, 4)
    return {
        **named,
        "open": trade.open,
        "high": trade.high,
        "low": trade.low,
        "close": trade.close,
        "volume": trade.volume,
        "change": change,
        "changePercent": round(100 * change / trade.open, 5),
        "vwap": round((trade.open + trade.high + trade.low + trade.close) / 4, 4),  # not weighted by volume
    }
