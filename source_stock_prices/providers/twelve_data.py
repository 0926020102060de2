"""Twelve Data. Reference: https://twelvedata.com/docs#time-series"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from source_stock_prices.providers.answer import Answer, oldest_day, text_at
from source_stock_prices.providers.exchanges import COUNTRIES, EXCHANGES
from source_stock_prices.providers.provider import SUSPENDED, Provider, currency_code
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    SPLITS,
    Fields,
    Kind,
    Problem,
    Query,
    Request,
    Rows,
    Rule,
)
from source_stock_prices.sessions import NEW_YORK

OTHER_LISTING = "If exchange or country is set, the ticker must be listed there."
# Each body is {"code":...,"message":"...","status":"error"}. A rule's status is that code: HTTP may say 200 to any.
RULES = (
    # **apikey** parameter is incorrect or not specified. You can get your free API key instantly following ...
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # Your account is suspended, believed
    SUSPENDED,
    # You have run out of API credits for the day. 801 API credits were used, with the current limit being 800. ...
    Rule(None, "credits for the day", Kind.QUOTA_SPENT, fix="The credits reset tomorrow."),
    # You have run out of API credits for the current minute. 9 API credits were used, with the current limit ...
    Rule(None, "run out of api credits", Kind.THROTTLED, period=60),
    Rule(429, "", Kind.THROTTLED, period=60),
    # This symbol is available starting with the Grow or Venture plan. Consider upgrading now at ..., with 404
    Rule(None, "symbol is available", Kind.TICKER_NOT_ENTITLED),
    # /time_series is available exclusively with grow or pro or ultra or venture or enterprise plans. ...
    Rule(403, "is available", Kind.NOT_ENTITLED),
    # **symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol according to ..., with 404
    # · **symbol** not found: ZZZZ. Please specify it correctly according to API Documentation., with 400
    Rule(None, "**symbol**", Kind.UNKNOWN_TICKER, fix=OTHER_LISTING),
    Rule(404, "data not found", Kind.UNKNOWN_TICKER),
)

OF_TICKER = (Kind.TICKER_NOT_ENTITLED, Kind.UNKNOWN_TICKER)

NO_DATA = "No data is available on the specified dates."
"""How a 400 that is an empty answer begins."""

LISTING = {"exchange": "{exchange}", "country": "{country}"}

MOST_ROWS = 5000
"""Rows of one ticker in an answer; of more, the newest."""


@dataclass(frozen=True, kw_only=True)
class TwelveData(Provider):
    """Bars of several tickers a request, each for a credit of the plan, newest first.

    `exchange` and `country` say which listing of a ticker is meant if it has several.
    """

    name = "twelve_data"
    title = "Twelve Data"
    key_url = "https://twelvedata.com/account/api-keys"
    free_calls_per_day = 800
    adjustments = (RAW, SPLITS, ALL)
    adjustment_words = {RAW: "none"}
    free_requests_per_minute = 8
    bars_per_page = MOST_ROWS
    tickers_per_request = 8  # the free plan's credits a minute: a larger batch would fail as a whole
    charges_by_ticker = True
    key_in_headers = {"Authorization": "apikey {api_key}"}
    rules = RULES
    error_keys = ("message",)
    date_field = "datetime"
    fields = dict.fromkeys(adjustments, Fields())
    bars_template = Request(
        "/time_series",
        {
            "interval": "1day",
            "symbol": "{tickers}",
            "start_date": "{start}",
            "end_date": "{end}",
            "outputsize": str(MOST_ROWS),
            "order": "desc",
            "adjust": "{adjustment}",
            **LISTING,
        },
    )
    reference_template = Request(  # the latest bar, however old
        "/time_series",
        {"interval": "1day", "symbol": "{ticker}", "outputsize": "1", **LISTING},
    )

    api_key: str = field(repr=False)
    exchange: str = ""
    country: str = ""
    base_url: str = "https://api.twelvedata.com"

    @property
    def origin(self) -> str:
        return ":".join(filter(None, (self.name, self.exchange, self.country)))

    def exchange_of(self, ticker: str) -> str | None:
        exchange = ticker.partition(":")[2] or self.exchange
        if "/" in ticker:
            return None  # EUR/USD, BTC/USD
        if exchange:
            return EXCHANGES.get(exchange.upper())
        return COUNTRIES.get(self.country.upper()) if self.country else NEW_YORK

    def currency(self, ticker: str) -> str | None:
        quote = ticker.partition("/")[2]  # EUR/USD
        return currency_code(quote)

    def request(self, query: Query) -> Request:
        day_after = query.end + timedelta(days=1)  # the vendor leaves the end out
        return self.ask(self.bars_template, query._replace(end=day_after))

    def pages(self, query: Query, bars: int | None) -> int:
        return super().pages(query, bars and bars // len(query.tickers))  # each ticker has as many rows of its own

    def next_request(self, answer: Answer) -> Request | None:
        oldest = {}
        for ticker, part in _parts(answer).items():
            rows = _rows(part)
            day = oldest_day(rows, "datetime")
            if day and len(rows) >= MOST_ROWS:
                oldest[ticker] = str(day)
        if not oldest:
            return None
        # One date for all of them: of a ticker that is further back already, some rows come again.
        return self.again(answer, symbol=",".join(oldest), end_date=max(oldest.values()))

    def has_rows(self, answer: Answer) -> bool:
        return answer.text_at("status") == "ok"

    def problem(self, answer: Answer) -> Problem | None:
        parts = _parts(answer)
        for part in parts.values():
            problem = self._problem(part)
            if problem and (len(parts) == 1 or problem.kind not in OF_TICKER):
                return problem
        return None

    def refused(self, answer: Answer, query: Query) -> Mapping[str, Problem]:
        refused = {}
        for ticker, part in _parts(answer).items():
            if problem := self._problem(part):
                refused[ticker] = problem
        return refused

    def rows(self, answer: Answer, query: Query) -> Rows:
        for ticker, part in _parts(answer).items():
            currency = text_at(part.get("meta"), "currency")
            told = {"currency": currency} if currency else {}
            for row in _rows(part):
                # Currencies and some indices have no volume.
                yield ticker, {"volume": None, **told, **row} if isinstance(row, dict) else row

    def _problem(self, part: Answer) -> Problem | None:
        if part.text_at("status") == "error" and part.text_at("message").startswith(NO_DATA):
            return None
        return super().problem(part)


def _parts(answer: Answer) -> Mapping[str, Answer]:
    """The part of each ticker; the whole answer where it is about one, or where a batch is refused as a whole."""
    symbol = answer.params["symbol"]
    tickers = symbol.split(",")
    if len(tickers) == 1 or not isinstance(answer.json, dict) or answer.text_at("status") == "error":
        return {symbol: _part(answer, answer.json)}
    parts = {}
    for ticker in tickers:
        parts[ticker] = _part(answer, answer.json.get(ticker))
    return parts


def _part(answer: Answer, body: Any) -> Answer:
    """A part with the status that a refusal states, else that of the answer."""
    code = body.get("code") if text_at(body, "status") == "error" else None
    return answer.part(body, code if type(code) is int else answer.status)


def _rows(part: Answer) -> list[Any]:
    if part.json["status"] != "ok":
        return []
    rows: list[Any] = part.json["values"]
    return rows
