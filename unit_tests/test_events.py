"""Each manifest against its vendor's answers: what is asked, and the rows in them.

A case of `unit_tests/manifests/<provider>.json` names the `stream`, the `tickers` and the window that are asked for;
`asked` are the requests that follow, each as path and parameters, `answers` the bodies they are given, with `status`
or 200, and `rows` what is in them: only the fields that are not null, without `provider`. `list` is which of a vendor's
lists of tickers is asked for, if not the first. `source` says where a shape is known from.
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

from source_stock_prices import events, reference
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.events import MANIFESTS, Events, Row, manifest
from source_stock_prices.http import RequestPolicy
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Query
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices
from unit_tests.horizons import Until

CASES = Path(__file__).with_name("manifests")
WITH_MANIFEST = sorted(path.stem for path in MANIFESTS.glob("*.yaml") if path.stem != "definitions")
TODAY = date(2026, 11, 20)


def streams(provider: dict[str, str], tickers: str = "AAPL") -> dict[str, Events]:
    """The reference streams of a provider by name."""
    config = Config.parse({"provider": provider, "stock_ticker": tickers})
    prices = StockPrices(
        config, start=TODAY, horizon=Until(TODAY), policy=RequestPolicy(config.provider, patient=False)
    )
    return {stream.name: stream for stream in reference.streams(prices)}


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
    assert [each for each in ("stock_splits", "dividends", "tickers", "ticker_changes") if each in streams] == streams


@pytest.mark.parametrize(("name", "case"), cases())
def test_it_reads_the_rows_of_an_answer(name: str, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PROVIDERS["sample"], "respond", lambda self, request: None)  # it answers itself
    provider, tickers = {"name": name, **case.get("settings", {"api_key": "t3st+k3y/="})}, tuple(case["tickers"])
    stream = streams(provider, ",".join(tickers))[case["stream"]]
    stream.list_name = case.get("list", stream.list_name)
    start, end = (date.fromisoformat(case.get(side, "2026-11-20")) for side in ("start", "end"))
    report = Report(PROVIDERS[name](**{key: value for key, value in provider.items() if key != "name"}))
    query = Query(tickers, start, end, "raw", TODAY)
    with requests_mock.Mocker(case_sensitive=True) as wire:
        wire.get(requests_mock.ANY, [_answer(body, case.get("status", 200)) for body in case["answers"]])
        if "problem" in case:
            with pytest.raises(ProviderError) as problem:
                stream.ask(query, report)
            assert problem.value.problem.kind.value == case["problem"]
        else:
            common = {} if case["stream"] == "tickers" else {"cancelled": False}
            found = [row for rows in stream.ask(query, report).values() for row in rows]
            rows = [{key: value for key, value in row.items() if value is not None} for row in found]
            expected = [{**row, **common, "provider": name} for row in case["rows"]]
            assert rows == sorted(expected, key=lambda row: (row["stock_ticker"], row.get("date"), row.get("kind")))
    asked = [
        (url.path, dict(parse_qsl(url.query))) for url in map(urlsplit, (each.url for each in wire.request_history))
    ]
    assert {urlsplit(each.url).netloc for each in wire.request_history} == {urlsplit(stream.provider.base_url).netloc}
    key = PROVIDERS[name](**{each: provider[each] for each in provider if each != "name"}).key_params()
    assert asked == [(path, {**params, **key}) for path, params in case["asked"]]


def answers(stream: Events, *bodies: Any, ticker: str = "AAPL") -> tuple[list[Row], list[str]]:
    """The rows that a query's answers make, and what kind of problem the ticker has with them."""
    with requests_mock.Mocker(case_sensitive=True) as wire:
        wire.get(requests_mock.ANY, [_answer(body) for body in bodies])
        report = Report(stream.provider)
        found = stream.answer(Query((ticker,), date(2020, 1, 1), TODAY, "raw", TODAY), {}, report)
    return found.get(ticker, []), [error.problem.kind.value for error in report.failed.values()]


