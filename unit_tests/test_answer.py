"""An answer is decoded once, and the values in it are read one way."""

from __future__ import annotations

import gc
import weakref
from datetime import date
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import orjson
import pendulum
import pytest
import requests
from hypothesis import assume, example, given
from hypothesis import strategies as st

from source_stock_prices.providers import answer
from source_stock_prices.providers.answer import Answer, calendar_day, new_york_day, number, on_host, text_at, trim


def answered(body: bytes) -> Answer:
    """An answer of no vendor in particular."""
    return Answer(200, {}, "https://api.example/bars", body)


def test_it_is_the_same_answer_each_time() -> None:
    """What several parts of the connector read of one response is decoded for all of them."""
    response = requests.Response()
    response.status_code, response._content, response.url = 404, b'{"a": 1}', "https://api.example/x?y=1%202&z="
    response.headers["retry-after"] = "5"
    found = Answer.of(response)
    assert Answer.of(response) is found
    assert (found.status, found.json, found.text) == (404, {"a": 1}, '{"a": 1}')
    assert (found.address, found.params) == ("https://api.example/x", {"y": "1 2"})
    assert found.retry_after == 5


def test_it_lives_no_longer_than_its_response() -> None:
    """A body of the whole market is megabytes: it must be free at once, not when the garbage collector comes by."""
    response = requests.Response()
    response._content = b"[]"
    ended = weakref.ref(Answer.of(response))
    gc.disable()
    try:
        del response
        assert ended() is None
    finally:
        gc.enable()


def test_it_has_parts_with_a_status_of_their_own() -> None:
    """An answer about several tickers may refuse one of them; what it cannot say itself is quoted from the whole."""
    whole = answered(b'{"A": {"code": 404}}')
    part = whole.part(whole.json["A"], 404)
    assert (part.status, part.json, part.text, part.url) == (404, {"code": 404}, whole.text, whole.url)


@pytest.mark.parametrize("body", [b'["a"]', b'"a"', b"null", b"no JSON", b"{}", b'{"a": null}'])
def test_it_has_nothing_under_a_key_of_what_is_no_object(body: bytes) -> None:
    """Refusals come in every shape, and are asked for the same keys."""
    assert answered(body).get("a") is None
    assert answered(body).text_at("a") == ""


@pytest.mark.parametrize(
    ("value", "read"),
    [(None, None), (0, 0), (-3, -3), (1.5, 1.5), ("1.5", 1.5), ("1e3", 1000.0), (1.12117471e08, 112117471)],
)
def test_it_reads_numbers_and_numbers_in_quotes(value: Any, read: float | None) -> None:
    """Vendors send both, in every notation that JSON has."""
    assert number(value) == read


