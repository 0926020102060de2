"""How requests go to a provider: judged, paced, tried again, and held back while the vendor has us wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from logging import getLogger

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer
from airbyte_cdk.sources.streams.call_rate import APIBudget, MovingWindowCallRatePolicy, Rate
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    ResponseAction,
)
from requests import (
    PreparedRequest,
    RequestException,
    Response,
    exceptions,
)
from requests.auth import AuthBase

from source_stock_prices.bounds import DEADLINE, late
from source_stock_prices.errors import (
    RAISED,
    REACTIONS,
    ProviderError,
    problem_of,
    unreadable,
)
from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Problem

logger = getLogger("airbyte")

TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes of an answer."""

MAX_TRIES = 6
"""How often one request is sent before its problem is final."""

FEW_TRIES = 2
"""The same where nobody waits for it, or where the last sync failed in vain."""

LONGEST_WAIT = 3600
"""Seconds that all waits of one request may last together. A longer wait ends the sync; the next one resumes there."""

RENEWAL_SECONDS = 60
"""How often the platform is told again that a sync waits."""

AT_ONCE = 0.001
"""Seconds that the CDK's client is told to wait: it takes a zero for its own growing pauses. It adds a second."""

LIMITING = "is rate limiting requests"

Write = Callable[[AirbyteMessage], None]


class Exchange(threading.local):
    """The request that a thread has under way: how often it was sent, and what is wrong with its latest answer.

    `wait` is how long it has to wait before the next try, and `waited` how long it has waited so far, in seconds.
    """

    tries = 0
    problem: Problem | None = None
    status: int | None = None
    wait = 0.0
    waited = 0.0
    has_failed_before = False
    calls = 1

    def begin(self) -> None:
        """Another request starts."""
        self.tries, self.problem, self.status = 0, None, None
        self.wait = self.waited = 0.0


class SyncEndedError(Exception):
    """The sync that a worker waits for is over. Nobody asks for its answer any more."""


class Pause:
    """Waits before a request is sent again, and says so: in one log line, and to the platform every minute.

    The platform is told through `write`, as a status of the stream that is read, with the time when the pause ends. Of
    workers that wait at the same time for the same reason, one speaks: who waits longest.
    """

    def __init__(self, title: str, write: Write | None) -> None:
        self._title, self._write = title, write
        self._stream: str | None = None
        self._announced: dict[str, datetime] = {}
        self._speaking = threading.Lock()

    @contextmanager
    def within(self, stream: str) -> Iterator[None]:
        """While a stream is read: its are the statuses. What still waits at the end raises SyncEndedError."""
        self._stream = stream
        self._announced.clear()
        try:
            yield
        finally:
            self._stream = None

    def sleep(self, seconds: float, why: str, *, is_limit: bool) -> None:
        """Waits; the platform is told where it is a rate limit. Raises SyncEndedError soon after the sync is over."""
        stream = self._stream
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        speaks = self._announce(why, until)
        for nap in naps(seconds):
            if stream != self._stream:
                raise SyncEndedError
            if speaks and is_limit and stream and self._write:
                self._write(rate_limited(stream, until))
            time.sleep(nap)
        if speaks:
            self._announced.pop(why, None)

    def _announce(self, why: str, until: datetime) -> bool:
        """Logs a pause, unless one that lasts as long was announced and is not over."""
        with self._speaking:
            announced = self._announced.get(why)
            if announced and until < announced + timedelta(seconds=1):
                return False
            self._announced[why] = until
        logger.info(f"{self._title} {why}; waiting until {until:%H:%M:%S} UTC.")
        return True


def naps(seconds: float) -> Iterator[float]:
    """A wait in parts, after each of which the platform is told again."""
    while seconds > 0:
        yield min(seconds, RENEWAL_SECONDS)
        seconds -= RENEWAL_SECONDS


