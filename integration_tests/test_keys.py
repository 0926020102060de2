"""No output of the whole program shows a key, wherever a vendor, a proxy or a library writes it and however."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from unittest import mock

import pendulum
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import MaxRetryError

from integration_tests.conftest import DRAWN, end_of_workers
from integration_tests.front_door import catalog, program
from source_stock_prices.providers import PROVIDERS
from unit_tests.test_secrecy import SPELLED, leaks

KEYS = [
    "k3y+t/est==Q9",
    "5f3c9b0e7a1d4e6f8b2c",
    "Zz9_ab-cd.EF~gh!$&'()*,;:@[]",
    "q\"u\\o'te<>&%41d",
    "Pk" + "aB3x" * 10,
]
NOW = pendulum.datetime(2026, 11, 20, 21, tz="America/New_York")
STREAMS = ("stock_prices", "dividends", "tickers", "findings")

Send = Callable[[PreparedRequest, str], Response]


def answer(status: int, body: Callable[[str], Any], headers: Mapping[str, str] = {}) -> Send:
    """An answer in which the key is written into the body and, for {}, into the headers."""

    def send(request: PreparedRequest, spelled: str) -> Response:
        content = body(spelled)
        text = content if isinstance(content, str) else json.dumps(content)
        filled = {name: value.replace("{}", spelled) for name, value in headers.items()}
        raw = HTTPResponse(io.BytesIO(text.encode()), filled, status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)  # type: ignore[no-untyped-call]

    return send


def failure(error: Callable[[str], Exception]) -> Send:
    def send(request: PreparedRequest, spelled: str) -> Response:
        raise error(spelled)

    return send


def page(spelled: str) -> str:
    return f"<html><title>Error</title><a href='/login?next=/v1?token={spelled}&x=1'>Log in</a> {spelled}</html>"


def said(spelled: str) -> Any:
    return dict.fromkeys(
        ("message", "error", "detail", "Error Message", "Information", "Note", "status"), f"Key {spelled} is odd."
    )


PLACES: Mapping[str, Send] = {
    "a page for 500": answer(500, page),
    "a page for 403": answer(403, page),
    "a page for 200": answer(200, page),
    "words for 401": answer(401, said),
    "words for 429": answer(429, said, {"Retry-After": "1"}),
    "words for 200": answer(200, said),
    "odd rows": answer(200, lambda spelled: {"results": [spelled, {"t": spelled, "c": spelled}], "data": [spelled]}),
    "a list": answer(200, lambda spelled: [spelled, {"date": spelled, "close": spelled, "symbol": spelled}]),
    "where a body is cut": answer(500, lambda spelled: "x" * 1990 + spelled),
    "where a sentence is cut": answer(500, lambda spelled: "x" * 190 + spelled),
    "a redirect": answer(302, str, {"Location": "https://{}@example.com/login?next={}"}),
    "headers": answer(503, str, {"X-Api-Key": "{}", "Retry-After": "{}", "WWW-Authenticate": 'Key "{}"'}),
    "an exception": failure(lambda spelled: exceptions.ConnectionError(f"no route to /v1?token={spelled}")),
    "an address": failure(lambda spelled: exceptions.InvalidURL(f"Invalid URL 'https:///{spelled}'")),
    "a proxy": failure(
        lambda spelled: exceptions.ProxyError(
            MaxRetryError(mock.Mock(), f"/v1?token={spelled}", OSError(f"Tunnel failed for {spelled}"))
        )
    ),
    "an error of ours": failure(lambda spelled: RuntimeError(f"unheard of: {spelled}")),
}
"""Where a key is written."""

IN_BASE_URL = {
    "its user": "https://{}@example.com",
    "its password": "https://user:{}@example.com/v1",
    "its path": "https://example.com/{}",
    "its query": "https://example.com/v1?token={}",
    "the clear": "http://example.com/{}",
}


def output(
    provider: str,
    key: str,
    spelled: str,
    place: str,
    *,
    verb: str = "read",
    debug: bool = False,
    second: bool = False,
) -> tuple[str, int]:
    """All that one command writes, errors included, and how often something was sent.

    With `second` the provider is the one that is asked for a second opinion.
    """
    block = {"name": provider, "api_key": key, "api_secret": f"{key[::-1]}"}
    if provider == "iex":
        block["base_url"] = "https://example.com/v1"
    if place in IN_BASE_URL:
        block["base_url"] = IN_BASE_URL[place].replace("{}", spelled)
    sent = []

    def send(self: Any, request: PreparedRequest, **_: Any) -> Response:
        sent.append(request.url)
        return PLACES.get(place, PLACES["words for 401"])(request, spelled)

    errors = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(errors), mock.patch.object(HTTPAdapter, "send", send):
        config, configured = Path(folder, "config.json"), Path(folder, "catalog.json")
        providers: dict[str, Any] = {"provider": {"name": "sample"}, "verify_with": block}
        if not second:
            providers = {"provider": block}
        config.write_text(json.dumps({**providers, "stock_ticker": "AAPL,MSFT"}))
        configured.write_text(json.dumps(catalog("full_refresh", STREAMS)))
        args = [verb, "--config", str(config)]
        if verb == "read":
            args += ["--catalog", str(configured)]
        if debug:
            args.append("--debug")
        text = program(*args, now=NOW).text
        end_of_workers()  # while they send to no vendor
        return text + errors.getvalue(), len(sent)


@given(
    st.sampled_from(sorted(set(PROVIDERS) - {"sample"})),
    st.sampled_from(KEYS),
    st.sampled_from(sorted(SPELLED)),
    st.sampled_from(sorted({*PLACES, *IN_BASE_URL})),
    st.sampled_from(["read", "check"]),
    st.booleans(),
    st.booleans(),
)
@settings(DRAWN, max_examples=DRAWN.max_examples * 5)
def test_it_shows_no_key(
    provider: str,
    key: str,
    spelling: str,
    place: str,
    verb: str,
    debug: bool,
    second: bool,
) -> None:
    """Logs are read by many and kept for long: whoever reads eight characters of a key knows whose it is."""
    text, sent = output(provider, key, SPELLED[spelling](key), place, verb=verb, debug=debug, second=second)
    assert text
    assert sent or place in IN_BASE_URL
    assert list(leaks(key, text)) == []
