"""Massive, formerly Polygon.io. Reference: https://massive.com/docs/rest/stocks/aggregates/custom-bars"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from source_stock_prices.providers.answer import Answer, new_york_day, numbers, on_host
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ANY, RAW, SPLITS, Bar, Kind, Query, Request, Rule

RULES = (
    # {"status":"ERROR","error":"Unknown API Key"} · {"status":"ERROR","error":"API Key was not provided"}
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # {"status":"NOT_AUTHORIZED","message":"Attempted to request today's data before end of day. Please upgrade ..."}
    # All of status NOT_AUTHORIZED were also seen with HTTP 200.
    Rule(None, "before end of day", Kind.NOT_YET),
    # {"status":"NOT_AUTHORIZED","message":"Your plan doesn't include this data timeframe. Please upgrade ..."}
    Rule(None, "timeframe", Kind.NOT_ENTITLED, fix="Set a later start_date (the free plan covers 2 years)."),
    # {"status":"NOT_AUTHORIZED","message":"You are not entitled to this data. Please upgrade your plan at ..."}
    Rule(None, "not entitled", Kind.NOT_ENTITLED),
    # {"status":"NOT_FOUND","message":"Ticker not found."}, only from the ticker reference: bars of an unknown
    # ticker are an empty 200.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
    # {"status":"ERROR","error":"You've exceeded the maximum requests per minute, please wait or upgrade ..."},
    # also seen with an empty body, never with Retry-After.
    Rule(429, "", Kind.THROTTLED, wait=60),
)


@dataclass(frozen=True, kw_only=True)
class Massive(Provider):
    """Bars of one ticker a request, or of every ticker for one day, raw or adjusted for splits.

    They are timed by the start of the day in New York, those of the whole market by its close.
    """

    name = "massive"
    aliases = ("polygon",)
    title = "Massive (formerly Polygon.io)"
    key_url = "https://massive.com/dashboard/keys"
    adjustments = (RAW, SPLITS)
    free_requests_per_minute = 5
    whole_market_by_date = True
    key_in_headers = {"Authorization": "Bearer {api_key}"}
    rules = RULES
    error_keys = ("error", "message")

    api_key: str = field(repr=False)
    base_url: str = "https://api.massive.com"

    def request(self, query: Query) -> Request:
        adjusted = "true" if query.adjustment == SPLITS else "false"
        if _is_by_date(query):
            url = f"{self.base_url}/v2/aggs/grouped/locale/us/market/stocks/{query.start}"
            return self.get(url, {"adjusted": adjusted, "include_otc": "true"})
        ticker = self.in_path(query.ticker)  # case matters: KIMpL is a preferred share
        url = f"{self.base_url}/v2/aggs/ticker/{ticker}/range/1/day/{query.start}/{query.end}"
        return self.get(url, {"adjusted": adjusted, "sort": "asc", "limit": "50000"})

    def next_request(self, answer: Answer) -> Request | None:
        # The link has the host of the official API and no key, whatever host was asked.
        link = answer.text_at("next_url")
        return self.get(on_host(self.base_url, link)) if link else None

    def reference_request(self, ticker: str) -> Request:
        return self.get(f"{self.base_url}/v3/reference/tickers/{self.in_path(ticker)}")

    def has_rows(self, answer: Answer) -> bool:
        return answer.text_at("status") in ("OK", "DELAYED")  # DELAYED: OK, on plans with delayed data

    def rows(self, answer: Answer, query: Query) -> Iterable[Any]:
        body = answer.json
        # An answer without bars has no `results` at all, and says so: {"resultsCount":0,"queryCount":0,"status":"OK"}
        rows = body["results"] if body["resultsCount"] or "results" in body else ()
        if query.tickers == (ANY,):
            return ((row["T"], row) for row in rows)
        if _is_by_date(query):
            wanted = frozenset(query.tickers)
            return ((row["T"], row) for row in rows if row["T"] in wanted)
        ticker = query.ticker
        if rows and body.get("ticker", ticker).upper() != ticker.upper():
            raise ValueError(f"bars of {body['ticker']}")
        return zip(repeat(ticker), rows)

    def bar(self, row: Any, query: Query) -> Bar | None:
        ticker, row = row  # spelled out, because an answer can have the whole market
        opened, high, low, close, volume, vwap, count = numbers(
            row["o"], row["h"], row["l"], row["c"], row["v"], row.get("vw"), row.get("n")
        )
        return Bar(ticker, new_york_day(row["t"]), close, opened, high, low, volume, vwap, count)


def _is_by_date(query: Query) -> bool:
    return len(query.tickers) > 1 or query.tickers == (ANY,)
