"""What a sync promises, through the front door against the sandbox."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pendulum
import pytest
from airbyte_cdk.sources.streams import call_rate
from jsonschema import validate

from integration_tests.front_door import Output, as_message, catalog, check, program, read, table
from integration_tests.sandbox import FREE_KEY, KEY, Sandbox
from integration_tests.scenario import (
    FRIDAY_EVENING,
    REACH,
    READABLE,
    SCHEMA,
    SERVED,
    VENDORS,
    at,
    config,
    failed,
    faults_of,
    last_served,
    many,
)
from source_stock_prices.providers import PROVIDERS
from source_stock_prices.sessions import ZONE


@pytest.mark.parametrize("vendor", READABLE)
def test_it_reads_every_final_session_of_the_last_week(sandbox: Sandbox, vendor: str) -> None:
    """The tutorial's window is what a config without dates means."""
    output = read(config(sandbox, vendor, "AAPL, BRK.B"), now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(["AAPL", "BRK.B"], date(2026, 11, 13), last_served(vendor))
    assert output.exit_code == 0
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert output.statuses == ["STARTED", "RUNNING", "COMPLETE"]
    assert sum(state["sourceStats"]["recordCount"] for state in output.of_type("STATE")) == len(output.records)


@pytest.mark.parametrize("vendor", READABLE)
def test_it_writes_records_of_the_published_schema(sandbox: Sandbox, vendor: str) -> None:
    """Every field is there, null where the vendor has none, and every bar says where it came from."""
    output = read(config(sandbox, vendor, start_date="2026-09-01"), now=at(sandbox, FRIDAY_EVENING))
    assert output.records
    for record in output.records:
        validate(record, SCHEMA)
        assert list(record) == list(SCHEMA["properties"])
        assert (record["provider"], record["adjustment"]) == (vendor, "raw")
        assert record["price"] == record["close"]


@pytest.mark.parametrize("vendor", READABLE)
@pytest.mark.parametrize("adjustment", ["raw", "splits", "all"])
def test_it_reads_prices_adjusted_as_asked(sandbox: Sandbox, vendor: str, adjustment: str) -> None:
    """Each vendor names its adjusted prices differently, some alike for opposite things."""
    if adjustment not in PROVIDERS[vendor].adjustments:
        output = check(config(sandbox, vendor, adjustment=adjustment), now=at(sandbox, FRIDAY_EVENING))
        assert f"cannot serve '{adjustment}'" in output.connection["message"]
        return
    now = at(sandbox, pendulum.datetime(2021, 7, 9, 21, tz=ZONE))
    output = read(config(sandbox, vendor, start_date="2021-01-04", adjustment=adjustment), now=now)
    truth = sandbox.truth(["AAPL"], date(2021, 1, 4), last_served(vendor, now), adjustment)
    assert table(output.records) == pytest.approx({key: trade.close for key, trade in truth.items()}, rel=1e-4)
    assert any(trade.split != 1 for trade in truth.values()), "the window should hold a split"


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_reads_a_history_longer_than_one_answer(sandbox: Sandbox, vendor: str) -> None:
    """Vendors cut what is too long, some at 1,000 rows, some at 5,000: all that they have is read nonetheless."""
    start, tickers = REACH.get(vendor, date(2005, 1, 3)), ["AAPL", "MSFT"]
    settings = config(sandbox, vendor, ", ".join(tickers), start_date=start.isoformat())
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth(tickers, start, last_served(vendor))
    assert table(output.records) == {key: trade.close for key, trade in truth.items()}
    assert "dropped" not in output.log("WARN")


@pytest.mark.parametrize("vendor", READABLE)
def test_it_goes_on_from_its_state(sandbox: Sandbox, vendor: str) -> None:
    """The bar on the state's date comes again, since vendors correct it; older ones do not."""
    first = read(config(sandbox, vendor, "AAPL, MSFT"), now=at(sandbox, FRIDAY_EVENING - timedelta(days=2)))
    second = read(config(sandbox, vendor, "AAPL, MSFT"), now=at(sandbox, FRIDAY_EVENING), state=as_message(first.state))
    for ticker in ("AAPL", "MSFT"):
        dates = [row["date"] for row in second.records if row["stock_ticker"] == ticker]
        assert dates[0] == first.state[ticker]["date"]
        assert dates == sorted(dates)
        assert second.state[ticker]["date"] == dates[-1] == last_served(vendor).isoformat()


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if not SERVED[vendor].hours.days_later])
def test_it_asks_nothing_when_nothing_new_can_exist(sandbox: Sandbox, vendor: str) -> None:
    """Plans count requests: the second run of an evening and those of a weekend cost none."""
    first = read(config(sandbox, vendor), now=at(sandbox, FRIDAY_EVENING))
    sandbox.requests.clear()
    for moment in (FRIDAY_EVENING.add(hours=1), FRIDAY_EVENING.add(days=2), FRIDAY_EVENING.add(days=2, hours=20)):
        again = read(config(sandbox, vendor), now=at(sandbox, moment), state=as_message(first.state))
        assert (again.exit_code, again.records, again.state) == (0, [], first.state)
    assert not sandbox.requests


