"""What all vendors of the sandbox share: keys, publication hours, refusals and a view of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from flask import Blueprint, Response, current_app, g, request
from pendulum import DateTime

from source_stock_prices.providers.sample_market import Trade, exchange_of
from source_stock_prices.sessions import NEW_YORK, ZONE, close_of, zone_of

if TYPE_CHECKING:
    from integration_tests.sandbox.app import Sandbox
    from integration_tests.sandbox.book import Event

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
    """When the final bar of a session is published in New York, how many days later, and from when a partial one is.

    On other exchanges it is as long after their close, or before it.
    """

    final: time
    days_later: int = 0
    partial: time | None = None

    def last_final(self, now: DateTime, exchange: str = NEW_YORK) -> date:
        """The latest day whose final bar is published."""
        return self._latest(now, self.final, exchange)

    def last(self, now: DateTime, exchange: str = NEW_YORK) -> date:
        """The latest day whose bar is published, final or partial."""
        return self._latest(now, self.partial or self.final, exchange)

    def _latest(self, now: DateTime, moment: time, exchange: str) -> date:
        local = now.in_timezone(zone_of(exchange))
        close = datetime.combine(local, close_of(exchange, local.date()))
        published = close + (
            datetime.combine(local, moment) - datetime.combine(local, close_of(NEW_YORK, local.date()))
        )
        is_early = local.naive() < published
        return local.date() - timedelta(days=self.days_later + is_early)


class Vendor(Blueprint):
    """One vendor's API, mounted under its name.

    `key` reads the key a request carries. `refusals` are the vendor's answers to the faults that have a wording of its
    own; `no-key` and `bad-key` must be among them. `market_ticker` translates the vendor's spelling of a ticker, into
    None where it is not one. `tickers` names those a request asks for. `credentials` turns a key into the settings of a
    config. With `unknown_is_empty` an unknown ticker is answered like one without bars. `fields` are the vendor's names
    of a trade's and an event's fields, for what a test garbles; `free_years` is how far its free plan reaches back.
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
        fields: Mapping[str, Sequence[str]],
        free_years: int | None = None,
    ) -> None:
        super().__init__(name, __name__, url_prefix=f"/{name}")
        self.hours, self.key, self.refusals = hours, key, refusals
        self.market_ticker, self.tickers = market_ticker, tickers
        self.credentials, self.unknown_is_empty = credentials, unknown_is_empty
        self.fields, self.free_years = fields, free_years
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
        return ticker if ticker and sandbox().book.is_known(ticker, self.now.date()) else None

    def delisted(self, spelling: str) -> date | None:
        """Since when a ticker in this vendor's spelling is not traded any more; None where it is."""
        ticker = self.market_ticker(spelling)
        return sandbox().book.delisted_on(ticker, self.now.date()) if ticker else None

    def renamed(self) -> list[tuple[date, str, str]]:
        """The changes of tickers by their names on the market, ascending: since when, from, to."""
        return sandbox().book.renamed(self.now.date())

    def universe(self) -> list[str]:
        """The tickers of the market by their names there that a list has, in order."""
        today = self.now.date()
        return [ticker for ticker in sorted(sandbox().universe) if sandbox().book.is_known(ticker, today)]

    @property
    def oldest(self) -> date | None:
        """The first day that the plan of the current request reaches back to, None when it reaches all."""
        today, reach = self.now.date(), sandbox().reach
        if reach:
            return today - reach
        return today.subtract(years=self.free_years) if self.free_years and g.free else None

    def bars(self, spelling: str, start: date, end: date, adjustment: str) -> list[Trade]:
        """The published bars of a ticker, oldest first; an empty list for an unknown one."""
        ticker = self.listed(spelling)
        return self.published(ticker, start, end, adjustment) if ticker else []

    def published(self, ticker: str, start: date, end: date, adjustment: str) -> list[Trade]:
        """The published bars of a ticker by its name on the market, ascending."""
        now = self.now
        exchange = exchange_of(ticker)
        final, last = self.hours.last_final(now, exchange), min(end, self.hours.last(now, exchange))
        served = sandbox().book.served(ticker, start, last, adjustment, as_of=now.date())
        trades = sandbox().book.as_told_by(self.name, ticker, served)
        return [trade if trade.date <= final else _partial(trade) for trade in trades]

    def events(self, spelling: str, start: date, end: date) -> Sequence[Event]:
        """The splits and dividends of a ticker, ascending, as they were traded; told weeks ahead."""
        ticker = self.listed(spelling)
        return sandbox().book.events(ticker, start, end, as_of=self.now.date() + TOLD_AHEAD) if ticker else []

    def told(self, spelling: str, day: date, row: dict[str, Any]) -> Any:
        """A row of a ticker and day as it is served: with what a test garbled in it, or in its place."""
        ticker = self.market_ticker(spelling)
        for field, value in sandbox().book.garbled(ticker or spelling, day).items():
            if not field:
                return value
            row |= dict.fromkeys(row.keys() & set(self.fields.get(field, ())), value)
        return row


def _partial(trade: Trade) -> Trade:
    """A session that has just begun: every price is the opening price."""
    first = trade.open
    volume = round(trade.volume / 3)
    return trade._replace(high=first, low=first, close=first, vwap=first, volume=volume, trades=trade.trades // 3)
