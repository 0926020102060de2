"""The made-up market: the same figures for everybody, on every day, whatever was asked before."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest

from source_stock_prices.providers import sample_market as market
from source_stock_prices.providers.sample_market import Trade

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    "trade",
    [
        Trade(date(2005, 1, 3), 114.8, 115.36, 114.03, 114.4, 1430743, 114.645, 15897, 0.0, 1.0),
        Trade(date(2021, 5, 5), 149.65, 150.15, 147.82, 148.17, 773803, 148.9481, 8597, 0.0, 4.0),
        Trade(date(2026, 9, 29), 324.51, 328.14, 322.49, 327.3, 372579, 325.6104, 4139, 1.94, 1.0),
        Trade(date(2026, 11, 20), 301.99, 303.55, 299.02, 300.33, 816085, 301.2228, 9067, 0.0, 1.0),
    ],
    ids=lambda trade: str(trade.date),
)
def test_it_has_the_same_figures_in_every_release(trade: Trade) -> None:
    """Examples in the documentation show them, and users keep them in their tables."""
    assert market.trades("AAPL", trade.date, trade.date) == (trade,)


def test_it_has_the_same_trades_in_every_window() -> None:
    """Two requests that overlap must agree, or each sync would find corrections."""
    history = market.history("KO", FRIDAY)
    assert market.trades("KO", FRIDAY, FRIDAY) == history[-1:]
    assert market.trades("KO", date(2005, 1, 1), date(2005, 12, 31)) == history[:252]
    assert market.history("KO", date(2030, 1, 2))[: len(history)] == history


def test_it_adjusts_a_window_as_it_adjusts_the_history() -> None:
    """The factors of a window begin at its end, so that what happened before it does not matter."""
    whole = market.price_factors("AAPL", FRIDAY, dividends=True)
    window = market.price_factors("AAPL", FRIDAY, dividends=True, start=date(2026, 1, 2))
    assert window == {day: factor for day, factor in whole.items() if day >= date(2026, 1, 2)}


def test_it_draws_numbers_as_the_standard_library_does() -> None:
    """The market was first written with `Random.gauss`; numbers are picked out of the middle to save the others."""
    random = Random(5)
    draws = [random.random() for _ in range(8)]
    random = Random(5)
    assert [market._normal(draws, n) for n in range(8)] == [random.gauss(0, 1) for _ in range(8)]