def test_it_gives_a_ticker_added_later_its_whole_history(sandbox: Sandbox) -> None:
    """One date for all tickers would skip what the new one had before."""
    now = at(sandbox, FRIDAY_EVENING)
    first = read(config(sandbox, "tiingo", "AAPL", start_date="2026-10-01"), now=now)
    two = config(sandbox, "tiingo", "AAPL, MSFT", start_date="2026-10-01")
    both = read(two, now=now, state=as_message(first.state))
    assert next(row["date"] for row in both.records if row["stock_ticker"] == "MSFT") == "2026-10-01"
    assert not [row for row in both.records if row["stock_ticker"] == "AAPL"]
    assert set(both.state) == {"AAPL", "MSFT"}


def test_it_ignores_a_state_in_a_full_refresh(sandbox: Sandbox) -> None:
    """The CDK hands the state over in every mode."""
    now = at(sandbox, FRIDAY_EVENING)
    for state in (as_message({"AAPL": {"date": "2026-11-20", "price": 1.0}}), as_message({"date": "nonsense"})):
        output = read(config(sandbox, "massive", start_date="2026-11-02"), now=now, state=state, mode="full_refresh")
        assert output.exit_code == 0
        assert len(output.records) == 15


@pytest.mark.parametrize("garbage", [{"AAPL": {"date": "soon"}}, {"date": "2020-13-45"}, {"AAPL": 7}])
def test_it_stops_at_a_state_it_cannot_read(sandbox: Sandbox, garbage: dict[str, Any]) -> None:
    """A silent full re-read would hide that the state was lost, and be paid for."""
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING), state=as_message(garbage))
    assert output.error and output.error["message"].startswith("The state cannot be read: ")
    assert output.error["failure_type"] == "config_error"
    assert (output.exit_code, output.records, list(sandbox.requests)) == (1, [], [])


def test_it_goes_on_from_the_state_lines_of_earlier_reads(sandbox: Sandbox) -> None:
    """As they were written, one after another: of each stream the last one counts."""
    streams = ["stock_prices", "stock_splits", "dividends"]
    settings = config(sandbox, "massive", "AAPL, MSFT", start_date="2026-08-03")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING.subtract(days=1)), streams=streams)
    second = read(settings, now=at(sandbox, FRIDAY_EVENING), state=first.state_messages, streams=streams)
    lines = [line for line in (first.text + second.text).splitlines() if '"type":"STATE"' in line]
    sandbox.requests.clear()
    third = read(settings, now=FRIDAY_EVENING, state="\n".join(lines), streams=streams)
    assert (third.exit_code, third.records, list(sandbox.requests)) == (0, [], [])
    assert third.states_of("stock_prices")[-1] == second.states_of("stock_prices")[-1]


@pytest.mark.parametrize("content", ["not json", "[1, 2]", '"2020-02-01"', '{"type":"STATE"}\n{"type":"ST'])
def test_it_stops_at_a_state_file_that_holds_none(sandbox: Sandbox, content: str) -> None:
    """The same holds for a file that is no state at all."""
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING), state=content)
    assert output.exit_code == 1
    assert output.error
    assert not output.records and not sandbox.requests


