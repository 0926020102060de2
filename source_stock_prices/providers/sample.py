"""Sample: a synthetic market inside the connector, to try it without a key or a network. Its prices are made up.

It responds like a vendor over HTTP, so that what is tried is what is used: only the wire is missing.
"""

from dataclasses import dataclass
from io import BytesIO
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import requests

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, RAW, SPLITS, Fields, Kind, Query, Request, Rows, Rule

FIELDS = Fields(
    vwap="vwap",
    trade_count="trades",
    adjusted_close="adjusted_close",
    dividend="dividend",
    split_factor="split",
)


@dataclass(frozen=True, kw_only=True)
class Sample(Provider):
    """Serves `GET /bars/{ticker}?from=&to=&adjustment=` as `{"bars": [...]}`, and likewise `splits`, `dividends`,
    `tickers` and `ticker_changes`; 404 `{"error": "..."}` for ZZZZ tickers.

    Adjusted prices are those of the window's last day.
    """

    name = "sample"
    title = "Sample market"
    key_url = ""
    adjustments = (RAW, SPLITS, ALL)
    rules = (Rule(404, "no ticker", Kind.UNKNOWN_TICKER),)
    error_keys = ("error",)
    fields = dict.fromkeys(adjustments, FIELDS)
    containers = {"bars": list, "splits": list, "dividends": list, "tickers": list, "ticker_changes": list}
    bars_template = Request(
        "/bars/{ticker}",
        {"from": "{start}", "to": "{end}", "adjustment": "{adjustment}"},
    )

    base_url: str = "https://sample.invalid"

    def rows(self, answer: Answer, query: Query) -> Rows:
        rows: Rows = answer.json["bars"]
        return rows

    def exchange_of(self, ticker: str) -> str:
        from source_stock_prices.providers.sample_market import exchange_of

        return exchange_of(ticker)

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
