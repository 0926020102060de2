"""Runs one sync after another in one process, through the connector's front door.

A line of standard input is a command: its arguments, and the moment at which it runs. Its messages go to standard
output, and after them a line of type DONE: the exit code, and the threads and sockets that are left.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pendulum
from airbyte_cdk.sources.streams import Stream

from source_stock_prices import SourceStockPrices
from source_stock_prices.run import run

DESCRIPTORS = Path("/proc/self/fd")
MOMENT_SECONDS = 5


def exit_code(args: list[str], moment: str) -> int:
    """Runs one command."""
    out = sys.stdout
    try:
        run(args, SourceStockPrices(clock=lambda: pendulum.parse(moment)))
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.stdout = out
        Stream.get_json_schema.cache_clear()  # the CDK keeps every stream of which it read the schema
        gc.unfreeze()
        gc.collect()
    return 0


def left() -> dict[str, Any]:
    """The threads and sockets of this process. A worker that was told to end may take a moment."""
    until = time.monotonic() + MOMENT_SECONDS
    while any("worker" in thread.name for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.05)
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "sockets": sum(map(is_socket, DESCRIPTORS.iterdir())),
    }


def is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:  # the one with which they were listed
        return False


for line in sys.stdin:
    command = json.loads(line)
    done = {"type": "DONE", "exit_code": exit_code(command["args"], command["moment"]), **left()}
    print(json.dumps(done), flush=True)
