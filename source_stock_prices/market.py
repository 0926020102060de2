"""Sessions of the whole market: whether they are believed, what of them is new, and how far they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import date
from typing import NamedTuple

from source_stock_prices import healing, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.healing import Entry
from source_stock_prices.prints import dump_market
from source_stock_prices.providers.terms import ANY, Bar, Kind, Problem, Query
from source_stock_prices.recheck import Recheck, believable, known_by_session, known_of_market, remember_market
from source_stock_prices.report import Report

NOT_BELIEVED = "{{title}} has not all of a session of the whole market: {{names}} ({reason})."

State = MutableMapping[str, Entry]


class Taken(NamedTuple):
    """What a session brings: the bars to emit, and the tickers whose history was rewritten."""

    bars: Sequence[Bar] = ()
    rewritten: Sequence[str] = ()


class Market:
    """Takes sessions one at a time: those up to the state's date to compare, new ones, and older ones nobody knows.

    `entries` are the state's before the sync. Of the whole market there is one, of named tickers one each.
    """

    def __init__(self, entries: Mapping[str, Entry], config: Config, last_final: date, end: date) -> None:
        self._config, self._last_final, self._end = config, last_final, end
        self.is_whole = config.tickers == (ANY,)
        self._rows_before: int | None = None
        names = (ANY,) if self.is_whole else config.tickers
        known = {name: entries[name] for name in names if self._is_comparable(entries.get(name, {}))}
        self._dates = {name: date.fromisoformat(entry["date"]) for name, entry in known.items()}
        self.state_date = max(self._dates.values(), default=date.min)
        if self.is_whole:
            prints = known_of_market(known[ANY]) if known else {}
            waiting = [ticker for ticker, entry in entries.items() if entry.get("again") is True]
            self._recheck = Recheck(prints, self.state_date, last_final, waiting=waiting)
        else:
            self._recheck = Recheck(known_by_session(known), self.state_date, last_final, dates=self._dates)
        before = entries.get(ANY, {}) if self.is_whole else {}
        self._since = healing.first_day(before, None) if "date" in before else None
        self._read_up_to = date.fromisoformat(before["date"]) if "date" in before else date.min

    def _is_comparable(self, entry: Entry) -> bool:
        if "date" not in entry or "again" in entry:
            return False
        return healing.changed_setting(entry, self._config.adjustment, self._config.provider.name) is None

    def take(self, query: Query, bars: Iterable[Bar], report: Report) -> Taken:
        """One session's bars. Raises ProviderError for a new session that is not believed."""
        day = query.start
        if report.market_rows is None:
            return Taken()  # the vendor has not published it yet
        reason = self._doubt(day, *report.market_rows)
        if reason is None:
            if self._is_history(day):
                return Taken([bar for bar in bars if bar.ticker not in self._recheck.waiting])
            session = self._recheck.judge(day, bars)
            return Taken(session.fresh, session.rewritten)
        report.remark(NOT_BELIEVED.format(reason=reason), str(day))
        if day <= self.state_date or self._is_history(day):
            return Taken(self._recheck.release() if day == self.state_date else ())
        if self._may_still_come(day):
            raise ProviderError(Problem(Kind.INCOMPLETE, f"the session of {day} is not believed: {reason}"))
        session = self._recheck.judge(day, bars)
        return Taken(session.fresh, session.rewritten)

    def _is_history(self, day: date) -> bool:
        """Whether a session is older than the state and was read with another setting, or never."""
        if not self.is_whole:
            return False
        if self.state_date == date.min:
            return day <= self._read_up_to
        return self._since is not None and day < self._since

    def _doubt(self, day: date, count: int, said: int | None) -> str | None:
        """Why a session is not believed; None where it is, or where it may not be over yet."""
        if day > self._last_final:
            return None
        reason = believable(count, said, self._rows_before)
        if reason is None and not self._is_history(day):
            self._rows_before = count
        return reason

    def _may_still_come(self, day: date) -> bool:
        """Whether a session is young enough to be waited for."""
        return len(sessions.between(day, self._end)) <= max(self._config.recheck_sessions, 1)

    def replace(self, ticker: str, bars: Iterable[Bar], state: State) -> None:
        """A ticker's history was read again and emitted, and need not be any more."""
        self._recheck.replace(ticker, bars)
        state.pop(ticker, None)
        if "bars" in state[ANY]:
            kept = {date.fromisoformat(day) for day in state[ANY]["bars"]}
            state[ANY] |= dump_market({day: prints for day, prints in self._recheck.known.items() if day in kept})

    def remember(self, query: Query, bars: Sequence[Bar], state: State) -> None:
        """Writes into the state of the whole market how far it was read, once the session's bars were emitted."""
        day = query.start
        entry = state.get(ANY)
        if entry is not None and self._is_history(day):
            state[ANY] = self._with_history(entry, day)
            return
        if not bars or day > self._last_final:
            return
        since = None if entry else day
        known = self._recheck.known if self._needs_prints(day) else {}
        now = remember_market(
            entry,
            known=known,
            state_date=day,
            recheck_sessions=self._config.recheck_sessions,
            since=since,
            adjustment=self._config.adjustment,
            provider=self._config.provider.name,
        )
        again = self._still_unread(entry)
        if again:
            now["again"] = again
        state[ANY] = now

    def begin(self, start: date, state: State) -> None:
        """The history of the whole market begins with a day, whether or not that was a session."""
        if ANY in state and "since" in state[ANY]:
            state[ANY]["since"] = min(state[ANY]["since"], start.isoformat())

    def _needs_prints(self, day: date) -> bool:
        """Whether a later sync will compare a session: only the last ones are kept."""
        return len(sessions.between(day, self._end)) <= 2 * self._config.recheck_sessions + 2

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
        since = healing.first_day(entry, None)
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
