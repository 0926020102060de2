"""What has to be asked, from what was seen."""

from datetime import date, timedelta
from itertools import combinations
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import plan, sessions
from source_stock_prices.providers.terms import RAW, Query

START, END = date(2026, 11, 2), date(2026, 11, 20)
DAYS = st.dates(min_value=START - timedelta(days=30), max_value=END + timedelta(days=30))
SEEN = st.fixed_dictionaries({"date": DAYS.map(date.isoformat), "price": st.just(1.0)})


def test_it_asks_for_a_new_ticker_from_the_start_date() -> None:
    """A ticker added later gets its whole history, whatever the others' states are."""
    seen = {"AAPL": {"date": "2026-11-19", "price": 1.0}}
    assert list(plan.windows(("AAPL", "MSFT"), seen, START, END)) == [("AAPL", date(2026, 11, 19)), ("MSFT", START)]


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), SEEN))
def test_it_asks_for_every_day_that_can_be_new_and_for_no_ticker_without_one(seen: dict[str, dict[str, str]]) -> None:
    """Nothing is lost and nothing is paid for twice: each window reaches from the last bar seen to the end."""
    windows = dict(plan.windows(("A", "B", "C"), seen, START, END))
    for ticker in ("A", "B", "C"):
        last = date.fromisoformat(seen[ticker]["date"]) if ticker in seen else None
        if last is None:
            assert windows[ticker] == START
        elif last < END:
            assert windows[ticker] == last
        else:
            assert ticker not in windows


@given(st.lists(DAYS.filter(lambda day: day <= END), max_size=300), st.integers(1, 100))
def test_it_asks_together_for_tickers_with_the_same_window(firsts: list[date], most: int) -> None:
    """One request for many tickers, each asked for once, within the vendor's limit and what fits in memory."""
    windows = [(f"T{n}", first) for n, first in enumerate(firsts)]
    blank = Query((), START, END, RAW, END)
    queries = plan.batches(windows, blank, plan.Limits(most, plan.BARS_A_QUERY))
    assert sorted((ticker, query.start) for query in queries for ticker in query.tickers) == sorted(windows)
    for query in queries:
        assert query == blank._replace(tickers=query.tickers, start=query.start)
        assert len(query.tickers) <= most
        days = (END - query.start).days + 1
        assert len(query.tickers) == 1 or len(query.tickers) * days <= plan.BARS_A_QUERY


@given(st.integers(min_value=1, max_value=3000))
def test_it_cuts_a_sync_into_few_slices(count: int) -> None:
    """Each slice ends in a STATE that repeats every ticker: more than a few would outweigh the records."""
    assert 0 < ceil(count / plan.slice_size(count)) <= plan.STATES_A_SYNC


@given(st.lists(DAYS.filter(lambda day: day <= END), max_size=9))
def test_it_asks_for_the_whole_market_by_date_wherever_that_is_fewer(firsts: list[date]) -> None:
    """No choice of dates and tickers asks for every day of every window with fewer requests."""
    windows = [(f"T{n}", first) for n, first in enumerate(firsts)]

    def requests(by_date: set[date]) -> int:
        alone = [first for first in firsts if not by_date.issuperset(sessions.between(first, END))]
        return len(by_date) + len(alone)

    days = sessions.between(min(firsts, default=END), END)[-10:]
    subsets = (set(chosen) for size in range(len(days) + 1) for chosen in combinations(days, size))
    since = plan.by_date(windows, END)
    assert requests(set(sessions.between(since, END)) if since else set()) == min(map(requests, subsets))
