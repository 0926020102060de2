"""EODHD. Shapes: https://eodhd.com/financial-apis/api-for-historical-data-and-volumes"""

from __future__ import annotations

from datetime import date, time
from functools import partial
from typing import Any

from flask import Response, abort, g, request

from integration_tests.sandbox.vendor import Hours, Vendor, answer, ticker_in_path
from source_stock_prices.market import FIRST_SESSION, Trade

# Refusals are plain text, declared as HTML.
REFUSALS = {
    "no-key": partial(answer, "Unauthenticated", 401),
    "bad-key": partial(answer, "Unauthenticated", 401),
    "throttle": partial(answer, "Too Many Requests", 429),
    # Two spaces, as received.
    "quota": partial(
        answer,
        "You exceeded your daily API requests limit.  Please contact support@eodhistoricaldata.com",
        402,
        {"x-ratelimit-limit": "1200", "x-ratelimit-remaining": "1199"},
    ),
    "plan": partial(answer, "Only EOD data allowed for free users", 403),
}

WARNING = "Data is limited by one year as you have free subscription"


def _market_ticker(spelling: str) -> str | None:
    # BRK-B.US: upper case, one dot, and an exchange after it.
    code, dot, exchange = spelling.rpartition(".")
    if not dot or "." in code or spelling != spelling.upper():
        return None
    return code.replace("-", ".") + ("" if exchange == "US" else f".{exchange}")


vendor = Vendor(
    "eodhd",
    hours=Hours(final=time(18, 30)),
    key=lambda: request.args.get("api_token", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=ticker_in_path,
)


@vendor.get("/eod/<ticker>")
def bars(ticker: str) -> Response:
    """One ticker's bars in a window, oldest first, in CSV unless JSON is asked for."""
    if not vendor.listed(ticker):
        return answer("Ticker Not Found.", 404)
    start, end = _day("from", FIRST_SESSION), _day("to", date.max)
    oldest = vendor.now.date().subtract(years=1)
    cut = g.free and start < oldest
    raw = vendor.bars(ticker, max(start, oldest) if cut else start, end, "raw")
    adjusted = vendor.bars(ticker, raw[0].date, end, "all") if raw else []
    rows = [_row(*pair) for pair in zip(raw, adjusted, strict=True)]
    if request.args.get("period") == "m":
        rows = list({row["date"][:7]: row for row in rows}.values())
    if request.args.get("order") == "d":
        rows.reverse()
    if cut:
        # On the last row; where there is none, in a row of its own.
        rows[-1:] = [{**row, "warning": WARNING} for row in rows[-1:] or [{}]]
    if request.args.get("fmt") != "json":
        lines = ["Date,Open,High,Low,Close,Adjusted_close,Volume"] + [",".join(map(str, row.values())) for row in rows]
        return answer("\n".join(lines))
    return answer(rows)


def _day(name: str, default: date) -> date:
    text = request.args.get(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        abort(answer({"errors": {name: [f"The {name} does not match the format Y-m-d."]}}, 422))


def _row(trade: Trade, adjusted: Trade) -> dict[str, Any]:
    return {
        "date": trade.date.isoformat(),
        "open": trade.open,
        "high": trade.high,
        "low": trade.low,
        "close": trade.close,
        "adjusted_close": adjusted.close,
        "volume": adjusted.volume,  # in the shares of today, beside raw prices
    }
