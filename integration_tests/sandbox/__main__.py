"""Serves the sandbox until you interrupt it: python -m integration_tests.sandbox --port 8080"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import suppress
from threading import Event

from integration_tests.sandbox.app import VENDORS, Sandbox
from integration_tests.sandbox.faults import KINDS, RETRY_AFTER
from integration_tests.sandbox.vendor import FREE_KEY

USAGE = """\

Keys: the ones above belong to a paid plan, {free_key} to a free plan. Any other key is invalid.
Alpaca's keys come in pairs. This one belongs to a free plan:
  {free_pair}

Make the next request fail:
  curl {url}/_sandbox/fail -d '{{"kind": "throttle", "vendor": "massive"}}'
  "times" makes more of them fail (-1: all), "ticker" only those for a ticker. The kinds of fault are
{kinds}
Set the vendors' clock:
  curl {url}/_sandbox/now -d '{{"now": "2026-11-20T18:00"}}'
Edit the market:
  POST {{"ticker": ..., "day": ...}} to {url}/_sandbox/{{hide,show,correct,split}};
  correct also takes the new values, such as "close", and split a "factor"
Undo everything:
  curl -X POST {url}/_sandbox/reset
List the requests received:
  curl {url}/_sandbox/requests

Serving on {url}. Press Ctrl+C to stop.
"""


def main() -> None:
    """Serves on the host and port given on the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 makes it reachable from a container")
    arguments = parser.parse_args()
    with Sandbox(arguments.port, arguments.host) as sandbox, suppress(KeyboardInterrupt):
        print("The provider block for a config, of each vendor:\n")
        for vendor in VENDORS:
            print(json.dumps({"provider": sandbox.provider(vendor)})[1:-1])
        free_pair = json.dumps({"provider": sandbox.provider("alpaca", FREE_KEY)})[1:-1]
        usage = USAGE.format(url=sandbox.url, free_key=FREE_KEY, free_pair=free_pair, kinds=kinds_by_vendor())
        print(usage, end="", flush=True)
        Event().wait()
    print("\nStopped.")


def kinds_by_vendor() -> str:
    """The faults of every vendor, and those that only some have."""
    lines = [f"of every vendor: {', '.join(sorted(KINDS))}"]
    for name, vendor in VENDORS.items():
        lines.append(f"of {name}: {', '.join(sorted(vendor.refusals))}")
    lines.append(f"a refusal may end in {RETRY_AFTER}:30, the seconds after which to ask again")
    return "\n".join(f"    {line}" for line in lines)


if __name__ == "__main__":
    main()
