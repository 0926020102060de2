"""`python -m benchmarks`: runs the requested sections, prints one table and optionally writes it as Markdown."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import peers
from benchmarks.goals import SECTIONS, Bench, Sizes
from benchmarks.jobs import Desk
from benchmarks.table import Row, render
from benchmarks.vendor import serving


def main() -> None:
    asked = _arguments()
    rows: list[Row] = []
    with TemporaryDirectory() as folder, serving() as vendor:
        bench = Bench(vendor, Desk(Path(folder)), asked.runs, Sizes.small() if asked.small else Sizes())
        for name in asked.only:
            sys.stderr.write(f"{name}\n")
            rows += SECTIONS[name](bench)
    written = f"{render(rows)}\n\n{about(asked.runs, small=asked.small)}\n"
    sys.stdout.write(written)
    if asked.write:
        asked.write.write_text(f"# What a sync costs\n\n{written}")


def about(runs: int, *, small: bool) -> str:
    """The versions that were measured and the number of runs."""
    versions = [
        f"Python {platform.python_version()}",
        f"airbyte-cdk {peers.version('airbyte-cdk')}",
        f"singer-sdk {peers.version('singer-sdk', 'singer')}",
        f"dlt {peers.version('dlt', 'dlt')}",
    ]
    times = "one run" if runs == 1 else f"medians of {runs} runs"
    caution = " The jobs were too small for meaningful figures." if small else ""
    return f"{', '.join(versions)}; {times}.{caution} For the method, see benchmarks/README.md."


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="number of runs of each program (default: 3)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the table to this file")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="run only these sections")
    parser.add_argument("--small", action="store_true", help="run tiny jobs, only to check that everything works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
