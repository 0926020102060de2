"""The stream `findings`: what the other streams of a sync tell a person to look at, one record each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteStream, ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.core import StreamData

from source_stock_prices import findings
from source_stock_prices.events import Events
from source_stock_prices.stream import StockPrices


class Findings(Stream):
    """What `prices` and `others` have found when it is read: it has to be the last stream of a sync.

    `found_at` is the moment of the sync in ISO 8601, in UTC. The state is that of the last sync: what was found is not
    found again by asking, so there is nothing to begin from.
    """

    primary_key: ClassVar = ["found_at", "stream", "stock_ticker", "date", "kind"]
    cursor_field = "found_at"

    def __init__(
        self,
        found_at: str,
        prices: StockPrices,
        others: Sequence[Events],
    ) -> None:
        self._found_at = found_at
        self._prices = prices
        self._others = others
        self.state: dict[str, Any] = {}

    def as_airbyte_stream(self) -> AirbyteStream:
        stream = super().as_airbyte_stream()
        stream.is_resumable = False  # as for prices
        return stream

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        *args: Any,
        **kwargs: Any,
    ) -> Iterable[StreamData]:
        if configured_stream.sync_mode == SyncMode.full_refresh:
            self.state = {}
        yield from super().read(configured_stream, *args, **kwargs)

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[StreamData]:
        provider = self._prices.provider
        ends = map(self._prices.horizon.end, self._prices.config.tickers)
        last_day = max(ends)
        streams: list[StockPrices | Events] = [self._prices, *self._others]
        for stream in streams:
            yield from findings.records(
                stream.findings,
                found_at=self._found_at,
                stream=stream.name,
                last_day=last_day,
                title=provider.title,
                provider=provider.name,
            )
        before = str(self.state.get(self.cursor_field, ""))
        self.state = {self.cursor_field: max(before, self._found_at)}
