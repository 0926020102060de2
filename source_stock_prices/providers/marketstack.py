"""Marketstack, version 2. Reference: https://marketstack.com/documentation_v2"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from source_stock_prices.providers.answer import Answer, text_at
from source_stock_prices.providers.mend import mend
from source_stock_prices.providers.provider import Provider, in_proportion
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    Bar,
    Fields,
    Kind,
    Query,
    Request,
    Row,
    Rows,
    Rule,
)

NEXT_MONTH = "The request quota resets next month."
VERSION_2 = "Every plan includes HTTPS in version 2: set base_url to https://api.marketstack.com/v2."
# By code: {"error":{"code":"invalid_access_key","message":"You have not supplied a valid API Access Key."}}
RULES = (
    Rule(None, "access_key", Kind.BAD_CREDENTIALS),  # invalid_..., missing_...
    # At least one valid symbol must be provided
    Rule(None, "no_valid_symbols_provided", Kind.UNKNOWN_TICKER),
    # Answered to some spellings of an exchange, such as .XTKS for Tokyo's .T
    Rule(None, "data_not_available", Kind.UNKNOWN_TICKER),
    Rule(None, "rate_limit_reached", Kind.THROTTLED, wait=1),  # 5 a second
    Rule(None, "usage_limit_reached", Kind.QUOTA_SPENT, fix=NEXT_MONTH),
    # The given user account has reached its monthly allowed request volume.
    Rule(None, "too_many_requests", Kind.QUOTA_SPENT, fix=NEXT_MONTH),
    Rule(None, "https_access_restricted", Kind.NOT_ENTITLED, fix=VERSION_2),
    Rule(None, "function_access_restricted", Kind.NOT_ENTITLED),
)

ROWS = 1000
"""The most rows of one answer."""

AS_TRADED = Fields(
    adjusted_close="adj_close",
    dividend="dividend",
    split_factor="split_factor",
)
ADJUSTED = AS_TRADED._replace(
    open="adj_open",
    high="adj_high",
    low="adj_low",
    close="adj_close",
    volume="adj_volume",
)

FILLED = ("open", "high", "low", "volume")
"""What is null in some adjusted rows, beside an adjusted close and all numbers as traded."""


@dataclass(frozen=True, kw_only=True)
class Marketstack(Provider):
    """Bars of up to 100 tickers a request, raw or adjusted for splits and dividends, in pages, newest first.

    An unknown ticker is left out where another one is known, and refused where none is.
    """

    name = "marketstack"
    title = "Marketstack"
    key_url = "https://marketstack.com/dashboard"
    adjustments = (RAW, ALL)
    tickers_per_request = 100
    charges_by_ticker = True
    bars_per_request = bars_per_page = ROWS
    key_in_params = {"access_key": "{api_key}"}
    rules = RULES
    exchange_suffix = r"\.([^.]*)$"
    fields = {RAW: AS_TRADED, ALL: ADJUSTED}
    containers = {"data": list, "symbol": str}  # what it knows of a ticker has no `data` around it
    optional_fields = frozenset(("dividend", "split_factor"))  # an index has neither
    currency_field = "price_currency"
    class_dot = r"\.(?=[A-EG-KM-SUW-Z]$)"  # .F, .L, .T and .V are Frankfurt, London, Tokyo and TSX Venture
    bars_template = Request(
        "/eod",
        {
            "symbols": "{tickers}",
            "date_from": "{start}",
            "date_to": "{end}",
            "limit": str(ROWS),
        },
    )
    reference_template = Request("/eod", {"symbols": "{ticker}", "limit": "1"})

    api_key: str = field(repr=False)
    base_url: str = "https://api.marketstack.com/v2"

    def spelling(self, ticker: str) -> str:
        return super().spelling(ticker.upper())

    def name_in_rows(self, ticker: str) -> str:
        return self.spelling(ticker).partition(".")[0]  # some rows leave the exchange out

    def next_request(self, answer: Answer) -> Request | None:
        page = answer.json["pagination"]
        count = len(answer.json["data"])
        seen = int(answer.params.get("offset", "0")) + count
        # A total of 0 beside rows was seen: then a full page is followed by another.
        if seen == page["total"] or (seen > page["total"] and count < page["limit"]):
            return None
        if not count:
            raise ValueError(f"no rows after {seen} of {page['total']}")
        return self.again(answer, offset=str(seen))

    def is_listed(self, answer: Answer) -> bool:
        return bool(answer.json["data"])

    def words(self, answer: Answer) -> str | None:
        error = answer.get("error")
        code = text_at(error, "code")
        if not code:
            return None
        if "context" in error:
            return answer.text  # what is wrong with a request is only in there
        return f"{code}: {text_at(error, 'message')}"

    def rows(self, answer: Answer, query: Query) -> Rows:
        tickers = self._by_symbol(query.tickers)
        for row in answer.json["data"]:
            for ticker in tickers.get(self._symbol(row), ("",)):
                yield ticker, row

    def bar(self, row: Row, query: Query) -> Bar | None:
        bar = super().bar(row, query)
        if bar is None or query.adjustment == RAW:
            return bar
        if None not in (bar.open, bar.high, bar.low, bar.volume):
            return bar
        return self._completed(bar, row, query)

    def _completed(self, adjusted: Bar, row: Row, query: Query) -> Bar:
        """An adjusted bar with what is null in it taken from the numbers as traded, prices in proportion to the close.

        Where the close is the same in both, all numbers are. Elsewhere the volume stays null, for a split changes it
        and a dividend does not; and so do prices whose close is outside of its day's range, a slip of the vendor's.
        """
        ticker, cells = row
        as_traded = mend(cells, AS_TRADED, self.optional_fields)
        traded = as_traded and super().bar((ticker, as_traded.row), query._replace(adjustment=RAW))
        if not traded:
            return adjusted
        known = traded
        if traded.close != traded.adjusted_close:
            if not _is_in_its_range(traded):
                return adjusted
            known = in_proportion(traded)._replace(volume=None)
        nulls = [field for field in FILLED if getattr(adjusted, field) is None]
        return adjusted._replace(**{field: getattr(known, field) for field in nulls})

    def _symbol(self, row: Row) -> str:
        """The spelling of a row's ticker; an empty one where it does not tell."""
        return self.spelling(text_at(row, "symbol"))

    def _by_symbol(self, tickers: Iterable[str]) -> dict[str, list[str]]:
        """The tickers of each symbol that a row may have: the spelling requested, or the same without its exchange.

        A symbol without exchange that fits two listings is left out: their prices must not be mixed.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for ticker in tickers:
            symbol = self.spelling(ticker)
            for name in {symbol, symbol.partition(".")[0]}:
                found[name].append(ticker)
        unambiguous = {}
        for name, alike in found.items():
            listings = {self.spelling(ticker) for ticker in alike}
            if len(listings) == 1:
                unambiguous[name] = alike
        return unambiguous


def _is_in_its_range(bar: Bar) -> bool:
    low, close, high = bar.low, bar.close, bar.high
    return bool(low and close and high and low <= close <= high)
