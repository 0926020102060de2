"""Tiingo. Reference: https://www.tiingo.com/documentation/end-of-day"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from requests import Response

from source_stock_prices.providers.base import (
    ALL,
    RAW,
    Bar,
    Kind,
    Problem,
    Provider,
    Query,
    Request,
    Rule,
    body_text,
    calendar_day,
    classify,
    decode,
    number,
    text_at,
)

RULES = (
    # {"detail":"Please supply a token"}, with 403 · {"detail":"Invalid token."}
    Rule(None, "supply a token", Kind.BAD_CREDENTIALS),
    Rule(None, "invalid token", Kind.BAD_CREDENTIALS),
    # {"detail":"Error: You have run over your hourly request allocation. Please upgrade at ..."}, renewed on the hour
    Rule(None, "hourly request allocation", Kind.THROTTLED, period=3600),
    # ... "your daily request allocation" · 200 and plain text: "You have run over your 500 symbol look up for this
    # month. Please upgrade at ..."
    Rule(None, "daily request allocation", Kind.QUOTA_SPENT, fix="The plan's requests are renewed tomorrow."),
    Rule(None, "symbol look up", Kind.QUOTA_SPENT, fix="The plan's tickers are renewed next month."),
    Rule(None, "run over", Kind.QUOTA_SPENT),
    # {"detail":"Error: Ticker 'ZZZZ' not found"} · {"detail":"Not found."}
    Rule(404, "not found", Kind.UNKNOWN_TICKER),
    # {"detail":"You do not have permission to access the ... API"}
    Rule(403, "permission", Kind.NOT_ENTITLED),
)


@dataclass(frozen=True, kw_only=True)
class Tiingo(Provider):
    """Bars of one ticker a request, with raw and fully adjusted prices, dividend and split in every row."""

    name = "tiingo"
    title = "Tiingo"
    key_url = "https://www.tiingo.com/account/api/token"
    adjustments = (RAW, ALL)

    api_key: str = field(repr=False)
    base_url: str = "https://api.tiingo.com"

    def spelling(self, ticker: str) -> str:
        return ticker.replace(".", "-")  # BRK.B is BRK-B

    def key_headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Token {self.api_key}"}

    def request(self, query: Query) -> Request:
        return self.get(
            f"{self.base_url}/tiingo/daily/{self._path(query.ticker)}/prices",
            {"startDate": query.start.isoformat(), "endDate": query.end.isoformat(), "format": "json"},
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        if response.status_code == 200 and (isinstance(body, list) or text_at(body, "ticker")):
            return None
        detail = text_at(body, "detail")
        # A proxy's HTML page for a 404 says "Not Found" as well; only the monthly quota is refused in plain text.
        rules = RULES if detail or response.status_code == 200 else ()
        return classify(response, detail or body_text(response), rules)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        opened, high, low, close, volume = (
            ("open", "high", "low", "close", "volume")
            if query.adjustment == RAW
            else ("adjOpen", "adjHigh", "adjLow", "adjClose", "adjVolume")
        )
        for row in decode(response):
            yield Bar(
                ticker=query.ticker,
                date=calendar_day(row["date"]),  # 2023-01-03T00:00:00.000Z or 2018-04-12T00:00:00+00:00
                open=number(row[opened]),
                high=number(row[high]),
                low=number(row[low]),
                close=number(row[close]),
                volume=number(row[volume]),
                adjusted_close=number(row["adjClose"]),
                dividend=number(row["divCash"]),
                split_factor=number(row["splitFactor"]),
            )

    def reference_request(self, ticker: str) -> Request:
        return self.get(f"{self.base_url}/tiingo/daily/{self._path(ticker)}")

    def _path(self, ticker: str) -> str:
        return quote(self.spelling(ticker), safe="")
