"""Any service that speaks IEX Cloud's chart API. IEX Cloud itself closed on 2024-08-31.

Reference: https://github.com/dblock/iex-ruby-client (recordings of 2019 and 2020) and the rows of its last years.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import quote

from requests import Response

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
    body_text,
    calendar_day,
    classify,
    decode,
    new_york_day,
    number,
    trim,
)

# Refusals are plain text with Content-Type text/html.
RULES = (
    # The API key provided is not valid. · An API key is required to access this data and no key was provided
    Rule(None, "api key", Kind.BAD_CREDENTIALS),
    Rule(404, "unknown symbol", Kind.UNKNOWN_TICKER),
    # You have exceeded your allotted message quota. Please enable pay-as-you-go to regain access
    Rule(402, "message quota", Kind.QUOTA_SPENT, fix="The plan's messages are renewed next month."),
    # You have used all available credits for the month. Please upgrade or purchase additional packages ...
    Rule(402, "available credits", Kind.QUOTA_SPENT, fix="The plan's credits are renewed next month."),
    Rule(402, "", Kind.NOT_ENTITLED),
    Rule(403, "", Kind.BAD_CREDENTIALS),
    Rule(451, "", Kind.NOT_ENTITLED),
    Rule(429, "", Kind.THROTTLED),
)

# A range word counts back from today; each reaches at least this many calendar days.
RANGES = ((7, "7d"), (28, "1m"), (84, "3m"), (168, "6m"), (364, "1y"), (729, "2y"), (1824, "5y"))

PREFIXES = {RAW: "u", SPLITS: "", ALL: "f"}


@dataclass(frozen=True, kw_only=True)
class Iex(Provider):
    """Bars of one ticker a request, of the smallest range of days up to today that covers the window."""

    name = "iex"
    title = "IEX Cloud compatible service"
    key_url = ""
    adjustments = (RAW, SPLITS, ALL)

    base_url: str
    api_key: str = field(repr=False)

    def key_params(self) -> Mapping[str, str]:
        return {"token": self.api_key}

    def request(self, query: Query) -> Request:
        days = (query.today - query.start).days
        reach = next((word for most, word in RANGES if days <= most), "max")
        return self.get(f"{self.base_url}/stock/{quote(query.ticker, safe='')}/chart/{reach}")

    def problem(self, response: Response) -> Problem | None:
        if response.status_code == 200 and isinstance(decode(response), list):
            return None
        return classify(response, trim(body_text(response)), RULES)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        prefix = PREFIXES[query.adjustment]
        for row in decode(response):
            row = {key.lower(): value for key, value in {**row}.items()}  # uClose in /stock, uclose in /data/core
            # The later shape has the day in `priceDate`, with `date` as text or as milliseconds at midnight UTC.
            day = _day(row.get("pricedate") or row["date"])
            if not query.start <= day <= query.end:
                continue
            yield Bar(
                ticker=query.ticker,
                date=day,
                open=number(row[f"{prefix}open"]),
                high=number(row[f"{prefix}high"]),
                low=number(row[f"{prefix}low"]),
                close=number(row[f"{prefix}close"]),
                volume=number(row[f"{prefix}volume"]),
                adjusted_close=number(row.get("fclose")),
            )


def _day(label: str | int) -> date:
    # Midnight UTC is the evening before in New York: half a day later names the same day in both.
    return calendar_day(label) if isinstance(label, str) else new_york_day(label + 43_200_000)
