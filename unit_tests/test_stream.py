"""The price stream beside the CDK's loop that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date, timedelta
from logging import getLogger
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteStreamSerializer
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger

from source_stock_prices.config import Config
from source_stock_prices.envelope import Envelope
from source_stock_prices.http import RequestPolicy
from source_stock_prices.stream import StockPrices
from unit_tests.horizons import Until

Row = Mapping[str, Any]

TODAY = date(2026, 11, 20)
INCREMENTAL = ConfiguredAirbyteStreamSerializer.load(
    {
        "stream": {"name": "stock_prices", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
    }
)


def prices(days: int, adjustment: str, unfinished: int, *, in_envelopes: bool) -> StockPrices:
    """A stream of two tickers and the last days, so many of which are not final."""
    raw = {"provider": {"name": "sample"}, "stock_ticker": "AAPL, MSFT", "adjustment": adjustment, "num_workers": 1}
    config = Config.parse(raw)
    return StockPrices(
        config,
        start=TODAY - timedelta(days=days),
        horizon=Until(TODAY, TODAY - timedelta(days=unfinished)),
        policy=RequestPolicy(config.provider, patient=False),
        in_envelopes=in_envelopes,
    )


def messages(stream: StockPrices, state: dict[str, Any]) -> Iterator[AirbyteMessage]:
    """What the CDK makes of a sync that goes on from a state."""
    stream.state = deepcopy(state)
    read = stream.read(INCREMENTAL, getLogger(), DebugSliceLogger(), {}, ConnectorStateManager(), InternalConfig())
    return (message for message in read if isinstance(message, AirbyteMessage))


def sync(stream: StockPrices, state: dict[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """The records of a sync, and the last state that it wrote."""
    records: list[Row] = []
    last: dict[str, Any] = {}
    for message in messages(stream, state):
        if isinstance(message, Envelope):
            records += message.records
        elif message.record:
            records.append(message.record.data)
        if message.state and message.state.stream and message.state.stream.stream_state:
            last = vars(message.state.stream.stream_state)
    return records, last


def last_final(records: list[Row], state: dict[str, Any], until: date) -> dict[str, tuple[str, float]]:
    """The date and price that records, one after another, leave of each ticker."""
    known = {ticker: (seen["date"], seen["price"]) for ticker, seen in state.items()}
    for record in records:
        ticker, day = record["stock_ticker"], record["date"]
        if day <= until.isoformat() and day >= known.get(ticker, ("", 0.0))[0]:
            known[ticker] = day, record["price"]
    return known


@pytest.mark.parametrize("state", [{}, {"AAPL": {"date": "2026-11-02", "price": 1.0, "adjustment": "all"}}])
@pytest.mark.parametrize("adjustment", ["raw", "all"])
@pytest.mark.parametrize("unfinished", [0, 1, 2, 40])
@pytest.mark.parametrize("days", [0, 1, 2, 3, 4, 30])
def test_it_leaves_the_state_that_every_record_would_have_left(
    days: int, unfinished: int, adjustment: str, state: dict[str, Any]
) -> None:
    """Whether the CDK is shown each record or one envelope a ticker: all of them come out, in order."""
    records, told = sync(prices(days, adjustment, unfinished, in_envelopes=False), state)
    assert len(records) >= days // 2
    left = {ticker: (seen["date"], seen["price"]) for ticker, seen in told.items() if "date" in seen}
    assert left == last_final(records, state, TODAY - timedelta(days=unfinished))
    assert sync(prices(days, adjustment, unfinished, in_envelopes=True), state) == (records, told)


def test_it_shows_the_cdk_one_envelope_a_ticker() -> None:
    """The CDK's loop over every record costs as much as asking for it."""
    shown = [message for message in messages(prices(300, "raw", 2, in_envelopes=True), {}) if message.record]
    assert [type(message) for message in shown] == [Envelope, Envelope]
    for message, ticker in zip(shown, ["AAPL", "MSFT"], strict=True):
        assert message.record
        assert (message.record.data["stock_ticker"], message.record.data["date"]) == (ticker, "2026-11-18")


def test_it_shows_each_record_to_who_does_not_know_envelopes() -> None:
    """A program that drives the source through the CDK would find two records in a year of prices."""
    shown = [message for message in messages(prices(300, "raw", 0, in_envelopes=False), {}) if message.record]
    assert {type(message) for message in shown} == {AirbyteMessage}
    keys = [(record.data["stock_ticker"], record.data["date"]) for record in (each.record for each in shown) if record]
    assert len(set(keys)) == len(keys) > 400


def test_it_keeps_the_state_itself() -> None:
    """An answer says more of a ticker than its last record does."""
    stream = prices(30, "raw", 0, in_envelopes=True)
    *_, last = messages(stream, {})
    assert last.state
    assert last.state.stream
    assert vars(last.state.stream.stream_state) == stream.state
    assert stream.get_updated_state({}, {"date": "2027-01-01"}) is stream.state
