"""Runs the connector as its users do: a command in, lines of messages out. In this process, so that a test can hand in
a clock; `integration_tests/test_program.py` runs the installed program.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pendulum import DateTime

from source_stock_prices import SourceStockPrices
from source_stock_prices.run import run

Row = Mapping[str, Any]


@dataclass
class Output:
    """What a command wrote, and its exit code."""

    text: str
    exit_code: int

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every line, as the platform reads it."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def of_type(self, kind: str) -> list[Any]:
        """The payloads of the messages of a type."""
        return [
            message[key] for message in self.messages if message["type"] == kind for key in message if key != "type"
        ]

    @property
    def records(self) -> list[Row]:
        return [record["data"] for record in self.of_type("RECORD")]

    def rows(self, stream: str) -> list[Row]:
        """The records of one stream."""
        return [record["data"] for record in self.of_type("RECORD") if record["stream"] == stream]

    def states_of(self, stream: str) -> list[dict[str, Any]]:
        """The states of one stream."""
        states = [state["stream"] for state in self.of_type("STATE")]
        return [state["stream_state"] for state in states if state["stream_descriptor"]["name"] == stream]

    @property
    def state_messages(self) -> list[dict[str, Any]]:
        """The last state of each stream, as the platform hands them back."""
        return list({state["stream"]["stream_descriptor"]["name"]: state for state in self.of_type("STATE")}.values())

    @property
    def states(self) -> list[dict[str, Any]]:
        """The stream state of every STATE message."""
        return [state["stream"]["stream_state"] for state in self.of_type("STATE")]

    @property
    def state(self) -> dict[str, Any]:
        """The last state, which the platform keeps."""
        return self.states[-1]

    @property
    def synced(self) -> list[str]:
        """The tickers of which the last state has a bar, in its order. One that only failed has no date there."""
        state = self.states[-1] if self.states else {}
        return [ticker for ticker, entry in state.items() if "date" in entry]

    @property
    def error(self) -> dict[str, Any] | None:
        """The first error: the CDK adds one of its own after it."""
        errors = [trace["error"] for trace in self.of_type("TRACE") if trace["type"] == "ERROR"]
        return errors[0] if errors else None

    @property
    def statuses(self) -> list[str]:
        traces = [trace for trace in self.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
        return [trace["stream_status"]["status"] for trace in traces]

    @property
    def connection(self) -> dict[str, Any]:
        (status,) = self.of_type("CONNECTION_STATUS")
        return dict(status)

    def log(self, level: str) -> str:
        """The log lines of a level, one after another."""
        return "\n".join(log["message"] for log in self.of_type("LOG") if log["level"] == level)


def program(*args: str, now: DateTime) -> Output:
    """Runs one command at a moment."""
    exit_code = 0
    hook = sys.excepthook
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, redirect_stdout(out):
        try:
            run(list(args), SourceStockPrices(clock=lambda: now))
        except Exception as error:
            exit_code = 1
            sys.excepthook(type(error), error, error.__traceback__)
        except SystemExit as stop:
            exit_code = int(stop.code or 0)
        finally:
            sys.excepthook = hook
            gc.unfreeze()
            sys.stdout.flush()
        out.seek(0)
        return Output(out.read(), exit_code)


def check(config: Row, *, now: DateTime) -> Output:
    """`check` with a config."""
    with tempfile.TemporaryDirectory() as folder:
        return program("check", "--config", _file(folder, "config", config), now=now)


def discover(config: Row, *, now: DateTime) -> Output:
    """`discover` with a config."""
    with tempfile.TemporaryDirectory() as folder:
        return program("discover", "--config", _file(folder, "config", config), now=now)


def read(
    config: Row,
    *,
    now: DateTime,
    state: Any = None,
    mode: str = "incremental",
    streams: Sequence[str] = ("stock_prices",),
) -> Output:
    """`read` of some streams with a config and a state file of any content."""
    with tempfile.TemporaryDirectory() as folder:
        args = ["read", "--config", _file(folder, "config", config)]
        args += ["--catalog", _file(folder, "catalog", catalog(mode, streams))]
        if state is not None:
            args += ["--state", _file(folder, "state", state)]
        return program(*args, now=now)


def catalog(mode: str = "incremental", streams: Sequence[str] = ("stock_prices",)) -> Row:
    """A configured catalog of some streams."""
    modes = {"json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    chosen = {"sync_mode": mode, "destination_sync_mode": "append_dedup"}
    return {"streams": [{"stream": {"name": name, **modes}, **chosen} for name in streams]}


def as_message(state: Row) -> list[Row]:
    """A stream state as the platform hands it back."""
    stream = {"stream_descriptor": {"name": "stock_prices"}, "stream_state": state}
    return [{"type": "STREAM", "stream": stream}]


def table(records: Sequence[Row]) -> dict[tuple[str, date], float]:
    """What Append + Deduped makes of records: the last price of each primary key."""
    return {(row["stock_ticker"], date.fromisoformat(row["date"])): row["price"] for row in records}


def _file(folder: str, name: str, content: Any) -> str:
    path = Path(folder, f"{name}.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)
