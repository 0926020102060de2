"""What the source does before a stream is read."""

from logging import getLogger
from pathlib import Path

import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_stock_prices import SourceStockPrices
from source_stock_prices.config import canonical
from source_stock_prices.run import Entrypoint
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
    specification = SourceStockPrices().spec(getLogger()).connectionSpecification
    Entrypoint.set_up_secret_filter(config, specification)
    assert filter_secrets("s3cr3t is in it.") == "**** is in it."
