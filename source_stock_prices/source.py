"""The source: config in, streams out, and the only look at the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from logging import Logger
from typing import Any
from urllib.parse import quote, quote_plus

from airbyte_cdk.models import AirbyteConnectionStatus, AirbyteStateMessage, Status
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets, filter_secrets
from pendulum import DateTime
from pendulum import now as current_time

from source_stock_prices import sessions, state
from source_stock_prices.check import check
from source_stock_prices.config import Config, canonical
from source_stock_prices.stream import StockPrices

DEFAULT_WINDOW = timedelta(days=7)
"""How far a sync without a start_date looks back, as in the tutorial."""


class SourceStockPrices(AbstractSource):
    """Daily stock prices of the market data API that the config names. `clock` tells the time; tests hand in theirs."""

    def __init__(self, clock: Callable[[], DateTime] = current_time) -> None:
        self._clock = clock

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        return super().configure(canonical(config), temp_dir)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        return state.messages(cls._read_json_file(state_path)) if state_path else []

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        return [self._prices(config, patient=True)]

    def check(self, logger: Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        # The CDK's own would hand over the sentence as a quoted repr, its secrets not masked.
        succeeded, error = self.check_connection(logger, config)
        if succeeded:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(str(error)))

    def check_connection(self, logger: Logger, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        """Reads the last days of the first tickers as a sync would, but never waits for the vendor."""
        return check(self._prices(config, patient=False), logger)

    def _prices(self, config: Mapping[str, Any], *, patient: bool) -> StockPrices:
        parsed = Config.parse(config)
        for secret in parsed.secrets:
            # The CDK masks a secret as it stands in the config; in a URL it is written otherwise.
            add_to_secrets(quote(secret, safe=""))
            add_to_secrets(quote_plus(secret))
        now = self._clock()
        today, last_final = sessions.today(now), sessions.last_final(now)
        last = sessions.latest(today) if parsed.include_unfinished_session else last_final
        return StockPrices(
            parsed,
            start=parsed.start_date or today - DEFAULT_WINDOW,
            end=min(parsed.end_date or last, last),
            last_final=last_final,
            today=today,
            patient=patient,
        )
