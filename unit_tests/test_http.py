"""How requests go to a provider: what the CDK's client is told of each answer, and what is raised at the end."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import requests
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from requests import exceptions

from source_stock_prices import http
from source_stock_prices.errors import ProviderError
from source_stock_prices.http import LONGEST_WAIT, MAX_TRIES, KeyInRequest, RequestPolicy, pace
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Kind

MASSIVE = PROVIDERS["massive"](api_key="s3cr3t")  # type: ignore[call-arg]
THROTTLED = '{"error": "slow down"}'
GOOD = '{"status": "OK"}'


def answer(status: int, body: str = "", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, body.encode()
    response.headers.update(headers)
    return response


def actions(policy: RequestPolicy, *answers: requests.Response | Exception) -> list[ResponseAction | None]:
    """What the client is told of each answer to one request."""
    return [policy.interpret_response(each).response_action for each in answers]


def test_it_takes_an_answer_without_a_problem() -> None:
    """There is nothing to wait for and nothing to raise."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.exchange():
        assert actions(policy, answer(200, GOOD)) == [ResponseAction.SUCCESS]
        assert policy.backoff_time(answer(200, GOOD), 1) is None


def test_it_waits_as_long_as_the_vendor_asks_and_then_tries_again() -> None:
    """A minute's window is over after a minute, not after the CDK's half."""
    policy = RequestPolicy(MASSIVE, patient=True)
    for asked, wait in ((answer(429), 60), (answer(429, **{"Retry-After": "7"}), 7)):
        assert actions(policy, asked) == [ResponseAction.RATE_LIMITED]
        assert policy.backoff_time(asked, 1) == wait


def test_it_leaves_the_wait_to_the_clients_backoff_where_the_vendor_names_none() -> None:
    """A server that fails is tried again after growing pauses."""
    policy = RequestPolicy(MASSIVE, patient=True)
    for failure in (answer(503), exceptions.ConnectTimeout("x")):
        assert actions(policy, failure) == [ResponseAction.RETRY]
        assert policy.backoff_time(failure, 1) is None


@pytest.mark.parametrize(("patient", "tries"), [(True, MAX_TRIES), (False, 2)])
@pytest.mark.parametrize(("status", "kind"), [(429, Kind.THROTTLED), (503, Kind.UNAVAILABLE)])
def test_it_gives_up_after_its_tries_with_the_vendors_words(status: int, kind: Kind, patient: bool, tries: int) -> None:
    """The CDK's own last words are about attempts and backoff exceptions."""
    policy = RequestPolicy(MASSIVE, patient=patient)
    if kind is Kind.THROTTLED and not patient:
        tries = 1  # waiting is what it does not do
    told: list[ResponseAction | None] = []
    with pytest.raises(ProviderError, match="slow down") as raised, policy.exchange():
        told += actions(policy, *[answer(status, THROTTLED)] * tries)
    assert ResponseAction.SUCCESS not in told[:-1]
    assert told[-1] is ResponseAction.SUCCESS
    assert (raised.value.problem.kind, raised.value.status) == (kind, status)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_it_raises_a_problem_that_no_further_try_will_solve(status: int) -> None:
    """To the client the exchange is over, and it holds on to no request; who asked learns what is wrong."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with pytest.raises(ProviderError) as raised, policy.exchange():
        assert actions(policy, answer(status, '{"error": "no"}')) == [ResponseAction.SUCCESS]
    assert raised.value.status == status


def test_it_raises_a_failure_that_the_client_did_not_show_to_it() -> None:
    """Such as an address that no request can be made of."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with pytest.raises(ProviderError) as raised, policy.exchange():
        raise exceptions.InvalidURL("Invalid URL 'http:///stock?token=s3cr3t'")
    assert (raised.value.problem.kind, raised.value.status) == (Kind.BAD_ADDRESS, None)
    assert "s3cr3t" not in str(raised.value)


def test_it_does_not_wait_longer_than_an_hour() -> None:
    """A sync that sleeps for half a day looks like one that hangs; the next one goes on from the state."""
    policy = RequestPolicy(MASSIVE, patient=True)
    hours = answer(429, **{"Retry-After": str(LONGEST_WAIT + 1)})
    with pytest.raises(ProviderError), policy.exchange():
        assert actions(policy, hours) == [ResponseAction.SUCCESS]


def test_it_does_not_wait_at_all_when_impatient() -> None:
    """`check` answers a person who is looking at the screen."""
    policy = RequestPolicy(MASSIVE, patient=False)
    with pytest.raises(ProviderError), policy.exchange():
        assert actions(policy, answer(429)) == [ResponseAction.SUCCESS]


def test_it_begins_each_request_anew() -> None:
    """Neither the tries nor the problem of the request before are its own."""
    policy = RequestPolicy(MASSIVE, patient=True)
    for _ in range(2):
        with pytest.raises(ProviderError), policy.exchange():
            actions(policy, *[answer(503)] * MAX_TRIES)
    with policy.exchange():
        assert actions(policy, answer(503), answer(200, GOOD)) == [ResponseAction.RETRY, ResponseAction.SUCCESS]
    assert policy.judged == 2 * MAX_TRIES + 2


def test_it_keeps_the_requests_of_its_workers_apart() -> None:
    """One worker's refusal is not raised in another."""
    policy = RequestPolicy(MASSIVE, patient=True)
    refused = threading.Barrier(2, timeout=10)

    def other() -> None:
        with pytest.raises(ProviderError), policy.exchange():
            actions(policy, answer(404, '{"error": "no"}'))
        refused.wait()

    worker = threading.Thread(target=other)
    with policy.exchange():
        worker.start()
        actions(policy, answer(200, GOOD))
        refused.wait()
    worker.join()


def test_it_holds_requests_back_while_the_vendor_has_one_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that went on would only meet the limit again."""
    now, slept = [100.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=slept.append)
    monkeypatch.setattr(http, "time", clock)
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.exchange():
        throttled = answer(429, **{"Retry-After": "7"})
        actions(policy, throttled)
        policy.backoff_time(throttled, 1)
        actions(policy, answer(200, GOOD))
    now[0] = 102.0
    with policy.exchange():
        actions(policy, answer(200, GOOD))
    now[0] = 110.0
    with policy.exchange():
        actions(policy, answer(200, GOOD))
    assert slept == [5.0]


def test_it_adds_no_password_of_the_machine() -> None:
    """The provider puts its key into the request; whatever a .netrc has for the host stays out of it."""
    request = requests.Request("GET", "https://api.example/x", {"Authorization": "Bearer s3cr3t"}).prepare()
    assert KeyInRequest()(request).headers["Authorization"] == "Bearer s3cr3t"


def test_it_paces_requests_only_where_the_user_says_so() -> None:
    """A budget without a limit would cost every request a lock."""
    assert pace(None) is None
    assert pace(5) is not None
