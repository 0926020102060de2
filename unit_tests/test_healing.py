"""What the state remembers against what the vendor answers now."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices import healing, sessions
from source_stock_prices.healing import judge
from source_stock_prices.prints import print_of
from source_stock_prices.providers.terms import Bar

LAST = date(2026, 11, 20)  # a Friday
WEEK = sessions.between(date(2026, 11, 16), LAST)
ASKED = (WEEK[0], date(2026, 11, 24))


def day(of_november: int) -> date:
    return date(2026, 11, of_november)


def bar(of_november: int, close: float = 400.0, **more: Any) -> Bar:
    return Bar("AAPL", day(of_november), close, **more)


def prints(*bars: Bar) -> dict[date, str]:
    return {bar.date: print_of(bar) for bar in bars}


SEEN = [bar(16), bar(17), bar(18), bar(19), bar(20)]
KNOWN = prints(*SEEN)


def remember(entry: healing.Entry | None, bars: list[Bar], **more: Any) -> Any:
    given: dict[str, Any] = {
        "window": 10,
        "last_final": day(24),
        "since": None,
        "adjustment": "splits",
        "provider": "massive",
    }
    return healing.remember(entry, bars=bars, **{**given, **more})


# What is emitted


def test_it_emits_what_is_new_and_the_bar_of_the_states_date() -> None:
    """The tutorial promised the record on the state's own date again, and no older one that did not change."""
    verdict = judge(KNOWN, LAST, [*SEEN, bar(23), bar(24)], ASKED)
    assert verdict == healing.Verdict([bar(20), bar(23), bar(24)], changed=[], filled=[], missing=[])


def test_it_emits_an_old_bar_that_was_corrected() -> None:
    """One bar in the middle is a correction. The older ones did not move, so no history was rewritten."""
    corrected = bar(18, 399.0)
    verdict = judge(KNOWN, LAST, [*SEEN[:2], corrected, *SEEN[3:]], ASKED)
    assert verdict.fresh == [corrected, bar(20)]
    assert verdict.changed == [day(18)]
    assert not verdict.rewritten


@pytest.mark.parametrize("name", ["open", "high", "low", "volume", "vwap", "trade_count", "dividend", "split_factor"])
def test_it_takes_another_number_of_the_oldest_bar_for_a_correction(name: str) -> None:
    """Only closes tell of the history before them; a volume is corrected for one session."""
    change: dict[str, Any] = {name: 7.0}
    corrected = bar(16, **change)
    verdict = judge(KNOWN, LAST, [corrected, *SEEN[1:]], ASKED)
    assert verdict.fresh == [corrected, bar(20)]
    assert not verdict.rewritten


def test_it_emits_a_bar_that_fills_a_hole() -> None:
    """Vendors add a late session next week."""
    known = prints(bar(16), bar(17), bar(19), bar(20))
    verdict = judge(known, LAST, SEEN, ASKED)
    assert verdict.fresh == [bar(18), bar(20)]
    assert verdict.filled == [day(18)]


def test_it_tells_which_remembered_bars_are_served_no_longer() -> None:
    """Their rows stay in the table: somebody should look."""
    verdict = judge(KNOWN, LAST, [bar(16), bar(20), bar(23)], ASKED)
    assert verdict.missing == [day(17), day(18), day(19)]
    assert verdict.fresh == [bar(20), bar(23)]
    assert not verdict.rewritten


def test_it_says_nothing_of_days_that_were_not_asked_for() -> None:
    """A smaller window, an earlier end date or a plan that ends a day before: what was not asked cannot be missing."""
    verdict = judge(KNOWN, LAST, SEEN[2:4], (day(18), day(19)))
    assert verdict == healing.Verdict([], changed=[], filled=[], missing=[])
    assert judge(KNOWN, LAST, [bar(10), *SEEN], ASKED).fresh == [bar(20)]


