"""Whether a sync would work, tested through the same code path as a sync."""

from __future__ import annotations

from datetime import date, timedelta
from logging import Logger

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.terms import ANY, Kind, Problem, Query
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices, readable

WINDOW = timedelta(days=10)
"""Long enough to hold a session of every listed ticker, whatever the holidays."""

MOST = 5
"""Tickers that are tried. Each costs a request, and some free plans have five a minute."""


def check(stream: StockPrices, logger: Logger) -> tuple[bool, str | None]:
    """Whether the provider serves the first tickers, and if not, a sentence for the user.

    An empty list is not believed: the provider's ticker reference is asked, where it has one. Throttling proves that
    the key works.
    """
    provider, tickers = stream.provider, stream.config.tickers[:MOST]
    unknown: list[str] = []
    empty: list[str] = []
    served = 0
    for ticker in tickers:
        try:
            if stream.ask(_last_days(stream, ticker, stream.end - WINDOW), Report(provider)):
                served += 1
            elif _knows(stream, ticker):
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
    logger.info(f"Checked {len(tickers)} of {len(stream.config.tickers)} tickers with {provider.title}.")
    if unknown:
        return False, " ".join(unknown)
    if not served:
        since = stream.end - WINDOW
        return False, f"{provider.title} has no bar of {names(empty)} since {since}. Correct stock_ticker."
    if empty:
        logger.warning(f"{provider.title} has no bar of {names(empty)} since {stream.end - WINDOW}.")
    return True, None


def _last_days(stream: StockPrices, ticker: str, start: date) -> Query:
    """The query that shows whether a ticker is served: its bars from a day on, or the whole market of the last day."""
    query = Query((ticker,), start, stream.end, stream.config.adjustment, stream.today)
    last = sessions.latest(stream.end)
    return query._replace(start=last, end=last) if ticker == ANY else query


def _knows(stream: StockPrices, ticker: str) -> bool:
    """Whether the provider's ticker reference has a ticker: False where there is no reference to ask.

    Raises ProviderError, also for an unknown ticker.
    """
    request = stream.provider.reference_request(ticker)
    if request is None:
        return False
    answer = Answer.of(stream.send(request))
    with readable(answer):
        if stream.provider.is_listed(answer):
            return True
    raise ProviderError(Problem(Kind.UNKNOWN_TICKER, trim(answer.text)), answer.status)
