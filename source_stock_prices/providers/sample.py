"""Sample: a synthetic market inside the connector, to try it without a key or a network. Its prices are made up.

It answers like a vendor over HTTP, so that what is tried is what is used: only the wire is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import orjson
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from source_stock_prices.providers.base import (
    ALL,
    RAW,
    SPLITS,
    Bar,
    Kind,
    Problem,
    Provider,
    Query,
    Request,
    Rule,
    calendar_day,
    classify,
    decode,
    number,
    text_at,
)

if TYPE_CHECKING:
    from source_stock_prices.market import Trade


@dataclass(frozen=True, kw_only=True)
class Sample(Provider):
    """Serves `GET /bars/{ticker}?from=&to=&adjustment=` as `{"bars": [...]}`, and likewise `splits`, `dividends` and
    `tickers`; 404 `{"error": "..."}` for ZZZZ tickers.

    Adjusted prices are those of the window's last day.
    """

    name = "sample"
    title = "Sample market"
    key_url = ""
    adjustments = (RAW, SPLITS, ALL)

    base_url: str = "https://sample.invalid"

    def request(self, query: Query) -> Request:
        window = {"from": query.start.isoformat(), "to": query.end.isoformat(), "adjustment": query.adjustment}
        return Request(f"{self.base_url}/bars/{quote(query.ticker, safe='')}", window)

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        if response.status_code == 200 and isinstance(body, dict) and ANSWERS.keys() & body.keys():
            return None
        return classify(response, text_at(body, "error"), [Rule(404, "no ticker", Kind.UNKNOWN_TICKER)])

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        for row in decode(response)["bars"]:
            yield Bar(
                ticker=query.ticker,
                date=calendar_day(row["date"]),
                open=number(row["open"]),
                high=number(row["high"]),
                low=number(row["low"]),
                close=number(row["close"]),
                volume=number(row["volume"]),
                vwap=number(row["vwap"]),
                trade_count=number(row["trades"]),
                adjusted_close=number(row["adjusted_close"]),
                dividend=number(row["dividend"]),
                split_factor=number(row["split"]),
            )

    def adapter(self) -> BaseAdapter:
        return _InProcess()


class _InProcess(BaseAdapter):
    """Answers a prepared request from the synthetic market."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        url = urlsplit(request.url or "")
        _, kind, ticker = url.path.split("/")
        status, body = _answer(kind, unquote(ticker), dict(parse_qsl(url.query)))
        response = Response()
        response.status_code, response.request, response.url = status, request, request.url or ""
        response.headers = CaseInsensitiveDict({"Content-Type": "application/json"})
        response.raw = BytesIO(orjson.dumps(body))
        return response

    def close(self) -> None:
        pass


def _answer(kind: str, ticker: str, params: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
    from source_stock_prices import market

    if not market.is_listed(ticker):
        return 404, {"error": f"no ticker {ticker} on the sample market"}
    return 200, {kind: ANSWERS[kind](ticker, params)}


def _bars(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    from source_stock_prices import market

    start, end = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
    closes = {
        trade.date: trade.close for trade in market.adjusted_trades(ticker, start, end, adjustment="all", as_of=end)
    }
    window = market.adjusted_trades(ticker, start, end, params["adjustment"], as_of=end)
    return [{**trade._asdict(), "adjusted_close": closes[trade.date]} for trade in window]


def _splits(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"date": trade.date, "ratio": trade.split} for trade in _trades(ticker, params) if trade.split != 1]


def _dividends(ticker: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"date": trade.date, "amount": trade.dividend} for trade in _trades(ticker, params) if trade.dividend]


def _tickers(ticker: str, _: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": f"{ticker} (made up)"}]


def _trades(ticker: str, params: Mapping[str, str]) -> Iterable[Trade]:
    from source_stock_prices import market

    return market.trades(ticker, date.fromisoformat(params["from"]), date.fromisoformat(params["to"]))


ANSWERS: Mapping[str, Callable[[str, Mapping[str, str]], list[dict[str, Any]]]] = {
    "bars": _bars,
    "splits": _splits,
    "dividends": _dividends,
    "tickers": _tickers,
}
