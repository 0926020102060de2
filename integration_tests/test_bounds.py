"""Responses that no vendor should send: each ends in a sentence about the vendor, soon and in little memory."""

from __future__ import annotations

import copy
import errno
import gzip
import json
import os
import tracemalloc
from collections.abc import Iterable, Iterator
from multiprocessing.dummy import DummyProcess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_tests.conftest import DRAWN, end_of_workers
from integration_tests.front_door import Output, check, read
from integration_tests.liar import Liar, Parts, chunked, response
from integration_tests.scenario import FRIDAY_EVENING, VENDORS
from source_stock_prices import bounds
from source_stock_prices.errors import SHORTAGES
from source_stock_prices.providers import PROVIDERS
from unit_tests.vendor_cases import FILES

STREAMS = ("stock_prices", "stock_splits", "dividends", "tickers")
DEEP = 100_000
DIGITS = "9" * 5000
LONG = "x" * 60_000

HEADERS = [
    {"Retry_After": value}
    for value in (
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
        "Mon, 99 Jan 2024 99:99:99 GMT",
        "-1",
        DIGITS,
        "1e999",
        "nan",
        "\xa0",
        LONG,
    )
]
HEADERS += [{"Date": header["Retry_After"], "X_RateLimit_Reset": "1"} for header in HEADERS]
HEADERS += [
    {"X_RateLimit_Reset": value, "Date": "Fri, 20 Nov 2026 21:00:00 GMT"} for value in (DIGITS, "inf", "nan", "-1", "x")
]
HEADERS += [
    {"Location": value}
    for value in (
        "http://[evil",
        "http://" + "a" * 5000,
        "//",
        "http://host:99999999/",
        "javascript:x",
        "\xff",
        "/",
        LONG,
    )
]
HEADERS += [
    {"Content_Type": "text/html; charset=" + LONG},
    {"Content_Encoding": "gzip"},
    {"Content_Encoding": "gzip, deflate, gzip, deflate, gzip, gzip, gzip"},
    {"Content_Length": "-5"},
    {"Content_Length": DIGITS},
    {"Content_Length": "5, 6"},
    {"Set_Cookie": "a=b; expires=Mon, 01 Jan 99999999 00:00:00 GMT; Max-Age=" + DIGITS},
    {"Link": "<http://[evil>; rel=next"},
]
"""Beside a number of bytes that fits, whatever the status."""

BODIES = {
    "nothing": b"",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"results":' * DEEP + b"1" + b"}" * DEEP,
    "deep lists, larger": b"[" * (1 << 20),
    "long number": b"[" + DIGITS.encode() + b"]",
    "long number, larger": b"[" + DIGITS.encode() * 300 + b"]",
    "long numbers in rows": json.dumps({"results": [{"t": DIGITS, "c": DIGITS, "T": DIGITS}]}).encode(),
    "numbers beyond all": b'{"status":"OK","resultsCount":1,"results":[{"t":1e400,"c":1e400,"T":"AAPL"}]}',
    "long text": json.dumps({"error": "no " * 500_000}).encode(),
    "no text": bytes(range(256)) * 10,
    "half a surrogate": b'{"error":"\\ud800","status":"\\ud800"}',
    "a null": b"null",
    "rows that are none": b'{"status":"OK","resultsCount":4,"results":[5,null,["A"],{"a":1}]}',
    "rows that are a text": b'{"status":"OK","resultsCount":4,"results":"AAPL"}',
    "rows that are a number": b'{"status":"OK","resultsCount":4,"results":7,"next_url":"http://[evil"}',
}

