"""ARCHITECTURE.md as a contract: the map is complete, and the imports keep to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "source_stock_prices"
VENDOR = "providers/<vendor>.py"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


MAP = [code(cells[0])[0] for cells in rows("The map")]
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
FILES.remove("__init__.py")


def place(file: str) -> int:
    """The row of a file in the map. A vendor's module has no row of its own."""
    vendor = file.startswith("providers/") and file not in MAP
    return MAP.index(VENDOR if vendor else file)


def imports(file: str) -> Iterator[str]:
    """The modules that a file imports when it runs, wherever in it; names imported from a package as modules of it."""
    tree = ast.parse((PACKAGE / file).read_text("utf-8"))
    for_types = {id(inner) for node in ast.walk(tree) if is_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def own(module: str) -> str | None:
    """The file of a module of the package."""
    path = module.removeprefix("source_stock_prices.").replace(".", "/")
    candidates = (f"{path}.py", f"{path}/__init__.py") if module.startswith("source_stock_prices.") else ()
    return next((file for file in candidates if file in FILES), None)


def test_it_has_every_file_on_the_map() -> None:
    """A file that is not there has no place, and may import anything."""
    assert sorted(file for file in FILES if file not in MAP and not file.startswith("providers/")) == []
    assert [file for file in MAP if file != VENDOR and file not in FILES] == []


@pytest.mark.parametrize("file", FILES)
def test_it_imports_only_from_below(file: str) -> None:
    """So a reader who goes down the map never meets what has not been explained by a row further up."""
    found = {name for name in map(own, imports(file)) if name}
    assert {name for name in found if name != file and place(name) <= place(file)} == set()


@pytest.mark.parametrize("file", FILES)
def test_it_imports_nothing_that_it_must_not_know(file: str) -> None:
    """What a file cannot name, it cannot come to depend on."""
    forbidden = {
        name
        for files, _, _, names in rows("Who may know what")
        for name in code(names)
        if any(fnmatch(file, pattern) for pattern in code(files))
    }
    assert {module for module in imports(file) if module.split(".")[0] in forbidden} == set()
