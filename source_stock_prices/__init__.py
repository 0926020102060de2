"""An Airbyte source of daily stock prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_stock_prices.source import SourceStockPrices

__all__ = ["SourceStockPrices"]


def __getattr__(name: str) -> Any:
    """Imports the source when somebody asks for it: that takes a second, in which the program already hears signals."""
    if name != "SourceStockPrices":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from source_stock_prices.source import SourceStockPrices

    return SourceStockPrices
