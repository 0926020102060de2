"""Any service that speaks IEX Cloud's chart API. IEX Cloud itself closed on 2024-08-31.

Reference: https://github.com/dblock/iex-ruby-client (recordings of 2019 and 2020) and the rows of its last years.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from source_stock_prices.providers.answer import Answer, calendar_day, new_york_day, trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, RAW, SPLITS, Fields, Kind, Query, Request, Row, Rows, Rule

OTHER_RANGES = "If the key is correct, the service may not have this chart: some reply the same to a range they lack."
# Refusals are plain text with Content-Type text/html.
RULES = (
    # The API key provided is not valid. This was also the reply to /chart/invalid, in a recording of 2020.
    Rule(403, "api key provided is not valid", Kind.BAD_CREDENTIALS, fix=OTHER_RANGES),
    # An API key is required to access this data and no key was provided
    Rule(None, "api key", Kind.BAD_CREDENTIALS),
    Rule(404, "unknown symbol", Kind.UNKNOWN_TICKER),
    # You have exceeded your allotted message quota. Please enable pay-as-you-go to regain access
    Rule(402, "message quota", Kind.QUOTA_SPENT, fix="The message quota resets next month."),
    # You have used all available credits for the month. Please upgrade or purchase additional packages ...
    Rule(402, "available credits", Kind.QUOTA_SPENT, fix="The credits reset next month."),
    Rule(402, "", Kind.NOT_ENTITLED),
    Rule(403, "", Kind.BAD_CREDENTIALS),
    Rule(451, "", Kind.NOT_ENTITLED),
    Rule(429, "", Kind.THROTTLED),
)

# A range word counts back from today; each reaches at least this many calendar days. 7d is in no list of the vendor's.
RANGES = (
    (5, "5d"),
    (28, "1m"),
    (84, "3m"),
    (168, "6m"),
    (364, "1y"),
    (729, "2y"),
    (1824, "5y"),
)

PRICE = "adjusted close"
"""A key of our own: some rows lack `fclose`."""

RAW_FIELDS = Fields("uclose", "uopen", "uhigh", "ulow", "uvolume", adjusted_close=PRICE)
ALL_FIELDS = Fields("fclose", "fopen", "fhigh", "flow", "fvolume", adjusted_close=PRICE)


@dataclass(frozen=True, kw_only=True)
class Iex(Provider):
    """Bars of one ticker a request, of the smallest range of days up to today that covers the window."""

    name = "iex"
    title = "IEX Cloud compatible service"
    key_url = ""
    adjustments = (RAW, SPLITS, ALL)
    exchange_suffix = "-(..+)$"  # VOD-LN, but KIM-L
    key_in_params = {"token": "{api_key}"}
    rules = RULES
    fields = {RAW: RAW_FIELDS, SPLITS: Fields(adjusted_close=PRICE), ALL: ALL_FIELDS}
    bars_template = Request("/stock/{ticker}/chart/{reach}")
    ignores_window = True

    base_url: str
    api_key: str = field(repr=False)

    def request(self, query: Query) -> Request:
        days = (query.today - query.start).days
        reach = next((word for most, word in RANGES if days <= most), "max")
        return self.ask(self.bars_template, query, reach=reach)

    def words(self, answer: Answer) -> str | None:
        return trim(answer.text)

    def rows(self, answer: Answer, query: Query) -> Rows:
        for row in answer.json:
            yield _in_one_shape(row) if isinstance(row, dict) else row

    def day(self, row: Row) -> date:
        # The later shape has the day in `priceDate`, with `date` as text or as milliseconds at midnight UTC.
        return _day(row.get("pricedate") or row["date"])


def _in_one_shape(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with its keys in small letters: uClose in /stock, uclose in /data/core."""
    small = {key.lower(): value for key, value in row.items()}
    small[PRICE] = small.get("fclose")
    return small


def _day(label: str | int) -> date:
    if isinstance(label, str):
        return calendar_day(label)
    # Midnight UTC is the evening before in New York: half a day later names the same day in both.
    return new_york_day(label + 43_200_000)
