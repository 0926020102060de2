"""A vendor is complete or not there: its module, its cases, its block of the spec, its row of the README."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import pytest
import yaml

from source_stock_prices.providers import ALIASES, DEFAULT, PROVIDERS
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, RAW, SPLITS, Problem
from unit_tests.vendor_cases import (
    FILES,
    FOLDER,
    KEYS,
    OUTCOMES,
    PACKAGE,
    ROOT,
    bars_of,
    cases,
    every_provider,
    is_secret,
)

SHARED = {"__init__", "terms", "answer", "exchanges", "mend", "provider", "sample_market"}


@pytest.mark.parametrize("section", KEYS)
def test_it_has_cases_that_say_all_they_mean_and_nothing_else(section: str) -> None:
    """A misspelled key would be a check that is never made, a case without a source a shape nobody can look up."""
    for name, file in FILES.items():
        assert file.keys() == {"settings", "query", *KEYS}, name
        for data in file[section]:
            where = f"{name}: {data.get('title')}"
            assert data.keys() <= KEYS[section], where
            assert data.get("title"), where
            assert data.get("source"), where
            assert data.get("problem", {}).keys() <= set(Problem._fields), where
            assert data.get("next", {}).keys() <= {"url", "params"}, where
            if section == "responses":
                assert len(data.keys() & OUTCOMES) == 1, where
                assert len(data.keys() & {"body", "text"}) == 1, where
                assert ("reference" in data) >= ("known" in data), where
        titles = [data["title"] for data in file[section]]
        assert len(set(titles)) == len(titles), name


@every_provider
def test_it_has_bars_for_every_adjustment_a_vendor_claims(provider: type[Provider]) -> None:
    """A series that no case reads may come from the wrong fields."""
    shown = {
        case.query.adjustment for case in cases("responses", "bars") if case.name == provider.name and bars_of(case)
    }
    assert shown == set(provider.adjustments)


def spec_blocks() -> dict[str, Mapping[str, Any]]:
    """The provider blocks of the spec by name."""
    spec = yaml.safe_load((PACKAGE / "spec.yaml").read_text("utf-8"))
    blocks = spec["connectionSpecification"]["properties"]["provider"]["oneOf"]
    return {block["properties"]["name"]["const"]: block for block in blocks}


def readme_rows() -> list[set[str]]:
    """The words in backticks that begin the rows of the README's table of providers: it names most of them."""
    tables: list[list[set[str]]] = [[]]
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        if not line.lstrip().startswith("|"):
            tables.append([])
        elif not re.fullmatch(r"[|:\s-]+", line):
            first_cell = line.split("|")[1]
            tables[-1].append(set(re.findall(r"`([^`]+)`", first_cell)))
    return max(tables, key=lambda rows: sum(bool(words & PROVIDERS.keys()) for words in rows))[1:]


def test_it_lists_every_module() -> None:
    """A module outside the list is a vendor nobody can choose."""
    assert {path.stem for path in FOLDER.glob("*.py")} - SHARED == set(PROVIDERS)


def test_it_lists_no_name_twice() -> None:
    """An alias that is another vendor's name would send one vendor's key to the other."""
    names = [name for provider in PROVIDERS.values() for name in (provider.name, *provider.aliases)]
    assert len(set(names)) == len(names)
    assert set(ALIASES.values()) <= set(PROVIDERS)
    assert DEFAULT in PROVIDERS.values()


def test_it_has_a_file_of_cases_for_every_vendor() -> None:
    """A vendor without cases is a guess."""
    assert set(FILES) == set(PROVIDERS)


def test_it_offers_every_vendor_in_the_spec() -> None:
    """The spec is the form a user fills in, and what a config with a vendor's former name is held against."""
    assert set(spec_blocks()) == {*PROVIDERS, *ALIASES}


def test_it_has_the_same_block_for_a_vendors_former_name() -> None:
    """Who still says Polygon has the key and the settings of Massive."""
    blocks = spec_blocks()
    for alias, name in ALIASES.items():
        former, present = blocks[alias]["properties"], blocks[name]["properties"]
        assert former | {"name": present["name"]} == present
        assert blocks[alias]["required"] == blocks[name]["required"]


def test_it_describes_every_vendor_in_the_readme() -> None:
    """The README is where a user chooses."""
    named = [words & PROVIDERS.keys() for words in readme_rows()]
    assert sorted(name for names in named for name in names) == sorted(PROVIDERS)
    assert all(len(names) == 1 for names in named), "a row of the table names no provider, or two"


@every_provider
def test_it_has_settings_as_the_spec_has_them(provider: type[Provider]) -> None:
    """A setting in one place alone is either never asked for or never used; a key unmarked is shown in the open."""
    block = spec_blocks()[provider.name]
    properties = {key: value for key, value in block["properties"].items() if key != "name"}
    required = {key for key in block["required"] if key != "name"}
    if "api_key" in properties:
        assert properties["api_key"]["always_show"], "a form folds what is not required"
        required.add("api_key")  # in the block or at the top level, which a spec cannot say
    assert "name" in block["required"]
    assert set(properties) == {field.name for field in fields(provider)}
    assert required == {field.name for field in fields(provider) if field.default is MISSING}
    for field in fields(provider):
        assert properties[field.name].get("airbyte_secret", False) is is_secret(field)
        if field.default is not MISSING:
            assert properties[field.name]["default"] == field.default


@every_provider
def test_it_is_described(provider: type[Provider]) -> None:
    """What one vendor serves, and in which unit of asking, is told where it is translated."""
    assert "__doc__" in vars(provider)
    assert (provider.__doc__ or "").strip()
    assert not (provider.__doc__ or "").startswith(f"{provider.__name__}("), "the docstring that dataclass makes up"
    assert provider.title
    assert set(provider.adjustments) <= {RAW, SPLITS, ALL}
