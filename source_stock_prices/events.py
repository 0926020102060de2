"""The streams `stock_splits`, `dividends` and `tickers`, as the manifests of `manifest/` tell.

A manifest says what is asked and where the fields are; the CDK's declarative runtime reads it. When requests are made,
how they are sent and what an error means works as for prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
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
from source_stock_prices.errors import ProviderError
from source_stock_prices.providers.answer import Answer, on_host, trim
from source_stock_prices.providers.terms import ANY, Kind, Problem, Query
from source_stock_prices.report import Report
from source_stock_prices.sync import Found, State, Sync, by_ticker

if TYPE_CHECKING:
    from source_stock_prices.stream import StockPrices

MANIFESTS = Path(__file__).with_name("manifest")

LOOKBACK_DAYS = 90
"""How far before the last day asked for is asked again: events are announced late, and corrected. `lookback_days` in a
manifest says otherwise."""

MAX_PAGES = 1000
"""More pages than one query fills: a vendor that repeats itself would have them read for ever."""

MISREAD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, ValidationError, TemplateError)
"""What reading an answer raises that is not its vendor's."""

Row = dict[str, Any]


@lru_cache
def manifest(provider: str) -> Mapping[str, Any]:
    """A provider's manifest, laid over what all of them share, as the CDK wants it; without streams if it has none."""
    shared = safe_load_yaml((MANIFESTS / "definitions.yaml").read_text("utf-8"))
    own: Mapping[str, Any] = {"streams": []}
    own_file = MANIFESTS / f"{provider}.yaml"
    if own_file.exists():
        own = safe_load_yaml(own_file.read_text("utf-8"))
    definitions = {**shared["definitions"], **own.get("definitions", {})}
    resolved = ManifestReferenceResolver().preprocess_manifest({**shared, **own, "definitions": definitions})
    return ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {})


def streams(prices: StockPrices) -> list[Stream]:
    """The streams that the manifest of a price stream's provider has."""
    return [Events(definition, prices) for definition in manifest(prices.provider.name)["streams"]]


def split_tickers(prices: StockPrices, first: date, last: date) -> set[str]:
    """Every ticker of the market that splits in a window, both ends inclusive. Raises ProviderError."""
    splits = next(each for each in manifest(prices.provider.name)["streams"] if each["name"] == "stock_splits")
    query = Query((ANY,), first, last, prices.config.adjustment, prices.today)
    return set(Events(splits, prices).ask(query, Report(prices.provider)))


