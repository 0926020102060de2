"""The SQL of `docs/adjusted_prices.sql` and `docs/as_known_at.sql`, on what the connector writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.database import load
from integration_tests.front_door import Row, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import EVENTS, FRIDAY_EVENING, at, config

SQL = Path("docs/adjusted_prices.sql").read_text()
KNOWN = Path("docs/as_known_at.sql").read_text()
START = date(2019, 1, 2)


@pytest.mark.parametrize("tickers", [["AAPL", "MSFT", "IBM"]])
def test_it_turns_raw_prices_into_the_adjusted_series_of_the_vendor(sandbox: Sandbox, tickers: list[str]) -> None:
    """A split on the day of a dividend, one to come, and one entered by hand among them."""
    sandbox.split("IBM", date(2026, 3, 2), 3.0)
    sandbox.split("MSFT", date(2026, 12, 7), 2.0)  # announced
    raw = config(sandbox, "massive", ", ".join(tickers), start_date=f"{START}")
    output = read(raw, now=at(sandbox, FRIDAY_EVENING), streams=["stock_prices", *EVENTS])
    with duckdb.connect() as database:
        for name in ("stock_prices", *EVENTS):
            load(database, name, output.rows(name))
        rows = database.execute(SQL).fetchall()
    splits = read({**raw, "adjustment": "splits"}, now=FRIDAY_EVENING)
    served = {(row["stock_ticker"], row["date"]): row["close"] for row in splits.records}
    assert {(ticker, f"{day}"): close for ticker, day, _, close, *_ in rows} == pytest.approx(served, rel=1e-4)
    volumes = {(row["stock_ticker"], row["date"]): row["volume"] for row in splits.records}
    assert {(row[0], f"{row[1]}"): row[5] for row in rows} == pytest.approx(volumes, rel=1e-3)
    truth = sandbox.truth(tickers, START, date(2026, 11, 20), "all")
    everything = {key: trade.close for key, trade in truth.items()}
    assert {(row[0], row[1]): row[4] for row in rows} == pytest.approx(everything, rel=2e-3)
    assert served != {(row["stock_ticker"], row["date"]): row["close"] for row in output.rows("stock_prices")}


def adjusted(prices: Sequence[Row], splits: Sequence[Row] = (), dividends: Sequence[Row] = ()) -> dict[str, list[Any]]:
    """What the SQL makes of a few rows: by ticker, for each day the close adjusted for splits, for all, the volume."""
    with duckdb.connect() as database:
        load(database, "stock_prices", prices)
        load(database, "stock_splits", splits or [split("NONE", 1.0)])
        load(database, "dividends", dividends or [dividend("NONE", 1.0)])
        found: dict[str, list[Any]] = {}
        for ticker, _, _, *values in database.execute(SQL).fetchall():
            found.setdefault(ticker, []).append(tuple(values))
        return found


def bar(ticker: str, day: str, close: float, volume: float | None = 100.0, adjustment: str = "raw") -> Row:
    return {"stock_ticker": ticker, "date": day, "close": close, "volume": volume, "adjustment": adjustment}


def split(ticker: str, ratio: float | None, day: str = "2026-03-04", cancelled: bool = False) -> Row:
    return {"stock_ticker": ticker, "date": day, "ratio": ratio, "cancelled": cancelled}


def dividend(ticker: str, amount: float | None, day: str = "2026-03-04", cancelled: bool = False) -> Row:
    return {"stock_ticker": ticker, "date": day, "amount": amount, "kind": "special", "cancelled": cancelled}


def bars(ticker: str, *closes: float, **more: Any) -> list[Row]:
    """Bars from the 2nd of March on, a day each."""
    return [bar(ticker, f"2026-03-0{day}", close, **more) for day, close in enumerate(closes, 2)]


def approximately(rows: list[Any]) -> list[Any]:
    return [pytest.approx(row) for row in rows]


def test_it_counts_an_event_of_a_day_without_a_bar_from_the_next_one() -> None:
    """A ticker may not trade on its ex-date."""
    prices = [bar("X", "2026-03-02", 50.0), bar("X", "2026-03-04", 24.0), bar("X", "2026-03-05", 25.0)]
    rows = adjusted(prices, [split("X", 2.0, "2026-03-03")], [dividend("X", 1.0, "2026-03-03")])["X"]
    assert [row[0] for row in rows] == pytest.approx([25.0, 24.0, 25.0])
    assert [row[1] for row in rows] == pytest.approx([24.0, 24.0, 25.0])


@pytest.mark.parametrize("amount", [10.0, 12.0, 1e8])
def test_it_leaves_open_what_a_dividend_that_is_not_below_the_close_makes_of_older_prices(amount: float) -> None:
    """A liquidation, or another currency. The other ticker and the prices for splits have nothing to do with it."""
    prices = [*bars("AAA", 20.0, 10.0, 0.5, 0.5), *bars("BBB", 20.0, 20.0, 20.0, 20.0)]
    rows = adjusted(prices, [split("AAA", 2.0, "2026-03-03")], [dividend("AAA", amount), dividend("BBB", 5.0)])
    half = [(0.5, 0.5, 100.0)] * 2
    assert rows["AAA"] == approximately([(10.0, None, 200.0), (10.0, None, 100.0), *half])
    assert [row[1] for row in rows["BBB"]] == pytest.approx([15.0, 15.0, 20.0, 20.0])


@pytest.mark.parametrize("value", [None, 0.0, -1.0, math.nan, math.inf])
def test_it_survives_events_that_cannot_be(value: float | None) -> None:
    rows = adjusted(bars("AAA", 20.0, 20.0, 20.0), [split("AAA", value)], [dividend("AAA", value)])
    assert rows["AAA"] == [(20.0, 20.0, 100.0)] * 3


def test_it_survives_bars_without_a_close_or_volume() -> None:
    """EODHD's volume is not in the shares of the day: it stays null, whatever the splits."""
    prices = [bar("AAA", "2026-03-02", 40.0, None), bar("AAA", "2026-03-03", 0.0), bar("AAA", "2026-03-04", 20.0)]
    rows = adjusted(prices, [split("AAA", 2.0)], [dividend("AAA", 1.0)])
    assert rows["AAA"] == approximately([(20.0, None, None), (0.0, None, 200.0), (20.0, 20.0, 100.0)])


