"""Whether a sync would work, tested through the same code path as a sync."""

from __future__ import annotations

from datetime import date, timedelta
from logging import Logger

from source_stock_prices import sessions
from source_stock_prices.errors import ProviderError, names
from source_stock_prices.providers.answer import Answer, trim
from source_stock_prices.providers.terms import (
    Kind,
    Problem,
    Query,
    is_market,
)
from source_stock_prices.report import Report
from source_stock_prices.stream import StockPrices, readable

LOOKBACK = timedelta(days=10)
"""Long enough to hold a session of every listed ticker, whatever the holidays."""

MAX_TICKERS_CHECKED = 5
"""Each costs a request, and some free plans allow five a minute."""


def check(stream: StockPrices, logger: Logger) -> tuple[bool, str | None]:
    """Whether the provider serves the first tickers; if not, also a sentence for the user."""
    provider = stream.provider
    tickers = stream.config.tickers[:MAX_TICKERS_CHECKED]
    failed = Report(provider)
    without_bars: list[str] = []
    oldest = max(map(stream.horizon.end, tickers)) - LOOKBACK
    for ticker in tickers:
        since = stream.horizon.end(ticker) - LOOKBACK
        try:
            if not _is_served(stream, ticker, since, logger):
                without_bars.append(ticker)
        except ProviderError as error:
            if error.problem.kind is Kind.THROTTLED:
                logger.warning(
                    f"{provider.title} is rate limiting requests, which shows that the key works."
                    f" The API replied: {trim(error.problem.said)}"
                )
                break
            if not error.reaction.of_ticker:
                return False, error.explain(provider, [ticker])
            failed.set_aside(ticker, error)
    logger.info(f"Checked {len(tickers)} of {len(stream.config.tickers)} configured tickers with {provider.title}.")
    failure = failed.failure()
    if failure:
        return False, failure.message
    sentence = f"{provider.title} has no bars for {names(without_bars)} since {oldest}."
    if len(without_bars) == len(tickers):
        return False, f"{sentence} Check the spelling in stock_ticker."
    if without_bars:
        logger.warning(sentence)
    return True, None


def _is_served(
    stream: StockPrices,
    ticker: str,
    since: date,
    logger: Logger,
) -> bool:
    """Whether the provider has bars of a ticker or, failing that, lists it in its ticker reference.

    Raises ProviderError.
    """
    query = _last_days(stream, ticker, since)
    if stream.ask(query, Report(stream.provider)):
        return True
    if is_market(ticker):
        logger.warning(f"{stream.provider.title} has no bars of {query.start}, the last session of {ticker}.")
        return stream.horizon.exchange_of(ticker) != sessions.NEW_YORK  # others close for a storm, as in a sync
    if _knows(stream, ticker):
        logger.warning(f"{stream.provider.title} knows {ticker} but has no bars for it since {since}.")
        return True
    return False


def _last_days(
    stream: StockPrices,
    ticker: str,
    start: date,
) -> Query:
    """The query that shows whether a ticker is served: its bars from a day on, or the whole market of the last day."""
    end = stream.horizon.end(ticker)
    query = Query((ticker,), start, end, stream.config.adjustment, stream.horizon.today)
    if not is_market(ticker):
        return query
    last = sessions.latest(end, stream.horizon.exchange_of(ticker))
    return query._replace(start=last, end=last)


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