def test_it_concludes_nothing_from_an_empty_answer() -> None:
    """An outage and a delisted ticker look alike here."""
    verdict = judge(KNOWN, LAST, [], ASKED)
    assert not verdict.rewritten and not verdict.gone and not verdict.fresh
    assert verdict.missing == list(WEEK)


# A history that was rewritten


def test_it_sees_a_late_split_in_the_oldest_bar() -> None:
    """The split of the 20th was applied to the history a night late: the newest bar seen is as it was."""
    seen = [*SEEN[:4], bar(20, 100.0)]
    now = [bar(16, 100.0), bar(17, 100.0), bar(18, 100.0), bar(19, 100.0), bar(20, 100.0)]
    verdict = judge(prints(*seen), LAST, now, ASKED)
    assert verdict.rewritten and not verdict.gone
    assert verdict.moved_on == day(16)


@pytest.mark.parametrize("close", [400.0001, 399.999, 100.0, 1600.0])
def test_it_takes_any_move_of_the_oldest_close_for_a_rewrite(close: float) -> None:
    """Small dividends move a history by less than a cent each, and add up."""
    assert judge(KNOWN, LAST, [bar(16, close), *SEEN[1:]], ASKED).rewritten


def test_it_reads_a_raw_history_again_when_its_adjusted_closes_moved() -> None:
    """The close is as it was, and the column adjusted_close of every older row is not what the vendor serves."""
    known = prints(*[old._replace(adjusted_close=400.0) for old in SEEN])
    now = [old._replace(adjusted_close=399.5) for old in SEEN]
    assert judge(known, LAST, now, ASKED).moved_on == day(16)


def test_it_compares_the_oldest_bar_that_both_have() -> None:
    """The oldest one remembered may be the one that the vendor lost."""
    assert judge(KNOWN, LAST, [bar(17, 100.0), *SEEN[2:]], ASKED).moved_on == day(17)
    assert not judge(KNOWN, LAST, SEEN[1:], ASKED).rewritten


def test_it_judges_by_one_bar_where_only_one_is_remembered() -> None:
    """A new ticker, or a window of no session."""
    assert not judge(prints(bar(20)), LAST, SEEN, (LAST, ASKED[1])).rewritten
    assert judge(prints(bar(20)), LAST, [bar(20, 100.0)], (LAST, ASKED[1])).moved_on == LAST


def test_it_does_not_go_on_where_no_remembered_bar_is_left_to_compare_with() -> None:
    """The new bars may be in new shares, or those of another company under the old ticker."""
    verdict = judge(KNOWN, LAST, [bar(23, 100.0)], ASKED)
    assert verdict.rewritten and verdict.gone
    assert verdict.missing == list(WEEK)


@pytest.mark.parametrize(("close", "rewritten"), [(400.0, False), (400.004, False), (400.01, True), (100.0, True)])
def test_it_compares_the_price_of_an_older_versions_state(close: float, rewritten: bool) -> None:
    """It had one rounded price. The bars before its date were never compared: each is written once more."""
    bars = [bar(19), bar(20, close), bar(23)]
    verdict = judge({}, LAST, bars, ASKED, price=400.0)
    assert verdict.rewritten == rewritten
    assert verdict.moved_on == (LAST if rewritten else None)
    assert verdict.fresh == bars
    assert verdict.filled == ()


def test_it_misses_the_bar_of_an_older_versions_state() -> None:
    """Where the bar to compare with is gone, nobody knows the scale of the older rows."""
    assert judge({}, LAST, [bar(23)], ASKED, price=400.0).gone
    assert not judge({}, LAST, [], ASKED, price=400.0).rewritten
    assert not judge({}, LAST, [bar(23)], ASKED).rewritten  # a tutorial's state has no price


BARS = st.lists(
    st.builds(bar, st.sampled_from([day.day for day in WEEK]), st.sampled_from([99.0, 100.0])),
    unique_by=lambda bar: bar.date,
).map(sorted)


