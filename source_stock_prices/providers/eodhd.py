"""EODHD. Reference: https://eodhd.com/financial-apis/api-for-historical-data-and-volumes"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_stock_prices.providers.answer import Answer, number, text_at
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    USD,
    Bar,
    Fields,
    Kind,
    Query,
    Request,
    Rule,
)

MIDNIGHT = "The request quota resets at midnight GMT."
LAST_YEAR_ONLY = "The free plan covers the last year."
# Refusals are plain text with Content-Type text/html.
RULES = (
    # Unauthenticated
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # You exceeded your daily API requests limit.  Please contact support@eodhistoricaldata.com, by some with 429
    Rule(
        402,
        "",
        Kind.QUOTA_SPENT,
        fix=MIDNIGHT,
    ),
    Rule(
        429,
        "daily API requests",
        Kind.QUOTA_SPENT,
        fix=MIDNIGHT,
    ),
    Rule(429, "", Kind.THROTTLED, wait=60),
    # Ticker Not Found.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
    # Only EOD data allowed for free users · Bulk requests are prohibited for free users. Please, contact our ...
    Rule(None, "free users", Kind.NOT_ENTITLED),
    # Forbidden
    Rule(
        403,
        "forbidden",
        Kind.TICKER_NOT_ENTITLED,
        fix="The demo key covers only a few tickers.",
    ),
    # [{"warning":"Data is limited by one year as you have free subscription"}], without a bar beside it
    Rule(
        200,
        "limited by one year",
        Kind.BEYOND_PLAN,
        fix=LAST_YEAR_ONLY,
    ),
)

ONE_LETTER_EXCHANGES = ("F", "T", "V")
"""Frankfurt, Tokyo and TSX Venture. Any other single letter after a dot is a share class."""


@dataclass(frozen=True, kw_only=True)
class Eodhd(Provider):
    """Bars of one ticker a request, with raw prices and the adjusted close.

    What follows the last dot of a ticker is its exchange: VOW3.XETRA. A single letter is a share class instead, unless
    it is one of the exchanges with one letter: BRK.B is BRK-B.US. A ticker without an exchange is on `exchange`.

    Adjusted prices are the adjusted close, and the other prices in proportion to it, as the vendor's guide says. The
    volume is in the shares of today, so there is none beside raw prices.
    """

    name = "eodhd"
    title = "EODHD"
    key_url = "https://eodhd.com/cp/settings"
    adjustments = (RAW, ALL)
    key_in_params = {"api_token": "{api_key}"}
    rules = RULES
    error_keys = ("message", "error")
    fields = dict.fromkeys(adjustments, Fields(adjusted_close="adjusted_close"))

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

    def currency(self, ticker: str) -> str | None:
        return USD if self.trades_in_new_york(ticker) else None

    def request(self, query: Query) -> Request:
        window = {
            "from": str(query.start),
            "to": str(query.end),
        }
        return self._get(query.ticker, window)

    def reference_request(self, ticker: str) -> Request:
        return self._get(ticker, {"period": "m"})

    def has_rows(self, answer: Answer) -> bool:
        rows = answer.json
        if not isinstance(rows, list):
            return False
        return not rows or not all(_only_warns(row) for row in rows)

    def words(self, answer: Answer) -> str | None:
        if answer.text.lstrip().startswith("<"):
            return None  # a proxy's page for a 403 says "Forbidden" as well
        if answer.status == 200 and isinstance(answer.json, list):
            return text_at(answer.json[0], "warning")
        return super().words(answer)

    def bar(self, row: Any, query: Query) -> Bar | None:
        if _only_warns(row):
            return None
        bar = super().bar(row, query)
        if bar is None:
            return None
        if query.adjustment == ALL:
            return _adjusted(bar)
        if not bar.volume:
            return bar
        # It is in the shares of today, beside prices as traded. Only none at all is the same in both.
        return bar._replace(volume=None)

    def notice(self, answer: Answer, query: Query) -> str:
        # The free plan cuts a window to the last year and says so in every row, in the last one, or in one of its own.
        for row in answer.json:
            if warning := text_at(row, "warning"):
                return warning
        return ""

    def _get(self, ticker: str, params: Mapping[str, str]) -> Request:
        # It answers in CSV unless told otherwise.
        return self.get(f"{self.base_url}/eod/{self.in_path(ticker)}", {**params, "fmt": "json"})


def _only_warns(row: Any) -> bool:
    return bool(text_at(row, "warning")) and "date" not in row


def _adjusted(bar: Bar) -> Bar:
    """The bar with its prices scaled as its close is, in ten digits: a low that is the close stays the close."""
    close, adjusted = bar.close, bar.adjusted_close

    def scaled(price: float | None) -> float | None:
        if price is None or not close or adjusted is None:
            return None
        return number(f"{price * (adjusted / close):.10g}")

    return bar._replace(
        open=scaled(bar.open),
        high=scaled(bar.high),
        low=scaled(bar.low),
        close=adjusted,
    )
