"""A job to read, and the command line of each program that reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measure import Command

BIN = Path(sys.executable).parent
MANIFEST = Path(__file__).with_name("programs") / "manifest.yaml"
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "WARNING"}
"""Without this, dlt reports its use over the network."""

_file = count(1)


@dataclass(frozen=True)
class Job:
    """The bars of some tickers in an inclusive window, from a base URL. `records` is the expected number of records.

    `state` has the STATE lines that an earlier sync wrote.
    """

    base_url: str
    tickers: Sequence[str]
    sessions: Sequence[str]
    state: Sequence[bytes] = ()
    num_workers: int | None = None
    records: int | None = None

    @property
    def bars(self) -> int:
        return len(self.tickers) * len(self.sessions)


class Desk:
    """Builds commands, and writes the files that they take into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connector(self, job: Job, provider: str = "massive") -> Command:
        """The connector, through its console entry point."""
        keys = {"api_key": "benchmark"} | ({"api_secret": "benchmark"} if provider == "alpaca" else {})
        config: dict[str, Any] = {
            "provider": {"name": provider, "base_url": job.base_url, **keys},
            "stock_ticker": ",".join(job.tickers),
            "start_date": job.sessions[0],
            "end_date": job.sessions[-1],
        }
        if job.num_workers:
            config["num_workers"] = job.num_workers
        state = ["--state", self._save_lines(job.state)] if job.state else []
        return Command([str(BIN / "source-stock-prices"), *self._read(config), *state], job.records)

    def bare(self, job: Job) -> Command:
        return Command([sys.executable, "-m", "benchmarks.programs.bare", self._job(job)], job.bars)

    def plain_cdk(self, job: Job) -> Command:
        return Command([sys.executable, "-m", "benchmarks.programs.plain_cdk", *self._read(_plain(job))], job.bars)

    def manifest(self, job: Job, stream: str = "stock_prices") -> Command:
        """The CDK's own runtime for manifests."""
        arguments = [*self._read(_plain(job), stream), "--manifest-path", str(MANIFEST)]
        return Command([str(BIN / "source-declarative-manifest"), *arguments], job.bars)

    def singer(self, job: Job, python: str) -> Command:
        arguments = ["--config", self._job(job)]
        return Command([python, "-m", "benchmarks.programs.singer_tap", *arguments], job.bars)

    def dlt(self, job: Job, python: str) -> Command:
        return Command([python, "-m", "benchmarks.programs.dlt_rest", self._job(job)], job.bars, QUIET)

    def _read(self, config: Mapping[str, Any], stream: str = "stock_prices") -> list[str]:
        return ["read", "--config", self._save(config), "--catalog", self._save(_catalog(stream))]

    def _job(self, job: Job) -> str:
        return self._save(_plain(job))

    def _save_lines(self, lines: Sequence[bytes]) -> str:
        path = self._folder / f"{next(_file)}.jsonl"
        path.write_bytes(b"\n".join(lines))
        return str(path)

    def _save(self, content: Any) -> str:
        path = self._folder / f"{next(_file)}.json"
        path.write_text(json.dumps(content))
        return str(path)


def _plain(job: Job) -> Mapping[str, Any]:
    """The job in the form that every program except the connector reads."""
    return {
        "base_url": job.base_url,
        "tickers": list(job.tickers),
        "start": job.sessions[0],
        "end": job.sessions[-1],
    }


def _catalog(name: str) -> Mapping[str, Any]:
    stream = {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    return {"streams": [{"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}]}
