"""The SQL of `docs/alerts.sql`, `docs/completeness.sql` and the dbt test, on what the connector writes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from jinja2 import Template
from pendulum import DateTime

from integration_tests.database import load
from integration_tests.front_door import Output, Row, read
from integration_tests.sandbox import Sandbox
from integration_tests.scenario import FRIDAY_EVENING, at, config

ALERTS = Path("docs/alerts.sql").read_text()
COMPLETENESS = Path("docs/completeness.sql").read_text()
DBT = Path("docs/examples/assert_no_open_holes.sql").read_text()

STREAMS = ("stock_prices", "stock_splits", "findings")
TICKERS = "AAPL, MSFT, KO, IBM, PEP"
TUESDAY, THURSDAY = date(2026, 11, 17), date(2026, 11, 19)
WEDNESDAY, MONDAY = FRIDAY_EVENING.subtract(days=2), FRIDAY_EVENING.add(days=3)


class Warehouse:
    """Tables in *Append*, and a sync after the other into them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.rows: dict[str, list[Row]] = {name: [] for name in STREAMS}
        self.state: Any = None

    def sync(self, now: DateTime, tickers: str = TICKERS) -> Output:
        settings = config(self.sandbox, "tiingo", tickers, start_date="2026-10-01")
        output = read(settings, now=at(self.sandbox, now), state=self.state, streams=STREAMS)
        for name in STREAMS:
            self.rows[name] += output.rows(name)
        self.state = output.state_messages
        return output

    def ask(self, sql: str) -> list[Any]:
        """What a query finds, with the views there."""
        with duckdb.connect() as database:
            nothing = {"stock_ticker": "NONE", "date": "2020-01-02"}
            split = {**nothing, "ratio": 1.0, "cancelled": False}
            finding = dict.fromkeys(("found_at", "stream", "kind", "detail", "old", "new"), "")
            load(database, "stock_prices", self.rows["stock_prices"])
            load(database, "stock_splits", self.rows["stock_splits"] or [split])
            load(database, "findings", self.rows["findings"] or [{**nothing, **finding}])
            for _ in range(2):  # the views are replaced
                database.execute(ALERTS)
                database.execute(COMPLETENESS)
            return database.execute(sql).fetchall()


@pytest.fixture
def warehouse(sandbox: Sandbox) -> Warehouse:
    return Warehouse(sandbox)


QUIET = ("tickers_behind", "unexplained_jumps", "open_holes")


def test_it_alerts_on_nothing_where_all_is_well(warehouse: Warehouse) -> None:
    """An alert that always fires is switched off."""
    for moment in (WEDNESDAY, FRIDAY_EVENING, MONDAY):
        warehouse.sync(moment)
        assert [row for view in QUIET for row in warehouse.ask(f"select * from {view}")] == []


