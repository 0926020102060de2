"""The SQL of `docs/adjusted_prices.sql`, on what the connector writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest

from integration_tests.front_door import Row, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import EVENTS, FRIDAY_EVENING, at, config

SQL = Path("docs/adjusted_prices.sql").read_text()
START = date(2019, 1, 2)


def load(database: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
    """A table of records; typed by the values, since all of them are JSON."""
    columns = {
        key: "double" if isinstance(value, int | float) else "varchar" for row in rows for key, value in row.items()
    }
    columns["date"] = "date"
    database.execute(f"create table {name} ({', '.join(f'{key} {kind}' for key, kind in columns.items())})")
    database.executemany(
        f"insert into {name} values ({', '.join('?' * len(columns))})", [[row[key] for key in columns] for row in rows]
    )


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


def test_it_counts_an_event_of_a_day_without_a_bar_from_the_next_one() -> None:
    """A ticker may not trade on its ex-date."""
    days = {"2026-03-02": 50.0, "2026-03-04": 24.0, "2026-03-05": 25.0}
    prices = [
        {"stock_ticker": "X", "date": day, "close": close, "volume": 1.0, "adjustment": "raw"}
        for day, close in days.items()
    ]
    with duckdb.connect() as database:
        load(database, "stock_prices", prices)
        load(database, "stock_splits", [{"stock_ticker": "X", "date": "2026-03-03", "ratio": 2.0}])
        load(database, "dividends", [{"stock_ticker": "X", "date": "2026-03-03", "amount": 1.0}])
        rows = database.execute(SQL).fetchall()
    assert [row[3] for row in rows] == pytest.approx([25.0, 24.0, 25.0])
    assert [row[4] for row in rows] == pytest.approx([24.0, 24.0, 25.0])
