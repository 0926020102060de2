"""Alpha Vantage. Reference: https://www.alphavantage.co/documentation/#daily"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

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

# Every refusal has status 200; several speak of premium plans and of 25 requests a day that mean neither.
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
    Rule(None, "requests per day", Kind.QUOTA_SPENT, fix="The plan's requests are renewed tomorrow."),
    # {"Information":"... The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint.
    # You may subscribe to any of the premium plans at ... to instantly unlock all premium features"}
    Rule(
        None,
        "outputsize=full",
        Kind.NOT_ENTITLED,
        fix="A free key sees the last 100 sessions: set a start_date within the last 19 weeks, and reset the stream if"
        " its state is older.",
    ),
    # {"Information":"Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe ..."}
    Rule(
        None,
        "premium endpoint",
        Kind.NOT_ENTITLED,
        fix="Of prices, a free key has raw ones alone: set adjustment to raw.",
    ),
)

SERIES = "Time Series (Daily)"

COMPACT = 100
"""Sessions of the short answer, which is all that a free key can ask for. It ends with the latest."""

REACH = timedelta(weeks=19)
"""How far back that answer always reaches: no exchange trades on more than 100 days of it."""


@dataclass(frozen=True, kw_only=True)
class AlphaVantage(Provider):
    """Bars of one ticker a request: its latest 100, or all, from which the window is taken here.

    Raw prices are as traded. The premium series that serves `all` adjusts the close alone: open, high and low are
    scaled here by the ratio of the adjusted to the raw close, and the volume stays as sent, in shares of the day.
    """

    name = "alpha_vantage"
    title = "Alpha Vantage"
    key_url = "https://www.alphavantage.co/support/#api-key"
    adjustments = (RAW, ALL)
    free_requests_per_minute = 60

    api_key: str = field(repr=False)
    base_url: str = "https://www.alphavantage.co"

    def trades_in_new_york(self, ticker: str) -> bool:
        return len(ticker.partition(".")[2]) < 2  # TSCO.LON, but BRK.B

    def key_params(self) -> Mapping[str, str]:
        return {"apikey": self.api_key}

    def request(self, query: Query) -> Request:
        return self.get(
            f"{self.base_url}/query",
            {
                "function": "TIME_SERIES_DAILY" if query.adjustment == RAW else "TIME_SERIES_DAILY_ADJUSTED",
                "symbol": query.ticker,
                "outputsize": "compact" if query.today - query.start <= REACH else "full",
            },
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        # Prices are an object of days; splits and dividends are a list.
        has_rows = isinstance(body, dict) and (isinstance(body.get(SERIES), dict) or isinstance(body.get("data"), list))
        if response.status_code == 200 and has_rows and not text_at(body, "Error Message"):
            return None
        # An object without either, even {}, is never believed to be an empty answer.
        said = text_at(body, "Error Message", "Information", "Note")
        return classify(response, said or body_text(response), RULES if said else ())

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        for label, row in decode(response)[SERIES].items():
            day = calendar_day(label)
            if not query.start <= day <= query.end:
                continue
            bar = Bar(
                ticker=query.ticker,
                date=day,
                open=number(row["1. open"]),
                high=number(row["2. high"]),
                low=number(row["3. low"]),
                close=number(row["4. close"]),
                volume=number(row["5. volume" if query.adjustment == RAW else "6. volume"]),
            )
            yield bar if query.adjustment == RAW else _adjusted(bar, row)

    def notice(self, response: Response, query: Query) -> str:
        days = decode(response).get(SERIES, ())  # splits and dividends are not cut
        if len(days) != COMPACT or min(days) <= query.start.isoformat():
            return ""
        return f"The answer holds {COMPACT} sessions, none before {min(days)}."


def _adjusted(bar: Bar, row: Mapping[str, Any]) -> Bar:
    adjusted = number(row["5. adjusted close"])
    ratio = adjusted / bar.close if adjusted and bar.close else None

    def scaled(price: float | None) -> float | None:
        if price == bar.close:
            return adjusted  # exactly, so that no high is below its close by a rounding error
        return None if price is None or ratio is None else number(price * ratio)

    return bar._replace(
        open=scaled(bar.open),
        high=scaled(bar.high),
        low=scaled(bar.low),
        close=adjusted,
        adjusted_close=adjusted,
        dividend=number(row["7. dividend amount"]),
        split_factor=number(row["8. split coefficient"]),
    )
