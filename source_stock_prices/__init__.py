"""An Airbyte source of daily stock prices."""

from zoneinfo import ZoneInfoNotFoundError

try:
    from source_stock_prices.source import SourceStockPrices
except (ZoneInfoNotFoundError, ValueError) as error:  # pendulum cannot be imported without one, and may wrap the error
    if not isinstance(error.__context__ or error, ZoneInfoNotFoundError):
        raise
    raise SystemExit("The time zone database is missing: install the Python package tzdata.") from None

__all__ = ["SourceStockPrices"]
