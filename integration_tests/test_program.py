"""The installed program, as a process of its own: what a test in this process could not see."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from threading import Timer

import pendulum
import pytest

from integration_tests.front_door import Output, catalog, read, table
from integration_tests.liar import Liar
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.faults import SECONDS
from integration_tests.scenario import SCHEMA, config
from source_stock_prices.about import version

PROGRAM = str(Path(sys.executable).with_name("source-stock-prices"))
SAMPLE = {"provider": {"name": "sample"}, "stock_ticker": "AAPL, MSFT, KO, JNJ", "start_date": "2026-01-02"}


def wait_until(is_so: Callable[[], bool]) -> None:
    """Raises AssertionError after a minute."""
    for _ in range(6_000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it took too long")


def unread(pipe: int) -> int:
    """How many bytes wait in a pipe."""
    count = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


def run(*args: str) -> Output:
    output, said = run_aloud(*args)
    assert not said
    return output


def run_aloud(*args: str) -> tuple[Output, str]:
    """The messages, and what a person reads who sent them to a file."""
    done = subprocess.run(args, capture_output=True, text=True, timeout=240, check=False)
    return Output(done.stdout, done.returncode), done.stderr


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(SAMPLE))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog()))
    return tmp_path


def test_it_runs_as_a_file() -> None:
    """As Airbyte's tutorials start a source."""
    assert run(sys.executable, "main.py", "spec").of_type("SPEC")


def test_it_runs_every_command(files: Path) -> None:
    """Airbyte and people start it as a program."""
    config = ["--config", str(files / "config.json")]
    assert run(PROGRAM, "spec").of_type("SPEC")
    assert run(PROGRAM, "check", *config).connection == {"status": "SUCCEEDED"}
    assert run(PROGRAM, "discover", *config).of_type("CATALOG")
    first = run(PROGRAM, "read", *config, "--catalog", str(files / "catalog.json"))
    assert first.exit_code == 0
    (files / "state.json").write_text(json.dumps({"stock_prices": first.state}))
    second = run(
        PROGRAM, "read", *config, "--catalog", str(files / "catalog.json"), "--state", str(files / "state.json")
    )
    assert (second.exit_code, second.records, second.state) == (0, [], first.state)


@pytest.mark.parametrize("lines", [3, 400])
def test_it_is_whole_again_after_a_kill(files: Path, lines: int) -> None:
    """The table of a sync that the system killed, resumed from the last STATE that reached the platform."""
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        text = "".join(process.stdout.readline() for _ in range(lines))
        process.kill()
    killed = Output(text, -signal.SIGKILL)
    (files / "state.json").write_text(json.dumps({"stock_prices": killed.state if killed.states else {}}))
    rest = run(*args, "--state", str(files / "state.json"))
    whole = read(SAMPLE, now=pendulum.now())
    assert table(killed.records) | table(rest.records) == table(whole.records)


