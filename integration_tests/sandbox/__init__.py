"""A local server that imitates the vendors' APIs with the prices of the made-up market, and fails on demand."""

from integration_tests.sandbox.app import Sandbox
from integration_tests.sandbox.vendor import FREE_KEY, KEY

__all__ = ["FREE_KEY", "KEY", "Sandbox"]