def test_it_leaves_a_state_in_the_future_as_it_is(sandbox: Sandbox) -> None:
    """Reading again would be a surprise, moving it back a loss: it reads nothing and says so."""
    future = {"AAPL": {"date": "2099-01-01", "price": 5.0}}
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING), state=as_message(future))
    assert (output.exit_code, output.records, output.states) == (0, [], [future])
    assert "stock_prices: the state of AAPL is in the future" in output.log("WARN")


def test_it_does_not_move_the_state_on_an_empty_answer(sandbox: Sandbox) -> None:
    """The tutorial moved its cursor to today on an empty range, and most bars were then never read."""
    seen = {"AAPL": {"date": "2026-11-19", "price": 5.0}}
    for day in (19, 20):
        sandbox.hide("AAPL", date(2026, 11, day))
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING), state=as_message(seen))
    assert (output.exit_code, output.records) == (0, [])
    assert output.state == {"AAPL": {**seen["AAPL"], "tried": "2026-11-20"}}


def test_it_never_takes_a_partial_bar_for_a_final_one(sandbox: Sandbox) -> None:
    """In the afternoon a paid plan serves a bar of today that will change until the evening."""
    now = at(sandbox, pendulum.datetime(2026, 11, 20, 14, tz=ZONE))
    assert read(config(sandbox, "massive"), now=now).state["AAPL"]["date"] == "2026-11-19"


def test_it_reads_an_unfinished_session_again_until_it_is_final(sandbox: Sandbox) -> None:
    """Who asks for the unfinished session gets it, and never keeps it."""
    settings = config(sandbox, "massive", include_unfinished_session=True)
    afternoon = read(settings, now=at(sandbox, pendulum.datetime(2026, 11, 20, 14, tz=ZONE)))
    assert afternoon.records[-1]["date"] == "2026-11-20"
    assert afternoon.state["AAPL"]["date"] == "2026-11-19", "the state waits for the final bar"
    truth = sandbox.truth(["AAPL"], date(2026, 11, 20), date(2026, 11, 20))["AAPL", date(2026, 11, 20)]
    assert afternoon.records[-1]["price"] != truth.close
    evening = read(settings, now=at(sandbox, FRIDAY_EVENING), state=as_message(afternoon.state))
    assert evening.records[-1]["price"] == truth.close
    assert evening.state["AAPL"]["date"] == "2026-11-20"
    sandbox.requests.clear()
    assert read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=1)), state=as_message(evening.state)).records == []
    assert not sandbox.requests


def test_it_reads_up_to_yesterday_where_the_plan_refuses_today(sandbox: Sandbox) -> None:
    """Massive's free plan refuses any window that ends today; the sessions before it are there to be read."""
    settings = config(sandbox, "massive", "AAPL, MSFT, GOOG", num_workers=1)
    settings["provider"] = sandbox.provider("massive", FREE_KEY)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    assert output.exit_code == 0
    assert {seen["date"] for seen in output.state.values()} == {"2026-11-19"}
    assert len(sandbox.requests) == 4, "only the first refusal costs a request"


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_fails_late_and_by_name_for_a_bad_ticker(sandbox: Sandbox, vendor: str) -> None:
    """The others sync and are checkpointed; the bad one is in the error, not skipped in silence."""
    output = read(config(sandbox, vendor, "AAPL, ZZZZ, MSFT"), now=at(sandbox, FRIDAY_EVENING))
    assert {row["stock_ticker"] for row in output.records} == {"AAPL", "MSFT"} == set(output.synced)
    if SERVED[vendor].unknown_is_empty:
        assert output.exit_code == 0
        assert "has no bars for ZZZZ since 2026-11-13" in output.log("WARN")
    else:
        assert output.exit_code == 1
        assert output.statuses == ["STARTED", "RUNNING", "INCOMPLETE"]
        assert output.error and "does not know the ticker ZZZZ" in output.error["message"]
        assert output.error["failure_type"] == "config_error"
        assert output.state["ZZZZ"] == failed({}), "it is asked last the next time"


