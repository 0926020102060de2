"""What leaves the repository: the wheel, the image and the metadata."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

from scripts import version
from source_stock_prices.http import LONGEST_WAIT
from source_stock_prices.providers import PROVIDERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "source_stock_prices"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def found(pattern: str, name: str) -> str:
    """What the first group of a pattern is in a file."""
    match = re.search(pattern, text(name), re.MULTILINE)
    assert match, f"{name} has nothing like {pattern}"
    return match[1]


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text("metadata.yaml"))["data"]
    return data


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(text("source_stock_prices/spec.yaml"))
    return content


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built without a network from a copy of the whole repository."""
    folder = tmp_path_factory.mktemp("wheel")
    made_here = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "secrets")
    shutil.copytree(ROOT, folder / "repository", ignore=made_here)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=folder / "repository", check=True, stdout=subprocess.DEVNULL
    )
    return ZipFile(*folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_metadata(wheel: ZipFile) -> dict[str, list[str]]:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    message = message_from_string(wheel.read(name).decode())
    return {key: message.get_all(key, []) for key in message}


def test_it_packs_the_package_and_nothing_else(wheel: ZipFile) -> None:
    """Without its data files an installed connector cannot answer `spec`, and an editable install hides that."""
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {
        file.relative_to(ROOT).as_posix()
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_it_answers_spec_from_the_wheel_alone(wheel: ZipFile, spec: dict[str, Any], tmp_path: Path) -> None:
    """The image holds the wheel, not the repository."""
    wheel.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "from source_stock_prices.run import run; run(['spec'])"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    (answer,) = (message for message in map(json.loads, done.stdout.splitlines()) if message["type"] == "SPEC")
    assert answer["spec"]["connectionSpecification"] == spec["connectionSpecification"]


def test_it_declares_every_package_that_it_imports(wheel_metadata: dict[str, list[str]]) -> None:
    """A package that only the CDK happens to need can leave with the CDK's next release."""
    declared = {
        re.split(r"[^\w.-]", requirement)[0].lower()
        for requirement in wheel_metadata["Requires-Dist"]
        if "extra ==" not in requirement
    }
    assert declared == {name.replace("_", "-") for file in PACKAGE.rglob("*.py") for name in foreign_imports(file)}


def foreign_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            name = module.partition(".")[0]
            if name != PACKAGE.name and name not in sys.stdlib_module_names:
                yield name


def test_it_has_one_version(metadata: dict[str, Any], wheel_metadata: dict[str, list[str]]) -> None:
    """Airbyte pulls the image by the metadata's tag, and the two change logs say what is in it."""
    assert wheel_metadata["Version"] == [metadata["dockerImageTag"]]
    assert found(r"^## (\d+\.\d+\.\d+)", "CHANGELOG.md") == metadata["dockerImageTag"]
    assert found(r"^\| (\d+\.\d+\.\d+) +\|", "docs/stock-prices.md") == metadata["dockerImageTag"]
    assert found(r"io\.airbyte\.version=\"(.+?)\"", "Dockerfile") == metadata["dockerImageTag"]


@pytest.mark.parametrize("name", version.PLACES)
def test_it_knows_every_place_of_the_version(name: str, metadata: dict[str, Any]) -> None:
    """`make version` sets them all, so that a release is no search."""
    found = re.findall(version.PLACES[name].replace("%s", version.VERSION), text(name))
    assert set(found) == {metadata["dockerImageTag"]}
    assert text(name).count(metadata["dockerImageTag"]) == len(found)


def test_it_is_described_to_those_who_find_the_package(wheel_metadata: dict[str, list[str]]) -> None:
    """The page of a package is its metadata; a link to nowhere is worse than none."""
    assert wheel_metadata["Description-Content-Type"] == ["text/markdown"]
    assert "Typing :: Typed" in wheel_metadata["Classifier"]
    assert all("https://" in link for link in wheel_metadata.get("Project-URL", []))


def test_it_links_from_the_page_of_the_package_into_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it has an address: the files that the README links to are not beside that page."""
    told: dict[str, Any] = {}
    monkeypatch.setattr("setuptools.setup", lambda **given: told.update(given))
    project = "https://git.example.com/stock-prices"
    program = re.sub(r"^PROJECT = .*", f'PROJECT = "{project}"', text("setup.py"), flags=re.MULTILINE)
    exec(compile(program, "setup.py", "exec"), {"__file__": str(ROOT / "setup.py")})
    links = re.findall(r"\]\(([^)\s]+)\)", told["long_description"])
    assert all(link.startswith(("https://", "#")) for link in links)
    assert f"{project}/blob/main/CONTRIBUTING.md#report-a-problem" in links
    assert f"{project}/raw/main/docs/candles.png" in links


def test_it_has_metadata_that_airbyte_accepts() -> None:
    """Airbyte refuses metadata with a key it does not know or without one it needs."""
    models = pytest.importorskip(
        "airbyte_connector_models.metadata.v0.connector_metadata_definition_v0", reason="not there for Python 3.13"
    )
    models.ConnectorMetadataDefinitionV0.model_validate(yaml.safe_load(text("metadata.yaml")))


def test_it_is_allowed_to_reach_every_provider(metadata: dict[str, Any]) -> None:
    """Airbyte can cut off every host that the metadata does not list."""
    hosts = metadata["allowedHosts"]["hosts"]
    defaults = {str(getattr(provider, "base_url", "")) for provider in PROVIDERS.values()}
    needed = {urlsplit(url).hostname for url in defaults if url and not url.endswith(".invalid")}
    assert needed <= set(hosts)
    assert {"${provider.base_url}", "${verify_with.base_url}"} <= set(hosts)


def test_it_is_not_stopped_while_it_waits_for_a_provider(metadata: dict[str, Any]) -> None:
    """Airbyte stops a sync that says nothing for longer than the metadata allows."""
    assert metadata["maxSecondsBetweenMessages"] > LONGEST_WAIT


def test_it_names_its_streams_and_its_page(metadata: dict[str, Any], spec: dict[str, Any]) -> None:
    """The UI suggests the streams by name and links the page from two places."""
    schemas = {file.stem for file in (PACKAGE / "schemas").glob("*.json")}
    assert set(metadata["suggestedStreams"]["streams"]) <= schemas
    assert metadata["documentationUrl"] == spec["documentationUrl"]
    assert (ROOT / metadata["icon"]).is_file()


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema of an object, and all that are in it."""
    yield schema
    for inner in (*schema.get("properties", {}).values(), *schema.get("oneOf", [])):
        yield from schemas(inner)


def test_it_has_a_spec_that_a_form_can_show(spec: dict[str, Any]) -> None:
    """The rules of Airbyte's acceptance tests: its form knows only some of JSON Schema."""
    root = spec["connectionSpecification"]
    known = {"type", "title", "description", "order", "default", "examples", "enum", "const", "format", "pattern"}
    known |= {"pattern_descriptor", "minimum", "maximum", "airbyte_secret", "airbyte_hidden", "always_show"}
    known |= {"$schema", "required", "properties", "oneOf", "additionalProperties"}
    for schema in schemas(root):
        assert schema.keys() <= known
        assert schema.get("additionalProperties", True) is True
        properties = schema.get("properties", {})
        orders = [each["order"] for each in properties.values()]
        assert orders == list(range(len(orders)))
        for name, each in properties.items():
            kind = each["type"]
            assert isinstance(kind, str) or (len(kind) == 2 and kind[1] == "null")
            assert "array" not in kind
            assert not (each.get("always_show") and name in schema["required"]), "what is required is shown anyway"
        if "oneOf" in schema:
            assert schema["type"] == "object"
            consts = [
                {name for name, each in block["properties"].items() if "const" in each} for block in schema["oneOf"]
            ]
            assert all(names == {"name"} for names in consts)


def test_it_asks_for_what_few_need_last(spec: dict[str, Any]) -> None:
    """Who fills in a form reads it from the top."""
    *_, fourth, third, second, last = spec["connectionSpecification"]["properties"]
    assert [fourth, third, second, last] == ["recheck_sessions", "num_workers", "allow_http", "api_key"]


def test_it_builds_an_image_that_airbyte_can_start(metadata: dict[str, Any]) -> None:
    """Airbyte starts what AIRBYTE_ENTRYPOINT says, a person what ENTRYPOINT says; the labels say what it is."""
    entrypoint = json.loads(found(r"^ENTRYPOINT (\[.+\])$", "Dockerfile"))
    assert found(r"AIRBYTE_ENTRYPOINT=\"(.+)\"", "Dockerfile") == " ".join(entrypoint)
    assert found(r"io\.airbyte\.name=\"(.+?)\"", "Dockerfile") == metadata["dockerRepository"]
    assert found(r"^ARG BASE_IMAGE=(\S+)$", "Dockerfile") == metadata["connectorBuildOptions"]["baseImage"]
    assert re.findall(r"^USER (\w+)$", text("Dockerfile"), re.MULTILINE)[-1] == "airbyte"


def test_it_pins_the_framework_of_the_image(wheel_metadata: dict[str, list[str]]) -> None:
    """Two builds of one version must not differ; whoever installs the wheel may choose within its range."""
    pinned = found(r"^airbyte-cdk==(\S+)$", "constraints.txt")
    (allowed,) = (
        requirement
        for requirement in map(Requirement, wheel_metadata["Requires-Dist"])
        if requirement.name == "airbyte-cdk" and not requirement.extras
    )
    assert pinned in allowed.specifier
    assert "--constraint constraints.txt" in text("Dockerfile")


def test_it_builds_the_image_that_airbyte_pulls(metadata: dict[str, Any]) -> None:
    """Airbyte asks for the name and the tag in the metadata."""
    command = make("--dry-run", "image", "BUILDER=docker build").stdout
    assert f"--tag {metadata['dockerRepository']}:{metadata['dockerImageTag']} ." in command


def test_it_says_what_it_builds_the_image_with() -> None:
    """A Docker client without an engine is the usual case of a failure that nobody understands."""
    failed = make("image", "BUILDER=")
    assert failed.returncode
    assert failed.stderr.startswith("make image needs Docker with its engine running, or buildah\n")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_it_sends_the_image_build_only_what_it_copies() -> None:
    """A key in an ignored file must not get into an image by accident."""
    allowed = re.findall(r"^!(\S+)$", text(".dockerignore"), re.MULTILINE)
    copied = [
        name
        for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
        for name in names.split()
    ]
    assert sorted(copied) == sorted(allowed)
    assert "*" in text(".dockerignore").splitlines()


def test_it_has_a_dockerfile_without_known_mistakes() -> None:
    """The image is built where no test of this repository runs."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not there for this platform")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "warning", "Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_it_shows_every_target() -> None:
    """`make` alone is how one finds out what there is."""
    shown = make("help").stdout
    assert [line.split()[0] for line in shown.splitlines()] == found(r"^\.PHONY: (.+)", "Makefile").split()


def test_it_tests_in_ci_what_the_readme_says() -> None:
    """The same commands for people and for CI, so that neither is green alone."""
    assert os.access(ROOT / ".ci/run", os.X_OK)
    commands = ["make test", "make demo-test", "make image-test"]
    assert re.findall("^make .+", text(".ci/run"), re.MULTILINE) == commands
    for command in commands[:2]:
        assert command in text("README.md").splitlines()


def test_it_has_no_address_without_encryption() -> None:
    """A key sent over plain HTTP is everybody's."""
    files = [
        file
        for pattern in ("*", "docs/**/*.py", "demo/*.*", "source_stock_prices/**/*")
        for file in ROOT.glob(pattern)
        if file.is_file() and file.suffix not in (".pyc", ".lock") and not file.name.startswith(".")
    ]
    assert len(files) > 30
    harmless = re.compile(r"http://(localhost|127\.0\.0\.1|json-schema\.org/|www\.w3\.org/2000/svg)")
    for file in files:
        assert "http://" not in harmless.sub("", file.read_text(encoding="utf-8")), file
