"""The console entry point: the CDK's, with this connector's own sentences for a wrong config."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator, Mapping
from ctypes import CDLL
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_stock_prices.config import Config
from source_stock_prices.source import SourceStockPrices

BLOCK = 1 << 18
"""Bytes of records that are written at once."""

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""Of glibc's malloc.h: how many heaps there are for threads, and from how many bytes on a block has a place of its own,
which is given back when it is freed.
"""


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
        # The CDK counts under a descriptor, which takes longer to hash than a name: only a STATE needs it.
        if message.record is not None:
            counts[message.record.stream] += 1.0
            return message
        if message.state is not None and message.state.stream is not None:
            name = message.state.stream.stream_descriptor.name
            counts[HashableStreamDescriptor(name)] = counts.pop(name, 0.0)
        return AirbyteEntrypoint.handle_record_counts(message, counts)


def run(args: list[str] | None = None, source: SourceStockPrices | None = None) -> None:
    """Runs one command (`spec`, `check`, `discover`, `read`) and writes its messages to standard output.

    Records are written in blocks; whatever else is written flushes them, and so does the stream before a wait.
    """
    # For as long as the program, whatever the environment says of buffers.
    sys.stdout = open(sys.stdout.fileno(), "w", BLOCK, encoding="utf-8", newline="", closefd=False)  # noqa: SIM115
    init_uncaught_exception_handler(init_logger("airbyte"))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)  # the CDK's own buffer holds a line back until the next one
    sys.setswitchinterval(0.05)  # workers wait for the network, and hand over without being made to
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    gc.set_threshold(50_000)  # an answer is thousands of objects, none of them in a cycle
    if sys.platform == "linux" and (mallopt := getattr(CDLL(None), "mallopt", None)):
        mallopt(M_ARENA_MAX, 1)  # each worker would keep a heap as large as the largest answer it ever read
        mallopt(M_MMAP_THRESHOLD, 1 << 17)  # fixed: it would grow with the answers, and they would stay in the heap
    entrypoint = Entrypoint(source or SourceStockPrices())
    parsed = entrypoint.parse_args(args or sys.argv[1:] or ["--help"])
    for message in entrypoint.run(parsed):
        sys.stdout.write(f"{message}\n")  # in one piece: workers log to the same output
        sys.stdout.flush()
