"""Twelve Data. Source: https://twelvedata.com/docs#time-series and live responses quoted by public clients."""

from __future__ import annotations

from datetime import date, time
from functools import partial
from typing import Any

from flask import Response, abort, g, request

from integration_tests.sandbox.vendor import Hours, Vendor, answer, key_after
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade

FREE_CREDITS = 8
"""Credits per minute in the free plan. Each ticker in a request costs one."""

MOST_ROWS, USUAL_ROWS = 5000, 30

COUNTRIES = {
    "NASDAQ": "United States",
    "NYSE": "United States",
    "TSX": "Canada",
    "LSE": "United Kingdom",
    "XETR": "Germany",
}
"""The country of each exchange. The same ticker in another country belongs to another company."""

FUNDS = ("SPY", "QQQ")
"""Exchange-traded funds, which have a list of their own."""

META = {
    "NASDAQ": ("USD", "America/New_York", "XNGS"),
    "NYSE": ("USD", "America/New_York", "XNYS"),
    "TSX": ("CAD", "America/Toronto", "XTSE"),
    "LSE": ("GBp", "Europe/London", "XLON"),
    "XETR": ("EUR", "Europe/Berlin", "XETR"),
}
"""The currency, the time zone and the MIC of each exchange."""

ADJUSTMENTS = {"none": "raw", "splits": "splits", "all": "all"}


def _refusal(code: int, said: str) -> dict[str, Any]:
    return {"code": code, "message": said, "status": "error"}


def _error(code: int, said: str, status: int | None = None) -> Response:
    return answer(_refusal(code, said), status or code)


PRICING = "https://twelvedata.com/pricing"
NO_KEY = (
    f"**apikey** parameter is incorrect or not specified. You can get your free API key instantly following this link: "
    f"{PRICING}. If you believe that everything is correct, you can contact us at "
    "https://twelvedata.com/contact/customer"
)
SPENT = (
    "You have run out of API credits for the {period}. {used} API credits were used, with the current limit being "
    f"{{limit}}. Wait for the next {{next}} or consider switching to a higher tier plan at {PRICING}"
)
MINUTE = partial(SPENT.format, period="current minute", limit=FREE_CREDITS, next="minute")
REFUSALS = {
    "no-key": partial(_error, 401, NO_KEY),
    "bad-key": partial(_error, 401, NO_KEY),
    "throttle": partial(_error, 429, MINUTE(used=FREE_CREDITS + 1)),
    # The same body has been seen with status 200 and 429.
    "throttle-in-200": partial(_error, 429, MINUTE(used=FREE_CREDITS + 1), 200),
    "quota": partial(_error, 429, SPENT.format(period="day", used=801, limit=800, next="day")),
    "plan": partial(
        _error,
        403,
        "/time_series is available exclusively with grow or pro or ultra or venture or enterprise plans. Consider "
        f"upgrading your API Key now at {PRICING}",
    ),
}

UNKNOWN = _refusal(
    404,
    "**symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol according to API "
    "documentation: https://twelvedata.com/docs#reference-data",
)
LARGER_PLAN = _refusal(
    404, f"This symbol is available starting with the Grow or Venture plan. Consider upgrading now at {PRICING}"
)
NO_DATA = _refusal(400, "No data is available on the specified dates. Try setting different start/end dates.")


def _tickers() -> list[str]:
    return [ticker for ticker in request.args.get("symbol", "").split(",") if ticker]


def _market_ticker(spelling: str) -> str | None:
    # BRK.B in upper or lower case, optionally with an exchange after a colon. The form with a hyphen is unknown.
    ticker, _, exchange = spelling.upper().partition(":")
    if "-" in ticker or (exchange and exchange not in COUNTRIES):
        return None
    return f"{ticker}:{exchange}" if _is_abroad(exchange) else ticker


def _is_abroad(exchange: str) -> bool:
    return COUNTRIES.get(exchange, "United States") != "United States"


