"""Sample: a synthetic market inside the connector, to try it without a key or a network. Its prices are made up.

It responds like a vendor over HTTP, so that what is tried is what is used: only the wire is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import requests

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    SPLITS,
    USD,
    Fields,
    Kind,
    Query,
    Request,
    Rule,
)

FIELDS = Fields(
    vwap="vwap",
    trade_count="trades",
    adjusted_close="adjusted_close",
    dividend="dividend",
    split_factor="split",
)


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
    rules = (Rule(404, "no ticker", Kind.UNKNOWN_TICKER),)
    error_keys = ("error",)
    fields = dict.fromkeys(adjustments, FIELDS)

    base_url: str = "https://sample.invalid"

    def request(self, query: Query) -> Request:
        params = {
            "from": str(query.start),
            "to": str(query.end),
            "adjustment": query.adjustment,
        }
        return self.get(f"{self.base_url}/bars/{self.in_path(query.ticker)}", params)

    def currency(self, ticker: str) -> str | None:
        return USD

    def has_rows(self, answer: Answer) -> bool:
        return any(answer.get(kind) is not None for kind in ("bars", "splits", "dividends", "tickers"))

    def rows(self, answer: Answer, query: Query) -> Iterable[Any]:
        rows: Iterable[Any] = answer.json["bars"]
        return rows

    def respond(self, request: Request) -> requests.Response:
        from source_stock_prices.providers.sample_market import answer

        asked = requests.Request("GET", request.url, request.headers, params=request.params).prepare()
        url = urlsplit(asked.url or "")
        _, kind, ticker = url.path.split("/")
        params = dict(parse_qsl(url.query))
        status, body = answer(kind, unquote(ticker), params)
        response = requests.Response()
        response.status_code = status
        response.request = asked
        response.url = asked.url or ""
        response.headers["Content-Type"] = "application/json"
        response.raw = BytesIO(orjson.dumps(body))
        return response