def test_it_names_ten_failed_tickers_and_counts_the_rest(sandbox: Sandbox) -> None:
    """A list of thousands is no sentence."""
    tickers = ", ".join(f"ZZZZ{n}" for n in range(13))
    output = read(config(sandbox, "tiingo", tickers + ", AAPL"), now=at(sandbox, FRIDAY_EVENING))
    assert output.error
    assert output.error["message"].startswith("Tiingo does not know the tickers ZZZZ0, ZZZZ1, ZZZZ2, ")
    assert "ZZZZ9 and 3 more. The API replied (HTTP 404): " in output.error["message"]
    assert output.synced == ["AAPL"]


def test_it_writes_few_states_however_many_tickers(sandbox: Sandbox) -> None:
    """Each STATE repeats every ticker: one a ticker would outweigh the records."""
    tickers = ", ".join(many(70))
    output = read(config(sandbox, "sample", tickers), now=at(sandbox, FRIDAY_EVENING))
    assert len(output.state) == 70
    assert len(output.states) <= 20


def test_it_paces_requests_before_they_happen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of two requests a minute is not asked a third time within one."""

    def wait(seconds: float) -> None:
        raise TimeoutError(f"asked to wait {seconds:.0f} seconds")

    monkeypatch.setattr(call_rate, "time", SimpleNamespace(sleep=wait))
    output = read(config(sandbox, "tiingo", "A, B, C, D", requests_per_minute=2), now=at(sandbox, FRIDAY_EVENING))
    assert len(sandbox.requests) == 2
    assert re.search(r"asked to wait [3-6]\d seconds", output.text)


def test_it_follows_pages_on_its_own_host_alone(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Massive's link to the next page names the official host, whoever was asked: the key must not go there."""
    monkeypatch.setattr("integration_tests.sandbox.massive._limit", lambda *args, **limits: 2)
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING))
    assert len(output.records) == 6
    assert len(sandbox.requests) == 3
    assert all(asked.headers["Authorization"] == f"Bearer {KEY}" for asked in sandbox.requests)


@pytest.mark.parametrize("shape", ["plain", "dict", "list", "legacy", "legacy list", "message"])
def test_it_goes_on_from_both_tutorials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    """Their config and states work as they are; a record on the state's date comes again, older ones do not."""
    monkeypatch.setitem(PROVIDERS["massive"].__init__.__kwdefaults__, "base_url", sandbox.base_url("massive"))
    flat: dict[str, Any] = {"stock_prices": {"date": "2026-11-18"}}
    state = {
        "plain": {"stock_prices": "2026-11-18"},
        "dict": flat,
        "list": [flat],
        "legacy": {"type": "LEGACY", "data": flat},
        "legacy list": [{"type": "LEGACY", "data": flat}],
        "message": as_message(flat["stock_prices"])[0],
    }[shape]
    tutorial = {"api_key": KEY, "stock_ticker": "AAPL"}
    output = read(tutorial, now=at(sandbox, FRIDAY_EVENING), state=state)
    assert [row["date"] for row in output.records] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert {"date", "stock_ticker", "price"} <= set(output.records[0])
    assert output.state["AAPL"]["date"] == "2026-11-20"


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("debug", [False, True])
def test_it_keeps_the_key_out_of_every_output(sandbox: Sandbox, vendor: str, debug: bool) -> None:
    """Keys hold + / and =, which a URL spells otherwise; some vendors take the key in the URL alone."""
    now = at(sandbox, FRIDAY_EVENING)
    outputs = [read(config(sandbox, vendor), now=now), check(config(sandbox, vendor), now=now)]
    dead = config(sandbox, vendor)
    dead["provider"]["base_url"] = "http://127.0.0.1:9/gone"
    outputs += [read(dead, now=now), check(dead, now=now)]
    wrong = config(sandbox, vendor) | {"provider": sandbox.provider(vendor, "wr0ng+k3y/with=odd")}
    outputs += [read(wrong, now=now), check(wrong, now=now)]
    kinds = ("throttle", "quota", "plan", "500", "html", "truncated", "cut", "redirect", "empty-body", "bad-key")
    for _, kind in faults_of([vendor], kinds):
        sandbox.fail(kind, times=-1, vendor=vendor)
        outputs += [read(config(sandbox, vendor), now=now), check(config(sandbox, vendor), now=now)]
        sandbox.reset()
        sandbox.now = now
    for output in outputs:
        for key in (KEY, "wr0ng+k3y/with=odd"):
            for spelling in (key, quote(key, safe=""), quote_plus(key), quote(key), json.dumps(key)[1:-1]):
                assert spelling not in output.text