def test_it_leaves_out_cancelled_events() -> None:
    """What they were worth is null; where it is not, they are left out all the same."""
    splits = [split("AAA", 2.0, cancelled=True), split("BBB", None, cancelled=True)]
    dividends = [dividend("AAA", 2.0, cancelled=True), dividend("BBB", None, cancelled=True)]
    rows = adjusted([*bars("AAA", 20.0, 20.0, 20.0), *bars("BBB", 20.0, 20.0, 20.0)], splits, dividends)
    assert set(rows["AAA"] + rows["BBB"]) == {(20.0, 20.0, 100.0)}


def test_it_reads_tables_that_have_no_cancelled_events_yet() -> None:
    """They were written before there was such a column."""
    old_split, old_dividend = split("AAA", 2.0), dividend("AAA", 2.0)
    del old_split["cancelled"], old_dividend["cancelled"]
    rows = adjusted(bars("AAA", 40.0, 40.0, 19.0), [old_split], [old_dividend])
    assert rows["AAA"] == approximately([(20.0, 18.0, 200.0), (20.0, 18.0, 200.0), (19.0, 19.0, 100.0)])


def test_it_never_adjusts_what_is_adjusted() -> None:
    """A table may hold rows of several settings. The close of each is repeated in the column of its own."""
    prices = [*bars("AAA", 40.0, 40.0, 40.0, adjustment="splits"), *bars("BBB", 40.0, 40.0, 40.0, adjustment="all")]
    events = [split("AAA", 2.0), split("BBB", 2.0)], [dividend("AAA", 2.0), dividend("BBB", 2.0)]
    rows = adjusted([*prices, bar("AAA", "2026-03-05", 40.0)], *events)
    assert rows["AAA"] == [*[(40.0, None, 100.0)] * 3, (40.0, 40.0, 100.0)]
    assert rows["BBB"] == [(None, 40.0, 100.0)] * 3


def revision(row: Row, read: str) -> Row:
    return {**row, "_airbyte_extracted_at": datetime.fromisoformat(read)}


def test_it_tells_what_was_known_at_a_moment() -> None:
    """*Append* keeps each revision. A bar was corrected, a dividend cancelled, the last bar written each time."""
    prices = [
        revision(bar("AAA", "2026-03-02", 20.0), "2026-03-02T22:00"),
        revision(bar("AAA", "2026-03-02", 20.0), "2026-03-03T22:00"),
        revision(bar("AAA", "2026-03-03", 21.0), "2026-03-03T22:00"),
        revision(bar("AAA", "2026-03-02", 19.0), "2026-03-05T22:00"),
    ]
    splits = [revision(split("AAA", 2.0, "2026-04-01"), "2026-03-03T22:00")]
    dividends = [
        revision(dividend("AAA", 1.0, "2026-04-01"), "2026-03-03T22:00"),
        revision({**dividend("AAA", 2.0, "2026-04-01"), "kind": "regular"}, "2026-03-03T22:00"),
        revision(dividend("AAA", None, "2026-04-01", cancelled=True), "2026-03-05T22:00"),
    ]
    with duckdb.connect() as database:
        for name, rows in (("stock_prices", prices), ("stock_splits", splits), ("dividends", dividends)):
            load(database, name, rows)
        database.execute(KNOWN)
        database.execute(KNOWN)  # the views are replaced

        def known(columns: str, table: str, moment: str) -> list[Any]:
            at_moment = f"known_from <= '{moment}' and (known_until > '{moment}' or known_until is null)"
            return database.execute(f"select {columns} from {table}_known where {at_moment} order by all").fetchall()

        assert known("day(date), close", "stock_prices", "2026-03-02 21:00") == []
        assert known("day(date), close", "stock_prices", "2026-03-02 23:00") == [(2, 20.0)]
        assert known("day(date), close", "stock_prices", "2026-03-04 00:00") == [(2, 20.0), (3, 21.0)]
        assert known("day(date), close", "stock_prices", "2026-03-05 22:00") == [(2, 19.0), (3, 21.0)]
        assert known("ratio", "stock_splits", "2026-03-04 00:00") == [(2.0,)]
        both = [(1.0, False), (2.0, False)]
        assert known("amount, cancelled", "dividends", "2026-03-04 00:00") == both
        assert known("amount, cancelled", "dividends", "2026-03-06 00:00") == [(2.0, False), (None, True)]
