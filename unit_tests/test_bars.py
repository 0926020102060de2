"""Which bars are believed."""

from datetime import date
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.bars import JUMP, clean, jumps
from source_stock_prices.providers.terms import ANY, Bar, Query
from source_stock_prices.sessions import NEW_YORK

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
SATURDAY, THANKSGIVING = date(2026, 11, 14), date(2026, 11, 26)

Dropped = list[tuple[str, str, str, str]]


def cleaned(*bars: Bar, query: Query = QUERY, in_new_york: bool = True) -> tuple[list[Bar], Dropped]:
    dropped: Dropped = []

    def drop(ticker: str, day: date | None, reason: str, field: str = "") -> None:
        dropped.append((ticker, str(day), reason, field))

    found = clean(bars, query, drop, lambda ticker: NEW_YORK if in_new_york else None)
    assert all(bar.ticker == ticker for ticker, kept in found.items() for bar in kept)
    return [bar for kept in found.values() for bar in kept], dropped


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"date": date(2026, 11, 1)}, "outside the requested window"),
        ({"close": None}, "no closing price"),
        *(({"close": close}, "an impossible closing price") for close in (0.0, -10.0, inf, nan, 2.0**63, 10**400)),
    ],
)
def test_it_drops_and_names_a_bar_that_cannot_be_used(change: dict[str, Any], why: str) -> None:
    """A wrong bar in the table is worse than a missing one that is named."""
    bar = GOOD._replace(**change)
    assert cleaned(bar) == ([], [("AAPL", str(bar.date), why, "")])


@pytest.mark.parametrize(
    "field",
    ["open", "high", "low", "volume", "vwap", "trade_count", "adjusted_close", "dividend", "split_factor"],
)
@pytest.mark.parametrize("number", [-1.0, inf, nan, 2.0**64, 10**400])
def test_it_keeps_a_bar_whose_side_field_cannot_be(field: str, number: float) -> None:
    """An adjusted close below zero, of a history of large dividends, says nothing against the close as traded."""
    kept, dropped = cleaned(GOOD._replace(**{field: number}))
    assert kept == [GOOD._replace(**{field: None})]
    assert dropped == [("AAPL", "2026-11-05", "is impossible", field)]


@pytest.mark.parametrize("field", ["adjusted_close", "split_factor"])
def test_it_names_a_factor_of_zero(field: str) -> None:
    """What is divided by it would end."""
    assert cleaned(GOOD._replace(**{field: 0.0})) == ([GOOD], [("AAPL", "2026-11-05", "is impossible", field)])


@pytest.mark.parametrize("change", [{"low": 9.6}, {"high": 9.9}, {"open": 11.0}, {"open": 8.0}, {"high": 8.0}])
def test_it_keeps_an_open_or_close_outside_low_and_high(change: dict[str, Any]) -> None:
    """Alpaca's open is a trade that does not count for high and low, which is common for thin tickers."""
    bar = GOOD._replace(**change)
    assert cleaned(bar) == ([bar], [])


def test_it_sorts_by_ticker_and_session() -> None:
    """Whatever the vendor's order."""
    other, later = GOOD._replace(ticker="MSFT"), GOOD._replace(date=date(2026, 11, 6))
    assert cleaned(other, later, GOOD)[0] == [GOOD, later, other]


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (GOOD, Bar("AAPL", GOOD.date, 9.9, 0.0, 0.0, 0.0, 0.0)),
        (GOOD, Bar("AAPL", GOOD.date, 9.9, 9.9, 9.9, 9.9, None, 9.9, 9.9, 9.9, 9.9, 9.9)),
        (GOOD, GOOD._replace(low=None, close=9.9)),
    ],
    ids=["no volume", "more fields without volume", "fewer fields"],
)
def test_it_keeps_the_bar_that_traded_of_two_for_one_session(winner: Bar, loser: Bar) -> None:
    """A stand-in with the close before is no session, whichever comes first."""
    named = [("AAPL", "2026-11-05", "a conflicting duplicate", "")]
    assert cleaned(winner, loser) == ([winner], named)
    assert cleaned(loser, winner) == ([winner], named)


