"""No output shows a key, in whatever way the vendor, a page or a program writes it; and nothing else is masked."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from source_stock_prices import secrecy
from source_stock_prices.secrecy import Door, guard, mask, mask_line, mask_records

KEY = "k3y+t/est==Q9"


def each(write: Callable[[str], str]) -> Callable[[str], str]:
    """Every character written in a way of its own."""
    return lambda text: "".join(map(write, text))


def odd(write: Callable[[str], str]) -> Callable[[str], str]:
    """The same, but for letters and digits."""
    return each(lambda character: character if character.isalnum() else write(character))


def within_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def lower_escapes(text: str) -> str:
    return odd(lambda character: quote(character, safe="").lower())(text)


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent": lambda text: quote(text, safe=""),
    "percent in lower case": lower_escapes,
    "percent but for /": quote,
    "percent in a form": quote_plus,
    "percent, every character": each(lambda character: f"%{ord(character):02X}"),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent four times": lambda text: quote(quote(quote(quote(text)))),
    "%u": odd(lambda character: f"%u{ord(character):04x}"),
    "a page": html.escape,
    "a page twice": lambda text: html.escape(html.escape(text)),
    "decimal entities": odd(lambda character: f"&#{ord(character)};"),
    "decimal entities, every character": each(lambda character: f"&#{ord(character):04};"),
    "hexadecimal entities": odd(lambda character: f"&#x{ord(character):x};"),
    "hexadecimal entities in upper case": each(lambda character: f"&#X{ord(character):04X};"),
    "entities of entities": odd(lambda character: f"&amp;#{ord(character)};"),
    "entities of percent": lambda text: quote(text, safe="").replace("%", "&#37;"),
    "\\u": odd(lambda character: f"\\u{ord(character):04x}"),
    "\\u, every character": each(lambda character: f"\\u{ord(character):04X}"),
    "\\x": each(lambda character: f"\\x{ord(character):02x}"),
    "octal": odd(lambda character: f"\\{ord(character):03o}"),
    "JSON": within_json,
    "JSON twice": lambda text: within_json(within_json(text)),
    "JSON with \\/": lambda text: text.replace("/", "\\/"),
    "repr": lambda text: repr(text)[1:-1],
    "repr in JSON": lambda text: within_json(repr(text)[1:-1]),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in upper case": lambda text: text.encode().hex().upper(),
    "hexadecimal with colons": lambda text: text.encode().hex(":"),
    "a list of bytes": lambda text: " ".join(str(code) for code in text.encode()),
    "a list of bytes in JSON": lambda text: json.dumps([*text.encode()])[1:-1],
    "a letter a line": lambda text: "\n".join(text),
    "indented lines": lambda text: "\r\n    ".join(text),
    "nothing between letters": lambda text: "\u200b".join(text),
    "entities between letters": lambda text: "&shy;".join(text),
    "tags between letters": lambda text: "<wbr>".join(text),
    "a tag around each letter": each(lambda character: f'<b class="x">{character}</b>'),
    "backwards": lambda text: text[::-1],
    "backwards in percent": lambda text: quote(text[::-1], safe=""),
    "full width": each(lambda character: chr(ord(character) + 0xFEE0)),
    "entities of full width": each(lambda character: f"&#{ord(character) + 0xFEE0};"),
    "UTF-16": lambda text: text.encode("utf-16-le").decode(),
}
"""How a key can be written so that each character of it is written for itself."""


def base64_of(padding: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> Callable[[str], str]:
    return lambda text: encode(f"{padding}{text}".encode()).decode()


def base32_of(padding: str) -> Callable[[str], str]:
    return lambda text: base64.b32encode(f"{padding}{text}".encode()).decode()


RUNS: Mapping[str, Callable[[str], str]] = {
    "base64": base64_of(""),
    "base64 after a character": base64_of(":"),
    "base64 after two": base64_of("u:"),
    "base64 in URLs": base64_of("", base64.urlsafe_b64encode),
    "base64 in URLs after a character": base64_of(":", base64.urlsafe_b64encode),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 in lines": lambda text: "\n".join(re.findall(".{1,5}", base64_of("")(text))),
    "base32": base32_of(""),
    "base32 after a character": base32_of(":"),
    "base32 in lower case": lambda text: base32_of("u:")(text).lower(),
    "base64 of base32": lambda text: base64_of("u:")(base32_of("")(text)),
    "base64 backwards": lambda text: base64_of("")(text[::-1]),
    "base64 of percent": lambda text: base64_of("")(quote(text, safe="")),
    "base64 of base64": lambda text: base64_of("u:")(base64_of("")(text)),
    "percent of base64": lambda text: quote(base64_of("")(text), safe=""),
    "hexadecimal of base64": lambda text: base64_of("")(text).encode().hex(),
}
"""How a key can be written so that a character depends on its neighbours."""


def leaks(key: str, text: str) -> Iterator[str]:
    """The spellings in which a text has eight characters of a key in a row."""
    lowered = text.lower()
    fragments = [key[start : start + 8] for start in range(len(key) - 7)]
    for name, spell in SPELLINGS.items():
        spelled = [form for fragment in fragments for form in (spell(fragment), within_json(spell(fragment)))]
        if any(form.lower() in lowered for form in spelled):
            yield name
    for run in re.findall("[A-Za-z0-9+/_-]{10,}", text):
        for shift in range(4):
            letters = "A" * shift + run.translate(str.maketrans("-_", "+/"))
            content = base64.b64decode(letters + "A" * (-len(letters) % 4))[: len(letters) * 3 // 4]
            if any(fragment.encode() in content for fragment in fragments):
                yield "base64"
    for run in re.findall("[A-Z2-7]{12,}", text.upper()):
        for shift in range(8):
            letters = "A" * shift + run
            content = base64.b32decode(letters + "A" * (-len(letters) % 8))[: len(letters) * 5 // 8]
            if any(fragment.encode() in content for fragment in fragments):
                yield "base32"


SPELLED = SPELLINGS | RUNS


def as_line(message: str) -> str:
    return json.dumps({"type": "LOG", "log": {"message": message}}, separators=(",", ":"))


ASCII = st.characters(min_codepoint=33, max_codepoint=126)
KEYS = st.text(ASCII, min_size=8, max_size=64)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(KEYS, st.sampled_from(sorted(SPELLED)), WORDS, WORDS)
def test_it_masks_a_key_however_it_is_written(key: str, spelling: str, before: str, after: str) -> None:
    """A URL, a form, a page, a body and a log each write some characters otherwise, one inside another."""
    guard([key])
    said = f"{before} {SPELLED[spelling](key)} {after}"
    assert list(leaks(key, mask(said))) == []
    assume(not [*leaks(key, as_line(""))])  # a key may also be what each line begins with
    line = mask_line(as_line(said))
    assert list(leaks(key, line)) == []
    assert set(json.loads(line)) == {"type", "log"}


@pytest.mark.parametrize("spelling", SPELLED)
def test_it_leaves_what_stands_around_a_key(spelling: str) -> None:
    """A person reads what the vendor said. Of base64, no more is masked than spells the key."""
    guard([KEY])
    said = f"The key <{SPELLED[spelling](KEY)}> is no test key."
    before, _, after = mask(said).partition("****")
    assert before.startswith("The key <") and after.endswith("> is no test key.")


@given(st.integers(0, 40), st.sampled_from(sorted(SPELLED)))
def test_it_masks_what_is_left_of_a_key_that_was_cut(length: int, spelling: str) -> None:
    """By a vendor, or a proxy. Eight characters in a row are the least that is masked."""
    guard([KEY])
    assert list(leaks(KEY, mask(SPELLED[spelling](KEY)[:length]))) == []
    assert list(leaks(KEY, mask(SPELLED[spelling](KEY)[length:]))) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Test the est. of k3y types: a key is a test+key, 100% = all of it.",
        "https://example.com/a/test/est?t=k3y&test=%20&est==",
        "Something unavailable happened (HTTP 503); wait until 12:00:00 UTC.",
        "Internationalization of AAPL, BRK.B, 7203.T and US0378331005: MFZWKLLCMFZWK, tse/t+y.",
        "ｋ３ｙ ＋ ｔ／ｅｓｔ: ａ ｋｅｙ, ② of ½ ™",
    ],
)
def test_it_eats_no_words(sentence: str) -> None:
    """A part of a key that is a word of the language says nothing of the key."""
    guard([KEY])
    assert mask(sentence) == sentence


def test_it_masks_a_short_key_where_it_stands_by_itself() -> None:
    """As a part of other words it would be eaten out of them."""
    guard(["tester"])
    assert mask("tester, Tester: (tester) %74ester. Testers and mytester") == (
        "****, ****: (****) ****. Testers and mytester"
    )


@pytest.mark.parametrize("key", ["", "k", "demo", "tests"])
def test_it_masks_no_key_that_is_too_short_to_be_one(key: str) -> None:
    """It would be in every second word, and the config is refused for it."""
    guard([key])
    assert mask("k demo tests") == "k demo tests"


def test_it_keeps_numbers_and_its_own_names() -> None:
    """A key of digits is in many a number, and a record without its fields is lost."""
    guard(["12345678", "provider-key"])
    line = '{"provider":{"volume":12345678,"said":"12345678"},"AAPL":"provider-key"}'
    assert mask_line(line) == '{"provider":{"volume":12345678,"said":"****"},"AAPL":"****"}'
    records = [{"volume": 12345678, "name": "Inc. 12345678", "x": None}, {"volume": 1, "name": "Inc.", "x": None}]
    assert list(mask_records(records)) == [records[0] | {"name": "Inc. ****"}, records[1]]
    assert list(mask_records(records[1:])) == records[1:]


@pytest.mark.parametrize("end", ["", "x", "25", "\\"])
@pytest.mark.parametrize(
    "run",
    ["%25", "&amp;", "&#", "&#0", "\\", "A", "a&", "\\u{0", "k3y+", "6b", "\r\n ", "<b ", "107 ", "a", ": ", "IFAUC"],
)
def test_it_takes_long_runs_of_escapes(run: str, end: str) -> None:
    """A page may hold megabytes of them, and masking it takes no longer for that."""
    guard([KEY])
    mask(f"{run * 100_000}{end}")


def test_it_masks_all_that_is_written_to_a_stream() -> None:
    """What bypasses the log, such as a traceback or a warning of Python, goes this way, too."""
    guard([KEY])
    out = io.StringIO()
    door = cast(io.StringIO, Door(out))
    print(f"Traceback: {KEY}", file=door)
    door.writelines([f"{quote(KEY)}\n", json.dumps({"said": f"{KEY}\n"}) + "\n"])
    assert door.getvalue() == 'Traceback: ****\n****\n{"said":"****\\n"}\n'


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"api_key": " s3cr3t\n"}, ["s3cr3t"]),
        ({"provider": {"name": "x", "api_key": "a", "api_secret": "b", "base_url": "https://x"}}, ["a", "b", "", ""]),
        ({"provider": {"apiKey": 7}, "Token": "t", "password": "p"}, ["7", "t", "p"]),
        ({"base_url": "https://user:pa//ss@host"}, ["user:pa//ss", "pa//ss"]),
        ({"stock_ticker": "AAPL"}, []),
        ([], []),
        (None, []),
    ],
)
def test_it_finds_the_keys_of_a_config_that_may_be_wrong(config: object, found: list[str]) -> None:
    """The sentence about a wrong config quotes it, and a key under a misspelled name is one."""
    assert list(secrecy.found_in(config)) == found


@given(st.text(max_size=60) | st.text("%25&#amp;x0u\\{}/=abcdef\"'", max_size=60))
def test_it_takes_any_text(text: str) -> None:
    """What is no escape, or none that stands for anything, is left as it is."""
    guard(["correct horse battery staple"])
    assert mask(text) == text
