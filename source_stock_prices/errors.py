"""How the connector reacts to a provider's problem, and the sentence a person reads. One table for all vendors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from logging import getLogger
from threading import Lock, RLock
from typing import NamedTuple

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from requests import exceptions

from source_stock_prices.providers.base import Kind, Problem, Provider, trim

logger = getLogger("airbyte")

TRIES = 6
"""Attempts per request before its problem is final."""

LONGEST_WAIT = 3600
"""Seconds. A vendor that asks for a longer wait ends the sync; the next one resumes from the state."""


class Reaction(NamedTuple):
    """What follows from a kind of problem. `of_ticker`: it concerns one ticker, and the others are still read."""

    action: ResponseAction
    failure: FailureType
    sentence: str
    of_ticker: bool = False


REACTIONS: Mapping[Kind, Reaction] = {
    Kind.BAD_ADDRESS: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "{base_url} is not a valid address for {title}.{said} Correct base_url.",
    ),
    Kind.BAD_CREDENTIALS: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "{title} rejected the API key.{said} Check the key{key_url}.",
    ),
    Kind.NOT_ENTITLED: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "Your {title} plan does not cover the data requested for the {tickers}.{said} Request less, or upgrade.",
    ),
    Kind.UNKNOWN_TICKER: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "{title} does not know the {tickers}.{said} Correct stock_ticker.",
        of_ticker=True,
    ),
    Kind.TICKER_NOT_ENTITLED: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "Your {title} plan does not cover the {tickers}.{said} Remove {them} from stock_ticker, or upgrade.",
        of_ticker=True,
    ),
    Kind.NOT_YET: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "{title} has not published the latest session of the {tickers} yet.{said} Sync again later.",
    ),
    Kind.THROTTLED: Reaction(
        ResponseAction.RATE_LIMITED,
        FailureType.transient_error,
        "{title} is still rate limiting requests.{said} Set requests_per_minute{pace}, or sync again later.",
    ),
    Kind.QUOTA_SPENT: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "The request quota of your {title} plan is used up.{said} Records read so far are kept; the next sync resumes"
        " there.",
    ),
    Kind.UNAVAILABLE: Reaction(
        ResponseAction.RETRY,
        FailureType.transient_error,
        "{title} {outage}.{said} {remedy}",
    ),
    Kind.UNREADABLE: Reaction(
        ResponseAction.FAIL,
        FailureType.system_error,
        "{title} returned an unexpected response for the {tickers}.{said} Check base_url; if it is correct, report this"
        " as a bug.",
        of_ticker=True,
    ),
}

EXCEPTIONS: tuple[tuple[Kind, tuple[type[Exception], ...]], ...] = (
    (
        Kind.BAD_ADDRESS,
        (
            exceptions.InvalidURL,
            exceptions.InvalidSchema,
            exceptions.MissingSchema,
            exceptions.URLRequired,
            exceptions.InvalidHeader,
        ),
    ),
    (
        Kind.UNREADABLE,
        (exceptions.TooManyRedirects, exceptions.ContentDecodingError, exceptions.InvalidJSONError),
    ),
    (Kind.UNAVAILABLE, (exceptions.RequestException,)),
)


NAMED = 10
"""Names listed in one sentence; the rest are counted."""


def names(things: Sequence[str]) -> str:
    """The first names of a list, and how many more there are: `AAPL, MSFT and 3 more`."""
    named = ", ".join(things[:NAMED])
    return named if len(things) <= NAMED else f"{named} and {len(things) - NAMED} more"


class ProviderError(Exception):
    """A problem that retrying does not solve. `status` is the HTTP status of the response, None if there was none."""

    def __init__(self, problem: Problem, status: int | None = None) -> None:
        super().__init__(f"{problem.kind.value}: {problem.said}")
        self.problem, self.status = problem, status

    @property
    def reaction(self) -> Reaction:
        return REACTIONS[self.problem.kind]

    def explain(self, provider: Provider, tickers: Sequence[str]) -> str:
        """What happened, what the API replied, and what to do, in sentences without a secret."""
        kind, said, _, fix, _ = self.problem
        said = trim(filter_secrets(said))  # in this order: half a key would not be known for one
        http = "" if self.status is None else f" (HTTP {self.status})"
        source = "Details" if self.status is None else "The API replied"
        stop = "" if said.endswith((".", "!", "?")) else "."
        pace = provider.free_requests_per_minute
        sentence = REACTIONS[kind].sentence.format(
            title=provider.title,
            base_url=provider.base_url,
            tickers=f"ticker{'s' * (len(tickers) > 1)} {names(tickers)}",
            them="them" if len(tickers) > 1 else "it",
            said=f' {source}{http}: "{said}"{stop}' if said else f" The response was empty{http}.",
            outage="has a problem" if self.status else f"cannot be reached at {provider.base_url}",
            remedy="Sync again later." if self.status else "Check the network, or sync again later.",
            key_url=f"; get one at {provider.key_url}" if provider.key_url else "",
            pace=f" (the free plan allows {pace})" if pace else "",
        )
        return f"{sentence} {fix}".strip()


def problem_of(exception: Exception) -> Problem:
    """The problem of a request without a response. Never quotes the URL, whose query may hold the key."""
    kind = next(kind for kind, types in EXCEPTIONS if isinstance(exception, types))
    cause = exception.args[0] if exception.args else exception
    words = re.sub(r"^<[^>]*>: ", "", str(getattr(cause, "reason", cause)))
    return Problem(kind, trim(f"{type(exception).__name__}: {words.split('?')[0]}"))


class ProviderErrors(ErrorHandler, BackoffStrategy):
    """Classifies every response of a provider for the CDK's HTTP client, which then continues, retries or stops.

    Raises ProviderError where the CDK would fail with its own message, because the stream must tell a failed ticker
    from a failed sync. With `patient=False` it never waits for a vendor that is rate limiting.
    """

    def __init__(self, provider: Provider, *, patient: bool) -> None:
        self._provider = provider
        self._tries = TRIES if patient else 2
        self._patient = patient
        self._turn, self._count = RLock(), Lock()
        self._resume_at: float | None = None
        self.judged = 0
        """Requests made so far, failed ones included."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Holds a request back while the vendor makes another one wait.

        After the first wait, requests are sent one at a time: several at once would only hit the limit again.
        """
        if self._resume_at is None:
            yield
            return
        with self._turn:
            if (wait := self._resume_at - time.monotonic()) > 0:
                time.sleep(wait)
            yield

    @property
    def max_retries(self) -> int:
        return self._tries  # never reached: `backoff_time` raises the last failure

    @property
    def max_time(self) -> int:
        return (LONGEST_WAIT + 60) * self._tries

    def interpret_response(self, response_or_exception: requests.Response | Exception | None = None) -> ErrorResolution:
        with self._count:
            self.judged += 1
        problem, status = self._judge(response_or_exception)
        if problem is None:
            return ErrorResolution(ResponseAction.SUCCESS)
        action, failure, *_ = REACTIONS[problem.kind]
        impatient = action is ResponseAction.RATE_LIMITED and not self._patient
        if action is ResponseAction.FAIL or impatient:
            raise ProviderError(problem, status)
        return ErrorResolution(
            action, failure, f"{self._provider.title} ({problem.kind.value}): {trim(filter_secrets(problem.said))}"
        )

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float | None:
        """Seconds to wait before the next attempt; None for the CDK's exponential default. Raises ProviderError."""
        problem, status = self._judge(response_or_exception)
        if problem and (attempt_count >= self._tries or (problem.wait or 0) > LONGEST_WAIT):
            raise ProviderError(problem, status)
        if problem and problem.kind is Kind.THROTTLED:
            self._resume_at = time.monotonic() + (problem.wait or 0)
            if problem.wait:
                until = datetime.now(timezone.utc) + timedelta(seconds=problem.wait)
                logger.info(f"{self._provider.title} is rate limiting requests; waiting until {until:%H:%M:%S} UTC.")
        return problem.wait if problem else None

    def _judge(self, answer: requests.Response | Exception | None) -> tuple[Problem | None, int | None]:
        if isinstance(answer, requests.Response):
            return self._provider.problem(answer), answer.status_code
        return problem_of(answer or exceptions.ConnectionError("no answer")), None
