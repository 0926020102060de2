"""EODHD. Source: https://eodhd.com/financial-apis/api-for-historical-data-and-volumes"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from functools import partial
from math import prod
from typing import Any

from flask import Response, abort, g, request

from integration_tests.sandbox.book import Event
from integration_tests.sandbox.vendor import Hours, Vendor, answer, sandbox, ticker_in_path
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade

# Refusals are plain text with the content type of HTML.
REFUSALS = {
    "no-key": partial(answer, "Unauthenticated", 401),
    "bad-key": partial(answer, "Unauthenticated", 401),
    "throttle": partial(answer, "Too Many Requests", 429),
    # The two spaces are in the original.
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
    # Upper case, with one dot and an exchange after it, as in BRK-B.US.
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
    fields={
        "open": ("open",),
        "high": ("high",),
        "low": ("low",),
        "close": ("close", "adjusted_close"),
        "volume": ("volume",),
        "split": ("split",),
        "dividend": ("value", "dividend", "unadjustedValue"),
        "paid": ("paymentDate",),
    },
    free_years=1,
)


@vendor.get("/eod/<ticker>")
def bars(ticker: str) -> Response:
    """The bars of one ticker in a window, oldest first, as CSV unless JSON is requested."""
    if not vendor.listed(ticker):
        return answer("Ticker Not Found.", 404)
    start, end = _day("from", FIRST_SESSION), _day("to", date.max)
    oldest = max(start, vendor.oldest or start)
    cut = start < oldest
    raw = vendor.bars(ticker, oldest, end, "raw")
    adjusted = vendor.bars(ticker, raw[0].date, end, "all") if raw else []
    rows = [vendor.told(ticker, trade.date, _row(trade, other)) for trade, other in zip(raw, adjusted, strict=True)]
    if request.args.get("period") == "m":
        rows = list({row["date"][:7]: row for row in rows}.values())
    if request.args.get("order") == "d":
        rows.reverse()
    if cut:
        # The warning is in the last row. If there is no row in the window, it is beside a bar outside of it.
        rows[-1:] = [{**row, "warning": WARNING} for row in rows[-1:] or _outside(ticker, oldest)]
    return _table("Date,Open,High,Low,Close,Adjusted_close,Volume", rows)


def _outside(ticker: str, oldest: date) -> Sequence[Mapping[str, Any]]:
    """The first bar that a plan has, whatever window was asked for; nothing but an empty row where there is none."""
    bars = vendor.bars(ticker, oldest, date.max, "raw")[:1]
    adjusted = vendor.bars(ticker, bars[0].date, date.max, "all")[:1] if bars else []
    return [_row(*pair) for pair in zip(bars, adjusted, strict=True)] or [{}]


@vendor.get("/eod-bulk-last-day/<exchange>")
def day_of_exchange(exchange: str) -> Response:
    """One day of every ticker of an exchange, the last one unless told otherwise: its bars, or with `type` its events.

    A day without a session is empty.
    """
    if g.free:
        return answer("Bulk requests are prohibited for free users. Please, contact our support team", 423)
    spellings = [f"{code}.{exchange}" for code in _codes(exchange)]
    if "type" in request.args:
        return _events_of_day(exchange, spellings, _day("date", vendor.now.date()))
    day = _day("date", max((bar.date for each in spellings[:1] for bar in _last_days(each)), default=FIRST_SESSION))
    rows = []
    for spelling in spellings:
        raw, adjusted = (vendor.bars(spelling, day, day, adjustment) for adjustment in ("raw", "all"))
        head = {"code": spelling.rpartition(".")[0], "exchange_short_name": exchange}
        rows += [vendor.told(spelling, day, {**head, **_row(*pair)}) for pair in zip(raw, adjusted, strict=True)]
    kept, _ = sandbox().book.shortened(day, len(rows))
    return _table("Code,Ex,Date,Open,High,Low,Close,Adjusted_close,Volume", rows[:kept])


def _events_of_day(exchange: str, spellings: Sequence[str], day: date) -> Response:
    """The splits or dividends of a day; of one that is to come there are none."""
    rows = []
    for spelling in spellings:
        head = {"code": spelling.rpartition(".")[0], "exchange": exchange}
        for event in vendor.events(spelling, day, min(day, vendor.now.date())):
            if request.args["type"] == "splits" and event.split != 1:
                rows.append(vendor.told(spelling, day, {**head, "date": f"{day}", "split": _shares(event.split)}))
            elif request.args["type"] == "dividends" and event.dividend:
                rows.append(vendor.told(spelling, day, {**head, **_dividend_of_day(spelling, event)}))
    return _table("Code,Ex,Date,...", rows)


def _dividend_of_day(spelling: str, event: Event) -> dict[str, Any]:
    """As one of a ticker, but that amounts are text, and the one divided by later splits has another name."""
    row = _dividend(event, _shares_since(spelling, event.date))
    row["dividend"] = f"{row.pop('value'):.5f}"
    return row | {"unadjustedValue": f"{row['unadjustedValue']:.10f}"}


def _last_days(spelling: str) -> Sequence[Trade]:
    today = vendor.now.date()
    return vendor.bars(spelling, today - timedelta(days=10), today, "raw")


def _codes(exchange: str) -> list[str]:
    """The vendor's spelling of every ticker of an exchange, without the exchange."""
    codes = [ticker.removesuffix(f".{exchange}") for ticker in vendor.universe() if _exchange_of(ticker) == exchange]
    return [code.replace(".", "-") for code in codes]


