"""Sessions of the whole market: whether they are believed, what of them is new, and how far they were read."""

from __future__ import annotations

from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from datetime import date, timedelta
from typing import NamedTuple

from source_stock_prices import healing, sessions
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.findings import NO_SESSION, NOT_BELIEVED
from source_stock_prices.healing import Entry
from source_stock_prices.prints import MarketPrints
from source_stock_prices.providers.terms import (
    Bar,
    Kind,
    Problem,
    Query,
    is_market,
)
from source_stock_prices.recheck import (
    Recheck,
    believable,
    known_by_session,
    known_of_market,
    remember_market,
)
from source_stock_prices.report import Report
from source_stock_prices.sessions import Horizon

State = MutableMapping[str, Entry]


class Taken(NamedTuple):
    """What a session brings: bars to emit, and tickers by what became of their history or of their bar."""

    bars: Sequence[Bar] = ()
    rewritten: Sequence[str] = ()
    changed: Sequence[str] = ()
    filled: Sequence[str] = ()
    missing: Sequence[str] = ()


class Markets:
    """The markets of a sync, each from when it is needed: of named tickers there may be several."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        config: Config,
        horizon: Horizon,
    ) -> None:
        self._entries = entries
        self._config = config
        self._horizon = horizon
        self._markets: dict[str, Market] = {}

    def of(self, query: Query) -> Market:
        """The market that a query is about."""
        market_of = self._config.provider.market_of
        name = market_of(query.tickers[0])
        if name not in self._markets:
            tickers = [ticker for ticker in self._config.tickers if market_of(ticker) == name]
            self._markets[name] = Market(self._entries, self._config, self._horizon, tickers)
        return self._markets[name]

    def __iter__(self) -> Iterator[Market]:
        return iter(self._markets.values())


class Market:
    """Takes sessions one at a time: those up to the state's date to compare, new ones, and older ones nobody knows.

    `entries` are the state's before the sync. Of the whole market there is one, of named tickers one each. `tickers`
    are those of one market, or stand for all of them.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        config: Config,
        horizon: Horizon,
        tickers: Sequence[str],
    ) -> None:
        self._config = config
        self._tickers = tickers
        ticker = self._name = tickers[0]
        self._exchange = horizon.exchange_of(ticker)
        self._last_final = horizon.last_final(ticker)
        self._end = horizon.end(ticker)
        self.is_whole = is_market(ticker)
        self.state_date = date.min
        """The last session that there is something to compare with."""
        self._since: date | None = None
        self._unread: date | None = None
        self._rows_before: int | None = None
        if self.is_whole:
            self._recheck = self._of_whole(entries)
        else:
            self._recheck = self._of_tickers(entries)

    def _of_whole(self, entries: Mapping[str, Entry]) -> Recheck:
        entry = entries.get(self._name, {})
        prints = {}
        self._unread = self._still_unread(entry)
        if "date" in entry:
            self._since = healing.first_day(entry)
        if self._is_comparable(entry):
            self.state_date = date.fromisoformat(entry["date"])
            prints = known_of_market(entry)
        waiting = []
        for ticker, each in entries.items():
            if each.get("again") is True:
                waiting.append(ticker)
        return Recheck(
            prints,
            self.state_date,
            self._last_final,
            waiting=waiting,
        )

    def _of_tickers(self, entries: Mapping[str, Entry]) -> Recheck:
        known = {}
        dates = {}
        for ticker in self._tickers:
            entry = entries.get(ticker, {})
            if not self._is_comparable(entry) or "again" in entry:
                continue
            day = date.fromisoformat(entry["date"])
            if day < self._end:  # any other is not asked for, and must not hold the others' bars back
                known[ticker] = entry
                dates[ticker] = day
        self.state_date = max(dates.values(), default=date.min)
        prints = known_by_session(known)
        return Recheck(
            prints,
            self.state_date,
            self._last_final,
            dates=dates,
        )

    def _is_comparable(self, entry: Entry) -> bool:
        return "date" in entry and not self._is_of_other_setting(entry)

    def _is_of_other_setting(self, entry: Entry) -> bool:
        adjustment = self._config.adjustment
        provider = self._config.provider.origin
        return healing.changed_setting(entry, adjustment, provider) is not None

    # What a session brings

    def take(
        self,
        query: Query,
        bars: Iterable[Bar],
        report: Report,
    ) -> Taken:
        """One session's bars. Raises ProviderError for a new session that is not believed."""
        day = query.start
        if report.market_rows is None:
            return Taken()  # the vendor has not published it yet
        count, said = report.market_rows
        reason = self._doubt(day, count, said)
        if reason is None:
            if self.is_history(day):
                return self._uncompared(day, bars)
            return self._judged(query, bars)

        if not count and self._exchange != sessions.NEW_YORK and not self.is_read(day):
            report.find(NO_SESSION, None, day)
            return Taken()  # other exchanges close for a storm or a vote, which their calendars learn later
        report.find(NOT_BELIEVED, None, day, reason)
        if self.is_read(day):
            return self._held_back(day)
        if self._may_still_come(day):
            doubt = f"the session of {day} is not believed: {reason}"
            problem = Problem(Kind.INCOMPLETE, doubt)
            raise ProviderError(problem)
        return self._judged(query, bars)

    def _doubt(
        self,
        day: date,
        count: int,
        said: int | None,
    ) -> str | None:
        """Why a session is not believed; None where it is, or where it may not be over yet."""
        if day > self._last_final:
            return None
        reason = believable(count, said, self._rows_before)
        if reason is None and not self.is_history(day):
            self._rows_before = count
        return reason

    def _uncompared(self, day: date, bars: Iterable[Bar]) -> Taken:
        """The bars of a session that the state has no prints of: there is nothing to compare."""
        fresh = self._recheck.take(day, bars, is_recent=self._may_still_come(day))
        return Taken(fresh)

    def _judged(self, query: Query, bars: Iterable[Bar]) -> Taken:
        """What is new or changed in a session, compared with the prints of the state."""
        asked = None if self.is_whole else query.tickers
        session = self._recheck.judge(query.start, bars, asked)
        if query.start > self.state_date:
            span = timedelta(days=2 * self._config.recheck_sessions + 14)
            self._recheck.forget_before(query.start - span)
        return Taken(
            session.fresh,
            session.rewritten,
            session.changed,
            session.filled,
            session.missing,
        )

    def _held_back(self, day: date) -> Taken:
        """The bars of earlier sessions that waited for the session of the state's date, if that is this one."""
        if day != self.state_date:
            return Taken()
        return Taken(self._recheck.release())

    def _may_still_come(self, day: date) -> bool:
        """Whether a session is young enough to be waited for."""
        age = len(sessions.between(day, self._end, self._exchange))
        return age <= max(self._config.recheck_sessions, 1)

    def is_read(self, day: date) -> bool:
        """Whether a session is not after the state's date: without it, the state says no less than before."""
        return day <= self.state_date or self.is_history(day)

    def is_history(self, day: date) -> bool:
        """Whether a session of the whole market was read with another setting, or is older than all that was read."""
        if self._unread and day <= self._unread:
            return True
        return self.is_older(day)

    def is_older(self, day: date) -> bool:
        """Whether a session of the whole market is older than all that was read."""
        return self._since is not None and day < self._since

    # What the state remembers

    def replace(self, ticker: str, bars: Iterable[Bar], state: State) -> None:
        """A ticker's history was read again and emitted: the state of the whole market has its new prints.

        Read by name again, it is compared with nothing that it knew before.
        """
        self._recheck.replace(ticker, bars)
        entry = state.pop(ticker)
        if "date" in entry:
            state[ticker] = {
                "date": entry["date"],
                "provider": healing.SEVERAL,
                "since": healing.first_day(entry).isoformat(),
            }

    def remember(
        self,
        query: Query,
        bars: Sequence[Bar],
        state: State,
    ) -> None:
        """Writes into the state of the whole market how far it was read, once the session's bars were emitted."""
        day = query.start
        entry = state.get(self._name)
        if entry is not None and self.is_history(day):
            state[self._name] = self._with_history(entry, day)
            return
        if not bars or day > self._last_final:
            return
        state[self._name] = self._entry(entry, day, {})

    def checkpoint(self, state: State) -> None:
        """Writes the prints of the last sessions into a state that is about to be kept: they are too many to be written
        with every session.
        """
        entry = state.get(self._name)
        if self.is_whole and entry and self._is_comparable(entry):
            day = date.fromisoformat(entry["date"])
            state[self._name] = self._entry(entry, day, self._recheck.known)

    def _entry(
        self,
        entry: Entry | None,
        day: date,
        known: MarketPrints,
    ) -> Entry:
        now = remember_market(
            entry,
            known=known,
            state_date=day,
            recheck_sessions=self._config.recheck_sessions,
            since=None if entry else day,
            adjustment=self._config.adjustment,
            provider=self._config.provider.origin,
        )
        unread = self._still_unread(entry or {})
        if unread:
            now["again"] = unread.isoformat()
        return now

    def begin(self, start: date, state: State) -> None:
        """The history of the whole market begins with a day, whether or not that was a session."""
        entry = state.get(self._name, {})
        if "since" in entry:
            entry["since"] = min(entry["since"], start.isoformat())

    def give_up(self, state: State) -> None:
        """The plan does not reach a session that is to be read again, nor those before it, which would be next."""
        state[self._name].pop("again", None)

    def _still_unread(self, entry: Entry) -> date | None:
        """The last day that was read with another setting, and not again; None where there is none."""
        if "date" not in entry:
            return None
        if self._is_of_other_setting(entry):
            return date.fromisoformat(entry["date"])
        if "again" in entry:
            return date.fromisoformat(entry["again"])
        return None

    def _with_history(self, entry: Entry, day: date) -> Entry:
        """The entry after an older session was read: the newest ones come first."""
        now = dict(entry)
        since = healing.first_day(entry)
        if day < since:
            now["since"] = day.isoformat()
            return now

        if self._is_of_other_setting(entry):
            now.pop("tickers", None)
            now.pop("bars", None)
            now["adjustment"] = self._config.adjustment
            now["provider"] = self._config.provider.origin
        before = sessions.latest(day - healing.DAY, self._exchange)
        if before < since:
            now.pop("again", None)
        else:
            now["again"] = before.isoformat()
        return now
