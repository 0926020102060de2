"""Writes the tables in the pages that repeat spec.yaml and the schemas: `make docs`.

Each of these tables follows a comment that names the file it is generated from. To change the table, change that file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLE = re.compile(r"^(<!-- from (\S+), by make docs -->\n\n)(?:\|.*\n)*", re.MULTILINE)

Row = tuple[str, ...]


def filled(page: str) -> str:
    """The text of a page with its tables generated again."""
    return TABLE.sub(lambda found: found[1] + _table(ROOT / found[2]), page)


def _table(file: Path) -> str:
    text = file.read_text("utf-8")
    rows = list(_fields(json.loads(text)) if file.suffix == ".json" else _settings(yaml.safe_load(text)))
    rows.insert(1, ("---",) * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _fields(schema: Mapping[str, Any]) -> Iterator[Row]:
    yield "Field", "Type", "Meaning"
    for name, field in schema["properties"].items():
        types = [field["type"]] if isinstance(field["type"], str) else field["type"]
        (kind,) = (kind for kind in types if kind != "null")
        yield f"`{name}`", field.get("format", kind), field["description"]


def _settings(spec: Mapping[str, Any]) -> Iterator[Row]:
    yield "Key", "Meaning"
    schema = spec["connectionSpecification"]
    blocks_shown: list[Any] = []
    for key, setting in schema["properties"].items():
        if "oneOf" not in setting or setting["oneOf"] in blocks_shown:
            yield f"`{key}`", _meaning(setting, required=key in schema["required"])
            continue
        blocks_shown.append(setting["oneOf"])
        blocks = {block["properties"]["name"]["const"]: block for block in setting["oneOf"]}
        yield f"`{key}.name`", _meaning({**setting, "enum": list(blocks)}, required=True)
        alike: dict[str, dict[str, list[str]]] = {}
        for provider, block in blocks.items():
            for name, own in block["properties"].items():
                if name != "name":
                    # A key is required, but not in the block: it may stand at the top level.
                    required = name in (*block["required"], "api_key")
                    meaning = _meaning({**own, "default": ""} if name == "base_url" else own, required)
                    alike.setdefault(name, {}).setdefault(meaning, []).append(f"`{provider}`")
        for name, meanings in sorted(alike.items()):
            told = (f"{', '.join(providers)}: {meaning}" for meaning, providers in meanings.items())
            yield f"`{key}.{name}`", "<br>".join(told)


def _meaning(setting: Mapping[str, Any], required: bool) -> str:
    sentences = ["Required."] if required else []
    sentences.append(re.sub('<a href="(.+?)">(.+?)</a>', r"[\2](\1)", setting["description"]))
    if "enum" in setting:
        choices = (f"`{value}`" for value in setting["enum"] if value is not None)
        sentences.append(f"One of {', '.join(choices)}.")
    if "maximum" in setting:
        sentences.append(f"{setting['minimum']} to {setting['maximum']}.")
    if setting.get("default", "") != "":
        sentences.append(f"Default: `{json.dumps(setting['default'])}`.".replace('"', ""))
    return " ".join(sentences)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