@vendor.get("/splits/<ticker>")
def splits(ticker: str) -> Response:
    """The splits of one ticker in a window, oldest first, as new shares / old shares."""
    rows = [
        vendor.told(ticker, event.date, {"date": event.date.isoformat(), "split": _shares(event.split)})
        for event in _events(ticker)
        if event.split != 1
    ]
    return _table("Date,Stock Splits", rows)


@vendor.get("/div/<ticker>")
def dividends(ticker: str) -> Response:
    """The dividends of one ticker in a window, oldest first, both as paid and divided by every later split."""
    rows = [
        vendor.told(ticker, event.date, _dividend(event, _shares_since(ticker, event.date)))
        for event in _events(ticker)
        if event.dividend
    ]
    return _table("Date,Dividends", rows)


@vendor.get("/exchange-symbol-list/<exchange>")
def symbols(exchange: str) -> Response:
    """Every ticker of an exchange: the active ones, or with `delisted=1` the others. There is no date."""
    if g.free:
        return REFUSALS["plan"]()
    is_delisted = request.args.get("delisted") == "1"
    wanted = [code for code in _codes(exchange) if bool(vendor.delisted(f"{code}.{exchange}")) is is_delisted]
    return _table("Code,Name,Country,Exchange,Currency,Type,Isin", [_symbol(code, exchange) for code in wanted])


@vendor.get("/symbol-change-history")
def symbol_changes() -> Response:
    """The changes of tickers in the United States in a window."""
    if g.free:
        return REFUSALS["plan"]()
    start, end = _day("from", FIRST_SESSION), _day("to", date.max)
    rows = [
        {
            "exchange": "US",
            "old_symbol": old.replace(".", "-"),
            "new_symbol": new.replace(".", "-"),
            "company_name": f"{new} Synthetic Corp.",
            "effective": f"{day}",
        }
        for day, old, new in vendor.renamed()
        if start <= day <= end
    ]
    return _table("exchange,old_symbol,new_symbol,company_name,effective", rows)


def _exchange_of(ticker: str) -> str:
    _, _, exchange = ticker.rpartition(".")
    return exchange if len(exchange) > 1 and exchange != ticker else "US"


def _symbol(code: str, exchange: str) -> dict[str, Any]:
    return {
        "Code": code,
        "Name": f"{code} Synthetic Corp.",
        "Country": "USA" if exchange == "US" else "UK",
        "Exchange": "NYSE" if exchange == "US" else exchange,
        "Currency": "USD" if exchange == "US" else "GBX",
        "Type": "Common Stock",
        "Isin": None,
    }


def _shares(split: float) -> str:
    return f"{max(split, 1):.6f}/{max(1 / split, 1):.6f}"


def _dividend(event: Event, split_since: float) -> dict[str, Any]:
    return {
        "date": event.date.isoformat(),
        "declarationDate": f"{event.date - timedelta(days=30)}",
        "recordDate": f"{event.date + timedelta(days=1)}",
        "paymentDate": f"{event.date + timedelta(days=21)}",
        "period": "Quarterly",
        "value": round(event.dividend / split_since, 5),
        "unadjustedValue": event.dividend,
        "currency": event.currency,
    }


def _events(ticker: str) -> Sequence[Event]:
    if g.free:
        abort(REFUSALS["plan"]())  # until the user asks the vendor's support for them
    if not vendor.listed(ticker):
        abort(answer("Symbol not found", 404))  # in other words than those of bars
    return vendor.events(ticker, _day("from", FIRST_SESSION), _day("to", date.max))


def _shares_since(ticker: str, day: date) -> float:
    """How many shares one share of a given day has become."""
    return prod(event.split for event in vendor.events(ticker, day + timedelta(days=1), vendor.now.date()))


def _table(head: str, rows: Sequence[Mapping[str, Any]]) -> Response:
    if request.args.get("fmt") == "json":
        return answer(rows)
    return answer("\n".join([head, *(",".join(map(str, row.values())) for row in rows)]))


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
        "volume": adjusted.volume,  # in today's shares, next to raw prices
    }