def test_it_keeps_the_later_of_two_bars_that_are_as_good() -> None:
    """Overlapping pages send the same bar twice, which is no news; another one for the same session is."""
    later = GOOD._replace(close=9.9)
    assert cleaned(GOOD, GOOD) == ([GOOD], [])
    assert cleaned(GOOD, later) == ([later], [("AAPL", "2026-11-05", "a conflicting duplicate", "")])


def test_it_names_no_duplicate_that_agrees() -> None:
    """A row that only lacks something says nothing else."""
    assert cleaned(GOOD, GOOD._replace(open=None)) == ([GOOD], [])
    assert cleaned(GOOD._replace(open=None), GOOD) == ([GOOD], [])


@pytest.mark.parametrize("name", ["open", "high", "low", "vwap"])
def test_it_reads_a_zero_beside_a_close_as_none(name: str) -> None:
    """Vendors write funds and thinly traded listings so; the close is real."""
    assert cleaned(GOOD._replace(**{name: 0.0})) == ([GOOD._replace(**{name: None})], [])


LONG = QUERY._replace(end=date(2026, 11, 30))


@pytest.mark.parametrize("volume", [0.0, None])
@pytest.mark.parametrize("day", [SATURDAY, THANKSGIVING])
def test_it_drops_a_row_of_a_day_without_a_session(day: date, volume: float | None) -> None:
    """Vendors carry the close before on over weekends and holidays."""
    bar = GOOD._replace(date=day, volume=volume)
    assert cleaned(bar, query=LONG) == ([], [("AAPL", str(day), "no trading on that day", "")])
    assert cleaned(bar._replace(volume=5.0), query=LONG)[0]


@pytest.mark.parametrize(
    ("day", "change", "is_kept"),
    [
        (THANKSGIVING, {"volume": 0.0}, True),
        (SATURDAY, {"volume": 0.0}, False),
        (SATURDAY, {"volume": None, "open": None}, False),
        (SATURDAY, {"volume": None}, True),
        (SATURDAY, {"volume": 5.0}, True),
    ],
)
def test_it_knows_only_the_weekends_of_other_exchanges(day: date, change: dict[str, Any], is_kept: bool) -> None:
    """Some trade on Sundays, and currencies have no volume on any day."""
    kept, dropped = cleaned(GOOD._replace(date=day, **change), query=LONG, in_new_york=False)
    assert (bool(kept), bool(dropped)) == (is_kept, not is_kept)


@pytest.mark.parametrize("ticker", ["", "\x00HTLB^\ufffd\x16", " ", "A B", "A" * 33, "Ü", "-"])
def test_it_drops_a_ticker_that_no_exchange_could_have(ticker: str) -> None:
    """With `*`, keys come from the vendor; PostgreSQL cannot hold a NUL."""
    query = QUERY._replace(tickers=(ANY,), start=GOOD.date, end=GOOD.date)
    kept, dropped = cleaned(GOOD, GOOD._replace(ticker=ticker), query=query)
    assert kept == [GOOD]
    assert dropped == [(ticker, "2026-11-05", "no exchange has such a ticker", "")]


@given(st.lists(BARS, max_size=30))
def test_it_keeps_only_bars_that_can_be_true_in_order(bars: list[Bar]) -> None:
    """Ascending, one a ticker and session, inside the question; nothing is lost unnamed."""
    kept, dropped = cleaned(*bars)
    keys = [(bar.ticker, bar.date) for bar in kept]
    assert keys == sorted(set(keys))
    named = {(ticker, day) for ticker, day, _, field in dropped if not field}
    assert {(bar.ticker, str(bar.date)) for bar in bars} <= named | {(ticker, str(day)) for ticker, day in keys}
    for bar in kept:
        assert QUERY.start <= bar.date <= QUERY.end
        assert bar.close is not None
        assert all(number is None or (isfinite(number) and number >= 0) for number in bar[2:12])


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
