"""Alpha Vantage. Reference: https://www.alphavantage.co/documentation/#daily"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider, in_proportion
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

LAST_100_ONLY = "A free key covers the last 100 sessions, which are some 19 weeks."
# Every refusal has status 200; several mention premium plans and 25 requests a day but mean neither.
RULES = (
    # {"Error Message":"the parameter apikey is invalid or missing. Please claim your free API key on ..."}
    Rule(None, "apikey is invalid", Kind.BAD_CREDENTIALS),
    # {"Information":"The **demo** API key is for demo purposes only. Please claim your free API key at ..."}
    Rule(None, "demo purposes", Kind.BAD_CREDENTIALS),
    # {"Error Message":"Invalid API call. Please retry or visit the documentation (...) for TIME_SERIES_DAILY."}
    Rule(None, "invalid api call", Kind.UNKNOWN_TICKER),
    # {"Information":"Burst pattern detected. Please consider spreading out your API requests more evenly across a
    # 1-minute window and query no more than N requests per second."}, to paid keys
    Rule(None, "burst pattern", Kind.THROTTLED, wait=15),
    # {"Information":"... Please consider spreading out your free API requests more sparingly (1 request per second).
    # You may subscribe ... to lift the free key rate limit (25 requests per day) ... all premium endpoints"}
    Rule(None, "spreading out", Kind.THROTTLED, wait=2),
    # {"Note":"... Our standard API call frequency is 5 calls per minute ..."}, until 2024 · to paid keys, as
    # Information: "Minute-level rate limit exceed. Please stay under the number of API requests per minute ..."
    Rule(None, "per minute", Kind.THROTTLED, wait=60),
    # {"Information":"We have detected your API key as <the key> and our standard API rate limit is 25 requests per
    # day. Please subscribe to any of the premium plans at ... to instantly remove all daily rate limits."}
    Rule(
        None,
        "requests per day",
        Kind.QUOTA_SPENT,
        fix="The request quota resets tomorrow.",
    ),
    # {"Information":"... The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint.
    # You may subscribe to any of the premium plans at ... to instantly unlock all premium features"}
    Rule(
        None,
        "outputsize=full",
        Kind.BEYOND_PLAN,
        fix=LAST_100_ONLY,
    ),
    # {"Information":"Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe ..."}
    Rule(
        None,
        "premium endpoint",
        Kind.NOT_ENTITLED,
        fix="A free key covers raw prices only: set adjustment to raw.",
    ),
)

FUNCTIONS = {
    RAW: "TIME_SERIES_DAILY",
    ALL: "TIME_SERIES_DAILY_ADJUSTED",
}
SERIES = "Time Series (Daily)"

COMPACT = 100
"""Sessions of the short answer, the only one a free key can request. It ends with the latest session."""

REACH = timedelta(weeks=19)
"""How far back the short answer always reaches: no exchange trades on more than 100 days of it."""

CURRENCIES = {"": USD, "LON": "GBX", "DEX": "EUR", "FRK": "EUR", "BSE": "INR"}
"""Of the prices of each exchange, as in the vendor's example of a search (tesco, and RELIANCE)."""

AS_TRADED = Fields(
    open="1. open",
    high="2. high",
    low="3. low",
    close="4. close",
    volume="5. volume",
)
BEFORE_SCALING = AS_TRADED._replace(
    volume="6. volume",
    adjusted_close="5. adjusted close",
    dividend="7. dividend amount",
    split_factor="8. split coefficient",
)
FIELDS = {RAW: AS_TRADED, ALL: BEFORE_SCALING}


@dataclass(frozen=True, kw_only=True)
class AlphaVantage(Provider):
    """Bars of one ticker a request: its latest 100, or all of them, from which the window is taken here.

    Raw prices are as traded. The premium series for `all` adjusts only the close: open, high and low are scaled here
    by the ratio of the adjusted to the raw close, and the volume stays as sent, in shares of the day.
    """

    name = "alpha_vantage"
    title = "Alpha Vantage"
    key_url = "https://www.alphavantage.co/support/#api-key"
    adjustments = (RAW, ALL)
    free_requests_per_minute = 60
    key_in_params = {"apikey": "{api_key}"}
    rules = RULES
    error_keys = ("Error Message", "Information", "Note")
    fields = FIELDS
    ignores_window = True

    api_key: str = field(repr=False)
    base_url: str = "https://www.alphavantage.co"

    def trades_in_new_york(self, ticker: str) -> bool:
        return len(ticker.partition(".")[2]) < 2  # TSCO.LON, but BRK.B

    def currency(self, ticker: str) -> str | None:
        exchange = "" if self.trades_in_new_york(ticker) else ticker.partition(".")[2]
        return CURRENCIES.get(exchange)

    def request(self, query: Query) -> Request:
        params = {
            "function": FUNCTIONS[query.adjustment],
            "symbol": query.ticker,
            "outputsize": "compact" if query.today - query.start <= REACH else "full",
        }
        return self.get(f"{self.base_url}/query", params)

    def has_rows(self, answer: Answer) -> bool:
        if answer.text_at("Error Message"):
            return False
        # Prices are an object of days; splits and dividends are a list.
        return isinstance(answer.get(SERIES), dict) or isinstance(answer.get("data"), list)

    def words(self, answer: Answer) -> str | None:
        # An object without any of them, even {}, is never believed to be an empty answer.
        return answer.text_at(*self.error_keys) or None

    def rows(self, answer: Answer, query: Query) -> Iterable[Any]:
        for day, row in answer.json[SERIES].items():
            yield {**row, "date": day} if isinstance(row, dict) else row

    def bar(self, row: Any, query: Query) -> Bar | None:
        bar = super().bar(row, query)
        if bar is None or query.adjustment == RAW:
            return bar
        return in_proportion(bar)

    def notice(self, answer: Answer, query: Query) -> str:
        days = answer.json.get(SERIES, ())  # splits and dividends are not cut
        if len(days) != COMPACT:
            return ""
        first = min(days)
        if first <= str(query.start):
            return ""
        return f"The answer holds {COMPACT} sessions, none before {first}."
