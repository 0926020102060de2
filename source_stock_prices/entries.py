"""What the state said of each ticker of `stock_prices` before the sync. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from source_stock_prices import healing
from source_stock_prices.config import Config
from source_stock_prices.healing import Entry
from source_stock_prices.providers.terms import ANY, RAW, Query


class Entries:
    """The entries of a state as this version writes them, whichever version wrote it. They stay as they are."""

    def __init__(
        self,
        seen: Mapping[str, Entry],
        config: Config,
        bound: date | None,
    ) -> None:
        self._is_whole_market = config.tickers == (ANY,)
        self._adjustment = config.adjustment
        self._provider = config.provider.name
        self.by_ticker: dict[str, Entry] = {}
        for ticker, entry in seen.items():
            self.by_ticker[ticker] = healing.upgraded(entry, bound)
        if self.has_read(ANY):
            self.of(ANY).setdefault("adjustment", RAW)  # older versions wrote the others only

    def of(self, ticker: str) -> Entry:
        """A ticker's entry, empty for a ticker that has none."""
        return self.by_ticker.get(ticker, {})

    def has_read(self, ticker: str) -> bool:
        """Whether bars of a ticker were read before."""
        return "date" in self.of(ticker)

    def is_waiting(self, ticker: str) -> bool:
        """Whether an earlier sync of the whole market found a ticker's history rewritten, and could not read it again.

        Read by name from now on, such a ticker is a new one.
        """
        return self._is_whole_market and self.of(ticker).get("again") is True

    def changed_setting(self, ticker: str) -> str | None:
        """Which setting a ticker was read with that is another one now, as a clause; None where there is none."""
        if not self.has_read(ticker):
            return None
        return healing.changed_setting(self.of(ticker), self._adjustment, self._provider)

    def begin_after(self, query: Query, ticker: str) -> bool:
        """Whether the first day ever read of a ticker is after a query."""
        if not self.has_read(ticker):
            return False
        return query.end < healing.first_day(self.of(ticker))
