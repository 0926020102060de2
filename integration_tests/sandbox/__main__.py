"""Serves the sandbox until it is interrupted: python -m integration_tests.sandbox --port 8080"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import suppress
from threading import Event

from integration_tests.sandbox.app import VENDORS, Sandbox
from integration_tests.sandbox.vendor import FREE_KEY

USAGE = """\

keys    the ones above are of a paid plan; {free_key} is of a free one, and anything else a bad one
fault   curl {url}/_sandbox/fail -H 'Content-Type: application/json' -d '{{"kind": "throttle", "vendor": "massive"}}'
time    curl {url}/_sandbox/now -H 'Content-Type: application/json' -d '{{"now": "2026-11-20T18:00"}}'
edit    .../_sandbox/{{hide,show,correct,split}} with {{"ticker": ..., "day": ..., "close" or "factor": ...}}
back    curl -X POST {url}/_sandbox/reset     asked so far: {url}/_sandbox/requests
"""


def main() -> None:
    """Serve on the port and host of the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from a container")
    arguments = parser.parse_args()
    with Sandbox(arguments.port, arguments.host) as sandbox, suppress(KeyboardInterrupt):
        for vendor in VENDORS:
            print(json.dumps({"provider": sandbox.provider(vendor)})[1:-1])
        print(USAGE.format(url=sandbox.url, free_key=FREE_KEY), end="", flush=True)
        Event().wait()


if __name__ == "__main__":
    main()
