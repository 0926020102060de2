"""Every vendor against what it is known to answer: one file of cases a vendor, one set of rules for all.

A case of `providers/<name>.json` is typed by a person; its title finishes "it ...", its `source` says where the shape
is known from. A request or a response may override parts of the file's `settings` and `query`. A response is either
`bars` (fields that are None left out, the query's one ticker implied), a `problem` (the parts it names are compared),
`unreadable` (no problem, but `parse` raises), or, to a `reference`, `known`. Beside its bars an answer can have a
`next` page, tickers of the batch it `refused`, and a `notice`. `constants` of the vendor's module, such as the rows of
a full page, are made small enough for a case to reach them.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import date
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args, get_type_hints
from urllib.parse import quote, urlsplit

import orjson
import pendulum
import pytest
import requests
import requests_mock
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_stock_prices import providers
from source_stock_prices.providers import ALIASES, DEFAULT, PROVIDERS, base
from source_stock_prices.providers.base import (
    Bar,
    Kind,
    Problem,
    Provider,
    Query,
    Request,
    Rule,
    calendar_day,
    classify,
    decode,
    new_york_day,
    number,
    on_host,
    text_at,
    trim,
)
from source_stock_prices.stream import MISREAD

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
    | {"next", "refused", "notice", "constants"}
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


def answer(case: Case, body: bytes | None = None) -> requests.Response:
    """The vendor's answer to the case's request, as `requests` hands it on, without a network."""
    data, provider = case.data, case.provider
    asked = provider.reference_request(data["reference"]) if "reference" in data else provider.request(case.query)
    assert asked, f"{case.name} has no reference to ask"
    if body is None:
        body = (data["text"] if "text" in data else json.dumps(data["body"])).encode()
    with requests_mock.Mocker() as wire:
        wire.get(requests_mock.ANY, status_code=data["status"], headers=data.get("headers", {}), content=body)
        return requests.get(asked.url, params=asked.params, headers=asked.headers, timeout=1, allow_redirects=False)


def bars_of(case: Case) -> list[Bar]:
    """The bars that a person expects of the case."""
    return [
        Bar(**{"ticker": case.query.tickers[0], **row, "date": date.fromisoformat(row["date"])})
        for row in case.data["bars"]
    ]


def response(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> requests.Response:
    """An answer of no vendor in particular."""
    made = requests.Response()
    made.status_code, made._content = status, body
    made.headers.update(headers or {})
    return made


# Each vendor's cases


@each("requests")
def test_it_asks_the_vendor_for_the_window(case: Case) -> None:
    """What a query looks like on one vendor's wire is the first half of a translation."""
    expected = Request(case.data["url"], case.data["params"], case.data["headers"])
    assert case.provider.request(case.query) == expected


@each("references")
def test_it_asks_the_vendor_whether_it_knows_a_ticker(case: Case) -> None:
    """Where an empty list of bars says nothing about the ticker, another request has to."""
    data = case.data
    expected = Request(data["url"], data["params"], data["headers"]) if data["url"] else None
    assert case.provider.reference_request(data["ticker"]) == expected


@each("responses")
def test_it_tells_a_problem_from_an_answer(case: Case) -> None:
    """Asked of every answer and before anything else, so that a refusal never passes for an empty list."""
    problem = case.provider.problem(answer(case))
    expected = dict(case.data.get("problem") or {})
    if not expected:
        assert problem is None
        return
    assert problem is not None
    found = {**problem._asdict(), "kind": problem.kind.name, "said": trim(problem.said)}
    assert {key: found[key] for key in expected} == expected


@each("responses", "bars")
def test_it_reads_the_bars(case: Case) -> None:
    """The second half of a translation: every field, in the vendor's order, None where the vendor sends nothing."""
    assert list(case.provider.parse(answer(case), case.query)) == bars_of(case)


