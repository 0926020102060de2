"""What a person is told of bars that were left out."""

from __future__ import annotations

from datetime import date, timedelta

from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.terms import Query
from source_stock_prices.report import Report

DAY = date(2026, 11, 17)
QUERY = Query(("AAPL", "MSFT"), DAY, DAY, "raw", DAY)


def report() -> Report:
    return Report(PROVIDERS["sample"]())  # type: ignore[call-arg]


def test_it_names_what_was_left_out_in_a_line_for_each_reason() -> None:
    """A count alone sends nobody to the right row."""
    found = report()
    found.drop("AAPL", DAY, "no closing price")
    found.drop("MSFT", DAY + timedelta(days=1), "no closing price")
    found.drop("AAPL", DAY, "is not a number", "volume")
    found.drop("", None, "a row that is not an object")
    assert list(found.summary()) == [
        "Dropped 2 bars from Sample market: no closing price (AAPL 2026-11-17, MSFT 2026-11-18).",
        "volume of AAPL 2026-11-17 from Sample market is not a number; it is null.",
        "Dropped 1 bar from Sample market: a row that is not an object (no ticker on an unknown day).",
    ]


def test_it_names_ten_and_counts_the_rest() -> None:
    """A vendor may spoil a column of the whole market."""
    found = report()
    for number in range(1_200):
        found.drop("AAPL", DAY + timedelta(days=number), "no closing price")
    (line,) = found.summary()
    assert line.startswith("Dropped 1,200 bars from Sample market: no closing price (AAPL 2026-11-17, ")
    assert line.endswith(" and 1190 more).")


def test_it_names_a_bar_once() -> None:
    """A page is read again where another ticker of the batch failed."""
    found, other = report(), report()
    for each in (found, other):
        each.drop("AAPL", DAY, "is not a number", "volume")
    found.add(other, QUERY)
    assert list(found.summary()) == ["volume of AAPL 2026-11-17 from Sample market is not a number; it is null."]


def test_it_prints_no_ticker_that_cannot_be_printed() -> None:
    """A NUL or an escape sequence in a log line would hide the rest of it."""
    found = report()
    found.drop("\0A\x1b[2J" + "x" * 100, DAY, "no exchange has such a ticker")
    (line,) = found.summary()
    assert line.isprintable()
    assert len(line) < 150
