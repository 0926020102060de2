"""EODHD. Reference: https://eodhd.com/financial-apis/api-for-historical-data-and-volumes"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
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

# Refusals are plain text with Content-Type text/html.
RULES = (
    # Unauthenticated
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # You exceeded your daily API requests limit.  Please contact support@eodhistoricaldata.com, by some with 429
    Rule(402, "", Kind.QUOTA_SPENT, fix="The plan's requests are renewed at midnight GMT."),
    Rule(429, "daily API requests", Kind.QUOTA_SPENT, fix="The plan's requests are renewed at midnight GMT."),
    Rule(429, "", Kind.THROTTLED, wait=60),
    # Ticker Not Found.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
    # Only EOD data allowed for free users · Bulk requests are prohibited for free users. Please, contact our ...
    Rule(None, "free users", Kind.NOT_ENTITLED),
    # Forbidden
    Rule(403, "forbidden", Kind.TICKER_NOT_ENTITLED, fix="The key demo has a few tickers only."),
    # [{"warning":"Data is limited by one year as you have free subscription"}], without a bar beside it
    Rule(
        200,
        "limited by one year",
        Kind.TICKER_NOT_ENTITLED,
        fix="The free plan serves the last year alone, and has nothing of it in the window: set later dates.",
    ),
)

ONE_LETTER_EXCHANGES = ("F", "T", "V")
"""Frankfurt, Tokyo and TSX Venture. Any other single letter after a dot is a class of shares."""


@dataclass(frozen=True, kw_only=True)
class Eodhd(Provider):
    """Bars of one ticker a request, with raw prices, the adjusted close, and volume in the shares of today.

    What follows the last dot of a ticker is its exchange: VOW3.XETRA. One letter is a class of shares instead, so that
    BRK.B is asked for as BRK-B.US, but for the exchanges of one letter. A ticker without an exchange is on `exchange`.

    Adjusted prices are the adjusted close, and the others in proportion to it, as the vendor's guide has it.
    """

    name = "eodhd"
    title = "EODHD"
    key_url = "https://eodhd.com/cp/settings"
    adjustments = (RAW, ALL)

    api_key: str = field(repr=False)
    exchange: str = "US"
    base_url: str = "https://eodhd.com/api"

    def spelling(self, ticker: str) -> str:
        code, dot, exchange = ticker.rpartition(".")
        if not dot or (len(exchange) == 1 and exchange not in ONE_LETTER_EXCHANGES):
            code, exchange = ticker, self.exchange
        return f"{code.replace('.', '-')}.{exchange}"

    def trades_in_new_york(self, ticker: str) -> bool:
        return self.spelling(ticker).endswith(".US")

    def key_params(self) -> Mapping[str, str]:
        return {"api_token": self.api_key}

    def request(self, query: Query) -> Request:
        return self._get(query.ticker, {"from": query.start.isoformat(), "to": query.end.isoformat()})

    def problem(self, response: Response) -> Problem | None:
        rows = decode(response)
        if response.status_code == 200 and isinstance(rows, list):
            if not rows or not all(_only_warns(row) for row in rows):
                return None
            return classify(response, text_at(rows[0], "warning"), RULES)
        # A proxy's page for a 403 says "Forbidden" as well.
        rules = () if body_text(response).lstrip().startswith("<") else RULES
        return classify(response, text_at(rows, "message", "error") or body_text(response), rules)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        for row in decode(response):
            if _only_warns(row):
                continue
            opened, high, low = (number(row[key]) for key in ("open", "high", "low"))
            close, adjusted_close = number(row["close"]), number(row["adjusted_close"])
            if query.adjustment == ALL:
                opened, high, low = (_in_proportion(price, close, adjusted_close) for price in (opened, high, low))
                close = adjusted_close
            yield Bar(
                ticker=query.ticker,
                date=calendar_day(row["date"]),
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=number(row["volume"]),
                adjusted_close=adjusted_close,
            )

    def notice(self, response: Response, query: Query) -> str:
        # The free plan cuts a window to the last year and says so in every row, in the last one, or in one of its own.
        return next((warning for row in decode(response) if (warning := text_at(row, "warning"))), "")

    def reference_request(self, ticker: str) -> Request:
        return self._get(ticker, {"period": "m"})

    def is_listed(self, response: Response) -> bool:
        return bool(decode(response))

    def _get(self, ticker: str, params: dict[str, str]) -> Request:
        # It answers in CSV unless told otherwise.
        return self.get(f"{self.base_url}/eod/{quote(self.spelling(ticker), safe='')}", {**params, "fmt": "json"})


def _only_warns(row: Any) -> bool:
    return bool(text_at(row, "warning")) and "date" not in row


def _in_proportion(price: float | None, close: float | None, adjusted_close: float | None) -> float | None:
    """A price scaled as the close is, in ten digits: a low that is the close stays it."""
    if price is None or not close or adjusted_close is None:
        return None
    return number(f"{price * (adjusted_close / close):.10g}")