def test_it_holds_no_record_back_while_it_waits(files: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are written in blocks, but what was read is the platform's before the next answer is there."""
    sandbox.now = pendulum.now()
    monkeypatch.setitem(SECONDS, "timeout", 300.0)
    sandbox.fail("timeout", times=-1, vendor="tiingo", ticker="MSFT")  # answered after the program has ended
    tickers = ", ".join(["AAPL", "MSFT", *(f"T{n}" for n in range(20))])  # so many that no STATE comes between the two
    (files / "config.json").write_text(json.dumps(config(sandbox, "tiingo", tickers, start_date="2026-01-02")))
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        too_late = Timer(120, process.kill)
        too_late.start()
        assert process.stdout
        found = any(line.startswith('{"type":"RECORD"') for line in process.stdout)
        too_late.cancel()
        process.kill()
    assert found


def test_it_keeps_the_nulls_of_a_record(files: Path) -> None:
    """A column that is missing from a record and one that is null are not the same to every destination."""
    output = run(PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json"))
    assert all(list(record) == list(SCHEMA["properties"]) for record in output.records)


def test_it_ends_with_a_sentence_and_a_failure_on_a_wrong_config(files: Path) -> None:
    """The platform shows the error's message and looks at the exit code; a person sees one line on the terminal."""
    (files / "config.json").write_text(json.dumps({"stock_ticker": "AAPL"}))
    output, said = run_aloud(
        PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")
    )
    assert output.exit_code == 1
    assert output.error and output.error["message"].startswith("provider.api_key is missing: Massive")
    assert said == f"{output.error['message']}\n"


def test_it_says_once_why_a_read_failed(files: Path) -> None:
    """Two streams fail for the same ticker: whoever sent the messages to a file still reads why, and reads it once."""
    (files / "config.json").write_text(json.dumps({**SAMPLE, "stock_ticker": "AAPL, ZZZZ"}))
    (files / "catalog.json").write_text(json.dumps(catalog(streams=("stock_prices", "dividends"))))
    output, said = run_aloud(
        PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")
    )
    assert output.exit_code == 1
    assert len(said.splitlines()) == 1
    assert said.startswith("Sample market does not know the ticker ZZZZ.")


def test_it_shows_its_commands_when_called_without_one() -> None:
    """A person who tries it out types its name first, and no line of JSON stands before the answer."""
    output = run(PROGRAM)
    assert output.exit_code == 0
    assert output.text.startswith("usage: source-stock-prices")
    assert "{spec,check,discover,read}" in output.text


def test_it_tells_its_version() -> None:
    """The first question about a report."""
    output = run(PROGRAM, "--version")
    assert (output.exit_code, output.text) == (0, f"source-stock-prices {version()}\n")


def test_it_reads_what_discover_wrote(files: Path) -> None:
    """All streams, from the lines as they are."""
    config = ["--config", str(files / "config.json")]
    (files / "catalog.jsonl").write_text(run(PROGRAM, "discover", *config).text)
    output = run(PROGRAM, "read", *config, "--catalog", str(files / "catalog.jsonl"))
    assert output.exit_code == 0
    assert {record["stream"] for record in output.of_type("RECORD")} >= {"stock_prices", "dividends", "tickers"}


WAITS: dict[str, tuple[str, int]] = {
    "for an answer": ("timeout", 1),
    "for the vendor": ("throttle", 1),
    "with workers, for an answer": ("timeout", 8),
    "with workers, for the vendor": ("throttle", 8),
}


ENDINGS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


@pytest.mark.parametrize(("number", "code"), ENDINGS)
@pytest.mark.parametrize("wait", WAITS)
def test_it_ends_when_it_is_told_to_whatever_it_waits_for(
    files: Path, sandbox: Sandbox, wait: str, number: signal.Signals, code: int
) -> None:
    """The platform kills what does not end soon. One line says so, and every line is whole."""
    fault, workers = WAITS[wait]
    sandbox.now = pendulum.now()
    sandbox.fail(fault, times=-1, vendor="tiingo", ticker="MSFT")
    settings = config(sandbox, "tiingo", "AAPL, MSFT, GOOG", start_date="2026-01-02", num_workers=workers)
    (files / "config.json").write_text(json.dumps(settings))
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        started = []
        for line in process.stdout:
            started.append(line)
            if line.startswith('{"type":"RECORD"') and len(started) > 50:
                break
        process.send_signal(number)
        too_late = Timer(30, process.kill)
        too_late.start()
        rest, errors = process.stdout.read(), process.stderr.read()
        too_late.cancel()
    assert (process.returncode, errors) == (code, "")
    output = Output("".join(started) + rest, process.returncode)
    assert len(output.messages) == len(output.text.splitlines())
    assert f"Stopped by {number.name}." in output.log("WARN")
    assert "MSFT" not in (output.synced if output.states else [])


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_it_ends_in_a_line_while_it_starts(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """What it imports takes a second, in which a person sees that the command was wrong."""
    (tmp_path / "airbyte_cdk.py").write_text("import time; print('Starting.', flush=True); time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    args = [sys.executable, "-c", "from source_stock_prices.run import run; run()", "spec"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "Starting.\n"
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stderr.read() == f"Stopped by {number.name}.\n"


@pytest.mark.parametrize(("command", "answer"), [("spec", "SPEC"), ("check", "CONNECTION_STATUS")])
def test_it_has_done_its_work_once_its_answer_is_written(command: str, answer: str, files: Path) -> None:
    """PyAirbyte ends the program as soon as it has the answer, and shows any exit code but 0 as a traceback."""
    config = [] if command == "spec" else ["--config", str(files / "config.json")]
    args = [PROGRAM, command, *config]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        assert any(line.startswith(f'{{"type":"{answer}"') for line in process.stdout)
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_it_ends_in_the_midst_of_a_check(files: Path, number: signal.Signals, code: int) -> None:
    """As of a read: nothing was found out, and no status says so."""
    provider = {"name": "massive", "api_key": "k3y+t/est=="}
    with Liar((b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",), drip=b" ") as liar:
        settings = {"provider": {**provider, "base_url": liar.url}, "stock_ticker": "AAPL"}
        (files / "config.json").write_text(json.dumps(settings))
        args = [PROGRAM, "check", "--config", str(files / "config.json")]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: liar.requests > 0)
            process.send_signal(number)
            text, errors = process.communicate(timeout=30)
    output = Output(text, process.returncode)
    assert (output.exit_code, errors) == (code, "")
    assert f"Stopped by {number.name}." in output.log("WARN")
    assert not output.of_type("CONNECTION_STATUS")


def test_it_ends_with_the_code_of_the_signal_though_nobody_reads_its_output(files: Path, sandbox: Sandbox) -> None:
    """Ctrl-C reaches every program of a pipe, and the one that reads may be the first to end."""
    sandbox.now = pendulum.now()
    sandbox.fail("timeout", times=-1, vendor="tiingo", ticker="MSFT")
    (files / "config.json").write_text(json.dumps(config(sandbox, "tiingo", "AAPL, MSFT", start_date="2026-11-02")))
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        assert any(line.startswith('{"type":"RECORD"') for line in process.stdout)
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "Ended early, because standard output cannot be written: Broken pipe.\n"


def test_it_ends_although_nobody_takes_its_last_line(files: Path) -> None:
    """A destination that hangs keeps the source from writing, but not from ending."""
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    (files / "config.json").write_text(json.dumps({**SAMPLE, "start_date": "1990-01-02"}))
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        output = process.stdout.fileno()
        wait_until(lambda: unread(output) > 60_000)  # a pipe holds 65,536 bytes
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert process.stderr.read() == "Stopped by SIGTERM.\n"


CUT = "| head -c 1 >&2"
"""Whoever reads it goes. A pipe takes all that `spec` and `--help` write before that, so only `read` can tell."""

FULL = ["> /dev/full", ">&-"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(("command", "end"), [("read", CUT), *product(["spec", "read", "--help"], FULL)])
def test_it_says_once_that_nobody_takes_its_output(files: Path, command: str, end: str) -> None:
    """Each line that could not be written used to end as a traceback."""
    args = "" if command != "read" else f"--config {files}/config.json --catalog {files}/catalog.json"
    script = f"'{PROGRAM}' {command} {args} {end}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "Ended early" in line]) == 1


def test_it_says_that_there_is_no_time_zone_database(tmp_path: Path) -> None:
    """Neither the system's, nor the package that is one of its dependencies'."""
    (tmp_path / "tzdata").mkdir()
    (tmp_path / "tzdata" / "__init__.py").write_text("raise ImportError")
    environment = {**os.environ, "PYTHONTZPATH": "", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    args = [sys.executable, "main.py", "spec"]
    done = subprocess.run(args, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "The time zone database is missing: install the Python package tzdata.\n"


@pytest.mark.parametrize("missing", ["HOME", "TZ", "LANG", "TMPDIR"])
def test_it_needs_nothing_of_its_environment(missing: str, files: Path) -> None:
    """It runs as a user without a name or a home, and in the plainest of locales."""
    odd = {"TZ": "Nowhere/At_All", "LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "TMPDIR": "/nonexistent"}
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    if missing != "HOME":
        environment |= {name: value for name, value in odd.items() if name[:2] == missing[:2] or missing == "LANG"}
    args = [PROGRAM, "read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json")]
    done = subprocess.run(args, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
