"""The streams `stock_splits` and `dividends`, and what they share with `tickers`: all are as the manifests tell.

A manifest says what is asked and where the fields are; the CDK's declarative runtime reads it. When requests are made,
how they are sent and what an error means works as for prices.
"""

from __future__ import annotations

from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import fields
from datetime import date, timedelta
from functools import cached_property, lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_cdk.models import AirbyteStream, ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.declarative.models import AddFields, SimpleRetriever
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import ManifestComponentTransformer
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import ModelToComponentFactory
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from requests import Response
from urllib3 import HTTPResponse

from source_stock_prices import plan, sessions, state
from source_stock_prices.bill import Cost
from source_stock_prices.errors import (
    RAISED,
    ProviderError,
    names,
    unreadable,
)
from source_stock_prices.findings import ONE_BY_ONE, Finding
from source_stock_prices.healing import Entry
from source_stock_prices.occurrences import Reader, Row, ticker_of
from source_stock_prices.providers.answer import Answer, on_host
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    Kind,
    Query,
    is_market,
    of_market,
)
from source_stock_prices.report import Report
from source_stock_prices.revisions import revise
from source_stock_prices.sync import (
    Found,
    State,
    Sync,
    by_ticker,
)

if TYPE_CHECKING:
    from source_stock_prices.stream import StockPrices

MANIFESTS = Path(__file__).with_name("manifest")

LOOKBACK_DAYS = 90
"""How far before the last day asked for is asked again: events are announced late, and corrected. `lookback_days` in a
manifest says otherwise."""

OLDEST_RECHECK = 64
"""How many sessions old a day of a whole market may be to be asked for again: the ages 1, 2, 4, … up to this one."""

DAY = timedelta(days=1)

NOTHING = ("", "None")
"""What the CDK makes of null where a text is expected."""

MAX_PAGES = 1000
"""More pages than one query fills: a vendor that repeats itself would have them read for ever."""


@lru_cache
def manifest(provider: str) -> Mapping[str, Any]:
    """A provider's manifest, laid over what all of them share, as the CDK wants it; without streams if it has none."""
    shared = safe_load_yaml((MANIFESTS / "definitions.yaml").read_text("utf-8"))
    own: Mapping[str, Any] = {"streams": []}
    own_file = MANIFESTS / f"{provider}.yaml"
    if own_file.exists():
        own = safe_load_yaml(own_file.read_text("utf-8"))
    together = {**shared, **own}
    together["definitions"] = {
        **shared["definitions"],
        **own.get("definitions", {}),
    }
    resolved = ManifestReferenceResolver().preprocess_manifest(together)
    return ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {})


def definitions(provider: str, tickers: Sequence[str]) -> list[Mapping[str, Any]]:
    """The streams of a provider's manifest that there are for some tickers, or for the whole market."""
    found = []
    for definition in manifest(provider)["streams"]:
        is_by_name = definition.get("$parameters", {}).get("is_by_name")
        if not is_by_name or not of_market(tickers):
            found.append(definition)
    return found


def stream_names(provider: str, tickers: Sequence[str]) -> list[str]:
    """The names of these streams."""
    return [str(definition["name"]) for definition in definitions(provider, tickers)]


