"""A second opinion: whose turn it is, what is asked, and what counts as different."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_stock_prices import second_opinion
from source_stock_prices.config import Config
from source_stock_prices.errors import ProviderError
from source_stock_prices.findings import Finding
from source_stock_prices.providers.terms import Bar, Kind, Problem, Query
from source_stock_prices.report import Report
from source_stock_prices.second_opinion import SecondOpinion, differ_in_close, differ_in_volume
from source_stock_prices.stream import StockPrices
from unit_tests.horizons import Until

FRIDAY = date(2026, 11, 20)
THURSDAY, WEDNESDAY = FRIDAY - timedelta(days=1), FRIDAY - timedelta(days=2)
ROUNDS = 5
"""How many times the fewest days it may take until every ticker was asked for."""


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between requests, which do not pass."""
    waited: list[float] = []
    monkeypatch.setattr(second_opinion, "time", SimpleNamespace(sleep=waited.append))
    return waited


class Other:
    """Another provider that has some bars, or a problem with some tickers."""

    def __init__(self, *bars: Bar, problems: dict[str, Exception] | None = None, requests: int = 1) -> None:
        self.bars, self.problems, self.requests = bars, problems or {}, requests
        self.policy = SimpleNamespace(judged=7)
        self.asked: list[Query] = []

    def ask(self, query: Query, report: Report) -> dict[str, list[Bar]]:
        self.asked.append(query)
        self.policy.judged += self.requests
        if query.ticker in self.problems:
            raise self.problems[query.ticker]
        return {query.ticker: [bar for bar in self.bars if bar.ticker == query.ticker]}


def opinion(
    other: Other,
    tickers: Sequence[str] = ("AAPL", "KO"),
    day: date = FRIDAY,
    final: date | None = None,
    first: str = "sample",
    second: dict[str, str] | None = None,
    **settings: Any,
) -> SecondOpinion:
    block = {"name": first, "api_key": "s3cr3t"} if first != "sample" else {"name": first}
    raw = {"provider": block, "verify_with": second or {"name": "tiingo", "api_key": "s3cr3t"}, **settings}
    config = Config.parse({"stock_ticker": ", ".join(tickers), **raw})
    assert config.verify_with
    other.provider = config.verify_with  # type: ignore[attr-defined]
    return SecondOpinion(config, Until(day, final), cast(StockPrices, other))


def bar(ticker: str = "AAPL", day: date = FRIDAY, close: float = 100.0, **more: Any) -> Bar:
    return Bar(ticker, day, close, **more)


def found(opinion: SecondOpinion, *bars: Bar) -> list[Finding]:
    for each in bars:
        opinion.note([each])
    return list(opinion.findings())


def kinds(findings: Sequence[Finding]) -> list[tuple[str, str | None, Any]]:
    return [(finding.sentence.kind, finding.ticker, finding.day) for finding in findings]


DIFFERS, NONE = "second opinion differs", "no second opinion"

# Whose turn it is


