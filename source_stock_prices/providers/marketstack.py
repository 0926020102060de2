"""Marketstack, version 2. Reference: https://marketstack.com/documentation_v2"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from requests import Response

from source_stock_prices.providers.base import (
    ALL,
    RAW,
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

# By code: {"error":{"code":"invalid_access_key","message":"You have not supplied a valid API Access Key."}}
RULES = (
    Rule(None, "access_key", Kind.BAD_CREDENTIALS),  # invalid_..., missing_...
    # At least one valid symbol must be provided
    Rule(None, "no_valid_symbols_provided", Kind.UNKNOWN_TICKER),
    # Answered to some spellings of an exchange, such as .XTKS for Tokyo's .T
    Rule(None, "data_not_available", Kind.UNKNOWN_TICKER),
    Rule(None, "rate_limit_reached", Kind.THROTTLED, wait=1),  # 5 a second
    Rule(None, "usage_limit_reached", Kind.QUOTA_SPENT, fix="The plan's requests are renewed next month."),
    # The given user account has reached its monthly allowed request volume.
    Rule(None, "too_many_requests", Kind.QUOTA_SPENT, fix="The plan's requests are renewed next month."),
    Rule(
        None,
        "https_access_restricted",
        Kind.NOT_ENTITLED,
        fix="Version 2 has HTTPS in every plan: set base_url to https://api.marketstack.com/v2.",
    ),
    Rule(None, "function_access_restricted", Kind.NOT_ENTITLED),
)

CLASS = re.compile(r"\.(?=[A-EG-KM-SUW-Z]$)")
"""The dot before a class of shares. .F, .L, .T and .V are Frankfurt, London, Tokyo and TSX Venture."""

ROWS = 1000
"""The most rows of one answer."""


@dataclass(frozen=True, kw_only=True)
class Marketstack(Provider):
    """Bars of up to 100 tickers a request, raw or adjusted for splits and dividends, in pages, newest first.

    A ticker that is not known is left out beside one that is; alone it is refused.
    """

    name = "marketstack"
    title = "Marketstack"
    key_url = "https://marketstack.com/dashboard"
    adjustments = (RAW, ALL)
    tickers_per_request = 100
    charges_by_ticker = True
    bars_per_request = ROWS

    api_key: str = field(repr=False)
    base_url: str = "https://api.marketstack.com/v2"

    def spelling(self, ticker: str) -> str:
        return CLASS.sub("-", ticker.upper())  # BRK.B is BRK-B

    def trades_in_new_york(self, ticker: str) -> bool:
        return "." not in self.spelling(ticker)

    def key_params(self) -> Mapping[str, str]:
        return {"access_key": self.api_key}

    def request(self, query: Query) -> Request:
        return self._get(
            query.tickers,
            {"date_from": query.start.isoformat(), "date_to": query.end.isoformat(), "limit": str(ROWS)},
        )

    def problem(self, response: Response) -> Problem | None:
        body = decode(response)
        body = body if isinstance(body, dict) else {}
        if response.status_code == 200 and isinstance(body.get("data"), list):
            return None
        error = body.get("error", {})
        code, message = text_at(error, "code"), text_at(error, "message")
        # What is wrong with a request is in the context alone.
        said = f"{code}: {message}" if code and "context" not in error else body_text(response)
        return classify(response, said, RULES if code else ())

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        prefix = "" if query.adjustment == RAW else "adj_"
        tickers = self._by_symbol(query.tickers)
        for row in decode(response)["data"]:
            for ticker in tickers[self.spelling(row["symbol"])]:
                yield Bar(
                    ticker=ticker,
                    date=calendar_day(row["date"]),  # 2025-01-31T00:00:00+0000
                    open=number(row[f"{prefix}open"]),
                    high=number(row[f"{prefix}high"]),
                    low=number(row[f"{prefix}low"]),
                    close=number(row[f"{prefix}close"]),
                    volume=number(row[f"{prefix}volume"]),
                    adjusted_close=number(row["adj_close"]),
                    dividend=number(row["dividend"]),
                    split_factor=number(row["split_factor"]),
                )

    def next_request(self, response: Response) -> Request | None:
        body, params = decode(response), asked(response)
        page, count = body["pagination"], len(body["data"])
        seen = int(params.get("offset", "0")) + count
        # A total of 0 beside rows was seen: a full page is then followed by another.
        if seen == page["total"] or (seen > page["total"] and count < page["limit"]):
            return None
        if not count:
            raise ValueError(f"no rows after {seen} of {page['total']}")
        return Request(f"{self.base_url}/eod", {**params, "offset": str(seen)})

    def reference_request(self, ticker: str) -> Request:
        return self._get((ticker,), {"limit": "1"})

    def is_listed(self, response: Response) -> bool:
        return bool(decode(response)["data"])

    def _get(self, tickers: Iterable[str], params: dict[str, str]) -> Request:
        symbols = ",".join(self.spelling(ticker) for ticker in tickers)
        return self.get(f"{self.base_url}/eod", {"symbols": symbols, **params})

    def _by_symbol(self, tickers: Iterable[str]) -> dict[str, list[str]]:
        """The tickers of each symbol that a row may have: the one asked for, or that without its exchange.

        A symbol without exchange that fits two listings is none: their prices must not be mixed.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for ticker in tickers:
            symbol = self.spelling(ticker)
            for name in {symbol, symbol.partition(".")[0]}:
                found[name].append(ticker)
        return {name: alike for name, alike in found.items() if len({self.spelling(each) for each in alike}) == 1}