@each("responses", "unreadable")
def test_it_refuses_a_body_it_would_have_to_guess_at(case: Case) -> None:
    """A renamed or mistyped field ends a sync; read as null or as nothing, it would end the data."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        list(case.provider.parse(answer(case), case.query))


@each("responses", "bars")
def test_it_asks_for_the_next_page(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is not followed is history that is silently missing; the key is sent again, in its own place."""
    for name, value in case.data.get("constants", {}).items():
        monkeypatch.setattr(inspect.getmodule(type(case.provider)), name, value)
    expected = case.data.get("next")
    found = case.provider.next_request(answer(case))
    if expected is None:
        assert found is None
    else:
        assert found == Request(expected["url"], expected["params"], case.provider.request(case.query).headers)


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


# What holds for every vendor


@each("responses", "bars")
def test_it_reads_bars_that_make_sense(case: Case) -> None:
    """A case typed wrong in the same way as the code would pass as a golden; these rules know no vendor."""
    bars = list(case.provider.parse(answer(case), case.query))
    assert len({(bar.ticker, bar.date) for bar in bars}) == len(bars)
    for bar in bars:
        assert bar.ticker in case.query.tickers
        assert case.query.start <= bar.date <= case.query.end
        values = bar[2:]
        assert all(value is None or (type(value) in (int, float) and isfinite(value)) for value in values)
        for between in (bar.open, bar.close):
            if None not in (bar.low, between, bar.high):
                assert bar.low <= between <= bar.high  # type: ignore[operator]


def is_secret(field: Field[Any]) -> bool:
    return field.name == "api_key" or not field.repr


def keys_of(provider: Provider) -> list[str]:
    return [getattr(provider, field.name) for field in fields(provider) if is_secret(field)]


def sent(case: Case) -> Iterator[Request]:
    """Every request that the case leads to."""
    if "bars" in case.data:
        found = case.provider.next_request(answer(case))
    elif "ticker" in case.data:
        found = case.provider.reference_request(case.data["ticker"])
    else:
        found = case.provider.request(case.query)
    if found:
        yield found


@pytest.mark.parametrize("section", KEYS)
def test_it_sends_the_key_once_and_never_in_the_path(section: str) -> None:
    """A URL ends up in logs: a vendor that takes a header gets no query parameter beside it."""
    for case in cases(section):
        for request in sent(case):
            for key in keys_of(case.provider):
                assert not any(secret in request.url for secret in (key, quote(key), quote(key, safe="")))
                places = [any(key in value for value in place.values()) for place in (request.headers, request.params)]
                assert sum(places) == 1


@pytest.mark.parametrize("section", KEYS)
def test_it_never_sends_the_key_to_a_foreign_host(section: str) -> None:
    """A base URL may be a proxy, and a vendor's links name the vendor: they are followed on the host of the config."""
    for case in cases(section):
        for request in sent(case):
            assert request.url.startswith(case.provider.base_url + "/")


@pytest.mark.parametrize("section", KEYS)
def test_it_keeps_the_key_out_of_its_repr(section: str) -> None:
    """`check` prints the repr of what fails."""
    for case in cases(section):
        assert not any(key in repr(case.provider) for key in keys_of(case.provider))


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
        bars = list(case.provider.parse(spoiled, case.query))
    except MISREAD:
        return
    for bar in bars:
        assert isinstance(bar.date, date)
        assert all(value is None or (type(value) in (int, float) and isfinite(value)) for value in bar[2:])


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
        assert list(case.provider.parse(odd, case.query)) == []
        assert status == 200 or b"no data" in body.lower()


# The files of cases


@pytest.mark.parametrize("section", KEYS)
def test_it_has_cases_that_say_all_they_mean_and_nothing_else(section: str) -> None:
    """A misspelled key would be a check that is never made, a case without a source a shape nobody can look up."""
    for name, file in FILES.items():
        assert file.keys() == {"settings", "query", *KEYS}, name
        for data in file[section]:
            where = f"{name}: {data.get('title')}"
            assert data.keys() <= KEYS[section], where
            assert data.get("title"), where
            assert data.get("source"), where
            assert data.get("problem", {}).keys() <= set(Problem._fields), where
            assert data.get("next", {}).keys() <= {"url", "params"}, where
            if section == "responses":
                assert len(data.keys() & OUTCOMES) == 1, where
                assert len(data.keys() & {"body", "text"}) == 1, where
                assert ("reference" in data) >= ("known" in data), where
        titles = [data["title"] for data in file[section]]
        assert len(set(titles)) == len(titles), name


