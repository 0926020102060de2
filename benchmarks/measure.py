"""Measures a program: runs it as a separate process and reads its output from a pipe, as the platform does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PIPE_BYTES = 1 << 20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
RECORD, STATE, SPEC, COUNT = (b'{"type":"%s"' % kind for kind in (b"RECORD", b"STATE", b"SPEC", b"COUNT"))


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and the number of records it must write."""

    argv: Sequence[str]
    records: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, CPU time (user and system) in seconds, and peak resident memory in bytes."""

    wall: float
    cpu: float
    peak: float


class Output:
    """The output of a program. Records are counted as they arrive, and not kept.

    A program that writes its records elsewhere reports their number in a line of type COUNT.
    """

    def __init__(self) -> None:
        self.records = 0
        self.states: list[bytes] = []
        self.spec = b""
        self._rest = b""

    def feed(self, block: bytes) -> None:
        lines, newline, self._rest = (self._rest + block).rpartition(b"\n")
        if not newline:
            return
        records = lines.count(RECORD)
        self.records += records
        if records <= lines.count(b"\n"):  # not every line is a record
            for line in lines.split(b"\n"):
                self._keep(line)

    def _keep(self, line: bytes) -> None:
        if line.startswith(STATE):
            self.states.append(line)
        elif line.startswith(SPEC):
            self.spec = line
        elif line.startswith(COUNT):
            self.records += int(json.loads(line)["records"])


def run(command: Command) -> tuple[Cost, Output]:
    """Runs a program once. A wrong exit code or number of records ends the benchmark, as its figures mean nothing."""
    output = Output()
    with TemporaryFile() as errors:
        start = perf_counter()
        process = _start(command, errors)
        if process.stdout is None:
            raise RuntimeError("The process has no output pipe.")
        with process.stdout:
            while block := os.read(process.stdout.fileno(), PIPE_BYTES):
                output.feed(block)
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or command.records not in (None, output.records):
            _fail(command, process.returncode, output, errors)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT), output


def records(command: Command) -> list[dict[str, Any]]:
    """The contents of a small job's records without nulls, which the CDK's own serializer leaves out too."""
    with TemporaryFile() as errors, _start(command, errors) as process:
        out, _ = process.communicate()
    found = [json.loads(line)["record"]["data"] for line in out.splitlines() if line.startswith(RECORD)]
    return [{key: value for key, value in row.items() if value is not None} for row in found]


def rounds(commands: Mapping[str, Command], runs: int) -> dict[str, list[Cost]]:
    """The costs of several runs. The programs take turns, so that a slow minute affects all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(1, runs + 1):
        for name, command in commands.items():
            sys.stderr.write(f"  run {number} of {runs}: {name} ")
            sys.stderr.flush()
            cost, _ = run(command)
            costs[name].append(cost)
            sys.stderr.write(f"{cost.wall:.2f} s\n")
    return costs


def _start(command: Command, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603
        list(command.argv),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "", **_memory_settings(), **command.env},
        stdout=subprocess.PIPE,
        stderr=errors,
        pipesize=PIPE_BYTES,
    )


def _memory_settings() -> Mapping[str, str]:
    """How programs in the image get their memory. Each program is measured that way."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    settings = re.findall("(MALLOC_[A-Z_]+)=([0-9]+)", dockerfile)
    if not settings:
        raise ValueError("The Dockerfile has no memory settings.")
    return dict(settings)


def _fail(command: Command, exit_code: int, output: Output, errors: IO[bytes]) -> None:
    errors.seek(0)
    said = errors.read()[-2000:].decode(errors="replace")
    wrote = f"it wrote {output.records} records, {command.records} were expected"
    sys.exit(f"\n{' '.join(command.argv)}\nexited with {exit_code}; {wrote}\n{said}")
