"""What the state remembers of events against what is listed now."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.findings import KEPT, Finding
from source_stock_prices.occurrences import Row
from source_stock_prices.revisions import KINDS, Event, Revision, event_of, packed, revise, unpacked

START, END = date(2026, 8, 22), date(2027, 11, 20)
BLANK = {"stock_ticker": None, "date": None, "amount": None, "kind": None, "cancelled": None, "provider": "fmp"}


def paid(day: str = "2026-11-18", amount: float = 1, kind: str = "regular", ticker: str = "AAA") -> Row:
    row = {"stock_ticker": ticker, "date": day, "amount": amount, "kind": kind}
    return {**BLANK, **row, "cancelled": False}


def split(day: str = "2026-11-18", ratio: float = 2) -> Row:
    return {"stock_ticker": "AAA", "date": day, "ratio": ratio, "cancelled": False}


def again(known: dict[str, str], rows: list[Row], ticker: str = "AAA", **more: Any) -> Revision:
    window = {"start": START, "end": END, "oldest": START, "blank": BLANK}
    return revise(known, rows, ticker=ticker, **{**window, **more})


def test_it_writes_everything_the_first_time() -> None:
    revision = again({}, [paid(), paid(kind="special")])
    assert revision.records == [paid(), paid(kind="special")]
    assert [len(text) for text in revision.events.values()] == [len("rabc,sabc")]


def test_it_writes_nothing_again_that_did_not_change() -> None:
    known = again({}, [paid(), paid("2026-09-01")]).events
    assert again(known, [paid(), paid("2026-09-01")]) == ([], [], [], known)


def test_it_writes_what_changed_and_what_is_new() -> None:
    known = again({}, [paid(), paid("2026-09-01")]).events
    rows = [paid("2026-09-01"), paid(amount=1.1), paid("2026-12-01")]
    assert again(known, rows).records == rows[1:]


def test_it_cancels_what_is_no_longer_listed() -> None:
    """Once: its primary key, and null for all that is not known any more."""
    known = again({}, [paid(), paid("2026-09-01")]).events
    revision = again(known, [paid("2026-09-01")])
    assert revision.records == [{**BLANK, **paid(), "amount": None, "cancelled": True}]
    assert again(revision.events, [paid("2026-09-01")]).records == []


def test_it_cancels_the_only_event() -> None:
    (record,) = again(again({}, [split()]).events, []).records
    assert (record["date"], record["cancelled"]) == ("2026-11-18", True)


def test_it_cancels_the_old_day_of_an_event_that_moved() -> None:
    known = again({}, [split("2026-12-01")]).events
    revision = again(known, [split("2026-11-30")])
    assert [(record["date"], record["cancelled"]) for record in revision.records] == [
        ("2026-11-30", False),
        ("2026-12-01", True),
    ]


def test_it_writes_an_event_that_comes_back() -> None:
    gone = again(again({}, [split()]).events, []).events
    assert again(gone, [split()]).records == [split()]


@pytest.mark.parametrize("bounds", [{"start": date(2026, 11, 19)}, {"end": date(2026, 11, 17)}])
def test_it_cancels_nothing_outside_the_window_that_was_asked_for(bounds: dict[str, date]) -> None:
    known = again({}, [split()]).events
    assert again(known, [], **bounds) == ([], [], [], known)


@pytest.mark.parametrize("doubt", [("AAA", "2026-11-18"), ("AAA", None), (None, "2026-11-18"), (None, None)])
def test_it_cancels_nothing_where_a_row_could_not_be_read(doubt: tuple[str | None, str | None]) -> None:
    known = again({}, [split()]).events
    assert again(known, [], doubts={doubt}) == ([], [], [], known)
    assert again(known, [], doubts={("BBB", None), ("AAA", "2026-11-17")}).cancelled


def test_it_does_not_believe_that_most_events_are_cancelled_at_once() -> None:
    """A ticker that was renamed has no rows any more: its dividends were paid all the same."""
    rows = [paid(f"2026-{month}-01") for month in ("09", "10", "11", "12")]
    known = again({}, rows).events
    revision = again(known, rows[:1])
    assert (revision.records, revision.events) == ([], known)
    assert revision.findings == [Finding(KEPT, "AAA", None, ("3 of 4",))]
    assert len(again(known, rows[:2]).cancelled) == 2


def test_it_cancels_all_that_is_called_something_else_now() -> None:
    """Another provider has other words: each of them would stand twice in the table."""
    days = ["2026-09-01", "2026-10-01", "2026-11-02", "2026-11-18"]
    known = again({}, [paid(day, kind="unknown") for day in days]).events
    revision = again(known, [paid(day) for day in days])
    assert [record["date"] for record in revision.cancelled] == days
    assert revision.findings == []
    assert again(revision.events, [paid(day) for day in days]).records == []


def test_it_forgets_what_no_sync_will_ask_for_again() -> None:
    events = again({}, [split("2026-09-01"), split()], oldest=date(2026, 9, 2)).events
    assert list(events) == ["2026-11-18"]


def test_it_tells_the_tickers_of_the_whole_market_apart() -> None:
    rows = [paid(), paid(ticker="BBB"), paid(ticker="C:C", kind="special")]
    known = again({}, rows, "*").events
    assert list(known) == ["2026-11-18"]
    assert [record["stock_ticker"] for record in again(known, rows[:2], "*").cancelled] == ["C:C"]


def test_it_keeps_the_state_of_the_whole_market_small() -> None:
    """Ten thousand dividends, as many as a quarter has."""
    days = [date(2026, 8, 24) + timedelta(days=n) for n in range(90)]
    rows = [paid(f"{days[n % 90]}", ticker=f"T{n:04}") for n in range(10_000)]
    assert len(orjson.dumps(again({}, rows, "*").events)) < 125_000


def test_it_tells_changes_apart() -> None:
    """Three characters are enough for the events of one key: of some thousand amounts, hardly two share a print."""
    prints = Counter(again({}, [split(ratio=n)]).events["2026-11-18"] for n in range(1, 2000))
    assert len(prints) > 1980


@pytest.mark.parametrize("text", ["", "ab", "zabc", "AAA:rabc", "rabc,", "rabcd"])
def test_it_refuses_a_state_that_it_did_not_write(text: str) -> None:
    with pytest.raises(ValueError, match="is not the print of an event"):
        unpacked({"2026-11-18": text}, "AAA")


rows = st.lists(
    st.builds(
        paid,
        st.dates(START, START + timedelta(days=9)).map(str),
        st.integers(1, 3),
        st.sampled_from(list(KINDS.values())),
        st.sampled_from(["A", "B:X"]),
    ),
    unique_by=event_of,
    max_size=12,
)


def is_kept(revision: Revision) -> bool:
    """Whether what is not listed any more is not believed to be cancelled."""
    return KEPT in {finding.sentence for finding in revision.findings}


@given(before=rows, after=rows)
def test_it_leaves_the_table_that_is_listed(before: list[Row], after: list[Row]) -> None:
    """Unless too much is gone at once; then nothing is lost but what has another name now, and it is said."""
    first = again({}, before, "*")
    second = again(first.events, after, "*")
    table = {event_of(record): record for record in first.records + second.records}
    live = {key for key, record in table.items() if not record["cancelled"]}
    listed = {event_of(record) for record in after}
    kept: set[Event] = set()
    if is_kept(second):
        days = {(event.ticker, event.day) for event in listed}
        known = {event_of(record) for record in before}
        kept = {event for event in known if (event.ticker, event.day) not in days}
    assert live == listed | kept
    assert {event: table[event] for event in listed} == {event_of(record): record for record in after}
    assert packed(unpacked(second.events, "*"), "*") == second.events
