"""Keeps a table of daily stock prices right in a database, with PyAirbyte. Each run reads what is new since the last.

    python demo/warehouse.py config.json market.duckdb
    python demo/warehouse.py config.json postgresql://loader@localhost:5432/warehouse

The config is the connector's, and the password of PostgreSQL comes from PGPASSWORD or ~/.pgpass. The table is
`stock_prices`, in PostgreSQL `market.stock_prices`, with one row for each ticker and session. PyAirbyte writes a sync
whole or not at all: when one ticker fails, the table stays as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")  # the connector is installed here, no registry has to be asked

import airbyte as ab
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches.base import CacheBase
from airbyte.exceptions import PyAirbyteError

CONNECTOR = Path(sys.executable).with_name("source-stock-prices")


def sync(config: Mapping[str, Any], database: str) -> int:
    """Brings the table up to date, and returns how many bars were read for it."""
    if not CONNECTOR.exists():
        raise PyAirbyteError(message=f"source-stock-prices is not installed beside {sys.executable}.")
    source = ab.get_source("source-stock-prices", local_executable=CONNECTOR, config=dict(config))
    source.select_streams(["stock_prices"])
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
    asked = parser.parse_args()
    try:
        bars = sync(json.loads(asked.config.read_text()), asked.database)
    except PyAirbyteError as error:
        sys.exit(f"\nNothing was written. {error.get_message()}")
    print(f"{bars} bars read into stock_prices")


if __name__ == "__main__":
    main()
