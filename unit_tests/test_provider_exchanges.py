"""Where a ticker trades: its exchange decides which days are its sessions, and when they are final."""

from __future__ import annotations

from typing import Any

import pytest

from source_stock_prices import sessions
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.exchanges import COUNTRIES, EXCHANGES
from source_stock_prices.providers.terms import ANY
from unit_tests.vendor_cases import FILES, every_provider

NEW_YORK = "XNYS"


def exchange_of(provider: str, ticker: str, **more: Any) -> str | None:
    settings = {**FILES[provider]["settings"], **more}
    return PROVIDERS[provider](**settings).exchange_of(ticker)


@every_provider
def test_it_takes_a_plain_ticker_for_one_of_new_york(provider: Any) -> None:
    """So does the whole market of a vendor, and a class of shares: they look like a ticker with an exchange."""
    for ticker in ("AAPL", "BRK.B", "F", "T", "V", ANY):
        assert exchange_of(provider.name, ticker) == NEW_YORK, ticker


@pytest.mark.parametrize(
    ("provider", "ticker", "exchange"),
    [
        ("eodhd", "VOW3.XETRA", "XETR"),
        ("eodhd", "VOD.LSE", "XLON"),
        ("eodhd", "NOVO.B.CO", "XCSE"),
        ("eodhd", "BMW.F", "XFRA"),
        ("eodhd", "7203.T", "XTKS"),
        ("eodhd", "RY.TO", "XTSE"),
        ("eodhd", "000858.SHE", "XSHE"),
        ("eodhd", "GSPC.INDX", None),
        ("eodhd", "EURUSD.FOREX", None),
        ("eodhd", "BTC-USD.CC", None),
        ("fmp", "ULVR.L", "XLON"),
        ("fmp", "7203.T", "XTKS"),
        ("fmp", "RY.TO", "XTSE"),
        ("fmp", "^N225", None),
        ("fmp", "EURGBP", None),
        ("marketstack", "VOW3.DE", "XETR"),
        ("marketstack", "vow3.xetra", "XETR"),
        ("marketstack", "TSCO.XLON", "XLON"),
        ("marketstack", "7203.T", "XTKS"),
        ("marketstack", "AAPL.XNAS", NEW_YORK),
        ("marketstack", "GSPC.INDX", None),
        ("alpha_vantage", "TSCO.LON", "XLON"),
        ("alpha_vantage", "MBG.DEX", "XETR"),
        ("alpha_vantage", "SHOP.TRT", "XTSE"),
        ("alpha_vantage", "GPV.TRV", "XTSX"),
        ("alpha_vantage", "RELIANCE.BSE", "XBOM"),
        ("alpha_vantage", "600104.SHH", "XSHG"),
        ("alpha_vantage", "000002.SHZ", "XSHE"),
        ("twelve_data", "TRP:TSX", "XTSE"),
        ("twelve_data", "VOW3:XETR", "XETR"),
        ("twelve_data", "AAPL:NASDAQ", NEW_YORK),
        ("twelve_data", "EUR/USD", None),
        ("twelve_data", "BTC/USD:Binance", None),
        ("tiingo", "600519", "XSHG"),
        ("iex", "VOD-LN", None),
        ("sample", "VOW3.XETRA", "XETR"),
    ],
)
def test_it_knows_the_exchange_of_a_ticker(provider: str, ticker: str, exchange: str | None) -> None:
    """By what the vendor writes after it."""
    assert exchange_of(provider, ticker) == exchange


@pytest.mark.parametrize(
    ("settings", "exchange"),
    [
        ({"exchange": "LSE"}, "XLON"),
        ({"exchange": "XTKS"}, "XTKS"),
        ({"exchange": "nasdaq"}, NEW_YORK),
        ({"exchange": "Euronext", "country": "Netherlands"}, "XPAR"),
        ({"exchange": "Pluto"}, None),
        ({"country": "Germany"}, "XFRA"),
        ({"country": "United States"}, NEW_YORK),
        ({"country": "Atlantis"}, None),
    ],
)
def test_it_knows_the_exchange_of_a_setting(settings: dict[str, str], exchange: str | None) -> None:
    """A name, a MIC or a country tells it of all tickers, but of one that tells itself."""
    assert exchange_of("twelve_data", "ABC", **settings) == exchange
    assert exchange_of("twelve_data", "TRP:TSX", **settings) == "XTSE"


def test_it_asks_eodhd_for_all_tickers_without_an_exchange_where_the_setting_says() -> None:
    assert exchange_of("eodhd", "VOW3", exchange="XETRA") == "XETR"
    assert exchange_of("eodhd", ANY, exchange="LSE") == "XLON"


def test_it_has_a_calendar_for_every_exchange_that_it_can_name() -> None:
    """One without would be watched no better than an unknown one."""
    named = {*EXCHANGES.values(), *COUNTRIES.values()}
    assert {exchange for exchange in named if not sessions.has_calendar(exchange)} == set()
