"""Financial Modeling Prep. Reference: https://site.financialmodelingprep.com/developer/docs/stable"""

from dataclasses import dataclass, field
from datetime import timedelta

from source_stock_prices.providers.answer import Answer, oldest_day
from source_stock_prices.providers.provider import SUSPENDED, Provider
from source_stock_prices.providers.terms import ALL, RAW, SPLITS, Fields, Kind, Request, Rule

# A burst and a spent daily quota get the same answer. This is said after some minutes of waiting.
SPENT = "The daily quota may also be used up (250 requests on the free plan): it resets tomorrow."
TRAFFIC = "It counts the traffic of the last 30 days, so that it takes days until there is room again."
OTHER_ENDPOINT = "Your plan may cover another adjustment, or other streams."

RULES = (
    # {"Error Message":"Invalid API KEY. Feel free to create a Free API Key or visit ..."}
    Rule(None, "invalid api key", Kind.BAD_CREDENTIALS),
    # {"Error Message":"Account suspended. Please contact info@financialmodelingprep.com more details."}, with 403
    SUSPENDED,
    # {"Error Message":"Bandwidth Limit Reach . Please upgrade your plan or visit our documentation ..."}, with 429
    Rule(None, "bandwidth", Kind.QUOTA_SPENT, fix=TRAFFIC),
    # {"Error Message":"Limit Reach . Please upgrade your plan or visit our documentation ..."}, also seen with 200,
    # never with Retry-After
    Rule(None, "limit reach", Kind.THROTTLED, wait=60, fix=SPENT),
    Rule(429, "", Kind.THROTTLED, wait=60, fix=SPENT),
    # Plain text, also seen in JSON: 'Special Endpoint : This value set for 'symbol' is not available under your
    # current subscription please visit our subscription page to upgrade your plan at ...
    Rule(None, "value set for 'symbol'", Kind.TICKER_NOT_ENTITLED),
    # ... 'Special Endpoint : This value set for 'from' is not available under your current subscription ...
    Rule(None, "value set for 'from'", Kind.BEYOND_PLAN, fix="The free plan covers 5 years."),
    # Plain text: Restricted Endpoint: This endpoint is not available under your current subscription please visit ...
    # {"Error Message":"Exclusive Endpoint : This endpoint is not available under your current subscription ..."}
    Rule(None, "endpoint is not available", Kind.NOT_ENTITLED, fix=OTHER_ENDPOINT),
    # {"Error Message":"Legacy Endpoint : Due to Legacy endpoints being no longer supported - This endpoint is only
    # available for legacy users who have valid subscriptions prior August 31, 2025. ..."}
    Rule(403, "legacy endpoint", Kind.NOT_ENTITLED),
    # ... 'Special Parameters : The values for 'limit' must be between 0 and 5 based on your current subscription. ...
    Rule(402, "", Kind.NOT_ENTITLED),
)

MOST_ROWS = 5000
"""Rows of one answer; of more, the newest."""

# Raw and fully adjusted prices come under the same names. Its `vwap` is left out: it is just the mean of open,
# high, low and close.
ADJ = Fields("adjClose", "adjOpen", "adjHigh", "adjLow")


@dataclass(frozen=True, kw_only=True)
class Fmp(Provider):
    """Bars of one ticker a request, newest first, at most 5,000 of them; raw or adjusted by path."""

    name = "fmp"
    title = "Financial Modeling Prep"
    key_url = "https://site.financialmodelingprep.com/developer/docs/dashboard"
    free_calls_per_day = 250
    bars_per_page = MOST_ROWS
    adjustments = (RAW, SPLITS, ALL)
    adjustment_words = {RAW: "non-split-adjusted", SPLITS: "full", ALL: "dividend-adjusted"}
    key_in_headers = {"apikey": "{api_key}"}
    rules = RULES
    exchange_suffix = r"\.([^.]*)$"
    error_keys = ("Error Message", "error")
    fields = {RAW: ADJ, SPLITS: Fields(), ALL: ADJ._replace(adjusted_close="adjClose")}
    class_dot = r"\.(?=[ABC]$)"  # ULVR.L keeps its dot: no exchange has the suffix A, B or C
    bars_template = Request(
        "/stable/historical-price-eod/{adjustment}",
        {"symbol": "{ticker}", "from": "{start}", "to": "{end}"},
    )
    reference_template = Request("/stable/profile", {"symbol": "{ticker}"})

    api_key: str = field(repr=False)
    base_url: str = "https://financialmodelingprep.com"

    def exchange_of(self, ticker: str) -> str | None:
        # ^N225 has no suffix, and trades in Tokyo. Without one, six letters are a pair of currencies: EURGBP.
        is_stock = "." in ticker or len(ticker) < 6
        return super().exchange_of(ticker) if is_stock and not ticker.startswith("^") else None

    def next_request(self, answer: Answer) -> Request | None:
        oldest = oldest_day(answer.json, "date") if len(answer.json) >= MOST_ROWS else None
        if oldest is None:
            return None
        end = str(oldest - timedelta(days=1))
        if not answer.params["from"] <= end < answer.params["to"]:
            return None
        return self.again(answer, to=end)
