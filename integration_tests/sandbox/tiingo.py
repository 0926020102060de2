"""Tiingo. Source: https://www.tiingo.com/documentation/end-of-day and the recordings of its Python client."""

from __future__ import annotations

from datetime import date, time
from functools import partial
from typing import Any

from flask import Response, abort, request

from integration_tests.sandbox.vendor import Hours, Vendor, answer, key_after
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade


def _detail(status: int, said: str) -> Response:
    return answer({"detail": said}, status)


UPGRADE = "Please upgrade at https://api.tiingo.com/pricing to have your limits increased."
REFUSALS = {
    "no-key": partial(_detail, 403, "Please supply a token"),
    "bad-key": partial(_detail, 403, "Invalid token."),
    "throttle": partial(_detail, 429, f"Error: You have run over your hourly request allocation. {UPGRADE}"),
    # Status 200, and not JSON.
    "quota": partial(answer, f"You have run over your 500 symbol look up for this month. {UPGRADE}"),
    "plan": partial(_detail, 403, "You do not have permission to access the End-of-Day API"),
}


def _market_ticker(spelling: str) -> str | None:
    # A share class has a hyphen, as in BRK-B, in upper or lower case. Tiingo does not know the form with a dot.
    return None if "." in spelling else spelling.upper().replace("-", ".")


vendor = Vendor(
    "tiingo",
    hours=Hours(final=time(17, 30)),
    key=lambda: key_after("Token") or request.args.get("token", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
)


@vendor.get("/tiingo/daily/<ticker>/prices")
def prices(ticker: str) -> Response:
    """The bars of one ticker in a window; without startDate, only the latest one."""
    if not vendor.listed(ticker):
        return _detail(404, f"Error: Ticker '{ticker}' not found")
    end = _day("endDate", date.max)
    if "startDate" not in request.args:
        # This response has another date format, 2018-04-12T00:00:00+00:00, and another order of keys.
        rows = _rows(ticker, FIRST_SESSION, end, "+00:00")[-1:]
        return answer([dict(sorted(row.items())) for row in rows])
    rows = _rows(ticker, _day("startDate", date.max), end, ".000Z")
    return answer(rows[::-1] if request.args.get("sort") == "-date" else rows)


@vendor.get("/tiingo/daily/<ticker>")
def reference(ticker: str) -> Response:
    """The reference data of one ticker."""
    if not vendor.listed(ticker):
        return _detail(404, "Not found.")
    return answer(
        {
            "ticker": ticker.upper(),
            "name": f"{ticker.upper()} Synthetic Corp",
            "exchangeCode": "NYSE",
            "description": "Listed on a synthetic market.",
            "startDate": FIRST_SESSION.isoformat(),
            "endDate": vendor.bars(ticker, FIRST_SESSION, date.max, "raw")[-1].date.isoformat(),
        }
    )


def _day(name: str, default: date) -> date:
    text = request.args.get(name)
    try:
        # Leading zeros are optional: 2015-1-1
        return date(*(int(part) for part in text.split("-"))) if text else default
    except (TypeError, ValueError):
        abort(_detail(400, f"Error: {name} is not a date"))


def _rows(ticker: str, start: date, end: date, zone: str) -> list[dict[str, Any]]:
    raw = vendor.bars(ticker, start, end, "raw")
    adjusted = vendor.bars(ticker, start, end, "all")
    return [_row(*pair, zone) for pair in zip(raw, adjusted, strict=True)]


def _row(trade: Trade, adjusted: Trade, zone: str) -> dict[str, Any]:
    return {
        "date": f"{trade.date}T00:00:00{zone}",
        "close": trade.close,
        "high": trade.high,
        "low": trade.low,
        "open": trade.open,
        "volume": trade.volume,
        "adjClose": adjusted.close,
        "adjHigh": adjusted.high,
        "adjLow": adjusted.low,
        "adjOpen": adjusted.open,
        "adjVolume": adjusted.volume,
        "divCash": trade.dividend,
        "splitFactor": trade.split,
    }