@pytest.mark.parametrize(
    "value", [True, False, "", "abc", "NaN", "inf", float("nan"), float("inf"), [], [1], {}, b"1", "12,5"]
)
def test_it_refuses_what_is_no_number(value: Any) -> None:
    """True is 1 to Python, NaN is a number to none: either would reach a table."""
    with pytest.raises((TypeError, ValueError)):
        number(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_it_leaves_a_number_as_it_is(value: float) -> None:
    """A price goes through unrounded; a whole number is a float too, as every number of a column."""
    assume(abs(value) < 2**1023)
    assert number(value) == float(value)
    assert type(number(value)) is float


@given(st.text(), st.integers(min_value=1, max_value=300))
def test_it_trims_any_text_to_one_short_line(text: str, length: int) -> None:
    """What a vendor says may be a web page; what a person reads is a sentence."""
    line = trim(text, length)
    assert len(line) <= length
    assert len(line.splitlines()) <= 1
    assert trim(line, length) == line


def test_it_marks_what_it_cut() -> None:
    """A sentence that ends mid-word without a sign reads as the vendor's mistake."""
    assert trim("a" * 200) == "a" * 200
    assert trim("a" * 201) == "a" * 199 + "…"


EPOCHS = st.integers(min_value=0, max_value=4_102_444_800_000)  # 1970 to 2100


@given(EPOCHS)
@example(1602705600000)  # 16:00 on 2020-10-14, as the end of a window
@example(1672722000000)  # midnight, in winter
@example(1672721999999)
@example(1112587200000)  # midnight, in summer
@example(1112587199999)
@example(1741503600000)  # 2025-03-09, the clocks go forward at two
@example(1741507199999)
@example(1741507200000)
@example(1762063200000)  # 2025-11-02, the clocks go back at two
@example(1762059599999)
def test_it_takes_the_day_in_new_york(epoch_ms: int) -> None:
    """A bar belongs to the exchange's day, in summer and in winter, wherever the connector runs."""
    assert new_york_day(epoch_ms) == pendulum.from_timestamp(epoch_ms / 1000, tz="America/New_York").date()


@pytest.mark.parametrize(
    "label", ["2023-01-03T00:00:00.000Z", "2023-01-03T00:00:00+00:00", "2023-01-03T23:59:59-05:00", "2023-01-03"]
)
def test_it_takes_a_labelled_day_as_it_is(label: str) -> None:
    """Midnight UTC converted to New York would be the evening before."""
    assert calendar_day(label) == date(2023, 1, 3)


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("https://api.example/v2/x?cursor=a%3D", "https://api.example/base/v2/x?cursor=a%3D"),
        ("https://elsewhere.example/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("https://api.example/base/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("https://api.example/basement/x?cursor=a", "https://api.example/base/basement/x?cursor=a"),
        ("//elsewhere.example/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
        ("/v2/x?cursor=a", "https://api.example/base/v2/x?cursor=a"),
    ],
)
def test_it_moves_a_link_to_its_own_host(link: str, moved: str) -> None:
    """The cursor is the vendor's, the host and the path before the API's own are the config's."""
    assert on_host("https://api.example/base", link) == moved


@pytest.mark.parametrize(
    "link", [".evil.example/x", "evil.example/x", "@evil.example/x", ":8443/x", "https:.evil.example/x", "x"]
)
def test_it_moves_a_malformed_link_to_its_own_host_too(link: str) -> None:
    """Appended as it stands, such a link would make another host of ours, and the key would follow."""
    assert urlsplit(on_host("https://api.example", link)).netloc == "api.example"


def test_it_decodes_a_body_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`problem`, `parse` and `next_request` all read it, and a full history is megabytes."""
    decoded: list[bytes] = []

    def loads(content: bytes) -> Any:
        decoded.append(content)
        return orjson.loads(content)

    monkeypatch.setattr(answer, "orjson", SimpleNamespace(loads=loads, JSONDecodeError=orjson.JSONDecodeError))
    for body in (b'{"a": 1}', b"no JSON"):
        one = answered(body)
        assert one.json is one.json
    assert answered(b"[]").json == []
    assert decoded == [b'{"a": 1}', b"no JSON", b"[]"]


@pytest.mark.parametrize("large", [0, answer.LARGE_BODY])
@pytest.mark.parametrize("body", [b"<", b"<html>", b'{"a":', b"\xff\xfe", b"NaN", b"[" * 2000])
def test_it_decodes_what_is_no_json_to_nothing(monkeypatch: pytest.MonkeyPatch, body: bytes, large: int) -> None:
    """Plain text and web pages are answers to classify, never a stack trace."""
    monkeypatch.setattr(answer, "LARGE_BODY", large)
    assert answered(body).json is None
    assert answered(b"").json is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    )
)
def test_it_decodes_a_large_body_like_a_small_one(content: Any) -> None:
    """One decoder spares memory, and one spares time."""
    body = orjson.dumps(content)
    small = answered(body).json
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer, "LARGE_BODY", len(body))
        patch.setattr(answer, "orjson", None)
        assert repr(answered(body).json) == repr(small)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "a", "message": "b"}, "a"),
        ({"message": "b"}, "b"),
        ({"error": "", "message": "b"}, "b"),
        ({"error": {"code": 1}, "message": "b"}, "b"),
        ({"error": None}, ""),
        (["error"], ""),
        ("error", ""),
        (None, ""),
    ],
)
def test_it_finds_the_vendors_words(body: Any, text: str) -> None:
    """They stand under one key or another, in bodies of any shape."""
    assert text_at(body, "error", "message") == text


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("Sat, 21 Nov 2026 04:59:59 GMT", date(2026, 11, 20)),
        ("Sat, 21 Nov 2026 05:00:00 GMT", date(2026, 11, 21)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("noon", None),
        ("", None),
    ],
)
def test_it_has_the_day_in_new_york_on_which_it_was_sent(said: str, day: date | None) -> None:
    """By the vendor's clock, which is not ours."""
    assert Answer(200, {"Date": said}, "https://api.example/bars", b"").sent_on == day