@given(BARS, BARS)
def test_it_leaves_the_table_as_the_vendor_answers(before: list[Bar], now: list[Bar]) -> None:
    """The rule of the whole module: after what is fresh, each row that the vendor serves equals its bar."""
    table = {bar.date: bar for bar in before}
    known = prints(*before)
    verdict = judge(known, LAST, now, ASKED)
    table |= {bar.date: bar for bar in (now if verdict.rewritten else verdict.fresh)}
    assert [table[bar.date] for bar in now] == now
    assert list(verdict.missing) == sorted(known.keys() - {bar.date for bar in now})


@given(BARS, st.integers(1, 5))
def test_it_sees_every_rewrite_that_reaches_a_bar_it_remembers(before: list[Bar], event: int) -> None:
    """A late split scales every bar before it: if it scales one, the history is read again; if none, nothing is."""
    now = [bar._replace(close=bar.close and bar.close / 4) if bar.date < day(15 + event) else bar for bar in before]
    assert judge(prints(*before), LAST, now, ASKED).rewritten == (now != before)


# What is remembered


def test_it_remembers_the_last_final_bar_and_a_print_of_each_bar_of_the_window() -> None:
    """All that the next sync needs to know."""
    entry = remember(None, SEEN, since=day(9))
    assert entry == {
        "date": "2026-11-20",
        "price": 400.0,
        "adjustment": "splits",
        "provider": "massive",
        "since": "2026-11-09",
        "bars": print_of(bar(20)) * 5,
    }
    assert healing.known_of(entry) == KNOWN


def test_it_adds_what_was_emitted_to_what_it_knew() -> None:
    """A sync emits few bars; the others are as they were."""
    entry = remember(remember(None, SEEN, since=day(9)), [bar(18, 399.0), bar(20), bar(23)], window=3)
    assert entry["date"] == "2026-11-23"
    assert entry["since"] == "2026-11-09"
    assert healing.known_of(entry) == prints(bar(18, 399.0), bar(19), bar(20), bar(23))


def test_it_remembers_the_first_day_that_was_really_read_and_the_one_that_was_asked_for() -> None:
    """The ticker is younger than the start, or the vendor cut the history without a word: nobody can tell."""
    entry = remember(None, SEEN, since=day(2))
    assert (entry["since"], entry["asked"]) == ("2026-11-16", "2026-11-02")
    after = remember(entry, [bar(23)])
    assert (after["since"], after["asked"]) == ("2026-11-16", "2026-11-02")
    whole = remember(after, [bar(number) for number in (2, 3, 4)], since=day(2))
    assert whole["since"] == "2026-11-02"
    assert "asked" not in whole


def test_it_asks_for_what_the_vendor_did_not_have_only_where_the_start_is_earlier_still() -> None:
    """Else a younger ticker would cost a request in each sync."""
    entry = remember(None, SEEN, since=day(2))
    assert healing.gap_before(entry, day(2)) is None
    assert healing.gap_before(entry, day(1)) == (day(1), day(15))


def test_it_never_remembers_a_bar_that_is_not_final() -> None:
    """It moves by itself until the evening."""
    entry = remember(None, [*SEEN, bar(23)], since=day(2), last_final=LAST)
    assert entry["date"] == "2026-11-20"
    assert day(23) not in healing.known_of(entry)


def test_it_never_goes_back() -> None:
    """The bars before an earlier start date are older than the state."""
    before = remember(None, SEEN, since=day(16))
    after = remember(before, [bar(12, 5.0), bar(13, 5.0)], since=day(12))
    assert (after["date"], after["price"], after["since"]) == ("2026-11-20", 400.0, "2026-11-12")
    assert healing.known_of(after) == KNOWN | prints(bar(12, 5.0), bar(13, 5.0))


