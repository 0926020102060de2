"""Exchanges other than New York's: every bar in time, and none too early, for weeks of syncs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import cycle
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pendulum
import pytest
from pendulum import DateTime

from integration_tests.front_door import Output, as_message, read, table
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import at, config


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


class Exchange(NamedTuple):
    """What an exchange publishes of itself: its zone, its regular close, and the weekdays it has off this winter."""

    zone: ZoneInfo
    close: time
    closed: frozenset[date]

    @classmethod
    def of(cls, zone: str, close: time, closed: str) -> Exchange:
        return cls(ZoneInfo(zone), close, frozenset(map(date.fromisoformat, closed.split())))

    def is_final(self, day: date, now: DateTime) -> bool:
        close = datetime.combine(day, self.close, self.zone)
        return now >= close + timedelta(hours=4.5)

    def is_session(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.closed


NEW_YORK = Exchange.of("America/New_York", time(16), "2026-11-26 2026-12-25 2027-01-01")
XETRA = Exchange.of("Europe/Berlin", time(17, 30), "2026-12-24 2026-12-25 2026-12-31 2027-01-01")
LONDON = Exchange.of("Europe/London", time(16, 30), "2026-12-25 2026-12-28 2027-01-01")
TOKYO = Exchange.of("Asia/Tokyo", time(15, 30), "2026-11-03 2026-11-23 2026-12-31 2027-01-01")
TORONTO = Exchange.of("America/Toronto", time(16), "2026-12-25 2026-12-28 2027-01-01")

NOVEMBER = days(date(2026, 10, 19), date(2026, 12, 7))
"""From before the summer time ends: on 25 October in Europe, on 1 November in America; in Tokyo there is none."""

CHRISTMAS = days(date(2026, 12, 21), date(2027, 1, 6))
"""With half days in New York, London and Toronto."""

HOURS = (21, 6, 11, 13, 22, 2, 16, 20, 0, 23, 4)
"""Of the syncs, one a day, in UTC: on some days a session of one exchange is final, and the other's is under way."""

LISTINGS = {
    "eodhd": {"AAPL": NEW_YORK, "VOW3.XETRA": XETRA, "VOD.LSE": LONDON, "7203.T": TOKYO, "RY.TO": TORONTO},
    "fmp": {"AAPL": NEW_YORK, "VOW3.DE": XETRA, "VOD.L": LONDON, "7203.T": TOKYO, "RY.TO": TORONTO},
    "marketstack": {"AAPL": NEW_YORK, "VOW3.DE": XETRA, "VOD.L": LONDON, "7203.T": TOKYO, "RY.TO": TORONTO},
    "alpha_vantage": {"IBM": NEW_YORK, "MBG.DEX": XETRA, "TSCO.LON": LONDON, "SHOP.TRT": TORONTO},
    "twelve_data": {"AAPL": NEW_YORK, "VOW3:XETR": XETRA, "VOD:LSE": LONDON, "RY:TSX": TORONTO},
}


class Winter:
    """Daily syncs of some tickers, each checked against what the exchanges say of themselves.

    `late` are bars that the vendor publishes later; `missing` those that are final and were not read.
    """

    def __init__(self, sandbox: Sandbox, vendor: str, first: date, **settings: Any) -> None:
        self.sandbox = sandbox
        self.listings = LISTINGS[vendor]
        self.first = first
        self.config = config(sandbox, vendor, ", ".join(self.listings), start_date=first.isoformat(), **settings)
        self.late: set[tuple[str, date]] = set()
        self.missing: set[tuple[str, date]] = set()
        self.rows: dict[tuple[str, date], float] = {}
        self.state: dict[str, Any] | None = None
        self.hours = cycle(HOURS)

    def sync(self, day: date) -> Output:
        """One sync on a day: its rows are final, and all that is final was read by then, but for what is late."""
        now = at(self.sandbox, pendulum.datetime(day.year, day.month, day.day, next(self.hours), 10))
        output = read(self.config, now=now, state=as_message(self.state) if self.state else None)
        assert output.exit_code == 0, output.error
        self.state = output.state
        early = [key for key in table(output.records) if not self.listings[key[0]].is_final(key[1], now)]
        assert early == []
        self.rows |= table(output.records)
        due = {
            (ticker, session)
            for ticker, exchange in self.listings.items()
            for session in days(self.first, day)
            if exchange.is_session(session) and exchange.is_final(session, now)
        }
        assert self.rows.keys() <= due, now
        self.missing = due - self.rows.keys()
        assert self.missing <= self.late, now
        return output


