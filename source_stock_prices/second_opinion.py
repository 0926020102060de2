"""A second opinion: some of the prices that a sync read, compared with what another provider says of them.

It changes no price and fails no sync. What is found becomes findings, as all else does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from logging import getLogger
from typing import TYPE_CHECKING
from zlib import crc32

from source_stock_prices.bounds import DEADLINE
from source_stock_prices.config import Config
from source_stock_prices.errors import (
    ProviderError,
    counted,
    names,
    problem_of,
)
from source_stock_prices.findings import (
    DIFFERS,
    NO_OPINION,
    UNCONFIRMED,
    Finding,
)
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Bar, Query
from source_stock_prices.report import Report
from source_stock_prices.sessions import Horizon

if TYPE_CHECKING:
    from source_stock_prices.stream import StockPrices

logger = getLogger("airbyte")

SESSIONS = 10
"""How many sessions of a ticker are compared, the last that were read: they cost one request, as one of them would."""

CLOSE = 0.005
"""The part by which two closes may differ. One vendor's is the auction of the listing's exchange, another's the last
trade anywhere; those of a share that is hardly traded may be hours apart."""

CENT = 0.01
"""By how much they may differ in any case: some vendors round to a hundredth, which of a low price is a large part."""

VOLUME = 10
"""How many times as large as the other a volume may be. Some vendors count the trades of the listing's exchange, which
may be a sixth of all, some leave out auctions, odd lots or the hours after the close. What is counted in lots of a
hundred, or lacks a large split, is beyond it."""

LOT = 100
"""Shares as which fewer are taken: whether single trades were counted decides there."""

SECONDS_APART = 1.0
"""How long to wait between two requests: some free plans allow one a second, and five tickers are soon asked for."""

ANSWER_SECONDS = 20.0
"""How long an answer may take. Those who wait for it have had their prices."""

GOLDEN = 0.6180339887498949
"""The part of the circle of tickers by which the turn moves on from one day to the next. Of all numbers, this one
leaves the smallest gaps behind days of any rhythm. With whole numbers, weekly syncs could meet the same tickers again.
"""

Days = Mapping[date, Bar]


class SecondOpinion:
    """Takes note of the bars that a sync reads, then asks another provider for those of a few tickers.

    `other` is the stream of the other provider, which is asked for bars and never read.
    """

    def __init__(
        self,
        config: Config,
        horizon: Horizon,
        other: StockPrices,
    ) -> None:
        self._config = config
        self._provider = config.provider
        self._horizon = horizon
        self._other = other
        self._title = other.provider.title
        self._sample = Sample(config, other.provider, horizon)

    def note(self, bars: Sequence[Bar]) -> None:
        """Bars were read, ascending by day within a ticker."""
        is_of_one = bars[0].ticker == bars[-1].ticker
        for bar in bars[-SESSIONS:] if is_of_one else bars:
            self._sample.add(bar)

    def findings(self) -> Iterator[Finding]:
        """Where the other provider differs, and what it did not answer.

        Sends no more requests than there are tickers to verify. Raises nothing that an answer is the cause of.
        """
        read = self._sample.take()
        waiting = list(read)
        sent_before = self._other.policy.judged
        compared = []
        while waiting:
            sent = self._other.policy.judged - sent_before
            if sent >= self._config.verify_tickers:
                break
            if sent:
                time.sleep(SECONDS_APART)
            ticker = waiting[0]
            try:
                theirs = self._ask(ticker, read[ticker])
            except ProviderError as error:
                if not error.reaction.of_ticker:
                    yield self._no_opinion(names(waiting), _reason(error))
                    break
                yield self._no_opinion(ticker, _reason(error), ticker)
            else:
                yield from self._compared(ticker, read[ticker], theirs)
                compared.append(ticker)
            waiting.remove(ticker)
        if compared:
            count = counted(len(compared), "ticker")
            logger.info(f"stock_prices: compared the last sessions of {count} with {self._title}.")

    def _ask(self, ticker: str, ours: Days) -> Days:
        """What the other provider has in the sessions of a ticker that were read. Raises ProviderError."""
        query = Query(
            (ticker,),
            min(ours),
            max(ours),
            self._config.adjustment,
            self._horizon.today,
        )
        report = Report(self._other.provider)
        try:
            with DEADLINE.within(ANSWER_SECONDS):
                found = self._other.ask(query, report)
        except ProviderError:
            raise
        except Exception as error:  # whatever it is, the prices were read
            raise ProviderError(problem_of(error)) from error
        if ticker in report.failed:
            raise report.failed[ticker]
        return {bar.date: bar for bar in found.get(ticker, ())}

    def _compared(
        self,
        ticker: str,
        ours: Days,
        theirs: Days,
    ) -> Iterator[Finding]:
        """Where bars of a ticker differ. Of a session behind the other's last one, it may only be late."""
        if not theirs:
            yield self._no_opinion(ticker, f"it has no bars from {min(ours)} to {max(ours)}", ticker)
            return
        newest = max(theirs)
        for day in sorted(ours):
            if day in theirs:
                yield from self._differences(ours[day], theirs[day])
            elif day < newest:
                yield Finding(UNCONFIRMED, ticker, day, (self._title,))

    def _differences(self, ours: Bar, theirs: Bar) -> Iterator[Finding]:
        """How two bars of a session differ, where both have a number."""
        currencies = ours.currency, theirs.currency
        if None not in currencies and ours.currency != theirs.currency:
            reason = f"its prices are in {theirs.currency}, those of {self._provider.title} in {ours.currency}"
            yield self._no_opinion(ours.ticker, reason, ours.ticker)
            return
        if ours.close and theirs.close and differ_in_close(ours.close, theirs.close):
            yield self._differs(ours, "close", ours.close, theirs.close)
        if self._provider.is_of_one_venue or self._other.provider.is_of_one_venue:
            return
        if ours.volume is None or theirs.volume is None:
            return
        if differ_in_volume(ours.volume, theirs.volume):
            yield self._differs(ours, "volume", ours.volume, theirs.volume)

    def _differs(
        self,
        bar: Bar,
        field: str,
        ours: float,
        theirs: float,
    ) -> Finding:
        named = f"{bar.ticker} {bar.date} ({field} {_shown(theirs)}, not {_shown(ours)})"
        facts = (self._title,)
        return Finding(DIFFERS, bar.ticker, bar.date, facts, named, old=f"{ours}", new=f"{theirs}")

    def _no_opinion(
        self,
        named: str,
        reason: str,
        ticker: str | None = None,
    ) -> Finding:
        facts = (self._title, reason)
        return Finding(NO_OPINION, ticker, None, facts, named)


