"""EODHD. Reference: https://eodhd.com/financial-apis/api-for-historical-data-and-volumes"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from source_stock_prices.providers.answer import Answer, text_at
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    ALL,
    ANY,
    RAW,
    Bar,
    Fields,
    Kind,
    Query,
    Request,
    Row,
    Rows,
    Rule,
    of_market,
)

MIDNIGHT = "The request quota resets at midnight GMT."
# Refusals are plain text with Content-Type text/html.
RULES = (
    # Unauthenticated
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # You exceeded your daily API requests limit.  Please contact support@eodhistoricaldata.com, by some with 429
    Rule(402, "", Kind.QUOTA_SPENT, fix=MIDNIGHT),
    Rule(429, "daily API requests", Kind.QUOTA_SPENT, fix=MIDNIGHT),
    Rule(429, "", Kind.THROTTLED, wait=60),
    # Ticker Not Found.
    Rule(404, "ticker not found", Kind.UNKNOWN_TICKER),
    # Symbol not found, of splits and dividends
    Rule(404, "symbol not found", Kind.UNKNOWN_TICKER),
    # Only EOD data allowed for free users · Bulk requests are prohibited for free users. Please, contact our ...
    Rule(None, "free users", Kind.NOT_ENTITLED),
    # Forbidden
    Rule(403, "forbidden", Kind.TICKER_NOT_ENTITLED, fix="The demo key covers only a few tickers."),
    # {"error":"...","code":403}, which the vendor documents as "Unauthorized: Invalid API key"
    Rule(403, "403: ", Kind.BAD_CREDENTIALS),
    Rule(403, "invalid api", Kind.BAD_CREDENTIALS),
    # [{"warning":"Data is limited by one year as you have free subscription"}], without a bar of the window beside it
    Rule(200, "limited by one year", Kind.BEYOND_PLAN, fix="The free plan covers the last year."),
)

ONE_LETTER_EXCHANGES = ("F", "T", "V")
"""Frankfurt, Tokyo and TSX Venture. Any other single letter after a dot is a share class."""

CLASS_HYPHEN = r"-(?=[A-EG-SUW-Z]$)"
"""The hyphen before a share class that is none of these letters: users write BRK.B."""

# A day of an exchange costs 100 calls: https://eodhd.com/financial-apis/api-limits. Its rows are those of a ticker with
# {"code":"BRK-B","exchange_short_name":"US",...}: https://eodhd.com/financial-apis/bulk-api-eod-splits-dividends
ONE_DAY = Request("/eod-bulk-last-day/{market}", {"date": "{start}", "fmt": "json"})


@dataclass(frozen=True, kw_only=True)
class Eodhd(Provider):
    """Bars of one ticker a request, or of an exchange for one day, with raw prices and the adjusted close.

    What follows the last dot of a ticker is its exchange: VOW3.XETRA. A single letter is a share class instead, unless
    it is one of the exchanges with one letter: BRK.B is BRK-B.US. A ticker without an exchange is on `exchange`.

    Adjusted prices are the adjusted close, and the other prices in proportion to it, as the vendor's guide says. The
    volume is in the shares of today, so there is none beside raw prices.
    """

    name = "eodhd"
    title = "EODHD"
    key_url = "https://eodhd.com/cp/settings"
    free_calls_per_day = 20
    adjustments = (RAW, ALL)
    key_in_params = {"api_token": "{api_key}"}
    rules = RULES
    exchange_suffix = r"\.([^.]*)$"
    calls_by_date = 100
    error_keys = ("message", "error")
    fields = dict.fromkeys(adjustments, Fields(adjusted_close="adjusted_close"))
    bars_template = Request(
        "/eod/{ticker}",
        {"from": "{start}", "to": "{end}", "fmt": "json"},  # CSV without fmt
    )
    reference_template = Request("/eod/{ticker}", {"period": "m", "fmt": "json"})
    adjusts_close_only = True

    api_key: str = field(repr=False)
    exchange: str = "US"
    base_url: str = "https://eodhd.com/api"

    @property
    def origin(self) -> str:
        return self.name if self.exchange == "US" else f"{self.name}:{self.exchange}"

    def spelling(self, ticker: str) -> str:
        code, dot, exchange = ticker.rpartition(".")
        is_class = len(exchange) == 1 and exchange not in ONE_LETTER_EXCHANGES and code != ANY
        if not dot or is_class:
            code, exchange = ticker, self.exchange
        return f"{code.replace('.', '-')}.{exchange}"

    def ticker(self, spelling: str) -> str:
        code, _, exchange = spelling.rpartition(".")
        code = re.sub(CLASS_HYPHEN, ".", code)
        return code if exchange == self.exchange else f"{code}.{exchange}"

    def market_of(self, ticker: str) -> str:
        return f"{ANY}.{_exchange(self.spelling(ticker))}"

    def request(self, query: Query) -> Request:
        if self.is_by_date(query):
            return self.ask(ONE_DAY, query, market=_exchange(self.spelling(query.tickers[0])))
        return super().request(query)

    def rows(self, answer: Answer, query: Query) -> Rows:
        if not self.is_by_date(query):
            return super().rows(answer, query)
        wanted = {self.spelling(ticker): ticker for ticker in query.tickers}
        return self._rows_by_date(answer, query.tickers[0], {} if of_market(query.tickers) else wanted)

    def _rows_by_date(self, answer: Answer, ticker: str, wanted: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
        """The rows of an exchange, each with its ticker: those `wanted` by their spelling or, if none are, all."""
        exchange = _exchange(self.spelling(ticker))
        for row in answer.json:
            code = text_at(row, "code")
            if not code:
                yield "", row
            elif not wanted:
                yield self.ticker(f"{code}.{exchange}"), row
            elif name := wanted.get(f"{code}.{exchange}"):
                yield name, row

    def has_rows(self, answer: Answer) -> bool:
        rows = answer.json
        if not isinstance(rows, list):
            return False
        start = answer.params.get("from", "")
        end = answer.params.get("to", "9999-12-31")
        return not rows or any(not _only_warns(row, start, end) for row in rows)

    def words(self, answer: Answer) -> str | None:
        if answer.text.lstrip().startswith("<"):
            return None  # a proxy's page for a 403 says "Forbidden" as well
        if answer.status == 200 and isinstance(answer.json, list):
            return _warning(answer.json)
        said = super().words(answer)
        if answer.get("code") == answer.status:
            return f"{answer.status}: {said}"
        return said

    def bar(self, row: Row, query: Query) -> Bar | None:
        if text_at(row, "warning") and _only_warns(row, str(query.start), str(query.end)):
            return None
        bar = super().bar(row, query)
        if bar is None or query.adjustment == ALL or not bar.volume:
            return bar
        # It is in the shares of today, beside prices as traded. Only none at all is the same in both.
        return bar._replace(volume=None)

    def notice(self, answer: Answer, query: Query) -> str:
        # The free plan cuts a window to the last year and says so in every row, in the last one, or in one of its own.
        return _warning(answer.json)


def _exchange(spelling: str) -> str:
    return spelling.rpartition(".")[2]


def _warning(rows: Rows) -> str:
    """The first warning in some rows, else an empty text."""
    for row in rows:
        if warning := text_at(row, "warning"):
            return warning
    return ""


def _only_warns(row: Row, start: str, end: str) -> bool:
    """Whether a row is there for its warning only: it has no day, or one outside the window.

    The free plan answers a window that it does not reach with a warning beside a bar of another day.
    """
    if not text_at(row, "warning"):
        return False
    day = text_at(row, "date")
    return not start <= day <= end if day else "date" not in row