def test_it_reads_every_session_of_each_exchange_as_soon_as_it_is_final(sandbox: Sandbox) -> None:
    """Through the changes of the clocks, holidays of one exchange or the other, half days, and late bars."""
    winter = Winter(sandbox, "eodhd", NOVEMBER[0])
    winter.late = {("VOW3.XETRA", date(2026, 11, 26)), ("7203.T", date(2026, 11, 24)), ("RY.TO", date(2026, 11, 2))}
    for ticker, session in winter.late:
        sandbox.hide(ticker, session)
    told = ""
    for day in NOVEMBER:
        for ticker, session in winter.late:
            if day == session + timedelta(days=9):
                sandbox.show(ticker, session)
        told += winter.sync(day).log("WARN")
    assert winter.missing == set()
    for ticker, session in winter.late:
        assert told.count(f"has no bar for 1 session of 1 ticker: {ticker} {session}.") == 1
    assert "longer than any exchange is closed" not in told
    truth = sandbox.truth(winter.listings, NOVEMBER[0], NOVEMBER[-1])
    assert winter.rows == {key: truth[key].close for key in winter.rows}


@pytest.mark.parametrize("vendor", [name for name in LISTINGS if name != "eodhd"])
def test_it_knows_the_exchanges_of_every_vendor(sandbox: Sandbox, vendor: str) -> None:
    """Over Christmas, whatever follows a ticker."""
    winter = Winter(sandbox, vendor, CHRISTMAS[0])
    for day in CHRISTMAS:
        winter.sync(day)


def test_it_tells_of_a_hole_in_each_exchange(sandbox: Sandbox) -> None:
    """It is asked for again while it is recent, and told of once more when it is given up."""
    sandbox.hide("VOW3.XETRA", date(2026, 11, 26))
    settings = config(sandbox, "eodhd", "VOW3.XETRA", start_date="2026-11-16", recheck_sessions=3)
    first = read(settings, now=at(sandbox, pendulum.datetime(2026, 11, 27, 22)))
    assert "has no bar for 1 session of 1 ticker: VOW3.XETRA 2026-11-26." in first.log("WARN")
    last = read(settings, now=at(sandbox, pendulum.datetime(2026, 12, 3, 22)), state=as_message(first.state))
    assert "still has no bar for 1 session of 1 ticker: VOW3.XETRA 2026-11-26." in last.log("WARN")


def test_it_says_whose_sessions_it_cannot_watch(sandbox: Sandbox) -> None:
    """Once a sync, and for nobody else."""
    settings = config(sandbox, "eodhd", "AAPL, VOW3.XETRA, SAP.PLUTO")
    output = read(settings, now=at(sandbox, pendulum.datetime(2026, 11, 27, 22)))
    (line,) = [line for line in output.log("INFO").splitlines() if "no calendar is known" in line]
    assert "for the exchange of SAP.PLUTO. A day is taken for final when New York's is" in line
    assert {row["date"] for row in output.records if row["stock_ticker"] == "SAP.PLUTO"} == {
        "2026-11-20",
        "2026-11-23",
        "2026-11-24",
        "2026-11-25",
    }


def test_it_reads_a_whole_exchange_by_its_own_sessions(sandbox: Sandbox) -> None:
    """A session a request, over Christmas: none too early, and none missing."""
    winter = Winter(sandbox, "eodhd", CHRISTMAS[0])
    winter.listings = dict.fromkeys(("BMW.XETRA", "SAP.XETRA", "VOW3.XETRA"), XETRA)
    winter.config["stock_ticker"] = "*.XETRA"
    sandbox.universe = [*winter.listings, "AAPL"]
    for day in CHRISTMAS:
        winter.sync(day)
    histories = [asked for asked in sandbox.requests if asked.path != "/eod-bulk-last-day/XETRA"]
    assert len(histories) < 3  # of a ticker that paid a dividend, for its adjusted close