def test_it_offers_the_prices_with_their_keys(sandbox: Sandbox, tmp_path: Path) -> None:
    """Append + Deduped is exact on ticker and date, and the cursor is ours to define."""
    (tmp_path / "config.json").write_text(json.dumps(config(sandbox, "sample")))
    output = program("discover", "--config", str(tmp_path / "config.json"), now=FRIDAY_EVENING)
    (found,) = output.of_type("CATALOG")
    stream, *_ = found["streams"]
    assert stream["name"] == "stock_prices"
    assert stream["source_defined_primary_key"] == [["stock_ticker"], ["date"]]
    assert (stream["default_cursor_field"], stream["source_defined_cursor"]) == (["date"], True)
    assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]


def test_it_answers_a_wrong_config_with_one_sentence(sandbox: Sandbox) -> None:
    """The JSON schema's own message would quote the whole config."""
    wrong = {"provider": {"name": "bloomberg", "api_key": KEY}, "stock_ticker": "AAPL"}
    sentence = "provider.name: 'bloomberg' is not a known provider. Allowed: massive, tiingo, "
    assert check(wrong, now=FRIDAY_EVENING).connection["message"].startswith(sentence)
    output = read(wrong, now=FRIDAY_EVENING)
    assert output.error and output.error["message"].startswith(sentence)
    assert (output.error["failure_type"], output.exit_code) == ("config_error", 1)


@pytest.mark.parametrize("vendor", ["massive", "alpaca"])
def test_it_asks_a_daily_sync_of_many_tickers_with_few_requests(sandbox: Sandbox, vendor: str) -> None:
    """Massive has the whole market of a day in one answer, Alpaca a hundred tickers: one request a ticker is waste."""
    tickers = many(110)
    seen = {ticker: {"date": "2026-11-19", "price": None} for ticker in tickers}
    now = at(sandbox, FRIDAY_EVENING)
    output = read(config(sandbox, vendor, ", ".join(tickers)), now=now, state=as_message(seen))
    assert output.exit_code == 0
    # Massive: the session read again, and the new one. Alpaca: the first hundred tickers, and the others.
    assert len(sandbox.requests) == 2


def test_it_reads_the_whole_market_by_date_like_each_ticker_alone(sandbox: Sandbox) -> None:
    """Which of the two is fewer requests must not show in the table."""
    sandbox.universe = tickers = many(30)
    sandbox.hide(tickers[3], date(2026, 11, 17))
    now = at(sandbox, FRIDAY_EVENING)
    by_date = read(config(sandbox, "massive", ", ".join([*tickers, "ZZZZ"])), now=now)
    assert len(sandbox.requests) == 6
    truth = sandbox.truth(tickers, date(2026, 11, 13), date(2026, 11, 20))
    truth.pop((tickers[3], date(2026, 11, 17)))
    assert table(by_date.records) == {key: trade.close for key, trade in truth.items()}
    assert {seen["date"] for seen in by_date.state.values()} == {"2026-11-20"}
    assert f"has no bar for 1 session of 1 ticker: {tickers[3]} 2026-11-17." in by_date.log("WARN")
    assert "has no bars for ZZZZ since 2026-11-13" in by_date.log("WARN")


def test_it_reads_a_rewritten_history_of_the_whole_market_again(sandbox: Sandbox) -> None:
    """Older sessions are asked for again, and a split moves their bars."""
    sandbox.universe = tickers = many(12)
    settings = config(sandbox, "massive", ", ".join(tickers), adjustment="splits", start_date="2026-10-01")
    before = read(settings, now=at(sandbox, FRIDAY_EVENING.subtract(days=1)))
    sandbox.split(tickers[5], date(2026, 11, 20), 2.0)
    sandbox.requests.clear()
    after = read(settings, now=at(sandbox, FRIDAY_EVENING), state=as_message(before.state))
    rows = table(before.records) | table(after.records)
    truth = sandbox.truth(tickers, date(2026, 10, 1), date(2026, 11, 20), "splits")
    assert rows == pytest.approx({key: trade.close for key, trade in truth.items()})
    assert len(sandbox.requests) == 4 + 1 + 1, "four old sessions, the new one, and one history"


