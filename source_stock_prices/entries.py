"""What the state said of each ticker of `stock_prices` before the sync. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from source_stock_prices import healing
from source_stock_prices.config import Config
from source_stock_prices.healing import Change, Entry
from source_stock_prices.prints import dump, load_market
from source_stock_prices.providers.terms import RAW, Query, is_market

UNFINISHED = Change("an earlier reread did not finish")


class Entries:
    """The entries of a state as this version writes them, whichever version wrote it. They stay as they are."""

    def __init__(
        self,
        seen: Mapping[str, Entry],
        config: Config,
        bound: date | None,
    ) -> None:
        self._market = config.market
        self._adjustment = config.adjustment
        self._provider = config.provider.origin
        self.by_ticker: dict[str, Entry] = {}
        for ticker, entry in seen.items():
            self.by_ticker[ticker] = healing.upgraded(entry, bound)
            if is_market(ticker) and self.has_read(ticker):
                self.of(ticker).setdefault("adjustment", RAW)  # older versions wrote the others only

    def of(self, ticker: str) -> Entry:
        """A ticker's entry, empty for a ticker that has none."""
        return self.by_ticker.get(ticker, {})

    def has_read(self, ticker: str) -> bool:
        """Whether bars of a ticker were read before."""
        return "date" in self.of(ticker)

    def is_waiting(self, ticker: str) -> bool:
        """Whether an earlier sync found a ticker's history rewritten, and did not come to read all of it again.

        One that only the whole market had is a new one where it is read by name.
        """
        is_marked = self.of(ticker).get("again") is True
        return is_marked and (self._market is not None or self.has_read(ticker))

    def to_read_again(self, ticker: str) -> Change | None:
        """Why all that was read of a ticker is to be read again; None where it is not."""
        change = self.changed_setting(ticker)
        if change is None and self.is_waiting(ticker):
            return UNFINISHED
        return change

    def first_day(self, ticker: str) -> date:
        """The first day ever read of a ticker, by name or with the whole market."""
        days = []
        for name in (ticker, self._market):
            if name and self.has_read(name):
                days.append(healing.first_day(self.of(name)))
        return min(days)

    def changed_setting(self, ticker: str) -> Change | None:
        """Which settings a ticker was read with that are others now; None where there are none."""
        if not self.has_read(ticker):
            return None
        return healing.changed_setting(self.of(ticker), self._adjustment, self._provider)

    def last_day(self, ticker: str) -> date:
        """The day of the last bar read of a ticker by name; the first of all days for one that was not."""
        if not self.has_read(ticker):
            return date.min
        return date.fromisoformat(self.of(ticker)["date"])

    def begin_after(self, query: Query, ticker: str) -> bool:
        """Whether the first day ever read of a ticker is after a query."""
        if not self.has_read(ticker):
            return False
        return query.end < healing.first_day(self.of(ticker))


def has_other_settings(seen: Mapping[str, Entry], config: Config) -> bool:
    """Whether rows were read with another setting than this sync's."""
    for entry in seen.values():
        if "date" in entry and healing.changed_setting(entry, config.adjustment, config.provider.origin):
            return True
    return False


def of_one_table(seen: Mapping[str, Entry], config: Config) -> dict[str, Entry]:
    """The entries of a state that the whole market and named tickers wrote in turns, for they share a table.

    Named tickers go on from what the whole market has of them. Where one of the two overwrites rows of the other with
    another setting, the other is to read all of them again when its turn comes. What this sync reads again with another
    setting is marked, for the case that it is stopped half-way, and the setting changed back.
    """
    is_whole = config.market is not None
    now = dict(seen)
    if not is_whole:
        now |= _from_market(seen, config.tickers)
    for ticker, entry in now.items():
        change = healing.changed_setting(entry, config.adjustment, config.provider.origin)
        if change is None or "date" not in entry:
            continue
        if is_market(ticker) != is_whole:
            now[ticker] = {**entry, "provider": healing.SEVERAL}
        elif ticker in config.tickers:
            again = entry["date"] if is_whole else True
            now[ticker] = {**entry, "again": again}
        elif is_whole:
            now[ticker] = {**entry, "provider": healing.SEVERAL}  # of another market, whose tickers may be named alike
    return now


def _from_market(seen: Mapping[str, Entry], tickers: Iterable[str]) -> dict[str, Entry]:
    """The entries of named tickers that a whole market has bars of, since the first day that either of them read."""
    entries: dict[str, Entry] = {}
    for name, market in seen.items():
        if is_market(name) and "date" in market:
            entries |= _from_one_market(market, seen, tickers)
    return entries


def _from_one_market(
    market: Entry,
    seen: Mapping[str, Entry],
    tickers: Iterable[str],
) -> dict[str, Entry]:
    since = healing.first_day(market).isoformat()
    prints = load_market(market)
    entries = {}
    for ticker in tickers:
        bars = {day: of_day[ticker] for day, of_day in prints.items() if ticker in of_day}
        if not bars:
            continue
        before = seen.get(ticker, {})
        if "date" in before:
            first = min(since, healing.first_day(before).isoformat())
            entries[ticker] = {**before, "since": first}
            continue
        last = max(bars)
        entry = {
            "date": last.isoformat(),
            "price": None,
            "adjustment": market.get("adjustment", RAW),
            "provider": market.get("provider", healing.SEVERAL),
            "since": since,
            "bars": dump(last, bars),
        }
        if "again" in market or "again" in before:
            entry["provider"] = healing.SEVERAL
        for mark in ("failed", "tried"):
            if mark in before:
                entry[mark] = before[mark]
        entries[ticker] = entry
    return entries
