"""Massive, formerly Polygon.io. Reference: https://massive.com/docs/rest/stocks/aggregates/custom-bars"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import repeat
from re import findall

from source_stock_prices.providers.answer import NUMBERS, Answer, new_york_day, number, on_host
from source_stock_prices.providers.provider import SUSPENDED, Provider
from source_stock_prices.providers.terms import (
    MISREAD,
    RAW,
    SPLITS,
    USD,
    Bar,
    Fields,
    Kind,
    Problem,
    Query,
    Request,
    Row,
    Rows,
    Rule,
    of_market,
)

RECENT = timedelta(days=28)
"""A window that starts no longer ago is too old for no plan: the smallest reaches back two years."""

NOT_STOCKS = (
    "Massive keeps its bars of currencies (C:), crypto (X:), indices (I:) and options (O:) apart from those of stocks:"
    " by days of UTC, at weekends, or without a volume."
)

RULES = (
    # {"status":"ERROR","error":"You've exceeded the maximum requests per minute, please wait or upgrade ..."}, with 429
    # or 200, under `message` too, never with Retry-After; also 429 with an empty body.
    Rule(None, "exceeded the maximum requests", Kind.THROTTLED, wait=60),
    Rule(429, "", Kind.THROTTLED, wait=60),
    # {"status":"ERROR","error":"Your account has been suspended"}, believed
    SUSPENDED,
    # {"status":"ERROR","error":"Unknown API Key"} · {"status":"ERROR","error":"API Key was not provided"}
    Rule(401, "", Kind.BAD_CREDENTIALS),
    Rule(200, "api key", Kind.BAD_CREDENTIALS),
    # {"status":"NOT_AUTHORIZED","message":"Attempted to request today's data before end of day. Please upgrade ..."}
    # All of status NOT_AUTHORIZED were also seen with HTTP 200.
    Rule(None, "before end of day", Kind.NOT_YET),
    # {"status":"NOT_AUTHORIZED","message":"Your plan doesn't include this data timeframe. Please upgrade ..."}, also
    # said of days too new: see `_of_timeframe`.
    Rule(None, "timeframe", Kind.BEYOND_PLAN, fix="The free plan covers 2 years."),
    # {"status":"NOT_AUTHORIZED","message":"You are not entitled to this data. Please upgrade your plan at ..."}
    Rule(None, "not entitled", Kind.NOT_ENTITLED),
    Rule(None, "upgrade your plan", Kind.NOT_ENTITLED),
    # {"status":"NOT_FOUND","message":"Ticker not found."}, only from the ticker reference: bars of an unknown
    # ticker are an empty 200.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
)

ONE_DAY = Request(
    "/v2/aggs/grouped/locale/us/market/stocks/{start}",
    {"adjusted": "{adjustment}", "include_otc": "true"},
)

NO_EVENTS = "No events found"
"""How a 404 that is an empty answer begins: {"status":"NOT_FOUND","message":"No events found for given ID"}."""

NOT_SENT = (None, None, None)
"""Adjusted close, dividend and split factor."""


@dataclass(frozen=True, kw_only=True)
class Massive(Provider):
    """Bars of one ticker a request, or of every ticker for one day, raw or adjusted for splits.

    They are timed by the start of the day in New York, those of the whole market by its close.
    """

    name = "massive"
    aliases = ("polygon",)
    title = "Massive (formerly Polygon.io)"
    key_url = "https://massive.com/dashboard/keys"
    adjustments = (RAW, SPLITS)
    adjustment_words = {RAW: "false", SPLITS: "true"}
    free_requests_per_minute = 5
    calls_by_date = 1
    key_in_headers = {"Authorization": "Bearer {api_key}"}
    rules = RULES
    error_keys = ("error", "message")
    date_field = "t"
    fields = dict.fromkeys(adjustments, Fields("c", "o", "h", "l", "v", "vw", "n"))
    bars_template = Request(
        "/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}",  # case matters: KIMpL is a preferred share
        {"adjusted": "{adjustment}", "sort": "asc", "limit": "50000"},
    )
    reference_template = Request("/v3/reference/tickers/{ticker}")
    optional_fields = frozenset(("vw", "n"))  # a session without a trade that counts for them has neither

    api_key: str = field(repr=False)
    base_url: str = "https://api.massive.com"

    def request(self, query: Query) -> Request:
        return self.ask(ONE_DAY if self.is_by_date(query) else self.bars_template, query)

    def next_request(self, answer: Answer) -> Request | None:
        # The link has the host of the official API and no key, whatever host was asked.
        link = answer.text_at("next_url")
        return self.get(on_host(self.base_url, link)) if link else None

    def has_rows(self, answer: Answer) -> bool:
        return answer.text_at("status") in ("OK", "DELAYED")  # DELAYED: OK, on plans with delayed data

    def problem(self, answer: Answer) -> Problem | None:
        if answer.text_at("message").startswith(NO_EVENTS):
            return None
        problem = super().problem(answer)
        if problem and problem.kind is Kind.BEYOND_PLAN:
            return _of_timeframe(problem, answer)
        return problem

    def rows(self, answer: Answer, query: Query) -> Rows:
        rows = _results(answer.json)
        if of_market(query.tickers):
            return _with_tickers(rows)
        if self.is_by_date(query):
            wanted = frozenset(("", *query.tickers))
            return (pair for pair in _with_tickers(rows) if pair[0] in wanted)
        ticker = query.ticker
        named = answer.json.get("ticker", ticker)
        if rows and named.upper() != ticker.upper():
            raise ValueError(f"bars of {named}")
        return zip(repeat(ticker), rows)

    def bar(self, row: Row, query: Query) -> Bar | None:
        ticker, row = row  # spelled out, because an answer can have the whole market
        if not ticker:
            raise ValueError("no ticker")
        day = new_york_day(row["t"])
        close = row["c"]
        opened = row["o"]
        high = row["h"]
        low = row["l"]
        volume = row["v"]
        vwap = row.get("vw")
        count = row.get("n")
        numbers = close, opened, high, low, volume, vwap, count
        if not NUMBERS.issuperset(map(type, numbers)):
            prices = map(number, numbers)
            return Bar._make((ticker, day, *prices, *NOT_SENT, self.currency(ticker)))
        # The fastest way to floats and a bar: by Bar(...) a row takes a fifth longer.
        parts = (
            ticker,
            day,
            close * 1.0,
            opened * 1.0,
            high * 1.0,
            low * 1.0,
            volume * 1.0,
            vwap * 1.0,
            count * 1.0,
            None,
            None,
            None,
            None if ":" in ticker else USD,
        )
        return tuple.__new__(Bar, parts)

    def day(self, row: Row) -> date:
        return new_york_day(row["t"])

    def currency(self, ticker: str) -> str | None:
        return None if ":" in ticker else USD  # C:EURGBP, I:SPX

    def objection(self, ticker: str) -> str:
        return NOT_STOCKS if ":" in ticker else ""

    def market_rows(self, answer: Answer) -> tuple[int, int | None]:
        rows = answer.get("results") or ()
        says = answer.get("resultsCount")
        return len(rows), says if type(says) is int else None


def _results(body: Row) -> Row:
    """The rows of an answer. One without any has no `results`, or null, and counts them: {"resultsCount":0,...}."""
    rows = body.get("results")
    if rows is not None:
        return rows
    count = body.get("resultsCount", 0) if "results" in body else body["resultsCount"]
    if count != 0:
        raise ValueError(f"{count} results that are not there")
    return ()


def _of_timeframe(problem: Problem, answer: Answer) -> Problem:
    """The problem of a window that the plan leaves out, by the side on which it does.

    The vendor says the same of days too old and too new. Its clock tells them apart; without it, a day alone is either.
    """
    days = findall(r"\d{4}-\d\d-\d\d", answer.address)
    if not days:
        return problem
    start, end = days[0], days[-1]
    today = answer.sent_on
    if today is None:
        return problem if start < end else problem._replace(kind=Kind.NOT_ENTITLED, fix="")
    if end < str(today) or start < str(today - RECENT):
        return problem
    return problem._replace(kind=Kind.NOT_YET, fix="")


def _with_tickers(rows: Rows) -> Iterator[tuple[str, Row]]:
    """Each row of the whole market with its ticker, an empty one where it does not tell."""
    for row in rows:
        try:
            ticker = row["T"]
        except MISREAD:
            ticker = ""
        yield (ticker if type(ticker) is str else ""), row
