"""An Airbyte source of daily stock prices."""

from zoneinfo import ZoneInfoNotFoundError

try:
    from source_stock_prices.source import SourceStockPrices
except ZoneInfoNotFoundError:  # pendulum cannot be imported without one
    raise SystemExit("The time zone database is missing: install the Python package tzdata.") from None

__all__ = ["SourceStockPrices"]
