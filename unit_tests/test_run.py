"""How the messages of a sync are written."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage, FailureType, Type
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.entrypoint import Entrypoint, PlainLog, is_explained, write_message, write_records
from source_stock_prices.envelope import in_envelope, one_by_one

ROWS = [{"stock_ticker": "AAPL", "date": f"2026-11-{day}", "price": float(day), "vwap": None} for day in (18, 19, 20)]
EMITTED_AT = 1_795_204_800_000


def written(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines that records become, decoded."""
    out = BytesIO()
    write_records(out, "stock_prices", rows, EMITTED_AT)
    lines = out.getvalue().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def test_it_writes_a_line_a_record() -> None:
    """As the protocol has it, every null included: a column that is always empty is a column."""
    assert written(*ROWS) == [
        {"type": "RECORD", "record": {"stream": "stock_prices", "data": row, "emitted_at": EMITTED_AT}} for row in ROWS
    ]


def test_it_writes_nothing_for_no_records() -> None:
    """A blank line is no message."""
    assert written() == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.dictionaries(TEXT, st.none() | TEXT | st.floats(allow_nan=False, allow_infinity=False)), max_size=5))
def test_it_writes_any_value_on_one_line(rows: list[dict[str, Any]]) -> None:
    """A vendor's text may hold a line break, a quote or a percent sign."""
    assert [line["record"]["data"] for line in written(*rows)] == rows


def test_it_flushes_what_it_wrote() -> None:
    """Log lines go to the same output another way, and would overtake the records."""
    flushed: list[int] = []
    out = SimpleNamespace(write=lambda line: None, flush=lambda: flushed.append(1))
    write_records(out, "stock_prices", ROWS, EMITTED_AT)  # type: ignore[arg-type]
    assert flushed == [1]


def test_it_writes_no_message_into_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers tell that they wait while the main thread writes records: a line is whole, whoever writes it."""
    file = tmp_path / "out"
    with file.open("wb", buffering=64) as out:  # smaller than a line, so that each is written in parts
        monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))
        with ThreadPool(4) as pool:
            told = pool.map_async(write_message, ['{"told": true}'] * 400)
            for _ in range(400):
                write_records(out, "stock_prices", ROWS, EMITTED_AT)
            told.get()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 400 + 400 * len(ROWS)


def state() -> AirbyteMessage:
    return AirbyteMessage(Type.STATE, state=AirbyteStateMessage())


def entrypoint(monkeypatch: pytest.MonkeyPatch, *messages: AirbyteMessage) -> Entrypoint:
    """An entrypoint to whose read the CDK gives some messages."""

    def read(self: AirbyteEntrypoint, *_: Any) -> Iterator[AirbyteMessage]:
        yield from messages

    monkeypatch.setattr(AirbyteEntrypoint, "read", read)
    return Entrypoint.__new__(Entrypoint)


def test_it_unfolds_an_envelope_before_what_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A STATE says that everything before it was written: its records stand above it."""
    out = BytesIO()
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))
    envelope = in_envelope("stock_prices", iter(ROWS), len(ROWS), ROWS[-1])
    last = state()
    for message in entrypoint(monkeypatch, envelope, last).read():
        assert message is last
        assert [json.loads(line)["record"]["data"] for line in out.getvalue().splitlines()] == ROWS


def test_it_writes_an_envelope_as_it_writes_records_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader cannot tell which of them it was."""
    monkeypatch.setattr("source_stock_prices.envelope.time", SimpleNamespace(time_ns=lambda: EMITTED_AT * 1_000_000))
    folded = [in_envelope("stock_prices", iter(ROWS), len(ROWS), ROWS[0])]
    lines = []
    for messages in (folded, one_by_one("stock_prices", iter(ROWS))):
        out = BytesIO()
        monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))
        assert list(entrypoint(monkeypatch, *messages).read()) == []
        lines.append(out.getvalue().splitlines())
    assert lines[0] == lines[1]
    assert len(lines[0]) == 3


def test_it_counts_the_records_of_an_envelope() -> None:
    """The platform compares the count in a STATE with what it got."""
    counts: defaultdict[HashableStreamDescriptor, float] = defaultdict(float)
    for message in (in_envelope("stock_prices", iter(ROWS), 3, ROWS[-1]), *one_by_one("stock_prices", ROWS[:2])):
        assert Entrypoint.handle_record_counts(message, counts) is message
    assert counts == {HashableStreamDescriptor("stock_prices"): 5}


def is_kept(line: str, error: Exception | None = None) -> bool:
    """Whether the log shows a line, with the traceback of an error."""
    about = (type(error), error, None) if error else None
    return PlainLog().filter(logging.LogRecord("airbyte", logging.ERROR, "", 0, line, None, about))


@pytest.mark.parametrize(
    "line",
    [
        "Read 2 records from stock_prices stream",
        "Read 2 records from dividends stream",
        "During the sync, the following streams did not sync successfully: stock_prices: AirbyteTracedException('x')",
        "UserDefinedBackoffException: Rate limit exceeded (HTTP 429). Retrying in 1.001 seconds.",
        "Setting state of SourceStockPrices stream to {'AAPL': {'date': '2026-11-20', 'price': 300.33}}",
    ],
)
def test_it_keeps_back_what_the_cdk_says_wrong_or_again(line: str) -> None:
    """It counts an envelope as one record, next to our own count, and repeats an error or a wait that was told."""
    assert not is_kept(line)


@pytest.mark.parametrize(
    "line",
    [
        "Finished syncing stock_prices",
        "stock_prices: 1 of 1 ticker read; 250 records in 1 request.",
        "Read on: all tickers are up to date",
        "Massive is rate limiting requests; waiting until 21:00:00 UTC.",
    ],
)
def test_it_lets_any_other_line_through(line: str) -> None:
    """A filter that knows too little of what it keeps back hides what somebody needs."""
    assert is_kept(line)


def traced(failure_type: FailureType) -> AirbyteTracedException:
    return AirbyteTracedException(message="What happened, and what to do.", failure_type=failure_type)


@pytest.mark.parametrize("failure_type", [FailureType.config_error, FailureType.transient_error])
def test_it_keeps_back_the_traceback_of_what_its_sentence_explains(failure_type: FailureType) -> None:
    """The sentence follows as a message of its own; forty lines of this program's calls would bury it."""
    assert is_explained(traced(failure_type))
    assert not is_kept("Encountered an exception while reading stream stock_prices", traced(failure_type))


@pytest.mark.parametrize("error", [traced(FailureType.system_error), ValueError("x"), None])
def test_it_keeps_the_traceback_of_a_defect(error: Exception | None) -> None:
    """Whoever reports a bug has nothing else to send."""
    assert not is_explained(error)
    assert is_kept("Encountered an exception while reading stream stock_prices", error)
