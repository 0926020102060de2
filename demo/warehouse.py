"""Keeps a table of daily stock prices right in a database, with PyAirbyte. Each run reads what is new since the last.

    python demo/warehouse.py config.json market.duckdb
    python demo/warehouse.py config.json postgresql://loader@localhost:5432/warehouse
    python demo/warehouse.py config.json market.duckdb stock_prices stock_splits dividends

The config is the connector's, and the password of PostgreSQL comes from PGPASSWORD or ~/.pgpass. Each stream is a table
of its name, in PostgreSQL in the schema `market`, with one row for each primary key; stock_prices is read where none is
named. PyAirbyte writes a sync whole or not at all: when one ticker of one stream fails, the tables stay as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")  # the connector is installed here, no registry has to be asked
# PyAirbyte's own folder of logs belongs to whoever ran it first on this machine, and fails for everybody else.
os.environ.setdefault("AIRBYTE_LOGGING_ROOT", f"{gettempdir()}/airbyte-{os.getuid()}/logs")
warnings.simplefilter("ignore", FutureWarning)  # of PyAirbyte's dependencies, about later versions of Python

import airbyte as ab
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches.base import CacheBase
from airbyte.exceptions import PyAirbyteError
from sqlalchemy.exc import DBAPIError

CONNECTOR = Path(sys.executable).with_name("source-stock-prices")
PRICES = ("stock_prices",)


def sync(config: Mapping[str, Any], database: str, streams: Sequence[str] = PRICES) -> int:
    """Brings the tables up to date, and returns how many records were read for them."""
    if not CONNECTOR.exists():
        raise PyAirbyteError(message=f"source-stock-prices is not installed beside {sys.executable}.")
    source = ab.get_source("source-stock-prices", local_executable=CONNECTOR, config=dict(config))
    source.select_streams(list(streams))
    with TemporaryDirectory() as batches:
        cache = _cache(database, Path(batches))
        try:
            return int(source.read(cache=cache).processed_records)
        finally:
            cache.get_sql_engine().dispose()  # PyAirbyte would keep the DuckDB file locked


def _cache(database: str, batches: Path) -> CacheBase:
    """Where PyAirbyte writes: a PostgreSQL server by its address, or else a DuckDB file."""
    if not database.startswith(("postgresql://", "postgres://")):
        return DuckDBCache(db_path=database, cache_dir=batches)
    address = urlsplit(database)
    return PostgresCache(
        host=address.hostname or "localhost",
        port=address.port or 5432,
        username=address.username or "postgres",
        password=address.password or "",  # none: the driver looks for one where every PostgreSQL program does
        database=address.path.removeprefix("/") or "postgres",
        schema_name="market",
        cache_dir=batches,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="the connector's config, a JSON file")
    parser.add_argument("database", help="a DuckDB file, or the address of a PostgreSQL database")
    parser.add_argument("streams", nargs="*", default=PRICES, help="stock_prices alone where none is named")
    asked = parser.parse_args()
    try:
        config = json.loads(asked.config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"Nothing was written. {asked.config} is no JSON file that can be read: {error}")
    try:
        records = sync(config, asked.database, asked.streams)
    except PyAirbyteError as error:
        sys.exit(f"\nNothing was written. {error.get_message()}")
    except DBAPIError as error:
        sys.exit(f"\nNothing was written. {error.orig}")
    print(f"{records} records read into {', '.join(asked.streams)}")


if __name__ == "__main__":
    main()
