"""The program: it hears signals first, and imports only then what takes a second."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from source_stock_prices.endings import (
    STOPPING,
    OutputLostError,
    give_up_output,
    output,
    require_time_zones,
)

if TYPE_CHECKING:
    from source_stock_prices.source import SourceStockPrices

WRITE_BUFFER_BYTES = 1 << 18


def run(args: Sequence[str] | None = None, source: SourceStockPrices | None = None) -> None:
    """Runs one command (`spec`, `check`, `discover`, `read`) and writes its messages to standard output.

    The records of a ticker are written in one piece, and so is every other message. Ends with SystemExit where the
    command failed, where a signal stopped it, or where nobody takes what it writes. Without `args`, it runs those of
    the process, which is to end afterwards: it hears no more signals.
    """
    is_program = args is None
    try:
        with STOPPING.listening(to_the_end=is_program):
            perform(sys.argv[1:] if args is None else args, source)
    except OutputLostError as error:
        give_up_output(error)


def perform(args: Sequence[str], source: SourceStockPrices | None) -> None:
    """Runs one command. Raises OutputLostError, and SystemExit with its exit code where that is not 0."""
    from source_stock_prices.command_line import parse

    if sys.stdout is None:
        raise OutputLostError("it is closed")
    # For as long as the program, and with a buffer whatever the environment says: what argparse cannot write at once,
    # it drops without a word.
    sys.stdout = open(  # noqa: SIM115
        sys.stdout.fileno(),
        "w",
        WRITE_BUFFER_BYTES,
        encoding="utf-8",
        newline="",
        closefd=False,
    )
    try:
        parsed = parse(args)
    finally:
        with output():
            sys.stdout.flush()
    require_time_zones()
    from source_stock_prices.entrypoint import execute

    execute(parsed, source)
