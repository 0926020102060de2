"""Which bars are believed."""

from collections import Counter
from datetime import date
from math import inf, isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.bars import ROUNDING_TOLERANCE, clean
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
