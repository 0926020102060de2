"""What is EODHD's alone: exchanges in tickers, and a plan that cuts a window with a warning inside the rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from integration_tests.front_door import Output, read, table
from integration_tests.sandbox import FREE_KEY, Sandbox
from integration_tests.scenario import FRIDAY_EVENING, at, config


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
