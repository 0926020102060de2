"""The cases of every vendor: one file a vendor, typed by a person, one set of rules for all.

A case of `providers/<name>.json` has a title that finishes "it ...", and a `source` that says where the shape is known
from. A request or a response may override parts of the file's `settings` and `query`. A response is either `bars`
(fields that are None left out, the query's one ticker implied; the currency apart), with what was `lost` beside them
as `Drop` is told it, a `problem` (the parts it names are compared),
`unreadable` (no problem, but `parse` raises), or, to a `reference`, `known`. Beside its bars an answer can have a
`next` page, tickers of the batch it `refused`, and a `notice`. `constants` of the vendor's module, such as the rows of
a full page, are made small enough for a case to reach them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from source_stock_prices import providers
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Bar, Query

FOLDER = Path(providers.__file__).parent

PACKAGE = FOLDER.parent

ROOT = PACKAGE.parent

FILES: Mapping[str, Any] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parent / "providers").glob("*.json"))
}

OUTCOMES = {"bars", "problem", "unreadable", "known"}

KEYS = {
    "requests": {"title", "source", "settings", "query", "url", "params", "headers"},
    "references": {"title", "source", "settings", "ticker", "url", "params", "headers"},
    "responses": {"title", "source", "settings", "query", "reference", "status", "headers", "body", "text"}
    | {"next", "refused", "notice", "constants", "lost"}
    | OUTCOMES,
}

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


class Case(NamedTuple):
    """One case of a fixture file, with the provider and the query it is about."""

    name: str
    provider: Provider
    query: Query
    data: Mapping[str, Any]


def cases(section: str, *having: str) -> list[Case]:
    """The cases of a section, of every vendor: all, or those that have one of the keys."""
    return [
        Case(name, PROVIDERS[name](**{**file["settings"], **data.get("settings", {})}), query_of(file, data), data)
        for name, file in FILES.items()
        if name in PROVIDERS
        for data in file[section]
        if not having or any(key in data for key in having)
    ]


def query_of(file: Mapping[str, Any], data: Mapping[str, Any]) -> Query:
    """The query of a case: the file's, with what the case says otherwise."""
    parts = {**file["query"], **data.get("query", {})}
    days = {key: date.fromisoformat(parts[key]) for key in ("start", "end", "today")}
    return Query(**{**parts, **days, "tickers": tuple(parts["tickers"])})


def each(section: str, *having: str) -> pytest.MarkDecorator:
    """One test a case, under a name that reads as a sentence."""
    found = cases(section, *having)
    return pytest.mark.parametrize("case", found, ids=[f"{case.name}: it {case.data['title']}" for case in found])


def answer(case: Case, body: bytes | None = None) -> Answer:
    """The vendor's answer to the case's request, without a network."""
    data, provider = case.data, case.provider
    asked = provider.reference_request(data["reference"]) if "reference" in data else provider.request(case.query)
    assert asked, f"{case.name} has no reference to ask"
    if body is None:
        body = (data["text"] if "text" in data else json.dumps(data["body"])).encode()
    url = f"{asked.url}?{urlencode(asked.params)}" if asked.params else asked.url
    return Answer(data["status"], data.get("headers", {}), url, body)


Losses = list[tuple[str, str, str, str]]


def read(case: Case, found: Answer) -> tuple[list[Bar], Losses]:
    """The bars of an answer without their currency, and what was lost: ticker, day, reason, field."""
    losses: Losses = []

    def drop(ticker: str, day: date | None, reason: str, field: str = "") -> None:
        losses.append((ticker, str(day or ""), reason, field))

    bars = case.provider.parse(found, case.query, drop)
    return [bar._replace(currency=None) for bar in bars], losses


def bars_of(case: Case) -> list[Bar]:
    """The bars that a person expects of the case."""
    return [
        Bar(**{"ticker": case.query.tickers[0], **row, "date": date.fromisoformat(row["date"])})
        for row in case.data["bars"]
    ]


def is_secret(field: Field[Any]) -> bool:
    return field.name == "api_key" or not field.repr
