"""What the state remembers against what the vendor answers now. Pure: no HTTP, no Airbyte, no clock.

An *entry* is a ticker's part of the state, as JSON. A *print* stands for a bar there (see `prints`). The *window* is
the sessions up to an entry's date that a sync asks for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from source_stock_prices.prints import (
    Prints,
    dump,
    load,
    print_of,
    same_prices,
)
from source_stock_prices.providers.terms import RAW, Bar

Entry = dict[str, Any]

Bars = dict[date, Bar]

DAY = timedelta(days=1)

LONGEST_CLOSURE = timedelta(days=10)
"""No exchange is closed as long: a first bar that comes so long after the start is late, and so is a last one."""

SEVERAL = "several"
"""The provider of an entry whose rows were read with more than one setting: they are all read again."""

MAX_STATES = 12
"""STATE messages of one sync. Each repeats the state of every ticker."""

MAX_STATE_BYTES = 5_000_000
"""Bytes of all STATE messages of one sync together."""


class Verdict(NamedTuple):
    """What an answer says of the bars that the state remembers of a ticker.

    If `rewritten`, the whole history has to be read again. If not, `fresh` are the bars to emit, ascending: those that
    are new or changed, and the one of the state's date.
    """

    fresh: list[Bar]
    rewritten: bool = False
    moved_on: date | None = None
    """The day that shows that the history was rewritten."""
    gone: bool = False
    """Whether the answer has bars, but none of those remembered: a ticker given to another company, for one."""
    changed: Sequence[date] = ()
    filled: Sequence[date] = ()
    """The days without a bar, between remembered ones, that have one now."""
    missing: Sequence[date] = ()
    """The days of remembered bars that the vendor no longer serves."""


class Change(NamedTuple):
    """Why a history is read again: a clause for a sentence and, if settings changed, their values before and now."""

    clause: str
    old: str | None = None
    new: str | None = None


def judge(
    known: Prints,
    state_date: date,
    bars: Iterable[Bar],
    asked: tuple[date, date],
    price: float | None = None,
) -> Verdict:
    """Compares a ticker's remembered prints with its bars, ascending, of the window `asked`, both ends inclusive.

    An event moves the bars before it, so the oldest bar that both have tells whether the history was rewritten; the
    newest may not. Entries of older versions have no prints, only the `price` on their date.
    """
    first, last = asked
    now = {}
    for bar in bars:
        if first <= bar.date <= last:
            now[bar.date] = bar
    before = {}
    for day in sorted(known):
        if first <= day <= last:
            before[day] = known[day]
    if before:
        return _judge_by_prints(before, state_date, now)
    if price and first <= state_date <= last:
        return _judge_by_price(price, state_date, now)
    return Verdict(list(now.values()))


def _judge_by_prints(
    before: Prints,
    state_date: date,
    now: Bars,
) -> Verdict:
    served = {}
    missing = []
    for day in before:
        if day in now:
            served[day] = print_of(now[day])
        else:
            missing.append(day)

    oldest = min(before)
    changed = []
    filled = []
    fresh = []
    for day, bar in now.items():
        if day not in before:
            fresh.append(bar)
            if oldest < day < state_date:
                filled.append(day)
        elif served[day] != before[day]:
            fresh.append(bar)
            changed.append(day)
        elif day == state_date:
            fresh.append(bar)

    gone = bool(now) and not served
    moved_on = _moved_on(before, served)
    if gone:
        moved_on = oldest
    return Verdict(
        fresh,
        rewritten=moved_on is not None,
        moved_on=moved_on,
        gone=gone,
        changed=changed,
        filled=filled,
        missing=missing,
    )


def moved(was: float, now: float) -> bool:
    """Whether a price changed by more than rounding: half a cent, or 0.05% of it where that is less."""
    rounding = min(0.005, 0.0005 * abs(was))
    return abs(now - was) > rounding


def _moved_on(before: Prints, served: Prints) -> date | None:
    """The oldest day that both have, if its prices moved."""
    if not served:
        return None
    oldest = min(served)
    if same_prices(served[oldest], before[oldest]):
        return None
    return oldest


def _judge_by_price(
    price: float,
    state_date: date,
    now: Bars,
) -> Verdict:
    verdict = Verdict(list(now.values()))
    if not now:
        return verdict
    rewritten = verdict._replace(
        rewritten=True,
        moved_on=state_date,
    )
    bar = now.get(state_date)
    if bar is None or bar.close is None:
        return rewritten._replace(gone=True, missing=[state_date])
    if moved(price, bar.close):
        return rewritten._replace(changed=[state_date])
    return verdict


def known_of(entry: Entry) -> Prints:
    """The prints that an entry remembers, by day: none for an entry of an older version."""
    if "date" not in entry:
        return {}
    last = date.fromisoformat(entry["date"])
    return load(last, entry.get("bars", ""))


def days_of(entry: Entry) -> list[date]:
    """The days of the bars that an entry remembers, ascending: its own date for an entry of an older version."""
    if "date" in entry and "bars" not in entry:
        return [date.fromisoformat(entry["date"])]
    return sorted(known_of(entry))


def remember(
    entry: Entry | None,
    *,
    bars: Sequence[Bar],
    window: int,
    last_final: date,
    since: date | None,
    adjustment: str,
    provider: str,
) -> Entry | None:
    """The entry of a ticker after its bars, ascending, were emitted; None while no final bar was ever read.

    `since` is the first day asked for, if the bars are a history (the first one, one read again, or what is before
    it), else None. `window` is the number of sessions before the last bar to remember. The date never goes back, and
    moves neither on an empty answer nor past the last final session.
    """
    final = [bar for bar in bars if bar.date <= last_final]
    if not final:
        return _without_news(entry, since)
    begun = _begun(final[0].date, since, entry or {})
    known: Prints = {}
    last = final[-1]
    state_date = last.date
    price = last.close
    if entry and "date" in entry:
        before = date.fromisoformat(entry["date"])
        if before > state_date:
            state_date = before
            price = entry.get("price")
        if changed_setting(entry, adjustment, provider) is None:
            known = known_of(entry)  # those that the vendor no longer serves are still in the table
    for bar in final[-window - 1 :]:
        known[bar.date] = print_of(bar)
    return {
        "date": state_date.isoformat(),
        "price": price,
        "adjustment": adjustment,
        "provider": provider,
        **begun,
        "bars": dump(state_date, _newest(known, window, state_date)),
    }


def _begun(first_bar: date, asked: date | None, entry: Entry) -> Entry:
    """The first day ever read, as `since`; and as `asked` an earlier one from which on the vendor had no bars.

    A history that begins late is one of a younger ticker, or one that the vendor cut without a word. An earlier start
    asks for all that is before it once more.
    """
    since = asked or first_bar
    if first_bar - since > LONGEST_CLOSURE:
        since = first_bar
    if "date" in entry:
        since = min(since, first_day(entry))
    begun = {"since": since.isoformat()}
    first_asked = _first_asked(entry, asked)
    if first_asked and first_asked < since:
        begun["asked"] = first_asked.isoformat()
    return begun


def _first_asked(entry: Entry, asked: date | None) -> date | None:
    """The first day ever asked for, now or before, as far as an entry says so."""
    days = [asked] if asked else []
    if "asked" in entry:
        days.append(date.fromisoformat(entry["asked"]))
    return min(days, default=None)


def forget(entry: Entry, days: Iterable[date]) -> Entry:
    """The entry without the prints of some days, which the vendor no longer serves."""
    known = known_of(entry)
    for day in days:
        known.pop(day, None)
    last = date.fromisoformat(entry["date"])
    return {**entry, "bars": dump(last, known)}


def failed(entry: Entry | None, day: date) -> Entry:
    """The entry of a ticker that failed on a day."""
    return {**tried(entry, day), "failed": True}


def tried(entry: Entry | None, day: date) -> Entry:
    """The entry of a ticker that was asked for on a day, and brought no bar: it had its turn, but its date stays."""
    before = entry or {}
    return {**before, "tried": day.isoformat()}


def to_read_again(entry: Entry | None) -> Entry:
    """The entry of a ticker whose rows are to be read again: by a later sync, if this one does not come to it."""
    before = entry or {}
    return {**before, "again": True}


def _without_news(entry: Entry | None, since: date | None) -> Entry | None:
    kept = dict(entry or {})
    kept.pop("failed", None)
    kept.pop("tried", None)
    if "date" not in kept:
        return kept or None
    asked = _first_asked(kept, since)
    if asked and asked < first_day(kept):
        kept["asked"] = asked.isoformat()
    return kept


def _newest(
    known: Prints,
    window: int,
    state_date: date,
) -> Prints:
    """The prints of the last bars of a window: `window` sessions never span as many calendar days as this allows."""
    oldest = state_date - timedelta(days=2 * window + 7)
    newest = {}
    for day in sorted(known)[-window - 1 :]:
        if day >= oldest:
            newest[day] = known[day]
    return newest


def changed_setting(
    entry: Entry,
    adjustment: str,
    provider: str,
) -> Change | None:
    """Which settings an entry's bars were read with that are others now, None where there are none.

    Older versions wrote no provider, and no adjustment for raw prices. The tutorials wrote no price either.
    """
    now = {
        "adjustment": adjustment,
        "provider": provider,
    }
    before = dict(entry)
    if entry.get("price"):
        before.setdefault("adjustment", RAW)
    changed = []
    if before.get("provider") == SEVERAL:
        return Change("earlier syncs used different settings", SEVERAL, ", ".join(now.values()))
    for name, value in now.items():
        was = before.get(name)
        if was and was != value:
            changed.append((name, was, value))
    if not changed:
        return None
    return Change(
        clause=" and ".join(f"{name} changed from {was} to {value}" for name, was, value in changed),
        old=", ".join(was for _, was, _ in changed),
        new=", ".join(value for _, _, value in changed),
    )


def upgraded(entry: Entry, start_date: date | None) -> Entry:
    """An entry with its first day, which older versions wrote for adjusted prices only.

    Raw prices were read from the config's `start_date`. Without one, nothing before the entry's date is sure.
    """
    if "date" not in entry or "since" in entry:
        return dict(entry)
    state_date = date.fromisoformat(entry["date"])
    since = min(start_date or state_date, state_date)
    return {**entry, "since": since.isoformat()}


def first_day(entry: Entry) -> date:
    """Where a history is read again from: the first day ever read, or as much of it as older versions wrote.

    A later `start_date` does not change it: the rows before it are in the table, and would keep their old scale.
    """
    since = upgraded(entry, None)["since"]
    return date.fromisoformat(since)


def gap_before(entry: Entry, start: date) -> tuple[date, date] | None:
    """The window, both ends inclusive, that an earlier start adds before the first day ever read; None for no gap."""
    if "since" not in entry:
        return None
    since = date.fromisoformat(entry["since"])
    asked = _first_asked(entry, None) or since
    if start >= min(asked, since):
        return None
    return start, since - DAY


def window_start(sessions: Sequence[date], recheck_sessions: int) -> date:
    """The first day of the recheck window, from the sessions up to the state's date, ascending and at least one."""
    last = len(sessions) - 1
    first = max(0, last - recheck_sessions)
    return sessions[first]


