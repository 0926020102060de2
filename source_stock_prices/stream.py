"""The stream `stock_prices`: one record a ticker and session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, ClassVar

from airbyte_cdk.models import ConfiguredAirbyteStream, FailureType, SyncMode
from airbyte_cdk.sources.streams.call_rate import APIBudget, MovingWindowCallRatePolicy, Rate
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests import RequestException, Response

from source_stock_prices import plan, state
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, ProviderErrors, problem_of
from source_stock_prices.providers.base import Bar, Kind, Problem, Provider, Query, Request, trim

TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes of an answer."""

MISREAD = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What a provider's `parse` raises on a body that is not its vendor's."""

LATE = timedelta(days=10)
"""How long after the start a first bar is no news: the longest run of days without a session is shorter."""

NAMED = 10
"""Tickers named in one sentence; the rest are counted."""


class StockPrices(HttpStream):
    """Daily bars of the configured tickers, ascending by date within a ticker.

    `end` is the last day asked for, `last_final` the last session that can no longer change, `today` the calendar day
    in New York. A ticker that fails does not stop the others; a problem of the whole sync ends it after the records
    already read are checkpointed. Both raise at the end. With `patient=False` a throttling vendor is not waited for.
    """

    primary_key: ClassVar = ["stock_ticker", "date"]
    cursor_field = "date"
    url_base = ""

    def __init__(self, config: Config, *, start: date, end: date, last_final: date, today: date, patient: bool) -> None:
        self._config = config
        self.provider: Provider = config.provider
        self._errors = ProviderErrors(config.provider, patient=patient)
        self.tickers, self.end = config.tickers, end
        self._start, self._last_final, self._today = start, last_final, today
        self._served_until = end
        self._failed: dict[str, ProviderError] = {}
        self._stopped: tuple[str, ProviderError] | None = None
        self._dropped: Counter[str] = Counter()
        self._notices: dict[str, list[str]] = {}
        self._barless: list[str] = []
        self._late: list[str] = []
        super().__init__(api_budget=_pace(config.requests_per_minute))
        if adapter := self.provider.adapter():
            self._http_client._session.mount(self.provider.base_url, adapter)

    def read(self, configured_stream: ConfiguredAirbyteStream, *args: Any, **kwargs: Any) -> Iterable[StreamData]:
        # The CDK hands the state over in every mode; only an incremental sync has one.
        full = configured_stream.sync_mode == SyncMode.full_refresh
        self.state = {} if full else dict(state.read(self.state, self.tickers, self.logger))
        yield from super().read(configured_stream, *args, **kwargs)
        self._report()
        self._raise()

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        seen = stream_state or {}
        self._warn_of_the_future(seen)
        windows = plan.windows(self.tickers, seen, self._start, self.end)
        batches = plan.batches(windows, self.end, self._tickers_per_request())
        queries = [self.query(tickers, first) for tickers, first in batches]
        if not queries:
            self.logger.info(f"Nothing to ask: every ticker was read up to {self.end}, the last session that is due.")
        for batch in plan.slices(queries):
            if self._stopped:
                return
            yield {"queries": batch}

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        for query in (stream_slice or {}).get("queries", ()):
            try:
                records = self._ask_batch(query)
            except ProviderError as error:
                self._stopped = (names(query.tickers), error)
                return
            self._note_first_bars(query, records, stream_state or {})
            yield from records

    def query(self, tickers: tuple[str, ...], start: date) -> Query:
        """The question for the bars of some tickers from a day on."""
        return Query(tickers, start, self.end, self._config.adjustment, self._today)

    def ask(self, query: Query) -> list[Mapping[str, Any]]:
        """The records of one query, every page of it, ascending by date within a ticker; raises ProviderError."""
        query = query._replace(end=min(query.end, self._served_until))
        if query.start > query.end:
            return []
        try:
            pages: Iterable[Any] = super().read_records(SyncMode.incremental, stream_slice={"query": query})
            return self._clean(pages, query)
        except RequestException as error:
            raise ProviderError(problem_of(error)) from error
        except ProviderError as error:
            if error.problem.kind is not Kind.NOT_YET or self._served_until < self.end:
                raise
            # The plan serves no bar of the last day yet; those of the days before are there to be read.
            self._served_until = query.end - timedelta(days=1)
            self.logger.info(f"{self.provider.title} does not serve {query.end} yet: {error.problem.said}")
            return self.ask(query)

    def knows(self, ticker: str) -> bool:
        """Whether the provider's ticker reference has a ticker; False where there is no reference."""
        request = self.provider.reference_request(ticker)
        if request is None:
            return False
        _, response = self._fetch_next_page(next_page_token={"request": request})
        return self.provider.is_listed(response)

    def path(
        self,
        *,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        return self._request(stream_slice, next_page_token).url

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        return dict(self._request(stream_slice, next_page_token).params)

    def request_headers(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        return self._request(stream_slice, next_page_token).headers

    def request_kwargs(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        # No vendor redirects its API, and a redirect would carry a key to wherever it points.
        return {"timeout": TIMEOUT, "allow_redirects": False}

    def parse_response(
        self,
        response: Response,
        *,
        stream_state: Mapping[str, Any],
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        query: Query = (stream_slice or {})["query"]
        with _readable(response):
            for ticker, problem in self.provider.refused(response, query).items():
                self._set_aside(ticker, ProviderError(problem, response.status_code))
            if notice := self.provider.notice(response, query):
                self._notices.setdefault(notice, []).extend(query.tickers)
            return [self._record(bar) for bar in self.provider.parse(response, query)]

    def next_page_token(self, response: Response) -> Mapping[str, Any] | None:
        with _readable(response):
            request = self.provider.next_request(response)
        return {"request": request} if request else None

    def get_error_handler(self) -> ProviderErrors:
        return self._errors

    def get_backoff_strategy(self) -> ProviderErrors:
        return self._errors

    def get_updated_state(
        self, current_stream_state: MutableMapping[str, Any], latest_record: Mapping[str, Any]
    ) -> MutableMapping[str, Any]:
        ticker, day = latest_record["stock_ticker"], latest_record["date"]
        seen = current_stream_state.get(ticker)
        if seen is None or day >= seen["date"]:
            unfinished = day > self._last_final.isoformat()
            current_stream_state[ticker] = state.seen(day, latest_record["price"], unfinished=unfinished)
        return current_stream_state

    def _request(self, stream_slice: Mapping[str, Any] | None, next_page_token: Mapping[str, Any] | None) -> Request:
        if next_page_token:
            request: Request = next_page_token["request"]
            return request
        return self.provider.request((stream_slice or {})["query"])

    def _record(self, bar: Bar) -> Mapping[str, Any]:
        return {
            "date": bar.date.isoformat(),
            "stock_ticker": bar.ticker,
            "price": bar.close,
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
            "volume": bar.volume,
            "vwap": bar.vwap,
            "trade_count": bar.trade_count,
            "adjusted_close": bar.adjusted_close,
            "dividend": bar.dividend,
            "split_factor": bar.split_factor,
            "adjustment": self._config.adjustment,
            "provider": self.provider.name,
        }

    def _ask_batch(self, query: Query) -> list[Mapping[str, Any]]:
        """The records of one query; a ticker that fails is set aside, and the others are asked for again."""
        try:
            return self.ask(query)
        except ProviderError as error:
            if not error.reaction.of_ticker:
                raise
            culprits = [
                ticker
                for ticker in query.tickers
                if len(query.tickers) == 1 or self.provider.spelling(ticker) == error.problem.ticker
            ]
            if not culprits:  # the vendor does not say which
                alone = (query._replace(tickers=(ticker,)) for ticker in query.tickers)
                return [record for one in alone for record in self._ask_batch(one)]
            for ticker in culprits:
                self._set_aside(ticker, error)
            rest = tuple(ticker for ticker in query.tickers if ticker not in culprits)
            return self._ask_batch(query._replace(tickers=rest)) if rest else []

    def _set_aside(self, ticker: str, error: ProviderError) -> None:
        self._failed[ticker] = error
        self.logger.warning(error.explain(self.provider, ticker))

    def _clean(self, records: Iterable[Mapping[str, Any]], query: Query) -> list[Mapping[str, Any]]:
        """The records with a price inside the window, one a session, ascending; drops and counts the others."""
        start, end = query.start.isoformat(), query.end.isoformat()
        kept: dict[tuple[str, str], Mapping[str, Any]] = {}
        for record in records:
            key = record["stock_ticker"], record["date"]
            if not start <= record["date"] <= end:
                self._dropped["outside the window asked for"] += 1
            elif record["price"] is None:
                self._dropped["without a close"] += 1
            elif key in kept:
                self._dropped["for a session already read"] += 1
            else:
                kept[key] = record
        return [kept[key] for key in sorted(kept)]

    def _note_first_bars(self, query: Query, records: Iterable[Mapping[str, Any]], seen: Mapping[str, Any]) -> None:
        """Keeps in mind which tickers, read for the first time, have no bar at or soon after the start."""
        first = {record["stock_ticker"]: record["date"] for record in reversed(list(records))}
        soon = (query.start + LATE).isoformat()
        for ticker in query.tickers:
            if ticker in seen or ticker in self._failed:
                continue
            if ticker not in first:
                self._barless.append(ticker)
            elif first[ticker] > soon:
                self._late.append(f"{ticker} ({first[ticker]})")

    def _tickers_per_request(self) -> int:
        # The pace counts requests: where each ticker counts as one, they are asked for one by one.
        if self._config.requests_per_minute and self.provider.charges_by_ticker:
            return 1
        return self.provider.tickers_per_request

    def _warn_of_the_future(self, seen: Mapping[str, Any]) -> None:
        ahead = [ticker for ticker in self.tickers if _is_after(seen.get(ticker), self._today)]
        if ahead:
            self.logger.warning(f"The state of {names(ahead)} is in the future: nothing is read until then.")

    def _report(self) -> None:
        title = self.provider.title
        for what, count in self._dropped.items():
            self.logger.warning(f"{count} bars of {title} were dropped: {what}.")
        for notice, tickers in self._notices.items():
            self.logger.warning(f'{title} said of {names(tickers)}: "{notice}"')
        if self._barless:
            self.logger.warning(
                f"{title} has no bar of {names(self._barless)} since {self._start}. Is each spelled as there?"
            )
        if self._late:
            self.logger.warning(
                f"{title} has no bar as old as start_date {self._start}. The first one is that of {names(self._late)}."
            )

    def _raise(self) -> None:
        """Ends the stream with what failed: first what stopped it, then each failed ticker."""
        sentences = [error.explain(self.provider, ticker) for ticker, error in list(self._failed.items())[:NAMED]]
        if len(self._failed) > NAMED:
            sentences.append(f"{len(self._failed) - NAMED} more tickers failed: see the log.")
        failure = FailureType.config_error
        if self._stopped:
            ticker, error = self._stopped
            failure = error.reaction.failure
            sentences.insert(0, error.explain(self.provider, ticker))
        if sentences:
            message = " ".join(sentences)
            raise AirbyteTracedException(message=message, internal_message=message, failure_type=failure)


def _is_after(seen: Mapping[str, Any] | None, day: date) -> bool:
    return seen is not None and bool(seen["date"] > day.isoformat())


@contextmanager
def _readable(response: Response) -> Iterator[None]:
    """Turns what a provider raises on a body that is not its vendor's into a ProviderError."""
    try:
        yield
    except MISREAD as error:
        said = f"{type(error).__name__} {trim(str(error), 80)} in {trim(response.text, 200)}"
        raise ProviderError(Problem(Kind.UNREADABLE, said), response.status_code) from error


def names(tickers: Sequence[str]) -> str:
    """The first tickers of a list, and how many more."""
    named = ", ".join(tickers[:NAMED])
    return named if len(tickers) <= NAMED else f"{named} and {len(tickers) - NAMED} more"


def _pace(requests_per_minute: int | None) -> APIBudget | None:
    if requests_per_minute is None:
        return None
    rate = Rate(requests_per_minute, timedelta(minutes=1))
    return APIBudget(policies=[MovingWindowCallRatePolicy(rates=[rate], matchers=[])])
