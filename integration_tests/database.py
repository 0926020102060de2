"""A database for tests of SQL: tables of what the connector writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from integration_tests.front_door import Row

TYPES = {bool: "boolean", int: "double", float: "double", str: "varchar", datetime: "timestamp"}


def load(database: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
    """A table of records; typed by the values, since all of them are JSON."""
    columns = dict.fromkeys(rows[0], "double")
    columns |= {key: TYPES[type(value)] for row in rows for key, value in row.items() if value is not None}
    columns["date"] = "date"
    database.execute(f"create table {name} ({', '.join(f'{key} {kind}' for key, kind in columns.items())})")
    database.executemany(
        f"insert into {name} values ({', '.join('?' * len(columns))})", [[row[key] for key in columns] for row in rows]
    )
