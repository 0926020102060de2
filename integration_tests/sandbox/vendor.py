"""What all vendors of the sandbox share: keys, publication hours, refusals and a view of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from flask import Blueprint, Response, current_app, g, request
from pendulum import DateTime

from source_stock_prices.providers import sample_market as market
from source_stock_prices.providers.sample_market import Trade
from source_stock_prices.sessions import ZONE

if TYPE_CHECKING:
    from integration_tests.sandbox.app import Sandbox

KEY = "s4nd+b0x/k3y="
FREE_KEY = "fr33+b0x/k3y="

TOLD_AHEAD = timedelta(days=30)
"""How long before its ex-date a split or dividend is announced."""

Refusal = Callable[[], Response]


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An HTTP response. Text is sent with the content type of HTML, as most vendors do; anything else as JSON."""
    if isinstance(body, str):
        return Response(body, status, headers, content_type="text/html; charset=utf-8")
    return Response(orjson.dumps(body), status, headers, content_type="application/json")


def sandbox() -> Sandbox:
    """The sandbox that received the current request."""
    found: Sandbox = current_app.extensions["sandbox"]
    return found


def key_after(scheme: str) -> str:
    """The key after a scheme in the Authorization header, or an empty string."""
    said, _, key = request.headers.get("Authorization", "").partition(" ")
    return key if said.lower() == scheme.lower() else ""


def ticker_in_path() -> tuple[str, ...]:
    """The tickers of a request, for vendors that have one in the path."""
    ticker = (request.view_args or {}).get("ticker")
    return (ticker,) if ticker else ()


class Hours(NamedTuple):
    """When the final bar of a session is published in New York, how many days later, and from when a partial one is."""

    final: time
    days_later: int = 0
    partial: time | None = None

    def last_final(self, now: DateTime) -> date:
        """The latest day whose final bar is published."""
        return self._latest(now, self.final)

    def last(self, now: DateTime) -> date:
        """The latest day whose bar is published, final or partial."""
        return self._latest(now, self.partial or self.final)

    def _latest(self, now: DateTime, moment: time) -> date:
        return now.date() - timedelta(days=self.days_later + (now.time() < moment))


class Vendor(Blueprint):
    """One vendor's API, mounted under its name.

    `key` reads the key from a request. `refusals` are the vendor's own responses, by kind of fault; they must include
    `no-key` and `bad-key`. `market_ticker` translates the vendor's spelling of a ticker, and returns None if it is not
    a valid one. `tickers` returns the tickers that a request is for. `credentials` turns a key into settings of a
    config. With `unknown_is_empty`, the response for an unknown ticker is the same as for one without bars.
    """

    def __init__(
        self,
        name: str,
        *,
        hours: Hours,
        key: Callable[[], str],
        refusals: Mapping[str, Refusal],
        market_ticker: Callable[[str], str | None],
        tickers: Callable[[], Iterable[str]] = ticker_in_path,
        credentials: Callable[[str], Mapping[str, str]] = lambda key: {"api_key": key},
        unknown_is_empty: bool = False,
    ) -> None:
        super().__init__(name, __name__, url_prefix=f"/{name}")
        self.hours, self.key, self.refusals = hours, key, refusals
        self.market_ticker, self.tickers = market_ticker, tickers
        self.credentials, self.unknown_is_empty = credentials, unknown_is_empty
        self.before_request(self._admit)

    def _admit(self) -> Response | None:
        key = self.key()
        g.free = key == FREE_KEY
        if key in (KEY, FREE_KEY):
            return None
        return self.refusals["bad-key" if key else "no-key"]()

    @property
    def now(self) -> DateTime:
        """The current time in New York."""
        return sandbox().time.in_timezone(ZONE)

    def asks_for(self, ticker: str) -> bool:
        """Whether the current request is for a ticker, in any spelling."""
        return any(ticker in (spelling, self.market_ticker(spelling)) for spelling in self.tickers())

    def listed(self, spelling: str) -> str | None:
        """The market's name of a ticker in this vendor's spelling; None if the vendor does not know it."""
        ticker = self.market_ticker(spelling)
        return ticker if ticker and market.is_listed(ticker) else None

    def bars(self, spelling: str, start: date, end: date, adjustment: str) -> list[Trade]:
        """The published bars of a ticker, oldest first; an empty list for an unknown one."""
        ticker, now, book = self.listed(spelling), self.now, sandbox().book
        if ticker is None:
            return []
        last, final = self.hours.last(now), self.hours.last_final(now)
        trades = book.trades(ticker, start, min(end, last), adjustment, as_of=now.date())
        published = (trade for trade in trades if not book.is_hidden(ticker, trade.date))
        return [trade if trade.date <= final else _partial(trade) for trade in published]

    def events(self, spelling: str, start: date, end: date) -> list[Trade]:
        """The sessions in which a ticker splits or pays a dividend, oldest first, unadjusted; known weeks ahead."""
        ticker, book = self.listed(spelling), sandbox().book
        if ticker is None:
            return []
        trades = book.trades(ticker, start, end, "raw", as_of=self.now.date() + TOLD_AHEAD)
        known = (trade for trade in trades if not book.is_hidden(ticker, trade.date))
        return [trade for trade in known if trade.split != 1 or trade.dividend]


def _partial(trade: Trade) -> Trade:
    """A session that has just begun: every price is the opening price."""
    first = trade.open
    volume = round(trade.volume / 3)
    return trade._replace(high=first, low=first, close=first, vwap=first, volume=volume, trades=trade.trades // 3)
