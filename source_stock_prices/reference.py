"""The streams of reference data, `stock_splits`, `dividends` and `tickers`, as the manifests of `manifest/` tell.

A manifest says what is asked and where the fields are; the CDK's declarative runtime reads it. When what is asked, how
it is sent, and what a refusal means is as with prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from threading import local
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.declarative.models import AddFields, SimpleRetriever
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import ManifestComponentTransformer
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import ModelToComponentFactory
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from jinja2 import TemplateError
from jsonschema import Draft7Validator, FormatChecker, ValidationError
from requests import Response

from source_stock_prices import plan, state
from source_stock_prices.ahead import ahead
from source_stock_prices.errors import ProviderError
from source_stock_prices.providers.base import ANY, Kind, Problem, Provider, Query, on_host, trim
from source_stock_prices.report import GARBLED, Report
from source_stock_prices.stream import MISREAD, SLICE_SECONDS, StockPrices

MANIFESTS = Path(__file__).with_name("manifest")

LOOKBACK_DAYS = 90
"""How far before the last day asked for is asked again: events are announced late, and corrected. `lookback_days` in a
manifest says otherwise."""

NOTICE = timedelta(days=366)
"""How long before its ex-date an event is announced, at most."""

SPAN = timedelta(days=500)
"""How much of the whole market's events one query asks for: its rows are held until they are sorted."""

MOST_ROWS = 1_000_000_000
"""Events are few: tickers and days of one query are as many as a request takes."""

PAGES = 1000
"""More pages than one query fills: a vendor that repeats itself would have them read for ever."""

Row = dict[str, Any]


@lru_cache
def manifest(provider: str) -> Mapping[str, Any]:
    """A provider's manifest, laid over what all of them share, as the CDK wants it; without streams if it has none."""
    own_file = MANIFESTS / f"{provider}.yaml"
    own = safe_load_yaml(own_file.read_text("utf-8")) if own_file.exists() else {"streams": []}
    shared = safe_load_yaml((MANIFESTS / "definitions.yaml").read_text("utf-8"))
    whole = {**shared, **own, "definitions": {**shared["definitions"], **own.get("definitions", {})}}
    resolved = ManifestReferenceResolver().preprocess_manifest(whole)
    return ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {})


def references(prices: StockPrices) -> list[Stream]:
    """The streams that the manifest of a price stream's provider has."""
    return [Reference(definition, prices) for definition in manifest(prices.provider.name)["streams"]]


