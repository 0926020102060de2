"""What the sandbox says to a person who uses it from another process."""

from __future__ import annotations

import requests

from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.__main__ import kinds_by_vendor
from integration_tests.sandbox.app import VENDORS


def test_it_answers_a_wrong_kind_of_fault_with_those_there_are(sandbox: Sandbox) -> None:
    """A typing error costs one request, not a look into the code."""
    answer = requests.post(f"{sandbox.url}/_sandbox/fail", json={"kind": "trottle", "vendor": "massive"}, timeout=10)
    assert answer.status_code == 400
    said = answer.json()["error"]
    assert said.startswith("massive has no fault 'trottle'. It has bad-key, ")
    assert "throttle" in said and "timeout" in said


def test_it_lists_every_kind_of_fault_when_it_starts() -> None:
    """Of every vendor, and of each what only it has."""
    listed = kinds_by_vendor()
    assert "cut-body" in listed
    for name, vendor in VENDORS.items():
        (line,) = (line for line in listed.splitlines() if line.strip().startswith(f"of {name}:"))
        assert all(refusal in line for refusal in vendor.refusals)