FRAMINGS: dict[str, Parts] = {
    "negative chunk": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk of minus one": chunked(b"-1\r\nhello\r\n0\r\n\r\n"),
    "chunk of no number": chunked(b"zz\r\nhello\r\n0\r\n\r\n"),
    "chunk beyond all": chunked(b"f" * 400 + b"\r\nhello"),
    "chunk without an end": chunked(b"1" * 200_000),
    "trailers": chunked(b"0\r\n" + b"A: b\r\n" * 1000),
    "nothing at all": (b"",),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n",),
    "status of no number": (b"HTTP/1.1 abc OK\r\n\r\n",),
    "status beyond all": (b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n",),
    "status of zero": (b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n",),
    "long header": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",),
    "header without a name": (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",),
}


def ask(url: str, vendor: str = "massive", ticker: str = "AAPL", streams: tuple[str, ...] = STREAMS[:1]) -> Output:
    """What a sync says to a vendor at an address."""
    provider = {"name": vendor, "api_key": "k3y+t/est==", "base_url": url}
    if vendor == "alpaca":
        provider["api_secret"] = "s3cr3t+/=="
    return read({"provider": provider, "stock_ticker": ticker}, now=FRIDAY_EVENING, streams=streams)


def is_explained(output: Output, vendor: str = "massive") -> bool:
    """Whether a sync ended well, or with a sentence of the table about this vendor."""
    assert "Something went wrong" not in output.text
    if output.exit_code == 0:
        return output.error is None
    return bool(output.error and PROVIDERS[vendor].title in output.error["message"])


@pytest.mark.parametrize("status", [302, 429])
@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(headers)[:50])
def test_it_explains_a_response_with_headers_out_of_any_range(headers: dict[str, str], status: int) -> None:
    """What is computed from a header is computed from what a stranger wrote."""
    vendor = "alpaca" if "X_RateLimit_Reset" in headers else "massive"
    with Liar(response(b"{}", status, **headers)) as liar:
        assert is_explained(ask(liar.url, vendor), vendor)


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("body", BODIES)
def test_it_explains_a_response_with_a_body_that_no_vendor_sends(body: str, status: int) -> None:
    """With every stream: events are read by the CDK."""
    with Liar(response(BODIES[body], status)) as liar:
        assert is_explained(ask(liar.url, streams=STREAMS))
        assert is_explained(ask(liar.url, ticker="*"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_explains_what_no_vendor_sends_whoever_should_have_sent_it(vendor: str) -> None:
    """Each reads its responses in its own way."""
    for name in ("deep lists", "long numbers in rows", "rows that are none", "half a surrogate"):
        with Liar(response(BODIES[name])) as liar:
            assert is_explained(ask(liar.url, vendor), vendor)


LITERALS = [
    *("NaN", "-Infinity", "1e400", "-0", "01", "1e-5000", "9223372036854775808", "253402300800000", "5e-324"),
    *('"nan"', '"1e400"', '"\\ud800"', '"a\\u0000b"', '"2026-02-30"', '"0000-00-00"', '"99999-01-01"', '"1:0"', '""'),
    *("null", "true", "{}", "[]", "[null]", '{"a":1,"a":2}', '{"":""}', '"http://[evil"', '"{{ 1/0 }}"', '"*"'),
    *(DIGITS, f'"{DIGITS}"', f'"{LONG}"', "[" * DEEP + "]" * DEEP),
]
"""JSON, or what passes for it, in the place of a value."""

RESPONSES = {vendor: [case["body"] for case in FILES[vendor]["responses"] if case.get("body")] for vendor in VENDORS}
"""What each vendor sends, as its own tests have it."""

PLACEHOLDER = "in the place of a value"


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each list or object within a value, with the keys of what it holds."""
    keys: Iterable[Any] = ()
    if isinstance(value, dict | list):
        keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        yield from places(value[key])


@given(st.data(), st.sampled_from(sorted(RESPONSES)), st.sampled_from([200, 200, 400, 429, 503]))
@settings(DRAWN, max_examples=DRAWN.max_examples * 5)
def test_it_explains_an_odd_value_in_what_a_vendor_sends(data: st.DataObject, vendor: str, status: int) -> None:
    """Wherever it stands: what is read of a response is read in a hundred places."""
    body = copy.deepcopy(data.draw(st.sampled_from(RESPONSES[vendor])))
    odd = data.draw(st.sampled_from(LITERALS))
    found = [*places(body)]
    if found:
        holder, key = data.draw(st.sampled_from(found))
        holder[key] = PLACEHOLDER
    text = json.dumps(body).replace(f'"{PLACEHOLDER}"', odd)
    with Liar(response(text.encode(), status)) as liar:
        assert is_explained(ask(liar.url, vendor), vendor)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_it_explains_a_response_that_is_hardly_one(framing: str) -> None:
    """A proxy that is broken, or another service on the same port."""
    with Liar(FRAMINGS[framing]) as liar:
        assert is_explained(ask(liar.url))


@pytest.mark.parametrize("url", ["http://" + "a" * 5000, "https://a..b", "https://" + "a" * 70 + ".b"])
def test_it_explains_an_address_that_is_none(url: str) -> None:
    """urllib3 raises what requests does not know."""
    output = ask(url)
    assert is_explained(output)
    assert output.exit_code == 1


@pytest.mark.parametrize("row", [5, None, ["A"], {"a": 1}])
def test_it_explains_a_row_of_the_market_whose_ticker_is_none(row: Any) -> None:
    """It is cleaned outside of what parses it."""
    rows = [{"T": ticker, "t": 1795208400000, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1} for ticker in ("AAPL", row)]
    with Liar(response(json.dumps({"status": "OK", "resultsCount": 2, "results": rows}).encode())) as liar:
        assert is_explained(ask(liar.url, ticker="*"))


ZEROS = gzip.compress(bytes(20_000_000))
BOMBS: dict[str, tuple[Parts, bytes]] = {
    "compressed": (response(ZEROS, Content_Encoding="gzip"), b""),
    "compressed twice": (response(gzip.compress(ZEROS), Content_Encoding="gzip, gzip"), b""),
    "compressed redirect": (response(ZEROS, 302, Content_Encoding="gzip", Location="http://127.0.0.1:1/"), b""),
    "endless": ((b"HTTP/1.1 200 OK\r\n\r\n",), b" " * (1 << 16)),
    "endless chunks": (chunked(b""), b"10000\r\n" + b" " * (1 << 16) + b"\r\n"),
    "endless chunk of minus one": (chunked(b"-1\r\n"), b" " * (1 << 16)),
    "endless refusal": ((b"HTTP/1.1 500 No\r\n\r\n",), b" " * (1 << 16)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_it_reads_no_more_of_a_body_than_it_may_hold(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that sends without an end would take all memory there is."""
    monkeypatch.setattr(bounds, "MAX_BYTES", 2_000_000)
    parts, drip = BOMBS[bomb]
    with Liar(parts, drip=drip) as liar:
        tracemalloc.start()
        output = ask(liar.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert output.error and "larger than 2 MB" in output.error["message"]
    assert output.error["failure_type"] == "system_error"
    assert peak < 16_000_000


def test_it_decodes_no_more_values_than_a_body_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list takes three bytes to send and sixty to keep."""
    monkeypatch.setattr("source_stock_prices.providers.answer.MAX_VALUES", 100_000)
    body = b'{"status":"OK","results":[' + b"[]," * 500_000 + b"[]]}"
    with Liar(response(body)) as liar:
        tracemalloc.start()
        output = ask(liar.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert is_explained(output)
    assert output.exit_code == 1
    assert peak < 12_000_000


DRIPS: dict[str, tuple[Parts, bytes]] = {
    "body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",), b" "),
    "body without a length": ((b"HTTP/1.1 200 OK\r\n\r\n",), b" "),
    "chunks": (chunked(b""), b"1\r\n \r\n"),
    "chunk length": (chunked(b""), b"0"),
    "status": ((b"HTTP/1.1 200 ",), b"O"),
    "headers": ((b"HTTP/1.1 200 OK\r\nA: ",), b"b"),
    "continue": ((), b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_it_waits_only_so_long_for_a_whole_response(
    drip: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """A byte now and then would hold a sync for ever. After the deadline it is tried again, as after any time-out."""
    monkeypatch.setattr(bounds, "MAX_SECONDS", 0.3)
    monkeypatch.setattr("source_stock_prices.http.MAX_TRIES", 2)
    parts, byte = DRIPS[drip]
    with Liar(parts, drip=byte) as liar:
        output = ask(liar.url)
        assert liar.requests == 2
    assert output.error and "no complete response within" in output.error["message"]
    assert output.error["failure_type"] == "transient_error"
    assert waits


def test_it_counts_the_time_of_each_response_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of a whole sync, nor that of a connection, which is used again."""
    monkeypatch.setattr(bounds, "MAX_SECONDS", 5)
    with Liar(response(b"[]"), keeps_open=True) as liar:
        output = ask(liar.url, "tiingo", ", ".join(f"T{letter}" for letter in "ABCDEFGH"))
        assert output.exit_code == 0
        assert liar.requests == 8
        assert liar.connections <= 5
    end_of_workers()
    assert not bounds.DEADLINE._in_use


@pytest.mark.parametrize("number", SHORTAGES)
def test_it_does_not_blame_the_vendor_for_what_the_machine_lacks(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads that the vendor cannot be reached looks in the wrong place."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("socket.socket.connect", fail)
    output = ask("http://127.0.0.1:9")
    assert output.error and os.strerror(number) in output.error["message"]
    assert "is not the cause" in output.error["message"]
    assert output.error["message"].endswith(SHORTAGES[number])


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EMFILE, "Too many open files")])
def test_it_says_what_the_machine_lacked_while_an_answer_was_read(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of time zones, for one, is opened there."""
    provider = PROVIDERS["massive"]

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(provider, "parse", fail)
    good = json.dumps({"status": "OK", "resultsCount": 1, "results": [{}]}).encode()
    with Liar(response(good)) as liar:
        output = ask(liar.url)
    assert output.error and "is not the cause" in output.error["message"]


def test_it_says_that_there_are_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's pool then fails at ending the threads it has, and its error is about that."""
    start, started = DummyProcess.start, []

    def start_one(thread: DummyProcess) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(DummyProcess, "start", start_one)
    output = ask("http://127.0.0.1:9")
    assert output.error and "can't start new thread" in output.error["message"]
    assert "is not the cause" in output.error["message"]
    started[0].name = "of a pool that nobody can end"  # or else each later test would wait for it


def test_it_explains_a_check_of_such_a_vendor() -> None:
    """A person looks at the screen."""
    provider = {"name": "massive", "api_key": "k3y+t/est=="}
    for parts in (
        response(b"", 302, Location="http://[evil"),
        chunked(b"-5\r\nhello\r\n"),
        response(BODIES["deep lists"]),
    ):
        with Liar(parts) as liar:
            output = check({"provider": {**provider, "base_url": liar.url}, "stock_ticker": "AAPL"}, now=FRIDAY_EVENING)
        assert output.connection["status"] == "FAILED"
        assert "Massive" in output.connection["message"]