vendor = Vendor(
    "twelve_data",
    hours=Hours(final=time(16, 15), partial=time(9, 30)),
    key=lambda: key_after("apikey") or request.args.get("apikey", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=_tickers,
    fields={name: (name,) for name in ("open", "high", "low", "close", "volume")},
)


@vendor.get("/time_series")
def time_series() -> Response:
    """The bars of one ticker, or of several in an object whose keys are tickers."""
    tickers = _tickers()
    if g.free and len(tickers) > FREE_CREDITS:
        return _error(429, MINUTE(used=len(tickers)))
    if len(tickers) < 2:
        part = _part(tickers[0]) if tickers else UNKNOWN
        return answer(part, part.get("code", 200), _credits(1))
    # A batch has status 200, whatever is wrong with one of its tickers.
    return answer({ticker: _part(ticker) for ticker in tickers}, headers={**_credits(len(tickers)), "Is_batch": "true"})


@vendor.get("/stocks")
def stocks() -> Response:
    """The stock of a symbol in a country or on an exchange; an empty list for an unknown one. For one credit.

    One that is delisted only with `include_delisted`.
    """
    symbol = request.args.get("symbol", "")
    ticker, exchange = _listing(symbol)
    is_hidden = vendor.delisted(ticker) and request.args.get("include_delisted") != "true"
    is_listed = vendor.listed(ticker) and symbol not in FUNDS and not is_hidden
    return _catalog([{**_listed(symbol, exchange), "type": "Common Stock"}] if is_listed else [])


@vendor.get("/etfs")
def etfs() -> Response:
    """The same of exchange-traded funds, without a type."""
    symbol = request.args.get("symbol", "")
    _, exchange = _listing(symbol)
    return _catalog([_listed(symbol, exchange)] if symbol in FUNDS else [])


def _catalog(rows: list[dict[str, str]]) -> Response:
    return answer({"count": len(rows), "data": rows, "status": "ok"}, headers=_credits(1))


def _listed(symbol: str, exchange: str) -> dict[str, str]:
    meta = _meta(symbol, exchange)
    return {
        "symbol": meta["symbol"],
        "name": f"{symbol} Synthetic Corp",
        "currency": meta["currency"],
        "exchange": exchange,
        "mic_code": meta["mic_code"],
        "country": COUNTRIES[exchange],
        "figi_code": "",
        "cfi_code": "ESVUFR",
        "isin": "request_access_via_add_ons",
        "cusip": "request_access_via_add_ons",
    }


def _credits(used: int) -> dict[str, str]:
    return {"api-credits-used": str(used), "api-credits-left": str((FREE_CREDITS if g.free else 610) - used)}


def _part(spelling: str) -> dict[str, Any]:
    """The bars of one ticker, or the error for it."""
    if request.args.get("interval") != "1day":
        abort(_error(400, f"Invalid **interval** provided: {request.args.get('interval')}."))
    adjustment = ADJUSTMENTS.get(request.args.get("adjust", "splits"))
    if adjustment is None:
        abort(_error(400, f"Invalid **adjust** provided: {request.args['adjust']}."))
    ticker, exchange = _listing(spelling)
    if not vendor.listed(ticker):
        return UNKNOWN
    if g.free and _is_abroad(exchange):
        return LARGER_PLAN
    start, end = _day("start_date", FIRST_SESSION), _day("end_date", date.max)
    # The end is exclusive. If there are more rows than requested, the newest are returned.
    trades = [trade for trade in vendor.bars(ticker, start, end, adjustment) if trade.date < end][-_rows_asked() :]
    if not trades:
        return NO_DATA
    if request.args.get("order", "desc") == "desc":
        trades.reverse()
    rows = [vendor.told(ticker, trade.date, _row(trade)) for trade in trades]
    return {"meta": _meta(spelling, exchange), "values": rows, "status": "ok"}


def _listing(spelling: str) -> tuple[str, str]:
    """A ticker with its exchange, and the exchange: from the spelling, or else from the other parameters."""
    ticker, _, exchange = spelling.partition(":")
    country = request.args.get("country", "")
    of_country = next((name for name in COUNTRIES if COUNTRIES[name] == country), country)
    exchange = (exchange or request.args.get("exchange", "") or of_country).upper()
    return (f"{ticker}:{exchange}" if exchange else ticker), exchange or "NASDAQ"


def _rows_asked() -> int:
    # If both dates are given, everything between them is returned.
    usual = MOST_ROWS if {"start_date", "end_date"} <= request.args.keys() else USUAL_ROWS
    rows = request.args.get("outputsize", usual, type=int)
    if not 1 <= rows <= MOST_ROWS:
        abort(_error(400, f"Invalid **outputsize** provided: {rows}."))
    return rows


def _day(name: str, default: date) -> date:
    text = request.args.get(name)
    try:
        return date.fromisoformat(text[:10]) if text else default
    except ValueError:
        abort(_error(400, f"Invalid **{name}** provided: {text}."))


def _meta(spelling: str, exchange: str) -> dict[str, str]:
    currency, timezone, mic = META[exchange]
    return {
        "symbol": spelling.partition(":")[0].upper(),
        "interval": "1day",
        "currency": currency,
        "exchange_timezone": timezone,
        "exchange": exchange,
        "mic_code": mic,
        "type": "Common Stock",
    }


def _row(trade: Trade) -> dict[str, Any]:
    prices = {name: f"{getattr(trade, name):.5f}" for name in ("open", "high", "low", "close")}
    return {"datetime": trade.date.isoformat(), **prices, "volume": str(trade.volume)}
