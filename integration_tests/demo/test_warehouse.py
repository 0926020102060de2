"""The installed connector in PyAirbyte, into two kinds of database: the tables are compared with what happened."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pendulum
import pytest

from integration_tests.demo.conftest import PASSWORD
from integration_tests.sandbox import Sandbox
from source_stock_prices.sessions import ZONE

pytestmark = pytest.mark.demo

FIRST, LAST_BEFORE, SPLIT_DAY, LAST = date(2025, 1, 6), date(2025, 3, 7), date(2025, 3, 11), date(2025, 3, 21)
README = Path("README.md").read_text("utf-8")
FIELDS = ("open", "high", "low", "close", "volume")


class Warehouse:
    """A database that demo/warehouse.py writes into."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database, self.config = database, folder / "config.json"

    def sync(self, config: dict[str, Any], until: date, *streams: str) -> subprocess.CompletedProcess[str]:
        self.config.write_text(json.dumps({**config, "end_date": until.isoformat()}))
        return self.run(*streams)

    def run(self, *streams: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "demo/warehouse.py", self.config, self.database, *streams],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """The table as anybody finds it who asks the database."""
        return self.ask(f"select stock_ticker, date, {', '.join(FIELDS)} from stock_prices order by 1, 2")

    def run_sql(self, *scripts: str) -> None:
        """Runs scripts that make views."""
        if self.database.startswith("postgresql://"):
            import psycopg

            with psycopg.connect(self.database, password=PASSWORD, options="-c search_path=market") as connection:
                for script in scripts:
                    connection.execute(script.encode())
        else:
            import duckdb

            with duckdb.connect(self.database) as connection:
                for script in scripts:
                    connection.execute(script)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self.database.startswith("postgresql://"):
            import psycopg

            schema = "-c search_path=market"
            with psycopg.connect(self.database, password=PASSWORD, options=schema) as connection:
                found = connection.execute(sql).fetchall()
        else:
            import duckdb

            with duckdb.connect(self.database, read_only=True) as connection:
                found = connection.execute(sql).fetchall()
        return [(ticker, day, *map(float, numbers)) for ticker, day, *numbers in found]


