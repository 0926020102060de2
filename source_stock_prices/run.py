"""The console entry point: the CDK's, with this connector's own sentences and its own way to write records."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_stock_prices.config import Config
from source_stock_prices.envelope import Envelope
from source_stock_prices.source import SourceStockPrices

WRITE_BUFFER_BYTES = 1 << 18


def write_records(out: BinaryIO, stream: str, records: Iterable[Mapping[str, Any]], emitted_at: int) -> None:
    """Writes records as lines of the Airbyte protocol, and flushes them.

    `emitted_at` is in milliseconds since 1970. The CDK's own serializer takes longer, and leaves out every null.
    """
    line = b'{"type":"RECORD","record":{"stream":"%b","data":%b,"emitted_at":%d}}\n'
    name = stream.encode()
    for data in records:
        out.write(line % (name, orjson.dumps(data), emitted_at))
    out.flush()


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, but `Config` judges a config, and records are written here and now."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        Config.parse(config)

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().read(*args):
            record = message.record
            if record is None:
                yield message
                continue
            records = message.records if isinstance(message, Envelope) else (record.data,)
            write_records(sys.stdout.buffer, record.stream, records, record.emitted_at)

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, counts: Any) -> AirbyteMessage:
        # The CDK counts an envelope as one record. Only a STATE needs the count, under a descriptor.
        if message.record is not None:
            count = message.count if isinstance(message, Envelope) else 1
            counts[HashableStreamDescriptor(message.record.stream)] += count
            return message
        return AirbyteEntrypoint.handle_record_counts(message, counts)


class CountsMessages(logging.Filter):
    """Keeps back the CDK's count of a stream's records, which is one of messages. Ours is in the line before it."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not (message.startswith("Read ") and message.endswith(" stream"))


def run(args: list[str] | None = None, source: SourceStockPrices | None = None) -> None:
    """Runs one command (`spec`, `check`, `discover`, `read`) and writes its messages to standard output.

    The records of a ticker are written in one piece, and so is every other message.
    """
    # For as long as the program, whatever the environment says of buffers.
    sys.stdout = open(  # noqa: SIM115
        sys.stdout.fileno(), "w", WRITE_BUFFER_BYTES, encoding="utf-8", newline="", closefd=False
    )
    logger = init_logger("airbyte")
    logger.addFilter(CountsMessages())
    init_uncaught_exception_handler(logger)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)  # the CDK's own buffer holds a line back until the next one
    sys.setswitchinterval(0.05)  # workers wait for the network, and hand over without being made to
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    gc.set_threshold(50_000)  # an answer is thousands of objects, none of them in a cycle
    source = source or SourceStockPrices()
    source.in_envelopes = True
    entrypoint = Entrypoint(source)
    parsed = entrypoint.parse_args(args or sys.argv[1:] or ["--help"])
    for message in entrypoint.run(parsed):
        sys.stdout.write(f"{message}\n")  # in one piece: workers log to the same output
        sys.stdout.flush()
