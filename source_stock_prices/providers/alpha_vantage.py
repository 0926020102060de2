"""Alpha Vantage. Reference: https://www.alphavantage.co/documentation/#daily"""

from dataclasses import dataclass, field
from datetime import timedelta

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, RAW, Fields, Kind, Query, Request, Rows, Rule

# Every refusal has status 200; several mention premium plans and 25 requests a day but mean neither.
RULES = (
    # {"Error Message":"the parameter apikey is invalid or missing. Please claim your free API key on ..."}
    Rule(None, "apikey is invalid", Kind.BAD_CREDENTIALS),
    # {"Information":"The **demo** API key is for demo purposes only. Please claim your free API key at ..."}
    Rule(None, "demo purposes", Kind.BAD_CREDENTIALS),
    # {"Error Message":"Invalid API call. Please retry or visit the documentation (...) for TIME_SERIES_DAILY."}
    Rule(None, "invalid api call", Kind.UNKNOWN_TICKER),
    # {"Information":"Burst pattern detected. Please consider spreading out your API requests ..."}, to paid keys
    Rule(None, "burst pattern", Kind.THROTTLED, wait=15),
    # {"Information":"... Please consider spreading out your free API requests more sparingly (1 request per second).
    # You may subscribe ... to lift the free key rate limit (25 requests per day) ... all premium endpoints"}
    Rule(None, "spreading out", Kind.THROTTLED, wait=2),
    # {"Note":"... 5 calls per minute ..."}, until 2024 · {"Information":"Minute-level rate limit ... per minute ..."}
    Rule(None, "per minute", Kind.THROTTLED, wait=60),
    # {"Information":"We have detected your API key as <the key> and our ... limit is 25 requests per day. ..."}
    Rule(None, "requests per day", Kind.QUOTA_SPENT, fix="The request quota resets tomorrow."),
    # {"Information":"... The outputsize=full parameter value is a premium feature for the ... endpoint. ..."}
    Rule(None, "outputsize=full", Kind.BEYOND_PLAN, fix="A free key covers the last 100 sessions, some 19 weeks."),
    # {"Information":"Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe ..."}
    Rule(None, "premium endpoint", Kind.NOT_ENTITLED, fix="A free key covers raw prices only: set adjustment to raw."),
)

SERIES = "Time Series (Daily)"

COMPACT = 100
"""Sessions of the short answer, the only one a free key can request. It ends with the latest session."""

REACH = timedelta(weeks=19)
"""How far back the short answer always reaches: no exchange trades on more than 100 days of it."""

CURRENCIES = {"LON": "GBX", "DEX": "EUR", "FRK": "EUR", "BSE": "INR"}
"""Of the prices of exchanges abroad, as in the vendor's example of a search (tesco, and RELIANCE)."""

AS_TRADED = Fields("4. close", "1. open", "2. high", "3. low", "5. volume")
MORE = {"adjusted_close": "5. adjusted close", "dividend": "7. dividend amount", "split_factor": "8. split coefficient"}


@dataclass(frozen=True, kw_only=True)
class AlphaVantage(Provider):
    """Bars of one ticker a request: its latest 100, or all of them, from which the window is taken here.

    Raw prices are as traded. The premium series for `all` adjusts only the close: open, high and low are scaled here
    by the ratio of the adjusted to the raw close, and the volume stays as sent, in shares of the day.
    """

    name = "alpha_vantage"
    title = "Alpha Vantage"
    key_url = "https://www.alphavantage.co/support/#api-key"
    free_calls_per_day = 25
    adjustments = (RAW, ALL)
    adjustment_words = {RAW: "TIME_SERIES_DAILY", ALL: "TIME_SERIES_DAILY_ADJUSTED"}
    free_requests_per_minute = 60
    key_in_params = {"apikey": "{api_key}"}
    rules = RULES
    exchange_suffix = r"\.(..+)$"  # TSCO.LON, but BRK.B
    error_keys = ("Error Message", "Information", "Note")
    fields = {RAW: AS_TRADED, ALL: AS_TRADED._replace(volume="6. volume", **MORE)}
    containers = {SERIES: dict, "data": list}  # prices are an object of days; splits and dividends are a list
    bars_template = Request("/query", {"function": "{adjustment}", "symbol": "{ticker}", "outputsize": "{size}"})
    adjusts_close_only = True
    ignores_window = True

    api_key: str = field(repr=False)
    base_url: str = "https://www.alphavantage.co"

    def currency(self, ticker: str) -> str | None:
        return super().currency(ticker) or CURRENCIES.get(ticker.partition(".")[2])

    def request(self, query: Query) -> Request:
        size = "compact" if query.today - query.start <= REACH else "full"
        return self.ask(self.bars_template, query, size=size)

    def has_rows(self, answer: Answer) -> bool:
        if answer.text.startswith("symbol,name,exchange"):
            return True  # the table of its tickers, the only answer that is no JSON
        return super().has_rows(answer) and not answer.text_at("Error Message")

    def words(self, answer: Answer) -> str | None:
        # An object without any of them, even {}, is never believed to be an empty answer.
        return answer.text_at(*self.error_keys) or None

    def rows(self, answer: Answer, query: Query) -> Rows:
        for day, row in answer.json[SERIES].items():
            yield {**row, "date": day} if isinstance(row, dict) else row

    def notice(self, answer: Answer, query: Query) -> str:
        days = answer.get(SERIES) or ()  # splits and dividends are not cut
        if len(days) != COMPACT or min(days) <= str(query.start):
            return ""
        return f"The answer holds {COMPACT} sessions, none before {min(days)}."
