"""Whether a history was rewritten."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.providers.terms import Bar
from source_stock_prices.restatement import Finding, judge, moved

SEEN = {"date": "2026-11-19", "price": 400.0}
PRICES = st.floats(min_value=0.01, max_value=100_000)


def bar(day: int, close: float, **more: Any) -> Bar:
    return Bar("AAPL", date(2026, 11, day), close, **more)


@pytest.mark.parametrize(
    ("adjustment", "bars", "finding"),
    [
        ("splits", [bar(19, 400.0), bar(20, 401.0)], Finding.KEPT),
        ("splits", [bar(19, 100.0), bar(20, 101.0)], Finding.RESTATED),
        ("splits", [bar(19, 400.0), bar(20, 101.0, split_factor=4.0)], Finding.RESTATED),
        ("splits", [bar(19, 400.0), bar(20, 399.0, dividend=0.5, split_factor=1.0)], Finding.KEPT),
        ("all", [bar(19, 400.0), bar(20, 399.0, dividend=0.5, split_factor=1.0)], Finding.RESTATED),
        ("all", [bar(19, 398.9), bar(20, 399.0)], Finding.RESTATED),
        ("all", [bar(19, 400.0, dividend=0.5)], Finding.KEPT),
        ("all", [bar(20, 401.0)], Finding.GONE),
        ("splits", [], Finding.GONE),
        ("raw", [bar(19, 399.5), bar(20, 100.0, split_factor=4.0)], Finding.KEPT),
        ("raw", [bar(20, 401.0)], Finding.GONE),
        ("raw", [bar(19, 12.0)], Finding.IRRECONCILABLE),
    ],
)
def test_it_judges_by_the_last_bar_seen_and_by_what_the_rows_tell(
    adjustment: str, bars: list[Bar], finding: Finding
) -> None:
    """Adjusted histories are rewritten by splits and dividends, raw ones never; a bar that is gone proves nothing."""
    seen = SEEN if adjustment == "raw" else SEEN | {"adjustment": adjustment}
    assert judge(seen, bars, adjustment).finding is finding


@pytest.mark.parametrize(("before", "now"), [("raw", "splits"), ("splits", "raw"), ("splits", "all")])
def test_it_takes_a_state_of_another_adjustment_for_another_history(before: str, now: str) -> None:
    """The last bar is often equal in both; the older ones are not."""
    seen = SEEN | ({} if before == "raw" else {"adjustment": before})
    assert judge(seen, [bar(19, 400.0)], now).finding is Finding.RESTATED


def test_it_has_nothing_to_compare_with_a_tutorials_state() -> None:
    """Both tutorials kept a date alone."""
    assert judge({"date": "2026-11-19", "price": None}, [bar(19, 404.0)], "splits").finding is Finding.KEPT


@given(PRICES, st.integers(2, 6))
def test_it_does_not_take_rounding_for_a_change(price: float, digits: int) -> None:
    """A vendor that begins to send fewer digits rewrote nothing."""
    if price >= 10:
        assert not moved(price, round(price, digits))


@given(PRICES, st.sampled_from([0.5, 0.1, 2.0, 10.0, 1.05, 0.995, 0.999]))
def test_it_sees_every_split_and_any_dividend_of_a_thousandth(price: float, ratio: float) -> None:
    """Missing one would leave two incomparable halves in the table."""
    if price >= 5 or ratio not in (0.999, 0.995):
        assert moved(price, price * ratio)
