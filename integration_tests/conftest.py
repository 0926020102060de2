"""The sandbox for tests that run the connector, and time that does not pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from airbyte_cdk.sources.streams import call_rate
from airbyte_cdk.sources.streams.http import rate_limiting
from backoff import _sync
from hypothesis import HealthCheck, Phase, settings

from integration_tests.sandbox import Sandbox

DRAWN = settings(
    max_examples=int(os.environ.get("EXAMPLES", "10")),
    deadline=None,
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
    """The server as if just started."""
    server.reset()
    yield server
    server.reset()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the connector would have waited, in order. It does not."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append)
    for module in (rate_limiting, call_rate, _sync):
        monkeypatch.setattr(module, "time", clock)
    return waited
