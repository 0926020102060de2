"""What the source does before a stream is read."""

from pathlib import Path

import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

from source_stock_prices import SourceStockPrices


@pytest.mark.parametrize("spelling", ["k%20%2F%3C%22", "k+%2F%3C%22", "k /&lt;&quot;", 'k /<\\"', 'k \\/<"'])
def test_it_masks_a_key_however_it_is_written(spelling: str) -> None:
    """A URL, a form, a page and a body each write some characters otherwise; each of them ends up in a log."""
    update_secrets([])
    SourceStockPrices().streams({"api_key": 'k /<"', "stock_ticker": "AAPL"})
    assert filter_secrets(f"said {spelling}.") == "said ****."


@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_it_takes_an_empty_state_file_for_a_first_sync(tmp_path: Path, text: str) -> None:
    """A shell that redirects the STATE lines of a first run which wrote none leaves an empty file."""
    (tmp_path / "states.jsonl").write_text(text)
    assert SourceStockPrices.read_state(str(tmp_path / "states.jsonl")) == []
