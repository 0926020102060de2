"""The CDK as its docs teach it: a plain `HttpStream` with one slice per ticker, run by `launch`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime, timezone
from typing import Any, ClassVar

import requests
from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification, SyncMode
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.requests_native_auth import TokenAuthenticator

NUMBER = {"type": ["null", "number"]}
TEXT = {"type": "string"}
NUMBERS = ("price", "open", "high", "low", "close", "volume", "vwap", "trade_count")


class StockPrices(HttpStream):
    name = "stock_prices"
    primary_key: ClassVar = ["stock_ticker", "date"]
    cursor_field = "date"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(authenticator=TokenAuthenticator("benchmark"))
        self._config = config

    @property
    def url_base(self) -> str:
        return f"{self._config['base_url']}/"

    def get_json_schema(self) -> Mapping[str, Any]:
        texts = ("date", "stock_ticker", "currency", "adjustment", "provider")
        return {"type": "object", "properties": {**dict.fromkeys(texts, TEXT), **dict.fromkeys(NUMBERS, NUMBER)}}

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        for ticker in self._config["tickers"]:
            yield {"ticker": ticker, "start": (stream_state or {}).get(ticker, self._config["start"])}

    def path(
        self,
        *,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        asked = stream_slice or {}
        return f"v2/aggs/ticker/{asked['ticker']}/range/1/day/{asked['start']}/{self._config['end']}"

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        return {"adjusted": "false", "sort": "asc", "limit": 50000}

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        return None

    def parse_response(
        self,
        response: requests.Response,
        *,
        stream_state: Mapping[str, Any],
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        ticker = (stream_slice or {})["ticker"]
        for row in response.json()["results"]:
            yield {
                "date": datetime.fromtimestamp(row["t"] / 1000, timezone.utc).date().isoformat(),
                "stock_ticker": ticker,
                "price": row["c"],
                "open": row["o"],
                "high": row["h"],
                "low": row["l"],
                "close": row["c"],
                "volume": row["v"],
                "vwap": row["vw"],
                "trade_count": row["n"],
                "currency": "USD",
                "adjustment": "raw",
                "provider": "massive",
            }

    def get_updated_state(
        self, current_stream_state: MutableMapping[str, Any], latest_record: Mapping[str, Any]
    ) -> MutableMapping[str, Any]:
        ticker = latest_record["stock_ticker"]
        current_stream_state[ticker] = max(current_stream_state.get(ticker, ""), latest_record["date"])
        return current_stream_state


class Source(AbstractSource):
    def spec(self, logger: Any) -> ConnectorSpecification:
        return ConnectorSpecification(connectionSpecification={"type": "object"})

    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        return [StockPrices(config)]


if __name__ == "__main__":
    launch(Source(), sys.argv[1:])
