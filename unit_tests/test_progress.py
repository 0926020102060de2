"""What a sync says of how far it is."""

from datetime import date

from source_stock_prices.progress import Progress
from source_stock_prices.providers.terms import RAW, Query

DAY = date(2026, 11, 20)


def query(*tickers: str) -> Query:
    return Query(tickers, DAY, DAY, RAW, DAY)


def estimates(progress: Progress) -> list[int]:
    return [message.trace.estimate.row_estimate for message in progress.estimate()]


def test_it_tells_what_is_asked_and_what_that_saves() -> None:
    progress = Progress("stock_prices", [query("AAPL", "MSFT"), query("KO")], lambda query: len(query.tickers))
    assert progress.plan(1200) == "2 queries for 3 of 1,200 tickers, 1,198 requests fewer than one a ticker."
    assert Progress("stock_prices", [query("AAPL")], lambda _: 1).plan(1) == "1 query for 1 of 1 ticker."


def test_it_counts_a_ticker_once_its_last_query_is_answered() -> None:
    """A session of the whole market at a time, no ticker is done before the last one."""
    days = [query("AAPL", "MSFT"), query("AAPL", "MSFT"), query("KO")]
    progress = Progress("stock_prices", days, lambda _: None)
    progress.answered(days[0], 2)
    assert progress.line(1) == "0 of 3 tickers read, 2 records; 1 of 3 queries answered in 1 request."
    progress.answered(days[1], 1000)
    assert progress.line(4) == "2 of 3 tickers read, 1,002 records; 2 of 3 queries answered in 4 requests."


def test_it_estimates_the_records_at_the_start_and_when_that_changes() -> None:
    queries = [query("AAPL"), query("MSFT")]
    progress = Progress("stock_prices", queries, lambda _: 250)
    assert estimates(progress) == [500]
    assert estimates(progress) == []
    progress.answered(queries[0], 250)
    assert estimates(progress) == []
    progress.answered(queries[1], 3000)  # a rewritten history
    assert estimates(progress) == [3250]


def test_it_estimates_from_what_came_where_nobody_knows() -> None:
    """How many tickers the whole market has, or how many splits there were."""
    queries = [query("*"), query("*"), query("*")]
    progress = Progress("stock_prices", queries, lambda _: None)
    assert estimates(progress) == []
    progress.answered(queries[0], 11_000)
    assert estimates(progress) == [33_000]
