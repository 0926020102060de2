"""Installs packages into the environment of the Python that runs this file: with uv, which is several times as fast as
pip, and with pip where uv cannot be had. The arguments are those of `pip install`.

    .venv/bin/python scripts/install.py --editable '.[tests]'

uv reads none of pip's configuration, so it is handed on: indexes, certificates, constraints, proxy.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
UV = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]

SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, each before those it gives way to."""

VARIABLES = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cache-dir": "",
}
"""The variable in which uv expects what pip calls by a name. An empty one means that uv has its own."""

SWITCHES = {
    "no-index": "UV_NO_INDEX",
    "no-cache-dir": "UV_NO_CACHE",
}

HARMLESS = {
    "break-system-packages",
    "disable-pip-version-check",
    "log",
    "no-color",
    "no-compile",
    "no-input",
    "no-python-version-warning",
    "no-warn-script-location",
    "prefer-binary",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "resume-retries",
    "retries",
    "root-user-action",
    "use-feature",
    "verbose",
}
"""Settings of pip that do not change what is installed, or not inside an environment of its own."""

TOLD = ("Resolved ", "Building ", "Downloading ", "Prepared ", "Installed ", "warning:")
"""How the lines of uv begin that are worth a look while it works. The rest lists every package."""


class UnknownSettingError(Exception):
    """A setting of pip that uv may not have: pip itself has to be asked."""


def settings_of(listed: str) -> dict[str, str]:
    """What pip is configured with, from the output of `pip config list`."""
    found = {}
    for section in SECTIONS:
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def environment_of(settings: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """The environment that makes uv install as pip with these settings would. Raises UnknownSettingError.

    Variables of uv that are present stay as they are.
    """
    found = {
        "UV_SYSTEM_CERTS": "1",
        "UV_NATIVE_TLS": "1",  # the name of the same in older releases
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does, the newest of all indexes
        "UV_LINK_MODE": "copy" if _is_on(settings.get("no-cache-dir", "")) else "",
    }
    bundle = present.get("REQUESTS_CA_BUNDLE") or present.get("CURL_CA_BUNDLE")
    if bundle:
        found["SSL_CERT_FILE"] = bundle
    for name, value in settings.items():
        if name in SWITCHES:
            found[SWITCHES[name]] = "1" if _is_on(value) else ""
        elif name in VARIABLES:
            between = "," if name == "find-links" else " "
            found[VARIABLES[name]] = between.join(value.split())
        elif name not in HARMLESS:
            raise UnknownSettingError(name)
    own = {name: value for name, value in present.items() if name.startswith("UV_") and value}
    found.pop("", None)
    return {**{name: value for name, value in found.items() if value}, **own}


def main(arguments: list[str]) -> int:
    """Installs, and returns the exit code of what installed."""
    try:
        listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
        environment = environment_of(settings_of(listed), os.environ)
    except UnknownSettingError as unknown:
        print(f"  pip is configured with {unknown}, which uv may not know: installing with pip.", flush=True)
        return with_pip(arguments)
    if not has_uv():
        print("  uv cannot be installed here: installing with pip, which takes longer.", flush=True)
        return with_pip(arguments)
    if with_uv(arguments, environment):
        return 0
    print("  uv failed: installing with pip.", flush=True)
    return with_pip(arguments)


def has_uv() -> bool:
    """Whether uv is in this environment, after trying to bring it there."""
    if find_spec("uv"):
        return True
    print("  Installing uv ...", flush=True)
    done = subprocess.run([*PIP, "--quiet", "install", "uv"], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def with_uv(arguments: list[str], environment: Mapping[str, str]) -> bool:
    """Whether uv installed what was asked for. Says what it does, and all it has to say if it fails."""
    said = []
    with subprocess.Popen(
        [*UV, *arguments], env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stderr
        for line in process.stderr:
            said.append(line)
            if line.lstrip().startswith(TOLD):
                print(f"  {line.strip()}", flush=True)
    if process.returncode:
        sys.stderr.writelines(said)
    return process.returncode == 0


def with_pip(arguments: list[str]) -> int:
    return subprocess.run([*PIP, "--quiet", "install", *arguments], check=False).returncode


def _is_on(value: str) -> bool:
    return value.lower() in ("1", "true", "yes", "on")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
