"""What is wrong with an answer: each vendor's error table, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

import pytest

from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.provider import Provider, classify
from source_stock_prices.providers.terms import Kind, Problem, Rule
from unit_tests.vendor_cases import Case, answer, cases, each, every_provider


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


@every_provider
def test_it_has_a_case_for_every_row_of_an_error_table(
    provider: type[Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that an earlier one hides, or that nobody ever saw fit, is a sentence no user will read."""
    judged: list[tuple[Answer, str, tuple[Rule, ...]]] = []

    def record(answer: Answer, said: str, rules: Iterable[Rule]) -> Problem:
        judged.append((answer, said, tuple(rules)))
        return classify(answer, said, rules)

    monkeypatch.setattr("source_stock_prices.providers.provider.classify", record)
    for case in cases("responses", "problem"):
        if case.name == provider.name:
            case.provider.problem(answer(case))
    for row, rule in enumerate(provider.rules):
        marked = [
            classify(answer, said, (*rules[:row], rule._replace(fix="this one"), *rules[row + 1 :])).fix
            for answer, said, rules in judged
            if rules
        ]
        assert "this one" in marked, rule


def refusal(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of no vendor in particular."""
    return Answer(status, headers or {}, "https://api.example/bars", b"")


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
    assert classify(refusal(status), "", ()).kind is kind


def test_it_takes_the_first_rule_that_fits() -> None:
    """Rules are ordered, the exact before the vague; phrases are found in any case."""
    rules = (
        Rule(400, "teapot", Kind.NOT_YET),
        Rule(None, "Tea", Kind.NOT_ENTITLED, fix="Take coffee."),
        Rule(418, "", Kind.THROTTLED),
    )
    assert classify(refusal(418), "I'm a TEAPOT", rules) == Problem(
        Kind.NOT_ENTITLED, "I'm a TEAPOT", None, "Take coffee."
    )
    assert classify(refusal(418), "coffee", rules).kind is Kind.THROTTLED


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
    assert classify(refusal(429, headers), "", (Rule(429, "", Kind.THROTTLED, wait=60),)).wait == wait


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
    assert classify(refusal(429, headers), "", (Rule(429, "", Kind.THROTTLED, period=3600),)).wait == wait


FAR = [
    "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "9" * 400,
    "9" * 5000,
    "1e400",
    "nan",
    "-inf",
    "http://[evil",
    "",
]


@every_provider
def test_it_takes_a_header_out_of_any_range_for_none(provider: type[Provider]) -> None:
    """What a header says is arithmetic on a stranger's text, and must not end the sync."""
    case = next(case for case in cases("responses", "bars") if case.name == provider.name)
    names = ("Retry-After", "Date", "X-RateLimit-Reset", "Location")
    for status, name, value in product((302, 429, 503), names, FAR):
        headers = {"Date": NOON, name: value}
        odd = case._replace(data={**case.data, "status": status, "headers": headers})
        problem = case.provider.problem(answer(odd, b""))
        assert problem is not None, headers
        assert problem.wait is None or 0 < problem.wait <= 3600, headers
