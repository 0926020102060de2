"""What follows from a problem."""

from __future__ import annotations

import errno
import inspect

import pytest
from requests import exceptions

from source_stock_prices.errors import REACTIONS, ProviderError, problem_of
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Kind, Problem

MASSIVE = PROVIDERS["massive"](api_key="s3cr3t")  # type: ignore[call-arg]


def test_it_has_a_reaction_for_every_kind_of_problem() -> None:
    """A kind without one would end as a stack trace."""
    assert set(REACTIONS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_it_tells_what_happened_what_was_said_and_what_to_do(kind: Kind) -> None:
    """A sentence that only says that something failed leaves the user alone."""
    sentence = ProviderError(Problem(kind, "the vendor's words", fix="And a hint."), 418).explain(MASSIVE, ["AAPL"])
    assert "Massive" in sentence
    assert 'The API replied (HTTP 418): "the vendor\'s words".' in sentence
    assert sentence.endswith("And a hint.")
    assert "{" not in sentence


def requests_exceptions() -> list[type[Exception]]:
    types = (kind for _, kind in inspect.getmembers(exceptions, inspect.isclass))
    return [kind for kind in types if issubclass(kind, exceptions.RequestException)]


@pytest.mark.parametrize("kind", requests_exceptions())
def test_it_maps_every_exception_of_requests(kind: type[Exception]) -> None:
    """The CDK looks exceptions up by exact class and calls what it does not find a defect of ours."""
    if kind is exceptions.JSONDecodeError:
        error: Exception = exceptions.JSONDecodeError("x", "", 0)
    else:
        error = kind("x")
    assert problem_of(error).kind in (Kind.BAD_ADDRESS, Kind.UNREADABLE, Kind.UNAVAILABLE)


def test_it_never_quotes_the_query_of_a_url() -> None:
    """Some vendors take the key there alone."""
    error = exceptions.InvalidURL("Invalid URL 'http:///stock?token=s3cr3t'")
    assert "s3cr3t" not in problem_of(error).said


def test_it_lets_the_other_tickers_go_on_only_where_the_ticker_may_be_the_problem() -> None:
    """Any other refusal meets every ticker alike, and asking on would only cost requests."""
    alone = {kind for kind in Kind if REACTIONS[kind].of_ticker}
    assert alone == {Kind.UNKNOWN_TICKER, Kind.TICKER_NOT_ENTITLED, Kind.BEYOND_PLAN, Kind.UNREADABLE}


@pytest.mark.parametrize(("status", "is_of_ticker"), [(502, True), (None, False)])
def test_it_takes_a_server_error_for_the_problem_of_a_ticker(status: int | None, is_of_ticker: bool) -> None:
    """A vendor's server can fail over one ticker for weeks; a host that nobody reaches fails over none."""
    assert ProviderError(Problem(Kind.UNAVAILABLE, "Bad Gateway"), status).is_of_ticker is is_of_ticker


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.UNAVAILABLE])
def test_it_asks_the_table_whose_problem_any_other_is(kind: Kind) -> None:
    """The status of a refusal changes nothing."""
    for status in (None, 403):
        assert ProviderError(Problem(kind, ""), status).is_of_ticker is REACTIONS[kind].of_ticker


def test_it_explains_a_problem_although_no_file_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to report it stands in a file, and that there are too many of them may be the problem."""

    def fail(_: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("source_stock_prices.about.metadata", fail)
    assert "Too many" in ProviderError(Problem(Kind.MACHINE, "Too many open files")).explain(MASSIVE, ["AAPL"])