@pytest.mark.parametrize("every", [1, 2, 3, 7, 14])
@pytest.mark.parametrize("count", [1, 5, 6, 7, 25, 35, 50, 125])
def test_it_comes_round_to_every_ticker(count: int, every: int) -> None:
    """Whatever the rhythm of the syncs: with 25 tickers, one a week of which five have their turn."""
    tickers = [f"T{number:03}" for number in range(count)]
    day = FRIDAY
    asked = set()
    for _ in range(ROUNDS * -(-count // 5)):
        other = Other()
        found(opinion(other, tickers, day), *(bar(ticker, day) for ticker in tickers))
        assert len(other.asked) == min(count, 5)
        asked |= {query.ticker for query in other.asked}
        day += timedelta(days=every)
        while day.weekday() > 4:
            day += timedelta(days=1)
    assert asked == set(tickers)


def test_it_comes_round_to_the_tickers_of_a_whole_market() -> None:
    """Nobody has named them, and there are others each day."""
    tickers = [f"T{number:02}" for number in range(40)]
    asked = set()
    for days in range(100):
        day = FRIDAY + timedelta(days=days)
        other = Other()
        there = opinion(other, ["*"], day, first="massive")
        there.note([bar(ticker, day) for ticker in tickers])
        list(there.findings())
        assert len(other.asked) == 5
        asked |= {query.ticker for query in other.asked}
    assert asked == set(tickers)


def test_it_has_another_ticker_in_the_place_of_one_that_was_not_read() -> None:
    """A quota that ends half-way leaves most of them unread."""
    tickers = [f"T{number}" for number in range(9)]
    other = Other()
    found(opinion(other, tickers, verify_tickers=2), *(bar(ticker) for ticker in tickers[3:5]))
    assert {query.ticker for query in other.asked} == set(tickers[3:5])


def test_it_passes_over_tickers_that_may_be_another_listing() -> None:
    """The same letters are another company in Frankfurt."""
    other = Other()
    tickers = ["AAPL", "VOW3.XETRA"]
    found(opinion(other, tickers, first="eodhd"), *(bar(ticker) for ticker in tickers))
    assert [query.tickers for query in other.asked] == [("AAPL",)]


# What is asked


def test_it_asks_for_the_last_final_sessions_that_were_read() -> None:
    """In the same adjustment. Once: what was asked is not asked again."""
    days = [FRIDAY - timedelta(days=age) for age in range(40, -1, -1)]
    other = Other()
    there = opinion(other, final=THURSDAY, adjustment="all")
    there.note([bar(day=day) for day in days])
    assert kinds(list(there.findings())) == [(NONE, "AAPL", None)]
    assert other.asked == [Query(("AAPL",), THURSDAY - timedelta(days=8), THURSDAY, "all", FRIDAY)]
    assert list(there.findings()) == []
    assert len(other.asked) == 1


def test_it_sends_no_more_requests_than_there_are_tickers_to_verify(pauses: list[float]) -> None:
    """A request that had to be sent again takes the place of another ticker. They are a second apart."""
    tickers = [f"T{number}" for number in range(9)]
    other = Other(requests=2)
    found(opinion(other, tickers, verify_tickers=4), *(bar(ticker) for ticker in tickers))
    assert len(other.asked) == 2
    assert pauses == [1.0]


@pytest.mark.parametrize("kind", list(Kind))
def test_it_tells_what_was_not_answered(kind: Kind) -> None:
    """A problem of one ticker leaves the others; after any other, nothing more is asked."""
    error = ProviderError(Problem(kind, "That was too much."), 429)
    other = Other(problems=dict.fromkeys(("AAPL", "KO"), error))
    findings = found(opinion(other), bar("AAPL"), bar("KO"))
    assert {finding.sentence.kind for finding in findings} == {NONE}
    assert all(finding.facts == ("Tiingo", f'{kind.value} (HTTP 429: "That was too much.")') for finding in findings)
    if error.reaction.of_ticker:
        assert sorted(finding.name for finding in findings) == ["AAPL", "KO"]
    else:
        assert sorted(findings[0].name.split(", ")) == ["AAPL", "KO"]
    assert len(other.asked) == len(findings)


def test_it_survives_what_nobody_thought_of() -> None:
    """The prices were read, and are right, whatever the other provider's answer does to this program."""
    (finding,) = found(opinion(Other(problems={"AAPL": RuntimeError("unheard of")})), bar())
    assert finding.facts == ("Tiingo", 'unreadable ("RuntimeError: unheard of")')


# What is compared


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        (100.0, 100.0, False),
        (100.0, 100.5, False),
        (100.0, 99.49, True),
        (99.49, 100.0, True),
        (0.5, 0.51, False),
        (0.5, 0.52, True),
        (1.0, 4.0, True),
    ],
)
def test_it_allows_half_a_percent_or_a_cent_between_two_closes(ours: float, theirs: float, differ: bool) -> None:
    """One vendor's is the closing auction's, another's the last trade; some round to a cent."""
    assert differ_in_close(ours, theirs) is differ


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        (1e6, 1e5, False),
        (1e6, 9.9e4, True),
        (9.9e4, 1e6, True),
        (0.0, 1000.0, False),
        (0.0, 1001.0, True),
        (1.0, 1000.0, False),
        (5e6, 5e4, True),
    ],
)
def test_it_allows_ten_times_the_volume(ours: float, theirs: float, differ: bool) -> None:
    """Vendors count the trades of other venues. What is counted in lots of a hundred is beyond it."""
    assert differ_in_volume(ours, theirs) is differ


def test_it_tells_of_each_number_that_differs() -> None:
    """With both of them: that of the table, and the other one."""
    close, volume = found(opinion(Other(bar(close=171.25, volume=12.0))), bar(close=342.5, volume=12_345_678.0))
    assert kinds([close, volume]) == [(DIFFERS, "AAPL", FRIDAY)] * 2
    assert (close.name, close.old, close.new) == ("AAPL 2026-11-20 (close 171.25, not 342.5)", "342.5", "171.25")
    assert (volume.name, volume.old, volume.new) == (
        "AAPL 2026-11-20 (volume 12, not 12,345,678)",
        "12345678.0",
        "12.0",
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (bar(volume=None), bar(volume=5e6)),
        (bar(volume=5e6), bar(volume=None)),
        (bar(), bar(close=cast(float, None))),
        (bar(currency="USD"), bar(currency=None)),
    ],
)
def test_it_compares_no_null(ours: Bar, theirs: Bar) -> None:
    """What a provider does not send is no other number."""
    assert found(opinion(Other(theirs)), ours) == []


def test_it_compares_no_prices_in_different_currencies() -> None:
    """A hundred pence are a pound."""
    findings = found(opinion(Other(bar(close=1.0, currency="GBP"))), bar(currency="USD"))
    assert kinds(findings) == [(NONE, "AAPL", None)]
    assert findings[0].facts[1] == "its prices are in GBP, those of Sample market in USD"


def test_it_compares_no_volume_with_that_of_a_single_exchange() -> None:
    """Which is a few percent of all trades."""
    iex = {"name": "alpaca", "api_key": "s3cr3t", "api_secret": "s3cr3t", "feed": "iex"}
    ours, theirs = bar(volume=5e6), bar(volume=100.0)
    assert found(opinion(Other(theirs), second=iex), ours) == []
    assert kinds(found(opinion(Other(theirs), second={**iex, "feed": "sip"}), ours)) == [(DIFFERS, "AAPL", FRIDAY)]


def test_it_tells_of_a_session_that_the_other_lacks_but_not_of_one_that_may_come() -> None:
    """A bar behind its last one is late there, as every day with some plans."""
    ours = [bar(day=day) for day in (WEDNESDAY, THURSDAY, FRIDAY)]
    assert found(opinion(Other(*ours[:2])), *ours) == []
    assert kinds(found(opinion(Other(ours[0], ours[2])), *ours)) == [(NONE, "AAPL", THURSDAY)]
    (finding,) = found(opinion(Other()), *ours)
    assert finding.facts == ("Tiingo", "it has no bars from 2026-11-18 to 2026-11-20")