class Sample:
    """The last bars of a few tickers, of all that were read.

    The tickers stand on a circle, on which each day has its place: those have their turn that come next behind it, of
    those that mean the same listing to the provider that is asked for an opinion.
    """

    def __init__(
        self,
        config: Config,
        other: Provider,
        horizon: Horizon,
    ) -> None:
        self._provider = config.provider
        self._other = other
        self._horizon = horizon
        self._size = config.verify_tickers
        named = sorted(config.comparable)
        self._places = {ticker: place / len(named) for place, ticker in enumerate(named)}
        last_day = max(map(horizon.end, config.tickers))
        self._place_of_day = last_day.toordinal() * GOLDEN % 1
        self._read: dict[str, dict[date, Bar]] = {}
        self._last = 1.0

    def take(self) -> dict[str, Days]:
        """The bars by ticker and day, in the order of their turns. After that the sample is empty."""
        read: dict[str, Days] = {}
        for ticker in sorted(self._read, key=self._turn):
            read[ticker] = self._read.pop(ticker)
        return read

    def add(self, bar: Bar) -> None:
        """Keeps a bar, if it is final and of a ticker that has its turn so far."""
        ticker = bar.ticker
        if ticker not in self._read and not self._is_next(ticker):
            return
        if bar.date > self._horizon.last_final(ticker):
            return
        days = self._read.get(ticker) or self._begin(ticker)
        days[bar.date] = bar
        if len(days) > SESSIONS:
            del days[min(days)]

    def _is_next(self, ticker: str) -> bool:
        is_full = len(self._read) >= self._size
        if is_full and self._turn(ticker) >= self._last:
            return False
        return self._is_alike(ticker)

    def _begin(self, ticker: str) -> dict[date, Bar]:
        """The place for the bars of a ticker; who would come last now has to go."""
        if len(self._read) >= self._size:
            last = max(self._read, key=self._turn)
            del self._read[last]
        days = self._read[ticker] = {}
        self._last = max(map(self._turn, self._read))
        return days

    def _turn(self, ticker: str) -> float:
        """How far a ticker is behind the place of the day, from 0 to 1."""
        place = self._places.get(ticker)
        if place is None:  # one of a whole market, which nobody has named
            place = crc32(ticker.encode()) / 2**32
        return (place - self._place_of_day) % 1

    def _is_alike(self, ticker: str) -> bool:
        return self._provider.is_same_listing(ticker, self._other)


def differ_in_close(ours: float, theirs: float) -> bool:
    """Whether two closes of a session are further apart than those of two vendors may be."""
    allowed = max(CENT, CLOSE * max(ours, theirs))
    return round(abs(ours - theirs), 6) > allowed


def differ_in_volume(ours: float, theirs: float) -> bool:
    """Whether two volumes of a session are further apart than those of two vendors may be."""
    smaller = max(LOT, min(ours, theirs))
    return max(ours, theirs) > VOLUME * smaller


def _reason(error: ProviderError) -> str:
    """Why there is no answer, in a clause: what kind of a problem it is, and the vendor's words."""
    said = trim(error.problem.said)
    words = []
    if error.status is not None:
        words.append(f"HTTP {error.status}")
    if said:
        words.append(f'"{said}"')
    return f"{error.problem.kind.value} ({': '.join(words) or 'an empty response'})"


def _shown(number: float) -> str:
    return f"{number:,.10g}"
