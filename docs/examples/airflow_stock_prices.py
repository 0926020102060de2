"""A DAG for Airflow 3. Each evening after the close, PyAirbyte brings the table of prices up to date."""

import os
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

REPOSITORY = os.environ.get("STOCK_PRICES", "/opt/stock-prices")
"""This repository after `make demo`, with your config.json. PyAirbyte runs in its own environment, not in Airflow's."""

with DAG(
    "stock_prices",
    schedule=CronTriggerTimetable("15 21 * * MON-FRI", timezone="America/New_York"),
    start_date=pendulum.datetime(2026, 1, 1, tz="America/New_York"),
    catchup=False,  # one run reads everything that is new
    max_active_runs=1,  # two runs at a time would read the same data
):
    BashOperator(
        task_id="sync",
        bash_command=".venv-demo/bin/python demo/warehouse.py config.json market.duckdb",
        cwd=REPOSITORY,
        retries=2,
        retry_delay=timedelta(minutes=30),
    )
