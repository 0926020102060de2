"""How requests go to a provider: judged, paced, tried again, and held back while the vendor has us wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from logging import getLogger

from airbyte_cdk.sources.streams.call_rate import APIBudget, MovingWindowCallRatePolicy, Rate
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from requests import PreparedRequest, RequestException, Response, exceptions
from requests.auth import AuthBase

from source_stock_prices.errors import REACTIONS, ProviderError, problem_of
from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Problem

logger = getLogger("airbyte")

TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes of an answer."""

MAX_TRIES = 6
"""How often one request is sent before its problem is final."""

LONGEST_WAIT = 3600
"""Seconds a sync waits for a vendor. A longer wait ends it, and the next sync resumes from its state."""


class Exchange(threading.local):
    """The request that a thread has under way: how often it was sent, and what is wrong with its latest answer."""

    tries = 0
    problem: Problem | None = None
    status: int | None = None

    def begin(self) -> None:
        """Another request starts."""
        self.tries, self.problem, self.status = 0, None, None


class KeyInRequest(AuthBase):
    """Adds nothing, because a provider puts its key into the request.

    Without an authenticator, requests would put the password of a .netrc in the place of the key.
    """

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request


class RequestPolicy(ErrorHandler, BackoffStrategy):
    """Tells the CDK's HTTP client what to do with each answer of a provider: take it, or wait and try again.

    A problem that no further try will solve is no error to the client: `exchange` raises it as a ProviderError, so that
    a ticker's failure can be told from the sync's, and the client lets go of the request. With `patient=False` a vendor
    that throttles is not waited for.
    """

    def __init__(self, provider: Provider, *, patient: bool) -> None:
        self._provider = provider
        self._max_tries = MAX_TRIES if patient else 2
        self._patient = patient
        self._current = Exchange()
        self._one_at_a_time = threading.RLock()
        self._resume_at: float | None = None
        self._counting = threading.Lock()
        self.judged = 0
        """Answers and failures so far, which is the number of requests made."""

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """One request with all its tries. Raises ProviderError for a problem that stays."""
        with self._gate():
            self._current.begin()
            try:
                yield
            except RequestException as error:
                raise ProviderError(problem_of(error)) from error
            if self._current.problem:
                raise ProviderError(self._current.problem, self._current.status)

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Holds a request back while the vendor has another one wait.

        After the first wait, requests go one at a time: several that try again at once would only meet the limit again.
        """
        if self._resume_at is None:
            yield
            return
        with self._one_at_a_time:
            wait = self._resume_at - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            yield

    @property
    def max_retries(self) -> int:
        return self._max_tries

    @property
    def max_time(self) -> int:
        return (LONGEST_WAIT + 60) * self._max_tries

    def interpret_response(self, response_or_exception: Response | Exception | None = None) -> ErrorResolution:
        with self._counting:
            self.judged += 1
        current = self._current
        current.tries += 1
        current.problem, current.status = self._judge(response_or_exception)
        if current.problem is None or not self._may_try_again(current.problem):
            return ErrorResolution(ResponseAction.SUCCESS)
        reaction = REACTIONS[current.problem.kind]
        said = trim(filter_secrets(current.problem.said))
        message = f"{self._provider.title} ({current.problem.kind.value}): {said}"
        return ErrorResolution(reaction.action, reaction.failure, message)

    def _may_try_again(self, problem: Problem) -> bool:
        action = REACTIONS[problem.kind].action
        if action is ResponseAction.FAIL:
            return False
        if action is ResponseAction.RATE_LIMITED and not self._patient:
            return False
        return self._current.tries < self._max_tries and (problem.wait or 0) <= LONGEST_WAIT

    def backoff_time(
        self, response_or_exception: Response | RequestException | None, attempt_count: int
    ) -> float | None:
        """Seconds to wait before the next try; None for the CDK's exponential default."""
        problem = self._current.problem
        if problem is None:
            return None
        if problem.kind is Kind.THROTTLED:
            self._resume_at = time.monotonic() + (problem.wait or 0)
            if problem.wait:
                until = datetime.now(timezone.utc) + timedelta(seconds=problem.wait)
                logger.info(f"{self._provider.title} is rate limiting requests; waiting until {until:%H:%M:%S} UTC.")
        return problem.wait

    def _judge(self, received: Response | Exception | None) -> tuple[Problem | None, int | None]:
        if isinstance(received, Response):
            return self._provider.problem(Answer.of(received)), received.status_code
        return problem_of(received or exceptions.ConnectionError("no answer")), None


def pace(requests_per_minute: int | None) -> APIBudget | None:
    """What keeps all workers together to so many requests a minute; None for no limit."""
    if requests_per_minute is None:
        return None
    rate = Rate(requests_per_minute, timedelta(minutes=1))
    return APIBudget(policies=[MovingWindowCallRatePolicy(rates=[rate], matchers=[])])
