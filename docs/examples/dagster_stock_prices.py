"""An asset for Dagster. Each evening after the close, PyAirbyte brings the table of prices up to date."""

import os
import subprocess

import dagster as dg

REPOSITORY = os.environ.get("STOCK_PRICES", "/opt/stock-prices")
"""This repository after `make demo`, with your config.json. PyAirbyte runs in its own environment, not in Dagster's."""


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2, delay=1800))
def stock_prices(context: dg.AssetExecutionContext) -> None:
    sync = [".venv-demo/bin/python", "demo/warehouse.py", "config.json", "market.duckdb"]
    done = subprocess.run(sync, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise dg.Failure(done.stderr)
    context.log.info(done.stdout)


definitions = dg.Definitions(
    assets=[stock_prices],
    schedules=[
        dg.ScheduleDefinition(
            name="after_the_close",
            target=[stock_prices],
            cron_schedule="15 21 * * MON-FRI",
            execution_timezone="America/New_York",
        )
    ],
)
