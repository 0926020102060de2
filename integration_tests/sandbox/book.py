"""The market as the vendors of a sandbox see it: the made-up one, with the edits of a test."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from source_stock_prices.providers import sample_market as market
from source_stock_prices.providers.sample_market import FIRST_SESSION, Trade
from source_stock_prices.sessions import is_session

WHOLE_MARKET = "*"
"""In the place of a ticker: every one."""

LONGEST_BREAK = timedelta(days=10)
"""Within so many days there is a session."""


class Event(NamedTuple):
    """A split or a dividend as vendors list it. `id` stays the same when it is corrected or moved to another day.

    A dividend of None is expected, its amount not known. `spun_off` are the shares of another company for one share.
    """

    date: date
    split: float = 1.0
    dividend: float | None = 0.0
    currency: str = "USD"
    id: str = ""
    spun_off: float = 0.0


class Scale(NamedTuple):
    """What multiplies the prices before a day for those who look from `since` on, and divides the volume."""

    day: date
    since: date
    price: float
    share: float


Edit = Callable[[Trade], Trade]
EventEdit = Callable[[Sequence[Event]], list[Event]]


class Book:
    """What happened on the market, in the order in which it was told here, and what vendors say instead.

    What happened: corrections, splits, dividends, listings. What they say: bars that come late, histories on a wrong
    scale, rows carried on from the day before, fields and rows that cannot be read.
    """

    def __init__(self) -> None:
        self._edits: defaultdict[str, list[Edit]] = defaultdict(list)
        self._scales: defaultdict[str, dict[str, list[Scale]]] = defaultdict(lambda: {"splits": [], "all": []})
        self._wrong: defaultdict[str, dict[tuple[date, bool], float]] = defaultdict(dict)
        self._events: defaultdict[str, list[EventEdit]] = defaultdict(list)
        self._garbled: defaultdict[str, dict[date, dict[str, Any]]] = defaultdict(dict)
        self._carried: defaultdict[str, set[date]] = defaultdict(set)
        self._hidden: set[tuple[str, date]] = set()
        self._otherwise: dict[tuple[str, str, date], Mapping[str, float]] = {}
        self._shortened: dict[date, tuple[int, bool]] = {}
        self._listed: dict[str, date] = {}
        self._delisted: dict[str, date] = {}
        self._forgotten: dict[str, date] = {}
        self._known_since: dict[str, date] = {}
        self._old_names: dict[str, str] = {}
        self._names_before: dict[str, str] = {}

    # What happened

    def correct(self, ticker: str, day: date, **changes: float) -> None:
        """Changes fields of a session's raw trade. High and low are extended where necessary."""
        self._change(ticker, day, changes, _fitted)

    def misquote(self, ticker: str, day: date, **changes: float) -> None:
        """Change fields of a session's raw trade, whether or not they fit together."""
        self._change(ticker, day, changes, lambda trade: trade)

    def split(self, ticker: str, day: date, factor: float, applied: date | None = None) -> None:
        """Split a ticker at a session's open: one share becomes `factor` shares.

        The adjusted series of the time before are on the new scale from `applied` on, else from the session on.
        """
        if factor <= 0:
            raise ValueError(f"the factor of a split must be above zero, not {factor}")
        scale = Scale(_session(ticker, day), applied or day, 1 / factor, 1 / factor)
        for scales in self._scales[ticker].values():
            scales.append(scale)
        self._edits[ticker].append(lambda trade: _split(trade, day, factor))

    def pay(self, ticker: str, day: date, amount: float, applied: date | None = None) -> None:
        """Pay a dividend at a session's open; series that are adjusted for it are so from `applied` on."""
        before = self.trades(ticker, day - LONGEST_BREAK, day - timedelta(days=1), "raw", day)[-1].close
        self._scales[ticker]["all"].append(Scale(_session(ticker, day), applied or day, 1 - amount / before, 1))
        self._edits[ticker].append(lambda trade: trade._replace(dividend=amount) if trade.date == day else trade)

    def begin(self, ticker: str, day: date) -> None:
        """Let a ticker be traded from a day on, and not before."""
        self._listed[ticker] = day

    def delist(self, ticker: str, day: date, forgotten: date | None = None) -> None:
        """Let a ticker be traded until the day before; from `forgotten` on vendors do not know it."""
        self._delisted[ticker] = day
        if forgotten:
            self._forgotten[ticker] = forgotten

    def rename(self, old: str, new: str, day: date) -> None:
        """Give a ticker's history to another name from a day on; the old one is not known any more."""
        for told in (self._edits, self._scales, self._wrong, self._events, self._garbled, self._carried):
            if old in told:
                told[new] = told[old]
        self._hidden |= {(new, hidden) for ticker, hidden in self._hidden if ticker == old}
        self._old_names[new] = self._old_names.get(old, old)
        self._names_before[new] = old
        self._known_since[new] = self._forgotten[old] = day

    def is_known(self, ticker: str, today: date) -> bool:
        """Whether vendors know a ticker on a day."""
        known_since, forgotten = self._known_since.get(ticker, today), self._forgotten.get(ticker, date.max)
        return market.is_listed(ticker) and known_since <= today < forgotten

    def delisted_on(self, ticker: str, today: date) -> date | None:
        """The day since which a ticker is not traded any more, if that is so on a day."""
        day = self._delisted.get(ticker)
        return day if day and day <= today else None

    def renamed(self, today: date) -> list[tuple[date, str, str]]:
        """The changes of tickers up to a day: since when, from, to."""
        changes = [(day, self._names_before[new], new) for new, day in self._known_since.items() if day <= today]
        return sorted(changes)

    # What is announced

    def announce(
        self,
        ticker: str,
        day: date,
        split: float = 1.0,
        dividend: float | None = 0.0,
        currency: str = "USD",
        spun_off: float = 0.0,
    ) -> None:
        """List an event of any day beside those that moved prices, with an id of its own."""
        event = Event(day, split, dividend, currency, f"{day}#{len(self._events[ticker])}", spun_off)
        self._events[ticker].append(lambda events: [*events, event])

    def amend(self, ticker: str, day: date, **changes: Any) -> None:
        """Correct the events listed for a day, or move them: `date` is one of the fields."""
        self._events[ticker].append(
            lambda events: [event._replace(**changes) if event.date == day else event for event in events]
        )

    def cancel(self, ticker: str, day: date) -> None:
        """Take the events of a day out of the list."""
        self._events[ticker].append(lambda events: [event for event in events if event.date != day])

    # What vendors say instead

    def hide(self, ticker: str, day: date) -> None:
        """Keep a bar, or with `*` the bars of all, from being published until it is shown."""
        self._hidden.add((ticker, _session(ticker, day)))

    def show(self, ticker: str, day: date) -> None:
        """Publishes a bar that was hidden."""
        self._hidden.discard((ticker, day))

    def is_hidden(self, ticker: str, day: date) -> bool:
        """Whether a bar is withheld."""
        return (ticker, day) in self._hidden or (WHOLE_MARKET, day) in self._hidden

    def contradict(self, vendor: str, ticker: str, day: date, **changes: float) -> None:
        """Let one vendor serve other numbers of a session than all the others; without numbers, let it lack the bar."""
        self._otherwise[vendor, ticker, day] = changes

    def as_told_by(self, vendor: str, ticker: str, trades: Sequence[Trade]) -> list[Trade]:
        """Trades as one vendor has them."""
        told = []
        for trade in trades:
            changes = self._otherwise.get((vendor, ticker, trade.date), {"close": trade.close})
            if changes:
                told.append(trade._replace(**changes))
        return told

    def scale(self, ticker: str, day: date, factor: float, *, raw: bool = False) -> None:
        """Serve the prices before a day multiplied by a factor, and with 1 as they should be.

        The adjusted series, as if a split were forgotten, applied twice, or of another ratio, volume included; with
        `raw` the prices of every series, as some vendors do for a spin-off.
        """
        self._wrong[ticker][day, raw] = factor

    def carry(self, ticker: str, day: date) -> None:
        """Serve a row of a day, traded or not, that repeats the close of the session before, without volume."""
        self._carried[ticker].add(day)

    def garble(self, ticker: str, day: date, value: Any, field: str = "") -> None:
        """Serve a value in place of a field of a day's rows, or of each whole row."""
        self._garbled[ticker].setdefault(day, {})[field] = value

    def garbled(self, ticker: str, day: date) -> Mapping[str, Any]:
        """What stands in place of the fields of a day's rows; under an empty name, of the row."""
        return self._garbled.get(ticker, {}).get(day, {})

    def shorten(self, day: date, rows: int, *, admitted: bool = False) -> None:
        """Let the answer for the whole market of a day hold so many rows; its count says so where it is `admitted`."""
        self._shortened[day] = rows, admitted

    def restore(self, day: date) -> None:
        """Let the answer for the whole market of a day be whole again."""
        self._shortened.pop(day, None)

    def shortened(self, day: date, rows: int) -> tuple[int, int]:
        """How many rows the answer for the whole market of a day holds, of so many, and how many it says it does."""
        kept, admitted = self._shortened.get(day, (rows, True))
        return min(kept, rows), min(kept, rows) if admitted else rows

    # What is to be read

    def trades(self, ticker: str, start: date, end: date, adjustment: str, as_of: date) -> Sequence[Trade]:
        """A ticker's trades in a window that ends no later than `as_of`, including hidden ones.

        They are adjusted for the events up to `as_of`. A correction does not change the factors of dividends.
        """
        name = self._old_names.get(ticker, ticker)
        listed, delisted = self._listed.get(ticker), self._delisted.get(ticker)
        first = max(start, listed) if listed else start
        last = min(end, as_of, delisted - timedelta(days=1)) if delisted else min(end, as_of)
        window = [self._edited(ticker, trade) for trade in _traded(name, first, last)]
        if adjustment != "raw":
            splits = _factors(name, as_of, dividends=False)
            factors = _factors(name, as_of, dividends=True) if adjustment == "all" else splits
            window = [market.adjusted(trade, factors[trade.date], splits[trade.date]) for trade in window]
        scales = self._scales_of(ticker, adjustment, as_of)
        return [_scaled(trade, scales) for trade in window] if scales else window

    def served(self, ticker: str, start: date, end: date, adjustment: str, as_of: date) -> Sequence[Trade]:
        """What vendors have of a ticker's trades: without hidden ones, with rows that were carried on."""
        trades = self.trades(ticker, start, end, adjustment, as_of)
        rows = [trade for trade in trades if not self.is_hidden(ticker, trade.date)]
        carried = [day for day in self._carried.get(ticker, ()) if start <= day <= end]
        return sorted([self._carry(ticker, day, adjustment, as_of) for day in carried] + rows, key=lambda row: row.date)

    def events(self, ticker: str, start: date, end: date, as_of: date) -> Sequence[Event]:
        """The events of a ticker in a window, ascending, as far as they are known on a day."""
        traded = self.trades(ticker, FIRST_SESSION, as_of, "raw", as_of)
        events = [
            Event(trade.date, trade.split, trade.dividend, id=f"{trade.date}")
            for trade in traded
            if (trade.split != 1 or trade.dividend) and not self.is_hidden(ticker, trade.date)
        ]
        for edit in self._events.get(ticker, ()):
            events = edit(events)
        return sorted((event for event in events if start <= event.date <= end), key=lambda event: event.date)

    def _change(self, ticker: str, day: date, changes: Mapping[str, Any], fit: Edit) -> None:
        if not changes or not set(changes) <= {"open", "high", "low", "close", "volume", "vwap", "trades"}:
            raise ValueError(f"{sorted(changes)} are not fields that can be corrected")
        _session(ticker, day)
        self._edits[ticker].append(
            lambda trade: fit(trade._replace(**changes)) if trade.date == day else trade,
        )

    def _edited(self, ticker: str, trade: Trade) -> Trade:
        for edit in self._edits.get(ticker, ()):
            trade = edit(trade)
        return trade

    def _scales_of(self, ticker: str, adjustment: str, as_of: date) -> list[Scale]:
        """What an adjusted series is multiplied by for those who look on a day, be it right or wrong."""
        right = [] if adjustment == "raw" else self._scales[ticker][adjustment]
        wrong = [
            Scale(day, date.min, factor, 1 if raw else factor)
            for (day, raw), factor in self._wrong.get(ticker, {}).items()
            if raw or adjustment != "raw"
        ]
        return [scale for scale in right if scale.since <= as_of] + wrong

    def _carry(self, ticker: str, day: date, adjustment: str, as_of: date) -> Trade:
        before = self.trades(ticker, day - LONGEST_BREAK, day - timedelta(days=1), adjustment, as_of)[-1]
        prices = dict.fromkeys(("open", "high", "low", "vwap"), before.close)
        return before._replace(date=day, volume=0, trades=0, dividend=0.0, split=1.0, **prices)