def test_it_holds_a_ticker_back_whose_rewritten_history_it_cannot_read(sandbox: Sandbox) -> None:
    """The new day is in the market's answer, but emitting it would move the state past the old half of the history."""
    sandbox.universe = tickers = many(12)
    settings = config(sandbox, "massive", ", ".join(tickers), adjustment="splits", start_date="2026-10-01")
    before = read(settings, now=at(sandbox, FRIDAY_EVENING.subtract(days=1)))
    sandbox.split(tickers[5], date(2026, 11, 20), 2.0)
    sandbox.now = FRIDAY_EVENING
    sandbox.fail("html", times=-1, vendor="massive", ticker=tickers[5])
    output = read(settings, now=FRIDAY_EVENING, state=as_message(before.state))
    assert output.exit_code == 1
    assert output.state[tickers[5]] == failed({**before.state[tickers[5]], "again": True})
    assert len(output.state) == 12
    sandbox.faults.clear()
    done = read(settings, now=FRIDAY_EVENING, state=as_message(output.state))
    rows = table(before.records) | table(output.records) | table(done.records)
    truth = sandbox.truth(tickers, date(2026, 10, 1), date(2026, 11, 20), "splits")
    assert rows == pytest.approx({key: trade.close for key, trade in truth.items()})


def test_it_stops_at_a_day_of_the_whole_market_that_it_cannot_read(sandbox: Sandbox) -> None:
    """The days after it would hide it for ever."""
    sandbox.universe = tickers = many(30)
    now = at(sandbox, FRIDAY_EVENING)
    sandbox.fail("html", times=1)
    output = read(config(sandbox, "massive", ", ".join(tickers), num_workers=1), now=now)
    assert (output.exit_code, output.records) == (1, [])
    rest = read(config(sandbox, "massive", ", ".join(tickers)), now=now)
    assert len(table(rest.records)) == 30 * 6


@pytest.mark.parametrize("workers", [1, 8])
def test_it_writes_the_same_whatever_the_number_of_workers(sandbox: Sandbox, workers: int) -> None:
    """Answers are used in the order of the questions, throttling and failures included."""
    tickers = many(40)
    sandbox.fail("throttle-retry-after", times=5, vendor="tiingo")
    sandbox.fail("html", times=-1, vendor="tiingo", ticker=tickers[7])
    settings = config(sandbox, "tiingo", ", ".join([*tickers, "ZZZZ"]), num_workers=workers)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    truth = sandbox.truth([*tickers[:7], *tickers[8:]], date(2026, 11, 13), date(2026, 11, 20))
    assert [(row["stock_ticker"], row["date"]) for row in output.records] == [(t, str(day)) for t, day in truth]
    assert output.error and "the tickers" not in output.error["message"].replace("the ticker ", "")
    assert output.synced == [*tickers[:7], *tickers[8:]]


def test_it_says_how_far_it_is(sandbox: Sandbox) -> None:
    """A dozen lines, however many tickers; and to the platform, how many records to expect."""
    tickers = many(60)
    settings = config(sandbox, "tiingo", ", ".join(tickers), start_date="2026-11-19", end_date="2026-11-19")
    output = read(settings, now=at(sandbox, FRIDAY_EVENING))
    said = output.log("INFO")
    assert "stock_prices: reading 60 tickers in 60 queries." in said
    assert "stock_prices: 60 of 60 tickers read; 60 records in 60 requests." in said
    assert len(re.findall("tickers read", said)) <= 13
    assert len(said.splitlines()) < 50
    estimates = [trace["estimate"] for trace in output.of_type("TRACE") if trace["type"] == "ESTIMATE"]
    assert [(each["name"], each["row_estimate"]) for each in estimates] == [("stock_prices", 60)]
    of_records = sum(len(line) for line in output.text.splitlines() if '"type":"RECORD"' in line)
    assert estimates[0]["byte_estimate"] == pytest.approx(of_records, rel=0.5)


