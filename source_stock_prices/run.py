"""The console entry point: the CDK's, with this connector's own sentences for a wrong config."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_stock_prices.config import Config
from source_stock_prices.source import SourceStockPrices


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, but a wrong config gets the sentences of `Config`, and records keep their nulls."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        Config.parse(config)

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        write, dumps = sys.stdout.buffer.write, orjson.dumps
        for message in super().read(*args):
            record = message.record
            if record is None:
                yield message
            else:
                # In place of the CDK's serializer: it leaves out every field that is null, and takes longer.
                line = b'{"type":"RECORD","record":{"stream":"%b","data":%b,"emitted_at":%d}}\n'
                write(line % (record.stream.encode(), dumps(record.data), record.emitted_at))

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, counts: Any) -> AirbyteMessage:
        if message.record is None:
            return AirbyteEntrypoint.handle_record_counts(message, counts)
        counts[_descriptor(message.record.stream)] += 1.0
        return message


@lru_cache
def _descriptor(stream: str) -> HashableStreamDescriptor:
    return HashableStreamDescriptor(stream)


def run(args: list[str] | None = None, source: SourceStockPrices | None = None) -> None:
    """Runs one command (`spec`, `check`, `discover`, `read`) and writes its messages to standard output.

    Records fill the output's buffer; whatever else is written, a STATE or a log line before a wait, flushes it.
    """
    init_uncaught_exception_handler(init_logger("airbyte"))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)  # the CDK's own buffer holds a line back until the next one
    sys.setswitchinterval(0.05)  # workers wait for the network, and hand over without being made to
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    entrypoint = Entrypoint(source or SourceStockPrices())
    parsed = entrypoint.parse_args(args or sys.argv[1:] or ["--help"])
    for message in entrypoint.run(parsed):
        sys.stdout.write(f"{message}\n")  # in one piece: workers log to the same output
        sys.stdout.flush()