def test_it_does_not_move_on_an_empty_answer() -> None:
    """Only what was there is read; but that nothing is before the old start need not be asked again."""
    before = remember(None, SEEN, since=day(16))
    assert remember(before, []) == before
    assert remember(before, [], since=day(12)) == {**before, "asked": "2026-11-12"}
    assert remember(before, [], since=day(18)) == before
    assert remember(None, [], since=day(12)) is None
    assert remember({"failed": True}, []) is None


def test_it_forgets_that_a_ticker_failed_once_it_is_read() -> None:
    """A ticker that failed waits behind the others for one sync, not for ever."""
    before = remember(None, SEEN, since=day(16))
    assert healing.failed(before, day(23)) == {**before, "failed": True, "tried": "2026-11-23"}
    assert healing.failed(None, day(23)) == {"failed": True, "tried": "2026-11-23"}
    assert remember(healing.failed(before, day(23)), []) == before
    assert remember(healing.failed(None, day(23)), SEEN, since=day(16)) == before


def test_it_remembers_bars_of_one_setting_only() -> None:
    """A raw bar that the adjusted history lacks is another row when it comes back, with the same prices or not."""
    before = remember(None, SEEN, since=day(2), adjustment="raw")
    after = remember(before, SEEN[1:], since=day(2))
    assert after["adjustment"] == "splits"
    assert healing.known_of(after) == prints(*SEEN[1:])


def test_it_still_knows_a_bar_that_the_vendor_lost_for_a_while() -> None:
    """Its row is in the table. When it comes back with another price, the history was rewritten meanwhile."""
    before = remember(None, SEEN, since=day(2))
    after = remember(before, [*SEEN[1:], bar(23)])
    assert healing.known_of(after)[day(16)] == print_of(bar(16))


def test_it_remembers_few_days_of_a_ticker_that_seldom_trades() -> None:
    """Eleven bars of eleven months would be 330 dots."""
    bars = [Bar("AAPL", date(2026, month, 2), 1.0) for month in range(1, 12)]
    assert len(remember(None, bars, since=date(2026, 1, 2))["bars"]) < 6 + 27


HISTORIES = st.lists(st.tuples(st.integers(2, 27), st.sampled_from([1.0, 2.0])), unique_by=lambda row: row[0])


@given(st.lists(HISTORIES, max_size=4), st.integers(0, 12), st.integers(2, 27))
def test_it_remembers_the_newest_bars_whatever_is_emitted(
    answers: list[list[tuple[int, float]]], window: int, last_final: int
) -> None:
    """The date only rises, to a final bar, and the prints are those of the table's newest rows."""
    entry, table = None, {}
    for answer in answers:
        bars = [bar(*row) for row in sorted(answer)]
        before = (entry or {}).get("date", "")
        entry = remember(entry, bars, window=window, last_final=day(last_final), since=None if entry else day(2))
        table |= {bar.date: bar for bar in bars if bar.date <= day(last_final)}
        if entry:
            known = healing.known_of(entry)
            assert entry["date"] >= before
            assert entry["date"] == max(table).isoformat()
            assert known == prints(*[table[day] for day in known])
            assert len(known) <= window + 1
            assert max(known) == max(table)


# Settings


@pytest.mark.parametrize(
    ("entry", "clause"),
    [
        ({"adjustment": "splits", "provider": "massive"}, None),
        ({"adjustment": "raw", "provider": "massive"}, "adjustment changed from raw to splits"),
        ({"adjustment": "splits", "provider": "tiingo"}, "provider changed from tiingo to massive"),
        (
            {"adjustment": "all", "provider": "fmp"},
            "adjustment changed from all to splits and provider changed from fmp to massive",
        ),
        ({"price": 400.0}, "adjustment changed from raw to splits"),
        ({"price": None}, None),
        ({"failed": True}, None),
    ],
)
def test_it_names_the_setting_that_changed(entry: dict[str, Any], clause: str | None) -> None:
    """A user who changes a setting must not read that the vendor rewrote the history."""
    change = healing.changed_setting(entry, "splits", "massive")
    assert (change and change.clause) == clause


