"""The source: config in, streams out, and the only look at the clock."""

from __future__ import annotations

import json
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import replace
from datetime import timedelta
from logging import Logger, getLogger
from pathlib import Path
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    Status,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from pendulum import UTC, DateTime
from pendulum import now as current_time

from source_stock_prices import (
    bill,
    events,
    reference,
    secrecy,
    sessions,
    state,
)
from source_stock_prices.catalog import configured
from source_stock_prices.check import check
from source_stock_prices.config import (
    Config,
    ConfigError,
    canonical,
    unknown_keys,
)
from source_stock_prices.found import Findings
from source_stock_prices.http import RequestPolicy, Write
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.terms import is_ticker
from source_stock_prices.second_opinion import SecondOpinion
from source_stock_prices.sessions import Horizon
from source_stock_prices.stream import StockPrices

PRICES, FINDINGS = "stock_prices", "findings"

DEFAULT_WINDOW = timedelta(days=7)
"""How far a sync without a start_date looks back, as in the tutorial."""


class SourceStockPrices(AbstractSource):
    """Daily stock prices of the API that the config names. `clock` returns the present moment; tests pass their own.

    With `in_envelopes` the records of a ticker are one message, for a writer that knows envelopes. `write` writes a
    message at once, from any thread, while the CDK waits for the next one: that the vendor has us wait.
    """

    in_envelopes = False
    write: Write | None = None

    def __init__(self, clock: Callable[[], DateTime] = current_time) -> None:
        self._clock = clock

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        # The CDK's own leaves a copy of the key in the temporary directory, which nothing reads.
        return canonical(config)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        if not state_path:
            return []
        content = _content("state", state_path, _json_or_lines)
        return state.messages(content)

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        config = _content("config", config_path)
        if not isinstance(config, dict):
            raise ConfigError(f"The config file {config_path} does not contain a JSON object.")
        secrecy.guard(secrecy.found_in(config))
        return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        content = _content("catalog", catalog_path, _json_or_messages)
        try:
            return ConfiguredAirbyteCatalogSerializer.load(configured(content))
        except Exception as error:  # the serializer's errors share no class of their own
            reason = trim(str(error))
            raise ConfigError(f"The catalog file {catalog_path} is not a valid configured catalog: {reason}") from error

    @property
    def raise_exception_on_missing_stream(self) -> bool:
        return True

    @property
    def message_repository(self) -> None:
        """None: nothing is ever put there, and the CDK would look with every record."""

    def read(
        self,
        logger: Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Reads the streams of a catalog, findings last. A stream that is not there fails by name, and the others are
        read.
        """
        parsed = Config.parse(config)
        provider = parsed.provider
        there = [PRICES, *events.stream_names(provider.name, parsed.tickers), FINDINGS]
        catalog = replace(catalog, streams=sorted(catalog.streams, key=is_read_last))
        for name in _states_of_other_streams(state or [], there):
            logger.warning(f"The state of the stream {name} is ignored: {provider.title} has no such stream.")
        for message in super().read(logger, config, catalog, state):
            error = message.trace.error if message.trace else None
            stream = error.stream_descriptor if error else None
            if error and stream and stream.name not in there:
                error.message = (
                    f"{provider.title} has no stream {stream.name}, which is in the catalog. It has {', '.join(there)}."
                    " Correct the name, or refresh the schema and remove the stream."
                )
            yield message

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        now = self._clock()
        prices = self._prices(config, now, patient=True)
        others = reference.streams(prices)
        found_at = now.in_timezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return [prices, *others, Findings(found_at, prices, others)]

    def check(self, logger: Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        # The CDK's own method would return the sentence as a quoted repr, without masking secrets.
        succeeded, error = self.check_connection(logger, config)
        if succeeded:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        message = secrecy.mask(str(error))
        return AirbyteConnectionStatus(status=Status.FAILED, message=message)

    def check_connection(self, logger: Logger, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        """Reads the last days of the first tickers as a sync would, but never waits for the vendor."""
        prices = self._prices(config, self._clock(), patient=False)
        others = reference.streams(prices)
        costs = [prices.cost, *(stream.cost for stream in others)]
        for line in bill.lines(costs, prices.config):
            logger.info(line)
        shortfall = bill.shortfall(costs, prices.config)
        if shortfall:
            logger.warning(shortfall)
        succeeded, error = check(prices, logger)
        second = second_stream(prices.config, prices.horizon)
        if succeeded and second and not prices.config.market:
            _, trouble = check(second, logger)
            if trouble:
                logger.warning(f"verify_with: {trouble}")  # no sync fails for it
        return succeeded, error

    def _prices(
        self,
        config: Mapping[str, Any],
        now: DateTime,
        *,
        patient: bool,
    ) -> StockPrices:
        parsed = Config.parse(config)
        secrecy.guard([*secrecy.found_in(config), *parsed.secrets])
        update_secrets([*secrecy.guarded()])
        is_ticker.cache_clear()  # a key is none
        for key in unknown_keys(config):
            getLogger("airbyte").warning(f"Unknown config key {key} is ignored.")
        horizon = sessions.Horizon(
            now,
            parsed.provider.exchange_of,
            wanted=parsed.end_date,
            with_unfinished=parsed.include_unfinished_session,
        )
        today = horizon.today
        bound = parsed.start_date
        if parsed.history_days:
            bound = today - timedelta(days=parsed.history_days)
        start = bound or min(parsed.end_date or today, today) - DEFAULT_WINDOW
        second = second_stream(parsed, horizon)
        return StockPrices(
            parsed,
            start=start,
            bound=bound,
            horizon=horizon,
            policy=RequestPolicy(parsed.provider, patient=patient, write=self.write),
            opinion=SecondOpinion(parsed, horizon, second) if second else None,
            in_envelopes=self.in_envelopes,
        )


def second_stream(config: Config, horizon: Horizon) -> StockPrices | None:
    """The prices of the second provider, if there is one, of a ticker that it has. Each request is sent once."""
    if config.verify_with is None:
        return None
    other = replace(
        config,
        provider=config.verify_with,
        verify_with=None,
        tickers=tuple(config.comparable[:1]),
        requests_per_minute=None,
    )
    policy = RequestPolicy(other.provider, patient=False, max_tries=1)
    return StockPrices(other, start=horizon.today, horizon=horizon, policy=policy)


def is_read_last(stream: ConfiguredAirbyteStream) -> bool:
    """Whether a stream tells what the others have found."""
    return bool(stream.stream.name == FINDINGS)


def _states_of_other_streams(state: list[AirbyteStateMessage], there: Sequence[str]) -> list[str]:
    """The streams that have a state and are not there, each once."""
    names = {}
    for message in state:
        if message.stream and message.stream.stream_descriptor.name not in there:
            names[message.stream.stream_descriptor.name] = True
    return list(names)


def _content(what: str, path: str, parse: Callable[[str], Any] = json.loads) -> Any:
    """The parsed content of a file; `what` names the file in the sentence of the ConfigError."""
    try:
        text = Path(path).read_text("utf-8-sig")  # Windows editors begin a file with a mark
    except OSError as error:
        raise ConfigError(f"The {what} file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"The {what} file {path} is not UTF-8 text: {trim(str(error))}.") from error
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The {what} file {path} is not valid JSON: {trim(str(error))}.") from error


def _json_or_lines(text: str) -> Any:
    """A JSON document, or a list of the documents on each line: the STATE lines of a sync as they were written."""
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            return []  # an empty file is no state
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def _json_or_messages(text: str) -> Any:
    """A JSON document, or a list of the messages on each line: the output of `discover` as it was written."""
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines or not all(line.startswith('{"type"') for line in lines):
            raise
        return [json.loads(line) for line in lines]
