"""What a sync says of how far it is."""

from datetime import date

from source_stock_prices.progress import Progress
from source_stock_prices.providers.terms import RAW, Query

DAY = date(2026, 11, 20)


def query(*tickers: str) -> Query:
    return Query(tickers, DAY, DAY, RAW, DAY)


def estimates(progress: Progress) -> list[int]:
    return [message.trace.estimate.row_estimate for message in progress.estimate()]


def test_it_tells_what_is_read_and_what_is_up_to_date() -> None:
    progress = Progress("stock_prices", [query("AAPL", "MSFT"), query("KO")], lambda query: len(query.tickers))
    assert progress.plan(1200) == "stock_prices: reading 3 tickers in 2 queries; 1,197 already up to date."
    assert (
        Progress("stock_prices", [query("AAPL")], lambda _: 1).plan(1) == "stock_prices: reading 1 ticker in 1 query."
    )
    days = [query("*"), query("*")]
    assert (
        Progress("stock_prices", days, lambda _: None).plan(1) == "stock_prices: reading the whole market in 2 queries."
    )


def test_it_counts_tickers_and_those_that_failed() -> None:
    queries = [query("AAPL", "MSFT"), query("ZZZZ"), query("KO")]
    progress = Progress("stock_prices", queries, lambda _: None)
    progress.answered(queries[0], 1)
    assert progress.line(1, []) == "stock_prices: 2 of 4 tickers read; 1 record in 1 request."
    progress.answered(queries[1], 0)
    progress.answered(queries[2], 1001)
    assert progress.line(4, ["ZZZZ"]) == "stock_prices: 3 of 4 tickers read, 1 failed; 1,002 records in 4 requests."


def test_it_counts_queries_where_a_ticker_needs_several() -> None:
    """A session of the whole market at a time, no ticker is finished before the last one."""
    days = [query("AAPL", "MSFT"), query("AAPL", "MSFT"), query("KO")]
    progress = Progress("stock_prices", days, lambda _: None)
    progress.answered(days[0], 2)
    assert progress.line(1, []) == "stock_prices: 1 of 3 queries answered; 2 records in 1 request."
    assert progress.line(1, ["KO"]) == (
        "stock_prices: 1 of 3 queries answered, 1 ticker failed; 2 records in 1 request."
    )
    market = Progress("stock_prices", [query("*")], lambda _: None)
    assert market.line(0, []) == "stock_prices: 0 of 1 query answered; 0 records in 0 requests."


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
