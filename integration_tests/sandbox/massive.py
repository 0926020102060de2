"""Massive, formerly Polygon.io. Source: https://massive.com/docs/rest/stocks/aggregates/custom-bars"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson
from flask import Response, abort, g, request

from integration_tests.sandbox.book import Event
from integration_tests.sandbox.vendor import Hours, Vendor, answer, key_after, sandbox, ticker_in_path
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade
from source_stock_prices.sessions import ZONE

HOST = "https://api.massive.com"
"""The host in every `next_url`, whatever host the request was sent to."""

START, CLOSE = time(0), time(16)
FRACTIONS_SINCE = date(2026, 2, 1)


def _request_id() -> str:
    return str(g.setdefault("request_id", uuid4().hex))


def _error(status: int, said: str) -> Response:
    return answer({"status": "ERROR", "request_id": _request_id(), "error": said}, status)


def _message(status: int, kind: str, said: str) -> Response:
    return answer({"status": kind, "request_id": _request_id(), "message": said}, status)


UPGRADE = "Please upgrade your plan at https://polygon.io/pricing"
REFUSALS = {
    "no-key": partial(_error, 401, "API Key was not provided"),
    "bad-key": partial(_error, 401, "Unknown API Key"),
    "throttle": partial(
        _error,
        429,
        "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
        "https://polygon.io/pricing",
    ),
    # The same body has been seen with status 200.
    "throttle-in-200": partial(
        _error, 200, "You've exceeded the maximum requests per minute, please wait or upgrade your subscription."
    ),
    "plan": partial(_message, 403, "NOT_AUTHORIZED", f"You are not entitled to this data. {UPGRADE}"),
    "today": partial(
        _message, 403, "NOT_AUTHORIZED", f"Attempted to request today's data before end of day. {UPGRADE}"
    ),
    "timeframe": partial(_message, 403, "NOT_AUTHORIZED", f"Your plan doesn't include this data timeframe. {UPGRADE}"),
    "unknown-ticker": partial(_message, 404, "NOT_FOUND", "Ticker not found."),
}


def _market_ticker(spelling: str) -> str | None:
    # Tickers are case-sensitive: a lower-case p marks a preferred share (KIMpL).
    return spelling if re.fullmatch(r"[A-Z0-9]+(p[A-Z]?)?(\.[A-Z]+)?", spelling) else None


vendor = Vendor(
    "massive",
    hours=Hours(final=time(16, 15), partial=time(9, 30)),
    key=lambda: key_after("Bearer") or request.args.get("apiKey", ""),
    refusals=REFUSALS,
    market_ticker=_market_ticker,
    tickers=lambda: ticker_in_path() or filter(None, request.args.get("ticker.any_of", "").split(",")),
    unknown_is_empty=True,
    fields={
        "open": ("o",),
        "high": ("h",),
        "low": ("l",),
        "close": ("c",),
        "volume": ("v",),
        "split": ("split_to",),
        "dividend": ("cash_amount",),
        "paid": ("pay_date",),
    },
    free_years=2,
)


@vendor.after_request
def _stamp(response: Response) -> Response:
    response.headers["X-Request-Id"] = _request_id()
    return response


@vendor.get("/v2/aggs/ticker/<ticker>/range/1/day/<start>/<end>")
def ticker_bars(ticker: str, start: str, end: str) -> Response:
    """The bars of one ticker in a window, stamped with the start of the day in New York."""
    asked = _asked()
    first, last = _window(start, end)
    trades = vendor.bars(ticker, first, last, _adjustment(asked))
    descending = asked.get("sort") == "desc"
    if descending:
        trades.reverse()
    limit = _limit(asked, default=5000, most=50_000)
    page, rest = trades[:limit], trades[limit:]
    # Without bars there is no `results`, not even an empty list, or null.
    rows = [vendor.told(ticker, trade.date, _row(trade, START)) for trade in page]
    results = {"results": rows} if rows else {"results": None} if vendor.listed(ticker) else {}
    body = {"ticker": ticker, **_envelope(len(page), asked, results)}
    if rest:
        onward = _epoch_ms(rest[0].date, START)
        window = f"{start}/{onward}" if descending else f"{onward}/{end}"
        body["next_url"] = _link(f"/v2/aggs/ticker/{quote(ticker)}/range/1/day/{window}", asked)
    return answer(body)


@vendor.get("/v2/aggs/grouped/locale/us/market/stocks/<day>")
def market_bars(day: str) -> Response:
    """One session of every ticker, stamped with the close. A day without a session has an empty list."""
    asked = _asked()
    first, _ = _window(day, day)
    rows = [
        vendor.told(ticker, first, {"T": ticker, **_row(trade, CLOSE)})
        for ticker in sandbox().universe
        if sandbox().book.is_known(ticker, vendor.now.date())
        for trade in vendor.published(ticker, first, first, _adjustment(asked))
    ]
    kept, count = sandbox().book.shortened(first, len(rows))
    return answer(_envelope(count, asked, {"results": rows[:kept]}))


@vendor.get("/stocks/v1/splits")
def splits() -> Response:
    """The splits and spin-offs of some or all tickers in a window that are known by now, latest first."""
    rows = [
        vendor.told(ticker, event.date, _spin_off(ticker, event) if event.spun_off else _split(ticker, event))
        for ticker, event in sorted(_events("execution_date"), key=lambda found: found[1].date, reverse=True)
        if event.split != 1 or event.spun_off
    ]
    return _page(rows)


@vendor.get("/stocks/v1/dividends")
def dividends() -> Response:
    """The dividends of some or all tickers in a window that are known by now, sorted by ticker."""
    rows = [
        vendor.told(ticker, event.date, _dividend(ticker, event))
        for ticker, event in sorted(_events("ex_dividend_date"), key=lambda found: found[0])
        if event.dividend
    ]
    return _page(rows)


def _split(ticker: str, event: Event) -> dict[str, Any]:
    return {
        "id": f"{ticker}{event.id}",
        "ticker": ticker,
        "execution_date": event.date.isoformat(),
        "split_from": 1 if event.split > 1 else round(1 / event.split),
        "split_to": event.split if event.split > 1 else 1,
        "adjustment_type": "forward_split" if event.split > 1 else "reverse_split",
        "historical_adjustment_factor": 1 / event.split,
    }


def _spin_off(ticker: str, event: Event) -> dict[str, Any]:
    ratio = {"split_from": 1, "split_to": 1 + event.spun_off, "adjustment_type": "spin_off"}
    return {**_split(ticker, event), **ratio}


def _dividend(ticker: str, event: Event) -> dict[str, Any]:
    return {
        "id": f"{ticker}{event.id}",
        "ticker": ticker,
        "cash_amount": event.dividend,
        "currency": event.currency,
        "declaration_date": f"{event.date - timedelta(days=30)}",
        "ex_dividend_date": event.date.isoformat(),
        "record_date": f"{event.date + timedelta(days=1)}",
        "pay_date": f"{event.date + timedelta(days=21)}",
        "frequency": 4,
        "distribution_type": "recurring",
        "split_adjusted_cash_amount": event.dividend,
        "historical_adjustment_factor": 1,
    }


def _events(day: str) -> Iterator[tuple[str, Event]]:
    asked = _asked()
    if "ap" in asked:
        sandbox().between_pages()
    first, last = _day(asked[f"{day}.gte"], "from"), _day(asked[f"{day}.lte"], "to")
    tickers = asked["ticker.any_of"].split(",") if "ticker.any_of" in asked else sandbox().universe
    for ticker in tickers:
        for event in vendor.events(ticker, first, last):
            yield ticker, event


def _page(rows: Sequence[Any]) -> Response:
    asked = _asked()
    offset, limit = int(asked.get("ap", "0")), _limit(asked, default=100, most=5000)
    body = {"results": rows[offset : offset + limit], "status": "OK", "request_id": _request_id()}
    if rows[offset + limit :]:
        body["next_url"] = _link(request.path.removeprefix("/massive"), {**asked, "ap": str(offset + limit)})
    return answer(body)


@vendor.get("/v3/reference/tickers/<ticker>")
def ticker_reference(ticker: str) -> Response:
    """The reference data of one ticker."""
    if not vendor.listed(ticker) or vendor.delisted(ticker):
        return REFUSALS["unknown-ticker"]()
    return answer({"request_id": _request_id(), "results": _reference(ticker), "status": "OK"})


@vendor.get("/vX/reference/tickers/<ticker>/events")
def ticker_events(ticker: str) -> Response:
    """The tickers that a company had, each with its first day, latest first; 404 for an unknown or a delisted one."""
    if not vendor.listed(ticker) or vendor.delisted(ticker):
        return _message(404, "NOT_FOUND", "No events found for given ID")
    name, events = ticker, []
    for day, old, new in reversed(vendor.renamed()):
        if new == name:
            events.append((day, new))
            name = old
    events.append((FIRST_SESSION, name))
    told = [{"ticker_change": {"ticker": had}, "type": "ticker_change", "date": f"{day}"} for day, had in events]
    body = {"name": f"{ticker} Synthetic Corp.", "composite_figi": "", "cik": "", "events": told}
    return answer({"request_id": _request_id(), "results": body, "status": "OK"})


@vendor.get("/v3/reference/tickers")
def ticker_references() -> Response:
    """The tickers of the market that are traded, or of those that are not, sorted by name, in pages."""
    asked = _asked()
    is_active = asked.get("active", "true") == "true"
    names = sorted(sandbox().universe, reverse=asked.get("order") == "desc")
    names = [name for name in names if asked.get("ticker", name) == name]
    names = [name for name in names if (vendor.delisted(name) is None) is is_active]
    offset, limit = int(asked.get("ap", "0")), _limit(asked, default=100, most=1000)
    page = names[offset : offset + limit]
    results = [_reference(name) for name in page]
    body = {"results": results, "status": "OK", "request_id": _request_id(), "count": len(page)}
    if names[offset + limit :]:
        body["next_url"] = _link("/v3/reference/tickers", {**asked, "ap": str(offset + limit)})
    return answer(body)


def _asked() -> dict[str, str]:
    """The parameters of the request; on later pages they are in the cursor. The key is not included."""
    cursor = request.args.get("cursor")
    if cursor is None:
        return {name: value for name, value in request.args.items() if name != "apiKey"}
    try:
        return dict(parse_qsl(urlsafe_b64decode(cursor + "==").decode()))
    except ValueError:
        abort(_error(400, "The 'cursor' parameter is invalid"))


def _link(path: str, asked: Mapping[str, str]) -> str:
    cursor = urlsafe_b64encode(urlencode(asked).encode()).decode().rstrip("=")
    return f"{HOST}{path}?cursor={cursor}"


def _adjustment(asked: Mapping[str, str]) -> str:
    return "raw" if asked.get("adjusted") == "false" else "splits"


def _limit(asked: Mapping[str, str], default: int, most: int) -> int:
    text = asked.get("limit", str(default))
    if not text.isdecimal() or int(text) == 0:
        abort(_error(400, "The 'limit' parameter must be a positive number"))
    return min(int(text), most)


def _window(start: str, end: str) -> tuple[date, date]:
    """The first and last day of a window. Aborts if the plan does not cover them."""
    first, last, today = _day(start, "from"), _day(end, "to"), vendor.now.date()
    if last < first:
        abort(_error(400, "The parameter 'to' cannot be a time that occurs before 'from'"))
    if g.free and last == today:
        abort(REFUSALS["today"]())
    # The words are the same for days that are too new.
    if last > today or (vendor.oldest and first < vendor.oldest):
        abort(REFUSALS["timeframe"]())
    return first, last


def _day(text: str, name: str) -> date:
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / 1000, ZoneInfo(ZONE)).date()
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        abort(_error(400, f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD or Unix MS Timestamps"))


def _epoch_ms(day: date, moment: time) -> int:
    return int(datetime.combine(day, moment, ZoneInfo(ZONE)).timestamp()) * 1000


def _envelope(count: int, asked: Mapping[str, str], results: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "queryCount": count,
        "resultsCount": count,
        "adjusted": _adjustment(asked) == "splits",
        **results,
        "status": "DELAYED" if g.free else "OK",
        "request_id": _request_id(),
        "count": count,
    }


def _row(trade: Trade, moment: time) -> dict[str, Any]:
    is_fractional = trade.volume and trade.date >= FRACTIONS_SINCE
    volume = trade.volume + (0.679189 if is_fractional else 0)
    return {
        "v": _shortest(volume),
        "vw": trade.vwap,
        "o": trade.open,
        "c": trade.close,
        "h": trade.high,
        "l": trade.low,
        "t": _epoch_ms(trade.date, moment),
        "n": trade.trades,
    }


def _shortest(volume: float) -> orjson.Fragment:
    # As in recorded responses: "v":1.12117471e+08, but smaller numbers without an exponent: "v":25933.6
    digits = Decimal(repr(volume)).normalize()
    mantissa, _, exponent = f"{digits:e}".partition("e")
    return orjson.Fragment(f"{mantissa}e{int(exponent):+03d}" if volume >= 1e6 else f"{digits:f}")


def _reference(ticker: str) -> dict[str, Any]:
    day = vendor.delisted(ticker)
    delisted = {"delisted_utc": f"{day}T00:00:00Z"} if day else {}
    return {
        "ticker": ticker,
        "name": f"{ticker} Synthetic Corp.",
        "market": "stocks",
        "locale": "us",
        "primary_exchange": "XNYS",
        "type": "CS",
        "active": not delisted,
        **delisted,
        "currency_name": "usd",
        "last_updated_utc": f"{vendor.hours.last_final(vendor.now)}T00:00:00Z",
    }
