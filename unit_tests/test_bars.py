"""Which bars are believed."""

from collections import Counter
from datetime import date
from math import inf, isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.bars import JUMP, ROUNDING_TOLERANCE, clean, jumps
from source_stock_prices.providers.terms import Bar, Query

QUERY = Query(("AAPL", "MSFT"), date(2026, 11, 2), date(2026, 11, 20), "raw", date(2026, 11, 20))
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10, 10**12)
BARS = st.builds(
    Bar,
    ticker=st.sampled_from(QUERY.tickers),
    date=st.dates(min_value=date(2026, 10, 30), max_value=date(2026, 11, 23)),
    close=NUMBERS,
    open=NUMBERS,
    high=NUMBERS,
    low=NUMBERS,
    volume=NUMBERS,
    vwap=NUMBERS,
)
GOOD = Bar("AAPL", date(2026, 11, 5), 10.0, open=9.5, high=10.5, low=9.0, volume=5.5)


def cleaned(*bars: Bar) -> tuple[list[Bar], Counter[str]]:
    dropped: Counter[str] = Counter()
    found = clean(bars, QUERY, lambda why: dropped.update([why]))
    assert all(bar.ticker == ticker for ticker, kept in found.items() for bar in kept)
    return [bar for kept in found.values() for bar in kept], dropped


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"date": date(2026, 11, 1)}, "outside the requested window"),
        ({"close": None}, "no closing price"),
        ({"close": 0.0}, "impossible prices or volume"),
        ({"close": -10.0}, "impossible prices or volume"),
        ({"low": 9.6}, "impossible prices or volume"),
        ({"high": 9.9}, "impossible prices or volume"),
        ({"volume": -1}, "impossible prices or volume"),
        *(
            ({name: number}, "impossible prices or volume")
            for name in ("open", "high", "volume", "vwap", "trade_count", "adjusted_close", "dividend", "split_factor")
            for number in (-1, inf, 2**64, 10**400)
        ),
    ],
)
def test_it_drops_and_counts_a_bar_that_cannot_be(change: dict[str, Any], why: str) -> None:
    """A wrong bar in the table is worse than a missing one that is told of."""
    kept, dropped = cleaned(GOOD._replace(**change))
    assert (kept, dropped) == ([], {why: 1})


def test_it_sorts_by_ticker_and_session() -> None:
    """Whatever the vendor's order."""
    other, later = GOOD._replace(ticker="MSFT"), GOOD._replace(date=date(2026, 11, 6))
    assert cleaned(other, later, GOOD)[0] == [GOOD, later, other]


def test_it_keeps_the_first_of_two_bars_that_contradict_each_other() -> None:
    """Overlapping pages send the same bar twice, which is no news; another one for the same session is."""
    assert cleaned(GOOD, GOOD) == ([GOOD], {})
    assert cleaned(GOOD, GOOD._replace(close=9.9)) == ([GOOD], {"a conflicting duplicate": 1})


@pytest.mark.parametrize("name", ["open", "high", "low", "vwap"])
def test_it_reads_a_zero_beside_a_close_as_none(name: str) -> None:
    """Vendors write funds and thinly traded listings so; the close is real."""
    kept, dropped = cleaned(GOOD._replace(**{name: 0.0}))
    assert kept == [GOOD._replace(**{name: None})]
    assert not dropped


def test_it_allows_for_rounding() -> None:
    """Vendors round adjusted prices one by one."""
    assert cleaned(GOOD._replace(low=9.501, high=9.999))[0]


@given(st.lists(BARS, max_size=30))
def test_it_keeps_only_bars_that_can_be_true_in_order(bars: list[Bar]) -> None:
    """Ascending, one a ticker and session, inside the question, low to high; nothing is lost uncounted."""
    kept, dropped = cleaned(*bars)
    assert len(kept) + sum(dropped.values()) >= len(set(bars))
    keys = [(bar.ticker, bar.date) for bar in kept]
    assert keys == sorted(set(keys))
    for bar in kept:
        assert QUERY.start <= bar.date <= QUERY.end
        assert bar.close is not None and isfinite(bar.close) and bar.close > 0
        for end in (bar.open, bar.close):
            if end is not None:
                assert bar.low is None or bar.low * (1 - ROUNDING_TOLERANCE) <= end
                assert bar.high is None or end <= bar.high * (1 + ROUNDING_TOLERANCE)


def closes(*prices: float, ticker: str = "AAPL", first: int = 2) -> list[Bar]:
    """A ticker's bars of consecutive days."""
    return [Bar(ticker, date(2026, 11, first + n), price) for n, price in enumerate(prices)]


@pytest.mark.parametrize("close", [10.0 * JUMP, 10.0 / JUMP, 271.49, 0.0001])
def test_it_tells_of_a_close_far_from_the_one_before(close: float) -> None:
    """Mostly it is a misplaced point, a split that nobody told of, or a ticker with another company's prices."""
    bars = closes(10.0, 10.0, close, close)
    assert list(jumps(bars, {})) == [(bars[2], 10.0)]


@pytest.mark.parametrize("close", [10.0 * JUMP - 0.01, 10.0 / JUMP + 0.01, 10.0])
def test_it_tells_of_no_close_that_a_market_can_make(close: float) -> None:
    """Biotechs rise fivefold over night: a warning that is mostly wrong is read by nobody."""
    assert list(jumps(closes(10.0, close, 10.0), {})) == []


def test_it_tells_of_no_split_that_the_row_names() -> None:
    """The vendor itself says why."""
    before, after = closes(1000.0, 50.0)
    assert list(jumps([before, after._replace(split_factor=20.0)], {})) == []
    assert list(jumps([before, after._replace(split_factor=1.0)], {})) == [(after._replace(split_factor=1.0), 1000.0)]


def test_it_compares_a_ticker_with_itself() -> None:
    """Answers hold many tickers, one after another or a session at a time."""
    cheap, dear = closes(1.0, 1.1), closes(500.0, 9000.0, ticker="MSFT")
    assert list(jumps([*cheap, *dear], {})) == [(dear[1], 500.0)]
    last: dict[str, Bar] = {}
    assert list(jumps([cheap[0], dear[0]], last)) == []
    assert list(jumps([cheap[1], dear[1]], last)) == [(dear[1], 500.0)]
    assert last == {"AAPL": cheap[1], "MSFT": dear[1]}


def test_it_does_not_compare_a_bar_with_a_later_one() -> None:
    """What an earlier start adds comes after the newest bars, and is years older."""
    last: dict[str, Bar] = {}
    assert list(jumps(closes(271.49, first=20), last)) == []
    assert list(jumps(closes(0.13, 0.14), last)) == []
