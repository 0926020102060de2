"""Alpha Vantage. Source: https://www.alphavantage.co/documentation/#daily and responses quoted by public clients."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from functools import partial
from typing import Any

from flask import Response, g, request

from integration_tests.sandbox.book import Event
from integration_tests.sandbox.vendor import TOLD_AHEAD, Hours, Vendor, answer, sandbox
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade

COMPACT = 100
"""Days of the short answer."""

A_YEAR = timedelta(days=366)
"""It has more sessions than the short answer."""

PLANS = "You may subscribe to any of the premium plans at https://www.alphavantage.co/premium/"
DEMO = (
    "The **demo** API key is for demo purposes only. Please claim your free API key at "
    "(https://www.alphavantage.co/support/#api-key) to explore our full API offerings. It takes fewer than 20 seconds."
)
NO_KEY = (
    "the parameter apikey is invalid or missing. Please claim your free API key on "
    "(https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
)


# Every refusal has status 200.
def _error(said: str) -> Response:
    return answer({"Error Message": said})


def _information(said: str) -> Response:
    return answer({"Information": said})


def _bad_key() -> Response:
    return _information(DEMO) if _key() == "demo" else _error(NO_KEY)


def _quota() -> Response:
    # The response contains the key.
    return _information(
        f"We have detected your API key as {_key()} and our standard API rate limit is 25 requests per day. Please "
        "subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily "
        "rate limits."
    )


def _invalid_call() -> Response:
    return _error(
        "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for "
        f"{request.args.get('function', '')}."
    )


def _key() -> str:
    return request.args.get("apikey", "")


REFUSALS = {
    "no-key": partial(_error, NO_KEY),
    "bad-key": _bad_key,
    "throttle": partial(
        _information,
        "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly "
        f"(1 request per second). {PLANS} to lift the free key rate limit (25 requests per day), raise the per-second "
        "burst limit, and instantly unlock all premium endpoints",
    ),
    "burst": partial(
        _information,
        "Burst pattern detected. Please consider spreading out your API requests more evenly across a 1-minute window "
        "and query no more than 5 requests per second.",
    ),
    "quota": _quota,
    "plan": partial(
        _information,
        "Thank you for using Alpha Vantage! This is a premium endpoint. "
        f"{PLANS} to instantly unlock all premium endpoints",
    ),
    "full": partial(
        _information,
        "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the "
        f"TIME_SERIES_DAILY endpoint. {PLANS} to instantly unlock all premium features",
    ),
}

vendor = Vendor(
    "alpha_vantage",
    hours=Hours(final=time(18), partial=time(9, 30)),
    key=_key,
    refusals=REFUSALS,
    market_ticker=lambda spelling: spelling.upper().replace("-", "."),  # BRK.B and BRK-B
    tickers=lambda: request.args.get("symbol", "").split(),
    fields={
        "open": ("1. open",),
        "high": ("2. high",),
        "low": ("3. low",),
        "close": ("4. close", "5. adjusted close"),
        "volume": ("5. volume", "6. volume"),
        "split": ("split_factor",),
        "dividend": ("amount",),
        "paid": ("payment_date",),
    },
)


@vendor.get("/query")
def query() -> Response:
    """The data of a function for one ticker, newest first. Numbers are strings."""
    function, ticker = request.args.get("function", ""), request.args.get("symbol", "")
    if function == "LISTING_STATUS":
        return _listing(request.args.get("state", "active"))
    if function in EVENTS and vendor.listed(ticker):
        events = vendor.events(ticker, FIRST_SESSION, date.max)[::-1]
        rows = [vendor.told(ticker, event.date, row) for event in events for row in EVENTS[function](event)]
        return answer({"symbol": ticker, "data": rows})
    return _series(function, ticker)


def _listing(state: str) -> Response:
    """Every ticker of the market as a table: the active ones, or those that were delisted."""
    rows = ["symbol,name,exchange,assetType,ipoDate,delistingDate,status"]
    for ticker in vendor.universe():
        day = vendor.delisted(ticker)
        if (day is None) is (state == "active"):
            spelling = ticker.replace(".", "-")
            rows.append(
                f"{spelling},{ticker} Synthetic Corp,NYSE,Stock,{FIRST_SESSION},{day or 'null'},{state.title()}"
            )
    return Response("\r\n".join(rows) + "\r\n", content_type="application/x-download")


def _series(function: str, ticker: str) -> Response:
    """The latest 100 days, or all of them, in an object whose keys are dates."""
    size = request.args.get("outputsize", "compact")
    if function not in SERIES or size not in ("compact", "full") or not vendor.listed(ticker):
        return _invalid_call()
    if g.free and function == "TIME_SERIES_DAILY_ADJUSTED":
        return REFUSALS["plan"]()
    if size == "full" and (g.free or sandbox().reach):
        return REFUSALS["full"]()
    raw = vendor.bars(ticker, vendor.now.date() - A_YEAR, date.max, "raw")
    if size == "full" or len(raw) < COMPACT:
        raw = vendor.bars(ticker, FIRST_SESSION, date.max, "raw")
    adjusted = raw
    if function == "TIME_SERIES_DAILY_ADJUSTED":
        adjusted = vendor.bars(ticker, raw[0].date, date.max, "all")
    rows = {
        trade.date.isoformat(): vendor.told(ticker, trade.date, SERIES[function](trade, other.close))
        for trade, other in zip(raw[::-1], adjusted[::-1], strict=True)
    }
    latest = dict(list(rows.items())[:COMPACT]) if size == "compact" else rows
    return answer({"Meta Data": _meta(function, ticker, size, raw[-1].date), "Time Series (Daily)": latest})


def _meta(function: str, ticker: str, size: str, latest: date) -> Mapping[str, str]:
    adjusted = function == "TIME_SERIES_DAILY_ADJUSTED"
    partial_bar = latest > vendor.hours.last_final(vendor.now)
    return {
        "1. Information": "Daily Time Series with Splits and Dividend Events"
        if adjusted
        else "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": ticker,
        "3. Last Refreshed": f"{vendor.now:%Y-%m-%d %H:%M:%S}" if partial_bar else latest.isoformat(),
        "4. Output Size": "Full size" if size == "full" else "Compact",
        "5. Time Zone": "US/Eastern",
    }


def _row(trade: Trade, adjusted_close: float) -> dict[str, Any]:
    return {**_prices(trade), "5. volume": str(trade.volume)}


def _adjusted_row(trade: Trade, adjusted_close: float) -> dict[str, Any]:
    return {
        **_prices(trade),
        "5. adjusted close": f"{adjusted_close:.4f}",
        "6. volume": str(trade.volume),
        "7. dividend amount": f"{trade.dividend:.4f}",
        "8. split coefficient": f"{trade.split:.4f}",
    }


def _prices(trade: Trade) -> Mapping[str, str]:
    return {
        "1. open": f"{trade.open:.4f}",
        "2. high": f"{trade.high:.4f}",
        "3. low": f"{trade.low:.4f}",
        "4. close": f"{trade.close:.4f}",
    }


def _splits(event: Event) -> list[dict[str, Any]]:
    if event.split == 1:
        return []
    return [{"effective_date": event.date.isoformat(), "split_factor": f"{event.split:.4f}"}]


def _dividends(event: Event) -> list[dict[str, Any]]:
    if not event.dividend:
        return []
    declared = event.date - TOLD_AHEAD
    return [
        {
            "ex_dividend_date": event.date.isoformat(),
            "declaration_date": declared.isoformat() if declared > FIRST_SESSION else "None",
            "record_date": f"{event.date + timedelta(days=1)}",
            "payment_date": f"{event.date + timedelta(days=21)}",
            "amount": f"{event.dividend:g}",
        }
    ]


EVENTS = {"SPLITS": _splits, "DIVIDENDS": _dividends}

SERIES = {"TIME_SERIES_DAILY": _row, "TIME_SERIES_DAILY_ADJUSTED": _adjusted_row}
