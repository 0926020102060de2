"""The sandbox for tests that run the connector, and time that does not pass."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import yaml
from airbyte_cdk.sources.streams import call_rate
from airbyte_cdk.sources.streams.http import rate_limiting
from backoff import _sync
from hypothesis import HealthCheck, Phase, settings

from integration_tests.sandbox import Sandbox
from source_stock_prices import http, second_opinion, stream

yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Each sync reads the spec and the manifests: in C that takes a tenth of the time."""

DRAWN = settings(
    max_examples=int(os.environ.get("EXAMPLES", "6")),
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,  # the same draws each time; `make soak` draws others
    phases=[Phase.reuse, Phase.generate],  # shrinking whole syncs takes longer than reading one
    suppress_health_check=list(HealthCheck),
)
"""For tests that run syncs on drawn data. `make soak` draws more."""


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    """One server for all tests."""
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(server: Sandbox) -> Iterator[Sandbox]:
    """The server as if just started. Requests that were under way when a sync stopped end before the next test."""
    server.reset()
    yield server
    server.reset()
    end_of_workers()


def end_of_workers() -> None:
    """Waits until the requests are over that were under way when a sync stopped."""
    until = time.monotonic() + 10
    while any("worker" in thread.name for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that the connector would have waited, in order. It does not. Its workers end before the next test."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, monotonic=time.monotonic)
    for module in (rate_limiting, call_rate, _sync, http, second_opinion):
        monkeypatch.setattr(module, "time", clock)
    yield waited
    end_of_workers()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Waits for an answer as long as a loaded machine may take, but for one that is meant to time out not much longer
    than for others.
    """
    read = 60.0
    if "timeout" in request.node.name:
        load_of_a_core = os.getloadavg()[0] / (os.cpu_count() or 1)
        read = 0.4 * max(1.0, load_of_a_core)
    monkeypatch.setattr(stream, "TIMEOUT", (30, read))