def rate_limited(stream: str, until: datetime) -> AirbyteMessage:
    """The status of a stream whose vendor has it wait until a moment. The protocol counts milliseconds."""
    now = datetime.now(timezone.utc)
    reason = {"type": "RATE_LIMITED", "rate_limited": {"quota_reset": _milliseconds(until)}}
    status = {"stream_descriptor": {"name": stream}, "status": "RUNNING", "reasons": [reason]}
    trace = {"type": "STREAM_STATUS", "emitted_at": _milliseconds(now), "stream_status": status}
    return AirbyteMessageSerializer.load({"type": "TRACE", "trace": trace})


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


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
    that throttles is not waited for. `max_tries` is how often a request is sent. `write` writes a message at once, from
    any thread.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        patient: bool,
        max_tries: int | None = None,
        write: Write | None = None,
    ) -> None:
        self._provider = provider
        self._max_tries = max_tries or (MAX_TRIES if patient else FEW_TRIES)
        self._patient = patient
        self._pause = Pause(provider.title, write)
        self._current = Exchange()
        self._one_at_a_time = threading.RLock()
        self._resume_at: float | None = None
        self._counting = threading.Lock()
        self.judged = 0
        """Answers and failures so far, which is the number of requests made."""
        self.spent = 0
        """What they cost in calls of the plan."""

    def reading(self, stream: str) -> AbstractContextManager[None]:
        """While a stream is read, the platform is told of its waits."""
        return self._pause.within(stream)

    @contextmanager
    def doubting(self, has_failed_before: bool) -> Iterator[None]:
        """A question of this thread. What failed before, as others did, is not tried as often again."""
        self._current.has_failed_before = has_failed_before
        try:
            yield
        finally:
            self._current.has_failed_before = False

    @contextmanager
    def exchange(self, calls: int = 1) -> Iterator[None]:
        """One request with all its tries, which cost some calls each. Raises ProviderError for a problem that stays."""
        self._current.begin()
        self._current.calls = calls
        with self._gate():
            try:
                yield
            except RAISED as error:
                raise ProviderError(problem_of(error)) from error
            finally:
                DEADLINE.is_cut()
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
                self._current.waited += wait
                self._pause.sleep(wait, LIMITING, is_limit=True)
            yield

    @property
    def max_retries(self) -> int:
        return self._max_tries

    @property
    def max_time(self) -> int:
        # More than all waits and tries take: this policy says when it is enough.
        return LONGEST_WAIT * self._max_tries

    def interpret_response(self, response_or_exception: Response | Exception | None = None) -> ErrorResolution:
        with self._counting:
            self.judged += 1
            self.spent += self._current.calls
        current = self._current
        current.tries += 1
        current.problem, current.status = self._judge(response_or_exception)
        current.wait = _wait(current.problem, current.tries)
        if current.problem is None or not self._may_try_again(current.problem):
            return ErrorResolution(ResponseAction.SUCCESS)
        reaction = REACTIONS[current.problem.kind]
        said = trim(current.problem.said)
        message = f"{self._provider.title} ({current.problem.kind.value}): {said}"
        return ErrorResolution(reaction.action, reaction.failure, message)

    def _may_try_again(self, problem: Problem) -> bool:
        current = self._current
        if REACTIONS[problem.kind].action is ResponseAction.FAIL:
            return False
        if is_throttling(problem):
            most = self._max_tries if self._patient else 1
        else:
            is_doubted = current.has_failed_before and current.status is not None
            most = FEW_TRIES if is_doubted else self._max_tries
        return current.tries < most and current.waited + current.wait <= LONGEST_WAIT

    def backoff_time(
        self, response_or_exception: Response | RequestException | None, attempt_count: int
    ) -> float | None:
        """Waits before the next try, and leaves next to nothing of it to the CDK's client."""
        current = self._current
        problem = current.problem
        if problem is None:
            return None
        if problem.kind is Kind.THROTTLED:
            self._resume_at = time.monotonic() + current.wait
        current.waited += current.wait
        self._pause.sleep(current.wait, self._trouble(problem), is_limit=is_throttling(problem))
        return AT_ONCE

    def _trouble(self, problem: Problem) -> str:
        """Why a request has to wait, as the end of a sentence about the vendor."""
        if problem.kind is Kind.THROTTLED:
            return LIMITING
        if self._current.status is None:
            return f"cannot be reached ({trim(problem.said)})"
        return f"has a problem (HTTP {self._current.status})"

    def _judge(self, received: Response | Exception | None) -> tuple[Problem | None, int | None]:
        if not isinstance(received, Response):
            if DEADLINE.is_cut():
                received = exceptions.ReadTimeout(late())
            return problem_of(received or exceptions.ConnectionError("no answer")), None
        answer = Answer.of(received)
        try:
            return self._provider.problem(answer), answer.status
        except RAISED as error:
            raised = unreadable(error, answer.text, answer.status)
            return raised.problem, raised.status


def is_throttling(problem: Problem) -> bool:
    """Whether the vendor has us wait: it says so, or a server that is down says until when."""
    return problem.kind is Kind.THROTTLED or problem.wait is not None


def _wait(problem: Problem | None, tries: int) -> float:
    """Seconds before the next try: what the vendor asks for, or a pause that grows with each try."""
    asked = problem.wait if problem else None
    return asked or 2.0 ** (tries - 1)


def pace(requests_per_minute: int | None) -> APIBudget | None:
    """What keeps all workers together to so many requests a minute; None for no limit."""
    if requests_per_minute is None:
        return None
    rate = Rate(requests_per_minute, timedelta(minutes=1))
    return APIBudget(policies=[MovingWindowCallRatePolicy(rates=[rate], matchers=[])])
