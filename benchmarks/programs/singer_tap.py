"""A tap on Singer's SDK: a `RESTStream` with one partition per ticker and the fast writer its docs recommend."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.contrib.msgspec import MsgSpecWriter


class StockPrices(RESTStream[Any]):
    name = "stock_prices"
    path = "/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}"
    primary_keys: ClassVar = ("stock_ticker", "date")
    replication_key = "date"
    is_sorted = True
    records_jsonpath = "$.results[*]"
    schema = th.PropertiesList(
        th.Property("date", th.StringType, required=True),
        th.Property("stock_ticker", th.StringType, required=True),
        th.Property("price", th.NumberType),
        th.Property("open", th.NumberType),
        th.Property("high", th.NumberType),
        th.Property("low", th.NumberType),
        th.Property("close", th.NumberType),
        th.Property("volume", th.NumberType),
        th.Property("vwap", th.NumberType),
        th.Property("trade_count", th.NumberType),
    ).to_dict()

    @property
    def url_base(self) -> str:
        return str(self.config["base_url"])

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token="benchmark")  # noqa: S106

    @property
    def partitions(self) -> list[dict[str, Any]]:
        return [{"ticker": ticker} for ticker in self.config["tickers"]]

    def get_url(self, context: Any) -> str:
        return super().get_url({**context, "start": self.config["start"], "end": self.config["end"]})

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {"adjusted": "false", "sort": "asc", "limit": 50000}

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        return {
            "date": datetime.fromtimestamp(row["t"] / 1000, timezone.utc).date().isoformat(),
            "stock_ticker": context["ticker"],
            "price": row["c"],
            "open": row["o"],
            "high": row["h"],
            "low": row["l"],
            "close": row["c"],
            "volume": row["v"],
            "vwap": row["vw"],
            "trade_count": row["n"],
        }


class TapStockPrices(Tap):
    name = "tap-stock-prices"
    message_writer_class = MsgSpecWriter
    config_jsonschema = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("tickers", th.ArrayType(th.StringType), required=True),
        th.Property("start", th.StringType, required=True),
        th.Property("end", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> Iterable[StockPrices]:
        return [StockPrices(tap=self)]


if __name__ == "__main__":
    TapStockPrices.cli()
