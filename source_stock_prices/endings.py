"""How the program ends before its work is done: by a signal, a lost output, a machine that lacks something."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from source_stock_prices.config import ConfigError

SIGNALS = (signal.SIGTERM, signal.SIGINT)

GRACE_SECONDS = 2.0
"""After so long the program ends at once, for whatever reason it could not end in order."""

MEMORY_DIRECTORY = "/dev/shm"  # noqa: S108  # nosec B108
"""Where Linux has a directory that can be written even if no disk can. The names in it are tempfile's: not guessed."""


class StoppedError(SystemExit):
    """The program was told to end. It ends with the exit code that a shell gives to the signal: 143 or 130."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


class OutputLostError(Exception):
    """What the program writes to standard output reaches nobody."""


class Stopping:
    """Raises StoppedError in the main thread when a signal says to end.

    As a context, it puts that off to the end of what is written in it, so that the last line is a whole one.
    """

    def __init__(self) -> None:
        self._is_writing = False
        self._told: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears signals, in the main thread: no other one can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            if self._told is None:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        # A destination that takes nothing any more, for one, holds the last line back for ever.
        signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + number))
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        self._told = number
        if not self._is_writing:
            raise StoppedError(number)

    def __enter__(self) -> None:
        self._is_writing = True

    def __exit__(self, *_: object) -> None:
        self._is_writing = False
        if self._told is not None:
            raise StoppedError(self._told)


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


def give_up_output(error: Exception) -> None:
    """Says on standard error that standard output is lost, and exits with 1. Python would try again, and fail aloud."""
    logging.raiseExceptions = False
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    if sys.stderr is not None:
        sys.stderr.write(f"Ended early, because standard output cannot be written: {error}.\n")
    sys.exit(1)
