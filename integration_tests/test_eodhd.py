"""What is EODHD's alone: exchanges in tickers, and a plan that cuts a window with a warning inside the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from integration_tests.front_door import Output, as_message, check, read, table
from integration_tests.sandbox import FREE_KEY, Sandbox
from integration_tests.scenario import FRIDAY_EVENING, at, config, many
from source_stock_prices.providers import PROVIDERS

EVENTS = ("stock_splits", "dividends")


def events_of(output: Output) -> dict[tuple[str, str], float]:
    """The ratios and amounts by ticker and day."""
    rows = [*output.rows("stock_splits"), *output.rows("dividends")]
    return {(row["stock_ticker"], row["date"]): row.get("ratio") or row.get("amount") for row in rows}


def listed(sandbox: Sandbox, tickers: Sequence[str], first: date, last: date) -> dict[tuple[str, str], float]:
    """What there is to read of them."""
    found = {}
    for ticker in tickers:
        for event in sandbox.book.events(ticker, first, last, as_of=last):
            found[ticker, f"{event.date}"] = event.dividend or event.split
    return found


def of_free_plan(sandbox: Sandbox, **more: Any) -> Output:
    settings = config(sandbox, "eodhd", **more) | {"provider": sandbox.provider("eodhd", FREE_KEY)}
    return read(settings, now=at(sandbox, FRIDAY_EVENING))


def test_it_asks_for_each_ticker_where_it_is_listed(sandbox: Sandbox) -> None:
    """A class of shares and an exchange look alike: both follow a dot."""
    tickers = ["BRK.B", "VOW3.XETRA", "BMW.F", "NOVO.B.CO"]
    output = read(config(sandbox, "eodhd", ", ".join(tickers)), now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(tickers, date(2026, 11, 13), date(2026, 11, 20))
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert {asked.path for asked in sandbox.requests} == {
        f"/eod/{name}" for name in ("BRK-B.US", "VOW3.XETRA", "BMW.F", "NOVO-B.CO")
    }


def test_it_passes_on_that_the_plan_cut_the_history(sandbox: Sandbox) -> None:
    """The warning comes with status 200, and its bars look like all there are."""
    output = of_free_plan(sandbox, start_date="2020-01-02")
    assert output.exit_code == 0
    assert output.records[0]["date"] == "2025-11-20"
    assert "Notice from EODHD for AAPL: Data is limited by one year as you have free subscription" in output.log("WARN")


def test_it_fails_where_the_plan_has_nothing_of_the_window(sandbox: Sandbox) -> None:
    """A sync without a single bar is no success, and a bar of another day beside the warning is none.

    It is so for each ticker; the others are read as far as they go.
    """
    output = of_free_plan(sandbox, start_date="2020-01-02", end_date="2020-03-02")
    assert (output.exit_code, output.records) == (1, [])
    assert output.error and output.error["failure_type"] == "config_error"
    assert "does not reach as far back as requested for the ticker AAPL" in output.error["message"]


# An exchange by date


def test_it_reads_a_whole_exchange_a_session_a_request(sandbox: Sandbox) -> None:
    """By its own calendar, with the recheck, and each ticker as it is written by name: both share a table."""
    sandbox.universe = ["AAPL", "BMW.XETRA", "SAP.XETRA", "VOW3.XETRA", "BARC.LSE"]
    settings = config(sandbox, "eodhd", "*.XETRA", start_date="2026-11-16")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    tickers = ["BMW.XETRA", "SAP.XETRA", "VOW3.XETRA"]
    truth = sandbox.truth(tickers, date(2026, 11, 16), date(2026, 11, 20))
    assert output.exit_code == 0, output.error
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert [asked.path for asked in sandbox.requests] == ["/eod-bulk-last-day/XETRA"] * 5
    assert output.state["*.XETRA"]["date"] == "2026-11-20"

    sandbox.correct("SAP.XETRA", date(2026, 11, 23), close=77.0)
    sandbox.requests.clear()
    thanksgiving = at(sandbox, FRIDAY_EVENING.add(days=6))  # a session of Xetra's
    later = read(settings, now=thanksgiving, state=as_message(output.state))
    assert {row["date"] for row in later.records} == {f"2026-11-{day}" for day in (20, 23, 24, 25, 26)}
    assert ("SAP.XETRA", date(2026, 11, 23)) in table(later.records)
    assert later.state["*.XETRA"]["date"] == "2026-11-26"

    sandbox.requests.clear()
    named = config(sandbox, "eodhd", "SAP.XETRA", start_date="2026-11-16")
    last = read(named, now=at(sandbox, thanksgiving.add(days=1)), state=as_message(later.state))
    # Of the 16th the market remembers nothing any more.
    assert {row["date"] for row in last.records} == {"2026-11-16", "2026-11-26", "2026-11-27"}
    assert [asked.path for asked in sandbox.requests] == ["/eod/SAP.XETRA"]


def test_it_reads_the_exchange_of_the_setting_where_none_is_named(sandbox: Sandbox) -> None:
    """The United States, unless told otherwise."""
    sandbox.universe = ["AAPL", "BRK.B", "VOW3.XETRA"]
    output = read(config(sandbox, "eodhd", "*"), now=at(sandbox, FRIDAY_EVENING))
    assert {row["stock_ticker"] for row in output.records} == {"AAPL", "BRK.B"}
    settings = config(sandbox, "eodhd", "*")
    settings["provider"]["exchange"] = "XETRA"
    output = read(settings, now=FRIDAY_EVENING, state=as_message(output.state))
    assert {row["stock_ticker"] for row in output.records} == {"VOW3"}
    assert {row["date"] for row in output.records} == {f"2026-11-{day}" for day in (13, 16, 17, 18, 19, 20)}
    assert set(output.state) == {"*.US", "*.XETRA"}


@pytest.mark.parametrize("tickers", ["*", "VOD"])
def test_it_reads_again_what_another_exchange_in_the_setting_overwrote(sandbox: Sandbox, tickers: str) -> None:
    """Both list a ticker of the same name, whose rows share their keys."""
    sandbox.universe = ["VOD.XETRA", "VOD.LSE"]
    settings = config(sandbox, "eodhd", tickers, start_date="2026-10-15")
    rows: dict[tuple[str, date], float] = {}
    state = None
    for exchange, days in (("XETRA", 0), ("LSE", 3), ("XETRA", 4)):
        settings["provider"]["exchange"] = exchange
        output = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=days)), state=state)
        assert output.exit_code == 0, output.error
        rows |= table(output.records)
        state = as_message(output.state)
    assert "XETRA" in output.log("WARN") or "different settings" in output.log("WARN")
    served = sandbox.published("eodhd", "VOD.XETRA", date(2026, 10, 15), date(2026, 11, 24))
    assert rows == {("VOD", day): trade.close for day, trade in served.items()}


def test_it_reads_all_under_the_names_that_another_setting_gives(sandbox: Sandbox) -> None:
    """`*` of Xetra names VOW3 what `*.XETRA` names VOW3.XETRA; their state is of the same exchange."""
    sandbox.universe = ["VOW3.XETRA"]
    settings = config(sandbox, "eodhd", "*", start_date="2026-10-15")
    settings["provider"]["exchange"] = "XETRA"
    before = read(settings, now=at(sandbox, FRIDAY_EVENING))
    settings = config(sandbox, "eodhd", "*.XETRA", start_date="2026-10-15")
    output = read(settings, now=FRIDAY_EVENING.add(hours=1), state=as_message(before.state))
    served = sandbox.published("eodhd", "VOW3.XETRA", date(2026, 10, 15), date(2026, 11, 20))
    assert table(output.records) == {("VOW3.XETRA", day): trade.close for day, trade in served.items()}


def test_it_checks_an_exchange_that_was_closed_unexpectedly(sandbox: Sandbox) -> None:
    """As a sync passes such a day, a check does."""
    sandbox.universe = ["BMW.XETRA"]
    sandbox.hide("BMW.XETRA", date(2026, 11, 20))
    output = check(config(sandbox, "eodhd", "*.XETRA"), now=at(sandbox, FRIDAY_EVENING))
    assert output.connection["status"] == "SUCCEEDED"
    assert "no bars of 2026-11-20, the last session of *.XETRA" in output.log("WARN")


def test_it_passes_a_day_on_which_an_exchange_was_closed_unexpectedly(sandbox: Sandbox) -> None:
    """A storm closes it, and no calendar knows: the days after it are read, and it is asked for again."""
    sandbox.universe = ["BMW.XETRA", "SAP.XETRA"]
    sandbox.hide("BMW.XETRA", date(2026, 11, 18))
    sandbox.hide("SAP.XETRA", date(2026, 11, 18))
    settings = config(sandbox, "eodhd", "*.XETRA", start_date="2026-11-16")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    assert output.exit_code == 0
    assert output.state["*.XETRA"]["date"] == "2026-11-20"
    assert "no ticker for a session of the exchange, which may have been closed: 2026-11-18" in output.log("WARN")
    sandbox.show("SAP.XETRA", date(2026, 11, 18))
    later = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=4)), state=as_message(output.state))
    assert ("SAP.XETRA", date(2026, 11, 18)) in table(later.records)


def test_it_says_that_a_free_key_has_no_whole_exchange(sandbox: Sandbox) -> None:
    """In the vendor's words; nothing else could be asked in its place."""
    settings = config(sandbox, "eodhd", "*") | {"provider": sandbox.provider("eodhd", FREE_KEY)}
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    assert (output.exit_code, output.records) == (1, [])
    assert output.error and "Bulk requests are prohibited for free users" in output.error["message"]


