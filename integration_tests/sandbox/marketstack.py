"""Marketstack, version 2. Source: responses from 2021 and 2025, and https://marketstack.com/documentation_v2"""

from __future__ import annotations

import re
from datetime import date, time
from functools import partial
from typing import Any

from flask import Response, abort, request

from integration_tests.sandbox.vendor import Hours, Vendor, answer, ticker_in_path
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade


def _error(status: int, code: str, said: str, **context: Any) -> Response:
    details = {"context": context} if context else {}
    return answer({"error": {"code": code, "message": said, **details}}, status)


REFUSALS = {
    "no-key": partial(_error, 401, "missing_access_key", "You have not supplied an API Access Key."),
    "bad-key": partial(_error, 401, "invalid_access_key", "You have not supplied a valid API Access Key."),
    "throttle": partial(_error, 429, "rate_limit_reached", "The given user account has reached the rate limit."),
    "quota": partial(_error, 429, "usage_limit_reached", "Your monthly usage limit has been reached."),
    "plan": partial(
        _error,
        403,
        "function_access_restricted",
        "The given API endpoint is not supported on the current subscription plan.",
    ),
    "unknown-ticker": partial(_error, 422, "no_valid_symbols_provided", "At least one valid symbol must be provided"),
}

WHOLE_SINCE = date(2022, 10, 18)
"""Rows before this day have an adjusted close but no other adjusted field, and so have some later ones."""

EVERY = 5
"""One calendar day in so many has such a row still."""


def _market_ticker(spelling: str) -> str | None:
    # A share class has a hyphen, as in BRK-B, in upper or lower case. A dot precedes an exchange; four have one letter.
    return None if re.search(r"\.[^FLTV]$", spelling.upper()) else spelling.upper().replace("-", ".")


def _symbols() -> tuple[str, ...]:
    return tuple(filter(None, request.args.get("symbols", "").split(",")))


vendor = Vendor(
    "marketstack",
    hours=Hours(final=time(17)),
    key=lambda: request.args.get("access_key", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=lambda: _symbols() or ticker_in_path(),
    unknown_is_empty=True,
    fields={
        "open": ("open", "adj_open"),
        "high": ("high", "adj_high"),
        "low": ("low", "adj_low"),
        "close": ("close", "adj_close"),
        "volume": ("volume", "adj_volume"),
    },
    free_years=1,
)


@vendor.get("/eod")
def bars() -> Response:
    """The bars of some tickers in a window, newest first, in pages. Leaves out unknown tickers if any is known."""
    symbols = _symbols()
    if not symbols:
        missing = {"key": "missing_symbols", "message": "You did not specify any symbols."}
        return _error(422, "validation_error", "Request failed with validation error", symbols=[missing])
    if len(symbols) > 100:
        said = "You have to specify at least one symbol and not more than 100"
        return _error(422, "validation_error", said)
    known = [symbol for symbol in dict.fromkeys(symbols) if vendor.listed(symbol)]
    if not known:
        return REFUSALS["unknown-ticker"]()
    start, end = _day("date_from", FIRST_SESSION), _day("date_to", date.max)
    start = max(start, vendor.oldest or start)  # the vendor cuts off the rest without a warning
    dated = [found for symbol in known for found in _rows(symbol, start, end)]
    dated.sort(key=lambda found: found[0], reverse=request.args.get("sort") != "ASC")
    rows = [row for _, row in dated]
    limit, offset = _count("limit", 100, most=1000), _count("offset", 0)
    page = rows[offset : offset + limit]
    pagination = {"limit": limit, "offset": offset, "count": len(page), "total": len(rows)}
    return answer({"pagination": pagination, "data": page})


@vendor.get("/tickers/<ticker>")
def company(ticker: str) -> Response:
    """What is known of a ticker, without its exchange; 404 for an unknown one, as for any other path."""
    if not vendor.listed(ticker):
        return _error(404, "404_not_found", "Resource not found.")
    code, _, exchange = ticker.upper().partition(".")
    return answer(
        {
            "name": f"{code} Synthetic Corp",
            "symbol": code,
            "cik": "",
            "isin": "",
            "item_type": "equity",
            "stock_exchange": {
                "name": exchange or "NASDAQ - ALL MARKETS",
                "mic": exchange or "XNAS",
                "country": None,
                "country_code": "GB" if exchange else "US",
            },
        }
    )


def _day(name: str, default: date) -> date:
    text = request.args.get(name)
    try:
        return date.fromisoformat(text[:10]) if text else default
    except ValueError:
        abort(_invalid(name, "invalid_date", "The date is not valid."))


def _count(name: str, default: int, most: int | None = None) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or (most and int(text) > most):
        abort(_invalid(name, f"invalid_{name}", f"The {name} is not valid."))
    return int(text)


def _invalid(name: str, key: str, said: str) -> Response:
    details = {name: [{"key": key, "message": said}]}
    return _error(422, "validation_error", "Request failed with validation error", **details)


def _rows(symbol: str, start: date, end: date) -> list[tuple[date, Any]]:
    raw = vendor.bars(symbol, start, end, "raw")
    adjusted = vendor.bars(symbol, start, end, "all")
    return [
        (trade.date, vendor.told(symbol, trade.date, _row(symbol.upper(), trade, other)))
        for trade, other in zip(raw, adjusted, strict=True)
    ]


def _row(symbol: str, trade: Trade, adjusted: Trade) -> dict[str, Any]:
    whole = trade.date >= WHOLE_SINCE and trade.date.toordinal() % EVERY
    code, _, exchange = symbol.partition(".")
    row = {
        "open": trade.open,
        "high": trade.high,
        "low": trade.low,
        "close": trade.close,
        "volume": float(trade.volume),
        "adj_high": adjusted.high if whole else None,
        "adj_low": adjusted.low if whole else None,
        "adj_close": adjusted.close,
        "adj_open": adjusted.open if whole else None,
        "adj_volume": float(adjusted.volume) if whole else None,
        "split_factor": trade.split,
        "dividend": trade.dividend,
        "name": f"{code} Synthetic Corp",
        "exchange_code": exchange or "NASDAQ",
        "asset_type": "Stock",
        "price_currency": "usd",
        "symbol": code,  # without the exchange
        "exchange": exchange or "XNAS",
        "date": f"{trade.date}T00:00:00+0000",
    }
    if exchange == "INDX":
        del row["split_factor"], row["dividend"]
    return row