@pytest.fixture(params=["DuckDB", "PostgreSQL"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    database = str(tmp_path / "market.duckdb")
    if request.param == "PostgreSQL":
        database = request.getfixturevalue("database")
    return Warehouse(database, tmp_path)


def truth(sandbox: Sandbox, tickers: list[str], end: date) -> list[tuple[Any, ...]]:
    bars = sandbox.truth(tickers, FIRST, end, "splits")
    return [(*key, *(getattr(bars[key], field) for field in FIELDS)) for key in sorted(bars)]


def same(rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """Each bar once, none missing, and all on one scale."""
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    for row, bar in zip(rows, expected, strict=True):
        assert row[2:] == pytest.approx(bar[2:], rel=1e-4), row[:2]


def test_it_keeps_the_table_right_when_a_ticker_splits_and_a_bar_is_corrected(
    sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Between two syncs the vendor rewrites the history of one ticker and corrects the last bar of another."""
    config = {
        "provider": sandbox.provider("massive"),
        "stock_ticker": "AAPL, KO, MSFT",
        "start_date": FIRST.isoformat(),
        "adjustment": "splits",
    }
    sandbox.now = pendulum.datetime(2025, 3, 9, tz=ZONE)
    first = warehouse.sync(config, LAST_BEFORE)
    assert first.returncode == 0, first.stderr
    before = truth(sandbox, ["AAPL", "KO", "MSFT"], LAST_BEFORE)
    same(warehouse.rows(), before)

    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    sandbox.correct("MSFT", LAST_BEFORE, close=before[-1][5] * 1.002)
    sandbox.now = pendulum.datetime(2025, 3, 23, tz=ZONE)
    second = warehouse.sync(config, LAST)
    assert second.returncode == 0, second.stderr
    after = truth(sandbox, ["AAPL", "KO", "MSFT"], LAST)
    assert after[0][5] == pytest.approx(before[0][5] / 4, rel=1e-4), "the split is in what is compared with"
    same(warehouse.rows(), after)

    asked = len(sandbox.requests)
    third = warehouse.sync(config, LAST)
    assert (third.returncode, third.stdout.splitlines()[-1]) == (0, "0 records read into stock_prices")
    assert len(sandbox.requests) == asked
    same(warehouse.rows(), after)


def test_it_has_what_the_sql_of_adjusted_prices_asks_for(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """Three streams in one sync, of tickers with a split, with dividends alone and with neither."""
    config = {"provider": sandbox.provider("massive"), "stock_ticker": "AAPL, KO", "start_date": "2024-12-02"}
    sandbox.now = pendulum.datetime(2025, 3, 23, tz=ZONE)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    done = warehouse.sync(config, LAST, "stock_prices", "stock_splits", "dividends")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(" records read into stock_prices, stock_splits, dividends")
    adjusted = {row[:2]: row[2:] for row in warehouse.ask(Path("docs/adjusted_prices.sql").read_text())}
    for place, adjustment in ((1, "splits"), (2, "all")):
        truth = sandbox.truth(["AAPL", "KO"], date(2024, 12, 2), LAST, adjustment)
        closes = {key: row[place] for key, row in adjusted.items()}
        assert closes == pytest.approx({key: bar.close for key, bar in truth.items()}, rel=2e-3)
        assert closes != {key: row[0] for key, row in adjusted.items()}


def test_it_has_what_the_sql_of_findings_asks_for(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """The views to alert on, with a session that is missing, and the view of how complete each history is."""
    config = {"provider": sandbox.provider("massive"), "stock_ticker": "AAPL, KO", "start_date": "2025-02-03"}
    sandbox.now = pendulum.datetime(2025, 3, 23, tz=ZONE)
    sandbox.hide("KO", SPLIT_DAY)
    sandbox.split("AAPL", SPLIT_DAY, 4.0)
    done = warehouse.sync(config, LAST, "stock_prices", "stock_splits", "findings")
    assert done.returncode == 0, done.stderr
    warehouse.run_sql(Path("docs/alerts.sql").read_text(), Path("docs/completeness.sql").read_text())
    assert warehouse.ask("select stock_ticker, date from open_holes") == [("KO", SPLIT_DAY)]
    assert warehouse.ask("select stock_ticker, last_session from tickers_behind") == []
    assert warehouse.ask("select stock_ticker, date from unexplained_jumps") == []
    counts = "sessions_due, sessions_there, sessions_missing"
    assert warehouse.ask(f"select stock_ticker, last_session, {counts} from completeness order by 1") == [
        ("AAPL", LAST, 34.0, 34.0, 0.0),
        ("KO", LAST, 34.0, 33.0, 1.0),
    ]


@pytest.mark.parametrize("warehouse", ["DuckDB"], indirect=True)
def test_it_shows_adjusted_prices_as_the_readme_has_it(warehouse: Warehouse) -> None:
    """The line is long, and the first thing that is tried on three new tables."""
    config = {"provider": {"name": "sample"}, "stock_ticker": "KO", "start_date": "2025-03-20"}
    assert warehouse.sync(config, LAST, "stock_prices", "stock_splits", "dividends").returncode == 0
    (program,) = re.findall(
        r"^\.venv-demo/bin/python -c '(.+?)' \\\n +< docs/adjusted_prices.sql$", README, re.MULTILINE
    )
    with Path("docs/adjusted_prices.sql").open() as sql:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=warehouse.config.parent, stdin=sql, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"KO .* (2025-03-\d\d) ", done.stdout) == ["2025-03-20", "2025-03-21"]


def test_it_runs_the_program_of_the_readme(tmp_path: Path) -> None:
    """The lines that people paste into a notebook."""
    section = README.partition("### With PyAirbyte\n")[2].partition("\n### ")[0]
    (program,) = re.findall(r"^```python\n(.+?)^```", section, re.MULTILINE | re.DOTALL)
    logs = {"AIRBYTE_LOGGING_ROOT": str(tmp_path / "logs")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **logs},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"KO +2026-06-30", done.stdout), done.stdout


@pytest.mark.parametrize("warehouse", ["DuckDB"], indirect=True)
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (None, "config.json cannot be read as JSON: [Errno 2] No such file or directory"),
        ('{"stock_ticker": "AAPL",}', "config.json cannot be read as JSON: Expecting property name"),
        ('{"stock_ticker": "AAPL", "provider": {"name": "sample"}}', "not a valid DuckDB database file"),
    ],
)
def test_it_says_what_it_cannot_read(warehouse: Warehouse, config: str | None, sentence: str) -> None:
    """A scheduler's mail has room for a sentence, not for the stack of five libraries."""
    Path(warehouse.database).write_text("no database, but as long as the head of one " * 200)
    if config:
        warehouse.config.write_text(config)
    done = warehouse.run()
    assert done.returncode == 1
    assert "Nothing was written. " in done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("warehouse", ["PostgreSQL"], indirect=True)
def test_it_writes_nothing_and_says_why_when_a_ticker_fails(sandbox: Sandbox, warehouse: Warehouse) -> None:
    """PyAirbyte drops what came before an error: the table must not look up to date."""
    config = {"provider": {"name": "sample"}, "stock_ticker": "AAPL", "start_date": "2025-02-03"}
    good = warehouse.sync(config, LAST_BEFORE)
    assert good.returncode == 0, good.stderr
    before = warehouse.rows()
    bad = warehouse.sync({**config, "stock_ticker": "AAPL, ZZZZ"}, LAST)
    assert bad.returncode == 1
    assert bad.stderr.splitlines()[-1].startswith("Nothing was written. Sample market does not know the ticker ZZZZ.")
    assert "Traceback" not in bad.stderr
    assert PASSWORD not in bad.stdout + bad.stderr
    assert warehouse.rows() == before
