"""Sessions of the whole market: whether they are believed, what of them is new, and how far they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from source_stock_prices import healing, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.healing import Entry
from source_stock_prices.prints import MarketPrints
from source_stock_prices.providers.terms import ANY, Bar, Kind, Problem, Query
from source_stock_prices.recheck import Recheck, believable, known_by_session, known_of_market, remember_market
from source_stock_prices.report import Report

NOT_BELIEVED = "{{title}} has not all of a session of the whole market: {{names}} ({reason})."

State = MutableMapping[str, Entry]


class Taken(NamedTuple):
    """What a session brings: bars to emit, and tickers whose history was rewritten, or whose bar is gone."""

    bars: Sequence[Bar] = ()
    rewritten: Sequence[str] = ()
    missing: Sequence[str] = ()


class Market:
    """Takes sessions one at a time: those up to the state's date to compare, new ones, and older ones nobody knows.

    `entries` are the state's before the sync. Of the whole market there is one, of named tickers one each.
    """

    def __init__(self, entries: Mapping[str, Entry], config: Config, last_final: date, end: date) -> None:
        self._config, self._last_final, self._end = config, last_final, end
        self.is_whole = config.tickers == (ANY,)
        self._rows_before: int | None = None
        self.state_date = date.min
        self._since: date | None = None
        self._unread: date | None = None
        if self.is_whole:
            self._recheck = self._of_whole(entries)
        else:
            self._recheck = self._of_tickers(entries)

    def _of_whole(self, entries: Mapping[str, Entry]) -> Recheck:
        entry = entries.get(ANY, {})
        prints = {}
        if "date" in entry:
            self._since = healing.first_day(entry)
            unread = self._still_unread(entry)
            if unread:
                self._unread = date.fromisoformat(unread)
            if self._is_comparable(entry):
                self.state_date = date.fromisoformat(entry["date"])
                prints = known_of_market(entry)
        waiting = [ticker for ticker, each in entries.items() if each.get("again") is True]
        return Recheck(prints, self.state_date, self._last_final, waiting=waiting)

    def _of_tickers(self, entries: Mapping[str, Entry]) -> Recheck:
        known = {}
        dates = {}
        for ticker in self._config.tickers:
            entry = entries.get(ticker, {})
            if not self._is_comparable(entry):
                continue
            day = date.fromisoformat(entry["date"])
            if day < self._end:  # any other is not asked for, and must not hold the others' bars back
                known[ticker] = entry
                dates[ticker] = day
        self.state_date = max(dates.values(), default=date.min)
        prints = known_by_session(known)
        return Recheck(prints, self.state_date, self._last_final, dates=dates)

    def _is_comparable(self, entry: Entry) -> bool:
        if "date" not in entry:
            return False
        return healing.changed_setting(entry, self._config.adjustment, self._config.provider.name) is None

    def take(self, query: Query, bars: Iterable[Bar], report: Report) -> Taken:
        """One session's bars. Raises ProviderError for a new session that is not believed."""
        day = query.start
        if report.market_rows is None:
            return Taken()  # the vendor has not published it yet
        reason = self._doubt(day, *report.market_rows)
        if reason is None:
            if self.is_history(day):
                return Taken([bar for bar in bars if bar.ticker not in self._recheck.waiting])
            session = self._recheck.judge(day, bars)
            return Taken(session.fresh, session.rewritten, session.missing)
        report.remark(NOT_BELIEVED.format(reason=reason), str(day))
        if self.is_read(day):
            return Taken(self._recheck.release() if day == self.state_date else ())
        if self._may_still_come(day):
            raise ProviderError(Problem(Kind.INCOMPLETE, f"the session of {day} is not believed: {reason}"))
        session = self._recheck.judge(day, bars)
        return Taken(session.fresh, session.rewritten, session.missing)

    def is_read(self, day: date) -> bool:
        """Whether a session is not after the state's date: without it, the state says no less than before."""
        return day <= self.state_date or self.is_history(day)

    def is_history(self, day: date) -> bool:
        """Whether a session of the whole market was read with another setting, or is older than all that was read."""
        if self._unread and day <= self._unread:
            return True
        return self._since is not None and day < self._since

    def _doubt(self, day: date, count: int, said: int | None) -> str | None:
        """Why a session is not believed; None where it is, or where it may not be over yet."""
        if day > self._last_final:
            return None
        reason = believable(count, said, self._rows_before)
        if reason is None and not self.is_history(day):
            self._rows_before = count
        return reason

    def _may_still_come(self, day: date) -> bool:
        """Whether a session is young enough to be waited for."""
        return len(sessions.between(day, self._end)) <= max(self._config.recheck_sessions, 1)

    def replace(self, ticker: str, bars: Iterable[Bar], state: State) -> None:
        """A ticker's history was read again and emitted: the state of the whole market has its new prints."""
        self._recheck.replace(ticker, bars)
        state.pop(ticker, None)

    def remember(self, query: Query, bars: Sequence[Bar], state: State) -> None:
        """Writes into the state of the whole market how far it was read, once the session's bars were emitted."""
        day = query.start
        entry = state.get(ANY)
        if entry is not None and self.is_history(day):
            state[ANY] = self._with_history(entry, day)
            return
        if not bars or day > self._last_final:
            return
        state[ANY] = self._entry(entry, day, {})
        self._recheck.forget_before(day - timedelta(days=2 * self._config.recheck_sessions + 14))

    def checkpoint(self, state: State) -> None:
        """Writes the prints of the last sessions into a state that is about to be kept: they are too many to be written
        with every session.
        """
        entry = state.get(ANY)
        if self.is_whole and entry and self._is_comparable(entry):
            state[ANY] = self._entry(entry, date.fromisoformat(entry["date"]), self._recheck.known)

    def _entry(self, entry: Entry | None, day: date, known: MarketPrints) -> Entry:
        now = remember_market(
            entry,
            known=known,
            state_date=day,
            recheck_sessions=self._config.recheck_sessions,
            since=None if entry else day,
            adjustment=self._config.adjustment,
            provider=self._config.provider.name,
        )
        again = self._still_unread(entry)
        if again:
            now["again"] = again
        return now

    def begin(self, start: date, state: State) -> None:
        """The history of the whole market begins with a day, whether or not that was a session."""
        if ANY in state and "since" in state[ANY]:
            state[ANY]["since"] = min(state[ANY]["since"], start.isoformat())

    def give_up(self, query: Query, state: State) -> None:
        """The plan does not reach an older session, nor those before it, which would be read next."""
        entry = state[ANY]
        if self._unread and query.start <= self._unread:
            entry.pop("again", None)
        else:
            entry["since"] = min(entry["since"], query.start.isoformat())

    def _still_unread(self, entry: Entry | None) -> str | None:
        """The last day that was read with another setting, as text; None where there is none."""
        if entry is None:
            return None
        if healing.changed_setting(entry, self._config.adjustment, self._config.provider.name):
            return str(entry["date"])
        return entry.get("again")

    def _with_history(self, entry: Entry, day: date) -> Entry:
        """The entry after an older session was read: the newest ones come first."""
        now = {**entry}
        since = healing.first_day(entry)
        if day < since:
            now["since"] = day.isoformat()
            return now
        if healing.changed_setting(entry, self._config.adjustment, self._config.provider.name):
            now = {key: value for key, value in now.items() if key not in ("tickers", "bars")}
            now |= {"adjustment": self._config.adjustment, "provider": self._config.provider.name}
        before = sessions.latest(day - healing.DAY)
        if before < since:
            now.pop("again", None)
        else:
            now["again"] = before.isoformat()
        return now