def test_it_reads_every_stream_of_a_whole_exchange(sandbox: Sandbox) -> None:
    """Splits and dividends a session a request; the lists of tickers and of their changes are one each."""
    sandbox.universe = ["AAPL", "BRK.B", "OLD", "NEW", "VOW3.XETRA"]
    sandbox.book.delist("OLD", date(2026, 10, 1))
    sandbox.book.rename("FORMER", "NEW", date(2026, 11, 18))
    sandbox.book.announce("BRK.B", date(2026, 11, 17), split=2.0)
    sandbox.book.announce("AAPL", date(2026, 11, 19), dividend=0.5)
    sandbox.book.announce("AAPL", date(2026, 11, 30), dividend=0.75)  # no day that is to come is asked for
    sandbox.book.announce("VOW3.XETRA", date(2026, 11, 19), dividend=3.0)
    settings = config(sandbox, "eodhd", "*", start_date="2026-11-16")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=(*EVENTS, "tickers", "ticker_changes"))
    assert output.exit_code == 0, output.error
    assert events_of(output) == {("BRK.B", "2026-11-17"): 2.0, ("AAPL", "2026-11-19"): 0.5}
    assert {row["stock_ticker"]: row["active"] for row in output.rows("tickers")} == {
        "AAPL": True,
        "BRK.B": True,
        "NEW": True,
        "OLD": False,
    }
    assert {row["stock_ticker"] for row in output.rows("ticker_changes")} == {"FORMER", "NEW"}
    assert Counter(asked.path for asked in sandbox.requests) == {
        "/eod-bulk-last-day/US": 10,
        "/exchange-symbol-list/US": 2,
        "/symbol-change-history": 1,
    }
    told = output.log("INFO")
    assert "dividends: a first sync of the whole market costs 500 calls, a daily one 800 calls." in told
    assert "dividends: this sync cost 500 calls of the plan." in told
    assert "tickers: a first sync of the whole market costs 2 calls, a daily one 2 calls." in told
    assert "tickers: this sync cost 2 calls of the plan." in told
    assert "ticker_changes: this sync cost 5 calls of the plan." in told


