"""What a person should look at, once for all who tell of it: the log, in lines, and the stream `findings`, in records.

Pure. A Finding is about one ticker or one day. In the log, those that share a sentence share a line.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import date
from enum import Enum
from typing import Any, NamedTuple

from source_stock_prices.errors import counted, names
from source_stock_prices.providers.answer import trim

NO_TICKER = "*"
"""The `stock_ticker` of a record about no single ticker: a key that some destinations refuse if it is null or empty."""

NAMED_SESSIONS = 3
"""Sessions of one ticker that a line names."""


MOST = 10_000
"""Findings of one sentence that a stream keeps in a sync: two for each of 5,000 tickers. A provider that lacks every
tenth session of twenty years would have millions, at half a kilobyte of memory and a kilobyte of records each."""

MORE = "{0} more findings of the kind {names} are left out."


class When(Enum):
    """When the log tells of a finding."""

    AT_ONCE = "as soon as the response is used that shows it"
    AT_THE_END = "in one line for all, when the stream was read"
    NEVER = "not at all: the sync has put it right, or fails with the same words"


class Sentence(NamedTuple):
    """What is said of findings of a kind.

    In `text`, {title} is the provider's, {0} and {1} are the facts that findings share, and {names} are the findings.
    {bars} and {sessions} count them.
    """

    kind: str
    text: str
    when: When = When.AT_THE_END


# Sessions and bars

NO_BAR = Sentence(
    "missing session",
    "{title} has no bar for {sessions}. Sessions are asked for again as long as they are recent.",
)
STILL_NO_BAR = Sentence(
    "missing session",
    "{title} still has no bar for {sessions}. Sessions that old are not asked for any more.",
)
LONG_GAP = Sentence(
    "missing session",
    "{title} has no bars for longer than any exchange is closed: {names}.",
)
FILLED = Sentence(
    "filled late",
    "{title} has a bar for {names} now, which was missing before.",
    When.NEVER,
)
DROPPED = Sentence(
    "dropped row",
    "Dropped {bars} from {title}: {0} ({names}).",
)
EMPTIED = Sentence(
    "odd field",
    "{0} of {names} from {title} {1}; it is null.",
)
CHANGED = Sentence(
    "changed bar",
    "{title} changed the bar of {names}.",
    When.NEVER,
)
REWRITTEN = Sentence(
    "history rewritten",
    "{title} rewrote the history of {names}: {0} changed. Rereading from {1}.",
    When.AT_ONCE,
)
RESUMED = Sentence(
    "history rewritten",
    "{0}; rereading {names} from {1}.",
    When.AT_ONCE,
)
JUMPED = Sentence(
    "price jump",
    "{names}. Check for a split, a wrong price or a reassigned ticker.",
)
NOT_BELIEVED = Sentence(
    "whole day not believed",
    "{title} has not all of a session of the whole market: {names} ({0}).",
)
NO_SESSION = Sentence(
    "whole day not believed",
    "{title} has no ticker for a session of the exchange, which may have been closed: {names}.",
)

# Tickers

GONE = Sentence(
    "ticker gone",
    "{title} no longer serves the last bars read for {names}. Check for a renamed, reassigned or delisted ticker.",
)
DELISTED = Sentence(
    "ticker gone",
    "{title} no longer knows {names}, which were read before. Check for a renamed or delisted ticker.",
)
NOT_REREAD = Sentence(
    "ticker gone",
    "{title} has no bars to reread the history of {names} with. Old rows stay, and the next sync asks again.",
)
NO_BARS = Sentence(
    "ticker unknown",
    "{title} has no bars for {names} since {0}. Check the spelling, and how far back your plan reaches.",
)
UNKNOWN = Sentence("ticker unknown", "{0}", When.AT_ONCE)
NOT_READ = Sentence("not read", "{0}", When.AT_ONCE)
STOPPED = Sentence("not read", "{0}", When.NEVER)
IN_FUTURE = Sentence(
    "not read",
    "the state of {names} is in the future; nothing is read until that date.",
    When.AT_ONCE,
)

# How far back

LATE = Sentence(
    "starts late",
    "{title} data starts later than {0}: {names}.",
)
LATE_REREAD = Sentence(
    "starts late",
    "{title} data starts later than {0}: {names}. Rows before its first bar, if there are any, keep their old scale.",
)
CUT = Sentence(
    "cut by the plan",
    "The {title} plan reaches back to {0}: rows of {names} before that day keep their old scale.",
)
SHORT = Sentence(
    "cut by the plan",
    "The {title} plan does not reach back to {0}. History begins later: {names}. The next sync asks again.",
)
OLDER_UNREACHED = Sentence(
    "cut by the plan",
    "The {title} plan does not reach older sessions of the whole market: {names}. The next sync asks again.",
)
UNREACHED = Sentence(
    "cut by the plan",
    "The {title} plan no longer reaches sessions of the whole market, which keep their old scale: {names}.",
)
ONE_BY_ONE = Sentence(
    "cut by the plan",
    "The {title} plan has no sessions of a whole exchange, so that tickers are read one by one: {names}.",
)
BEYOND_PLAN = Sentence("cut by the plan", "{0}", When.AT_ONCE)

# Events, settings, and what the provider itself says

LEFT_OUT = Sentence(
    "dropped row",
    "{title}: {names}: {0}. It is left out.",
    When.AT_ONCE,
)
ODD_EVENT = Sentence("odd event", "{title}: {names}: {0}", When.AT_ONCE)
KEPT = Sentence(
    "events not believed",
    "{title}: {names}: {0} events are no longer listed. They are kept, since that is hard to believe.",
    When.AT_ONCE,
)
CANCELLED = Sentence(
    "event cancelled",
    "{title} no longer lists the event of {names}, which is now marked as cancelled.",
    When.NEVER,
)
RENAMED = Sentence(
    "ticker renamed",
    "{names}: {0}. Prices of it {1} that day may be missing, or be those of another company.",
    When.AT_ONCE,
)
SETTING = Sentence(
    "setting changed",
    "{0}; rereading {names} from {1}.",
    When.AT_ONCE,
)
DIFFERS = Sentence(
    "second opinion differs",
    "{0} has other numbers than {title}: {names}. Find out which are right; nothing was changed.",
)
UNCONFIRMED = Sentence(
    "no second opinion",
    "{0} has no bar to compare for {sessions}.",
)
NO_OPINION = Sentence(
    "no second opinion",
    "{0} gave no second opinion on {names}: {1}.",
)
NOTICE = Sentence("notice", "Notice from {title} for {names}: {0}")

SENTENCES = [each for each in list(globals().values()) if isinstance(each, Sentence)]
"""All of the above."""

KINDS = sorted({sentence.kind for sentence in SENTENCES})


class Finding(NamedTuple):
    """One thing to look at. `day` is a date, or its ISO text; `old` and `new` are values as text, where they are known.

    `named` is how the sentence names it, where that is not simply the ticker and the day.
    """

    sentence: Sentence
    ticker: str | None = None
    day: date | str | None = None
    facts: tuple[str, ...] = ()
    named: str = ""
    old: str | None = None
    new: str | None = None

    @property
    def name(self) -> str:
        return self.named or place(self.ticker, self.day)


class Found:
    """Findings in their order, each once. Of a sentence, MOST are kept, and the others counted."""

    def __init__(self) -> None:
        self._kept: dict[Finding, None] = {}
        self._count: Counter[Sentence] = Counter()
        self._left_out: Counter[Sentence] = Counter()

    def add(self, finding: Finding) -> None:
        """Keeps a finding, or counts it."""
        if finding in self._kept:
            return
        sentence = finding.sentence
        if self._count[sentence] >= MOST:
            self._left_out[sentence] += 1
            return
        self._count[sentence] += 1
        self._kept[finding] = None

    def take_over(self, other: Found) -> None:
        """Adds what another one has."""
        for finding in other._kept:
            self.add(finding)
        self._left_out.update(other._left_out)

    def __iter__(self) -> Iterator[Finding]:
        """Those that are kept, then how many are left out."""
        yield from self._kept
        for sentence, count in self._left_out.items():
            more = Sentence(sentence.kind, MORE)
            yield Finding(more, facts=(f"{count:,}",), named=sentence.kind)


def place(ticker: str | None, day: date | str | None) -> str:
    """A ticker and a day in a sentence, as far as they are known."""
    parts = []
    if ticker:
        parts.append(shown(ticker))
    if day:
        parts.append(str(day))
    return " ".join(parts) or "A row"


def shown(ticker: str) -> str:
    """A ticker as it can be printed: a vendor's row may have anything in its place."""
    printable = ticker if ticker.isprintable() else ascii(ticker)
    return trim(printable, 40)


