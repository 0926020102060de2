"""The prints by which the state knows bars again."""

import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import prints
from source_stock_prices.providers.terms import Bar

DAY = date(2026, 11, 20)
BAR = Bar("AAPL", DAY, 271.49, 270.0, 272.5, 269.25, 41_234_567, 270.9, 512_345, 268.11, 0.26, 1.0)
PRICES = {"close", "adjusted_close"}
NUMBERS = [name for name in Bar._fields if name not in ("ticker", "date", "currency")]
PRINTS = st.text("abcXYZ019-_", min_size=6, max_size=6)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, 1, 271.4900001, None])
def test_it_tells_every_change_of_a_bar_and_whether_a_rewritten_history_can_be_the_reason(
    name: str, value: Any
) -> None:
    """A split or dividend moves the close or the adjusted close of old bars. All else is a correction of one bar."""
    change: dict[str, Any] = {name: value if value != getattr(BAR, name) else 2.0}
    was, now = prints.print_of(BAR), prints.print_of(BAR._replace(**change))
    assert was != now
    assert prints.same_prices(was, now) == (name not in PRICES)
    assert (was[3:] == now[3:]) == (name in PRICES)


@given(st.lists(st.none() | st.integers(0, 2**53), min_size=len(NUMBERS), max_size=len(NUMBERS)))
def test_it_compares_numbers_by_value(numbers: list[int | None]) -> None:
    """Vendors write 100 one day and 100.0 the next, and some change 1e2 for 100."""
    floats = [None if number is None else float(number) for number in numbers]
    assert prints.print_of(Bar("AAPL", DAY, *numbers)) == prints.print_of(Bar("AAPL", DAY, *floats))


def test_it_gives_the_same_print_in_every_process() -> None:
    """A print is compared with one that another run wrote, on another machine and another Python."""
    assert prints.print_of(BAR) == "Lzit8j"
    assert prints.print_of(Bar("AAPL", DAY, 100.0)) == "-liPab"
    code = "from unit_tests.test_prints import BAR, prints; print(prints.print_of(BAR))"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == prints.print_of(BAR)


@given(st.dictionaries(st.integers(0, 90), PRINTS))
def test_it_reads_the_prints_of_a_ticker_as_it_wrote_them(by_age: dict[int, str]) -> None:
    """Newest first, a dot for a calendar day without a bar: the days themselves need not be written."""
    known = {DAY - timedelta(days=age): print_ for age, print_ in by_age.items()}
    assert prints.load(DAY, prints.dump(DAY, known)) == known


def test_it_writes_six_characters_a_bar_and_one_a_day_without() -> None:
    """Two weeks of a ticker fit in 70 characters: the state of 5,000 tickers stays small."""
    friday, monday = date(2026, 11, 20), date(2026, 11, 23)
    text = prints.dump(date(2026, 11, 24), {friday: "friday", monday: "monday"})
    assert text == ".monday..friday"
    assert prints.load(date(2026, 11, 24), text) == {friday: "friday", monday: "monday"}


@pytest.mark.parametrize("text", ["abc", "abcdef.abc", "abcde+", "abcde=", "abcdef abcdef", "äbcdef", "abcdef\n"])
def test_it_refuses_text_that_holds_no_prints(text: str) -> None:
    """A damaged state is named; it is never half used."""
    with pytest.raises(ValueError, match="holds no prints"):
        prints.load(DAY, text)


def test_it_refuses_prints_outside_the_calendar_and_after_the_date() -> None:
    """Neither can have been written by a sync."""
    with pytest.raises(ValueError, match="ordinal"):
        prints.load(date(1, 1, 2), "..abcdef")
    with pytest.raises(ValueError, match="after 2026-11-20"):
        prints.dump(DAY, {DAY + timedelta(days=1): "abcdef"})


TICKERS = st.text("ABC.-", min_size=1, max_size=5)
MARKETS = st.dictionaries(st.dates(), st.dictionaries(TICKERS, PRINTS, max_size=5), max_size=5)


@given(MARKETS)
def test_it_reads_the_prints_of_a_market_as_it_wrote_them(known: dict[date, dict[str, str]]) -> None:
    """Each ticker is named once; a session has a print or a gap for each."""
    assert prints.load_market(prints.dump_market(known)) == known


def test_it_names_each_ticker_of_a_market_once() -> None:
    """12,000 tickers and 8 sessions are 0.6 MB."""
    first, second = date(2026, 11, 19), date(2026, 11, 20)
    known = {first: {"AA": "aaaaaa"}, second: {"A": "bbbbbb", "AA": "cccccc", "A B": "dddddd"}}
    assert prints.dump_market(known) == {
        "tickers": "A AA",
        "bars": {"2026-11-19": "......aaaaaa", "2026-11-20": "bbbbbbcccccc"},
    }


@pytest.mark.parametrize(
    "written",
    [
        {"tickers": "A AA", "bars": {"2026-11-20": "bbbbbb"}},
        {"tickers": "A AA", "bars": {"2026-11-20": "bbbbbbcccccc......"}},
        {"tickers": "A AA", "bars": {"2026-11-20": "bbbbbbcc..cc"}},
        {"tickers": "A AA", "bars": {"20261120": "bbbbbbcccccc"}},
        {"tickers": "A AA", "bars": {"2026-11-20": None}},
        {"tickers": "A AA", "bars": ["bbbbbbcccccc"]},
        {"tickers": ["A"], "bars": {}},
    ],
)
def test_it_refuses_a_market_that_holds_no_prints(written: Any) -> None:
    """Prints that are read for the wrong ticker would hide changes."""
    with pytest.raises(ValueError, match="print for each|no text|no object|date|isoformat"):
        prints.load_market(written)


def test_it_tells_another_currency() -> None:
    """A record carries it; as long as it is not known, a print is what it was before there was one."""
    assert len({prints.print_of(BAR._replace(currency=currency)) for currency in (None, "USD", "GBX")}) == 3
    assert prints.same_prices(prints.print_of(BAR), prints.print_of(BAR._replace(currency="USD")))