def test_it_asks_again_for_the_events_of_an_exchange_ever_more_rarely(sandbox: Sandbox) -> None:
    """On the day after, then at twice the age each time: a daily sync costs eight sessions, and finds what was late."""
    sandbox.universe = ["BMW.XETRA", "SAP.XETRA"]
    settings = config(sandbox, "eodhd", "*.XETRA", start_date="2026-05-04")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=EVENTS)
    sandbox.requests.clear()
    again = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=1)), streams=EVENTS, state=first.state_messages)
    assert (again.exit_code, again.records, sandbox.requests) == (0, [], [])  # no session on a Saturday

    sandbox.book.announce("SAP.XETRA", date(2026, 11, 13), split=3.0)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=3)), streams=EVENTS, state=first.state_messages)
    assert output.exit_code == 0, output.error
    days = sorted(asked.query["date"] for asked in sandbox.requests if asked.query["type"] == "splits")
    assert days[3:] == ["2026-11-11", "2026-11-17", "2026-11-19", "2026-11-20", "2026-11-23"]
    assert days[0] == "2026-08-25"  # 64 sessions before
    assert events_of(output) == {}
    wednesday = at(sandbox, FRIDAY_EVENING.add(days=5))
    later = read(settings, now=wednesday, streams=EVENTS, state=output.state_messages)
    assert events_of(later) == {("SAP.XETRA", "2026-11-13"): 3.0}


