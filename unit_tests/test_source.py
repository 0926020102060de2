"""What the source does before a stream is read."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, FailureType, Type
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import SourceStockPrices
from source_stock_prices.config import canonical
from source_stock_prices.entrypoint import Entrypoint
from source_stock_prices.secrecy import mask


def test_it_masks_the_keys_of_a_config() -> None:
    """From the first moment on, for the log of the CDK and for every other output."""
    SourceStockPrices().streams({"api_key": "k3y+t/est==", "stock_ticker": "AAPL"})
    assert filter_secrets("said k3y+t/est==.") == "said ****."
    assert mask("said k3y%2bt%2fest%3d%3d.") == "said ****."


def test_it_knows_the_keys_of_a_config_before_it_is_checked(tmp_path: Path) -> None:
    """What is wrong with it is told in sentences that quote it."""
    file = tmp_path / "config.json"
    file.write_text('{"provider": {"name": "none", "api_key": "k3y+t/est=="}}')
    SourceStockPrices.read_config(str(file))
    assert mask("said k3y+t/est==.") == "said ****."


def test_it_leaves_no_copy_of_the_config(tmp_path: Path) -> None:
    """A sync that is killed would leave the key in the temporary directory for good."""
    config = {"api_key": "k3y+t/est==", "stock_ticker": "AAPL"}
    configured = SourceStockPrices().configure(config, str(tmp_path))
    assert configured["provider"] == {"name": "massive", "api_key": "k3y+t/est=="}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_it_takes_an_empty_state_file_for_a_first_sync(tmp_path: Path, text: str) -> None:
    """A shell that redirects the STATE lines of a first run which wrote none leaves an empty file."""
    (tmp_path / "states.jsonl").write_text(text)
    assert SourceStockPrices.read_state(str(tmp_path / "states.jsonl")) == []


def test_it_reads_files_that_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Windows editors put one there, and nobody sees it."""
    config, states = tmp_path / "config.json", tmp_path / "states.jsonl"
    config.write_text('{"stock_ticker": "AAPL"}', "utf-8-sig")
    states.write_text("\n", "utf-8-sig")
    assert SourceStockPrices.read_config(str(config)) == {"stock_ticker": "AAPL"}
    assert SourceStockPrices.read_state(str(states)) == []


def test_it_masks_no_words_with_what_is_too_short_for_a_key() -> None:
    """The sentence that refuses the key `in` would lose every "in"."""
    config = canonical({"api_key": "in", "stock_ticker": "AAPL", "provider": {"name": "tiingo", "api_key": "s3cr3t"}})
    specification = SourceStockPrices().spec(logging.getLogger()).connectionSpecification
    Entrypoint.set_up_secret_filter(config, specification)
    assert filter_secrets("s3cr3t is in it.") == "**** is in it."


LOGGER = logging.getLogger("airbyte")
CONFIG = {"provider": {"name": "sample"}, "stock_ticker": "AAPL"}


def discovered() -> dict[str, Any]:
    source = SourceStockPrices()
    message = AirbyteMessage(Type.CATALOG, catalog=source.discover(LOGGER, CONFIG))
    return dict(AirbyteMessageSerializer.dump(message)["catalog"])


def lines(catalog: dict[str, Any]) -> str:
    log = {"type": "LOG", "log": {"level": "INFO", "message": "Looking."}}
    message = {"type": "CATALOG", "catalog": catalog}
    return f"{json.dumps(log)}\n{json.dumps(message)}\n"


def line(catalog: dict[str, Any]) -> str:
    return json.dumps({"type": "CATALOG", "catalog": catalog}, indent=2)


@pytest.mark.parametrize("written", [lines, line, json.dumps])
def test_it_reads_every_stream_of_a_catalog_that_is_not_configured(tmp_path: Path, written: Any) -> None:
    """The output of `discover`, its message and the catalog in it are what people have, and pass."""
    (tmp_path / "catalog.json").write_text(written(discovered()))
    catalog = SourceStockPrices.read_catalog(str(tmp_path / "catalog.json"))
    modes = {
        configured.stream.name: (configured.sync_mode.value, configured.destination_sync_mode.value)
        for configured in catalog.streams
    }
    assert modes == {
        "stock_prices": ("incremental", "append_dedup"),
        "stock_splits": ("incremental", "append_dedup"),
        "dividends": ("incremental", "append_dedup"),
        "tickers": ("full_refresh", "overwrite"),
        "ticker_changes": ("incremental", "append_dedup"),
        "findings": ("incremental", "append_dedup"),
    }
    assert catalog.streams[0].primary_key == [["stock_ticker"], ["date"]]


def read(streams: list[str], state: Any, tmp_path: Path) -> tuple[list[Any], list[str]]:
    """The errors and the warnings of a sync of some streams, from a state file's content."""
    there = {stream["name"]: stream for stream in discovered()["streams"]}
    chosen = [there.get(name, {"name": name, "json_schema": {}}) for name in streams]
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": chosen}))
    (tmp_path / "state.json").write_text(json.dumps(state))
    source = SourceStockPrices()
    config = source.configure(CONFIG, str(tmp_path))
    catalog = source.read_catalog(str(tmp_path / "catalog.json"))
    found = []
    try:
        for message in source.read(LOGGER, config, catalog, source.read_state(str(tmp_path / "state.json"))):
            found.append(message)
    except AirbyteTracedException:
        pass
    errors = [message.trace.error.message for message in found if message.trace and message.trace.error]
    return errors, [message.record.stream for message in found if message.record]


def test_it_names_a_stream_that_is_not_there_with_those_that_are(tmp_path: Path) -> None:
    """The others are read all the same, as after a change of the provider."""
    errors, streams = read(["stock_price", "stock_prices"], {}, tmp_path)
    assert errors == [
        "Sample market has no stream stock_price, which is in the catalog. It has stock_prices, stock_splits,"
        " dividends, tickers, ticker_changes, findings. Correct the name, or refresh the schema and remove the stream."
    ]
    assert set(streams) == {"stock_prices"}


def test_it_names_the_streams_of_a_state_that_are_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A misspelled stream in a state would have everything read again, without a word."""
    state = {"stock_price": {"AAPL": {"date": "2026-11-20"}}, "dividends": {}}
    with caplog.at_level("WARNING"):
        read(["tickers"], state, tmp_path)
    assert [record.getMessage() for record in caplog.records if "is ignored" in record.getMessage()] == [
        "The state of the stream stock_price is ignored: Sample market has no such stream."
    ]


@pytest.mark.parametrize("what", ["config", "state", "catalog"])
def test_it_explains_a_file_that_is_nested_too_deeply(what: str, tmp_path: Path) -> None:
    """Python's parser gives up on it with an error of another kind."""
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(AirbyteTracedException, match="deep.json is not valid JSON: maximum recursion depth") as raised:
        getattr(SourceStockPrices, f"read_{what}")(str(path))
    assert raised.value.failure_type is FailureType.config_error