@every_provider
def test_it_has_bars_for_every_adjustment_a_vendor_claims(provider: type[Provider]) -> None:
    """A series that no case reads may come from the wrong fields."""
    shown = {
        case.query.adjustment for case in cases("responses", "bars") if case.name == provider.name and bars_of(case)
    }
    assert shown == set(provider.adjustments)


@every_provider
def test_it_has_a_case_for_every_row_of_an_error_table(
    provider: type[Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that an earlier one hides, or that nobody ever saw fit, is a sentence no user will read."""
    judged: list[tuple[requests.Response, str, tuple[Rule, ...]]] = []

    def record(response: requests.Response, said: str, rules: tuple[Rule, ...]) -> Problem:
        judged.append((response, said, tuple(rules)))
        return classify(response, said, rules)

    monkeypatch.setattr(inspect.getmodule(provider), "classify", record)
    for case in cases("responses", "problem"):
        if case.name == provider.name:
            case.provider.problem(answer(case))
    for row, rule in enumerate(judged[0][2]):
        marked = [
            classify(response, said, (*rules[:row], rule._replace(fix="this one"), *rules[row + 1 :])).fix
            for response, said, rules in judged
        ]
        assert "this one" in marked, rule


# A vendor is complete or not there


def spec_blocks() -> dict[str, Mapping[str, Any]]:
    """The provider blocks of the spec by name."""
    spec = yaml.safe_load((PACKAGE / "spec.yaml").read_text("utf-8"))
    blocks = spec["connectionSpecification"]["properties"]["provider"]["oneOf"]
    return {block["properties"]["name"]["const"]: block for block in blocks}


def readme_rows() -> list[set[str]]:
    """The words in backticks of each row of the README's table of providers: the one that names most of them."""
    tables: list[list[set[str]]] = [[]]
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        if not line.lstrip().startswith("|"):
            tables.append([])
        elif not re.fullmatch(r"[|:\s-]+", line):
            tables[-1].append(set(re.findall(r"`([^`]+)`", line)))
    return max(tables, key=lambda rows: sum(bool(words & PROVIDERS.keys()) for words in rows))[1:]


def test_it_lists_every_module() -> None:
    """A module outside the list is a vendor nobody can choose."""
    assert {path.stem for path in FOLDER.glob("*.py")} - {"base", "__init__"} == set(PROVIDERS)


def test_it_lists_no_name_twice() -> None:
    """An alias that is another vendor's name would send one vendor's key to the other."""
    names = [name for provider in PROVIDERS.values() for name in (provider.name, *provider.aliases)]
    assert len(set(names)) == len(names)
    assert set(ALIASES.values()) <= set(PROVIDERS)
    assert DEFAULT in PROVIDERS.values()


def test_it_has_a_file_of_cases_for_every_vendor() -> None:
    """A vendor without cases is a guess."""
    assert set(FILES) == set(PROVIDERS)


def test_it_offers_every_vendor_in_the_spec() -> None:
    """The spec is the form a user fills in."""
    assert set(spec_blocks()) == set(PROVIDERS)


def test_it_describes_every_vendor_in_the_readme() -> None:
    """The README is where a user chooses."""
    named = [words & PROVIDERS.keys() for words in readme_rows()]
    assert sorted(name for names in named for name in names) == sorted(PROVIDERS)
    assert all(len(names) == 1 for names in named), "a row of the table names no provider, or two"


@every_provider
def test_it_has_settings_as_the_spec_has_them(provider: type[Provider]) -> None:
    """A setting in one place alone is either never asked for or never used; a key unmarked is shown in the open."""
    block = spec_blocks()[provider.name]
    properties = {key: value for key, value in block["properties"].items() if key != "name"}
    required = {key for key in block["required"] if key != "name"}
    assert "name" in block["required"]
    assert set(properties) == {field.name for field in fields(provider)}
    assert required == {field.name for field in fields(provider) if field.default is MISSING}
    for field in fields(provider):
        assert properties[field.name].get("airbyte_secret", False) is is_secret(field)
        if field.default is not MISSING:
            assert properties[field.name]["default"] == field.default


@every_provider
def test_it_is_described(provider: type[Provider]) -> None:
    """What one vendor serves, and in which unit of asking, is told where it is translated."""
    assert "__doc__" in vars(provider)
    assert (provider.__doc__ or "").strip()
    assert not (provider.__doc__ or "").startswith(f"{provider.__name__}("), "the docstring that dataclass makes up"
    assert provider.title
    assert set(provider.adjustments) <= {base.RAW, base.SPLITS, base.ALL}


# Who may know what


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(FOLDER.glob("*.py")):
        yield path.name, ast.parse(path.read_text("utf-8"))


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_it_keeps_airbyte_out_of_the_vendors() -> None:
    """A translator that knows the framework begins to retry, log and checkpoint on its own."""
    for name, tree in trees():
        assert [found for found in imports_of(tree) if found.split(".")[0] == "airbyte_cdk"] == [], name


def test_it_keeps_the_clock_out_of_the_vendors() -> None:
    """The day is part of the query: a vendor that looks at a clock gives another answer tomorrow."""
    for name, tree in trees():
        assert [found for found in imports_of(tree) if found.split(".")[0] in ("time", "pendulum")] == [], name
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        clocks = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep"}
        assert [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in clocks] == [], name


def test_it_keeps_the_vendors_apart() -> None:
    """A vendor that leans on another's module breaks with it."""
    for name, tree in trees():
        if name != "__init__.py":
            within = {found for found in imports_of(tree) if found.startswith(("source_stock_prices.providers", "."))}
            assert within <= {"source_stock_prices.providers.base"}, name


def test_it_keeps_the_vendors_names_among_the_vendors() -> None:
    """Code elsewhere that names a vendor is a special case that the next vendor will need too."""
    names = "|".join(re.escape(name) for name in (PROVIDERS.keys() | ALIASES.keys()) - {"sample"})
    for path in sorted(PACKAGE.rglob("*.py")):
        if FOLDER not in path.parents:
            found = re.findall(rf"(?<![a-z])(?:{names})(?![a-z])", path.read_text("utf-8"), re.IGNORECASE)
            assert found == [], path.relative_to(ROOT)


# What the vendors share


@pytest.mark.parametrize(
    ("value", "read"),
    [(None, None), (0, 0), (-3, -3), (1.5, 1.5), ("1.5", 1.5), ("1e3", 1000.0), (1.12117471e08, 112117471)],
)
def test_it_reads_numbers_and_numbers_in_quotes(value: Any, read: float | None) -> None:
    """Vendors send both, in every notation that JSON has."""
    assert number(value) == read


@pytest.mark.parametrize(
    "value", [True, False, "", "abc", "NaN", "inf", float("nan"), float("inf"), [], [1], {}, b"1", "12,5"]
)
def test_it_refuses_what_is_no_number(value: Any) -> None:
    """True is 1 to Python, NaN is a number to none: either would reach a table."""
    with pytest.raises((TypeError, ValueError)):
        number(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_it_leaves_a_number_as_it_is(value: float) -> None:
    """A price goes through unrounded, a whole number stays whole."""
    assert number(value) is value


@given(st.text(), st.integers(min_value=1, max_value=300))
def test_it_trims_any_text_to_one_short_line(text: str, length: int) -> None:
    """What a vendor says may be a web page; what a person reads is a sentence."""
    line = trim(text, length)
    assert len(line) <= length
    assert len(line.splitlines()) <= 1
    assert trim(line, length) == line


def test_it_marks_what_it_cut() -> None:
    """A sentence that ends mid-word without a sign reads as the vendor's mistake."""
    assert trim("a" * 200) == "a" * 200
    assert trim("a" * 201) == "a" * 199 + "…"


EPOCHS = st.integers(min_value=0, max_value=4_102_444_800_000)  # 1970 to 2100


@given(EPOCHS)
@example(1602705600000)  # 16:00 on 2020-10-14, as the end of a window
@example(1672722000000)  # midnight, in winter
@example(1672721999999)
@example(1112587200000)  # midnight, in summer
@example(1112587199999)
@example(1741503600000)  # 2025-03-09, the clocks go forward at two
@example(1741507199999)
@example(1741507200000)
@example(1762063200000)  # 2025-11-02, the clocks go back at two
@example(1762059599999)
def test_it_takes_the_day_in_new_york(epoch_ms: int) -> None:
    """A bar belongs to the exchange's day, in summer and in winter, wherever the connector runs."""
    assert new_york_day(epoch_ms) == pendulum.from_timestamp(epoch_ms / 1000, tz="America/New_York").date()


@pytest.mark.parametrize(
    "label", ["2023-01-03T00:00:00.000Z", "2023-01-03T00:00:00+00:00", "2023-01-03T23:59:59-05:00", "2023-01-03"]
)
def test_it_takes_a_labelled_day_as_it_is(label: str) -> None:
    """Midnight UTC converted to New York would be the evening before."""
    assert calendar_day(label) == date(2023, 1, 3)


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("https://api.example/v2/x?cursor=a%3D", "https://api.example/base/v2/x?cursor=a%3D"),
        ("https://elsewhere.example/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("https://api.example/base/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("https://api.example/basement/x?cursor=a", "https://api.example/base/basement/x?cursor=a"),
        ("//elsewhere.example/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
    ],
)
def test_it_moves_a_link_to_its_own_host(link: str, moved: str) -> None:
    """The cursor is the vendor's, the host and the path before the API's own are the config's."""
    assert on_host("https://api.example/base", link) == moved


@pytest.mark.parametrize(
    "link", [".evil.example/x", "evil.example/x", "@evil.example/x", ":8443/x", "https:.evil.example/x", "x"]
)
def test_it_moves_a_malformed_link_to_its_own_host_too(link: str) -> None:
    """Appended as it stands, such a link would make another host of ours, and the key would follow."""
    assert urlsplit(on_host("https://api.example", link)).netloc == "api.example"


def test_it_decodes_a_body_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`problem`, `parse` and `next_request` all read it, and a full history is megabytes."""
    decoded: list[bytes] = []

    def loads(content: bytes) -> Any:
        decoded.append(content)
        return orjson.loads(content)

    monkeypatch.setattr(base, "orjson", SimpleNamespace(loads=loads, JSONDecodeError=orjson.JSONDecodeError))
    for body in (b'{"a": 1}', b"no JSON"):
        one = response(body=body)
        assert decode(one) is decode(one)
    assert decode(response(body=b"[]")) == []
    assert decoded == [b'{"a": 1}', b"no JSON", b"[]"]


@pytest.mark.parametrize("large", [0, base.LARGE_BODY])
@pytest.mark.parametrize("body", [b"<", b"<html>", b'{"a":', b"\xff\xfe", b"NaN", b"[" * 2000])
def test_it_decodes_what_is_no_json_to_nothing(monkeypatch: pytest.MonkeyPatch, body: bytes, large: int) -> None:
    """Plain text and web pages are answers to classify, never a stack trace."""
    monkeypatch.setattr(base, "LARGE_BODY", large)
    assert decode(response(body=body)) is None
    assert decode(response(body=b"")) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    )
)
def test_it_decodes_a_large_body_like_a_small_one(content: Any) -> None:
    """One decoder spares memory, and one spares time."""
    body = orjson.dumps(content)
    small = decode(response(body=body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "LARGE_BODY", len(body))
        patch.setattr(base, "orjson", None)
        assert repr(decode(response(body=body))) == repr(small)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "a", "message": "b"}, "a"),
        ({"message": "b"}, "b"),
        ({"error": "", "message": "b"}, "b"),
        ({"error": {"code": 1}, "message": "b"}, "b"),
        ({"error": None}, ""),
        (["error"], ""),
        ("error", ""),
        (None, ""),
    ],
)
def test_it_finds_the_vendors_words(body: Any, text: str) -> None:
    """They stand under one key or another, in bodies of any shape."""
    assert text_at(body, "error", "message") == text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.UNREADABLE),
        (301, Kind.UNREADABLE),
        (400, Kind.UNREADABLE),
        (401, Kind.BAD_CREDENTIALS),
        (403, Kind.UNREADABLE),
        (404, Kind.UNREADABLE),
        (408, Kind.UNAVAILABLE),
        (429, Kind.THROTTLED),
        (500, Kind.UNAVAILABLE),
        (503, Kind.UNAVAILABLE),
        (599, Kind.UNAVAILABLE),
    ],
)
def test_it_judges_by_status_what_no_rule_knows(status: int, kind: Kind) -> None:
    """A 404 may be a wrong base URL and a 403 a firewall: only a vendor's own words name a ticker or a plan."""
    assert classify(response(status), "", ()).kind is kind


def test_it_takes_the_first_rule_that_fits() -> None:
    """Rules are ordered, the exact before the vague; phrases are found in any case."""
    rules = (
        Rule(400, "teapot", Kind.NOT_YET),
        Rule(None, "Tea", Kind.NOT_ENTITLED, fix="Take coffee."),
        Rule(418, "", Kind.THROTTLED),
    )
    assert classify(response(418), "I'm a TEAPOT", rules) == Problem(
        Kind.NOT_ENTITLED, "I'm a TEAPOT", None, "Take coffee."
    )
    assert classify(response(418), "coffee", rules).kind is Kind.THROTTLED


NOON = "Fri, 20 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 60),
        ({"Retry-After": "5"}, 5),
        ({"Retry-After": " 5 "}, 5),
        ({"Retry-After": "0"}, 60),
        ({"Retry-After": "-5"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({"Retry-After": ""}, 60),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": NOON}, 30),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT"}, 60),
        ({"Retry-After": "Fri, 20 Nov 2026 11:59:00 GMT", "Date": NOON}, 60),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": "noon"}, 60),
    ],
)
def test_it_waits_as_the_answer_says_else_as_the_rule_does(headers: Mapping[str, str], wait: float) -> None:
    """The vendor's clock is the one that counts, and a wait of nothing is no wait to believe."""
    assert classify(response(429, headers=headers), "", (Rule(429, "", Kind.THROTTLED, wait=60),)).wait == wait


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 3600),
        ({"Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 3600),
        ({"Date": "Fri, 20 Nov 2026 12:00:01 GMT"}, 3599),
        ({"Date": "Fri, 20 Nov 2026 12:59:59 GMT"}, 1),
        ({"Date": "Fri, 20 Nov 2026 12:59:59 GMT", "Retry-After": "7"}, 7),
        ({"Date": "noon"}, 3600),
    ],
)
def test_it_waits_until_the_vendor_counts_anew(headers: Mapping[str, str], wait: float) -> None:
    """A limit of the clock's hour is over at the full hour; a whole hour's wait would waste most of it."""
    assert classify(response(429, headers=headers), "", (Rule(429, "", Kind.THROTTLED, period=3600),)).wait == wait