@pytest.mark.parametrize(
    ("entry", "first"),
    [({"date": "2026-11-20", "since": "2026-11-02"}, 2), ({"date": "2026-11-20"}, 20)],
)
def test_it_reads_a_history_again_from_its_first_day(entry: dict[str, Any], first: int) -> None:
    """Anything later would leave two scales in a column. Of what older versions read, only the last day is sure."""
    assert healing.first_day(entry) == day(first)


def test_it_gives_an_older_versions_state_its_first_day() -> None:
    """Raw prices had none. They were read from the start date, or since an unknown day up to the state's date."""
    assert healing.upgraded({"date": "2026-11-20"}, day(2))["since"] == "2026-11-02"
    assert healing.upgraded({"date": "2026-11-20"}, day(24))["since"] == "2026-11-20"
    assert healing.upgraded({"date": "2026-11-20"}, None)["since"] == "2026-11-20"
    assert healing.upgraded({"date": "2026-11-20", "since": "2026-11-09"}, day(2))["since"] == "2026-11-09"
    assert healing.upgraded({"failed": True}, day(2)) == {"failed": True}


def test_it_finds_what_an_earlier_start_adds() -> None:
    """Only what was never read is paid for."""
    entry = {"date": "2026-11-20", "since": "2026-11-09"}
    assert healing.gap_before(entry, day(2)) == (day(2), day(8))
    assert healing.gap_before(entry, day(9)) is None
    assert healing.gap_before(entry, day(10)) is None
    assert healing.gap_before({"failed": True}, day(2)) is None


# The window and its holes


@pytest.mark.parametrize(("recheck_sessions", "first"), [(0, 20), (1, 19), (4, 16), (60, 16)])
def test_it_asks_from_some_sessions_before_the_states_date(recheck_sessions: int, first: int) -> None:
    """The window is counted in sessions, so that holidays do not shorten it."""
    assert healing.window_start(WEEK, recheck_sessions) == day(first)


def test_it_finds_the_holes_between_bars() -> None:
    """Before its first bar a ticker may not have been listed; after its last one more may come."""
    assert healing.holes(WEEK, [day(17), day(20)]) == [day(18), day(19)]
    assert healing.holes(WEEK, WEEK) == []
    assert healing.holes(WEEK, []) == []


def test_it_tells_of_a_hole_when_it_is_met_and_when_it_is_given_up() -> None:
    """Between the two it is asked for every day, and may be filled."""
    due = sessions.between(day(2), day(20))
    days = set(due) - {day(4), day(10), day(12), day(19)}
    told = healing.holes_to_tell(due, days, read_up_to=day(18), old_start=day(10), new_start=day(12))
    assert told == [day(10), day(19)]
    first_read = healing.holes_to_tell(due, days, read_up_to=None, old_start=None, new_start=day(12))
    assert first_read == [day(4), day(10), day(12), day(19)]


@given(st.sets(st.integers(0, 40), max_size=20), st.integers(0, 12))
def test_it_tells_of_every_hole_of_daily_syncs_twice(missing: set[int], window: int) -> None:
    """Once when it is met, and once when it is given up, if the two are not the same sync; never again."""
    due = sessions.between(date(2026, 9, 1), date(2026, 12, 20))
    served = [session for n, session in enumerate(due) if n == 0 or n not in missing]
    entry, told = None, []
    for last in range(len(due)):
        bars = [Bar("AAPL", session, 1.0) for session in due[: last + 1] if session in served]
        before = healing.known_of(entry or {})
        old = date.fromisoformat(entry["date"]) if entry else None
        old_start = healing.window_start([session for session in due if session <= old], window) if old else None
        new = bars[-1].date
        new_start = healing.window_start([session for session in due if session <= new], window)
        fresh = [bar for bar in bars if old_start is None or bar.date >= old_start]
        told += healing.holes_to_tell(
            due, before.keys() | {bar.date for bar in fresh}, read_up_to=old, old_start=old_start, new_start=new_start
        )
        entry = remember(entry, fresh, window=window, since=due[0] if entry is None else None, last_final=due[-1])
    holes = [session for session in due if session not in served]
    assert set(told) == set(holes)
    assert all(told.count(hole) <= 2 for hole in holes)


