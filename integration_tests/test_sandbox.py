"""The sandbox covers the connector, and says what it can do to a person who uses it from another process."""

from __future__ import annotations

import requests

from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.__main__ import kinds_by_vendor
from integration_tests.sandbox.app import VENDORS
from integration_tests.scenario import UNSERVED


def test_it_serves_every_vendor_of_the_connector() -> None:
    """The tests of syncs run with every vendor that the sandbox has; one without is tested by none of them."""
    assert not UNSERVED, f"no sandbox for {', '.join(UNSERVED)}: write integration_tests/sandbox/<name>.py"


def test_it_answers_a_wrong_kind_of_fault_with_those_there_are(sandbox: Sandbox) -> None:
    """A typing error costs one request, not a look into the code."""
    answer = requests.post(f"{sandbox.url}/_sandbox/fail", json={"kind": "trottle", "vendor": "massive"}, timeout=10)
    assert answer.status_code == 400
    said = answer.json()["error"]
    assert said.startswith("massive has no fault 'trottle'. It has bad-key, ")
    assert "throttle" in said and "timeout" in said


def test_it_answers_a_wrong_vendor_with_those_there_are(sandbox: Sandbox) -> None:
    """As it does a wrong kind, and to a body that `curl -d` calls a form."""
    body = b'{"kind": "throttle", "vendor": "masive"}'
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{sandbox.url}/_sandbox/fail", data=body, headers=form, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("There is no vendor 'masive'. There are massive, tiingo, ")


def test_it_lists_every_kind_of_fault_when_it_starts() -> None:
    """Of every vendor, and of each what only it has."""
    listed = kinds_by_vendor()
    assert "cut-body" in listed
    for name, vendor in VENDORS.items():
        (line,) = (line for line in listed.splitlines() if line.strip().startswith(f"of {name}:"))
        assert all(refusal in line for refusal in vendor.refusals)