class Events(Stream):
    """A stream of a manifest: the events of each ticker since the start and as far ahead as they are announced, or a
    row a ticker.

    The state of events holds the day up to which a ticker was asked for, and as `since` the first day ever asked for:
    `{"AAPL": {"date": "2026-11-20", "since": "2020-01-01"}}`. What came to be known later is found by asking again. A
    ticker that fails keeps its state, and the others go on.
    """

    def __init__(self, definition: Mapping[str, Any], prices: StockPrices) -> None:
        self._definition, self._prices = definition, prices
        self._config, self.provider = prices.config, prices.provider
        self._parameters: Mapping[str, Any] = definition.get("$parameters", {})
        self.state: State = {}
        self._sync: Sync[Row] = Sync(self, prices.config, prices.today, self.logger, lambda: prices.policy.judged)

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
        self.state = {} if full else state.read(self.state, self._config.tickers, self.logger)
        yield from self._sync.run(super().read(configured_stream, *args, **kwargs))

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

    def queries(self, seen: State) -> list[Query]:
        tickers, today = self._config.tickers, self._prices.today
        blank = Query((), today, today, self._config.adjustment, today)
        limits = plan.Limits(self._parameters.get("tickers_per_request", 1), None)
        if self.cursor_field:
            lookback = timedelta(days=self._parameters.get("lookback_days", LOOKBACK_DAYS))
            queries = plan.event_queries(
                tickers, seen, self._prices.start, self._config.end_date, lookback, blank, limits
            )
        else:
            queries = plan.ticker_queries(tickers, blank, limits)
        if not queries:
            self.logger.info(f"{self.name}: nothing to do; already read today ({today}), or the window is empty.")
        return queries

    def answer(self, query: Query, seen: State, report: Report) -> Found[Row]:
        rows = by_ticker(self.ask, query, report, self.provider)
        if not self.cursor_field:
            for ticker in query.tickers:
                if ticker not in rows and ticker not in report.failed and ticker != ANY:
                    report.set_aside(ticker, ProviderError(Problem(Kind.UNKNOWN_TICKER, "")))
        return {ticker: self._one_each(rows[ticker]) for ticker in sorted(rows)}

    def records(
        self, query: Query, tickers: Iterable[str], found: Found[Row], state: State, report: Report
    ) -> Iterator[Row]:
        for ticker in tickers:
            yield from found.get(ticker, ())
        if not self.cursor_field:
            return
        for ticker in query.tickers:
            if ticker not in report.failed:
                self._remember(ticker, query, state)

    def _remember(self, ticker: str, query: Query, state: State) -> None:
        until = min(query.end, self._prices.today).isoformat()
        before = state.get(ticker, {"date": until, "since": query.start.isoformat()})
        state[ticker] = {"date": max(until, before["date"]), "since": before.get("since", before["date"])}

    def expected(self, query: Query) -> int | None:
        return None

    def summary(self) -> Iterable[str]:
        return ()

    def ask(self, query: Query, report: Report) -> Found[Row]:
        """The rows of an answer, every page of it, by ticker; raises ProviderError."""
        found: Found[Row] = {}
        seen: set[bytes] = set()
        try:
            for record in self._retrieve(query, report):
                raw = orjson.dumps(record.data)
                if raw in seen:
                    continue  # pages overlap
                seen.add(raw)
                row = {name: record.get(name) for name in self._fields} | {"provider": self.provider.name}
                row["stock_ticker"] = self._ticker_of(row, query)
                if self._is_wanted(row, query):
                    self._check(row)
                    found.setdefault(row["stock_ticker"], []).append(row)
        except MISREAD as error:
            said = f"{type(error).__name__}: {trim(str(error))}"
            raise ProviderError(Problem(Kind.UNREADABLE, said)) from error
        return found

    def _ticker_of(self, row: Row, query: Query) -> str:
        """Our spelling of a row's ticker."""
        if query.tickers == (ANY,):
            return row["stock_ticker"]  # type: ignore[no-any-return]
        spelled = {self.provider.spelling(ticker): ticker for ticker in query.tickers}
        symbols = ",".join(spelled)
        named = row["stock_ticker"] or symbols
        if named.upper() == symbols.upper():
            return query.ticker
        return spelled[named]

    def _is_wanted(self, row: Row, query: Query) -> bool:
        """Some vendors answer with a ticker's whole history: what is wrong outside the window does not matter."""
        return not self.cursor_field or query.start <= date.fromisoformat(row["date"]) <= query.end

    def _check(self, row: Row) -> None:
        """Raises ValidationError or ValueError for a row that does not fit the schema."""
        self._schema.validate(row)
        for value in row.values():
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"{row} has a non-finite number")

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

    def _retrieve(self, query: Query, report: Report) -> Iterable[Any]:
        """The records that the CDK makes of a query's pages."""
        # A retriever for each query: the CDK's holds on to a template that failed once, and would read no row after it.
        factory, config = ModelToComponentFactory(), {"base_url": self.provider.base_url}
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
        path = self._definition["retriever"]["record_selector"]["extractor"]["field_path"]
        retriever.requester = Requester(retriever.requester, self._prices, query, report, path)
        window = {"start": query.start.isoformat(), "end": query.end.isoformat()}
        symbols = "" if query.tickers == (ANY,) else ",".join(map(self.provider.spelling, query.tickers))
        asked = StreamSlice(
            partition={"symbols": symbols}, cursor_slice=window, extra_fields={"today": query.today.isoformat()}
        )
        records: Iterable[Any] = retriever.read_records(self.get_json_schema(), asked)
        return records

    @cached_property
    def _fields(self) -> list[str]:
        return list(self.get_json_schema()["properties"])

    @cached_property
    def _schema(self) -> Draft7Validator:
        return Draft7Validator(self.get_json_schema(), format_checker=FormatChecker(["date"]))


class Requester:
    """Sends what a manifest asks the way prices are asked for. Everything else is the CDK's own requester's."""

    def __init__(self, requester: Any, prices: StockPrices, query: Query, report: Report, path: Sequence[str]) -> None:
        self._requester, self._prices, self._query, self._report, self._path = requester, prices, query, report, path
        self._pages = 0

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
        self._pages += 1
        if self._pages > MAX_PAGES:
            raise ValueError(f"more than {MAX_PAGES} pages")
        where = {"stream_state": stream_state, "stream_slice": stream_slice, "next_page_token": next_page_token}
        provider = self._prices.provider
        link = on_host(provider.base_url, path or self._requester.get_url(**where))
        params: dict[str, str] = {}
        if not urlsplit(link).query:  # the link to a next page is a whole request
            asked = {**self._requester.get_request_params(**where), **(request_params or {})}
            params = {name: str(value) for name, value in asked.items()}
        response = self._prices.send(provider.get(link, params))
        self._look_at(Answer.of(response))
        return response

    def _look_at(self, answer: Answer) -> None:
        for row in _rows(answer.json, self._path):
            if not isinstance(row, dict) or not row:
                raise TypeError(f"{row!r} is not a row")  # the CDK would pass over it without a word
        notice = self._prices.provider.notice(answer, self._query)
        if notice:
            self._report.note(notice, self._query.tickers)


def _rows(body: Any, path: Sequence[str]) -> Iterable[Any]:
    """What an answer has at the `field_path` of a manifest."""
    if not path:
        return body if isinstance(body, list) else [body]
    key, *rest = path
    if key != "*":
        return _rows(body.get(key, []), rest)
    parts = body.values() if isinstance(body, dict) else body
    return [row for part in parts or () for row in _rows(part, rest)]