def lines(
    findings: Iterable[Finding],
    when: When,
    title: str,
) -> Iterator[str]:
    """What the log says of findings at a time: a line for all that share a sentence and its facts."""
    alike: defaultdict[tuple[Sentence, tuple[str, ...]], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.sentence.when is when:
            alike[finding.sentence, finding.facts].append(finding)
    for (sentence, facts), group in alike.items():
        yield sentence.text.format(
            *facts,
            title=title,
            names=names([finding.name for finding in group]),
            bars=counted(len(group), "bar"),
            sessions=_sessions(group),
        )


def _sessions(findings: Sequence[Finding]) -> str:
    """How many sessions of how many tickers, and the first of each."""
    by_ticker: defaultdict[str | None, list[str]] = defaultdict(list)
    for finding in findings:
        by_ticker[finding.ticker].append(finding.name)
    first = []
    for sessions in by_ticker.values():
        first += sessions[:NAMED_SESSIONS]
    count = counted(len(findings), "session")
    tickers = counted(len(by_ticker), "ticker")
    return f"{count} of {tickers}: {names(first)}"


def records(
    findings: Iterable[Finding],
    *,
    found_at: str,
    stream: str,
    last_day: date,
    title: str,
    provider: str,
) -> Iterator[Mapping[str, Any]]:
    """The records of a stream's findings, one for each primary key: what is said twice of one thing stands together.

    `found_at` is the moment of the sync in ISO 8601, `last_day` what stands where a finding is about no day.
    """
    by_key: dict[tuple[str, str, str], dict[str, Any]] = {}
    for finding in findings:
        ticker = shown(finding.ticker or "") or NO_TICKER
        day = str(finding.day or last_day)
        kind = finding.sentence.kind
        detail = finding.sentence.text.format(
            *finding.facts,
            title=title,
            names=finding.name,
            bars="a bar",
            sessions=finding.name,
        )
        record = by_key.get((ticker, day, kind))
        if record:
            record["detail"] += f" {detail}"
            continue
        by_key[ticker, day, kind] = {
            "found_at": found_at,
            "stream": stream,
            "stock_ticker": ticker,
            "date": day,
            "kind": kind,
            "detail": detail,
            "old": finding.old,
            "new": finding.new,
            "provider": provider,
        }
    yield from by_key.values()
