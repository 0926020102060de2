"""Who may know what: a vendor's module knows its vendor, and nothing of Airbyte, of the clock or of other vendors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from source_stock_prices.providers import ALIASES, PROVIDERS
from unit_tests.vendor_cases import FOLDER, PACKAGE, ROOT

SHARED = {f"source_stock_prices.providers.{name}" for name in ("terms", "answer", "exchanges", "mend", "provider")}
MARKET = "source_stock_prices.providers.sample_market"


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(FOLDER.glob("*.py")):
        yield path.name, ast.parse(path.read_text("utf-8"))


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_it_keeps_airbyte_out_of_the_vendors() -> None:
    """A translator that knows the framework begins to retry, log and checkpoint on its own."""
    for name, tree in trees():
        assert [found for found in imports_of(tree) if found.split(".")[0] == "airbyte_cdk"] == [], name


def test_it_keeps_the_clock_out_of_the_vendors() -> None:
    """The day is part of the query: a vendor that looks at a clock gives another answer tomorrow."""
    for name, tree in trees():
        assert [found for found in imports_of(tree) if found.split(".")[0] in ("time", "pendulum")] == [], name
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        clocks = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep"}
        assert [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in clocks] == [], name


def test_it_keeps_the_vendors_apart() -> None:
    """A vendor that leans on another's module breaks with it."""
    for name, tree in trees():
        if name != "__init__.py":
            within = {found for found in imports_of(tree) if found.startswith(("source_stock_prices.providers", "."))}
            assert within <= SHARED | ({MARKET} if name == "sample.py" else set()), name


def test_it_keeps_the_vendors_names_among_the_vendors() -> None:
    """Code elsewhere that names a vendor is a special case that the next vendor will need too."""
    names = "|".join(re.escape(name) for name in (PROVIDERS.keys() | ALIASES.keys()) - {"sample"})
    for path in sorted(PACKAGE.rglob("*.py")):
        if FOLDER not in path.parents:
            found = re.findall(rf"(?<![a-z])(?:{names})(?![a-z])", path.read_text("utf-8"), re.IGNORECASE)
            assert found == [], path.relative_to(ROOT)
