"""How requests go to a provider: what the CDK's client is told of each answer, and what is raised at the end."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from requests import exceptions

from source_stock_prices import http
from source_stock_prices.errors import ProviderError
from source_stock_prices.http import (
    AT_ONCE,
    LIMITING,
    LONGEST_WAIT,
    MAX_TRIES,
    KeyInRequest,
    Pause,
    RequestPolicy,
    SyncEndedError,
    pace,
)
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Kind

MASSIVE = PROVIDERS["massive"](api_key="s3cr3t")  # type: ignore[call-arg]
THROTTLED = '{"error": "slow down"}'
GOOD = '{"status": "OK"}'


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, in order. The clock is ahead by them, and nobody waits."""
    naps: list[float] = []
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=naps.append, monotonic=lambda: 100.0 + sum(naps)))
    return naps


@pytest.fixture
def told() -> list[dict[str, Any]]:
    """The statuses that were written."""
    return []


def teller(told: list[dict[str, Any]]) -> Callable[[AirbyteMessage], None]:
    return lambda message: told.append(AirbyteMessageSerializer.dump(message)["trace"]["stream_status"])


def answer(status: int, body: str = "", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, body.encode()
    response.headers.update(headers)
    return response


def actions(policy: RequestPolicy, *answers: requests.Response | Exception) -> list[ResponseAction | None]:
    """What the client is told of each answer to one request."""
    return [policy.interpret_response(each).response_action for each in answers]


def client(policy: RequestPolicy, received: requests.Response) -> None:
    """What the CDK's client does with an answer that stays the same."""
    while actions(policy, received) == [ResponseAction.RETRY]:
        policy.backoff_time(received, 1)


def test_it_takes_an_answer_without_a_problem() -> None:
    """There is nothing to wait for and nothing to raise."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.exchange():
        assert actions(policy, answer(200, GOOD)) == [ResponseAction.SUCCESS]
        assert policy.backoff_time(answer(200, GOOD), 1) is None


def test_it_waits_as_long_as_the_vendor_asks_and_then_tries_again(slept: list[float]) -> None:
    """A minute's window is over after a minute, not after the CDK's half."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.exchange():
        for asked in (answer(429), answer(429, **{"Retry-After": "7"})):
            assert actions(policy, asked) == [ResponseAction.RETRY]
            assert policy.backoff_time(asked, 1) == AT_ONCE
        actions(policy, answer(200, GOOD))
    assert slept == [60, 7]


def test_it_waits_a_growing_time_where_the_vendor_names_none(slept: list[float]) -> None:
    """A server that fails is tried again after growing pauses."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.exchange():
        for failure in (answer(503), exceptions.ConnectTimeout("x"), answer(500)):
            assert actions(policy, failure) == [ResponseAction.RETRY]
            assert policy.backoff_time(failure, 1) == AT_ONCE
        actions(policy, answer(200, GOOD))
    assert slept == [1, 2, 4]


def test_it_waits_an_hour_at_most_for_all_tries_of_a_request_together(slept: list[float]) -> None:
    """A vendor that asks for twenty minutes after each try is left to the next sync."""
    policy = RequestPolicy(MASSIVE, patient=True)
    twenty = answer(429, **{"Retry-After": str(LONGEST_WAIT // 3)})
    for _ in range(2):  # each request has its own hour
        slept.clear()
        with pytest.raises(ProviderError) as raised, policy.exchange():
            client(policy, twenty)
        assert raised.value.problem.kind is Kind.THROTTLED
        assert sum(slept) == LONGEST_WAIT


def test_it_counts_the_wait_at_the_gate_once(slept: list[float]) -> None:
    """What a request waited for another one's pause is part of its own hour, and no more of it."""
    policy = RequestPolicy(MASSIVE, patient=True)
    half = answer(429, **{"Retry-After": str(LONGEST_WAIT // 2)})
    policy._resume_at = http.time.monotonic() + LONGEST_WAIT // 2  # another worker's
    with pytest.raises(ProviderError), policy.exchange():
        client(policy, half)
    assert sum(slept) == LONGEST_WAIT
    assert policy.judged == 2


def test_it_tells_of_a_wait_every_minute(slept: list[float], told: list[dict[str, Any]]) -> None:
    """Of the stream that is read, with the moment when it ends: silence looks like a sync that hangs."""
    pause = Pause("Massive", teller(told))
    until = time.time() + 150
    with pause.within("dividends"):
        pause.sleep(150, LIMITING, is_limit=True)
    assert slept == [60, 60, 30]
    assert len(told) == 3
    assert [status["status"] for status in told] == ["RUNNING"] * 3
    assert {status["stream_descriptor"]["name"] for status in told} == {"dividends"}
    ends = {status["reasons"][0]["rate_limited"]["quota_reset"] for status in told}
    assert len(ends) == 1
    assert abs(ends.pop() / 1000 - until) < 10


def test_it_tells_of_no_wait_that_the_vendor_did_not_ask_for(told: list[dict[str, Any]]) -> None:
    """A server that fails limits no rate."""
    policy = RequestPolicy(MASSIVE, patient=True, write=teller(told))
    with policy.reading("stock_prices"), policy.exchange():
        for each in (answer(503), answer(503, **{"Retry-After": "9"}), answer(429, **{"Retry-After": "0"})):
            actions(policy, each)
            policy.backoff_time(each, 1)
        assert len(told) == 2
        actions(policy, answer(200, GOOD))


def test_it_announces_one_of_the_waits_that_last_as_long(
    monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Four workers that meet the same limit are one pause; the next one is another."""
    pause = Pause("Massive", teller(told))

    def others_wait_too(_: float) -> None:
        monkeypatch.setattr(http, "time", SimpleNamespace(sleep=lambda _: None))
        pause.sleep(30, LIMITING, is_limit=True)

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=others_wait_too))
    with pause.within("stock_prices"):
        pause.sleep(30, LIMITING, is_limit=True)
        assert len(told) == len(caplog.messages) == 1
        pause.sleep(30, LIMITING, is_limit=True)
    assert len(told) == len(caplog.messages) == 2
    assert re.fullmatch(r"Massive is rate limiting requests; waiting until \d\d:\d\d:\d\d UTC\.", caplog.messages[0])


def test_it_gives_up_a_wait_when_the_sync_is_over(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]) -> None:
    """A worker that was left behind would report a stream as running that has ended, and hold the next one back."""
    pause = Pause("Massive", teller(told))
    reading = ExitStack()
    reading.enter_context(pause.within("stock_prices"))
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=lambda _: reading.close()))
    with pytest.raises(SyncEndedError):
        pause.sleep(3600, LIMITING, is_limit=True)
    assert len(told) == 1


def test_it_tries_only_once_again_what_failed_in_the_last_sync() -> None:
    """It will probably fail again, and others wait behind it. Being throttled is no failure of a ticker."""
    policy = RequestPolicy(MASSIVE, patient=True)
    with policy.doubting(True):
        with pytest.raises(ProviderError), policy.exchange():
            assert actions(policy, answer(503), answer(503)) == [ResponseAction.RETRY, ResponseAction.SUCCESS]
        with policy.exchange():
            assert actions(policy, *[answer(429)] * 3) == [ResponseAction.RETRY] * 3
            actions(policy, answer(200, GOOD))
    with policy.exchange():
        assert actions(policy, answer(503), answer(503)) == [ResponseAction.RETRY] * 2
        actions(policy, answer(200, GOOD))


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
    with pytest.raises(ProviderError), policy.exchange():
        assert actions(policy, answer(503, **{"Retry-After": "9"})) == [ResponseAction.SUCCESS]


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


def test_it_holds_requests_back_while_the_vendor_has_one_wait(slept: list[float]) -> None:
    """Those that went on would only meet the limit again."""
    policy = RequestPolicy(MASSIVE, patient=True)
    policy._resume_at = http.time.monotonic() + 7  # as a worker left it that waits
    with policy.exchange():
        actions(policy, answer(200, GOOD))
    with policy.exchange():
        actions(policy, answer(200, GOOD))
    assert slept == [7]


def test_it_adds_no_password_of_the_machine() -> None:
    """The provider puts its key into the request; whatever a .netrc has for the host stays out of it."""
    request = requests.Request("GET", "https://api.example/x", {"Authorization": "Bearer s3cr3t"}).prepare()
    assert KeyInRequest()(request).headers["Authorization"] == "Bearer s3cr3t"


def test_it_paces_requests_only_where_the_user_says_so() -> None:
    """A budget without a limit would cost every request a lock."""
    assert pace(None) is None
    assert pace(5) is not None
