"""Manifests against rows in which any one field is odd: such a row costs itself, never the rows beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import requests_mock

from source_stock_prices.providers.terms import Query
from source_stock_prices.report import Report
from unit_tests.test_events import CASES, TODAY, WITH_MANIFEST, streams

ODD: list[Any] = [None, "", "NA", "0000-00-00", 0, -1, [], {}, ["x"], {"x": 1}, True]


def rows_of(body: Any) -> Iterator[list[Any]]:
    """Every list of objects in an answer."""
    parts = body if isinstance(body, list) else list(body.values()) if isinstance(body, dict) else []
    if isinstance(body, list) and body and all(isinstance(part, dict) for part in body):
        yield body
    for part in parts:
        yield from rows_of(part)


def events() -> Iterator[Any]:
    """A case for each stream of events that lists some, with its ticker and one row."""
    for name in WITH_MANIFEST:
        seen = set()
        for case in json.loads((CASES / f"{name}.json").read_text()):
            stream = case["stream"]
            if stream in seen or stream == "tickers" or not case.get("rows") or name == "sample":
                continue
            seen.add(stream)
            yield pytest.param(name, case, id=f"{name} {stream}")


def spoiled(row: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """A row in every way in which one field of it can be odd."""
    spoiled = [{**row, "id": f"odd {n}", field: value} for n, value in enumerate(ODD)]
    without = {name: value for name, value in row.items() if name != field}
    return [{**without, "id": "without"}, *spoiled] if field != "id" else spoiled


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize(("name", "case"), events())
def test_it_reads_the_rows_beside_odd_ones(name: str, case: dict[str, Any], turn: int) -> None:
    """The CDK holds on to what a template first made, so odd rows come first."""
    provider = {"name": name, **case.get("settings", {"api_key": "s3cr3t"})}
    tickers = tuple(case["tickers"])
    query = Query(tickers, date.fromisoformat(case["start"]), date.fromisoformat(case["end"]), "raw", TODAY)
    stream = streams(provider, ",".join(tickers))[case["stream"]]
    wanted = {tuple(row.get(name) for name in stream.primary_key) for row in case["rows"]}
    (rows, *_) = rows_of(case["answers"][0])
    for field in rows[0]:
        body = copy.deepcopy(case["answers"][0])
        (listed, *_) = rows_of(body)
        odd = spoiled(listed[0], field)
        listed[:] = [*odd[turn:], *odd[:turn], *listed * len(odd)]
        with requests_mock.Mocker(case_sensitive=True) as wire:
            wire.get(requests_mock.ANY, json=body)
            found = stream.ask(query, Report(stream.provider))
        keys = {tuple(row[name] for name in stream.primary_key) for each in found.values() for row in each}
        assert wanted <= keys, field


TEXTS = {"name", "exchange", "type", "currency", "isin", "figi", "old_ticker", "new_ticker"}

NO_LITERALS = ["100000000E05", "(1, 2, 3, 4)", "0x1000000000"]
"""Texts that read like numbers, or several: as long as an identifier, and in capitals like a currency."""


def texts() -> Iterator[Any]:
    """A case for each field of each stream that has a text of the vendor's, and the text as it is sent."""
    seen = set()
    for name in WITH_MANIFEST:
        for case in json.loads((CASES / f"{name}.json").read_text()) if name != "sample" else ():
            body = json.dumps(case["answers"][0])
            for field, value in (pair for row in case.get("rows", ()) for pair in row.items()):
                place = f"{name} {case['stream']} {field}"
                sent = f'"{value}"' if f'"{value}"' in body else f",{value},"
                if field in TEXTS and sent in body and value not in case["tickers"] and place not in seen:
                    seen.add(place)
                    yield pytest.param(name, case, field, sent, id=place)


@pytest.mark.parametrize("text", NO_LITERALS)
@pytest.mark.parametrize(("name", "case", "field", "sent"), texts())
def test_it_leaves_a_text_a_text(name: str, case: dict[str, Any], field: str, sent: str, text: str) -> None:
    """The CDK would make a number of 1e5, a truth of True, and a list of (1, 2)."""
    is_table = sent.startswith(",")
    if not is_table or "," not in text:
        there = f",{text}," if is_table else json.dumps(text)
        body = json.loads(json.dumps(case["answers"][0]).replace(sent, there))
        wanted = {text, text.upper()} if field == "currency" else {text}
        assert wanted & {row[field] for row in found_in(name, case, body)}


@pytest.mark.parametrize(("name", "case", "field", "sent"), texts())
def test_it_writes_a_text_that_is_missing_as_null(name: str, case: dict[str, Any], field: str, sent: str) -> None:
    """Neither None nor an empty text is the name of anything."""
    if field in {"old_ticker", "new_ticker"}:
        return  # without it, a change is none
    there = ",," if sent.startswith(",") else "null"
    body = json.loads(json.dumps(case["answers"][0]).replace(sent, there))
    assert not {row[field] for row in found_in(name, case, body)} & {"", "None", "NONE"}


def found_in(name: str, case: dict[str, Any], body: Any) -> list[dict[str, Any]]:
    """The records of a case with another answer."""
    provider = {"name": name, **case.get("settings", {"api_key": "s3cr3t"})}
    tickers = tuple(case["tickers"])
    stream = streams(provider, ",".join(tickers))[case["stream"]]
    stream.list_name = case.get("list", stream.list_name)
    start, end = (date.fromisoformat(case.get(side, f"{TODAY}")) for side in ("start", "end"))
    with requests_mock.Mocker(case_sensitive=True) as wire:
        answer = {"text": body} if isinstance(body, str) else {"json": body}
        wire.get(requests_mock.ANY, **answer)
        found = stream.ask(Query(tickers, start, end, "raw", TODAY), Report(stream.provider))
    return [row for rows in found.values() for row in rows]