def test_it_says_until_when_it_waits(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.fail("throttle", vendor="massive")
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING))
    assert re.search(r"is rate limiting requests; waiting until \d\d:\d\d:\d\d UTC\.", output.log("INFO"))
    assert "in 2 requests" in output.log("INFO")
    assert waits


def test_it_writes_a_state_a_minute_in_a_slow_sync(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that is killed after an hour of waiting for a slow plan has lost a minute of it."""
    monkeypatch.setattr("source_stock_prices.sync.SLICE_SECONDS", 0)
    output = read(config(sandbox, "tiingo", ", ".join(many(40)), num_workers=1), now=at(sandbox, FRIDAY_EVENING))
    assert len(output.states) == 40


def test_it_reads_every_ticker_of_the_market(sandbox: Sandbox) -> None:
    """One state for all of them: the last day, and the prints of the last sessions. A request a session."""
    now = at(sandbox, FRIDAY_EVENING.subtract(days=1))
    settings = config(sandbox, "massive", "*", start_date="2026-11-02")
    assert check(settings, now=now).connection == {"status": "SUCCEEDED"}
    sandbox.requests.clear()
    first = read(settings, now=now)
    (seen,) = first.state.values()
    assert (seen["date"], seen["since"], seen["adjustment"], seen["provider"]) == (
        "2026-11-19",
        "2026-11-02",
        "raw",
        "massive",
    )
    assert seen["tickers"].split() == sorted(sandbox.universe)
    assert max(seen["bars"]) == "2026-11-19"
    assert len(sandbox.requests) == 14
    second = read(settings, now=at(sandbox, FRIDAY_EVENING), state=as_message(first.state))
    assert len(sandbox.requests) == 14 + 1 + 4, "the new session, and four old ones"
    truth = sandbox.truth(sandbox.universe, date(2026, 11, 2), date(2026, 11, 20))
    assert table(first.records) | table(second.records) == {key: trade.close for key, trade in truth.items()}
    keys = [(record["date"], record["stock_ticker"]) for record in first.records]
    assert keys == sorted(keys)
    third = read(settings, now=at(sandbox, FRIDAY_EVENING.add(days=1)), state=as_message(second.state))
    assert (third.records, len(sandbox.requests)) == ([], 14 + 1 + 4)


def test_it_reads_the_history_of_every_ticker_of_the_market_that_split_again(sandbox: Sandbox) -> None:
    """A split moves the bars of the sessions that are asked for again. A kill is made good."""
    settings = config(sandbox, "massive", "*", start_date="2026-11-02", adjustment="splits")
    first = read(settings, now=at(sandbox, FRIDAY_EVENING.subtract(days=1)))
    sandbox.split("KO", date(2026, 11, 20), 2.0)
    sandbox.now = FRIDAY_EVENING
    second = read(settings, now=FRIDAY_EVENING, state=as_message(first.state))
    assert "rewrote the history of KO: 2026-11-10 changed. Rereading from 2026-11-02." in second.log("WARN")
    truth = sandbox.truth(sandbox.universe, date(2026, 11, 2), date(2026, 11, 20), "splits")
    whole = table(first.records) | table(second.records)
    assert whole == pytest.approx({key: trade.close for key, trade in truth.items()})
    lines = second.text.splitlines()
    for cut in [n for n, line in enumerate(lines, 1) if '"type":"STATE"' in line]:
        killed = Output("\n".join(lines[:cut]), -9)
        rest = read(settings, now=FRIDAY_EVENING, state=as_message(killed.state))
        assert table([*first.records, *killed.records, *rest.records]) == whole


def test_it_stops_at_a_list_of_splits_without_an_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that repeats its pages would have them read for ever. The prices do not need the list."""
    settings = config(sandbox, "massive", "*", start_date="2026-11-02")
    sandbox.universe = ["AAPL"]
    monkeypatch.setattr("source_stock_prices.events.MAX_PAGES", 0)
    output = read(settings, now=at(sandbox, FRIDAY_EVENING), streams=["stock_splits", "stock_prices"])
    assert output.exit_code == 1
    assert output.error and "more than 0 pages" in output.error["message"]
    assert not output.rows("stock_splits")
    assert len(output.rows("stock_prices")) == 15


def test_it_says_who_serves_the_whole_market(sandbox: Sandbox) -> None:
    """Where a request has one ticker, thousands of them are no plan."""
    message = check(config(sandbox, "tiingo", "*"), now=at(sandbox, FRIDAY_EVENING)).connection["message"]
    assert message.startswith("stock_ticker: Tiingo cannot serve '*', the whole market. Supported by:")
    assert message.endswith("Massive (formerly Polygon.io), EODHD.")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"start_date": "2027-01-04"},
            "stock_prices: start_date 2027-01-04 is after 2026-11-20, the last session to read.",
        ),
        ({"startDate": "2015-01-01"}, "Unknown config key startDate is ignored."),
    ],
)
def test_it_warns_of_a_config_that_reads_less_than_it_seems_to(
    sandbox: Sandbox, more: dict[str, Any], sentence: str
) -> None:
    """A green sync without rows would look like a market without prices."""
    assert sentence in read(config(sandbox, "sample", **more), now=FRIDAY_EVENING).log("WARN")