def test_it_lists_the_tickers_that_fell_behind(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """With the reason, be it that they are gone, that they fail, or that nobody ever knew them."""
    warehouse.sync(WEDNESDAY)
    sandbox.book.delist("PEP", THURSDAY, forgotten=THURSDAY)
    sandbox.fail("html", times=-1, vendor="tiingo", ticker="KO")
    warehouse.sync(MONDAY, f"{TICKERS}, ZZZZ")
    rows = warehouse.ask("select stock_ticker, last_session, kind from tickers_behind order by 1")
    assert rows == [
        ("KO", date(2026, 11, 18), "not read"),
        ("PEP", date(2026, 11, 18), "ticker gone"),
        ("ZZZZ", None, "ticker unknown"),
    ]
    ((behind,),) = warehouse.ask("select sessions_behind from tickers_behind where stock_ticker = 'KO'")
    assert behind == 3
    sandbox.faults.clear()
    warehouse.sync(MONDAY.add(days=1))
    assert "KO" not in {ticker for (ticker,) in warehouse.ask("select stock_ticker from tickers_behind")}


def test_it_lists_the_jumps_that_nothing_explains(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """As long as they are in the table. A split in the list of splits explains them, if it is of this ratio."""
    warehouse.sync(WEDNESDAY)
    sandbox.book.misquote("IBM", THURSDAY, open=9000.0, high=9000.0, low=9000.0, close=9000.0)
    warehouse.sync(FRIDAY_EVENING)
    asked = "select stock_ticker, date, close from unexplained_jumps order by 1, 2"
    assert [row[:2] for row in warehouse.ask(asked)] == [("IBM", THURSDAY), ("IBM", date(2026, 11, 20))]
    ((_, _, close), after) = warehouse.ask(asked)
    assert close == 9000.0
    ratio = after[2] / 9000.0
    split = {"stock_ticker": "IBM", "date": f"{THURSDAY}", "ratio": ratio, "cancelled": False}
    warehouse.rows["stock_splits"] = [split]
    assert [row[1] for row in warehouse.ask(asked)] == [date(2026, 11, 20)]
    warehouse.rows["stock_splits"] = [{**split, "ratio": 2.0}, {**split, "cancelled": True}]
    assert len(warehouse.ask(asked)) == 2
    sandbox.book.misquote("IBM", THURSDAY, open=370.0, high=372.0, low=369.0, close=371.0)
    output = warehouse.sync(MONDAY)
    assert "changed bar" in {row["kind"] for row in output.rows("findings")}
    warehouse.rows["stock_prices"] = deduplicated(warehouse.rows["stock_prices"])
    assert [row for row in warehouse.ask(asked) if row[1] == THURSDAY] == []


def deduplicated(rows: list[Row]) -> list[Row]:
    return list({(row["stock_ticker"], row["date"]): row for row in rows}.values())


def test_it_lists_the_holes_that_are_open(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """Each once, until the bar comes."""
    sandbox.hide("AAPL", TUESDAY)
    sandbox.hide("MSFT", TUESDAY)
    warehouse.sync(WEDNESDAY)
    assert warehouse.ask("select stock_ticker, date from open_holes order by 1") == [
        ("AAPL", TUESDAY),
        ("MSFT", TUESDAY),
    ]
    sandbox.show("AAPL", TUESDAY)
    warehouse.sync(FRIDAY_EVENING)
    assert warehouse.ask("select stock_ticker from open_holes") == [("MSFT",)]


def test_it_says_how_complete_each_history_is(sandbox: Sandbox, warehouse: Warehouse) -> None:
    sandbox.hide("AAPL", TUESDAY)
    sandbox.hide("AAPL", date(2026, 11, 10))
    sandbox.book.begin("MSFT", date(2026, 11, 2))
    warehouse.sync(WEDNESDAY)
    columns = "sessions_due, sessions_there, sessions_missing, first_session, last_session, round(complete, 3)"
    asked = f"select {columns} from completeness where stock_ticker = "
    begin, last = date(2026, 10, 1), date(2026, 11, 18)
    assert warehouse.ask(f"{asked} 'AAPL'") == [(35, 33, 2, begin, last, 0.943)]
    assert warehouse.ask(f"{asked} 'MSFT'") == [(13, 13, 0, date(2026, 11, 2), last, 1.0)]
    assert warehouse.ask(f"{asked} 'KO'") == [(35, 35, 0, begin, last, 1.0)]
    sandbox.show("AAPL", TUESDAY)
    warehouse.sync(FRIDAY_EVENING)
    assert warehouse.ask(f"{asked} 'AAPL'") == [(37, 36, 1, begin, date(2026, 11, 20), 0.973)]


@pytest.mark.parametrize(("day", "fails"), [("2026-11-17", True), ("2026-10-12", False)])
def test_it_is_a_dbt_test_that_fails_with_the_open_holes_of_a_month(
    warehouse: Warehouse, day: str, fails: bool
) -> None:
    """As dbt writes it: the tables in place of the sources. An old hole is no news."""
    warehouse.rows["stock_prices"] = [{"stock_ticker": "AAPL", "date": "2026-01-02", "close": 1.0}]
    hole = dict.fromkeys(("found_at", "stream", "detail", "old", "new"), "")
    warehouse.rows["findings"] = [{**hole, "stock_ticker": "AAPL", "date": day, "kind": "missing session"}]
    sql = Template(DBT).render(source=lambda _, table: table, var=lambda _, default: default)
    sql = sql.replace("current_date", "date '2026-11-20'")
    assert [f"{row[1]}" for row in warehouse.ask(sql)] == [day] * fails
