"""The measures and their goals. Each function is a section of the table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from benchmarks import market, peers
from benchmarks.jobs import BIN, Desk, Job
from benchmarks.measure import Command, Cost, records, rounds, run
from benchmarks.table import Row, bounded, compared
from benchmarks.vendor import Traffic, Vendor

BARE, PLAIN = "bare loop", "plain CDK stream"
MANIFEST, ROWS = "declarative manifest", "declarative, unmodified rows"
SINGER, DLT = "Singer tap", "dlt rest_api, extract only"
OURS = "connector"
CDK = "import airbyte_cdk"
ALPACA_SYMBOLS = 100
"""Number of tickers in one request to Alpaca."""

HISTORY = 20
"""Sessions read before a daily sync: more than a sync asks for again."""

LATENCY_MS = 50
STARTS = 7
"""Minimum number of start-up runs: a start-up is short, and its goal is a small difference."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of tickers and bars in the jobs. The small ones only check that everything runs."""

    sync: tuple[int, int] = (100, 5_000)
    overlap: tuple[int, int] = (100, 250)
    daily: int = 500
    memory: tuple[int, int, int] = (10, 1_000, 250)
    state: int = 5_000
    year: int = 252

    @classmethod
    def small(cls) -> Sizes:
        return cls(sync=(5, 500), overlap=(20, 20), daily=100, memory=(5, 50, 20), state=250, year=3)


@dataclass(frozen=True)
class Bench:
    """What every section needs."""

    vendor: Vendor
    desk: Desk
    runs: int
    sizes: Sizes

    def job(self, tickers: int, bars: int, latency_ms: int = 0) -> Job:
        """The latest bars of the first tickers, at a base URL of its own."""
        names = [market.ticker(n) for n in range(tickers)]
        return Job(self.vendor.address(latency_ms), names, self.vendor.sessions(bars), records=tickers * bars)


def sync(bench: Bench) -> Iterator[Row]:
    """A first sync of many bars, compared with other programs that read the same bars."""
    tickers, bars = bench.sizes.sync
    whole, one = bench.job(tickers, bars), bench.job(1, 1)
    programs = _programs(bench.desk)
    _same_records(bench, programs)
    bench.vendor.render(whole.tickers, whole.sessions[0], whole.sessions[-1])
    costs = rounds(_with_starts(programs, one, whole), bench.runs)
    net = {
        name: [(all_of.cpu - start.cpu) / (whole.bars - 1) * 1e6 for all_of, start in _pairs(costs, name)]
        for name in programs
    }
    walls = {name: [cost.wall for cost in costs[name]] for name in programs}
    peaks = {name: [cost.peak / 1e6 for cost in costs[name]] for name in programs}
    others = [name for name in programs if name != OURS]
    size = f"{tickers:,} x {bars:,} bars"
    for name, goal in {**dict.fromkeys(others), BARE: 3.5, PLAIN: 0.55}.items():
        yield compared(f"CPU per record, {size}", net[OURS], name, net[name], "{:.1f} µs", goal)
    for name, goal in {**dict.fromkeys(others), MANIFEST: 0.1}.items():
        yield compared(f"wall time, {size}", walls[OURS], name, walls[name], "{:.2f} s", goal)
    for name in others:
        yield compared(f"peak memory, {size}", peaks[OURS], name, peaks[name], "{:.0f} MB")
    yield from (Row(f"CPU per record, {size}", "", name, "not installed") for name in (SINGER, DLT) if name not in net)


def overlap(bench: Bench) -> Iterator[Row]:
    """Whether requests overlap: eight workers against one, from the first request to the last response.

    The start-up takes longer than the measured time and varies as much, so the server measures the time.
    """
    tickers, bars = bench.sizes.overlap
    measure = f"wall time, {tickers:,} x {bars:,} bars at {LATENCY_MS} ms, 8 workers"
    if not _built("num_workers"):
        yield Row(measure, "not built", "1 worker", goal="≤ 0.15x", met=False)
        return
    whole = bench.job(tickers, bars)
    bench.vendor.render(whole.tickers, whole.sessions[0], whole.sessions[-1])
    seen: dict[int, list[tuple[Traffic, Cost]]] = {8: [], 1: []}
    for _ in range(bench.runs):
        for workers, found in seen.items():
            job = replace(whole, base_url=bench.vendor.address(LATENCY_MS), num_workers=workers)
            cost, _ = run(bench.desk.connector(job))
            found.append((bench.vendor.traffic(job.base_url), cost))
    waits = {workers: [traffic.seconds for traffic, _ in found] for workers, found in seen.items()}
    yield compared(measure, waits[8], "1 worker", waits[1], "{:.2f} s", 0.15)
    walls = {workers: [cost.wall for _, cost in found] for workers, found in seen.items()}
    yield compared(f"{measure}, including start-up", walls[8], "1 worker", walls[1], "{:.2f} s")


def requests(bench: Bench) -> Iterator[Row]:
    """How many requests a daily sync after another makes, with one new session and with none.

    Where a request is a session of the whole market, four are for sessions that are asked for again.
    """
    count = bench.sizes.daily
    for provider, goal in (("massive", 5), ("alpaca", ceil(count / ALPACA_SYMBOLS))):
        whole = bench.job(count, HISTORY)
        for new, at_most in ((1, goal), (0, 0)):
            before = whole.sessions[: len(whole.sessions) - new]
            first = replace(whole, sessions=before, records=count * len(before))
            _, output = run(bench.desk.connector(first, provider))
            job = replace(
                whole,
                base_url=bench.vendor.address(),
                state=output.states[-1:],
                records=count * 2 if new else 0,
            )
            run(bench.desk.connector(job, provider))
            measure = f"requests, {count:,} tickers with state, {new or 'no'} new session, {provider}"
            yield bounded(measure, bench.vendor.traffic(job.base_url).requests, at_most)


