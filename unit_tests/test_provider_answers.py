"""What is read from each vendor's answers: the bars, and what else they tell; and that nothing is made up."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from datetime import date
from math import isfinite
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import MISREAD, RAW, Bar, Kind, Problem, Query, of_market
from unit_tests.vendor_cases import Case, answer, bars_of, cases, each, every_provider, read


@each("responses", "bars")
def test_it_reads_the_bars(case: Case) -> None:
    """The second half of a translation: every field, in the vendor's order, None where the vendor sends nothing."""
    bars, lost = read(case, answer(case))
    assert bars == bars_of(case)
    assert lost == [tuple(loss) for loss in case.data.get("lost", [])]


@each("responses", "unreadable")
def test_it_refuses_a_body_it_would_have_to_guess_at(case: Case) -> None:
    """A renamed or mistyped field ends a sync; read as null or as nothing, it would end the data."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        read(case, answer(case))


@each("responses", "bars")
def test_it_tells_which_tickers_of_a_batch_were_refused(case: Case) -> None:
    """One bad ticker among many costs the others nothing, and is never read as one without bars."""
    refused = case.provider.refused(answer(case), case.query)
    assert {ticker: problem.kind.name for ticker, problem in refused.items()} == case.data.get("refused", {})


@each("responses", "bars")
def test_it_passes_on_what_the_vendor_left_out(case: Case) -> None:
    """A vendor that cuts a range in silence makes a short table look whole."""
    assert case.provider.notice(answer(case), case.query) == case.data.get("notice", "")


@each("responses", "known")
def test_it_knows_what_the_reference_has(case: Case) -> None:
    """Some vendors answer with a success and an empty list about a ticker they do not have."""
    assert case.provider.is_listed(answer(case)) is case.data["known"]


@each("responses", "bars")
def test_it_reads_bars_that_make_sense(case: Case) -> None:
    """A case typed wrong in the same way as the code would pass as a golden; these rules know no vendor."""
    bars, _ = read(case, answer(case))
    assert len({(bar.ticker, bar.date) for bar in bars}) == len(bars)
    for bar in bars:
        assert bar.ticker in case.query.tickers or of_market(case.query.tickers)
        assert case.query.start <= bar.date <= case.query.end
        assert all(value is None or (type(value) is float and isfinite(value)) for value in bar[2:])
        for between in (bar.open, bar.close):
            if None not in (bar.low, between, bar.high):
                assert bar.low <= between <= bar.high  # type: ignore[operator]


def test_it_names_every_field_of_a_bar_in_the_cases() -> None:
    """A field that no vendor's case fills is a column that is always null."""
    filled = {field for case in cases("responses", "bars") for row in case.data["bars"] for field in row}
    numbers = {name for name, hint in get_type_hints(Bar).items() if float in get_args(hint)}
    assert numbers <= filled


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)


def places_in(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON body, the whole included."""
    yield path
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from places_in(value, (*path, key))


def with_value(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A body with one value replaced."""
    if not path:
        return value
    spoiled = copy.deepcopy(body)
    inner = spoiled
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return spoiled


@settings(deadline=None, derandomize=True, max_examples=1500)
@given(data=st.data())
def test_it_reads_or_refuses_whatever_comes(data: st.DataObject) -> None:
    """Any one value of an answer replaced by any other: the stream turns what `parse` raises into a sentence."""
    case = data.draw(st.sampled_from([case for case in cases("responses", "bars") if "body" in case.data]))
    body = case.data["body"]
    path = data.draw(st.sampled_from(list(places_in(body))))
    spoiled = answer(case, json.dumps(with_value(body, path, data.draw(JSON_VALUES))).encode())
    problem = case.provider.problem(spoiled)
    if problem:
        assert isinstance(problem, Problem)
        return
    try:
        bars, _ = read(case, spoiled)
    except MISREAD:
        return
    for bar in bars:
        assert isinstance(bar.date, date)
        assert all(value is None or (type(value) is float and isfinite(value)) for value in bar[2:])


ODD_BODIES = [b"", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 5000, b"1e400", b"NaN", b"\x1f\x8b\x08", b"]", b"\n"]

ODD_BODIES += [
    b"null",
    b"1",
    b'"text"',
    b"[]",
    b"{}",
    b"[null]",
    b"[[]]",
    b"[1]",
    b'[{"date": 1}]',
    b'{"status": "OK"}',
]

ODD_HEADERS = [{}, {"Retry-After": "soon"}, {"Retry-After": "9" * 40}, {"Date": "never", "Retry-After": "Fri, 99"}]


@every_provider
@given(
    body=st.sampled_from(ODD_BODIES) | st.binary(max_size=200),
    status=st.sampled_from([200, 204, 302, 400, 401, 402, 403, 404, 418, 429, 500, 503]),
    headers=st.sampled_from(ODD_HEADERS),
)
def test_it_never_takes_odd_bytes_for_bars(
    provider: type[Provider], body: bytes, status: int, headers: dict[str, str]
) -> None:
    """Cut, binary, nested without end: a problem, a refusal to read, or at most an empty list; no other exception."""
    case = next(
        case for case in cases("responses", "bars") if case.name == provider.name and len(case.query.tickers) == 1
    )
    odd = answer(case._replace(data={**case.data, "status": status, "headers": headers}), body)
    problem = case.provider.problem(odd)
    if problem:
        assert problem.wait is None or problem.wait > 0
        return
    with contextlib.suppress(*MISREAD):
        assert read(case, odd) == ([], [])
        assert status == 200 or b"no data" in body.lower()


def test_it_answers_from_inside_the_connector() -> None:
    """The sample is read over the same path as every vendor, its wire alone is missing."""
    sample = PROVIDERS["sample"]()  # type: ignore[call-arg]
    for ticker in ("AAPL", "A/B?C#D"):
        query = Query((ticker,), date(2026, 11, 16), date(2026, 11, 20), RAW, date(2026, 11, 21))
        found = response_of(sample, query)
        assert sample.problem(found) is None
        assert [bar.date.day for bar in sample.parse(found, query, lambda *_: None)] == [16, 17, 18, 19, 20]
    problem = sample.problem(response_of(sample, query._replace(tickers=("ZZZZ",))))
    assert problem is not None
    assert problem.kind is Kind.UNKNOWN_TICKER


@every_provider
def test_it_leaves_the_wire_to_the_connector(provider: type[Provider]) -> None:
    """Only the sample, which is its own vendor, responds itself."""
    assert (provider.respond is not Provider.respond) is (provider.name == "sample")


def response_of(sample: Provider, query: Query) -> Answer:
    """What the sample itself responds to a query."""
    response = sample.respond(sample.request(query))
    assert response is not None
    return Answer.of(response)
