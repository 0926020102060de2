"""Behind a company's proxy, which is set by the environment: docs/airbyte.md tells how."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pendulum
import pytest

from integration_tests.front_door import read
from integration_tests.liar import Liar, response
from integration_tests.sandbox import Sandbox
from source_stock_prices.sessions import ZONE
from unit_tests.test_secrecy import leaks

NOW = pendulum.datetime(2026, 11, 20, 21, tz=ZONE)
PASSWORD = "Pr0xy-pa+ssw0rd"
STREAMS = ("stock_prices", "stock_splits", "dividends")


@pytest.fixture
def behind_a_proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A provider whose host is known to the proxy alone. The sandbox is the proxy, and answers for every host."""
    sandbox.now = NOW
    provider = sandbox.provider("massive")
    address = urlsplit(provider["base_url"])
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, address.netloc)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return {**provider, "base_url": f"http://prices.internal{address.path}"}


def test_it_goes_through_the_proxy_of_the_environment(behind_a_proxy: dict[str, str]) -> None:
    """With every stream: a request of its own way out would be cut off."""
    config = {"provider": behind_a_proxy, "stock_ticker": "AAPL", "start_date": "2025-11-24"}
    out = read(config, now=NOW, streams=STREAMS)
    assert (out.error, out.exit_code) == (None, 0)
    assert len(out.rows("stock_prices")) > 200 and out.rows("dividends")


def test_it_leaves_the_proxy_out_where_it_is_told_to(
    behind_a_proxy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says that it cannot reach the host, which is none."""
    monkeypatch.setenv("NO_PROXY", "prices.internal")
    config = {"provider": behind_a_proxy, "stock_ticker": "AAPL"}
    out = read(config, now=NOW)
    assert out.error and "cannot be reached at http://prices.internal" in out.error["message"]


@pytest.mark.parametrize(
    "address",
    ["http://user:{}@127.0.0.1:1", "http://user:{}@127.0.0.1:99999", "user:{}@127.0.0.1:1", "http://user:{}#?/@x:1"],
)
def test_it_shows_no_password_of_a_proxy(
    address: str, behind_a_proxy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens the way out of the company for whoever reads the log."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, address.format(PASSWORD))
    out = read({"provider": behind_a_proxy, "stock_ticker": "AAPL"}, now=NOW)
    assert out.error and "Massive" in out.error["message"]
    assert [*leaks(PASSWORD, out.text)] == []


def test_it_shows_no_password_that_the_proxy_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its page that asks for one."""
    with Liar(response(f"<p>user {PASSWORD} may not pass</p>".encode(), 407)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://user:{quote(PASSWORD)}@{urlsplit(proxy.url).netloc}")
        provider = {"name": "massive", "api_key": "k3y+t/est==", "base_url": "http://10.255.255.1"}
        out = read({"provider": provider, "stock_ticker": "AAPL"}, now=NOW)
    assert out.error and "user **** may not pass" in out.error["message"]