def holes(sessions: Iterable[date], known_days: Iterable[date]) -> list[date]:
    """The sessions without a bar between the oldest and the newest day with one, ascending.

    What is before the oldest may be before the ticker was listed, and what is after the newest is still to come.
    """
    days = set(known_days)
    if not days:
        return []
    oldest = min(days)
    newest = max(days)
    found = []
    for day in sessions:
        if oldest < day < newest and day not in days:
            found.append(day)
    return found


def holes_to_tell(
    sessions: Iterable[date],
    known_days: Iterable[date],
    *,
    read_up_to: date | None,
    old_start: date | None,
    new_start: date,
) -> list[date]:
    """The holes to tell of in this sync, ascending: those met for the first time, and those now given up.

    `known_days` are the days remembered before this sync and those read in it. `read_up_to` is the state's date before
    it (None: never read). A hole is given up when the window, which began with `old_start`, begins after it.
    """
    told = []
    for day in holes(sessions, known_days):
        is_met = read_up_to is None or day > read_up_to
        is_given_up = old_start is not None and old_start <= day < new_start
        if is_met or is_given_up:
            told.append(day)
    return told


def order(tickers: Iterable[str], entries: Mapping[str, Entry]) -> list[str]:
    """The tickers in the order to ask for them, so that a quota that ends half-way starves none.

    The one whose turn was the longest ago comes first, whether or not it brought a bar then: one that is delisted, or
    fails every day, is no more urgent than others. Of those with their turn on the same day, the failed come last.
    """

    def turn(ticker: str) -> tuple[str, bool]:
        entry = entries.get(ticker, {})
        last = max(entry.get("date", ""), entry.get("tried", ""))
        return last, bool(entry.get("failed"))

    return sorted(tickers, key=turn)


def states_a_sync(state_bytes: int) -> int:
    """How many STATE messages of this size, in bytes, a sync may write."""
    fitting = MAX_STATE_BYTES // max(1, state_bytes)
    return max(1, min(MAX_STATES, fitting))
