"""What the installed package says of itself: its version, and where to report a problem."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

PACKAGE = "source-stock-prices"


def version() -> str:
    """The version of the installed package; `unknown` where the files are run without having been installed."""
    try:
        return str(metadata(PACKAGE)["Version"])
    except PackageNotFoundError:
        return "unknown"


def issues() -> str:
    """The address to report a problem to, as setup.py has it; empty as long as the project has no address.

    The problem may be that no more files can be opened: then it is empty, too.
    """
    try:
        addresses = metadata(PACKAGE).get_all("Project-URL") or []
    except (PackageNotFoundError, OSError):
        return ""
    for address in addresses:
        name, _, url = address.partition(", ")
        if name == "Issues":
            return str(url)
    return ""
