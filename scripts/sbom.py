"""Lists the packages of the environment whose Python runs this file, as CycloneDX: name, version and licence of each.

    /opt/connector/bin/python scripts/sbom.py >sbom.cdx.json
    python scripts/sbom.py sbom.cdx.json

The second form prints what such a list holds as `name==version`, for tools that look up known vulnerabilities. Nothing
but the standard library is imported: the build of the image runs this in the environment that it lists.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

PRODUCT = "source-stock-prices"

LICENSE = "License :: "
"""How a classifier begins that names a licence."""


def document() -> dict[str, Any]:
    """The environment as a CycloneDX document. The same packages give the same one, to the byte."""
    found = {purl(each): component(each) for each in distributions()}
    product = next(each for each in found.values() if each["name"] == PRODUCT)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**product, "type": "application"}},
        "components": [found[key] for key in sorted(found) if found[key] is not product],
    }


def component(distribution: Distribution) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl(distribution),
        "name": distribution.metadata["Name"],
        "version": distribution.version,
        "purl": purl(distribution),
        "licenses": [*licenses(distribution)],
    }


def purl(distribution: Distribution) -> str:
    """The address of a package, as other tools write it."""
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    return f"pkg:pypi/{name}@{distribution.version}"


def licenses(distribution: Distribution) -> Iterator[dict[str, Any]]:
    """What a package says of its licence: an expression, or else classifiers, or else a line of its own words."""
    said = distribution.metadata
    expressions = said.get_all("License-Expression", [])
    if expressions:
        yield {"expression": expressions[0]}
        return
    classifiers = [each for each in said.get_all("Classifier", []) if each.startswith(LICENSE)]
    names = [each.rpartition(" :: ")[2] for each in classifiers]
    words = [each.strip().partition("\n")[0] for each in said.get_all("License", [])]
    for name in names or words:
        yield {"license": {"name": name}}


def packages(listed: dict[str, Any]) -> Iterator[str]:
    """The packages of a document, each as `name==version`."""
    for each in listed["components"]:
        yield f"{each['name']}=={each['version']}"


if __name__ == "__main__":
    if sys.argv[1:]:
        text = Path(sys.argv[1]).read_text("utf-8")
        print(*packages(json.loads(text)), sep="\n")
    else:
        print(json.dumps(document(), indent=1))
