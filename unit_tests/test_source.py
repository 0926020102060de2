"""What the source does before a stream is read."""

from logging import getLogger
from pathlib import Path

import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

from source_stock_prices import SourceStockPrices
from source_stock_prices.config import canonical
from source_stock_prices.run import Entrypoint


@pytest.mark.parametrize("spelling", ["key%20%2F%3C%22", "key+%2F%3C%22", "key /&lt;&quot;", 'key /<\\"', 'key \\/<"'])
def test_it_masks_a_key_however_it_is_written(spelling: str) -> None:
    """A URL, a form, a page and a body each write some characters otherwise; each of them ends up in a log."""
    update_secrets([])
    SourceStockPrices().streams({"api_key": 'key /<"', "stock_ticker": "AAPL"})
    assert filter_secrets(f"said {spelling}.") == "said ****."


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
