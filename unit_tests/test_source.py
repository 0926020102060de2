"""What the source does before a stream is read."""

import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

from source_stock_prices import SourceStockPrices


@pytest.mark.parametrize("spelling", ["k%20%2F%3C%22", "k+%2F%3C%22", "k /&lt;&quot;", 'k /<\\"', 'k \\/<"'])
def test_it_masks_a_key_however_it_is_written(spelling: str) -> None:
    """A URL, a form, a page and a body each write some characters otherwise; each of them ends up in a log."""
    update_secrets([])
    SourceStockPrices().streams({"api_key": 'k /<"', "stock_ticker": "AAPL"})
    assert filter_secrets(f"said {spelling}.") == "said ****."
