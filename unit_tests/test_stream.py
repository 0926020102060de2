"""The price stream beside the CDK's loop that reads it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from logging import getLogger
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteStreamSerializer, SyncMode, Type
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger

from source_stock_prices.config import Config
from source_stock_prices.stream import StockPrices

TODAY = date(2026, 11, 20)
INCREMENTAL = ConfiguredAirbyteStreamSerializer.load(
    {
        "stream": {"name": "stock_prices", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
    }
)


def prices(days: int, adjustment: str, unfinished: int) -> StockPrices:
    """A stream of two tickers and the last days, so many of which are not final."""
    raw = {"provider": {"name": "sample"}, "stock_ticker": "AAPL, MSFT", "adjustment": adjustment, "num_workers": 1}
    start, last_final = TODAY - timedelta(days=days), TODAY - timedelta(days=unfinished)
    return StockPrices(Config.parse(raw), start=start, end=TODAY, last_final=last_final, today=TODAY, patient=False)


def one_by_one(stream: StockPrices, state: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The records, and the state after each of them told it."""
    records = []
    for each in stream.stream_slices(sync_mode=SyncMode.incremental, stream_state=state):
        for message in stream.read_records(SyncMode.incremental, stream_slice=each, stream_state=state):
            if isinstance(message, AirbyteMessage) and message.record:
                records.append(message.record.data)
    told = json.loads(json.dumps(state))
    for record in records:
        told = dict(stream.get_updated_state(told, record))
    return records, told


@pytest.mark.parametrize("state", [{}, {"AAPL": {"date": "2026-11-02", "price": 1.0, "adjustment": "all"}}])
@pytest.mark.parametrize("adjustment", ["raw", "all"])
@pytest.mark.parametrize("unfinished", [0, 1, 2, 40])
@pytest.mark.parametrize("days", [0, 1, 2, 3, 4, 30])
def test_it_leaves_the_state_that_every_record_would_have_left(
    days: int, unfinished: int, adjustment: str, state: dict[str, Any]
) -> None:
    """The CDK is shown the few records that tell the state something; all of them come out, in order."""
    stream = prices(days, adjustment, unfinished)
    stream.state = json.loads(json.dumps(state))
    read = stream.read(INCREMENTAL, getLogger(), DebugSliceLogger(), {}, ConnectorStateManager(), InternalConfig())
    messages = [message for message in read if isinstance(message, AirbyteMessage)]
    records, told = one_by_one(prices(days, adjustment, unfinished), state)
    assert [message.record.data for message in messages if message.record] == records
    assert len(records) >= days // 2
    states = [message.state.stream for message in messages if message.type is Type.STATE and message.state]
    assert states
    assert states[-1]
    assert states[-1].stream_state
    assert states[-1].stream_state.__dict__ == told
    assert one_by_one(stream, state) == (records, told)


def test_it_asks_for_the_state_of_two_records_a_ticker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CDK's loop over every record costs as much as asking for it."""
    stream, told = prices(300, "raw", 0), []
    stream.state = {}
    monkeypatch.setattr(stream, "get_updated_state", lambda state, record: told.append(record.data["date"]) or state)
    read = stream.read(INCREMENTAL, getLogger(), DebugSliceLogger(), {}, ConnectorStateManager(), InternalConfig())
    dates = [message.record.data["date"] for message in read if isinstance(message, AirbyteMessage) and message.record]
    assert told == [dates[0], dates[-1]] * 2
