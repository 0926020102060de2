"""Each manifest against its vendor's answers: what is asked, and the rows in them.

A case of `unit_tests/manifests/<provider>.json` names the `stream`, the `tickers` and the window that are asked for;
`asked` are the requests that follow, each as path and parameters, `answers` the bodies they are given, and `rows` what
is in them: only the fields that are not null, without `provider`. `source` says where a shape is known from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests_mock
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    get_declarative_component_schema,
    validate_manifest,
)

from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.base import Query
from source_stock_prices.reference import MANIFESTS, Reference, manifest, references
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices

CASES = Path(__file__).with_name("manifests")
WITH_MANIFEST = sorted(path.stem for path in MANIFESTS.glob("*.yaml") if path.stem != "definitions")
TODAY = date(2026, 11, 20)


def streams(provider: dict[str, str], tickers: str = "AAPL") -> dict[str, Reference]:
    """The reference streams of a provider by name."""
    config = Config.parse({"provider": provider, "stock_ticker": tickers})
    prices = StockPrices(config, start=TODAY, end=TODAY, last_final=TODAY, today=TODAY, patient=False)
    return {stream.name: stream for stream in references(prices)}


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.json")):
        for case in json.loads(path.read_text()):
            yield pytest.param(path.stem, case, id=f"{path.stem}: {case['stream']} {case['title']}")


@pytest.mark.parametrize("name", WITH_MANIFEST)
def test_it_is_a_manifest_by_the_schema_of_the_cdk(name: str) -> None:
    validate_manifest(manifest(name), get_declarative_component_schema())


@pytest.mark.parametrize("name", WITH_MANIFEST)
def test_it_belongs_to_a_provider_and_has_cases(name: str) -> None:
    assert name in PROVIDERS
    told = {case["stream"] for case in json.loads((CASES / f"{name}.json").read_text())}
    assert told == {stream["name"] for stream in manifest(name)["streams"]}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_it_offers_the_streams_that_the_provider_has(name: str) -> None:
    streams = [stream["name"] for stream in manifest(name)["streams"]]
    assert bool(streams) is (name in WITH_MANIFEST)
    assert [each for each in ("stock_splits", "dividends", "tickers") if each in streams] == streams


@pytest.mark.parametrize(("name", "case"), cases())
def test_it_reads_the_rows_of_an_answer(name: str, case: dict[str, Any]) -> None:
    provider, tickers = {"name": name, **case.get("settings", {"api_key": "t3st+k3y/="})}, tuple(case["tickers"])
    stream = streams(provider, ",".join(tickers))[case["stream"]]
    start, end = (date.fromisoformat(case.get(side, "2026-11-20")) for side in ("start", "end"))
    report = Report(PROVIDERS[name](**{key: value for key, value in provider.items() if key != "name"}))
    query = Query(tickers, start, end, "raw", TODAY)
    with requests_mock.Mocker(case_sensitive=True) as wire:
        wire.get(requests_mock.ANY, [_answer(body) for body in case["answers"]])
        if "problem" in case:
            with pytest.raises(ProviderError) as problem:
                list(stream.ask(query, report))
            assert problem.value.problem.kind.value == case["problem"]
        else:
            found = [row for _, row in stream.ask(query, report)]
            rows = [{key: value for key, value in row.items() if value is not None} for row in found]
            assert rows == [{**row, "provider": name} for row in case["rows"]]
    asked = [
        (url.path, dict(parse_qsl(url.query))) for url in map(urlsplit, (each.url for each in wire.request_history))
    ]
    key = PROVIDERS[name](**{each: provider[each] for each in provider if each != "name"}).key_params()
    assert asked == [(path, {**params, **key}) for path, params in case["asked"]]


def test_it_reads_a_ticker_after_one_whose_row_it_could_not() -> None:
    """The CDK holds on to a template that failed the first time."""
    stream = streams({"name": "tiingo", "api_key": "k"}, "AAPL,MSFT")["stock_splits"]
    days = {"AAPL": None, "MSFT": "2020-08-31T00:00:00.000Z"}
    found, reports = {}, []
    with requests_mock.Mocker(case_sensitive=True) as wire:
        for ticker, day in days.items():
            wire.get(requests_mock.ANY, json=[{"date": day, "splitFactor": 2.0}])
            rows, report = stream._answer({}, Query((ticker,), date(2020, 1, 1), TODAY, "raw", TODAY))
            found |= rows
            reports.append(list(report.failed))
    assert reports == [["AAPL"], []]
    assert [row["date"] for row in found["MSFT"]] == ["2020-08-31"]


def _answer(body: Any) -> dict[str, Any]:
    return {"text": body} if isinstance(body, str) else {"json": body}
