"""Alpaca's market data API. Source: its OpenAPI description and https://docs.alpaca.markets/docs/market-data-faq"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import date, time, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pendulum
from flask import Response, abort, g, request
from pendulum import DateTime

from integration_tests.sandbox.vendor import Hours, Vendor, answer, sandbox
from source_stock_prices.providers.sample_market import Trade
from source_stock_prices.sessions import ZONE

FIRST_DAY = date(2016, 1, 4)
ADJUSTMENTS = {"raw": "raw", "split": "splits", "all": "all"}
IEX_SHARE = 0.02
"""The share of all trades that takes place on IEX."""

ACTIONS = {"forward_split": "forward_splits", "reverse_split": "reverse_splits", "cash_dividend": "cash_dividends"}
"""The supported types of corporate actions, and the group in the response that holds each."""

PAID_AFTER = timedelta(days=21)
"""How long after its ex-date a dividend is paid and processed."""

UNAUTHORIZED = (
    "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
    "<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def _message(status: int, said: str, **code: int) -> Response:
    return answer({**code, "message": said}, status)


REFUSALS = {
    "no-key": partial(answer, UNAUTHORIZED, 401),
    "bad-key": partial(_message, 403, "forbidden."),
    "throttle": partial(_message, 429, "too many requests."),
    "plan": partial(_message, 403, "subscription does not permit querying OTC data"),
    "recent-as-before": partial(
        _message, 422, "your subscription does not permit querying data from the past 15 minutes", code=42210000
    ),
    "recent": partial(_message, 403, "subscription does not permit querying recent SIP data", code=42210000),
}


def _secret(key: str) -> str:
    """The secret that belongs to a key."""
    return key[::-1]


def _key() -> str:
    key, secret = (request.headers.get(f"APCA-API-{name}", "") for name in ("KEY-ID", "SECRET-KEY"))
    return key if not secret or secret == _secret(key) else "a key with the secret of another"


def _market_ticker(spelling: str) -> str | None:
    # Upper case with a dot, as in BRK.B. A symbol with digits is malformed.
    return spelling if re.fullmatch(r"[A-Z]+(\.[A-Z]+)?", spelling) else None


def _symbols() -> list[str]:
    ticker = (request.view_args or {}).get("ticker") or request.args.get("symbols", "")
    return [symbol for symbol in ticker.split(",") if symbol]


vendor = Vendor(
    "alpaca",
    hours=Hours(final=time(20), partial=time(9, 30)),
    key=_key,
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=_symbols,
    credentials=lambda key: {"api_key": key, "api_secret": _secret(key)},
    unknown_is_empty=True,
    fields={
        "open": ("o",),
        "high": ("h",),
        "low": ("l",),
        "close": ("c",),
        "volume": ("v",),
        "split": ("new_rate",),
        "dividend": ("rate",),
        "paid": ("payable_date",),
    },
)


@vendor.after_request
def _count(response: Response) -> Response:
    # The reference has them with 429 too, but there none was ever seen.
    if response.status_code not in (401, 403, 429):
        limit, now = 200 if g.get("free") else 10_000, vendor.now.int_timestamp
        response.headers["X-RateLimit-Limit"] = str(limit)
        response.headers["X-RateLimit-Remaining"] = str(limit - 1)
        response.headers["X-RateLimit-Reset"] = str(now // 60 * 60 + 60)
    return response


@vendor.get("/v2/stocks/bars")
def bars() -> Response:
    """The bars of many tickers, in order of ticker and time. A ticker without bars is left out."""
    page, token = _page()
    by_symbol: dict[str, list[dict[str, Any]]] = {}
    for symbol, trade in page:
        by_symbol.setdefault(symbol, []).append(vendor.told(symbol, trade.date, _row(trade)))
    return answer({"bars": by_symbol, "next_page_token": token})


@vendor.get("/v2/stocks/<ticker>/bars")
def bars_of_one(ticker: str) -> Response:
    """The bars of one ticker; null if there are none."""
    page, token = _page()
    rows = [vendor.told(ticker, trade.date, _row(trade)) for _, trade in page]
    return answer({"bars": rows or None, "symbol": ticker, "next_page_token": token})


@vendor.get("/v1/corporate-actions")
def corporate_actions() -> Response:
    """The actions of some or all tickers processed in a window, oldest first, each in the group of its type."""
    symbols, limit = _listable_symbols() or sandbox().universe, _limit(default=100, most=1000)
    types = [name for name in request.args.get("types", "").split(",") if name] or list(ACTIONS)
    first, last = (_moment(side, vendor.now).date() for side in ("start", "end"))
    processed = sorted(
        (row["process_date"], row["id"], name, row)
        for symbol in set(symbols)
        for name, row in _actions(symbol, first - PAID_AFTER, last)
        if name in types and first.isoformat() <= row["process_date"] <= last.isoformat()
    )
    last_id, last_day = _seen()
    rows = [row for row in processed if row[:2] > (last_day, last_id)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for _, _, name, row in rows[:limit]:
        told = vendor.told(row["symbol"], date.fromisoformat(row["ex_date"]), row)
        groups.setdefault(ACTIONS[name], []).append(told)
    day, last_id, *_ = rows[:limit][-1] if rows else ("", "")
    token = _token(last_id, date.fromisoformat(day)) if rows[limit:] else None
    return answer({"corporate_actions": groups, "next_page_token": token})


def _actions(symbol: str, start: date, end: date) -> Iterator[tuple[str, dict[str, Any]]]:
    """The actions of a ticker whose ex-date is in a window, each with its type."""
    for event in vendor.events(symbol, start, end):
        ex_date, paid = event.date.isoformat(), f"{event.date + PAID_AFTER}"
        of_all = {"ex_date": ex_date, "record_date": f"{event.date + timedelta(days=1)}", "symbol": symbol}
        if event.split != 1:
            kind = "forward_split" if event.split > 1 else "reverse_split"
            cusips = ("cusip",) if event.split > 1 else ("old_cusip", "new_cusip")
            rates = {"new_rate": max(event.split, 1), "old_rate": max(round(1 / event.split), 1)}
            yield kind, {"process_date": ex_date, **_names(symbol, event.id, kind, *cusips), **rates, **of_all}
        if event.dividend:
            dates = {"process_date": paid, "payable_date": paid}
            abroad = {} if event.currency == "USD" else {"currency": event.currency}
            flags = {"foreign": bool(abroad), "special": False, "rate": event.dividend, **abroad}
            yield "cash_dividend", {**_names(symbol, event.id, "cash_dividend", "cusip"), **dates, **flags, **of_all}


def _names(symbol: str, event_id: str, kind: str, *cusips: str) -> dict[str, str]:
    return {"id": str(uuid5(NAMESPACE_OID, f"{symbol} {event_id} {kind}")), **dict.fromkeys(cusips, "000000000")}


def _page() -> tuple[list[tuple[str, Trade]], str | None]:
    """The requested rows, and the token for the next page, which names the last row."""
    symbols, limit = _listable_symbols(), _limit(default=1000, most=10_000)
    if not symbols:
        abort(_message(400, "symbols is required"))
    if request.args.get("timeframe") not in ("1Day", "1D"):
        abort(_message(400, f"invalid timeframe: {request.args.get('timeframe')}"))
    rows = list(islice(_rows(sorted(set(symbols)), *_window(), _seen()), limit + 1))
    page, more = rows[:limit], rows[limit:]
    return page, _token(page[-1][0], page[-1][1].date) if more else None


def _listable_symbols() -> list[str]:
    symbols = _symbols()
    for symbol in symbols:
        if not _market_ticker(symbol):
            abort(_message(400, f"invalid symbol: {symbol}"))
    return symbols


def _limit(default: int, most: int) -> int:
    limit = request.args.get("limit", str(default))
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        abort(_message(400, f"invalid limit: {limit}"))
    return int(limit)


def _token(name: str, day: date) -> str:
    return b64encode(f"{name}|D|{_midnight(day, 9)}".encode()).decode()


def _rows(symbols: list[str], start: date, end: date, seen: tuple[str, str]) -> Iterator[tuple[str, Trade]]:
    adjustment = request.args.get("adjustment", "raw")
    if adjustment not in ADJUSTMENTS:
        abort(_message(400, f"invalid adjustment: {adjustment}"))
    for symbol in symbols:
        for trade in vendor.bars(symbol, max(start, FIRST_DAY), end, ADJUSTMENTS[adjustment]):
            if (symbol, trade.date.isoformat()) > seen:
                yield symbol, trade


def _seen() -> tuple[str, str]:
    """The ticker (or action) and the day of the last row on the previous page."""
    token = request.args.get("page_token")
    if not token:
        return "", ""
    try:
        symbol, _, moment = b64decode(token, validate=True).decode().split("|")
    except ValueError:
        abort(_message(400, "invalid page token"))
    return symbol, moment[:10]


def _window() -> tuple[date, date]:
    """The requested days, whose bars are stamped midnight in New York. Aborts if the plan does not cover the end."""
    feed = request.args.get("feed", "sip")
    if feed not in ("sip", "iex"):
        abort(REFUSALS["plan"]() if feed == "otc" else _message(400, f"invalid feed: {feed}"))
    delayed = g.free and feed == "sip"
    latest = vendor.now.subtract(minutes=15) if delayed else vendor.now
    start, end = _moment("start", vendor.now.start_of("day")), _moment("end", latest, last=True)
    if delayed and end > latest:
        abort(REFUSALS["recent"]())
    if end < start:
        abort(_message(400, "end should not be before start"))
    return start.date() + timedelta(days=start > start.start_of("day")), end.date()


def _moment(name: str, default: DateTime, *, last: bool = False) -> DateTime:
    """A moment in New York. A date stands for the whole day."""
    text = request.args.get(name)
    if not text:
        return default
    try:
        moment = pendulum.parse(text, tz=ZONE)
    except ValueError:
        moment = None
    if not isinstance(moment, DateTime):
        abort(_message(400, f"invalid {name}: {text}"))
    moment = moment.in_timezone(ZONE)
    return moment.end_of("day") if last and len(text) == 10 else moment


def _midnight(day: date, digits: int = 0) -> str:
    start = pendulum.datetime(day.year, day.month, day.day, tz=ZONE).in_timezone("UTC")
    return f"{start:YYYY-MM-DDTHH:mm:ss}{'.' * bool(digits)}{'0' * digits}Z"


def _row(trade: Trade) -> dict[str, Any]:
    share = IEX_SHARE if request.args.get("feed") == "iex" else 1
    return {
        "c": trade.close,
        "h": trade.high,
        "l": trade.low,
        "n": round(trade.trades * share),
        "o": trade.open,
        "t": _midnight(trade.date),
        "v": round(trade.volume * share),
        "vw": trade.vwap,
    }
