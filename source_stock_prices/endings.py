"""How the program ends before its work is done: by a signal, a lost output, a machine that lacks something."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

SHELL = 128
"""What a shell adds to the number of the signal that ended a program, to give an exit code."""

GRACE_SECONDS = 2.0
"""After so long the program ends at once, for whatever reason it could not end in order."""


class StoppedError(SystemExit):
    """The program was told to end. It ends with the exit code that a shell gives to the signal: 143 or 130."""

    def __init__(self, number: int) -> None:
        super().__init__(SHELL + number)
        self.signal = signal.Signals(number).name


class OutputLostError(Exception):
    """What the program writes to standard output reaches nobody."""


class Stopping:
    """Ends the program when a signal says so: at once until it `has_begun`, then by a StoppedError in the main thread.

    As a context, it puts that off to the end of what is written in it, so that the last line is a whole one.
    """

    def __init__(self) -> None:
        self.has_begun = False
        """Whether there is anything to end in order."""
        self.is_answered = False
        """Whether all that was asked for is written: a signal then only makes sure that the rest ends soon."""
        self.is_told = False
        """Whether somebody was told that the program was stopped."""
        self.number: int | None = None
        """The signal that was heard."""
        self._is_writing = False

    @contextmanager
    def listening(self, *, to_the_end: bool) -> Iterator[None]:
        """Hears signals, in the main thread: no other one can. They are ignored afterwards if this is the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if to_the_end or self.number else handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if not self.has_begun:
            self._end(number)
        # A destination that takes nothing any more, for one, holds the last line back for ever.
        signal.signal(signal.SIGALRM, lambda *_: self._end(number))
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        if self.is_answered:
            return
        self.number = number
        if not self._is_writing:
            raise StoppedError(number)

    def _end(self, number: int) -> None:
        """Ends the process at once, whatever it is doing: in the midst of a print, for one."""
        if sys.stderr is not None and not self.is_told:
            with suppress(OSError):
                os.write(sys.stderr.fileno(), f"Stopped by {signal.Signals(number).name}.\n".encode())
        os._exit(SHELL + number)

    def __enter__(self) -> None:
        self._is_writing = True

    def __exit__(self, *_: object) -> None:
        self._is_writing = False
        if self.number is not None:
            raise StoppedError(self.number)


STOPPING = Stopping()


@contextmanager
def output() -> Iterator[None]:
    """Tells an output that is closed or full from everything else that fails. Raises OutputLostError."""
    try:
        yield
    except OSError as error:
        raise OutputLostError(error.strerror or str(error)) from error


def say(sentence: str) -> None:
    """Tells a person what went wrong, who may have sent the messages of the protocol to a file."""
    if sys.stderr is None:
        return
    with suppress(OSError):  # whoever closed it does not want to know
        print(sentence, file=sys.stderr, flush=True)


def require_time_zones() -> None:
    """Raises SystemExit where there is no time zone database. Without one, pendulum cannot be imported."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise SystemExit("The time zone database is missing: install the Python package tzdata.") from None


def give_up_output(error: OutputLostError) -> None:
    """Says that standard output is lost, which Python would try again, and exits with 1, or the code of a signal.

    Whoever reads the output may have closed it on purpose, as `head` does. A sync that ended half-way is not to look
    like one that is complete, so that this is said, and is no success.
    """
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    say(f"Ended early, because standard output cannot be written: {error}.")
    STOPPING.is_told = True
    sys.exit(SHELL + STOPPING.number if STOPPING.number else 1)
