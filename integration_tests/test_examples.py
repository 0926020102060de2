"""The first steps of the README, as they are written there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest
import requests
import yaml
from jsonschema import Draft7Validator

from integration_tests.front_door import Output, program
from source_stock_prices.config import Config

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SECTION = (ROOT / "README.md").read_text("utf-8").partition("### On the command line\n")[2].partition("\n## ")[0]
NOW = pendulum.datetime(2026, 11, 20, 22, tz="America/New_York")


def commands() -> list[list[str]]:
    """The connector's commands, with a name for the file of each output."""
    lines = re.findall(r"^source-stock-prices (.+)$", SECTION, re.MULTILINE)
    return [shlex.split(line) for line in lines if "secrets/" not in line]


def run(words: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Output:
    """A command of the README, where the files of its options are."""
    args, _, name = " ".join(words).partition(" > ")
    monkeypatch.chdir(folder)
    output = program(*args.split(), now=NOW)
    if name:
        Path(name).write_text(output.text)
    return output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a newcomer works: with a copy of the examples."""
    (tmp_path / "examples").symlink_to(EXAMPLES)
    return tmp_path


def test_it_takes_the_first_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check, read, the query, and another read that has nothing new to write but the last bar it knows."""
    check, read, discover, again = commands()
    assert run(check, monkeypatch, folder).connection == {"status": "SUCCEEDED"}
    first = run(read, monkeypatch, folder)
    assert first.exit_code == 0

    query = duckdb.sql((EXAMPLES / "prices.sql").read_text("utf-8"))
    (shown,) = re.findall(r"```text\n(.+?)```", SECTION, re.DOTALL)
    rows = [re.findall(r"[^│\s]+", line) for line in shown.splitlines() if re.match(r"│ [A-Z]", line)]
    assert [[str(value) for value in row] for row in query.fetchall()] == rows

    assert run(discover, monkeypatch, folder).of_type("CATALOG")
    (folder / "states.jsonl").write_text("\n".join(line for line in first.text.splitlines() if '"STATE"' in line))
    second = run(again, monkeypatch, folder)
    assert second.exit_code == 0
    assert len(second.records) < 0.1 * len(first.records)


def test_it_reads_all_streams_with_the_output_of_discover(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the README has it: the output is the catalog."""
    (discover,) = (words for words in commands() if words[0] == "discover")
    run(discover, monkeypatch, folder)
    read = ["read", "--config", "examples/config.json", "--catalog", discover[-1]]
    streams = {record["stream"] for record in run(read, monkeypatch, folder).of_type("RECORD")}
    assert {"stock_prices", "dividends", "tickers"} <= streams


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("config*.json")), ids=lambda file: file.name)
def test_it_has_examples_that_the_spec_accepts(file: Path) -> None:
    """The form and the program agree about a config that people copy."""
    config: dict[str, Any] = json.loads(file.read_text("utf-8").replace('"..."', '"a-long-enough-key"'))
    spec = yaml.safe_load((ROOT / "source_stock_prices/spec.yaml").read_text("utf-8"))
    assert list(Draft7Validator(spec["connectionSpecification"]).iter_errors(config)) == []
    assert Config.parse(config).tickers


def test_it_reads_the_sample_market_where_private_hosts_are_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Airbyte Cloud the CDK looks up each host before it sends; the sample market has none that could be found."""
    monkeypatch.setenv("DEPLOYMENT_MODE", "CLOUD")
    monkeypatch.setattr(requests.Session, "send", requests.Session.send)  # taken back: the CDK replaces it for good
    config = str(EXAMPLES / "config.json")
    assert program("check", "--config", config, now=NOW).connection == {"status": "SUCCEEDED"}
    output = program("read", "--config", config, "--catalog", str(EXAMPLES / "catalog.json"), now=NOW)
    assert output.exit_code == 0
    assert output.records
