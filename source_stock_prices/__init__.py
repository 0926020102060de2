"""An Airbyte source of daily stock prices."""

from source_stock_prices.source import SourceStockPrices

__all__ = ["SourceStockPrices"]
