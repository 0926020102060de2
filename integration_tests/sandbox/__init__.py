"""A local server that speaks the vendors' wire shapes over the connector's synthetic market, with faults on demand."""

from integration_tests.sandbox.app import Sandbox
from integration_tests.sandbox.vendor import FREE_KEY, KEY

__all__ = ["FREE_KEY", "KEY", "Sandbox"]