# Order, and the size of a state


def test_it_asks_last_for_what_failed_and_first_for_what_waits_longest() -> None:
    """A quota that ends half-way each day still brings each ticker its turn, and a bad one starves nobody."""
    entries = {
        "A": {"date": "2026-11-20"},
        "B": {"date": "2026-11-19"},
        "C": {"date": "2026-11-01", "failed": True, "tried": "2026-11-20"},
        "D": {"failed": True, "tried": "2026-11-18"},
        "E": {"date": "2026-11-19"},
        "F": {"date": "2026-11-01", "tried": "2026-11-20"},
    }
    assert healing.order(["D", "C", "A", "B", "E", "F", "NEW"], entries) == ["NEW", "D", "B", "E", "A", "F", "C"]


@given(st.integers(0, 100_000_000))
def test_it_writes_few_states_where_they_are_large(state_bytes: int) -> None:
    """5 MB of states a sync, except that one is always written."""
    states = healing.states_a_sync(state_bytes)
    assert 1 <= states <= 12
    assert states == 1 or states * state_bytes <= 5_000_000
    assert states == 12 or (states + 1) * state_bytes > 5_000_000


# All of it, sync after sync

DUE = sessions.between(date(2026, 6, 1), date(2026, 11, 20))
CHANGES = st.tuples(st.sampled_from(["correct", "lose", "bring", "split"]), st.integers(0, 4))
SYNCS = st.lists(st.tuples(st.integers(0, 7), st.lists(CHANGES, max_size=3)), min_size=1, max_size=12)


@given(SYNCS, st.integers(4, 10))
def test_it_keeps_a_table_right_through_every_change_that_its_window_shows(
    syncs: list[tuple[int, list[tuple[str, int]]]], window: int
) -> None:
    """Corrections, late and lost bars, splits applied days late: every row is as the vendor serves it."""
    vendor = {day: Bar("AAPL", day, 1024.0 + n, volume=n) for n, day in enumerate(DUE)}
    lost: set[date] = set()
    table: dict[date, Bar] = {}
    entry: Any = None
    read = 20
    for new, changes in syncs:
        for change, age in sorted(changes, key=lambda change: change[0] == "split"):  # so that the vendor shows it
            day = DUE[read - 1 - age]
            shown = [day for day in DUE[max(0, read - 1 - window) : read] if day in table and day not in lost]
            if change == "correct":
                vendor[day] = vendor[day]._replace(volume=vendor[day].volume + 0.5)  # type: ignore[operator]
            elif change == "lose":
                lost.add(day)
            elif change == "bring":
                lost.discard(day)
            elif shown and shown[0] < day:  # an event that moves a bar which the window shows
                vendor |= {old: bar._replace(close=bar.close / 2) for old, bar in vendor.items() if old < day}  # type: ignore[operator]
        read = min(len(DUE), read + new)
        served = [bar for bar in vendor.values() if bar.date <= DUE[read - 1] and bar.date not in lost]
        bars, since = served, None
        if entry is None:
            since = DUE[0]
        else:
            state_date = date.fromisoformat(entry["date"])
            start = healing.window_start([day for day in DUE if day <= state_date], window)
            verdict = judge(healing.known_of(entry), state_date, served, (start, DUE[read - 1]))
            if verdict.rewritten:
                since = healing.first_day(entry)
            else:
                bars = verdict.fresh
        table |= {bar.date: bar for bar in bars}
        entry = remember(entry, bars, window=window, since=since, last_final=DUE[-1])
        assert {bar.date: table.get(bar.date) for bar in served} == {bar.date: bar for bar in served}
