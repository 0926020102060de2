"""How the connector reacts to a provider's problem, and the sentence a person reads. One table for all vendors."""

from __future__ import annotations

import errno
import re
from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from http.client import HTTPException
from typing import NamedTuple

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from jinja2 import TemplateError
from requests import RequestException, exceptions
from urllib3.exceptions import HTTPError, LocationValueError

from source_stock_prices.about import issues
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import MISREAD, Kind, Problem
from source_stock_prices.secrecy import mask


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
        "{base_url} is not a valid address for {title}, or that of a proxy is not valid.{said} Correct it.",
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
    Kind.BEYOND_PLAN: Reaction(
        ResponseAction.FAIL,
        FailureType.config_error,
        "Your {title} plan does not reach as far back as requested for the {tickers}.{said} Set a later start_date, or"
        " upgrade.",
        of_ticker=True,
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
    Kind.INCOMPLETE: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "{title} does not have all of a session yet.{said} Sync again later.",
    ),
    Kind.THROTTLED: Reaction(
        ResponseAction.RETRY,  # RATE_LIMITED has the CDK write a status of its own, of the wrong stream
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
        " as a bug{place}.",
        of_ticker=True,
    ),
    Kind.MACHINE: Reaction(
        ResponseAction.FAIL,
        FailureType.transient_error,
        "The machine that runs the connector has run out of something that it needs; {title} is not the cause.{said}",
    ),
}

RAISED = (
    *MISREAD,
    RecursionError,
    TemplateError,
    RequestException,
    HTTPError,
    HTTPException,
    OSError,
    MemoryError,
)
"""What handling a response raises, from its first header to the last of its rows."""

SHORTAGES: Mapping[int, str] = {
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or lower num_workers.",
    errno.ENFILE: "Raise the limit of open files of the system, or lower num_workers.",
    errno.ENOMEM: "Give it more memory, or lower num_workers.",
    errno.ENOBUFS: "Give it more memory, or lower num_workers.",
    errno.ENOSPC: "Free disk space.",
    errno.EDQUOT: "Free disk space.",
    errno.EROFS: "Give it a writable file system.",
}
"""What this machine can lack, and what to do about it."""

NO_THREAD = "Raise the limit of processes (ulimit -u), or lower num_workers."

EXCEPTIONS: tuple[tuple[Kind, tuple[type[Exception], ...]], ...] = (
    (
        Kind.BAD_ADDRESS,
        (
            exceptions.InvalidURL,
            exceptions.InvalidSchema,
            exceptions.MissingSchema,
            exceptions.URLRequired,
            exceptions.InvalidHeader,
            LocationValueError,
        ),
    ),
    (
        Kind.UNREADABLE,
        (exceptions.TooManyRedirects, exceptions.ContentDecodingError, exceptions.InvalidJSONError),
    ),
    (Kind.UNAVAILABLE, (RequestException, OSError)),
    (Kind.UNREADABLE, (Exception,)),
)


NAMED = 10
"""Names listed in one sentence; the rest are counted."""


def names(things: Sequence[str]) -> str:
    """The first names of a list, and how many more there are: `AAPL, MSFT and 3 more`."""
    named = ", ".join(things[:NAMED])
    more = len(things) - NAMED
    if more <= 0:
        return named
    return f"{named} and {more} more"


def counted(
    count: int,
    singular: str,
    plural: str = "",
) -> str:
    """`1 ticker`, `1,200 tickers`."""
    noun = plural or f"{singular}s"
    if count == 1:
        noun = singular
    return f"{count:,} {noun}"


class ProviderError(Exception):
    """A problem that retrying does not solve. `status` is the HTTP status of the response, None if there was none.

    `tried` are tickers of a batch that were asked for alone, and failed one after another.
    """

    def __init__(
        self,
        problem: Problem,
        status: int | None = None,
        tried: Iterable[str] = (),
    ) -> None:
        super().__init__(f"{problem.kind.value}: {problem.said}")
        self.problem = problem
        self.status = status
        self.tried = tuple(tried)

    @property
    def reaction(self) -> Reaction:
        return REACTIONS[self.problem.kind]

    @property
    def is_of_ticker(self) -> bool:
        """Whether it is about one ticker, so that the others go on: a server error is, an unreachable host is not."""
        if self.problem.kind is Kind.UNAVAILABLE:
            return self.status is not None
        return self.reaction.of_ticker

    def explain(self, provider: Provider, tickers: Sequence[str]) -> str:
        """What happened, what the API replied, and what to do, in sentences without a secret."""
        kind, said, _, fix, _ = self.problem
        said = trim(said)
        http = "" if self.status is None else f" (HTTP {self.status})"
        source = "Details" if self.status is None else "The API replied"
        stop = "" if said.endswith((".", "!", "?")) else "."
        pace = provider.free_requests_per_minute
        what = f"ticker{'s' * (len(tickers) > 1)} {names(tickers)}"
        sentence = REACTIONS[kind].sentence.format(
            title=provider.title,
            base_url=provider.base_url,
            tickers=what,
            them="them" if len(tickers) > 1 else "it",
            said=f' {source}{http}: "{said}"{stop}' if said else f" The response was empty{http}.",
            outage=f"failed for the {what}" if self.status else f"cannot be reached at {provider.base_url}",
            remedy="Sync again later." if self.status else "Check the network, or sync again later.",
            key_url=f"; get one at {provider.key_url}" if provider.key_url else "",
            place=f" at {issues()}" if issues() else "",
            pace=f" (the free plan allows {pace})" if pace else "",
        )
        return f"{sentence} {fix}".strip()


def problem_of(exception: Exception) -> Problem:
    """The problem of a request without a response. Never quotes the URL, whose query may hold the key."""
    if shortage := shortage_in(exception):
        return shortage
    kind = next(kind for kind, types in EXCEPTIONS if isinstance(exception, types))
    cause = exception.args[0] if exception.args else exception
    words = re.sub(r"^<[^>]*>: ", "", mask(str(getattr(cause, "reason", cause))))
    return Problem(kind, trim(f"{type(exception).__name__}: {words.split('?')[0]}"))


def unreadable(error: Exception, body: str = "", status: int | None = None) -> ProviderError:
    """The error of a response on which reading raised something; this machine's, if that is what it lacked."""
    problem = shortage_in(error)
    if problem is None:
        where = f" in {body}" if body else ""
        problem = Problem(Kind.UNREADABLE, f"{type(error).__name__}: {trim(str(error), 80)}{where}")
    return ProviderError(problem, None if problem.kind is Kind.MACHINE else status)


def shortage_in(error: BaseException) -> Problem | None:
    """What this machine lacked, if that is what an error, or one that it was raised from, is about."""
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return Problem(Kind.MACHINE, "Out of memory", fix=SHORTAGES[errno.ENOMEM])
        if isinstance(cause, RuntimeError) and "start new thread" in str(cause):
            return Problem(Kind.MACHINE, str(cause), fix=NO_THREAD)
        if isinstance(cause, OSError) and (fix := SHORTAGES.get(cause.errno or 0)):
            return Problem(Kind.MACHINE, cause.strerror or str(cause), fix=fix)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from, however it holds them."""
    left = [error]
    seen: set[int] = set()
    while left:
        cause = left.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        held = (*cause.args, cause.__cause__, cause.__context__, getattr(cause, "reason", None))
        left += [each for each in held if isinstance(each, BaseException)]
