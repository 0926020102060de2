"""The README and docs/ as a contract: what they tell a person to type, to set or to expect is there."""

from __future__ import annotations

import json
import logging
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from jsonschema import Draft7Validator

from docs import tables
from source_stock_prices import state
from source_stock_prices.command_line import parse
from source_stock_prices.config import Config, unknown_keys
from source_stock_prices.findings import KINDS
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.source import SourceStockPrices

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "source_stock_prices"
PAGES = [*tables.PAGES, *(ROOT / name for name in ("benchmarks/README.md", "CONTRIBUTING.md", "SECURITY.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
SCHEMAS = {file.stem: file for file in (PACKAGE / "schemas").glob("*.json")}
SPEC: dict[str, Any] = yaml.safe_load((PACKAGE / "spec.yaml").read_text("utf-8"))["connectionSpecification"]
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]

HEADINGS = [
    "# Stock Prices",
    "## Prerequisites",
    "## Setup guide",
    "## Supported sync modes",
    "## Supported Streams",
    "## Performance considerations",
    "## Data type map",
    "## Limitations & Troubleshooting",
    "## Changelog",
]

every_page = pytest.mark.parametrize("name", TEXTS)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks in a language, with their page."""
    for name, text in TEXTS.items():
        for block in re.findall(rf"^```{language}\n(.+?)^```", text, re.MULTILINE | re.DOTALL):
            yield name, block


def code(text: str) -> list[str]:
    """What stands between backticks in a page's sentences and tables."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.+?^```", "", text, flags=re.MULTILINE | re.DOTALL))


# Tables


@every_page
def test_it_says_of_settings_and_fields_what_the_spec_and_the_schemas_say(name: str) -> None:
    """One place for each sentence; the pages are written from it, by `make docs`."""
    assert TEXTS[name] == tables.filled(TEXTS[name]), "run `make docs`"


def test_it_has_a_table_of_every_setting_and_of_every_stream() -> None:
    """A stream without a table is found by nobody."""
    sources = {found[2] for text in TEXTS.values() for found in tables.TABLE.finditer(text)}
    assert sources == {file.relative_to(ROOT).as_posix() for file in (PACKAGE / "spec.yaml", *SCHEMAS.values())}


def test_it_describes_the_settings_that_the_config_has() -> None:
    """One that is in the spec alone has no effect; one that is not there is never asked for."""
    read = {field.name for field in fields(Config)} - {"tickers"} | {"stock_ticker", "api_key"}
    assert set(SPEC["properties"]) == read


@every_page
def test_it_names_only_settings_that_exist(name: str) -> None:
    """`provider.feed` in a sentence is as good as in a table."""
    provider = {key for block in SPEC["properties"]["provider"]["oneOf"] for key in block["properties"]}
    assert set(re.findall(r"`provider\.(\w+)`", TEXTS[name])) <= provider


@pytest.mark.parametrize("provider", [provider for provider in PROVIDERS.values() if provider.key_url])
def test_it_says_where_a_key_is_to_be_had(provider: Any) -> None:
    """The same address in an error, in the form and on the page of the connector."""
    (block,) = (
        block
        for block in SPEC["properties"]["provider"]["oneOf"]
        if block["properties"]["name"]["const"] == provider.name
    )
    assert f'"{provider.key_url}"' in block["properties"]["api_key"]["description"]
    assert f"({provider.key_url})" in TEXTS["docs/stock-prices.md"]


def test_it_lists_every_kind_of_finding() -> None:
    """An alert is written from the list."""
    _, _, section = TEXTS["docs/stock-prices.md"].partition("| `kind` | What was found |")
    table, _, _ = section.partition("\n\n")
    listed = re.findall(r"^\| ([a-z ]+) \|", table, re.MULTILINE)
    assert sorted(listed) == KINDS
    schema = json.loads(SCHEMAS["findings"].read_text("utf-8"))
    assert f"{', '.join(listed[:-1])} or {listed[-1]}." in schema["properties"]["kind"]["description"]


# Commands


def flags_of_the_connector(*args: str) -> None:
    parse(args)


def target_of_make(*args: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for arg in args:
        variable, is_variable, _ = arg.partition("=")
        pattern = rf"\$\({variable}\)|^{variable} \??=" if is_variable else rf"^{arg}:.* ## "
        assert re.search(pattern, makefile, re.MULTILINE), f"the Makefile has no {arg}"


def file_of_python(*args: str) -> None:
    if args[0] == "-c":
        compile(args[1], "-c", "exec")
        return
    module = args[0] == "-m"
    file = ROOT / (args[1].replace(".", "/") if module else args[0])
    assert (file / "__main__.py").is_file() or file.with_suffix(".py").is_file(), f"{file} is not there"


COMMANDS: dict[str, Callable[..., None]] = {
    "source-stock-prices": flags_of_the_connector,
    "make": target_of_make,
    "python": file_of_python,
}
ELSEWHERE = {"buildah", "cp", "docker", "grep", "kind", "mkdir", "pip", "pipx", "pre-commit", "pytest", "uv"}
"""Programs that are not this project's. Another one is added by hand, after it was tried."""


def commands(block: str) -> Iterator[list[str]]:
    """The commands of a block of shell, one after the other, without redirections."""
    for line in block.replace("\\\n", "").splitlines():
        words = shlex.split(re.sub(r"\d?>>?\s*\S+", "", line), comments=True)
        for is_end, part in groupby(words, lambda word: word in ("&&", "|", ";")):
            if not is_end:
                yield list(part)


@pytest.mark.parametrize(("name", "block"), list(blocks("sh")))
def test_it_offers_only_commands_that_exist(name: str, block: str) -> None:
    """The first thing a newcomer does is to copy a command."""
    for program, *args in commands(block):
        program = Path(program).name
        assert program in COMMANDS or program in ELSEWHERE, f"{name}: {program}"
        COMMANDS.get(program, lambda *args: None)(*args)


def test_it_keeps_out_of_git_what_a_reader_makes_here() -> None:
    """A config holds a key, and `git add .` takes all that is not ignored."""
    commands = "".join(block for name, block in blocks("sh") if name == "README.md")
    made = {"config.json", "market.duckdb", *re.findall(r">>? ([\w.]+)", commands)}
    assert {"secrets/", *(f"/{name}" for name in made)} <= set((ROOT / ".gitignore").read_text("utf-8").split())


def test_it_reads_the_commands_of_a_block() -> None:
    """The reader above is no better than what it is tried on."""
    block = 'A=1 | b --c "d e" > f.json && g \\\n  h # i\n'
    assert list(commands(block)) == [["A=1"], ["b", "--c", "d e"], ["g", "h"]]


@every_page
def test_it_names_only_targets_and_files_that_exist(name: str) -> None:
    """In a sentence too: `make image`, `docs/tables.py`."""
    for words in code(TEXTS[name]):
        if words.startswith("make "):
            target_of_make(*shlex.split(words)[1:])
        elif re.fullmatch(r"[\w.-]+(/[\w.-]+)+\.(py|ya?ml|json|md|sql|sh|txt)", words):
            assert (ROOT / words).exists() or ((ROOT / name).parent / words).exists(), words


@every_page
def test_it_names_the_image_of_this_version(name: str) -> None:
    """An older tag would pull an older connector."""
    assert set(re.findall(r"source-stock-prices:(\d[\w.]*\w)", TEXTS[name])) <= {METADATA["dockerImageTag"]}


# Examples


def a_config(example: dict[str, Any]) -> None:
    filled = json.loads(json.dumps(example).replace('"..."', '"s3cr3t"'))
    Config.parse(filled)
    assert unknown_keys(filled) == []
    assert list(Draft7Validator(SPEC).iter_errors(filled)) == []


def a_catalog(example: dict[str, Any]) -> None:
    catalog = ConfiguredAirbyteCatalogSerializer.load(example)
    assert {stream.stream.name for stream in catalog.streams} <= SCHEMAS.keys()


def a_state(example: dict[str, Any]) -> None:
    (message,) = state.messages({"stock_prices": example})
    assert message.stream and message.stream.stream_state
    read = state.read(vars(message.stream.stream_state), tuple(example), logging.getLogger())
    assert read.keys() == example.keys()


def examples() -> Iterator[Any]:
    inline = ((name, words) for name, text in TEXTS.items() for words in code(text) if words.startswith('{"'))
    for name, example in [*blocks("json"), *inline]:
        yield pytest.param(json.loads(example), id=f"{name}: {' '.join(example.split())[:60]}")


@pytest.mark.parametrize("example", list(examples()))
def test_it_shows_configs_catalogs_and_states_that_are_accepted(example: dict[str, Any]) -> None:
    """An example is what people start from."""
    if "streams" in example:
        a_catalog(example)
    elif "stock_ticker" in example:
        a_config(example)
    else:
        a_state(example)


def test_it_hands_on_the_states_of_every_stream(tmp_path: Path) -> None:
    """The lines of the README, after two reads: the last STATE of a stream counts, and none is lost."""

    def line(stream: str, day: str) -> str:
        (message,) = state.messages({stream: {"AAPL": {"date": day, "price": None}}})
        as_json = AirbyteStateMessageSerializer.dump(message)
        return json.dumps({"type": "STATE", "state": as_json}, separators=(",", ":")) + "\n"

    (block,) = (block for name, block in blocks("sh") if "STATE" in block)
    *shell, read = block.splitlines()
    assert "--state states.jsonl" in read
    for output in (
        '{"type":"LOG"}\n'
        + line("stock_prices", "2026-11-19")
        + line("stock_prices", "2026-11-20")
        + line("dividends", "2026-11-20"),
        line("stock_prices", "2026-11-23"),
    ):
        (tmp_path / "output.jsonl").write_text(output)
        subprocess.run(["sh", "-c", "\n".join(shell)], cwd=tmp_path, check=True)
        messages = SourceStockPrices.read_state(str(tmp_path / "states.jsonl"))
    kept = ConnectorStateManager(messages)
    for stream, day in (("stock_prices", "2026-11-23"), ("dividends", "2026-11-20")):
        assert kept.get_stream_state(stream, None) == {"AAPL": {"date": day, "price": None}}


# Pages


def anchors(page: Path) -> set[str]:
    """The headings of a page as they stand in a link."""
    headings = re.findall(r"^#+ (.+)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_it_has_no_link_that_leads_nowhere(name: str) -> None:
    """To a file of the repository, to a heading in it, or to another site over HTTPS."""
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), link


@every_page
def test_it_ends_with_a_whole_line(name: str) -> None:
    """As .editorconfig has it: what is put behind another file begins on a line of its own."""
    assert TEXTS[name].endswith("\n")


@every_page
def test_it_has_no_address_without_encryption(name: str) -> None:
    """A key sent over plain HTTP is everybody's."""
    assert re.findall(r"http://(?!localhost|json-schema\.org/)\S*", TEXTS[name]) == []


def test_it_has_the_headings_of_airbytes_pages() -> None:
    """Readers of Airbyte's catalog look for a fact where every connector has it."""
    page = TEXTS["docs/stock-prices.md"]
    assert re.findall(r"^##? .+", page, re.MULTILINE) == HEADINGS
    assert "<details>\n  <summary>Expand to review</summary>" in page.partition("## Changelog")[2]


# In Airbyte


def test_it_lists_the_hosts_that_a_firewall_has_to_let_through() -> None:
    """As the metadata has them."""
    hosts = {host for host in METADATA["allowedHosts"]["hosts"] if "$" not in host}
    assert hosts <= set(code(TEXTS["docs/airbyte.md"]))


@pytest.mark.parametrize("name", ["airflow_stock_prices.py", "dagster_stock_prices.py"])
def test_it_starts_the_same_program_from_every_scheduler(name: str) -> None:
    """The examples are run by `make schedulers-test`, which needs Airflow and Dagster; this is what has to agree."""
    example = (ROOT / "docs/examples" / name).read_text("utf-8")
    (block,) = (block for page, block in blocks("sh") if page == "docs/schedulers.md" and "warehouse" in block)
    assert list(commands(block))[-1] == re.findall(r"[\w./-]+", example[example.index(".venv-demo/") :])[:4]
