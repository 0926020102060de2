"""The sandbox: one HTTP server, in a thread, for all its vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple

import pendulum
from flask import Flask, Response, g, request
from pendulum import DateTime
from werkzeug.serving import WSGIRequestHandler, make_server

from integration_tests.sandbox import alpaca, alpha_vantage, eodhd, fmp, iex, marketstack, massive, tiingo, twelve_data
from integration_tests.sandbox.book import Book
from integration_tests.sandbox.control import control
from integration_tests.sandbox.faults import PAGE, SPOILED, Fault, Faults, can_fail, kinds
from integration_tests.sandbox.vendor import KEY, Vendor, answer
from source_stock_prices.providers.sample_market import Trade
from source_stock_prices.sessions import today

VENDORS: dict[str, Vendor] = {
    module.vendor.name: module.vendor
    for module in (massive, tiingo, alpaca, twelve_data, eodhd, alpha_vantage, fmp, marketstack, iex)
}

UNIVERSE = (
    "AAPL ABBV ADBE AMD AMZN AVGO BAC BF.B BRK.B COST CRM CSCO CVX DIS GOOGL HD IBM INTC JNJ JPM KIMpL KO META MSFT "
    "NFLX NVDA PEP PG TSLA XOM"
)


class Asked(NamedTuple):
    """A request that was received. `path` is the vendor's own path, without the prefix of the sandbox."""

    vendor: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Sandbox:
    """Serves every vendor at `base_url(name)` while entered.

    `now` is the vendors' time (None: the real one), `universe` the tickers of answers for a whole market, `requests`
    what was asked so far. `reach` is how far back every plan reaches (None: as each vendor's own do), `between_pages`
    what happens before a next page of events is answered. `book` is where a market is made and lied about.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.requests: list[Asked] = []
        self.faults = Faults()
        self.reset()
        self._app = _app(self)
        self._server = make_server(host, port, self._app, threaded=True, request_handler=_Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Sandbox:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.faults.clear()
        self._server.shutdown()
        self._thread.join()

    def base_url(self, vendor: str) -> str:
        """The base URL of a vendor's API."""
        return f"{self.url}/{VENDORS[vendor].name}"

    def provider(self, vendor: str, key: str = KEY) -> dict[str, str]:
        """The provider block for a config that uses a vendor of this sandbox."""
        return {"name": vendor, **VENDORS[vendor].credentials(key), "base_url": self.base_url(vendor)}

    @property
    def time(self) -> DateTime:
        """The current time of the vendors."""
        return self.now or pendulum.now("UTC")

    def reset(self) -> None:
        """Returns to the initial state: no requests, no faults, an unedited market and the real time."""
        self.requests.clear()
        self.faults.clear()
        self.book = Book()
        self.now: DateTime | None = None
        self.universe = UNIVERSE.split()
        self.reach: timedelta | None = None
        self.between_pages: Callable[[], None] = lambda: None

    def fail(self, kind: str, times: int = 1, vendor: str | None = None, ticker: str | None = None) -> None:
        """Makes the next `times` matching requests fail; with -1, all of them until the reset.

        A vendor that does not have this kind of fault is never affected. Raises ValueError if none of the vendors in
        question has it, or if there is no such vendor.
        """
        if vendor and vendor not in VENDORS:
            raise ValueError(f"There is no vendor {vendor!r}. There are {', '.join(VENDORS)}.")
        if not any(can_fail(VENDORS[name], kind) for name in ([vendor] if vendor else VENDORS)):
            there = ", ".join(kinds([VENDORS[vendor]] if vendor else VENDORS.values()))
            raise ValueError(f"{vendor or 'The sandbox'} has no fault {kind!r}. It has {there}.")
        self.faults.add(Fault(kind, times, vendor, ticker))

    def hide(self, ticker: str, day: date) -> None:
        """Delays a bar: no vendor serves it until `show` is called."""
        self.book.hide(ticker, day)

    def show(self, ticker: str, day: date) -> None:
        """Publishes a bar that was hidden."""
        self.book.show(ticker, day)

    def correct(self, ticker: str, day: date, **changes: float) -> None:
        """Corrects fields of a session's raw bar, such as `close`. High and low are extended where necessary."""
        self.book.correct(ticker, day, **changes)

    def split(self, ticker: str, day: date, factor: float) -> None:
        """Splits a ticker at the open of a session: one share becomes `factor` shares."""
        self.book.split(ticker, day, factor)

    def rename(self, old: str, new: str, day: date) -> None:
        """Give a ticker's history to another name from a day on."""
        self.book.rename(old, new, day)
        self.universe.append(new)

    def truth(
        self, tickers: Iterable[str], start: date, end: date, adjustment: str = "raw"
    ) -> dict[tuple[str, date], Trade]:
        """What happened in a window up to today, with all edits, including bars that are hidden or unpublished."""
        as_of = today(self.time)
        return {
            (ticker, trade.date): trade
            for ticker in tickers
            for trade in self.book.trades(ticker, start, end, adjustment, as_of)
        }

    def published(self, vendor: str, ticker: str, start: date, end: date, adjustment: str = "raw") -> dict[date, Trade]:
        """What a vendor would answer now of a ticker, by day, final or not; rows that did not trade left out."""
        with self._app.app_context():
            trades = VENDORS[vendor].published(ticker, start, end, adjustment)
        return {trade.date: trade for trade in trades if trade.volume}


class _Handler(WSGIRequestHandler):
    """Logs nothing, dates responses by the sandbox's time, and closes connections that a fault interrupted."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        sandbox: Sandbox = self.server.app.extensions["sandbox"]  # type: ignore[attr-defined]
        return super().date_time_string(sandbox.time.timestamp())

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True


def _app(sandbox: Sandbox) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # the server then closes the connection on a ConnectionError
    app.extensions["sandbox"] = sandbox
    app.before_request(lambda: _arrive(sandbox))
    app.after_request(_spoil)
    for vendor in VENDORS.values():
        app.register_blueprint(vendor)
    app.register_blueprint(control)
    app.add_url_rule("/foreign/<path:path>", view_func=lambda path: answer(PAGE.format(title="Please sign in")))
    return app


def _arrive(sandbox: Sandbox) -> Response | None:
    """Records a request to a vendor, and responds in its place if the request is to fail."""
    name, _, path = request.path[1:].partition("/")
    if name == control.name:
        return None
    sandbox.requests.append(Asked(name, f"/{path}", request.args.to_dict(), dict(request.headers)))
    vendor = VENDORS.get(name)
    kind = sandbox.faults.take(vendor) if vendor else None
    if vendor is None or kind is None:
        return None
    g.fault = kind
    return sandbox.faults.before(vendor, kind)


def _spoil(response: Response) -> Response:
    spoil = SPOILED.get(g.get("fault", ""))
    return spoil(response) if spoil else response
