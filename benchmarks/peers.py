"""Programs that are not made for this connector's environment, each in one of its own, from PyPI by name.

Singer's SDK and dlt both bring `simplejson`, which `requests` takes as soon as it is there: beside them, every other
program would decode its answers with it.
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
    """The interpreter of a peer's environment, made when it is missing; None where it cannot be installed."""
    folder = FOLDER / peer
    interpreter, done = folder / "bin" / "python", folder / "installed"
    if done.exists() and done.read_text() == REQUIREMENTS[peer]:
        return str(interpreter)
    sys.stderr.write(f"Setting up {REQUIREMENTS[peer]} in an environment of its own ...\n")
    made = _run(sys.executable, "-m", "venv", "--clear", str(folder)) and _run(
        str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENTS[peer]
    )
    if made:
        done.write_text(REQUIREMENTS[peer])
    return str(interpreter) if made else None


def version(distribution: str, peer: str | None = None) -> str:
    """The version of a distribution in a peer's environment, or in this one."""
    folders = (FOLDER / peer).glob("lib/python*/site-packages") if peer else map(Path, sys.path)
    found = distributions(name=distribution, path=[str(folder) for folder in folders])
    return next((one.version for one in found), "missing")


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False).returncode == 0  # noqa: S603
