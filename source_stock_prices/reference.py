"""The streams of reference data, `stock_splits`, `dividends` and `tickers`, as the manifests of `manifest/` tell.

A manifest says what is asked and where the fields are; the CDK's declarative runtime reads it. When what is asked, how
it is sent, and what a refusal means is as with prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.sources.declarative.models import AddFields, SimpleRetriever
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import ManifestComponentTransformer
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import ModelToComponentFactory
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from jinja2 import TemplateError
from requests import Response

from source_stock_prices import plan
from source_stock_prices.asking import Answer, Asking
from source_stock_prices.errors import ProviderError
from source_stock_prices.occurrences import Reader, Row, ticker_of
from source_stock_prices.providers.base import ANY, Kind, Problem, Query, decode, on_host, trim
from source_stock_prices.report import Report
from source_stock_prices.stream import MISREAD, StockPrices

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


class Reference(Asking[Row]):
    """A stream of a manifest: the events of each ticker since the start and as far ahead as they are announced, or a
    row a ticker.

    The state of events holds the day up to which a ticker was asked for, and as `since` the first day ever asked for:
    `{"AAPL": {"date": "2026-11-20", "since": "2020-01-01"}}`. What came to be known later is found by asking again. A
    ticker that fails keeps its state, and the others go on.
    """

    def __init__(self, definition: Mapping[str, Any], prices: StockPrices) -> None:
        super().__init__(prices.config, start=prices.start, today=prices.today)
        self._definition, self._prices = definition, prices
        self._parameters: Mapping[str, Any] = definition.get("$parameters", {})
        self.state = {}

    @property
    def name(self) -> str:
        return str(self._definition["name"])

    @property
    def primary_key(self) -> list[str]:
        return list(self._definition["primary_key"])

    @property
    def cursor_field(self) -> str | list[str]:
        return "date" if "date" in self.primary_key else []

    def _records(
        self, query: Query, tickers: Iterable[str], found: Mapping[str, list[Row]], seen: Mapping[str, Any]
    ) -> Iterator[Row]:
        for ticker in tickers:
            yield from found.get(ticker, ())
        for ticker in query.tickers:
            if ticker not in self._report.failed and self.cursor_field:
                until = min(query.end, self.today).isoformat()
                before = self.state.get(ticker, {"date": until, "since": query.start.isoformat()})
                self.state[ticker] = {"date": max(until, before["date"]), "since": before.get("since", before["date"])}

    def _requests(self) -> int:
        return self._prices._requests()

    def _queries(self, seen: Mapping[str, Any]) -> list[Query]:
        today = self.today
        end = min(self.config.end_date or date.max, today + NOTICE) if self.cursor_field else today
        windows = [
            (ticker, first)
            for ticker in self.config.tickers
            if ticker not in seen or date.fromisoformat(seen[ticker]["date"]) < today
            if (first := self._first_day(seen.get(ticker)) if self.cursor_field else today) <= end
        ]
        at_once = self._parameters.get("tickers_per_request", 1)
        queries = []
        for tickers, first in plan.batches(windows, end, at_once, MOST_ROWS):
            while first <= end:
                last = min(end, first + SPAN) if tickers == (ANY,) else end
                queries.append(Query(tickers, first, last, self.config.adjustment, today))
                first = last + timedelta(days=1)
        if not queries:
            self.logger.info(f"Nothing to ask: {self.name} was read today, {today}, or ends before its start.")
        return queries

    def _first_day(self, seen: Mapping[str, Any] | None) -> date:
        if seen is None:
            return self.start
        lookback = timedelta(days=self._parameters.get("lookback_days", LOOKBACK_DAYS))
        since, until = (date.fromisoformat(seen.get(key, seen["date"])) for key in ("since", "date"))
        return max(until - lookback, since)

    def _answer(self, seen: Mapping[str, Any], query: Query) -> Answer[Row]:
        report = Report(self.provider)
        rows = self._by_ticker(self.ask, query, report)
        if not self.cursor_field:
            for ticker in query.tickers:
                if ticker not in rows and ticker not in report.failed and ticker != ANY:
                    report.set_aside(ticker, ProviderError(Problem(Kind.UNKNOWN_TICKER, "")))
        return rows, report

    def ask(self, query: Query, report: Report) -> dict[str, list[Row]]:
        """The rows of an answer, every page of it, by ticker; raises ProviderError."""
        spellings = {} if query.tickers == (ANY,) else {self.provider.spelling(each): each for each in query.tickers}
        window = {"start": query.start.isoformat(), "end": query.end.isoformat()}
        symbols, today = ",".join(spellings), {"today": query.today.isoformat()}
        asked = StreamSlice(partition={"symbols": symbols}, cursor_slice=window, extra_fields=today)
        retriever = self._retriever(query, report)
        pages = retriever.requester._http_client
        try:
            rows = []
            for record in retriever.read_records(self.get_json_schema(), asked):
                ticker = ticker_of(record.get("stock_ticker"), spellings)
                rows.append({**record.data, "stock_ticker": ticker, "provider": self.provider.name})
            occurrences = self._reader.read(
                [*rows, *pages.odd],
                start=query.start,
                end=query.end,
                today=query.today,
                answered=pages.rows,
                paged=pages.count > 1,
                listing_currency=self._parameters.get("listing_currency"),
            )
        except (TemplateError, *MISREAD) as error:
            said = f"{type(error).__name__}: {trim(str(error))}"
            raise ProviderError(Problem(Kind.UNREADABLE, said)) from error
        report.lines += [f"{self.provider.title}: {finding}" for finding in occurrences.findings]
        return occurrences.records

    def _retriever(self, query: Query, report: Report) -> Any:
        # One for each query: the CDK's holds on to a template that failed once, and would read no row after it.
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
        retriever.requester._http_client = _Pages(self._prices, query, report, path)
        return retriever

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.get_json_schema(), self.primary_key)


class _Pages:
    """Sends what a manifest asks the way prices are asked for, in the place of the CDK's own HTTP client."""

    def __init__(self, prices: StockPrices, query: Query, report: Report, path: Sequence[str]) -> None:
        self._prices, self._query, self._report, self._path = prices, query, report, path
        self.count = self.rows = 0
        self.odd: list[Any] = []

    def send_request(self, http_method: str, url: str, **asked: Any) -> tuple[None, Response]:
        self.count += 1
        if self.count > PAGES:
            raise ValueError(f"more than {PAGES} pages")
        provider = self._prices.provider
        link = on_host(provider.base_url, url)
        # The link to a next page is a whole request.
        params = {} if urlsplit(link).query else {name: str(value) for name, value in asked["params"].items()}
        response = self._prices.fetch(provider.get(link, params))
        for row in _rows(decode(response), self._path):
            self.rows += 1
            if not isinstance(row, dict) or not row:
                self.odd.append(row)  # the CDK passes over it without a word
        if notice := provider.notice(response, self._query):
            self._report.note(notice, self._query.tickers)
        return None, response


def _rows(body: Any, path: Sequence[str]) -> Iterable[Any]:
    """What an answer has at the `field_path` of a manifest."""
    if not path:
        return body if isinstance(body, list) else [body]
    key, *rest = path
    if key != "*":
        return _rows(body.get(key, []), rest)
    parts = body.values() if isinstance(body, dict) else body
    return [row for part in parts or () for row in _rows(part, rest)]
