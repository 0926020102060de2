"""Twelve Data. Reference: https://twelvedata.com/docs#time-series"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

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

# Each body is {"code":...,"message":"...","status":"error"}. A rule's status is that code: HTTP may say 200 to any.
RULES = (
    # **apikey** parameter is incorrect or not specified. You can get your free API key instantly following ...
    Rule(401, "", Kind.BAD_CREDENTIALS),
    # You have run out of API credits for the day. 801 API credits were used, with the current limit being 800. ...
    Rule(429, "for the day", Kind.QUOTA_SPENT, fix="The plan's credits are renewed tomorrow."),
    # You have run out of API credits for the current minute. 9 API credits were used, with the current limit ...
    Rule(429, "", Kind.THROTTLED, period=60),
    # This symbol is available starting with the Grow or Venture plan. Consider upgrading now at ..., with 404
    Rule(None, "symbol is available", Kind.TICKER_NOT_ENTITLED),
    # /time_series is available exclusively with grow or pro or ultra or venture or enterprise plans. ...
    Rule(403, "is available", Kind.NOT_ENTITLED),
    # **symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol according to ..., with 404
    # · **symbol** not found: ZZZZ. Please specify it correctly according to API Documentation., with 400
    Rule(None, "**symbol**", Kind.UNKNOWN_TICKER, fix="If exchange or country is set, it must be listed there."),
    Rule(404, "data not found", Kind.UNKNOWN_TICKER),
)

OF_TICKER = (Kind.TICKER_NOT_ENTITLED, Kind.UNKNOWN_TICKER)

NO_DATA = "No data is available on the specified dates."
"""How a 400 that is an empty answer begins."""

MOST_ROWS = 5000
"""Rows of one ticker in an answer; of more, the newest."""

ADJUST = {RAW: "none", SPLITS: "splits", ALL: "all"}


@dataclass(frozen=True, kw_only=True)
class TwelveData(Provider):
    """Bars of several tickers a request, each for a credit of the plan, newest first.

    `exchange` and `country` say which listing of a ticker is meant, where it has several.
    """

    name = "twelve_data"
    title = "Twelve Data"
    key_url = "https://twelvedata.com/account/api-keys"
    adjustments = (RAW, SPLITS, ALL)
    free_requests_per_minute = 8
    tickers_per_request = 8  # the free plan's credits a minute: a larger batch would fail as a whole
    charges_by_ticker = True

    api_key: str = field(repr=False)
    exchange: str = ""
    country: str = ""
    base_url: str = "https://api.twelvedata.com"

    def trades_in_new_york(self, ticker: str) -> bool:
        return not (self.exchange or self.country or ":" in ticker or "/" in ticker)

    def key_headers(self) -> Mapping[str, str]:
        return {"Authorization": f"apikey {self.api_key}"}

    def request(self, query: Query) -> Request:
        return self._get(
            {
                "symbol": ",".join(query.tickers),
                "start_date": query.start.isoformat(),
                "end_date": (query.end + timedelta(days=1)).isoformat(),  # exclusive
                "outputsize": str(MOST_ROWS),
                "order": "desc",
                "adjust": ADJUST[query.adjustment],
            }
        )

    def problem(self, response: Response) -> Problem | None:
        parts = _parts(response)
        problems = (_problem(response, part) for part in parts.values())
        return next((each for each in problems if each and (len(parts) == 1 or each.kind not in OF_TICKER)), None)

    def parse(self, response: Response, query: Query) -> Iterable[Bar]:
        for ticker, part in _parts(response).items():
            for row in _rows(part):
                yield Bar(
                    ticker=ticker,
                    date=calendar_day(row["datetime"]),
                    open=number(row["open"]),
                    high=number(row["high"]),
                    low=number(row["low"]),
                    close=number(row["close"]),
                    volume=number(row.get("volume")),  # currencies and some indices have none
                )

    def next_request(self, response: Response) -> Request | None:
        oldest = {
            ticker: min(row["datetime"] for row in rows)
            for ticker, part in _parts(response).items()
            if len(rows := _rows(part)) >= MOST_ROWS
        }
        if not oldest:
            return None
        # One date for all: of a ticker that is further back, some rows come again.
        return self._get({**asked(response), "symbol": ",".join(oldest), "end_date": max(oldest.values())})

    def refused(self, response: Response, query: Query) -> Mapping[str, Problem]:
        parts = _parts(response)
        return {ticker: problem for ticker, part in parts.items() if (problem := _problem(response, part))}

    def reference_request(self, ticker: str) -> Request:
        return self._get({"symbol": ticker, "outputsize": "1"})  # the latest bar, however old

    def _get(self, params: Mapping[str, str]) -> Request:
        listing = {key: value for key, value in (("exchange", self.exchange), ("country", self.country)) if value}
        return self.get(f"{self.base_url}/time_series", {"interval": "1day", **params, **listing})


def _parts(response: Response) -> Mapping[str, Any]:
    """The part of each ticker; the whole body where one was asked for, or where a batch is refused as a whole."""
    body, tickers = decode(response), asked(response)["symbol"]
    if "," not in tickers or not isinstance(body, dict) or text_at(body, "status") == "error":
        return {tickers: body}
    return {ticker: body.get(ticker) for ticker in tickers.split(",")}


def _problem(response: Response, part: Any) -> Problem | None:
    status, said = text_at(part, "status"), text_at(part, "message")
    if (status == "ok" and response.status_code == 200) or (status == "error" and said.startswith(NO_DATA)):
        return None
    stated = copy(response)
    if status == "error" and type(part.get("code")) is int:
        stated.status_code = part["code"]
    return classify(stated, said or body_text(response), RULES)


def _rows(part: Any) -> list[Any]:
    return part["values"] if part["status"] == "ok" else []
