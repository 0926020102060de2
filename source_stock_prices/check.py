"""Whether a sync would work, found out on the road a sync takes."""

from __future__ import annotations

from datetime import timedelta
from logging import Logger

from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.terms import Kind
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices

WINDOW = timedelta(days=10)
"""Long enough to hold a session of every listed ticker, whatever the holidays."""

MOST = 5
"""Tickers that are tried. Each costs a request, and some free plans have five a minute."""


def check(stream: StockPrices, logger: Logger) -> tuple[bool, str | None]:
    """Whether the provider serves the first tickers, and if not, a sentence for the user.

    An empty list is not believed: the provider's ticker reference is asked, where it has one. Throttling proves that
    the key works.
    """
    provider, tickers = stream.provider, stream.tickers[:MOST]
    unknown: list[str] = []
    empty: list[str] = []
    served = 0
    for ticker in tickers:
        try:
            if stream.ask(stream.last_days(ticker, stream.end - WINDOW), Report(provider)):
                served += 1
            elif stream.knows(ticker):
                served += 1
                logger.warning(f"{provider.title} knows {ticker}, but has no bar of it since {stream.end - WINDOW}.")
            else:
                empty.append(ticker)
        except ProviderError as error:
            if error.problem.kind is Kind.THROTTLED:
                said = trim(error.problem.said)
                logger.warning(f"{provider.title} asks to slow down, so the key works. It said: {said}")
                served += 1
                break
            if not error.reaction.of_ticker:
                return False, error.explain(provider, [ticker])
            unknown.append(error.explain(provider, [ticker]))
    logger.info(f"Checked {len(tickers)} of {len(stream.tickers)} tickers with {provider.title}.")
    if unknown:
        return False, " ".join(unknown)
    if not served:
        since = stream.end - WINDOW
        return False, f"{provider.title} has no bar of {names(empty)} since {since}. Correct stock_ticker."
    if empty:
        logger.warning(f"{provider.title} has no bar of {names(empty)} since {stream.end - WINDOW}.")
    return True, None
