"""Massive, formerly Polygon.io. Reference: https://massive.com/docs/rest/stocks/aggregates/custom-bars"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import quote

from requests import Response

from source_stock_prices.providers.base import (
    ANY,
    RAW,
    SPLITS,
    Bar,
    Kind,
    Problem,
    Provider,
    Query,
    Request,
    Rule,
    body_text,
    classify,
    decode,
    new_york_day,
    numbers,
    on_host,
    text_at,
)

RULES = (
    # {"status":"ERROR","error":"Unknown API Key"} · {"status":"ERROR","error":"API Key was not provided"}
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # {"status":"NOT_AUTHORIZED","message":"Attempted to request today's data before end of day. Please upgrade ..."}
    # All of status NOT_AUTHORIZED were also seen with HTTP 200.
    Rule(None, "before end of day", Kind.NOT_YET),
    # {"status":"NOT_AUTHORIZED","message":"Your plan doesn't include this data timeframe. Please upgrade ..."}
    Rule(None, "timeframe", Kind.NOT_ENTITLED, fix="Set a later start_date (the free plan reaches back 2 years)."),
    # {"status":"NOT_AUTHORIZED","message":"You are not entitled to this data. Please upgrade your plan at ..."}
    Rule(None, "not entitled", Kind.NOT_ENTITLED),
    # {"status":"NOT_FOUND","message":"Ticker not found."}, from the ticker reference alone: bars of an unknown
    # ticker are an empty 200.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
    # {"status":"ERROR","error":"You've exceeded the maximum requests per minute, please wait or upgrade ..."},
    # also seen with an empty body, never with Retry-After.
    Rule(429, "", Kind.THROTTLED, wait=60),
)


@dataclass(frozen=True, kw_only=True)
class Massive(Provider):
    """Bars of one ticker a request, or of every ticker for one day, raw or adjusted for splits.

    They are timed by the start of the day in New York, those of every ticker by its close.
    """

    name = "massive"
    aliases = ("polygon",)
    title = "Massive (formerly Polygon.io)"
    key_url = "https://massive.com/dashboard/keys"
    adjustments = (RAW, SPLITS)
    free_requests_per_minute = 5
    whole_market_by_date = True

    api_key: str = field(repr=False)
    base_url: str = "https://api.massive.com"

    def key_headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def request(self, query: Query) -> Request:
        adjusted = "true" if query.adjustment == SPLITS else "false"
        if len(query.tickers) > 1 or query.tickers == (ANY,):
            return self.get(
                f"{self.base_url}/v2/aggs/grouped/locale/us/market/stocks/{query.start}",
                {"adjusted": adjusted, "include_otc": "true"},
            )
        ticker = quote(query.ticker, safe="")  # case matters: KIMpL is a preferred share
        return self.get(
            f"{self.base_url}/v2/aggs/ticker/{ticker}/range/1/day/{query.start}/{query.end}",
            {"adjusted": adjusted, "sort": "asc", "limit": "50000"},
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        # "DELAYED" stands for "OK" on plans with delayed data.
        if response.status_code == 200 and text_at(body, "status") in ("OK", "DELAYED"):
            return None
        return classify(response, text_at(body, "error", "message") or body_text(response), RULES)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        body, tickers = decode(response), query.tickers
        alone = tickers[0] if len(tickers) == 1 and tickers != (ANY,) else None
        wanted = frozenset(tickers) if tickers != (ANY,) else None
        # An answer without bars has no `results` at all, and says so: {"resultsCount":0,"queryCount":0,"status":"OK"}
        rows = body["results"] if body["resultsCount"] or "results" in body else ()
        if rows and alone and body.get("ticker", alone).upper() != alone.upper():
            raise ValueError(f"bars of {body['ticker']}")
        for row in rows:
            ticker = alone or row["T"]
            if wanted and ticker not in wanted:
                continue
            opened, high, low, close, volume, vwap, count = numbers(
                row["o"], row["h"], row["l"], row["c"], row["v"], row.get("vw"), row.get("n")
            )
            yield Bar(ticker, new_york_day(row["t"]), close, opened, high, low, volume, vwap, count)

    def next_request(self, response: Response) -> Request | None:
        # The link carries the host of the official API and no key, whatever host was asked.
        link = text_at(decode(response), "next_url")
        return self.get(on_host(self.base_url, link)) if link else None

    def splits_request(self, start: date, end: date) -> Request:
        window = {"execution_date.gte": start.isoformat(), "execution_date.lte": end.isoformat()}
        return self.get(f"{self.base_url}/stocks/v1/splits", {**window, "limit": "5000"})

    def split_tickers(self, response: Response) -> Iterable[str]:
        return [row["ticker"] for row in decode(response).get("results", ())]

    def reference_request(self, ticker: str) -> Request:
        return self.get(f"{self.base_url}/v3/reference/tickers/{quote(ticker, safe='')}")
