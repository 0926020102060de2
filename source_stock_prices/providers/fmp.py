"""Financial Modeling Prep. Reference: https://site.financialmodelingprep.com/developer/docs/stable"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from re import sub

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
    asked,
    body_text,
    calendar_day,
    classify,
    decode,
    number,
    text_at,
)

# One answer for a burst and for a day's requests that are spent. Some minutes are waited, then this is said.
SPENT = "Or the day's requests are spent (the free plan has 250): they are renewed tomorrow."

RULES = (
    # {"Error Message":"Invalid API KEY. Feel free to create a Free API Key or visit ..."}
    Rule(None, "invalid api key", Kind.BAD_CREDENTIALS),
    # {"Error Message":"Limit Reach . Please upgrade your plan or visit our documentation ..."}, also seen with 200,
    # never with Retry-After
    Rule(None, "limit reach", Kind.THROTTLED, wait=60, fix=SPENT),
    Rule(429, "", Kind.THROTTLED, wait=60, fix=SPENT),
    # Plain text: Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' is not available under your
    # current subscription please visit our subscription page to upgrade your plan at ...
    Rule(402, "value set for 'symbol'", Kind.TICKER_NOT_ENTITLED),
    # ... 'Special Endpoint : This value set for 'from' is not available under your current subscription ...
    Rule(402, "value set for 'from'", Kind.NOT_ENTITLED, fix="Set a later start_date (the free plan has 5 years)."),
    # ... 'Special Parameters : The values for 'limit' must be between 0 and 5 based on your current subscription. ...
    Rule(402, "premium query parameter", Kind.NOT_ENTITLED),
    # Plain text: Restricted Endpoint: This endpoint is not available under your current subscription please visit ...
    # {"Error Message":"Exclusive Endpoint : This endpoint is not available under your current subscription ..."}
    Rule(
        None,
        "endpoint is not available",
        Kind.NOT_ENTITLED,
        fix="Another adjustment, or other streams, may be in the plan.",
    ),
    # {"Error Message":"Legacy Endpoint : Due to Legacy endpoints being no longer supported - This endpoint is only
    # available for legacy users who have valid subscriptions prior August 31, 2025. ..."}
    Rule(403, "legacy endpoint", Kind.NOT_ENTITLED),
)

PATHS = {RAW: "non-split-adjusted", SPLITS: "full", ALL: "dividend-adjusted"}

MOST_ROWS = 5000


@dataclass(frozen=True, kw_only=True)
class Fmp(Provider):
    """Bars of one ticker a request, newest first, at most 5,000 of them; raw or adjusted by path."""

    name = "fmp"
    title = "Financial Modeling Prep"
    key_url = "https://site.financialmodelingprep.com/developer/docs/dashboard"
    adjustments = (RAW, SPLITS, ALL)

    api_key: str = field(repr=False)
    base_url: str = "https://financialmodelingprep.com"

    def spelling(self, ticker: str) -> str:
        # BRK.B is BRK-B, while ULVR.L keeps its dot: no exchange has the suffix A, B or C.
        return sub(r"\.([ABC])$", r"-\1", ticker)

    def trades_in_new_york(self, ticker: str) -> bool:
        return "." not in self.spelling(ticker)

    def key_headers(self) -> Mapping[str, str]:
        return {"apikey": self.api_key}

    def request(self, query: Query) -> Request:
        return self.get(
            f"{self.base_url}/stable/historical-price-eod/{PATHS[query.adjustment]}",
            {
                "symbol": self.spelling(query.ticker),
                "from": query.start.isoformat(),
                "to": query.end.isoformat(),
            },
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        if response.status_code == 200 and isinstance(body, list):
            return None
        return classify(response, text_at(body, "Error Message", "error") or body_text(response), RULES)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        # Raw and fully adjusted prices come under the same names.
        opened, high, low, close = (
            ("open", "high", "low", "close")
            if query.adjustment == SPLITS
            else ("adjOpen", "adjHigh", "adjLow", "adjClose")
        )
        for row in decode(response):
            yield Bar(
                ticker=query.ticker,
                date=calendar_day(row["date"]),
                open=number(row[opened]),
                high=number(row[high]),
                low=number(row[low]),
                close=number(row[close]),
                volume=number(row["volume"]),
                # The vendor's `vwap` is the mean of open, high, low and close: no volume is in it.
                vwap=None,
                adjusted_close=number(row[close]) if query.adjustment == ALL else None,
            )

    def next_request(self, response: Response) -> Request | None:
        rows, params = decode(response), asked(response)
        if len(rows) < MOST_ROWS:
            return None
        before = min(calendar_day(row["date"]) for row in rows) - timedelta(days=1)
        if not params["from"] <= before.isoformat() < params["to"]:
            return None
        return self.get((response.request.url or "").partition("?")[0], {**params, "to": before.isoformat()})

    def reference_request(self, ticker: str) -> Request:
        return self.get(f"{self.base_url}/stable/profile", {"symbol": self.spelling(ticker)})

    def is_listed(self, response: Response) -> bool:
        return bool(decode(response))
