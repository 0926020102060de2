"""How far a sync of a test reads: up to a day that the test names, whatever the calendar has of it."""

from __future__ import annotations

from datetime import date

import pendulum

from source_stock_prices.sessions import NEW_YORK, ZONE, Horizon


class Until(Horizon):
    """A horizon in New York that ends with a day, which is today; the last final session may be another one."""

    def __init__(self, end: date, last_final: date | None = None) -> None:
        noon = pendulum.datetime(end.year, end.month, end.day, 12, tz=ZONE)
        super().__init__(noon, lambda ticker: NEW_YORK)
        self._until = end
        self._final = last_final or end

    def last_final(self, ticker: str) -> date:
        return self._final

    def end(self, ticker: str) -> date:
        return self._until
