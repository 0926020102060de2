"""The market data APIs the connector speaks, one module each."""

from source_stock_prices.providers.alpaca import Alpaca
from source_stock_prices.providers.alpha_vantage import AlphaVantage
from source_stock_prices.providers.eodhd import Eodhd
from source_stock_prices.providers.fmp import Fmp
from source_stock_prices.providers.iex import Iex
from source_stock_prices.providers.marketstack import Marketstack
from source_stock_prices.providers.massive import Massive
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.sample import Sample
from source_stock_prices.providers.tiingo import Tiingo
from source_stock_prices.providers.twelve_data import TwelveData

PROVIDERS: dict[str, type[Provider]] = {
    provider.name: provider
    for provider in (
        Massive,
        Tiingo,
        Alpaca,
        TwelveData,
        Eodhd,
        AlphaVantage,
        Fmp,
        Marketstack,
        Iex,
        Sample,
    )
}

ALIASES = {alias: provider.name for provider in PROVIDERS.values() for alias in provider.aliases}

DEFAULT = Massive
"""What a config without a provider means: the API of the tutorial this connector grew from."""
