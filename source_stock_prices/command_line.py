"""The arguments of the program, which are those of the Airbyte protocol, and what `--help` says of them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence

from source_stock_prices.about import PACKAGE, version

DESCRIPTION = """\
Reads daily stock prices and writes them to standard output, as messages of the Airbyte protocol: a JSON object a line.
What goes wrong is also written to standard error, as a sentence.
"""

EXAMPLE = """\
example:
  echo '{"provider": {"name": "sample"}, "stock_ticker": "AAPL"}' > config.json
  source-stock-prices check --config config.json
  source-stock-prices discover --config config.json > catalog.json
  source-stock-prices read --config config.json --catalog catalog.json > output.jsonl
"""


def parse(arguments: Sequence[str]) -> Namespace:
    """The command and its files. Without an argument it shows the help; that, the version and a mistake exit."""
    parser = ArgumentParser(
        prog=PACKAGE, description=DESCRIPTION, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"{PACKAGE} {version()}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    commands.add_parser("spec", help="show the settings of a config, as a JSON schema")
    check = commands.add_parser(
        "check",
        help="try the config on a few tickers",
        description="Tries the config on a few tickers. The exit code is 0 for a config that fails, too, as the"
        " protocol has it: look at the status in the message CONNECTION_STATUS.",
    )
    discover = commands.add_parser("discover", help="list the streams and their fields, as a catalog")
    read = commands.add_parser("read", help="read the streams of a catalog")
    for command in (check, discover, read):
        command.add_argument("--config", required=True, metavar="FILE", help="the config, a JSON object")
    read.add_argument(
        "--catalog", required=True, metavar="FILE", help="a configured catalog, or the output of discover: all streams"
    )
    read.add_argument("--state", metavar="FILE", help="the STATE lines of earlier reads, to resume where they ended")
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="log more")
    return parser.parse_args(arguments or ["--help"])