def test_it_reads_the_week_before_an_end_date(sandbox: Sandbox) -> None:
    """Without a start the last seven days are read, counted from the end."""
    output = read(config(sandbox, "tiingo", end_date="2026-01-15"), now=at(sandbox, FRIDAY_EVENING))
    assert [output.records[0]["date"], output.records[-1]["date"]] == ["2026-01-08", "2026-01-15"]


def test_it_fails_on_a_stream_it_does_not_have(sandbox: Sandbox, tmp_path: Path) -> None:
    """An exit code of zero would say that it was read."""
    (tmp_path / "config.json").write_text(json.dumps(config(sandbox, "sample")))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog()).replace("stock_prices", "stock_price"))
    files = ["--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json")]
    assert program("read", *files, now=FRIDAY_EVENING).exit_code == 1


@pytest.mark.parametrize(
    ("what", "content"),
    [*product(["config", "catalog", "state"], ["{", "[1]", None]), ("config", ""), ("catalog", "")],
)
def test_it_says_which_file_it_cannot_read(sandbox: Sandbox, tmp_path: Path, what: str, content: str | None) -> None:
    """The file is the user's: nothing went wrong in the connector."""
    contents = {"config": json.dumps(config(sandbox, "sample")), "catalog": json.dumps(catalog()), "state": "[]"}
    args = []
    for name, text in (contents | {what: content}).items():
        if text is not None:
            (tmp_path / name).write_text(text)
        args += [f"--{name}", str(tmp_path / name)]
    output = program("read", *args, now=FRIDAY_EVENING)
    assert output.exit_code == 1
    assert output.error and output.error["failure_type"] == "config_error"
    assert output.error["message"].startswith(f"The {what} ")


def test_it_takes_an_empty_state_file_for_none(sandbox: Sandbox) -> None:
    """A shell that saves the last STATE line of a first, failed read writes one."""
    settings, now = config(sandbox, "massive"), at(sandbox, FRIDAY_EVENING)
    assert read(settings, now=now, state="").records == read(settings, now=now).records


def test_it_ends_where_a_vendor_repeats_its_pages_for_ever(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's requests would be gone before a person looks."""
    monkeypatch.setattr("integration_tests.sandbox.massive._limit", lambda *args, **limits: 1)
    monkeypatch.setattr("source_stock_prices.stream.MAX_PAGES", 4)
    output = read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING))
    assert output.error and "more than 4 pages" in output.error["message"]
    assert len(sandbox.requests) == 5


def test_it_sends_its_own_key_and_no_password_of_the_machine(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would send what a .netrc has for any host."""
    (tmp_path / "netrc").write_text("default login joe password hunter2")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert read(config(sandbox, "massive"), now=at(sandbox, FRIDAY_EVENING)).exit_code == 0
    assert {asked.headers["Authorization"] for asked in sandbox.requests} == {f"Bearer {KEY}"}
