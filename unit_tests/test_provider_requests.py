"""What each vendor is asked: the window, the next page, the reference; and that the key stays where it belongs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from urllib.parse import quote

import pytest

from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import Request
from unit_tests.vendor_cases import FILES, KEYS, Case, answer, cases, each, every_provider, is_secret, query_of


@each("requests")
def test_it_asks_the_vendor_for_the_window(case: Case) -> None:
    """What a query looks like on one vendor's wire is the first half of a translation."""
    expected = Request(case.data["url"], case.data["params"], case.data["headers"])
    assert case.provider.request(case.query) == expected


@every_provider
def test_it_never_asks_for_several_tickers_where_a_vendor_takes_one(provider: type[Provider]) -> None:
    """Two tickers with a comma between would be one that nobody knows."""
    if provider.tickers_per_request > 1 or provider.calls_by_date:
        return
    file = FILES[provider.name]
    query = query_of(file, {"query": {"tickers": ["AAPL", "MSFT"]}})
    with pytest.raises(KeyError, match="ticker"):
        provider(**file["settings"]).request(query)


@each("references")
def test_it_asks_the_vendor_whether_it_knows_a_ticker(case: Case) -> None:
    """Where an empty list of bars says nothing about the ticker, another request has to."""
    data = case.data
    expected = Request(data["url"], data["params"], data["headers"]) if data["url"] else None
    assert case.provider.reference_request(data["ticker"]) == expected


@each("responses", "bars")
def test_it_asks_for_the_next_page(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is not followed is history that is silently missing; the key is sent again, in its own place."""
    for name, value in case.data.get("constants", {}).items():
        monkeypatch.setattr(inspect.getmodule(type(case.provider)), name, value)
    expected = case.data.get("next")
    found = case.provider.next_request(answer(case))
    if expected is None:
        assert found is None
    else:
        assert found == Request(expected["url"], expected["params"], case.provider.request(case.query).headers)


def keys_of(provider: Provider) -> list[str]:
    return [getattr(provider, field.name) for field in fields(provider) if is_secret(field)]


def sent(case: Case) -> Iterator[Request]:
    """Every request that the case leads to."""
    if "bars" in case.data:
        found = case.provider.next_request(answer(case))
    elif "ticker" in case.data:
        found = case.provider.reference_request(case.data["ticker"])
    else:
        found = case.provider.request(case.query)
    if found:
        yield found


@pytest.mark.parametrize("section", KEYS)
def test_it_sends_the_key_once_and_never_in_the_path(section: str) -> None:
    """A URL ends up in logs: a vendor that takes a header gets no query parameter beside it."""
    for case in cases(section):
        for request in sent(case):
            for key in keys_of(case.provider):
                assert not any(secret in request.url for secret in (key, quote(key), quote(key, safe="")))
                places = [any(key in value for value in place.values()) for place in (request.headers, request.params)]
                assert sum(places) == 1


@pytest.mark.parametrize("section", KEYS)
def test_it_never_sends_the_key_to_a_foreign_host(section: str) -> None:
    """A base URL may be a proxy, and a vendor's links name the vendor: they are followed on the host of the config."""
    for case in cases(section):
        for request in sent(case):
            assert request.url.startswith(case.provider.base_url + "/")


@pytest.mark.parametrize("section", KEYS)
def test_it_keeps_the_key_out_of_its_repr(section: str) -> None:
    """`check` prints the repr of what fails."""
    for case in cases(section):
        assert not any(key in repr(case.provider) for key in keys_of(case.provider))
