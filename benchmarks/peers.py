"""Installs programs that cannot share the connector's environment, each into its own, from PyPI by name.

Singer's SDK and dlt both install `simplejson`, which `requests` uses as soon as it is available. In a shared
environment, every other program would decode its responses with it.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

FOLDER = Path(sys.prefix, "peers")
REQUIREMENTS = {
    "singer": "singer-sdk[msgspec]>=0.50,<1",
    "dlt": "dlt>=1.20,<2",
}


def python(peer: str) -> str | None:
    """The interpreter of a peer's environment, which is created if it is missing; None if it cannot be installed."""
    folder = FOLDER / peer
    interpreter, done = folder / "bin" / "python", folder / "installed"
    if done.exists() and done.read_text() == REQUIREMENTS[peer]:
        return str(interpreter)
    sys.stderr.write(f"Installing {REQUIREMENTS[peer]} into a separate environment ...\n")
    made = _run(sys.executable, "-m", "venv", "--clear", str(folder)) and _run(
        str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENTS[peer]
    )
    if made:
        done.write_text(REQUIREMENTS[peer])
    return str(interpreter) if made else None


def version(distribution: str, peer: str | None = None) -> str:
    """The version of a distribution in a peer's environment, or in the current one."""
    folders = (FOLDER / peer).glob("lib/python*/site-packages") if peer else map(Path, sys.path)
    found = distributions(name=distribution, path=[str(folder) for folder in folders])
    return next((one.version for one in found), "missing")


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False).returncode == 0  # noqa: S603
