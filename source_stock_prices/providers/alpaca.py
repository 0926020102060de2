"""Alpaca. Reference: https://docs.alpaca.markets/reference/stockbars"""

from dataclasses import dataclass, field

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import SUSPENDED, Provider
from source_stock_prices.providers.terms import ALL, RAW, SPLITS, Fields, Kind, Problem, Query, Request, Rows, Rule

PAIR = "Check api_secret too: both are issued as a pair, and reissued when a paper account is reset."
LATEST = "Every plan includes the latest bars of the iex feed."
SPELLING = "Alpaca writes tickers in capital letters, with a dot before the share class: BRK.B."
RULES = (
    # {"message":"forbidden."} · without keys a page of HTML with 401
    Rule(403, "forbidden.", Kind.BAD_CREDENTIALS, fix=PAIR),
    Rule(401, "", Kind.BAD_CREDENTIALS, fix=PAIR),
    # {"code":42210000,"message":"subscription does not permit querying recent SIP data"}, with 403: the last day alone
    # is refused. Earlier, with 422: ... querying data from the past 15 minutes · end is too late for subscription
    Rule(None, "recent SIP", Kind.NOT_YET, fix=LATEST),
    Rule(None, "past 15 minutes", Kind.NOT_YET, fix=LATEST),
    Rule(None, "end is too late", Kind.NOT_YET, fix=LATEST),
    # {"message":"subscription does not permit querying OTC data"}
    Rule(None, "subscription does not permit", Kind.NOT_ENTITLED, fix="Every plan includes the iex feed."),
    # {"message":"invalid symbol: CSP1"}: a ticker no exchange of the US could have. It fails the whole request.
    Rule(400, "invalid symbol", Kind.UNKNOWN_TICKER, fix=SPELLING),
    # {"message":"account is suspended"}, believed
    SUSPENDED,
    # {"message": "too many requests."}, without a header that says when, though the reference has X-RateLimit-Reset.
    # Measured: 3.2 requests a second. 15 seconds make room for all workers; the waits of a request outlast a minute.
    Rule(429, "", Kind.THROTTLED, wait=15),
)


@dataclass(frozen=True, kw_only=True)
class Alpaca(Provider):
    """Bars of many tickers a request, in pages, with every adjustment, timed by the start of the day in New York."""

    name = "alpaca"
    title = "Alpaca"
    key_url = "https://app.alpaca.markets"
    adjustments = (RAW, SPLITS, ALL)
    adjustment_words = {SPLITS: "split"}
    free_requests_per_minute = 200
    tickers_per_request = 100
    bars_per_page = 10_000  # the most that it can have
    key_in_headers = {"APCA-API-KEY-ID": "{api_key}", "APCA-API-SECRET-KEY": "{api_secret}"}
    rules = RULES
    error_keys = ("message",)
    date_field = "t"  # 2024-01-02T05:00:00Z: midnight in New York, on the same day
    fields = dict.fromkeys(adjustments, Fields("c", "o", "h", "l", "v", "vw", "n"))
    containers = {"bars": dict, "corporate_actions": dict}
    bars_template = Request(
        "/v2/stocks/bars",
        {
            "symbols": "{tickers}",
            "timeframe": "1Day",
            "start": "{start}",
            # Bars are timed 04:00 or 05:00 UTC. A date alone can mean its end, which a free plan refuses while recent.
            "end": "{end}T05:00:00Z",
            "adjustment": "{adjustment}",
            "feed": "{feed}",
            "limit": str(bars_per_page),
        },
    )
    # Its list of assets is on another host, and lacks tickers that have bars. So a ticker that never had a bar is
    # unknown. No plan has bars before 2016. Without an end, the window reaches as far as the plan does.
    reference_template = Request(
        "/v2/stocks/bars",
        {"symbols": "{ticker}", "timeframe": "1Day", "start": "2016-01-01", "feed": "{feed}", "limit": "1"},
    )

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    feed: str = field(default="sip", metadata={"allowed": ("sip", "iex")})
    base_url: str = "https://data.alpaca.markets"

    @property
    def is_of_one_venue(self) -> bool:
        return self.feed == "iex"

    def problem(self, answer: Answer) -> Problem | None:
        problem = super().problem(answer)
        if problem and problem.kind is Kind.UNKNOWN_TICKER:
            return problem._replace(ticker=problem.said.rpartition(": ")[2])
        if problem and problem.kind is Kind.THROTTLED:
            reset = answer.headers.get("X-RateLimit-Reset", "")
            return problem._replace(wait=answer.seconds_until(reset) or problem.wait)
        return problem

    def rows(self, answer: Answer, query: Query) -> Rows:
        for ticker, rows in answer.json["bars"].items():
            if ticker not in query.tickers:
                raise KeyError(ticker)
            yield from ((ticker, row) for row in rows)

    def next_request(self, answer: Answer) -> Request | None:
        token = answer.json["next_page_token"]
        return self.again(answer, page_token=token) if token else None

    def is_listed(self, answer: Answer) -> bool:
        return any(answer.json["bars"].values())