def test_it_reads_a_ticker_after_one_whose_row_it_could_not() -> None:
    """The CDK holds on to a template that failed the first time."""
    stream = streams({"name": "tiingo", "api_key": "s3cr3t"}, "AAPL,MSFT")["stock_splits"]
    assert answers(stream, [{"date": None, "splitFactor": 2.0}]) == ([], ["unreadable"])
    (row,), _ = answers(stream, [{"date": "2020-08-31T00:00:00.000Z", "splitFactor": 2.0}], ticker="MSFT")
    assert row["date"] == "2020-08-31"


@pytest.mark.parametrize("row", [None, {}, [], "x", 0, {"splitFactor": 2.0}, {"date": "2020-08-31"}])
def test_it_leaves_out_a_row_that_is_none(row: Any) -> None:
    """Of some the CDK makes no record, without a word."""
    good = {"date": "2020-08-31T00:00:00.000Z", "splitFactor": 2.0}
    stream = streams({"name": "tiingo", "api_key": "s3cr3t"})["stock_splits"]
    rows, problems = answers(stream, [good, row])
    assert [row["ratio"] for row in rows] == [2.0]
    assert not problems
    assert answers(stream, [row]) == ([], ["unreadable"])


def paid(day: str, amount: float, kind: str = "special") -> dict[str, Any]:
    return {"ticker": "AAPL", "cash_amount": amount, "ex_dividend_date": day, "distribution_type": kind}


def test_it_adds_up_the_payments_of_a_kind_and_day_however_the_pages_have_them() -> None:
    """A row that two pages share is one payment; the days ascend."""
    pages = [
        [paid("2026-05-04", 0.1), paid("2026-05-04", 0.2), paid("2026-05-04", 0.7, "recurring")],
        [paid("2026-05-04", 0.2), paid("2026-02-02", 1)],
    ]
    link = "https://api.massive.com/stocks/v1/dividends?cursor=x"
    bodies = [{"status": "OK", "results": page, "next_url": link if page is pages[0] else None} for page in pages]
    rows, _ = answers(streams({"name": "massive", "api_key": "s3cr3t"})["dividends"], *bodies)
    assert [(row["date"], row["kind"], row["amount"]) for row in rows] == [
        ("2026-02-02", "special", 1),
        ("2026-05-04", "regular", 0.7),
        ("2026-05-04", "special", 0.3),
    ]


def test_it_tells_what_the_vendor_says_beside_the_rows() -> None:
    stream = streams({"name": "eodhd", "api_key": "s3cr3t"})["stock_splits"]
    rows = [{"date": "2026-08-31", "split": "4/1"}, {"warning": "Data is limited by one year"}]
    with requests_mock.Mocker(case_sensitive=True) as wire:
        wire.get(requests_mock.ANY, json=rows)
        report = Report(stream.provider)
        stream.answer(Query(("AAPL",), date(2020, 1, 1), TODAY, "raw", TODAY), {}, report)
    assert list(report.summary()) == ["Notice from EODHD for AAPL: Data is limited by one year"]


def test_it_ends_where_a_vendor_repeats_its_pages_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_PAGES", 5)
    again = {"status": "OK", "results": [paid("2026-05-04", 1)], "next_url": "https://api.massive.com/x?cursor=x"}
    assert answers(streams({"name": "massive", "api_key": "s3cr3t"})["dividends"], again) == ([], ["unreadable"])


def test_it_tells_a_ticker_that_is_not_known_from_an_answer_that_cannot_be_read() -> None:
    stream = streams({"name": "fmp", "api_key": "s3cr3t"})["tickers"]
    assert answers(stream, []) == ([], [])
    stream.list_name = "delisted-companies"
    assert answers(stream, []) == ([], ["unknown ticker"])
    assert answers(stream, "<html>") == ([], ["unreadable"])


def _answer(body: Any, status: int = 200) -> dict[str, Any]:
    return {"text" if isinstance(body, str) else "json": body, "status_code": status}
