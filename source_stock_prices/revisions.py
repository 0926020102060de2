"""What the state remembers of a ticker's events against what is listed now: new, changed, cancelled. Pure.

The state of a ticker, or of the whole market, holds the print of each event of the lookback, by day:
`{"events": {"2026-11-20": "rA1b,sC2d"}}`. A print is a letter for the kind of a dividend and three characters for all
that is written of the event. With the whole market the ticker stands before it: `"AAPL:rA1b,MSFT:rX9z"`.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import NamedTuple
from zlib import crc32

import orjson

from source_stock_prices.findings import CANCELLED, KEPT, Finding
from source_stock_prices.occurrences import Place, Row
from source_stock_prices.providers.terms import is_market

KINDS = {
    "r": "regular",
    "s": "special",
    "p": "supplemental",
    "i": "irregular",
    "u": "unknown",
}
"""The letter that stands for each kind of dividend in a print."""

LETTERS = {kind: letter for letter, kind in KINDS.items()}

PRINT = 3
"""Characters of a print, of 6 bits each."""

FEW = 2
"""Events that may vanish at once, even if they are most of those known. More are not believed to be cancelled."""


class Event(NamedTuple):
    """What names an event: the ticker, the day and, of a dividend, the letter of its kind ("" of a split)."""

    ticker: str
    day: str
    kind: str


class Revision(NamedTuple):
    """What to write, and what the state is to hold from now on.

    `fresh` are the records that are new or changed. `cancelled` are records of events that are no longer listed: their
    primary key, `cancelled` true, and null for all else. `events` is what the state remembers.
    """

    fresh: list[Row]
    cancelled: list[Row]
    findings: list[Finding]
    events: dict[str, str]

    @property
    def records(self) -> list[Row]:
        """All that is to be written, ascending by ticker and day."""
        return sorted(self.fresh + self.cancelled, key=event_of)


def revise(
    known: Mapping[str, str],
    records: Iterable[Row],
    *,
    ticker: str,
    start: date,
    end: date,
    oldest: date,
    blank: Row,
    doubts: Set[Place] = frozenset(),
) -> Revision:
    """Compares the events that the state knows with the records of the window that was asked for, both inclusive.

    `ticker` is the key of the state, "*" for the whole market. `oldest` is the first day that a later sync can ask for
    again: prints of older days are forgotten. `blank` is a record of nulls, with what holds for every record. Where a
    row was left out (`doubts` of the answer) nothing is cancelled, and neither is most of what was known at once: but
    where the day has an event of another kind instead. Another provider, for one, may call it something else.
    """
    before = unpacked(known, ticker)
    listed = {event_of(record): record for record in records}
    now = {}
    fresh = []
    for event, record in listed.items():
        now[event] = fingerprint(record)
        if now[event] != before.get(event):
            fresh.append(record)

    first = start.isoformat()
    last = end.isoformat()
    asked = [event for event in before if first <= event.day <= last]
    missing = []
    for event in asked:
        if event not in now and not _is_doubtful(event, doubts):
            missing.append(event)

    findings = []
    still_listed = {(event.ticker, event.day) for event in now}
    vanished = [event for event in missing if (event.ticker, event.day) not in still_listed]
    count = len(vanished)
    if count > FEW and 2 * count > len(asked):
        findings.append(Finding(KEPT, ticker, None, (f"{count} of {len(asked)}",)))
        missing = [event for event in missing if event not in vanished]
    else:
        findings += [Finding(CANCELLED, event.ticker, event.day) for event in vanished]

    gone = set(missing)
    remembered = {}
    for event, mark in (before | now).items():
        if event not in gone and event.day >= oldest.isoformat():
            remembered[event] = mark
    return Revision(
        fresh=fresh,
        cancelled=[_cancellation(event, blank) for event in missing],
        findings=findings,
        events=packed(remembered, ticker),
    )


def event_of(record: Row) -> Event:
    """What names the event of a record."""
    kind = record.get("kind", "")
    return Event(
        ticker=record["stock_ticker"],
        day=record["date"],
        kind=LETTERS.get(kind, ""),
    )


def fingerprint(record: Row) -> str:
    """The print of all that is written of an event: three characters of base64url."""
    written = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    checksum = crc32(written).to_bytes(4, "big")
    return urlsafe_b64encode(checksum).decode()[:PRINT]


def packed(prints: Mapping[Event, str], ticker: str) -> dict[str, str]:
    """Prints by event as the state writes them: one text a day."""
    days: dict[str, list[str]] = {}
    for event in sorted(prints):
        name = f"{event.ticker}:" if is_market(ticker) else ""
        token = f"{name}{event.kind}{prints[event]}"
        days.setdefault(event.day, []).append(token)
    return {day: ",".join(days[day]) for day in sorted(days)}


def unpacked(events: Mapping[str, str], ticker: str) -> dict[Event, str]:
    """The opposite of `packed`; raises ValueError with a sentence for a state that `packed` did not write."""
    prints = {}
    for day, text in events.items():
        for token in text.split(","):
            name, _, print_of_kind = token.rpartition(":")
            kind = print_of_kind[:-PRINT]
            mark = print_of_kind[-PRINT:]
            is_print = len(mark) == PRINT and kind in ("", *KINDS)
            is_named = name != ""
            if not is_print or is_named != is_market(ticker):
                raise ValueError(f"{token!r} of {ticker!r} on {day!r} is not the print of an event")
            event = Event(name or ticker, day, kind)
            prints[event] = mark
    return prints


def _is_doubtful(event: Event, doubts: Set[Place]) -> bool:
    places: set[Place] = {
        (event.ticker, event.day),
        (event.ticker, None),
        (None, event.day),
        (None, None),
    }
    return not places.isdisjoint(doubts)


def _cancellation(event: Event, blank: Row) -> Row:
    record = dict(blank)
    record["stock_ticker"] = event.ticker
    record["date"] = event.day
    record["cancelled"] = True
    if event.kind:
        record["kind"] = KINDS[event.kind]
    return record
