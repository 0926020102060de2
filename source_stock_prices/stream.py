"""The stream `stock_prices`: one record a ticker and session."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, ConfiguredAirbyteStream, SyncMode, Type
from airbyte_cdk.sources.streams.call_rate import APIBudget, MovingWindowCallRatePolicy, Rate
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream
from requests import RequestException, Response

from source_stock_prices import plan, sessions
from source_stock_prices.asking import Answer, Asking
from source_stock_prices.bars import clean
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError, ProviderErrors, names, problem_of
from source_stock_prices.providers.base import ANY, RAW, Bar, Kind, Problem, Query, Request, body_text, trim
from source_stock_prices.report import Report
from source_stock_prices.restatement import Finding, judge, moved

TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes of an answer."""

MISREAD = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What a provider's `parse` raises on a body that is not its vendor's."""

PAGES = 50
"""More pages than the bars of one query fill: a vendor that repeats itself would have them read for ever."""


iso = lru_cache(maxsize=20_000)(date.isoformat)
"""A day as text: that of every ticker, once."""


class StockPrices(Asking[Bar], HttpStream):
    """Daily bars of the configured tickers, ascending by date within a ticker.

    `end` is the last day asked for, `last_final` the last session that can no longer change, `today` the calendar day
    in New York. With `patient=False` a throttling vendor is not waited for.
    """

    primary_key: ClassVar = ["stock_ticker", "date"]
    cursor_field = "date"
    url_base = ""

    def __init__(self, config: Config, *, start: date, end: date, last_final: date, today: date, patient: bool) -> None:
        self._errors = ProviderErrors(config.provider, patient=patient)
        self.tickers, self.end = config.tickers, end
        self._served_until = end
        self._read_at = 0
        self._is_whole_market, self._looks_back = config.tickers == (ANY,), False
        self._last_final = last_final
        self._between: Iterator[AirbyteMessage] | None = None
        super().__init__(config, start=start, today=today, api_budget=_pace(config.requests_per_minute))
        # Without one of its own, requests would put the password of a .netrc in the place of the key.
        self._http_client._session.auth = lambda request: request
        if adapter := self.provider.adapter():
            self._http_client._session.mount(self.provider.base_url, adapter)

    def read(self, configured_stream: ConfiguredAirbyteStream, *args: Any, **kwargs: Any) -> Iterable[StreamData]:
        # The CDK's loop over `read_records`, which tells the state of each, was measured at a quarter of all CPU.
        # What most of them tell it, a later one overrides: they come in here, before that one.
        self._between = iter(())
        try:
            for data in super().read(configured_stream, *args, **kwargs):
                yield from self._between or ()
                yield data
        finally:
            self._between = None

    def query(self, tickers: tuple[str, ...], start: date) -> Query:
        """The question for the bars of some tickers from a day on."""
        return Query(tickers, start, self.end, self.config.adjustment, self.today)

    def last_days(self, ticker: str, start: date) -> Query:
        """The question that shows whether a ticker is served: its bars from a day on, or the market's of the last."""
        query = self.query((ticker,), start)
        last = sessions.latest(self.end)
        return query._replace(start=last, end=last) if self._is_whole_market else query

    def ask(self, query: Query, report: Report) -> dict[str, list[Bar]]:
        """The bars of one query, every page of it, by ticker and ascending; raises ProviderError."""
        query = query._replace(end=min(query.end, self._served_until))
        if query.start > query.end:
            return {}
        try:
            with self._errors.turn():
                asked = {"query": query, "report": report}
                pages: Iterable[Any] = HttpStream.read_records(self, SyncMode.incremental, stream_slice=asked)
                return clean(pages, query, report.drop)
        except RequestException as error:
            raise ProviderError(problem_of(error)) from error
        except ProviderError as error:
            if error.problem.kind is not Kind.NOT_YET or query.end < self.end:
                raise
            # The plan serves no bar of the last day yet; those of the days before are there to be read.
            self._served_until = query.end - timedelta(days=1)
            self.logger.info(f"{self.provider.title} has not published {query.end} yet: {trim(error.problem.said)}")
            return self.ask(query, report)

    def fetch(self, request: Request) -> Response:
        """The answer to a request; raises ProviderError."""
        try:
            with self._errors.turn():
                _, response = self._fetch_next_page(next_page_token={"request": request})
                return response
        except RequestException as error:
            raise ProviderError(problem_of(error)) from error

    def knows(self, ticker: str) -> bool:
        """Whether the provider's ticker reference has a ticker: False where there is no reference to ask.

        Raises ProviderError, of an unknown ticker too.
        """
        request = self.provider.reference_request(ticker)
        if request is None:
            return False
        response = self.fetch(request)
        with _readable(response):
            if self.provider.is_listed(response):
                return True
        raise ProviderError(Problem(Kind.UNKNOWN_TICKER, trim(body_text(response))), response.status_code)

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
    ) -> Iterable[Any]:
        asked: Any = stream_slice
        query, report = asked["query"], asked["report"]
        with _readable(response):
            asked["pages"] = asked.get("pages", 0) + 1
            if asked["pages"] > PAGES:
                raise ValueError(f"more than {PAGES} pages")
            for ticker, problem in self.provider.refused(response, query).items():
                report.set_aside(ticker, ProviderError(problem, response.status_code))
            if notice := self.provider.notice(response, query):
                report.note(notice, query.tickers)
            return list(self.provider.parse(response, query))

    def next_page_token(self, response: Response) -> Mapping[str, Any] | None:
        with _readable(response):
            request = self.provider.next_request(response)
        return {"request": request} if request else None

    def get_error_handler(self) -> ProviderErrors:
        return self._errors

    def get_backoff_strategy(self) -> ProviderErrors:
        return self._errors

    def get_updated_state(
        self, current_stream_state: MutableMapping[str, Any], latest_record: Any
    ) -> MutableMapping[str, Any]:
        # The CDK hands over what `read_records` yielded: the message's record, or its data.
        data = latest_record if isinstance(latest_record, dict) else latest_record.data
        ticker, day = ANY if self._is_whole_market else data["stock_ticker"], data["date"]
        if self._looks_back:
            return current_stream_state  # a history read again says nothing of the days after it
        seen = current_stream_state.get(ticker)
        # An unfinished bar moves by itself: it is read again, and could not tell whether a history was rewritten.
        if day <= iso(self._last_final) and (seen is None or day >= seen["date"]):
            now = {"date": day, "price": None if self._is_whole_market else data["price"]}
            if self.config.adjustment != RAW:
                now.update(adjustment=self.config.adjustment, since=seen.get("since", seen["date"]) if seen else day)
            current_stream_state[ticker] = now
        return current_stream_state

    def _request(self, stream_slice: Mapping[str, Any] | None, next_page_token: Mapping[str, Any] | None) -> Request:
        if next_page_token:
            request: Request = next_page_token["request"]
            return request
        return self.provider.request((stream_slice or {})["query"])

    def _messages(self, bars: Iterable[Bar]) -> Iterator[AirbyteMessage]:
        """Each bar as the record it is in the table. The CDK passes messages on as they are, and copies mere data."""
        kind, name, read_at = Type.RECORD, self.name, self._read_at
        adjustment, provider = self.config.adjustment, self.provider.name
        for ticker, day, close, opened, high, low, volume, vwap, count, adjusted_close, dividend, split_factor in bars:
            data = {
                "date": iso(day),
                "stock_ticker": ticker,
                "price": close,
                "open": opened,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
                "vwap": vwap,
                "trade_count": count,
                "adjusted_close": adjusted_close,
                "dividend": dividend,
                "split_factor": split_factor,
                "adjustment": adjustment,
                "provider": provider,
            }
            yield AirbyteMessage(kind, record=AirbyteRecordMessage(name, data, read_at))

    def _records(
        self, query: Query, tickers: Iterable[str], found: Mapping[str, list[Bar]], seen: Mapping[str, Any]
    ) -> Iterator[AirbyteMessage]:
        self._read_at = time.time_ns() // 1_000_000
        self._looks_back = self._is_whole_market and query.tickers != (ANY,)
        if self._is_whole_market:
            yield from self._with_one_state([bar for ticker in tickers for bar in found.get(ticker, ())])
            return
        for ticker in tickers:
            bars = found.get(ticker, [])
            self._report.read(query, ticker, bars, is_new=ticker not in seen)
            yield from self._with_one_state(bars)

    def _with_one_state(self, bars: Sequence[Bar]) -> Iterator[AirbyteMessage]:
        """The records of bars that one date in the state stands for, ascending, or that it is not told of at all.

        The first tells it since when, the last finished one until when: `read` takes care of those between.
        """
        last = bisect_right(bars, self._last_final, key=attrgetter("date")) - 1
        if self._between is None or last < 2:
            yield from self._messages(bars)
            return
        yield from self._messages(bars[:1])
        self._between = self._messages(bars[1:last])
        yield from self._messages(bars[last:])

    def _requests(self) -> int:
        return self._errors.judged

    def _expected(self, query: Query) -> int | None:
        return None if query.tickers == (ANY,) else len(sessions.between(query.start, query.end)) * len(query.tickers)

    def _queries(self, seen: Mapping[str, Any]) -> list[Query]:
        queries = self._planned(seen)
        if self.start > self.end and not all(ticker in seen for ticker in self.tickers):
            self.logger.warning(f"{self.name}: start_date {self.start} is after {self.end}, the last session to read.")
        elif not queries:
            self.logger.info(f"{self.name}: nothing to do; all tickers are up to date ({self.end}).")
        return queries

    def _planned(self, seen: Mapping[str, Any]) -> list[Query]:
        windows = list(plan.windows(self.tickers, seen, self.start, self.end))
        if self._is_whole_market:
            since = windows[0][1] if windows else self.end + timedelta(days=1)
            days = sessions.between(since, self.end)
            again = self._split_since(seen[ANY]) if days and ANY in seen and self.config.adjustment != RAW else []
            return self._batches(again) + [self.query((ANY,), day)._replace(end=day) for day in days]
        whole_market = plan.by_date(windows, self.end) if self.provider.whole_market_by_date else None
        if whole_market is None:
            return self._batches(windows)
        queries = self._batches([(ticker, first) for ticker, first in windows if first < whole_market])
        tickers: tuple[str, ...] = ()
        for day in sessions.between(whole_market, self.end):
            asked = tuple(ticker for ticker, first in windows if whole_market <= first <= day)
            tickers = tickers if tickers == asked else asked  # mostly the same: one of them is enough to keep
            queries.append(self.query(tickers, day)._replace(end=day))
        return queries

    def _split_since(self, seen: Mapping[str, Any]) -> list[tuple[str, date]]:
        """Every ticker of the market that split after the last day seen, with the day its history begins."""
        day = date.fromisoformat(seen["date"]) + timedelta(days=1)
        request, tickers, pages = self.provider.splits_request(day, self.end), set(), 0
        while request:
            pages += 1
            if pages > PAGES:
                raise ProviderError(Problem(Kind.UNREADABLE, f"more than {PAGES} pages of splits"))
            response = self.fetch(request)
            with _readable(response):
                tickers |= set(self.provider.split_tickers(response))
                request = self.provider.next_request(response)
        if tickers:
            since = self._rewritten_since(seen)
            self.logger.warning(
                f"{self.name}: {names(sorted(tickers))} split after {seen['date']}; rereading from {since}."
            )
        return [(ticker, self._rewritten_since(seen)) for ticker in sorted(tickers)]

    def _batches(self, windows: Iterable[tuple[str, date]]) -> list[Query]:
        batches = plan.batches(windows, self.end, self._tickers_per_request(), self.provider.bars_per_request)
        return [self.query(tickers, first) for tickers, first in batches]

    def _answer(self, seen: Mapping[str, Any], query: Query) -> Answer[Bar]:
        """The bars of a query by ticker; of a ticker whose history was rewritten, the whole history."""
        report = Report(self.provider)
        bars = self._by_ticker(self.ask, query, report)
        rewritten = {
            ticker: self._rewritten_since(seen[ticker])
            for ticker in query.tickers
            if ticker in seen
            and ticker != ANY
            and ticker not in report.failed
            and self._is_rewritten(query, ticker, seen, bars, report)
        }
        for again in self._batches(rewritten.items()):
            # Until all of it was read, nothing of such a ticker is emitted: its state would hide the next try.
            whole = self._by_ticker(self.ask, again, report)
            for ticker in again.tickers:
                bars[ticker] = whole.get(ticker, [])
                if ticker in report.failed:
                    continue
                if not bars[ticker] or bars[ticker][0].date.isoformat() > seen[ticker]["date"]:
                    said = f"the reread history has no bar for {seen[ticker]['date']}"
                    report.set_aside(ticker, ProviderError(Problem(Kind.UNREADABLE, said)))
                else:
                    report.began(ticker, again.start, bars[ticker][0].date)
        return bars, report

    def _is_rewritten(
        self, query: Query, ticker: str, seen: Mapping[str, Any], bars: Mapping[str, list[Bar]], report: Report
    ) -> bool:
        day = seen[ticker]["date"]
        if query.start > date.fromisoformat(day):
            return False  # a later day of the whole market: the one of the last bar seen was asked before
        finding, was, now = judge(seen[ticker], bars.get(ticker, []), self.config.adjustment)
        if finding is Finding.GONE:
            report.gone(ticker, day)
        elif finding is Finding.IRRECONCILABLE:
            report.lines.append(f"{ticker} on {day}: raw price was {was}, now {now}; has the ticker been reassigned?")
        elif finding is Finding.RESTATED and was and seen[ticker].get("adjustment", RAW) != self.config.adjustment:
            change = f"from {seen[ticker].get('adjustment', RAW)} to {self.config.adjustment}"
            since = self._rewritten_since(seen[ticker])
            report.lines.append(f"adjustment changed {change}; rereading {ticker} from {since}.")
        elif finding is Finding.RESTATED:
            ratio = f"{day} was {was}, now {now} (ratio {now / was:.6g})" if now and was and moved(was, now) else ""
            report.lines.append(
                f"{self.provider.title} rewrote the history of {ticker}: {ratio or 'a new split or dividend'}."
                f" Rereading from {self._rewritten_since(seen[ticker])}."
            )
        return finding is Finding.RESTATED

    def _rewritten_since(self, seen: Mapping[str, Any]) -> date:
        """The first day of a ticker that was ever read, as far as the config and the state tell."""
        known = [date.fromisoformat(seen[key]) for key in ("since", "date") if key in seen]
        return min([self.config.start_date or self.start, *known])

    def _is_of_all(self, query: Query) -> bool:
        # Of a day of the whole market: the days after it must not hide it.
        return len(query.tickers) > self.provider.tickers_per_request or super()._is_of_all(query)

    def _tickers_per_request(self) -> int:
        # The pace counts requests: where each ticker counts as one, they are asked for one by one.
        if self.config.requests_per_minute and self.provider.charges_by_ticker:
            return 1
        return self.provider.tickers_per_request


@contextmanager
def _readable(response: Response) -> Iterator[None]:
    """Turns what a provider raises on an unexpected body into a ProviderError."""
    try:
        yield
    except MISREAD as error:
        said = f"{type(error).__name__}: {trim(str(error), 80)} in {body_text(response)}"
        raise ProviderError(Problem(Kind.UNREADABLE, said), response.status_code) from error


def _pace(requests_per_minute: int | None) -> APIBudget | None:
    if requests_per_minute is None:
        return None
    rate = Rate(requests_per_minute, timedelta(minutes=1))
    return APIBudget(policies=[MovingWindowCallRatePolicy(rates=[rate], matchers=[])])
