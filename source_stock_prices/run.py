"""The console entry point: the CDK's, with this connector's own sentences for a wrong config."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification

from source_stock_prices.config import Config
from source_stock_prices.source import SourceStockPrices


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, but a wrong config gets the sentences of `Config`, and records keep their nulls."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        Config.parse(config)

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().read(*args):
            if message.record is None:
                yield message
            else:
                # The CDK's serializer leaves out every field that is null.
                record = {name: getattr(message.record, name) for name in ("stream", "data", "emitted_at")}
                sys.stdout.write(orjson.dumps({"type": "RECORD", "record": record}).decode() + "\n")


def run(args: list[str] | None = None, source: SourceStockPrices | None = None) -> None:
    """Runs one command (`spec`, `check`, `discover`, `read`) and writes its messages to standard output."""
    init_uncaught_exception_handler(init_logger("airbyte"))
    entrypoint = Entrypoint(source or SourceStockPrices())
    parsed = entrypoint.parse_args(args or sys.argv[1:] or ["--help"])
    with PRINT_BUFFER:
        for message in entrypoint.run(parsed):
            sys.stdout.write(f"{message}\n")
