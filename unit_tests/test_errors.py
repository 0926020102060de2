"""What follows from a problem."""

import inspect

import pytest
import requests
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from requests import exceptions

from source_stock_prices.errors import LONGEST_WAIT, REACTIONS, TRIES, ProviderError, ProviderErrors, problem_of
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Kind, Problem

MASSIVE = PROVIDERS["massive"](api_key="s3cr3t")  # type: ignore[call-arg]


def answer(status: int, body: str = "", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, body.encode()
    response.headers.update(headers)
    return response


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


def test_it_waits_as_long_as_the_vendor_asks_and_then_tries_again() -> None:
    """A minute's window is over after a minute, not after the CDK's half."""
    errors = ProviderErrors(MASSIVE, patient=True)
    assert errors.interpret_response(answer(429)).response_action is ResponseAction.RATE_LIMITED
    assert errors.backoff_time(answer(429), 1) == 60
    assert errors.backoff_time(answer(429, **{"Retry-After": "7"}), 1) == 7


def test_it_leaves_the_wait_to_the_clients_backoff_where_the_vendor_names_none() -> None:
    """A server that fails is tried again after growing pauses."""
    errors = ProviderErrors(MASSIVE, patient=True)
    assert errors.interpret_response(answer(503)).response_action is ResponseAction.RETRY
    assert errors.backoff_time(answer(503), 1) is None
    assert errors.backoff_time(exceptions.ConnectTimeout("x"), 1) is None


@pytest.mark.parametrize("attempt", [TRIES, TRIES + 1])
def test_it_gives_up_after_its_tries_with_the_vendors_words(attempt: int) -> None:
    """The CDK's own last words are about attempts and backoff exceptions."""
    with pytest.raises(ProviderError, match="slow down"):
        ProviderErrors(MASSIVE, patient=True).backoff_time(answer(429, '{"error": "slow down"}'), attempt)


def test_it_does_not_wait_longer_than_an_hour() -> None:
    """A sync that sleeps for half a day looks like one that hangs; the next one goes on from the state."""
    with pytest.raises(ProviderError):
        ProviderErrors(MASSIVE, patient=True).backoff_time(answer(429, **{"Retry-After": str(LONGEST_WAIT + 1)}), 1)


def test_it_does_not_wait_at_all_when_impatient() -> None:
    """`check` answers a person who is looking at the screen."""
    with pytest.raises(ProviderError):
        ProviderErrors(MASSIVE, patient=False).interpret_response(answer(429))


def test_it_lets_the_other_tickers_go_on_only_where_the_ticker_may_be_the_problem() -> None:
    """Any other refusal meets every ticker alike, and asking on would only cost requests."""
    alone = {kind for kind in Kind if REACTIONS[kind].of_ticker}
    assert alone == {Kind.UNKNOWN_TICKER, Kind.TICKER_NOT_ENTITLED, Kind.BEYOND_PLAN, Kind.UNREADABLE}
