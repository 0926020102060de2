"""Alpaca. Reference: https://docs.alpaca.markets/reference/stockbars"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    SPLITS,
    USD,
    Fields,
    Kind,
    Problem,
    Query,
    Request,
    Rule,
)

ADJUSTMENTS = {
    RAW: "raw",
    SPLITS: "split",
    ALL: "all",
}
FIELDS = Fields(
    open="o",
    high="h",
    low="l",
    close="c",
    volume="v",
    vwap="vw",
    trade_count="n",
)
PAIR = "Check api_secret too: both are issued as a pair, and reissued when a paper account is reset."
SUSPENDED = "A new key does not help a suspended account: ask the vendor's support."
LATEST = "Every plan includes the latest bars of the iex feed."
SPELLING = "Alpaca writes tickers in capital letters, with a dot before the share class: BRK.B."
RULES = (
    # {"message":"forbidden."} · without keys a page of HTML with 401
    Rule(403, "forbidden.", Kind.BAD_CREDENTIALS, fix=PAIR),
    Rule(401, "", Kind.BAD_CREDENTIALS, fix=PAIR),
    # {"code":42210000,"message":"subscription does not permit querying recent SIP data"}, with 403, for a window that
    # ends in the last 15 minutes. Only its last day is refused: the same plan serves the days before.
    # Earlier, with 422: your subscription does not permit querying data from the past 15 minutes · end is too late for
    # subscription
    Rule(None, "recent SIP", Kind.NOT_YET, fix=LATEST),
    Rule(None, "past 15 minutes", Kind.NOT_YET, fix=LATEST),
    Rule(None, "end is too late", Kind.NOT_YET, fix=LATEST),
    # {"message":"subscription does not permit querying OTC data"}
    Rule(None, "subscription does not permit", Kind.NOT_ENTITLED, fix="Every plan includes the iex feed."),
    # {"message":"invalid symbol: CSP1"}: a ticker no exchange of the US could have. It fails the whole request.
    Rule(400, "invalid symbol", Kind.UNKNOWN_TICKER, fix=SPELLING),
    # {"message":"account is suspended"}, believed
    Rule(None, "suspended", Kind.BAD_CREDENTIALS, fix=SUSPENDED),
    # {"message": "too many requests."}, without a header that says when, though the reference has X-RateLimit-Reset.
    # Measured: a bucket that refills at 3.2 requests a second. In 15 seconds there is room for all workers, and the
    # waits of one request together outlast a minute, should the limit be one of minutes after all.
    Rule(429, "", Kind.THROTTLED, wait=15),
)


@dataclass(frozen=True, kw_only=True)
class Alpaca(Provider):
    """Bars of many tickers a request, in pages, with every adjustment, timed by the start of the day in New York."""

    name = "alpaca"
    title = "Alpaca"
    key_url = "https://app.alpaca.markets"
    adjustments = (RAW, SPLITS, ALL)
    free_requests_per_minute = 200
    tickers_per_request = 100
    key_in_headers = {
        "APCA-API-KEY-ID": "{api_key}",
        "APCA-API-SECRET-KEY": "{api_secret}",
    }
    rules = RULES
    error_keys = ("message",)
    date_field = "t"  # 2024-01-02T05:00:00Z: midnight in New York, on the same day
    fields = dict.fromkeys(adjustments, FIELDS)

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    feed: str = field(default="sip", metadata={"allowed": ("sip", "iex")})
    base_url: str = "https://data.alpaca.markets"

    def request(self, query: Query) -> Request:
        params = {
            "symbols": ",".join(query.tickers),
            "timeframe": "1Day",
            "start": str(query.start),
            # The last day's bar is timed 04:00 or 05:00 UTC. Just a date can mean the end of that day, which the free
            # plan refuses until 15 minutes after it.
            "end": f"{query.end}T05:00:00Z",
            "adjustment": ADJUSTMENTS[query.adjustment],
            "feed": self.feed,
            "limit": "10000",
        }
        return self._get(params)

    def currency(self, ticker: str) -> str | None:
        return USD

    def has_rows(self, answer: Answer) -> bool:
        bars = answer.get("bars")
        events = answer.get("corporate_actions")
        return isinstance(bars, dict) or isinstance(events, dict)

    def problem(self, answer: Answer) -> Problem | None:
        problem = super().problem(answer)
        if problem is None:
            return None
        if problem.kind is Kind.UNKNOWN_TICKER:
            ticker = problem.said.rpartition(": ")[2]
            return problem._replace(ticker=ticker)
        if problem.kind is Kind.THROTTLED:
            reset = answer.headers.get("X-RateLimit-Reset", "")
            wait = answer.seconds_until(reset) or problem.wait
            return problem._replace(wait=wait)
        return problem

    def rows(self, answer: Answer, query: Query) -> Iterable[Any]:
        by_ticker = answer.json["bars"]
        for ticker, rows in by_ticker.items():
            if ticker not in query.tickers:
                raise KeyError(ticker)
            for row in rows:
                yield ticker, row

    def next_request(self, answer: Answer) -> Request | None:
        # Rows are in order of ticker, then day: a page may hold only the first ticker.
        token = answer.json["next_page_token"]
        if not token:
            return None
        params = {
            **answer.params,
            "page_token": token,
        }
        return self._get(params)

    def reference_request(self, ticker: str) -> Request:
        # Its list of assets is on another host, and lacks tickers that have bars. So a ticker that never had a bar is
        # unknown. No plan has bars before 2016. Without an end, the window reaches as far as the plan does.
        params = {
            "symbols": ticker,
            "timeframe": "1Day",
            "start": "2016-01-01",
            "feed": self.feed,
            "limit": "1",
        }
        return self._get(params)

    def is_listed(self, answer: Answer) -> bool:
        by_ticker = answer.json["bars"]
        return any(by_ticker.values())

    def _get(self, params: Mapping[str, str]) -> Request:
        url = f"{self.base_url}/v2/stocks/bars"
        return self.get(url, params)
