"""The sandbox covers the connector."""

from __future__ import annotations

from integration_tests.scenario import UNSERVED


def test_it_serves_every_vendor_of_the_connector() -> None:
    """The tests of syncs run with every vendor that the sandbox has; one without is tested by none of them."""
    assert not UNSERVED, f"no sandbox for {', '.join(UNSERVED)}: write integration_tests/sandbox/<name>.py"
