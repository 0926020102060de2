"""The stream `stock_prices`, one record a ticker and session: the CDK's contract, and the pages of a query."""

from __future__ import annotations

from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteStream, ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpClient, HttpStream
from requests import Response

from source_stock_prices import state
from source_stock_prices.bars import clean
from source_stock_prices.bill import Cost
from source_stock_prices.bounds import session
from source_stock_prices.config import Config
from source_stock_prices.entries import has_other_settings, of_one_table
from source_stock_prices.errors import RAISED, ProviderError, unreadable
from source_stock_prices.findings import Finding
from source_stock_prices.http import (
    TIMEOUT,
    KeyInRequest,
    RequestPolicy,
    pace,
)
from source_stock_prices.prices import Prices
from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.terms import (
    Bar,
    Kind,
    Query,
    Request,
)
from source_stock_prices.report import Report
from source_stock_prices.second_opinion import SecondOpinion
from source_stock_prices.sessions import Horizon
from source_stock_prices.sync import Found, Sync

NOTHING: Mapping[str, Any] = {"queries": 0}
"""A slice without queries, so that the CDK writes what is in the state before the first record."""

MAX_PAGES = 50
"""More pages than the bars of one query fill: a vendor that repeats itself would have them read for ever."""


class StockPrices(HttpStream):
    """Daily bars of the configured tickers, ascending by date within a ticker.

    `start` is where a history begins, `bound` the same if the user said so. `horizon` knows how far each ticker can be
    read. `policy` says how requests are sent; `opinion` is another provider's, where one is asked for it. With
    `in_envelopes` the records of a ticker are one message, for a writer that knows envelopes.
    """

    primary_key: ClassVar = ["stock_ticker", "date"]
    cursor_field = "date"
    url_base = ""

    def __init__(
        self,
        config: Config,
        *,
        start: date,
        bound: date | None = None,
        horizon: Horizon,
        policy: RequestPolicy,
        opinion: SecondOpinion | None = None,
        in_envelopes: bool = False,
    ) -> None:
        self.config, self.provider = config, config.provider
        self.policy = policy
        super().__init__()
        self.client = HttpClient(
            self.name,
            self.logger,
            self.policy,
            session=session(pace(config.requests_per_minute)),
            authenticator=KeyInRequest(),
            backoff_strategy=self.policy,
        )
        self.start, self.bound, self.horizon = start, bound, horizon
        self._served_until = date.max
        prices = Prices(
            config,
            self.logger,
            start=start,
            bound=bound,
            horizon=horizon,
            ask=self.ask,
            opinion=opinion,
            in_envelopes=in_envelopes,
        )
        self._sync = Sync(prices, config, horizon.today, self.logger, self.policy)

    def as_airbyte_stream(self) -> AirbyteStream:
        stream = super().as_airbyte_stream()
        # A full refresh that failed begins again. The CDK asks the property of this name about checkpoints.
        stream.is_resumable = False
        return stream

    def read(self, configured_stream: ConfiguredAirbyteStream, *args: Any, **kwargs: Any) -> Iterable[StreamData]:
        # The CDK hands the state over in every mode; only an incremental sync has one.
        full = configured_stream.sync_mode == SyncMode.full_refresh
        before = {} if full else state.read(self.state, self.config.tickers, self.logger)
        self.state = of_one_table(before, self.config)
        yield from self._sync.run(super().read(configured_stream, *args, **kwargs))

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        if has_other_settings(self.state, self.config):
            yield NOTHING
        yield from self._sync.slices(stream_state or {})

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        if stream_slice == NOTHING:
            return iter(())
        return self._sync.records(stream_slice or {}, self.state)

    def get_updated_state(
        self, current_stream_state: MutableMapping[str, Any], latest_record: Any
    ) -> MutableMapping[str, Any]:
        """The state that the sync keeps, which tells of each ticker the last final bar that was emitted.

        The CDK shows one record at a time, and its own copy of the state. What a sync remembers of a ticker is more
        than one record tells, so it is kept in the stream's state once the ticker's records were taken.
        """
        return self.state

    @property
    def cost(self) -> Cost:
        """What a first and a daily sync of prices cost."""
        return self._sync.cost

    @property
    def findings(self) -> Iterable[Finding]:
        """What there is to look at, as far as the stream was read."""
        return self._sync.findings

    def ask(self, query: Query, report: Report) -> Found[Bar]:
        """The bars of one query, every page of it, by ticker and ascending; raises ProviderError."""
        query = query._replace(end=min(query.end, self._served_until))
        if query.start > query.end:
            return {}
        try:
            return self._usable(query, report)
        except ProviderError as error:
            if error.problem.kind is not Kind.NOT_YET or query.end < self.horizon.end(query.tickers[0]):
                raise
            # The plan serves no bar of the last day yet; those of the days before are there to be read.
            self._served_until = query.end - timedelta(days=1)
            self.logger.info(f"{self.provider.title} has not published {query.end} yet: {trim(error.problem.said)}")
            return self.ask(query, report)

    def _usable(self, query: Query, report: Report) -> Found[Bar]:
        bars = self._bars(query, report)
        try:
            return clean(bars, query, report.drop, self.provider.exchange_of)
        except RAISED as error:
            raise unreadable(error) from error

    def _bars(self, query: Query, report: Report) -> Iterator[Bar]:
        """The bars of every page of a query, as the vendor has them."""
        request: Request | None = self.provider.request(query)
        pages = 0
        by_date = self.provider.is_by_date(query)
        if by_date:
            report.market_rows = (0, None)
        while request:
            answer = Answer.of(self.send(request, self.provider.calls(query)))
            with readable(answer):
                pages += 1
                if pages > MAX_PAGES:
                    raise ValueError(f"more than {MAX_PAGES} pages")
                for ticker, problem in self.provider.refused(answer, query).items():
                    report.set_aside(ticker, ProviderError(problem, answer.status))
                notice = self.provider.notice(answer, query)
                if notice:
                    report.note(notice, query.tickers)
                if by_date and report.market_rows:
                    rows, said = self.provider.market_rows(answer)
                    report.market_rows = (report.market_rows[0] + rows, said)
                bars = self.provider.parse(answer, query, report.drop)
                request = self.provider.next_request(answer)
            yield from bars

    def send(self, request: Request, calls: int = 1) -> Response:
        """The response to a request that costs some calls, after as many tries as it takes; raises ProviderError."""
        with self.policy.exchange(calls):
            response = self.provider.respond(request)
            if response is not None:
                self.policy.interpret_response(response)
                return response
            asked = {"request": request}
            _, response = self.client.send_request(
                http_method=self.http_method,
                url=self.path(stream_slice=asked),
                request_kwargs=self.request_kwargs(None, asked),
                headers=self.request_headers(None, asked),
                params=self.request_params(None, asked),
            )
        return response

    def path(
        self,
        *,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        return _request(stream_slice).url

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        return dict(_request(stream_slice).params)

    def request_headers(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        return _request(stream_slice).headers

    def request_kwargs(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        # No vendor redirects its API, and a redirect would carry a key to wherever it points.
        return {"timeout": TIMEOUT, "allow_redirects": False}

    def parse_response(self, response: Response, **_: Any) -> Iterable[Any]:
        """The response itself: what is in it is read by who asked for it."""
        return [response]

    def next_page_token(self, response: Response) -> None:
        """None: the pages of a query are followed where they are read and counted."""

    def get_error_handler(self) -> RequestPolicy:
        return self.policy

    def get_backoff_strategy(self) -> RequestPolicy:
        return self.policy


@contextmanager
def readable(answer: Answer) -> Iterator[None]:
    """Turns what a provider raises on an unexpected body into a ProviderError."""
    try:
        yield
    except RAISED as error:
        raise unreadable(error, answer.text, answer.status) from error


def _request(stream_slice: Mapping[str, Any] | None) -> Request:
    """The request that `send` was asked to send."""
    request: Request = (stream_slice or {})["request"]
    return request