class Reference(Stream):
    """A stream of a manifest: the events of each ticker since the start and as far ahead as they are announced, or a
    row a ticker.

    The state of events holds the day up to which a ticker was asked for, and as `since` the first day ever asked for:
    `{"AAPL": {"date": "2026-11-20", "since": "2020-01-01"}}`. What came to be known later is found by asking again. A
    ticker that fails keeps its state, and the others go on.
    """

    def __init__(self, definition: Mapping[str, Any], prices: StockPrices) -> None:
        super().__init__()
        self._definition, self._prices = definition, prices
        self._parameters: Mapping[str, Any] = definition.get("$parameters", {})
        self._provider, self._config = prices.provider, prices.config
        self._report = Report(self._provider)
        self._answers = ahead(self._answer, (), 1)
        self._asking = local()
        self.state: MutableMapping[str, Any] = {}

    @property
    def name(self) -> str:
        return str(self._definition["name"])

    @property
    def primary_key(self) -> list[str]:
        return list(self._definition["primary_key"])

    @property
    def cursor_field(self) -> str | list[str]:
        return "date" if "date" in self.primary_key else []

    def read(self, configured_stream: ConfiguredAirbyteStream, *args: Any, **kwargs: Any) -> Iterable[StreamData]:
        full = configured_stream.sync_mode == SyncMode.full_refresh
        seen = {} if full else state.read(self.state, self._config.tickers, self.logger)
        self.state = {ticker: {key: of[key] for key in ("date", "since") if key in of} for ticker, of in seen.items()}
        try:
            yield from super().read(configured_stream, *args, **kwargs)
        finally:
            self._answers.close()
        for line in self._report.summary(self._prices.start):
            self.logger.warning(line)
        if failure := self._report.failure():
            raise failure

    def stream_slices(self, **kwargs: Any) -> Iterator[Mapping[str, Any]]:
        queries = self._queries()
        self._answers = ahead(self._answer, queries, self._config.num_workers)
        self._left, size = len(queries), plan.slice_size(len(queries))
        while self._left and not self._report.stopped:
            yield {"queries": min(size, self._left), "of": len(queries)}

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        until = monotonic() + SLICE_SECONDS
        for query, answer in islice(self._answers, (stream_slice or {}).get("queries", 0)):
            self._left -= 1
            try:
                rows, report = answer()
            except ProviderError as error:
                self._report.stop(query.tickers, error)
                return
            for line in report.lines:
                self.logger.warning(line)
            self._report.add(report, query, is_empty=not rows)
            yield from rows
            for ticker in query.tickers:
                if ticker not in report.failed and self.cursor_field:
                    since = self.state.get(ticker, {}).get("since", query.start.isoformat())
                    self.state[ticker] = {"date": min(query.end, self._prices.today).isoformat(), "since": since}
            if self._report.stopped or monotonic() > until:
                return

    def _queries(self) -> list[Query]:
        """What has to be asked: tickers with the same first day together, as many as one request takes."""
        today = self._prices.today
        end = self._config.end_date or today + NOTICE if self.cursor_field else today
        self._prices.warn_of_the_future(self.state)
        windows = [
            (ticker, today if not self.cursor_field else self._first_day(ticker))
            for ticker in self._config.tickers
            if ticker not in self.state or date.fromisoformat(self.state[ticker]["date"]) < today
        ]
        at_once = self._parameters.get("tickers_per_request", 1)
        queries = []
        for tickers, first in plan.batches(windows, end, at_once, MOST_ROWS):
            while first <= end:
                last = min(end, first + SPAN) if tickers == (ANY,) else end
                queries.append(Query(tickers, first, last, self._config.adjustment, today))
                first = last + timedelta(days=1)
        return queries

    def _first_day(self, ticker: str) -> date:
        seen = self.state.get(ticker)
        if seen is None:
            return self._prices.start
        lookback = timedelta(days=self._parameters.get("lookback_days", LOOKBACK_DAYS))
        again = date.fromisoformat(seen["date"]) - lookback
        return max(again, date.fromisoformat(seen.get("since", seen["date"])))

    def _answer(self, query: Query) -> tuple[list[Row], Report]:
        """The rows of a query, ascending by date within a ticker. Runs in a worker."""
        report = Report(self._provider)
        rows = by_ticker(lambda part: self.ask(part, report), query, self._provider, report)
        if not self.cursor_field:
            for ticker in query.tickers:
                if ticker not in rows and ticker not in report.failed and ticker != ANY:
                    report.set_aside(ticker, ProviderError(Problem(Kind.UNKNOWN_TICKER, "")))
        order = sorted(rows) if query.tickers == (ANY,) else query.tickers
        return [row for ticker in order for row in self._one_each(rows.get(ticker, ()))], report

    def ask(self, query: Query, report: Report) -> Iterator[tuple[str, Row]]:
        """Each row of an answer, every page of it, with its ticker; raises ProviderError."""
        tickers = {} if query.tickers == (ANY,) else {self._provider.spelling(each): each for each in query.tickers}
        window = {"start": query.start.isoformat(), "end": query.end.isoformat()}
        asked = StreamSlice(
            partition={"symbols": ",".join(tickers)}, cursor_slice=window, extra_fields={"today": f"{query.today}"}
        )
        self._asking.query, self._asking.report, self._asking.pages = query, report, 0
        seen: set[bytes] = set()
        try:
            for record in self._retriever.read_records(self.get_json_schema(), asked):
                if (raw := orjson.dumps(record.data)) in seen:
                    continue  # pages overlap
                seen.add(raw)
                row = {name: record.get(name) for name in self._fields} | {"provider": self._provider.name}
                if tickers:
                    row["stock_ticker"] = tickers[row["stock_ticker"]] if row["stock_ticker"] else query.ticker
                self._schema.validate(row)
                if not self.cursor_field or window["start"] <= row["date"] <= window["end"]:
                    yield row["stock_ticker"], row
        except (ValidationError, TemplateError, *MISREAD) as error:
            said = f"{type(error).__name__}: {trim(str(error))}"
            raise ProviderError(Problem(Kind.UNREADABLE, said)) from error

    def _one_each(self, rows: Iterable[Row]) -> list[Row]:
        """One row a primary key, ascending. Payments of one kind on one day are one row, with the sum of them.

        Of other rows with the same key, the later one is what the vendor corrected.
        """
        kept: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            key = tuple(row[name] for name in self.primary_key)
            if "amount" in row and key in kept:
                row["amount"] = round(row["amount"] + kept[key]["amount"], 10)
            kept[key] = row
        return [kept[key] for key in sorted(kept)]

    def send_request(self, http_method: str, url: str, **asked: Any) -> tuple[None, Response]:
        """Sends what the manifest asks for the way prices are asked for, in the place of the CDK's own HTTP client."""
        query, report = self._asking.query, self._asking.report
        self._asking.pages += 1
        if self._asking.pages > PAGES:
            raise ValueError(f"more than {PAGES} pages")
        link = on_host(self._provider.base_url, url)
        # The link to a next page is a whole request.
        params = {} if urlsplit(link).query else {name: str(value) for name, value in asked["params"].items()}
        response = self._prices.fetch(self._provider.get(link, params))
        if notice := self._provider.notice(response, query):
            report.note(notice, query.tickers)
        return None, response

    @cached_property
    def _retriever(self) -> Any:
        factory, config = ModelToComponentFactory(), {"base_url": self._provider.base_url}
        transformations = [
            factory.create_component(AddFields, each, config) for each in self._definition.get("transformations", ())
        ]
        retriever = factory.create_component(
            SimpleRetriever,
            self._definition["retriever"],
            config,
            name=self.name,
            primary_key=self.primary_key,
            transformations=transformations,
        )
        retriever.requester._http_client = self
        return retriever

    @cached_property
    def _fields(self) -> list[str]:
        return list(self.get_json_schema()["properties"])

    @cached_property
    def _schema(self) -> Draft7Validator:
        return Draft7Validator(self.get_json_schema(), format_checker=FormatChecker(["date"]))


T = TypeVar("T")


def by_ticker(
    ask: Callable[[Query], Iterable[tuple[str, T]]], query: Query, provider: Provider, report: Report
) -> dict[str, list[T]]:
    """What a query's answer has of each ticker; one that fails is set aside, and the others are asked for again."""
    found: dict[str, list[T]] = {}
    try:
        for ticker, each in ask(query):
            found.setdefault(ticker, []).append(each)
        return found
    except ProviderError as error:
        if not error.reaction.of_ticker or query.tickers == (ANY,):
            raise
        culprits = [
            ticker
            for ticker in query.tickers
            if len(query.tickers) == 1 or provider.spelling(ticker) == error.problem.ticker
        ]
        for ticker in culprits:
            report.set_aside(ticker, error)
        rest = tuple(ticker for ticker in query.tickers if ticker not in culprits)
        if culprits:
            return by_ticker(ask, query._replace(tickers=rest), provider, report) if rest else {}
        found = {}
        for ticker in rest:  # the vendor does not say which
            found |= by_ticker(ask, query._replace(tickers=(ticker,)), provider, report)
            if not found and len(report.failed) >= GARBLED:
                raise
        return found
