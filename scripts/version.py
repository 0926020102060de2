"""Sets the version in every place that has it: python scripts/version.py 0.2.0

The two change logs are written by hand: CHANGELOG.md and the table in docs/stock-prices.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = r"\d+\.\d+\.\d+"

PLACES = {
    "setup.py": r'(?<=version=")%s(?=")',
    "metadata.yaml": r"(?<=dockerImageTag: )%s",
    "Dockerfile": r'(?<=io\.airbyte\.version=")%s(?=")',
    "docs/airbyte.md": r"(?<=source-stock-prices:)%s|(?<=Docker image tag \| `)%s",
}
"""What stands around the version in each file."""


def main(arguments: list[str]) -> None:
    """Writes the files; exits with a sentence if the version is not one."""
    if len(arguments) != 1 or not re.fullmatch(VERSION, arguments[0]):
        sys.exit("Give the new version, such as 0.2.0: make version VERSION=0.2.0")
    for name, around in PLACES.items():
        file = ROOT / name
        text, count = re.subn(around.replace("%s", VERSION), arguments[0], file.read_text("utf-8"))
        file.write_text(text, "utf-8")
        print(f"{name}: {count}")
    print("Now write what changed into CHANGELOG.md and the change log in docs/stock-prices.md.")


if __name__ == "__main__":
    main(sys.argv[1:])
