"""What `check` tells apart, in plain words."""

from __future__ import annotations

import pendulum
import pytest
from pendulum import DateTime

from integration_tests.front_door import Output, check
from integration_tests.sandbox import KEY, Sandbox
from integration_tests.scenario import FRIDAY_EVENING, READABLE, VENDORS, config, faults_of, many
from source_stock_prices.providers import PROVIDERS


def checked(sandbox: Sandbox, vendor: str, tickers: str = "AAPL", *, now: DateTime = FRIDAY_EVENING) -> Output:
    sandbox.now = now
    return check(config(sandbox, vendor, tickers), now=now)


@pytest.mark.parametrize("vendor", READABLE)
def test_it_succeeds_with_a_good_key_and_ticker(sandbox: Sandbox, vendor: str) -> None:
    """One bar within ten days is proof, on a weekend and after holidays too."""
    for now in (FRIDAY_EVENING, pendulum.datetime(2026, 1, 4, 3, tz="UTC")):
        assert checked(sandbox, vendor, now=now).connection == {"status": "SUCCEEDED"}


SENTENCES = {
    "bad-key": "rejected the API key. The API replied (HTTP ",
    "plan": "plan does not cover the data requested for the ticker AAPL. The API replied (HTTP ",
    "quota": "plan is used up. The API replied (HTTP ",
    "500": "failed for the ticker AAPL. The API replied (HTTP 500)",
    "cut": "cannot be reached at http",
    "html": "returned an unexpected response for the ticker AAPL. The API replied (HTTP 200)",
    "truncated": "returned an unexpected response for the ticker AAPL. The API replied (HTTP 200)",
    "empty-body": "returned an unexpected response for the ticker AAPL. The response was empty (HTTP 200)",
    "redirect": 'unexpected response for the ticker AAPL. The API replied (HTTP 302): "a redirect to localhost',
}


@pytest.mark.parametrize(("vendor", "fault"), faults_of(VENDORS, SENTENCES))
def test_it_tells_what_is_wrong(sandbox: Sandbox, vendor: str, fault: str) -> None:
    """Each is mended in another place: the key, the plan, the network, the address."""
    sandbox.fail(fault, times=-1, vendor=vendor)
    output = checked(sandbox, vendor)
    assert output.connection["status"] == "FAILED"
    assert PROVIDERS[vendor].title in output.connection["message"]
    assert SENTENCES[fault] in output.connection["message"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_names_a_bad_key_and_where_to_get_a_good_one(sandbox: Sandbox, vendor: str) -> None:
    """The vendor's own words are quoted, the key never is."""
    settings = config(sandbox, vendor) | {"provider": sandbox.provider(vendor, "no+such/key=")}
    sandbox.now = FRIDAY_EVENING
    message = check(settings, now=FRIDAY_EVENING).connection["message"]
    assert "rejected the API key" in message
    assert PROVIDERS[vendor].key_url in message


@pytest.mark.parametrize("vendor", [*VENDORS, "sample"])
def test_it_names_an_unknown_ticker_among_good_ones(sandbox: Sandbox, vendor: str) -> None:
    """Massive answers one with an honest-looking empty list: its ticker reference is asked before that is believed."""
    message = checked(sandbox, vendor, "AAPL, ZZZZ, MSFT").connection["message"]
    assert "does not know the ticker ZZZZ" in message
    assert "AAPL" not in message


def test_it_believes_the_reference_that_a_silent_ticker_exists(sandbox: Sandbox) -> None:
    """A delisted ticker has a history to read, though no bar of the last days."""
    for day in range(10, 21):
        if pendulum.date(2026, 11, day).weekday() < 5:
            sandbox.hide("AAPL", pendulum.date(2026, 11, day))
    output = checked(sandbox, "massive")
    assert output.connection["status"] == "SUCCEEDED"
    assert "knows AAPL but has no bars for it since 2026-11-10" in output.log("WARN")


def test_it_does_not_believe_an_empty_list_where_there_is_no_reference(sandbox: Sandbox) -> None:
    """Ten days without a bar of any ticker mean that something is wrong."""
    for day in range(1, 21):
        if pendulum.date(2026, 11, day).weekday() < 5:
            sandbox.hide("AAPL", pendulum.date(2026, 11, day))
    message = checked(sandbox, "iex").connection["message"]
    assert message == (
        "IEX Cloud compatible service has no bars for AAPL since 2026-11-10. Check the spelling in stock_ticker."
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_takes_throttling_for_a_key_that_works(sandbox: Sandbox, vendor: str, waits: list[float]) -> None:
    """A person is looking at the screen: it neither waits nor fails."""
    sandbox.fail("throttle", times=-1, vendor=vendor)
    output = checked(sandbox, vendor)
    assert output.connection["status"] == "SUCCEEDED"
    assert "is rate limiting requests, which shows that the key works" in output.log("WARN")
    assert not waits


def test_it_says_how_many_tickers_it_tried(sandbox: Sandbox) -> None:
    """Each costs a request: a handful stands for all."""
    output = checked(sandbox, "tiingo", ", ".join(many(40)))
    assert "Checked 5 of 40 configured tickers with Tiingo." in output.log("INFO")
    assert len(sandbox.requests) == 5


def test_it_tells_an_unreachable_host(sandbox: Sandbox) -> None:
    """Nothing listens on that port."""
    settings = config(sandbox, "massive")
    settings["provider"]["base_url"] = "http://127.0.0.1:9"
    message = check(settings, now=FRIDAY_EVENING).connection["message"]
    assert message.startswith("Massive (formerly Polygon.io) cannot be reached at http://127.0.0.1:9.")
    assert "Connection refused" in message
    assert KEY not in message


def test_it_tells_another_vendors_api(sandbox: Sandbox) -> None:
    """A base_url that leads to the wrong service is the likeliest typing error."""
    settings = config(sandbox, "massive")
    settings["provider"]["base_url"] = sandbox.base_url("iex")
    assert check(settings, now=FRIDAY_EVENING).connection["status"] == "FAILED"
