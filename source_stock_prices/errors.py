"""What Airbyte does about a provider's problem, and the sentence a person reads. One table for every vendor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from requests import exceptions

from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Kind, Problem


class Reaction(NamedTuple):
    """What follows from a kind of problem. `of_ticker`: the other tickers go on."""

    action: ResponseAction
    failure: FailureType
    sentence: str
    of_ticker: bool = False


REACTIONS: Mapping[Kind, Reaction] = {
    Kind.BAD_ADDRESS: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "{title} cannot be asked at {base_url}.{said} Correct base_url.",
    ),
    Kind.BAD_CREDENTIALS: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "{title} does not accept the API key.{said} Check the key{key_url}.",
    ),
    Kind.NOT_ENTITLED: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "The {title} plan does not include what was asked for the {tickers}.{said} Ask for less or take a larger plan.",
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
        "The {title} plan does not include the {tickers}.{said} Remove it from stock_ticker or take a larger plan.",
        of_ticker=True,
    ),
    Kind.NOT_YET: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "{title} does not serve the last session of the {tickers} yet.{said} Sync again later.",
    ),
    Kind.THROTTLED: Reaction(
        ResponseAction.RATE_LIMITED,
        FailureType.transient_error,
        "{title} still asks to slow down.{said} Set requests_per_minute{pace} or sync again later.",
    ),
    Kind.QUOTA_SPENT: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "The requests of the {title} plan are used up.{said} What was read so far is kept, and the next sync goes on"
        " from there.",
    ),
    Kind.UNAVAILABLE: Reaction(
        ResponseAction.RETRY,
        FailureType.transient_error,
        "{title} cannot be reached at {base_url}.{said} Check the network, or sync again later.",
    ),
    Kind.UNREADABLE: Reaction(
        ResponseAction.FAIL,
        FailureType.system_error,
        "{title} gave an answer for the {tickers} that is not its API's.{said} Check base_url; if it is right, report"
        " this.",
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
"""Tickers named in one sentence; the rest are counted."""


def names(things: Sequence[str]) -> str:
    """The first of a list, and how many more."""
    named = ", ".join(things[:NAMED])
    return named if len(things) <= NAMED else f"{named} and {len(things) - NAMED} more"


class ProviderError(Exception):
    """A problem that no further try will solve, with the HTTP status of the answer it came in, if any."""

    def __init__(self, problem: Problem, status: int | None = None) -> None:
        super().__init__(f"{problem.kind.value}: {problem.said}")
        self.problem, self.status = problem, status

    @property
    def reaction(self) -> Reaction:
        return REACTIONS[self.problem.kind]

    def explain(self, provider: Provider, tickers: Sequence[str]) -> str:
        """What happened, what the provider said, what to do."""
        kind, said, _, fix, _ = self.problem
        said = trim(filter_secrets(said))  # in this order: half a key would not be known for one
        http = "" if self.status is None else f" (HTTP {self.status})"
        pace = provider.free_requests_per_minute
        sentence = REACTIONS[kind].sentence.format(
            title=provider.title,
            base_url=provider.base_url,
            tickers=f"ticker{'s' * (len(tickers) > 1)} {names(tickers)}",
            said=f' It said{http}: "{said}".' if said else f" It said nothing{http}.",
            key_url=f", to be had at {provider.key_url}" if provider.key_url else "",
            pace=f" (the free plan allows {pace})" if pace else "",
        )
        return f"{sentence} {fix}".strip()


def problem_of(exception: Exception) -> Problem:
    """The problem of a request that got no answer. Its words never hold the URL, whose query may hold the key."""
    kind = next(kind for kind, types in EXCEPTIONS if isinstance(exception, types))
    cause = exception.args[0] if exception.args else exception
    words = re.sub(r"^<[^>]*>: ", "", str(getattr(cause, "reason", cause)))
    return Problem(kind, trim(f"{type(exception).__name__}: {words.split('?')[0]}"))
