"""Many tickers judged one session at a time, where a request has a session of the whole market. Pure.

What is remembered, emitted and read again is as for one ticker, in `healing`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from source_stock_prices.healing import Entry, first_day, known_of
from source_stock_prices.prints import (
    MarketPrints,
    dump_market,
    load_market,
    print_of,
    same_prices,
)
from source_stock_prices.providers.terms import Bar


class Session(NamedTuple):
    """What one session's bars say, by ticker."""

    fresh: list[Bar]
    """The bars to emit now, those of older sessions first."""
    rewritten: list[str]
    """The tickers whose whole history has to be read again."""
    changed: list[str]
    filled: list[str]
    missing: list[str]


class Recheck:
    """Judges the sessions of many tickers, which come one at a time, oldest first, and keeps their prints.

    What is fresh in a session before the state's date is held back until the state's date was judged: if a later
    session shows that a ticker's history was rewritten, reading it again brings those bars too, and no key may come
    twice in a sync.
    """

    def __init__(
        self,
        known: MarketPrints,
        state_date: date,
        last_final: date,
        *,
        dates: Mapping[str, date] | None = None,
        waiting: Iterable[str] = (),
    ) -> None:
        """`known` are the prints by session and ticker, and are kept up to date. `dates` are the tickers' own dates,
        where they have some; `state_date` is the newest of them. `waiting` are tickers that are read again anyway.
        """
        self.known = known
        self.waiting = set(waiting)
        """The tickers whose bars come from a history read again, and from nowhere else in this sync."""
        self._state_date = state_date
        self._last_final = last_final
        self._dates = dates or {}
        self._compared: set[str] = set()
        self._lost: set[str] = set()
        self._held: list[tuple[Bar, str]] = []

    def judge(
        self,
        day: date,
        bars: Iterable[Bar],
        asked: Iterable[str] | None = None,
    ) -> Session:
        """Compares one session's bars with what is known of it; of any other ticker than those `asked`, nothing is."""
        before = self.known.get(day, {})
        rewritten = []
        changed = []
        filled = []
        served = set()
        for bar in bars:
            ticker = bar.ticker
            if ticker in self.waiting:
                continue
            served.add(ticker)
            was = before.get(ticker)
            now = print_of(bar)
            is_old = day < self._dates.get(ticker, self._state_date)
            if was == now and is_old:
                continue
            if was is None and is_old and before:
                filled.append(ticker)
            elif was is not None and was != now:
                if ticker not in self._compared and not same_prices(was, now):
                    rewritten.append(ticker)
                    continue
                changed.append(ticker)
            self._held.append((bar, now))

        expected = before.keys() - self.waiting
        if asked is not None:
            expected &= set(asked)
        missing = sorted(expected - served)
        for ticker in missing:
            del before[ticker]  # told once, then it is a hole like others
        self._compared |= before.keys() & served
        self._lost.update(missing)
        if day >= self._state_date:
            rewritten += self._beyond_comparison()
        self.waiting.update(rewritten)
        fresh = self.release() if day >= self._state_date else []
        return Session(fresh, rewritten, changed, filled, missing)

    def release(self) -> list[Bar]:
        """The bars held back, to be emitted now: for a sync that does not come to the session of the state's date."""
        held = self._held
        self._held = []
        fresh = []
        for bar, print_ in held:
            if bar.ticker in self.waiting:
                continue
            fresh.append(bar)
            self._keep(bar, print_)
        return fresh

    def take(self, day: date, bars: Iterable[Bar], *, is_recent: bool) -> list[Bar]:
        """The bars of a session that nothing is known of. A later sync compares with those of a recent one."""
        fresh = [bar for bar in bars if bar.ticker not in self.waiting]
        if is_recent:
            for bar in fresh:
                self._keep(bar, print_of(bar))
        return fresh

    def replace(self, ticker: str, bars: Iterable[Bar]) -> None:
        """A ticker's history was read again and emitted: its prints are those of these bars."""
        oldest = min(self.known, default=self._state_date)
        self.waiting.add(ticker)
        for bar in bars:
            if bar.date >= oldest:
                self._keep(bar, print_of(bar))

    def forget_before(self, day: date) -> None:
        """Sessions before a day are not compared with any more."""
        for old in [each for each in self.known if each < day]:
            del self.known[old]

    def _beyond_comparison(self) -> list[str]:
        """The tickers that have bars to emit, and lost every bar that these could be compared with."""
        emitted = {bar.ticker for bar, _ in self._held}
        incomparable = self._lost - self._compared
        return sorted(emitted & incomparable - self.waiting)

    def _keep(self, bar: Bar, print_: str) -> None:
        if bar.date <= self._last_final:
            self.known.setdefault(bar.date, {})[bar.ticker] = print_


def known_by_session(entries: Mapping[str, Entry]) -> MarketPrints:
    """The prints that tickers' own entries remember, by session and ticker."""
    known: MarketPrints = {}
    for ticker, entry in entries.items():
        for day, print_ in known_of(entry).items():
            known.setdefault(day, {})[ticker] = print_
    return known


def known_of_market(entry: Entry) -> MarketPrints:
    """The prints that the entry of the whole market remembers, by session and ticker."""
    return load_market(entry)


def remember_market(
    entry: Entry | None,
    *,
    known: MarketPrints,
    state_date: date,
    recheck_sessions: int,
    since: date | None,
    adjustment: str,
    provider: str,
) -> dict[str, Any]:
    """The entry of the whole market after its sessions up to `state_date` were emitted.

    It remembers as many sessions as may be asked for again. `since` is as for `remember`; the date never goes back.
    """
    if entry and "date" in entry:
        since = since or first_day(entry)
        before = date.fromisoformat(entry["date"])
        state_date = max(state_date, before)
    since = since or state_date
    oldest_age = _ages(recheck_sessions)[-1]
    days = sorted(day for day in known if day <= state_date)
    kept = {day: known[day] for day in days[-oldest_age:]}
    return {
        "date": state_date.isoformat(),
        "adjustment": adjustment,
        "provider": provider,
        "since": since.isoformat(),
        **dump_market(kept),
    }


def recheck_days(
    sessions: Sequence[date],
    state_date: date,
    recheck_sessions: int,
) -> list[date]:
    """The old sessions to ask for again, ascending, where one request has one session of the whole market.

    `sessions` are those up to the newest one due, ascending. A session is asked for again whenever its age, in
    sessions, reached 1, 2, 4, 8, … since the last sync, up to `recheck_sessions`: one session for each of these ages
    in a daily sync, and after a pause each session that passed one of them. The state's date is always asked for.
    """
    read = bisect_right(sessions, state_date)
    new = len(sessions) - read
    ages = _ages(recheck_sessions)
    oldest = max(0, read - ages[-1])
    days = []
    for n in range(oldest, read):
        was = read - 1 - n
        now = was + new
        if was == 0 or any(was < age <= now for age in ages):
            days.append(sessions[n])
    return days


def _ages(recheck_sessions: int) -> list[int]:
    ages = [1]
    age = 2
    while age <= recheck_sessions:
        ages.append(age)
        age *= 2
    return ages


def believable(
    count: int,
    said: int | None,
    before: int | None,
) -> str | None:
    """Why a past session of the whole market is not believed, as a clause; None if it is.

    `count` are its tickers, `said` how many rows the vendor says it has, `before` the tickers of the session before.
    """
    if count == 0:
        return "it has no ticker"
    if said is not None and count < said:
        return f"it has {count:,} of the {said:,} rows that it says it has"
    if before is not None and 2 * count < before:
        return f"it has {count:,} of the {before:,} tickers of the session before, less than half"
    return None
