"""The source: config in, streams out, and the only look at the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from html import escape
from logging import Logger, getLogger
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    Status,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets, filter_secrets
from pendulum import DateTime
from pendulum import now as current_time

from source_stock_prices import events, sessions, state
from source_stock_prices.check import check
from source_stock_prices.config import Config, ConfigError, canonical, unknown_keys
from source_stock_prices.providers.answer import trim
from source_stock_prices.stream import StockPrices

DEFAULT_WINDOW = timedelta(days=7)
"""How far a sync without a start_date looks back, as in the tutorial."""


def _content(what: str, path: str, read: Callable[[str], Any] = json.loads) -> Any:
    try:
        return read(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The {what} in {path} cannot be read as JSON: {trim(str(error))}.") from error


def _json_or_lines(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            return []  # an empty file is no state
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]  # the STATE lines of a read as they are: the later one counts


class SourceStockPrices(AbstractSource):
    """Daily stock prices of the market data API that the config names. `clock` tells the time; tests hand in theirs.

    With `in_envelopes` the records of a ticker are one message, for a writer that knows envelopes.
    """

    in_envelopes = False

    def __init__(self, clock: Callable[[], DateTime] = current_time) -> None:
        self._clock = clock

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        return super().configure(canonical(config), temp_dir)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        return state.messages(_content("state", state_path, _json_or_lines)) if state_path else []

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        config = _content("config", config_path)
        if not isinstance(config, dict):
            raise ConfigError(f"The config in {config_path} is not a JSON object.")
        return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        catalog = _content("catalog", catalog_path)
        try:
            return ConfiguredAirbyteCatalogSerializer.load(catalog)
        except Exception as error:
            raise ConfigError(f"The catalog in {catalog_path} is none: {trim(str(error))}") from error

    @property
    def raise_exception_on_missing_stream(self) -> bool:
        return True

    @property
    def message_repository(self) -> None:
        """None: nothing is ever put there, and the CDK would look with every record."""

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        prices = self._prices(config, patient=True)
        return [prices, *events.streams(prices)]

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
            # The CDK masks a secret as it stands in the config; a URL, a page or a body may write it otherwise.
            for spelling in (quote(secret, safe=""), quote_plus(secret), escape(secret), secret.replace("/", "\\/")):
                add_to_secrets(spelling)
            add_to_secrets(json.dumps(secret)[1:-1])
        for key in unknown_keys(config):
            getLogger("airbyte").warning(f"The config's {key} is not known and has no effect.")
        now = self._clock()
        today, last_final = sessions.today(now), sessions.last_final(now)
        last = sessions.latest(today) if parsed.include_unfinished_session else last_final
        return StockPrices(
            parsed,
            start=parsed.start_date or min(parsed.end_date or today, today) - DEFAULT_WINDOW,
            end=min(parsed.end_date or last, last),
            last_final=last_final,
            today=today,
            patient=patient,
            in_envelopes=self.in_envelopes,
        )
