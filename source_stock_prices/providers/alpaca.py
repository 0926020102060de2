"""Alpaca. Reference: https://docs.alpaca.markets/reference/stockbars"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

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

ADJUSTMENTS = {RAW: "raw", SPLITS: "split", ALL: "all"}
FIRST_DAY = "2016-01-01"
"""No plan has an older bar."""

PAIR = "Check api_secret too: the two are made as a pair, and anew when a paper account is reset."
SPELLING = "Alpaca's tickers are capital letters, with a dot before a class of shares: BRK.B."
RULES = (
    # {"message":"forbidden."} · without keys a page of HTML with 401
    Rule(403, "forbidden.", Kind.BAD_CREDENTIALS, fix=PAIR),
    Rule(401, "", Kind.BAD_CREDENTIALS, fix=PAIR),
    # {"code":42210000,"message":"subscription does not permit querying recent SIP data"}, with 403: of a window that
    # ends in the last 15 minutes. Only its last day is refused: the same plan serves those before.
    Rule(None, "recent SIP", Kind.NOT_YET, fix="Every plan has the latest bars of the feed iex."),
    # {"message":"subscription does not permit querying OTC data"}
    Rule(403, "subscription does not permit", Kind.NOT_ENTITLED, fix="The feed iex is part of every plan."),
    # {"message":"invalid symbol: CSP1"}: a ticker no exchange of the US could have. It fails the whole request.
    Rule(400, "invalid symbol", Kind.UNKNOWN_TICKER, fix=SPELLING),
    # {"message":"too many requests."}
    Rule(429, "", Kind.THROTTLED, wait=60),
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

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    feed: str = field(default="sip", metadata={"allowed": ("sip", "iex")})
    base_url: str = "https://data.alpaca.markets"

    def key_headers(self) -> Mapping[str, str]:
        return {"APCA-API-KEY-ID": self.api_key, "APCA-API-SECRET-KEY": self.api_secret}

    def request(self, query: Query) -> Request:
        return self._get(
            {
                "symbols": ",".join(query.tickers),
                "timeframe": "1Day",
                "start": query.start.isoformat(),
                # The last day's bar is timed 04:00 or 05:00 UTC. A date alone can mean the end of that day, which the
                # free plan refuses while it is less than 15 minutes ago or to come.
                "end": f"{query.end}T05:00:00Z",
                "adjustment": ADJUSTMENTS[query.adjustment],
                "feed": self.feed,
                "limit": "10000",
            }
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        holds = body if response.status_code == 200 and isinstance(body, dict) else {}
        if isinstance(holds.get("bars", holds.get("corporate_actions")), dict):
            return None
        problem = classify(response, text_at(body, "message") or body_text(response), RULES)
        if problem.kind is Kind.UNKNOWN_TICKER:
            return problem._replace(ticker=problem.said.rpartition(": ")[2])
        if problem.kind is Kind.THROTTLED:
            return problem._replace(wait=_until_reset(response) or problem.wait)
        return problem

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        for ticker, rows in decode(response)["bars"].items():
            if ticker not in query.tickers:
                raise KeyError(ticker)
            for row in rows:
                yield Bar(
                    ticker=ticker,
                    date=calendar_day(row["t"]),  # 2024-01-02T05:00:00Z: midnight in New York, on the same day
                    open=number(row["o"]),
                    high=number(row["h"]),
                    low=number(row["l"]),
                    close=number(row["c"]),
                    volume=number(row["v"]),
                    vwap=number(row["vw"]),
                    trade_count=number(row["n"]),
                )

    def next_request(self, response: Response) -> Request | None:
        # Rows are in order of ticker, then day, so that a page may hold the first ticker alone.
        token = decode(response)["next_page_token"]
        return self._get({**asked(response), "page_token": token}) if token else None

    def reference_request(self, ticker: str) -> Request:
        # Its list of assets is on another host, and lacks tickers that have bars. So a ticker is unknown that never had
        # one. Without an end, the window reaches as far as the plan does.
        window = {"start": FIRST_DAY, "feed": self.feed, "limit": "1"}
        return self._get({"symbols": ticker, "timeframe": "1Day", **window})

    def is_listed(self, response: Response) -> bool:
        return any(decode(response)["bars"].values())

    def _get(self, params: Mapping[str, str]) -> Request:
        return self.get(f"{self.base_url}/v2/stocks/bars", params)


def _until_reset(response: Response) -> float | None:
    """Seconds until the plan's minute begins anew, by the vendor's clock; None when it does not say."""
    try:
        reset = int(response.headers["X-RateLimit-Reset"])
        wait = reset - parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
    return wait if wait > 0 else None