class Events(Stream):
    """A stream of a manifest: the events of each ticker since the start and as far ahead as they are announced.

    The state holds the day up to which a ticker was asked for, and as `since` the first day ever asked for:
    `{"AAPL": {"date": "2026-11-20", "since": "2020-01-01", "events": {"2026-11-18": "rA1b"}}}`, with the prints of the
    events that are asked for again (see `revisions`). What came to be known later is found by asking again. A ticker
    that fails keeps its state, and the others go on.

    With the parameter `by_date` of a manifest, a request can be about a day of a whole market, and costs the provider's
    `calls_by_date`. Any other one costs `calls`, or one call.
    """

    list_name = ""
    """Which of the vendor's lists is asked for, of a stream that has several."""

    def __init__(self, definition: Mapping[str, Any], prices: StockPrices) -> None:
        self._definition = definition
        self._parameters: Mapping[str, Any] = definition.get("$parameters", {})
        self._prices = prices
        self._config = prices.config
        self.provider = prices.provider
        self.state: State = {}
        self._first: dict[str, date] = {}
        self._seen: State = {}
        self._refused: set[str] = set()
        self._sync: Sync[Row] = Sync(
            self,
            prices.config,
            prices.horizon.today,
            self.logger,
            prices.policy,
        )

    @property
    def name(self) -> str:
        return str(self._definition["name"])

    @property
    def primary_key(self) -> list[str]:
        return list(self._definition["primary_key"])

    @property
    def cursor_field(self) -> str | list[str]:
        return "date" if "date" in self.primary_key else []

    def as_airbyte_stream(self) -> AirbyteStream:
        stream = super().as_airbyte_stream()
        stream.is_resumable = False  # as for prices
        return stream

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        *args: Any,
        **kwargs: Any,
    ) -> Iterable[StreamData]:
        if configured_stream.sync_mode == SyncMode.full_refresh:
            self.state = {}
        else:
            self.state = state.read(self.state, self._config.tickers, self.logger)
        messages = super().read(configured_stream, *args, **kwargs)
        yield from self._sync.run(messages)

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        return self._sync.slices(stream_state or {})

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        return self._sync.records(stream_slice or {}, self.state)

    def queries(self, seen: State, report: Report) -> list[Query]:
        self._first = {}
        self._seen = seen
        self._refused = set()
        queries = self._planned(seen)
        if not queries:
            today = self._prices.horizon.today
            self.logger.info(f"{self.name}: nothing to do; all is read that is due today ({today}).")
        return queries

    def _planned(self, seen: State) -> list[Query]:
        return self._queries(self._config.tickers, seen, self.facts(self.tickers_per_request))

    def _queries(self, tickers: Sequence[str], seen: State, facts: plan.Facts) -> list[Query]:
        return plan.event_queries(
            tickers,
            seen,
            end=self._config.end_date,
            lookback=self._lookback,
            facts=facts,
        )

    def forecast(self) -> tuple[list[Query], list[Query]]:
        horizon = self._prices.horizon
        read = {}
        for ticker in self._config.tickers:
            exchange = horizon.exchange_of(ticker)
            before = sessions.latest(horizon.end(ticker) - DAY, exchange)
            read[ticker] = {
                "date": str(before),
                "since": str(min(self._prices.start, before - plan.ANNOUNCED)),  # later: all to recheck is read
                "provider": self.provider.origin,
            }
        return self._planned({}), self._planned(read)

    def calls(self, query: Query) -> int:
        if self._is_by_date(query):
            return self.provider.calls(query)
        return int(self._parameters.get("calls", 1))

    @property
    def _calls_by_date(self) -> int | None:
        return self.provider.calls_by_date if self._parameters.get("by_date") else None

    def _is_by_date(self, query: Query) -> bool:
        """Whether a query is about a day of a whole market."""
        return self._calls_by_date is not None and self.provider.is_by_date(query)

    @property
    def is_list(self) -> bool:
        """Whether an answer is a list of many tickers, wanted or not, and not about those that were asked for."""
        return bool(self._parameters.get("is_list"))

    @property
    def tickers_per_request(self) -> int:
        """How many tickers a request can be about."""
        if self.is_list:
            return len(self._config.tickers)
        return int(self._parameters.get("tickers_per_request", 1))

    def facts(self, tickers_per_request: int) -> plan.Facts:
        """What a plan rests on."""
        horizon = self._prices.horizon
        today = horizon.today
        return plan.Facts(
            blank=Query((), today, today, self._config.adjustment, today),
            horizon=horizon,
            start=self._prices.start,
            bound=self._prices.bound,
            provider=self.provider.origin,
            recheck_sessions=OLDEST_RECHECK,
            tickers_per_request=tickers_per_request,
            bars_per_request=None,
            calls_by_date=self._calls_by_date,
            market_of=self.provider.market_of,
        )

    def answer(self, query: Query, seen: State, report: Report) -> Found[Row]:
        if of_market(query.tickers) or self._is_by_date(query):
            # A failure here fails the whole sync: later parts would hide that this one is missing.
            return self.ask(query, report)
        if not self.is_list:
            return by_ticker(self.ask, query, report, self.provider)
        # A list that fails is not asked for again for each of the tickers.
        try:
            return self.ask(query, report)
        except ProviderError as error:
            if not error.is_of_ticker:
                raise
            for ticker in query.tickers:
                report.set_aside(ticker, error)
            return {}

    def records(
        self,
        query: Query,
        tickers: Iterable[str],
        found: Found[Row],
        state: State,
        report: Report,
    ) -> Iterator[Row]:
        for ticker in query.tickers:
            if ticker not in report.failed:
                yield from self._revisions(ticker, query, found, state, report)

    def _revisions(
        self,
        ticker: str,
        query: Query,
        found: Found[Row],
        state: State,
        report: Report,
    ) -> Iterator[Row]:
        """What is new, changed or cancelled of a ticker, or of the whole market; then the state remembers it."""
        listed = found.get(ticker, [])
        if is_market(ticker):
            listed = list(chain.from_iterable(found.values()))
        before = state.get(ticker, {})
        until = min(query.end, self._prices.horizon.today)
        if "date" in before:
            until = max(until, date.fromisoformat(before["date"]))
        revision = revise(
            before.get("events", {}),
            listed,
            ticker=ticker,
            start=query.start,
            end=query.end,
            oldest=until - self._lookback,
            blank=self._blank,
            doubts=report.doubts,
        )
        for finding in revision.findings:
            report.findings.add(finding)
        yield from revision.records

        now = self._entry(ticker, query, until, before)
        if revision.events:
            now["events"] = revision.events
        state[ticker] = now

    def _entry(self, ticker: str, query: Query, until: date, before: Entry) -> dict[str, Any]:
        """What the state says of a ticker, but for its events, once the answer to a query was read."""
        first = self._first.setdefault(ticker, query.start).isoformat()
        origin = self.provider.origin
        if self._is_by_date(query):
            return plan.read_by_date(before, query, until, self._prices.start, origin)
        if query.end.isoformat() < before.get("date", ""):
            # The first of several spans, behind what was read before: the state tells of them once all are read.
            return {name: value for name, value in before.items() if name != "events"}
        since: str = before.get("since") or before.get("date", first)
        return {"date": until.isoformat(), "since": min(first, since), "provider": origin}

    def expected(self, query: Query) -> int | None:
        return None

    def checkpoint(self, state: State) -> None:
        pass

    def more_queries(self) -> list[Query]:
        one_by_one = self.facts(self.tickers_per_request)._replace(calls_by_date=None)
        refused = sorted(self._refused)
        self._refused.clear()
        return self._queries(refused, self._seen, one_by_one)

    def survives(
        self,
        query: Query,
        error: ProviderError,
        state: State,
        report: Report,
    ) -> bool:
        """As with prices, a plan without days of a whole market stops nothing where tickers are named."""
        if not self._is_by_date(query) or self._config.market or error.problem.kind is not Kind.NOT_ENTITLED:
            return False
        report.find(ONE_BY_ONE, None, query.start)
        self._refused.update(query.tickers)
        return True

    def last_findings(self) -> Iterable[Finding]:
        return ()

    @property
    def cost(self) -> Cost:
        """What a first and a daily sync of the stream cost."""
        return self._sync.cost

    @property
    def findings(self) -> Iterable[Finding]:
        """What there is to look at, as far as the stream was read."""
        return self._sync.findings

    def ask(self, query: Query, report: Report) -> Found[Row]:
        """The rows of an answer, every page of it, by ticker; raises ProviderError."""
        rows: list[Any] = []
        try:
            requester, answered = self._retrieve(query, report)
            for row in self.told(answered, query, report):
                row["provider"] = self.provider.name
                rows.append(row)
            occurrences = self._reader.read(
                rows + requester.odd,
                start=query.start,
                end=query.end,
                today=query.today,
                answered=requester.rows,
                paged=requester.pages > 1,
                of_day=self._is_by_date(query),
                listing_currency=self._parameters.get("listing_currency"),
            )
        except RAISED as error:
            raise unreadable(error) from error
        for finding in occurrences.findings:
            if not finding.ticker:
                finding = finding._replace(named=f"{finding.name} for {names(query.tickers)}")
            report.findings.add(finding)
        report.doubts |= occurrences.doubts
        return occurrences.records

    def told(
        self,
        answered: Iterable[Row],
        query: Query,
        report: Report,
    ) -> Iterator[Row]:
        """The rows of an answer, each with the ticker that it is about as we spell it; None for one not asked for.

        Of a day of a whole market those that were not asked for are left out: they are most.
        """
        spellings = self.spellings(query)
        is_by_date = self._is_by_date(query)
        for row in answered:
            named = row.get("stock_ticker")
            ticker = ticker_of(named, spellings)
            if ticker and not spellings:
                ticker = self.provider.ticker(ticker)
            row["stock_ticker"] = ticker
            if ticker or not named or not is_by_date:
                yield row

    def spellings(self, query: Query) -> dict[str, str]:
        """The tickers that a query is about by the vendor's spelling; none for the whole market."""
        if of_market(query.tickers):
            return {}
        return {self.provider.spelling(ticker): ticker for ticker in query.tickers}

    def exchange_of(self, query: Query) -> str:
        """The exchange of a query's tickers as the vendor names it, of one with a market for each exchange."""
        market = self.provider.market_of(query.tickers[0])
        return market.partition(".")[2]

    def _retrieve(self, query: Query, report: Report) -> tuple[Requester, Iterable[Row]]:
        """The rows that the CDK makes of a query's pages, and who sends for them."""
        # A retriever for each query: the CDK's holds on to a template that failed once, and would read no row after it.
        factory = ModelToComponentFactory()
        config = settings(self.provider)
        transformations = []
        for each in self._definition.get("transformations", ()):
            typed = {**each, "fields": list(map(self._typed, each["fields"]))}
            transformation = factory.create_component(AddFields, typed, config)
            transformations.append(transformation)
        retriever = factory.create_component(
            SimpleRetriever,
            self._definition["retriever"],
            config,
            name=self.name,
            primary_key=self.primary_key,
            transformations=transformations,
        )
        selector = self._definition["retriever"]["record_selector"]
        requester = Requester(
            retriever.requester,
            self._prices,
            query,
            report,
            path=selector["extractor"]["field_path"],
            calls=self.calls(query),
        )
        retriever.requester = requester
        records = retriever.read_records(self.get_json_schema(), self._slice(query))
        return requester, map(self._row, records)

    def _typed(self, field: Mapping[str, Any]) -> Mapping[str, Any]:
        """A field of a manifest, as a text if it is one: the CDK would take 1e5 for a number, and True for a truth."""
        (name,) = field["path"]
        return {**field, "value_type": "string"} if name in self._texts else field

    def _row(self, record: Any) -> Row:
        row = dict(record.data)
        for name in self._texts:
            if row.get(name) in NOTHING:
                row[name] = None
        return row

    @cached_property
    def _texts(self) -> list[str]:
        """The fields of a row that hold any text."""
        texts = []
        for name, field in self.get_json_schema()["properties"].items():
            if "string" in field["type"] and "format" not in field and "enum" not in field:
                texts.append(name)
        return texts

    def _slice(self, query: Query) -> StreamSlice:
        """A query as the manifests know it."""
        spellings = self.spellings(query)
        return StreamSlice(
            partition={"symbols": ",".join(spellings)},
            cursor_slice={
                "start": query.start.isoformat(),
                "end": query.end.isoformat(),
            },
            extra_fields={
                "today": query.today.isoformat(),
                "list": self.list_name,
                "spellings": spellings,
                "exchange": self.exchange_of(query),
                "by_date": self._is_by_date(query),
            },
        )

    @property
    def _lookback(self) -> timedelta:
        days = self._parameters.get("lookback_days", LOOKBACK_DAYS)
        return timedelta(days)

    @cached_property
    def _blank(self) -> Row:
        properties = self.get_json_schema()["properties"]
        blank: Row = dict.fromkeys(properties)
        blank["provider"] = self.provider.name
        return blank

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.get_json_schema(), self.primary_key)