@pytest.mark.parametrize(
    ("market", "sentence"),
    [
        ("*.CC", "no calendar is known for the exchange of '*.CC'"),
        ("*.PLUTO", "no calendar is known"),
        ("*.B", "no calendar is known"),  # no share class of the United States
    ],
)
def test_it_reads_no_exchange_whose_sessions_it_does_not_know(sandbox: Sandbox, market: str, sentence: str) -> None:
    """Crypto trades at weekends, too: days would be missing without a word."""
    message = check(config(sandbox, "eodhd", market), now=at(sandbox, FRIDAY_EVENING)).connection["message"]
    assert sentence in message


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of an exchange costs as much as three tickers, so that a test can do with few."""
    monkeypatch.setattr(PROVIDERS["eodhd"], "calls_by_date", 3)


def test_it_reads_many_named_tickers_of_an_exchange_by_date(sandbox: Sandbox, cheap: None) -> None:
    """Each exchange by its own sessions; a few tickers of another one are read by themselves."""
    many_of_xetra = [f"{ticker}.XETRA" for ticker in many(20)]
    sandbox.universe = [*many_of_xetra, "OTHER.XETRA", "AAPL", "VOD.LSE"]
    tickers = [*many_of_xetra, "AAPL", "VOD.LSE"]
    settings = config(sandbox, "eodhd", ", ".join(tickers), start_date="2026-11-16")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING))
    assert Counter(asked.path for asked in sandbox.requests) == {
        "/eod/AAPL.US": 1,
        "/eod/VOD.LSE": 1,
        "/eod-bulk-last-day/XETRA": 5,
    }
    second = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=6)), state=as_message(first.state))
    truth = sandbox.truth(tickers, date(2026, 11, 16), date(2026, 11, 26))
    rows = table(first.records) | table(second.records)
    assert rows == {key: trade.close for key, trade in truth.items()}


def test_it_reads_named_tickers_one_by_one_where_the_plan_has_no_exchange(sandbox: Sandbox, cheap: None) -> None:
    """The plan decides what is cheaper, not what is possible."""
    tickers = many(20)
    settings = config(sandbox, "eodhd", ", ".join(tickers), start_date="2026-11-16")
    settings["provider"] = sandbox.provider("eodhd", FREE_KEY)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(tickers, date(2026, 11, 16), date(2026, 11, 20))
    assert output.exit_code == 0, output.error
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert "plan has no sessions of a whole exchange, so that tickers are read one by one" in output.log("WARN")


def test_it_reads_the_events_of_many_named_tickers_by_date(sandbox: Sandbox, cheap: None) -> None:
    """Where that is fewer calls; what was announced for later is known once its day has come."""
    tickers = [*many(29), "AAPL"]
    sandbox.universe = [*tickers, "OTHER"]
    sandbox.book.announce("AAPL", date(2026, 11, 17), split=2.0)
    sandbox.book.announce("OTHER", date(2026, 11, 17), split=3.0)
    settings = config(sandbox, "eodhd", ", ".join(tickers), start_date="2026-11-16")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=EVENTS)
    assert Counter(asked.path for asked in sandbox.requests) == {"/eod-bulk-last-day/US": 10}
    assert events_of(first) == listed(sandbox, tickers, date(2026, 11, 16), date(2026, 11, 20))
    assert events_of(first)["AAPL", "2026-11-17"] == 2.0
    assert first.states_of("stock_splits")[-1]["TAA"] == {
        "date": "2026-11-20",
        "since": "2026-11-16",
        "provider": "eodhd",
    }

    sandbox.book.amend("AAPL", date(2026, 11, 17), split=4.0)
    sandbox.book.announce("TAA", date(2026, 11, 23), dividend=0.25)
    sandbox.requests.clear()
    monday = at(sandbox, FRIDAY_EVENING.add(days=3))
    second = read(settings, now=monday, streams=EVENTS, state=first.state_messages)
    # Of the sessions from the first one on, those of the ages 1, 2 and 4.
    assert Counter(asked.path for asked in sandbox.requests) == {"/eod-bulk-last-day/US": 8}
    assert events_of(second) == {("AAPL", "2026-11-17"): 4.0, ("TAA", "2026-11-23"): 0.25}


def test_it_reads_the_events_of_named_tickers_one_by_one_where_the_plan_has_no_exchange(
    sandbox: Sandbox, cheap: None
) -> None:
    """As with prices: the plan decides what is cheaper, not what is possible."""
    tickers = [*many(29), "AAPL"]
    sandbox.universe = tickers
    sandbox.book.announce("AAPL", date(2026, 11, 17), split=2.0)
    sandbox.fail("plan", times=5)
    settings = config(sandbox, "eodhd", ", ".join(tickers), start_date="2026-11-16")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=("stock_splits",))
    asked = Counter(asked.path.split("/")[1] for asked in sandbox.requests)
    assert asked == {"eod-bulk-last-day": 5, "splits": 30}
    assert output.exit_code == 0, output.error
    assert ("AAPL", "2026-11-17") in events_of(output)
    assert "plan has no sessions of a whole exchange, so that tickers are read one by one" in output.log("WARN")


def test_it_goes_on_by_date_from_histories_that_were_read_by_ticker(sandbox: Sandbox, cheap: None) -> None:
    """A day of an exchange tells the same of an event as its ticker does, so that only what is new is written."""
    tickers = [*many(39), "AAPL"]
    sandbox.universe = [*tickers, "OTHER"]
    sandbox.book.announce("AAPL", date(2026, 11, 19), dividend=0.5)
    sandbox.book.announce("TAA", date(2026, 11, 20), split=2.0)
    sandbox.book.announce("TAB", date(2026, 11, 23), dividend=0.25)  # known beforehand
    sandbox.book.announce("TAC", date(2026, 11, 23), dividend=0.75)
    settings = config(sandbox, "eodhd", ", ".join(tickers), start_date="2026-01-02")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=EVENTS)
    assert len(sandbox.requests) == 80
    assert listed(sandbox, tickers, date(2026, 1, 2), date(2026, 11, 23)).items() <= events_of(first).items()

    sandbox.book.cancel("TAC", date(2026, 11, 23))
    sandbox.book.announce("TAD", date(2026, 11, 23), dividend=1.25)
    sandbox.requests.clear()
    second = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=3)), streams=EVENTS, state=first.state_messages)
    assert Counter(asked.path for asked in sandbox.requests) == {"/eod-bulk-last-day/US": 16}
    assert events_of(second) == {("TAC", "2026-11-23"): None, ("TAD", "2026-11-23"): 1.25}
