"""The list of what an image holds, and what the documentation says of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from scripts.sbom import PRODUCT, component, document, packages

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/dependencies.md").read_text("utf-8")
SETUP = (ROOT / "setup.py").read_text("utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
KINDS = {"MIT": "MIT", "BSD": "BSD", "Apache": "Apache", "MPL": "Mozilla Public License"}
"""How a kind of licence is called in a classifier."""


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    return document()


def test_it_lists_what_is_installed(listed: dict[str, Any]) -> None:
    """Whoever hears of a vulnerability has to know in a minute whether it concerns them."""
    assert listed["metadata"]["component"]["name"] == PRODUCT
    assert f"requests=={distribution('requests').version}" in packages(listed)
    assert PRODUCT not in {each["name"] for each in listed["components"]}


def test_it_names_a_package_once_and_as_others_do(listed: dict[str, Any]) -> None:
    """An editable install is found twice, and underscores and capitals are written in many ways."""
    addresses = [each["purl"] for each in listed["components"]]
    assert len(addresses) == len({*addresses})
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", address) for address in addresses)
    assert addresses == sorted(addresses)


def test_it_reads_its_own_list(listed: dict[str, Any], tmp_path: Path) -> None:
    """What is looked up is what the image holds, not what this environment does."""
    saved = tmp_path / "sbom.cdx.json"
    saved.write_text(json.dumps(listed))
    done = subprocess.run([sys.executable, "scripts/sbom.py", str(saved)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [*packages(listed)]


def test_it_tells_the_licence_of_each_dependency() -> None:
    """A legal department asks for nothing else."""
    needed = SETUP.partition("install_requires=[")[2].partition("\n    ],")[0]
    assert [*ROWS] == re.findall(r'^ +"([\w-]+)', needed, re.MULTILINE)
    for name, licence in ROWS.items():
        said = json.dumps(component(distribution(name))["licenses"])
        kinds = re.findall("[A-Z]{3}|Apache", licence)  # a newer version may add one
        assert any(kind in said or KINDS[kind] in said for kind in kinds), name