def settings(provider: Provider) -> dict[str, Any]:
    """What a manifest knows of the config: the settings of the provider that are no secrets."""
    return {setting.name: getattr(provider, setting.name) for setting in fields(provider) if setting.repr}


class Requester:
    """Sends what a manifest asks the way prices are asked for. Everything else is the CDK's own requester's."""

    def __init__(
        self,
        requester: Any,
        prices: StockPrices,
        query: Query,
        report: Report,
        path: Sequence[str],
        calls: int,
    ) -> None:
        self._requester = requester
        self._prices = prices
        self._query = query
        self._report = report
        self._path = path
        self._calls = calls
        self.pages = 0
        self.rows = 0
        self.odd: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._requester, name)

    def send_request(
        self,
        *,
        path: str | None = None,
        request_params: Mapping[str, Any] | None = None,
        stream_state: Any = None,
        stream_slice: Any = None,
        next_page_token: Any = None,
        **_: Any,
    ) -> Response:
        self.pages += 1
        if self.pages > MAX_PAGES:
            raise ValueError(f"more than {MAX_PAGES} pages")
        where = {
            "stream_state": stream_state,
            "stream_slice": stream_slice,
            "next_page_token": next_page_token,
        }
        provider = self._prices.provider
        link = on_host(provider.base_url, path or self._requester.get_url(**where))
        params: dict[str, str] = {}
        if not urlsplit(link).query:  # the link to a next page is a whole request
            asked = {
                **self._requester.get_request_params(**where),
                **(request_params or {}),
            }
            params = {name: str(value) for name, value in asked.items()}
        request = provider.get(link, params)
        response = self._prices.send(request, self._calls)
        answer = Answer.of(response)
        self._look_at(answer)
        if answer.json is None:
            # The CDK reads a table from the wire, where nothing is left of it.
            response.raw = HTTPResponse(BytesIO(response.content), preload_content=False)
        return response

    def _look_at(self, answer: Answer) -> None:
        rows = _rows(answer.json, self._path)
        if answer.json is None:  # a table, of which every line but the first is a row
            rows = [{"line": line} for line in answer.content.splitlines()[1:]]
        for row in rows:
            self.rows += 1
            if not isinstance(row, dict) or not row:
                self.odd.append(row)  # the CDK passes over it without a word
        notice = self._prices.provider.notice(answer, self._query)
        if notice:
            self._report.note(notice, self._query.tickers)


def _rows(body: Any, path: Sequence[str]) -> Iterable[Any]:
    """What an answer has at the `field_path` of a manifest."""
    if not path:
        return body if isinstance(body, list) else [body]
    key, *rest = path
    if key != "*":
        part = body.get(key)
        return [] if part is None else _rows(part, rest)
    parts = list((body.values() if isinstance(body, dict) else body) or ())
    if not rest:
        return parts
    rows: list[Any] = []
    for part in parts:
        rows += _rows(part, rest)
    return rows
