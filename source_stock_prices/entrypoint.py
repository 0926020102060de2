"""Runs a command of the Airbyte protocol: through the CDK, with this connector's own sentences and its own way to write
records.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import (
    Any,
    BinaryIO,
    TextIO,
    cast,
)

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import (
    AirbyteMessage,
    ConnectorSpecification,
    FailureType,
    Status,
)
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.about import issues
from source_stock_prices.config import Config, ConfigError
from source_stock_prices.endings import (
    STOPPING,
    OutputLostError,
    StoppedError,
    output,
    say,
)
from source_stock_prices.envelope import Envelope
from source_stock_prices.errors import shortage_in
from source_stock_prices.secrecy import (
    Door,
    found_in,
    guard,
    guarded,
    mask_line,
    mask_records,
)
from source_stock_prices.source import SourceStockPrices

OF_NUMBERS = "stock_prices"
"""The stream whose records have no words of the vendor: they are many, and need no look for a key."""

ANSWERS = ('{"type":"SPEC"', '{"type":"CONNECTION_STATUS"', '{"type":"CATALOG"')
"""How the message begins that is all a command has to say. PyAirbyte ends the program as soon as it has it."""

MEMORY_DIRECTORY = "/dev/shm"  # noqa: S108  # nosec B108
"""Where Linux has a directory that can be written even if no disk can. The names in it are tempfile's: not guessed."""


def write_records(
    out: BinaryIO,
    stream: str,
    records: Iterable[Mapping[str, Any]],
    emitted_at: int,
) -> None:
    """Writes records as lines of the Airbyte protocol, and flushes them.

    `emitted_at` is in milliseconds since 1970. The CDK's own serializer takes longer, and leaves out every null. The
    vendor's words are masked; those of OF_NUMBERS are tickers that `is_ticker` let in.
    """
    line = b'{"type":"RECORD","record":{"stream":"%b","data":%b,"emitted_at":%d}}\n'
    name = stream.encode()
    if stream != OF_NUMBERS:
        records = mask_records(records)
    with output():
        for data in records:
            out.write(line % (name, orjson.dumps(data), emitted_at))
        out.flush()


def write_message(message: str) -> None:
    """Writes one message as a line, and flushes it. Any thread may call it: a line is never written into another.

    A binary buffer locks itself, the text layer above it does not: that is the log's, under the lock of its handler.
    """
    with output():
        sys.stdout.buffer.write(f"{mask_line(message)}\n".encode())
        sys.stdout.buffer.flush()


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, but `Config` judges a config, and records are written here and now."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        Config.parse(config)

    @staticmethod
    def set_up_secret_filter(config: Mapping[str, Any], connection_specification: Mapping[str, Any]) -> None:
        # What is too short for a key is refused in a sentence, whose words it may not mask.
        guard(found_in(config))
        update_secrets([*guarded()])

    def __init__(self, source: SourceStockPrices) -> None:
        super().__init__(source)
        self.told: list[str] = []
        """The sentences of the errors that were written."""

    def check(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().check(*args):
            status = message.connectionStatus
            if status and status.status is Status.FAILED:
                say(status.message or "")
            yield message

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().read(*args):
            record = message.record
            if record is None:
                trace = message.trace
                if trace and trace.error:
                    self.told.append(trace.error.message)
                yield message
                continue
            records: Iterable[Mapping[str, Any]] = [record.data]
            if isinstance(message, Envelope):
                records = message.records
            with STOPPING:
                write_records(
                    sys.stdout.buffer,
                    record.stream,
                    records,
                    record.emitted_at,
                )

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, counts: Any) -> AirbyteMessage:
        # The CDK counts an envelope as one record. Only a STATE needs the count, under a descriptor.
        if message.record is None:
            return AirbyteEntrypoint.handle_record_counts(message, counts)
        stream = HashableStreamDescriptor(message.record.stream)
        count = message.count if isinstance(message, Envelope) else 1
        counts[stream] += count
        return message


KEPT_BACK = (
    "During the sync, the following streams did not sync successfully",
    "Setting state of ",
    "UserDefinedBackoffException: ",
)
"""How the lines of the CDK begin that have a sentence of our own beside them, or repeat a state: 1 MB of text."""


