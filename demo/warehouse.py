"""Keeps daily stock prices in a database up to date, with PyAirbyte. Each run reads what is new since the last one.

    python demo/warehouse.py config.json market.duckdb
    python demo/warehouse.py config.json postgresql://loader@localhost:5432/warehouse
    python demo/warehouse.py config.json market.duckdb stock_prices stock_splits dividends

The config file is the connector's. The PostgreSQL password comes from PGPASSWORD or ~/.pgpass. Each stream becomes a
table of the same name, in PostgreSQL in the schema `market`, with one row per primary key. If you name no streams,
stock_prices is read. PyAirbyte writes a sync completely or not at all: if one ticker of one stream fails, no table
changes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")  # the connector is installed here, so PyAirbyte need not look it up
# PyAirbyte's default log folder belongs to the user who ran it first on this machine; for all others it fails.
os.environ.setdefault("AIRBYTE_LOGGING_ROOT", f"{gettempdir()}/airbyte-{os.getuid()}/logs")
warnings.simplefilter("ignore", FutureWarning)  # from PyAirbyte's dependencies, about later versions of Python

import airbyte as ab
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches.base import CacheBase
from airbyte.exceptions import PyAirbyteError
from sqlalchemy.exc import DBAPIError

CONNECTOR = Path(sys.executable).with_name("source-stock-prices")
CONNECTOR_LOG = logging.getLogger("airbyte.source-stock-prices")
"""Where PyAirbyte writes what the connector says."""
PRICES = ("stock_prices",)


class Sentences(logging.Handler):
    """Keeps why the connector failed: PyAirbyte's own error says only that it did."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        sentence = record.getMessage()
        if sentence not in self.said:
            self.said.append(sentence)


def sync(config: Mapping[str, Any], database: str, streams: Sequence[str] = PRICES) -> int:
    """Brings the tables up to date and returns the number of records read.

    Raises PyAirbyteError, with the connector's own sentence if it has said one.
    """
    if not CONNECTOR.exists():
        raise PyAirbyteError(message=f"source-stock-prices is not installed in the environment of {sys.executable}.")
    source = ab.get_source("source-stock-prices", local_executable=CONNECTOR, config=dict(config))
    sentences = Sentences()
    CONNECTOR_LOG.addHandler(sentences)
    source.select_streams(list(streams))
    with TemporaryDirectory() as batches:
        cache = _cache(database, Path(batches))
        try:
            return int(source.read(cache=cache).processed_records)
        except PyAirbyteError as error:
            error.message = "\n".join(sentences.said) or error.message
            raise
        finally:
            CONNECTOR_LOG.removeHandler(sentences)
            cache.get_sql_engine().dispose()  # PyAirbyte would keep the DuckDB file locked


def _cache(database: str, batches: Path) -> CacheBase:
    """The database PyAirbyte writes to: PostgreSQL if it is given by its address, otherwise a DuckDB file."""
    if not database.startswith(("postgresql://", "postgres://")):
        return DuckDBCache(db_path=database, cache_dir=batches)
    address = urlsplit(database)
    return PostgresCache(
        host=address.hostname or "localhost",
        port=address.port or 5432,
        username=address.username or "postgres",
        password=address.password or "",  # if empty, the driver looks in PGPASSWORD and ~/.pgpass
        database=address.path.removeprefix("/") or "postgres",
        schema_name="market",
        cache_dir=batches,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="the connector's config, a JSON file")
    parser.add_argument("database", help="a DuckDB file, or the URL of a PostgreSQL database")
    parser.add_argument("streams", nargs="*", default=PRICES, help="the streams to read (default: stock_prices)")
    asked = parser.parse_args()
    # The generators that PyAirbyte leaves open say an error once more, as tracebacks, when they are collected.
    sys.unraisablehook = lambda _: None
    try:
        config = json.loads(asked.config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"Nothing was written. {asked.config} cannot be read as JSON: {error}")
    try:
        records = sync(config, asked.database, asked.streams)
    except PyAirbyteError as error:
        sys.exit(f"\nNothing was written. {error.get_message()}")
    except DBAPIError as error:
        sys.exit(f"\nNothing was written. {error.orig}")
    print(f"{records} records read into {', '.join(asked.streams)}")


if __name__ == "__main__":
    main()
