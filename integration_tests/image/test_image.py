"""The image as Airbyte starts it: `AIRBYTE_ENTRYPOINT` in a shell, files in /source, no rights. On top of that, the
disk is read-only but for the temporary folder, which the CDK needs, and the sandbox is all there is of a network. These
run in `make image-test`, which builds the image.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.front_door import Output, as_message, catalog, table
from integration_tests.sandbox import Sandbox

pytestmark = pytest.mark.image_tests

ROOT = Path(__file__).parents[2]
FILES = {"config": "connectorConfig.json", "catalog": "catalog.json", "state": "inputState.json"}
"""Airbyte's names of them, by the option that takes each."""

MOST_MEGABYTES = 360
PODMAN = ["podman", "--runtime", "runc"]
RUN = [
    *(*PODMAN, "run", "--rm", "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp", "--network", "host"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
    # podman's own limits are higher than a machine may allow.
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
]

Connector = Callable[..., Output]


@pytest.fixture(scope="module")
def image() -> str:
    return os.environ["IMAGE"]


@pytest.fixture
def inside(image: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs any command in a container of the image."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        start = [*RUN, "--entrypoint", command[0], image, *command[1:]]
        return subprocess.run(start, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def connector(image: str, tmp_path: Path) -> Connector:
    """Runs a command of the connector with the files it is given; a person is told `says`, or nothing at all."""

    def run(verb: str, says: str = "", **files: Any) -> Output:
        options = ["--workdir", "/source"]
        command = f"$AIRBYTE_ENTRYPOINT {verb}"
        for option, content in files.items():
            (tmp_path / option).write_text(json.dumps(content))
            options += ["--volume", f"{tmp_path / option}:/source/{FILES[option]}:ro"]
            command += f" --{option} /source/{FILES[option]}"
        start = [*RUN, *options, "--entrypoint", "sh", image, "-c", f'eval "{command}"']
        done = subprocess.run(start, capture_output=True, text=True, timeout=60)
        assert done.stderr.startswith(says) and bool(done.stderr) == bool(says)
        return Output(done.stdout, done.returncode)

    return run


def config(provider: Mapping[str, str], end: str) -> dict[str, Any]:
    return {"provider": provider, "stock_ticker": "AAPL, BRK.B", "start_date": "2024-01-02", "end_date": end}


def inspected(image: str) -> dict[str, Any]:
    (found,) = json.loads(subprocess.check_output([*PODMAN, "image", "inspect", image]))
    return dict(found)


def test_it_is_what_the_metadata_says(image: str) -> None:
    """Airbyte starts what AIRBYTE_ENTRYPOINT says, a person what ENTRYPOINT says; the labels say what it is."""
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
    settings = inspected(image)["Config"]
    assert settings["Labels"]["io.airbyte.name"] == metadata["dockerRepository"]
    assert settings["Labels"]["io.airbyte.version"] == metadata["dockerImageTag"]
    assert f"AIRBYTE_ENTRYPOINT={' '.join(settings['Entrypoint'])}" in settings["Env"]
    assert (settings["User"], settings["WorkingDir"]) == ("airbyte", "/airbyte")


def test_it_runs_without_rights_disk_and_network(
    inside: Callable[..., subprocess.CompletedProcess[str]], sandbox: Sandbox
) -> None:
    """What the other tests here prove is worth nothing where the connector could help itself."""
    status = inside("cat", "/proc/self/status").stdout
    assert re.findall(r"^(?:Uid|CapEff|NoNewPrivs):\t(\w+)", status, re.MULTILINE) == ["1000", "0" * 16, "1"]
    for folder in ("/", "/airbyte", "/opt/connector"):
        assert "Read-only file system" in inside("touch", f"{folder}/file").stderr
    links = re.findall(r"^ *(\w+):", inside("cat", "/proc/net/dev").stdout, re.MULTILINE)
    assert links == ["lo"]
    port = sandbox.url.rpartition(":")[2]
    connect = "import socket, sys; socket.create_connection(sys.argv[1:], timeout=5)"
    python = "/opt/connector/bin/python"
    assert inside(python, "-c", connect, "127.0.0.1", port).returncode == 0
    assert "Network is unreachable" in inside(python, "-c", connect, "192.0.2.1", "443").stderr


def test_it_answers_spec(image: str) -> None:
    """The one command that a person starts without a file."""
    done = subprocess.run([*RUN, image, "spec"], capture_output=True, text=True, timeout=60)
    (answer,) = Output(done.stdout, done.returncode).of_type("SPEC")
    spec = yaml.safe_load((ROOT / "source_stock_prices/spec.yaml").read_text())
    assert {key: answer[key] for key in spec} == spec
    assert (done.returncode, done.stderr) == (0, "")


def test_it_discovers_its_streams(connector: Connector, sandbox: Sandbox) -> None:
    """The schemas are files, and a file can be missing from an image."""
    output = connector("discover", config=config(sandbox.provider("massive"), "2024-01-12"))
    (found,) = output.of_type("CATALOG")
    (stream,) = (stream for stream in found["streams"] if stream["name"] == "stock_prices")
    assert stream["json_schema"] == json.loads((ROOT / "source_stock_prices/schemas/stock_prices.json").read_text())
    assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
    assert output.exit_code == 0


@pytest.mark.parametrize("vendor", ["massive", "tiingo"])
def test_it_reads_what_is_new(connector: Connector, sandbox: Sandbox, vendor: str) -> None:
    """A connection's life: the test of its config, the first sync, the next one from the state that was kept."""
    provider = sandbox.provider(vendor)
    tickers, start = ["AAPL", "BRK.B"], date(2024, 1, 2)
    assert connector("check", config=config(provider, "2024-01-12")).connection == {"status": "SUCCEEDED"}

    first = connector("read", config=config(provider, "2024-01-12"), catalog=catalog())
    truth = sandbox.truth(tickers, start, date(2024, 1, 12))
    assert table(first.records) == {key: trade.close for key, trade in truth.items()}
    assert {ticker: mark["date"] for ticker, mark in first.state.items()} == dict.fromkeys(tickers, "2024-01-12")
    assert (first.exit_code, first.statuses) == (0, ["STARTED", "RUNNING", "COMPLETE"])

    state = as_message(first.state)
    second = connector("read", config=config(provider, "2024-01-19"), catalog=catalog(), state=state)
    truth = sandbox.truth(tickers, date(2024, 1, 12), date(2024, 1, 19))
    assert table(second.records) == {key: trade.close for key, trade in truth.items()}
    assert {ticker: mark["date"] for ticker, mark in second.state.items()} == dict.fromkeys(tickers, "2024-01-19")
    assert (second.exit_code, second.statuses) == (0, ["STARTED", "RUNNING", "COMPLETE"])


def test_it_reads_the_sample_market(connector: Connector) -> None:
    """What a person tries first in Airbyte's form, for it needs no key."""
    settings = config({"name": "sample"}, "2024-01-12")
    assert connector("check", config=settings).connection == {"status": "SUCCEEDED"}
    first = connector("read", config=settings, catalog=catalog())
    assert (first.exit_code, len(first.records)) == (0, 18)
    second = connector("read", config=settings, catalog=catalog(), state=as_message(first.state))
    assert (second.exit_code, second.records, second.state) == (0, [], first.state)


def test_it_tells_of_a_wrong_key(connector: Connector, sandbox: Sandbox) -> None:
    """`check` answers, and a sync fails, with the sentence that the user reads, in the terminal too."""
    settings = config(sandbox.provider("massive", key="wr0ng+k3y="), "2024-01-12")
    sentence = "Massive (formerly Polygon.io) rejected the API key."
    checked = connector("check", says=sentence, config=settings)
    assert (checked.exit_code, checked.connection["status"]) == (0, "FAILED")
    assert sentence in checked.connection["message"]
    read = connector("read", says=sentence, config=settings, catalog=catalog())
    assert (read.exit_code, read.records) == (1, [])
    assert read.error and read.error["failure_type"] == "config_error"
    assert sentence in read.error["message"]
    assert "wr0ng" not in checked.text + read.text


def test_it_holds_the_connector_and_nothing_else(
    image: str, inside: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Caches, tools and tests are weight, and each is one more thing to patch."""
    changes = subprocess.check_output([*PODMAN, "diff", image, os.environ["BASE_IMAGE"]], text=True).splitlines()
    files = {path for kind, path in (line.split(maxsplit=1) for line in changes) if kind != "C"}
    assert any(path.startswith("/opt/connector/") for path in files)
    expected = re.compile(r"/opt/connector(/|$)|/usr/lib/python3\.\d+/(.+/)?__pycache__(/|$)")
    assert [path for path in files if not expected.match(path)] == []
    names = "from importlib.metadata import distributions as all; print(*(one.name.lower() for one in all()))"
    packages = set(inside("/opt/connector/bin/python", "-c", names).stdout.split())
    assert {"source-stock-prices", "airbyte-cdk"} <= packages
    assert not packages & {"pip", "pytest", "flask", "hypothesis", "mypy", "ruff", "requests-mock"}


def test_it_lists_what_it_holds(inside: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """What is under another kind of licence is named in docs/dependencies.md, and nothing comes unseen."""
    listed = json.loads(inside("cat", "/opt/connector/sbom.cdx.json").stdout)
    components = {each["name"]: each for each in listed["components"]}
    assert {"airbyte-cdk", "requests", "orjson"} <= {*components}
    assert not {"pip", "source-stock-prices"} & {*components}
    assert [name for name, each in components.items() if not each["licenses"]] == []
    assert {name for name, each in components.items() if "GPL" in json.dumps(each["licenses"])} <= {"Unidecode"}


def test_it_compiles_nothing_when_it_starts(inside: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Nowhere to keep the byte code, each start would make it anew: seconds of every command."""
    done = inside("/opt/connector/bin/python", "-v", "/opt/connector/bin/source-stock-prices", "spec")
    sources = re.findall(r"^# code object from '?(.+?\.py)'?$", done.stderr, re.MULTILINE)
    assert "/airbyte_cdk/__pycache__/entrypoint." in done.stderr
    assert sources == []


def test_it_is_small_and_quick(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Airbyte pulls it on every node, and starts it for every check and sync."""
    added = (inspected(image)["Size"] - inspected(os.environ["BASE_IMAGE"])["Size"]) / 1e6
    starts = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([*RUN, image, "spec"], stdout=subprocess.DEVNULL, check=True, timeout=60)
        starts.append(time.perf_counter() - start)
    with capsys.disabled():
        print(f"\nThe image adds {added:.0f} MB to its base; spec takes {min(starts):.1f} s, start to end.")
    assert added < MOST_MEGABYTES
