"""Runs the installed connector on its sample market, twice, the way Airbyte does, and shows what came out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill, indent
from typing import Any

CONNECTOR = Path(sys.executable).with_name("source-stock-prices")
TICKERS = ("AAPL", "MSFT", "BRK.B")

Message = Mapping[str, Any]


def main() -> None:
    today = date.today()  # noqa: DTZ011 the local day is as good as any
    config = {
        "provider": {"name": "sample"},
        "stock_ticker": ", ".join(TICKERS),
        "start_date": f"{today - timedelta(weeks=5)}",
        "end_date": f"{today - timedelta(weeks=1)}",
    }
    print("A sync of the sample market, which is made up: no key, no network, no real prices.")
    with TemporaryDirectory() as name:
        folder = Path(name)
        save(folder / "config.json", config)
        show("\nconfig.json", config)
        check(folder)
        discover(folder)
        first = read(folder)
        show_first(first)
        show("\nstate.json, where the next sync goes on", stream_state(first))

        save(folder / "state.json", [message["state"] for message in first if message["type"] == "STATE"][-1:])
        del config["end_date"]
        save(folder / "config.json", config)
        print('\nA week later: the same config, here without "end_date".')
        second = read(folder, "--state", "state.json")
        show_second(first, second)
        show("\nstate.json, after it", stream_state(second))


def run(folder: Path, *args: str) -> list[Message]:
    """The messages of one command of the connector; its failure ends the demo with the connector's own sentence."""
    print(f"\n$ source-stock-prices {' '.join(args)}", flush=True)
    done = subprocess.run([CONNECTOR, *args], cwd=folder, capture_output=True, text=True, check=False)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    traces = [message["trace"] for message in messages if message["type"] == "TRACE"]
    errors = [trace["error"]["message"] for trace in traces if trace["type"] == "ERROR"]
    if errors or done.returncode:
        sys.exit(f"  FAILED  {errors[0] if errors else done.stderr}")
    return messages


def check(folder: Path) -> None:
    messages = run(folder, "check", "--config", "config.json")
    (result,) = (message["connectionStatus"] for message in messages if message["type"] == "CONNECTION_STATUS")
    if result["status"] != "SUCCEEDED":
        sys.exit(f"  {result['status']}  {result['message']}")
    print(f"  {result['status']}")


def discover(folder: Path) -> None:
    messages = run(folder, "discover", "--config", "config.json")
    (catalog,) = (message["catalog"] for message in messages if message["type"] == "CATALOG")
    for stream in catalog["streams"]:
        key = ", ".join(".".join(path) for path in stream["source_defined_primary_key"])
        modes = ", ".join(stream["supported_sync_modes"])
        print(f"  {stream['name']}   key: {key}   cursor: {stream['default_cursor_field'][0]}   modes: {modes}")
        print(indent(fill(", ".join(stream["json_schema"]["properties"]), width=96), "  "))
    wanted = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    save(folder / "catalog.json", {"streams": [{"stream": stream, **wanted} for stream in catalog["streams"]]})


def read(folder: Path, *args: str) -> list[Message]:
    return run(folder, "read", "--config", "config.json", "--catalog", "catalog.json", *args)


def show_first(messages: list[Message]) -> None:
    print("  ticker     bars   first session   last session   last price")
    for ticker in TICKERS:
        found = bars(messages, ticker)
        first, last = found[0], found[-1]
        print(f"  {ticker:<8}{len(found):>7}   {first['date']}      {last['date']}   {last['price']:>10.2f}")


def show_second(before: list[Message], after: list[Message]) -> None:
    print("  ticker     bars   read again   new sessions               last price")
    for ticker in TICKERS:
        last_seen = bars(before, ticker)[-1]["date"]
        found = bars(after, ticker)
        again = ", ".join(bar["date"] for bar in found if bar["date"] <= last_seen)
        new = [bar["date"] for bar in found if bar["date"] > last_seen]
        if not new:
            sys.exit(f"  FAILED  no new bar of {ticker}")
        print(f"  {ticker:<8}{len(found):>7}   {again}   {new[0]} to {new[-1]}   {found[-1]['price']:>10.2f}")


def bars(messages: list[Message], ticker: str) -> list[Message]:
    """A ticker's records, of which there is at least one."""
    records = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    found = [record for record in records if record["stock_ticker"] == ticker]
    return found or sys.exit(f"  FAILED  no bar of {ticker}")


def stream_state(messages: list[Message]) -> Any:
    return [message["state"]["stream"]["stream_state"] for message in messages if message["type"] == "STATE"][-1]


def save(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content))


def show(title: str, content: Message) -> None:
    """Prints a JSON object, one key a line."""
    lines = ",\n   ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    print(f"{title}\n  {{{lines}}}")


if __name__ == "__main__":
    main()
