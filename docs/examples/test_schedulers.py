"""Runs the examples with the real Airflow and Dagster on the sample market: `make schedulers-test`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster
import dagster_stock_prices
import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

Run = Callable[[], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The parts of the repository that the examples need, after `make demo`."""
    for name in ("demo", ".venv-demo"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


def write_config(folder: Path, tickers: str) -> None:
    config = {"provider": {"name": "sample"}, "stock_ticker": tickers, "start_date": "2026-10-01"}
    (folder / "config.json").write_text(json.dumps({**config, "end_date": "2026-10-30"}))


def table(folder: Path) -> str:
    query = "select stock_ticker, count(*) from stock_prices group by 1 order by 1"
    asked = f"import duckdb; print(duckdb.connect('market.duckdb').execute({query!r}).fetchall())"
    python = folder / ".venv-demo/bin/python"
    return subprocess.run([python, "-c", asked], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(params=["airflow", "dagster"])
def run(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Starts the only task of an example, and returns how it ended and what it printed."""
    if request.param == "airflow":
        own = {"AIRFLOW_HOME": folder / "airflow", "AIRFLOW__CORE__DAGS_FOLDER": HERE, "STOCK_PRICES": folder}
        env = {**os.environ, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **{name: str(own[name]) for name in own}}
        airflow = [sys.executable, "-m", "airflow"]
        subprocess.run([*airflow, "db", "migrate"], env=env, check=True, capture_output=True)
        task = [*airflow, "tasks", "test", "stock_prices", "sync"]

        def of_airflow() -> str:
            done = subprocess.run(task, env=env, capture_output=True, text=True)
            said = done.stdout + done.stderr
            return f"{'SUCCEEDED' if 'new_state=success' in said else 'FAILED'} {said}"

        return of_airflow
    monkeypatch.setattr(dagster_stock_prices, "REPOSITORY", folder)

    def of_dagster() -> str:
        try:
            dagster_stock_prices.stock_prices(dagster.build_asset_context())
        except dagster.Failure as failure:
            return f"FAILED {failure.description}"
        return "SUCCEEDED"

    return of_dagster


def test_it_fills_the_table(run: Run, folder: Path) -> None:
    """A second run continues from there."""
    write_config(folder, "AAPL")
    assert run().startswith("SUCCEEDED")
    write_config(folder, "AAPL, KO")
    assert run().startswith("SUCCEEDED")
    assert table(folder) == "[('AAPL', 22), ('KO', 22)]"


def test_it_fails_when_the_sync_does(run: Run, folder: Path) -> None:
    """A scheduler that reports success over an outdated table is worse than none."""
    write_config(folder, "AAPL, ZZZZ")
    ended = run()
    assert ended.startswith("FAILED")
    assert "Nothing was written." in ended


def test_it_starts_when_the_schedule_says() -> None:
    """Dagster loads the whole file and schedules by the time in New York."""
    dagster.Definitions.validate_loadable(dagster_stock_prices.definitions)
    (schedule,) = dagster_stock_prices.definitions.schedules or ()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 21 * * MON-FRI", "America/New_York")