def test_it_names_every_field_of_a_bar_in_the_cases() -> None:
    """A field that no vendor's case fills is a column that is always null."""
    filled = {field for case in cases("responses", "bars") for row in case.data["bars"] for field in row}
    numbers = {name for name, hint in get_type_hints(Bar).items() if float in get_args(hint)}
    assert numbers <= filled


# The vendor that needs no network


def test_it_answers_from_inside_the_connector() -> None:
    """The sample is read over the same path as every vendor, its wire alone is missing."""
    sample = PROVIDERS["sample"]()  # type: ignore[call-arg]
    session = requests.Session()
    adapter = sample.adapter()
    assert adapter
    session.mount(sample.base_url, adapter)
    for ticker in ("AAPL", "A/B?C#D"):
        query = Query((ticker,), date(2026, 11, 16), date(2026, 11, 20), base.RAW, date(2026, 11, 21))
        asked = sample.request(query)
        found = session.get(asked.url, params=asked.params)
        assert sample.problem(found) is None
        assert [bar.date.day for bar in sample.parse(found, query)] == [16, 17, 18, 19, 20]
    asked = sample.request(query._replace(tickers=("ZZZZ",)))
    problem = sample.problem(session.get(asked.url, params=asked.params))
    assert problem is not None
    assert problem.kind is Kind.UNKNOWN_TICKER