def _session(ticker: str, day: date) -> date:
    exchange = market.exchange_of(ticker)
    if not is_session(day, exchange):
        raise ValueError(f"{day} is not a trading day of {exchange}")
    return day


# The market caches the history of only a few tickers, and a response for the whole market needs all of them.
@lru_cache(maxsize=64)
def _known(ticker: str, year: int) -> tuple[Trade, ...]:
    return market.history(ticker, date(year, 12, 31))


def _traded(ticker: str, start: date, end: date) -> tuple[Trade, ...]:
    known = _known(ticker, end.year)
    first = bisect_left(known, start, key=lambda trade: trade.date)
    return known[first : bisect_right(known, end, key=lambda trade: trade.date)]


@lru_cache(maxsize=64)
def _factors(ticker: str, as_of: date, *, dividends: bool) -> dict[date, float]:
    return market.price_factors(ticker, as_of, dividends=dividends)


def _fitted(trade: Trade) -> Trade:
    prices = (trade.open, trade.high, trade.low, trade.close)
    return trade._replace(high=max(prices), low=min(prices))


def _scaled(trade: Trade, scales: Sequence[Scale]) -> Trade:
    later = [scale for scale in scales if trade.date < scale.day]
    if not later:
        return trade
    return market.adjusted(trade, prod(scale.price for scale in later), prod(scale.share for scale in later))


def _split(trade: Trade, day: date, factor: float) -> Trade:
    if trade.date < day:
        return trade
    split = trade.split * factor if trade.date == day else trade.split
    dividend = round(trade.dividend / factor, 4)
    return market.adjusted(trade, 1 / factor, 1 / factor)._replace(split=split, dividend=dividend)