def memory(bench: Bench) -> Iterator[Row]:
    """Whether memory grows with the number of tickers."""
    few, many, bars = bench.sizes.memory
    jobs = {f"{tickers:,} tickers": bench.desk.connector(bench.job(tickers, bars)) for tickers in (many, few)}
    costs = rounds(jobs, bench.runs)
    (_, ours), (name, theirs) = ((name, [cost.peak / 1e6 for cost in found]) for name, found in costs.items())
    yield compared(f"peak memory, {many:,} tickers x {bars} bars", ours, name, theirs, "{:.0f} MB", 1.2)


def state(bench: Bench) -> Iterator[Row]:
    """How much state a sync of many tickers writes. Each STATE message contains every ticker."""
    for provider in ("massive", "alpaca"):
        _, output = run(bench.desk.connector(bench.job(bench.sizes.state, 2), provider))
        size = sum(map(len, output.states)) / 1e6
        measure = f"state, {bench.sizes.state:,} tickers x 2 bars, {provider}"
        yield bounded(f"{measure}, {len(output.states)} messages", size, 5, "{:.2f} MB")


def market_of_all(bench: Bench) -> Iterator[Row]:
    """The cost of the whole market: a first sync of a year, and a daily sync."""
    year = bench.sizes.year
    sessions = bench.vendor.sessions(year + 1)
    whole = Job(bench.vendor.address(), ["*"], sessions, records=(year + 1) * market.UNIVERSE)
    run(bench.desk.connector(whole))  # makes the server render its responses
    first = replace(whole, base_url=bench.vendor.address(), sessions=sessions[:-1], records=year * market.UNIVERSE)
    _, before = run(bench.desk.connector(first))
    daily = replace(
        whole,
        base_url=bench.vendor.address(),
        state=before.states[-1:],
        records=2 * market.UNIVERSE,
    )
    for name, job in (
        (f"first sync of {year} sessions", replace(first, base_url=bench.vendor.address())),
        ("daily sync", daily),
    ):
        cost, output = run(bench.desk.connector(job))
        measure = f"whole market, {market.UNIVERSE:,} tickers, {name}"
        yield Row(f"{measure}: records", f"{output.records:,}")
        yield Row(f"{measure}: requests", f"{bench.vendor.traffic(job.base_url).requests:,}")
        yield Row(f"{measure}: wall time", f"{cost.wall:.1f} s")
        yield Row(f"{measure}: peak memory", f"{cost.peak / 1e6:.0f} MB")
        yield Row(f"{measure}: state", f"{len(output.states)} messages, at most {max(map(len, output.states)):,} bytes")


def startup(bench: Bench) -> Iterator[Row]:
    """How much the connector adds to the start-up of its framework."""
    spec = Command([str(BIN / "source-stock-prices"), "spec"])
    framework = Command([sys.executable, "-c", "import airbyte_cdk"])
    costs = rounds({"spec": spec, CDK: framework}, max(bench.runs, STARTS))
    walls = {name: [cost.wall for cost in found] for name, found in costs.items()}
    yield compared("start-up, wall time of spec", walls["spec"], CDK, walls[CDK], "{:.2f} s", 1.15)
    cpu = {name: [cost.cpu for cost in found] for name, found in costs.items()}
    yield compared("start-up, CPU of spec", cpu["spec"], CDK, cpu[CDK], "{:.2f} s")


SECTIONS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "sync": sync,
    "overlap": overlap,
    "requests": requests,
    "memory": memory,
    "state": state,
    "market": market_of_all,
    "startup": startup,
}


def _programs(desk: Desk) -> dict[str, Callable[[Job], Command]]:
    """The programs that can read a job, by name. A peer that cannot be installed is left out."""
    programs: dict[str, Callable[[Job], Command]] = {
        OURS: desk.connector,
        BARE: desk.bare,
        PLAIN: desk.plain_cdk,
        MANIFEST: desk.manifest,
        ROWS: lambda job: desk.manifest(job, "rows"),
    }
    if python := peers.python("singer"):
        programs[SINGER] = lambda job: desk.singer(job, python)
    if interpreter := peers.python("dlt"):
        programs[DLT] = lambda job: desk.dlt(job, interpreter)
    return programs


def _with_starts(programs: Mapping[str, Callable[[Job], Command]], one: Job, whole: Job) -> dict[str, Command]:
    """Each program with a job of one bar, directly followed by the whole job."""
    commands = {}
    for name, make in programs.items():
        commands[_start_of(name)] = make(one)
        commands[name] = make(whole)
    return commands


def _pairs(costs: Mapping[str, list[Cost]], name: str) -> Iterator[tuple[Cost, Cost]]:
    """A program's runs of the whole job, each paired with its start-up."""
    return zip(costs[name], costs[_start_of(name)], strict=True)


def _start_of(name: str) -> str:
    return f"{name}, start-up"


def _same_records(bench: Bench, programs: Mapping[str, Callable[[Job], Command]]) -> None:
    """Ends the benchmark if a program with a goal per record does not write the same records as the connector."""
    job = bench.job(2, 5)
    wanted = records(programs[OURS](job))
    for name in (BARE, PLAIN):
        found = records(programs[name](job))
        if found != wanted:
            sys.exit(f"The records of the {name} differ from those of the connector:\n{found[:1]}\n{wanted[:1]}")


def _built(option: str) -> bool:
    """Whether the connector's config has an option."""
    _, output = run(Command([str(BIN / "source-stock-prices"), "spec"]))
    return f'"{option}"'.encode() in output.spec