class PlainLog(logging.Filter):
    """Keeps back what would only repeat, or mislead: the final error is written as a message of its own.

    No traceback of what the user can correct or wait for, no count of records by the CDK, which counts envelopes, no
    second line about a wait, and no state.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Read ") and message.endswith(" stream"):
            return False
        if message.startswith(KEPT_BACK):
            return False
        error = record.exc_info[1] if record.exc_info else None
        return not is_explained(error)


def is_explained(error: BaseException | None) -> bool:
    """Whether an error's sentence tells all: it is about the config, the plan or the vendor, not about this program."""
    if not isinstance(error, AirbyteTracedException):
        return False
    return error.failure_type is not FailureType.system_error


def unexpected(error: Exception) -> str:
    """What to say of an error in this program."""
    place = issues()
    where = f" at {place}" if place else ""
    return f"The connector failed unexpectedly: {type(error).__name__}: {error}. Please report this as a bug{where}."


def execute(parsed: Namespace, source: SourceStockPrices | None = None) -> None:
    """Runs a command that was parsed. Raises OutputLostError, and SystemExit where it failed or was stopped."""
    with output():
        set_up()
    STOPPING.has_begun = True
    STOPPING.is_answered = False
    try:
        write_all(parsed, source or SourceStockPrices())
    except StoppedError as error:
        with output():
            logging.getLogger("airbyte").warning(
                f"Stopped by {error.signal}. What was not checkpointed yet is dropped; the next sync resumes there."
            )
            sys.stdout.flush()
        STOPPING.is_told = True
        raise
    finally:
        with output():
            sys.stdout.flush()


def set_up() -> None:
    """Prepares this program's output, log, threads and memory for one command. Raises OutputLostError."""
    sys.stdout = cast(TextIO, Door(sys.stdout))
    if sys.stderr and not isinstance(sys.stderr, Door):
        sys.stderr = cast(TextIO, Door(sys.stderr))
    init_uncaught_exception_handler(init_logger("airbyte"))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.addFilter(PlainLog())
            handler.setStream(sys.stdout)  # the CDK's own buffer holds a line back until the next one
            # Of a lost output, the next message tells: once, and without a traceback for each line.
            handler.handleError = say_nothing  # type: ignore[method-assign]
    sys.setswitchinterval(0.05)  # workers wait for the network, and hand over without being made to
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    gc.set_threshold(50_000)  # an answer is thousands of objects, none of them in a cycle


def say_nothing(record: logging.LogRecord) -> None:
    """Of a log line that could not be written."""


def require_temporary_directory() -> None:
    """The CDK makes one for each command. Raises ConfigError where none can be made."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        if not os.access(MEMORY_DIRECTORY, os.W_OK):
            raise ConfigError(
                "There is no temporary directory that can be written. Set TMPDIR to one, or free disk space."
            ) from error
        tempfile.tempdir = MEMORY_DIRECTORY


def write_all(parsed: Namespace, source: SourceStockPrices) -> None:
    """Writes every message of a command. Raises SystemExit where it failed with a sentence, which is written, too."""
    source.in_envelopes = True
    source.write = lambda message: write_message(Entrypoint.airbyte_message_to_string(message))
    entrypoint = Entrypoint(source)
    try:
        require_temporary_directory()
        with closing(entrypoint.run(parsed)) as messages:  # type: ignore[type-var]
            for message in messages:
                with STOPPING:
                    if message.startswith(ANSWERS):
                        STOPPING.is_answered = True
                    write_message(message)
    except AirbyteTracedException as error:
        for sentence in dict.fromkeys(entrypoint.told) or [error.message or str(error)]:
            say(sentence)
        if not is_explained(error):
            raise
        if not entrypoint.told:
            write_error(error)
        sys.exit(1)
    except OutputLostError:
        raise
    except Exception as error:
        shortage = shortage_in(error)
        if shortage is None:
            say(unexpected(error))
            raise
        message = f"The machine that runs the connector cannot go on: {shortage.said}. {shortage.fix}"
        say(message)
        write_error(AirbyteTracedException(message, message, FailureType.transient_error))
        sys.exit(1)


def write_error(error: AirbyteTracedException) -> None:
    """Writes an error as the message that the platform shows."""
    message = error.as_sanitized_airbyte_message()
    write_message(Entrypoint.airbyte_message_to_string(message))
