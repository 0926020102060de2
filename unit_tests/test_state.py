"""Every shape a state ever had, and those it never had."""

import logging
from typing import Any

import pytest

from source_stock_prices import state

OWN = {"AAPL": {"date": "2026-11-20", "price": 271.49}}
NEW = {
    "date": "2026-11-20",
    "price": 271.49,
    "adjustment": "splits",
    "provider": "massive",
    "since": "2020-01-02",
    "bars": "abcdefghijkl..mnopqr",
}
MARKET = {
    "date": "2026-11-20",
    "adjustment": "raw",
    "provider": "massive",
    "since": "2026-11-02",
    "tickers": "A AA",
    "bars": {"2026-11-20": "abcdef......"},
}
MESSAGE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "stock_prices"}, "stream_state": OWN}}
LOGGER = logging.getLogger("airbyte")


def read(shape: Any, *tickers: str) -> Any:
    (message,) = state.messages(shape)
    return state.read(vars(message.stream.stream_state), tickers or ("AAPL",), LOGGER)


@pytest.mark.parametrize(
    "shape",
    [
        [MESSAGE],
        MESSAGE,
        {"type": "STATE", "state": MESSAGE},
        {"stream": MESSAGE["stream"]},
        {"stock_prices": OWN},
        [{"stock_prices": OWN}],
        {"type": "LEGACY", "data": {"stock_prices": OWN}},
        [{"type": "LEGACY", "data": {"stock_prices": OWN}}],
        [{"data": {"stock_prices": OWN}}],
    ],
)
def test_it_reads_its_own_state_whatever_it_is_wrapped_in(shape: Any) -> None:
    """The CDK ignores some of these in silence, which would read and pay for everything again."""
    assert read(shape) == OWN


@pytest.mark.parametrize("value", ["2020-02-01", {"date": "2020-02-01"}])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: {"stock_prices": value},
        lambda value: [{"stock_prices": value}],
        lambda value: {"type": "LEGACY", "data": {"stock_prices": value}},
        lambda value: [{"type": "LEGACY", "data": {"stock_prices": value}}],
    ],
)
def test_it_gives_a_tutorial_date_to_the_one_ticker_it_was_written_for(wrap: Any, value: Any) -> None:
    """Both tutorials wrote one date for their one ticker; their users go on from there."""
    assert read(wrap(value), "TSLA") == {"TSLA": {"date": "2020-02-01", "price": None}}


def test_it_reads_everything_again_where_one_date_stands_for_several_tickers(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody knows whose date it was: reading again loses nothing, and the user is told."""
    with caplog.at_level(logging.WARNING):
        assert read({"stock_prices": "2020-02-01"}, "AAPL", "MSFT") == {}
    assert "every ticker is read again from the start date" in caplog.text


@pytest.mark.parametrize(
    "entries",
    [
        {"AAPL": NEW},
        {"AAPL": {**NEW, "failed": True}, "MSFT": {"failed": True, "tried": "2026-11-20"}},
        {"*": MARKET, "BBB": {"again": True}, "CCC": {"again": True, "failed": True}},
    ],
)
def test_it_reads_what_a_sync_remembers(entries: Any) -> None:
    """Prints of the recheck window, tickers that failed, and tickers that wait to be read again."""
    assert read({"stock_prices": entries}) == entries


@pytest.mark.parametrize("mark", state.FULL_REFRESH_MARKS.items())
def test_it_takes_the_marks_of_a_full_refresh_for_a_first_sync(mark: tuple[str, Any]) -> None:
    """The CDK writes them as the state of a stream that was read in full: a switch to incremental begins with them."""
    assert state.read(dict([mark]), ("AAPL",), LOGGER) == {}


@pytest.mark.parametrize("empty", [[], {}, {"stock_prices": {}}])
def test_it_takes_an_empty_state_for_a_first_sync(empty: Any) -> None:
    """Platforms hand over empty states in several spellings."""
    for message in state.messages(empty):
        assert state.read(vars(message.stream.stream_state), ("AAPL",), LOGGER) == {}


@pytest.mark.parametrize(
    "garbage",
    [
        42,
        "2020-02-01",
        [7],
        {"stock_prices": 5},
        {"stock_prices": ["2020-02-01"]},
        {"stock_prices": "yesterday"},
        {"stock_prices": {"date": "2020-13-45"}},
        {"stock_prices": {"date": "20200201"}},
        {"stock_prices": {"date": "2020-02-01", "AAPL": {"date": "2020-02-01", "price": 1}, "x": 1}},
        {"stock_prices": {"AAPL": "2020-02-01"}},
        {"stock_prices": {"AAPL": {}}},
        {"stock_prices": {"AAPL": {"date": None, "price": 1}}},
        {"stock_prices": {"AAPL": {"date": 20200201, "price": 1}}},
        {"stock_prices": {"AAPL": {"date": "2020-02-01", "price": "1"}}},
        {"stock_prices": {"AAPL": {"date": "2020-02-01", "price": True}}},
        {"stock_prices": {"AAPL": {"date": "2020-02-01", "price": 0}}},
        {"stock_prices": {"AAPL": {"date": "2020-02-01", "price": float("nan")}}},
        {"stock_prices": {"AAPL": {"date": "2026-W46-3", "price": 1}}},
        {"stock_prices": {"AAPL": None}},
        {"stock_prices": {"AAPL": {"failed": "yes"}}},
        {"stock_prices": {"AAPL": {"tried": "yes"}}},
        {"stock_prices": {"AAPL": {"again": True, "price": 1.0}}},
        {"stock_prices": {"AAPL": {**NEW, "since": "yesterday"}}},
        {"stock_prices": {"AAPL": {**NEW, "adjustment": "none"}}},
        {"stock_prices": {"AAPL": {**NEW, "provider": 7}}},
        {"stock_prices": {"AAPL": {**NEW, "bars": "abcdefg"}}},
        {"stock_prices": {"AAPL": {**NEW, "bars": None}}},
        {"stock_prices": {"*": {**MARKET, "tickers": "A"}}},
        {"stock_prices": {"*": {**MARKET, "bars": "abcdef"}}},
        {"stock_prices": {"sync_mode": "incremental"}},
        {"type": "STREAM"},
        {"type": "STREAM", "stream": {"stream_state": {}}},
        {"type": "NONSENSE", "stream": {}},
    ],
)
def test_it_refuses_a_state_it_cannot_read(garbage: Any) -> None:
    """A silent full re-read would cost the plan's requests and hide that a state was lost."""
    with pytest.raises(state.StateError, match="The state cannot be read: .+ Correct it, or reset the stream"):
        read(garbage)
