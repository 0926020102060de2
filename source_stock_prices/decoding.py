"""Pure. What a text says once its escapes, its base64 or its hexadecimal digits, for some, are decoded.

Of each decoded character it is known from where in the text it was read.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from html.entities import html5
from itertools import accumulate
from typing import NamedTuple

MAX_STEPS = 8
"""How often escapes are decoded. Percent signs and ampersands that were encoded again and again need one step."""

ESCAPE = re.compile(
    r"""
      %(?:25){0,20}u(?P<wide>[0-9a-f]{4})                     # %u002b
    | %(?:25){0,20}(?P<percent>[0-9a-f]{2})                   # %2B, %252b
    | &(?:amp;){0,9}\#x0{0,9}(?P<entity>[0-9a-f]{1,5});?      # &#x2b;
    | \\\\{0,15}(?-i:U)(?P<longest>[0-9a-f]{8})               # \U0000002b
    | \\\\{0,15}u(?P<long>[0-9a-f]{4})                        # \u002b
    | \\\\{0,15}u\{0{0,9}(?P<braced>[0-9a-f]{1,5})\}          # \u{2b}
    | \\\\{0,15}x(?P<short>[0-9a-f]{2})                       # \x2b
    | \\\\{0,15}(?P<octal>[0-3][0-7]{2})                      # \053
    | &(?:amp;){0,9}\#0{0,9}(?P<decimal>[0-9]{1,6});?         # &#43;
    | &(?:amp;){0,9}(?P<name>[a-z][a-z0-9]{1,30};)            # &plus;
    | \\\\{0,15}(?P<itself>["'/])                             # \"
    | \\(?=\\)                                                # a backslash that is written twice
    """,
    re.IGNORECASE | re.VERBOSE,
)

MARKS = "%&\\"
"""How escapes begin."""

BREAK = re.compile(
    r"""
      \r\s* | \n\s* | \0\s* | \\\\{0,14}[nrt0]\s*         # the end of a line, and how the next one is indented
    | \u00ad | \u200b | \u200c | \u200d | \u2060 | \ufeff  # what has no width
    """,
    re.VERBOSE,
)
"""What a page has within a word that is too long for a line, and UTF-16 between letters.

Every alternative begins with a character, not with a set: so each is found in a tenth of the time.
"""

TAG = re.compile("</?[a-z][a-z0-9]{0,9}(?: [^<>]{0,200})?/?>", re.IGNORECASE)
"""The same, as a page has it: <wbr>, </b>. Within a tag, a key can be, too."""

NUMBER = re.compile("[0-9]+")

BASES = {"octal": 8, "decimal": 10}
"""In which numbers are written, but for those in hexadecimal."""

LAST_CHARACTER = 0x10FFFF

STANDARD = str.maketrans("-_", "+/")
"""From the alphabet of base64 in URLs to the usual one."""

PRINTABLE = bytes(code if 32 <= code < 127 else 10 for code in range(256))
"""Of decoded bytes, the characters that a key can have. All others are a line break."""

END = "\x1e"
"""After what belongs together. It is in no key, and no break."""

Span = tuple[int, int]
"""Where something stands in a text: the first character, and the one after the last."""


class Reading:
    """A text as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def span(self, at: int) -> Span:
        """From where in the text as it was a character of this one was read."""
        return at, at + 1


class Piece(NamedTuple):
    """A part of a decoded text. `source` gives the span in the encoded text from which a character of it was read."""

    size: int
    source: Callable[[int], Span]


class Decoded(Reading):
    """What another reading says. Of which pieces it is made is found out when somebody asks for a span: few do."""

    def __init__(self, encoded: Reading, text: str, pieces: Iterable[Piece]) -> None:
        super().__init__(text)
        self._encoded = encoded
        self._rest = pieces

    @cached_property
    def _pieces(self) -> list[Piece]:
        return [*self._rest]

    @cached_property
    def _ends(self) -> list[int]:
        return [*accumulate(piece.size for piece in self._pieces)]

    def span(self, at: int) -> Span:
        index = bisect_right(self._ends, at)
        piece = self._pieces[index]
        within = at - self._ends[index] + piece.size
        begin, end = piece.source(within)
        first, last = self._encoded.span(begin), self._encoded.span(end - 1)
        return first[0], last[1]


def steps(text: str | Reading) -> Iterator[Reading]:
    """A text as it is, and after each step of decoding the escapes in it."""
    reading = Reading(text) if isinstance(text, str) else text
    yield reading
    for _ in range(MAX_STEPS):
        decoded = _unescaped(reading)
        if decoded.text == reading.text:
            return
        reading = decoded
        yield reading


def joined(reading: Reading) -> Iterator[Reading]:
    """A text without its breaks, and then without its tags: what stands around one stands side by side."""
    for between in (BREAK, TAG):
        text = between.sub("", reading.text)
        if text != reading.text:
            reading = Decoded(reading, text, _around(between, reading.text))
            yield reading


def _around(between: re.Pattern[str], text: str) -> Iterator[Piece]:
    done = 0
    for match in between.finditer(text):
        yield Piece(match.start() - done, partial(_as_it_is, done))
        done = match.end()
    yield Piece(len(text) - done, partial(_as_it_is, done))


def _unescaped(reading: Reading) -> Reading:
    """A text with the escapes in it decoded, once."""
    if not any(mark in reading.text for mark in MARKS):
        return reading
    text = ESCAPE.sub(_character, reading.text)
    return Decoded(reading, text, _between_and_in_escapes(reading.text))


def _between_and_in_escapes(text: str) -> Iterator[Piece]:
    done = 0
    for match in ESCAPE.finditer(text):
        begin, end = match.span()
        yield Piece(begin - done, partial(_as_it_is, done))
        yield Piece(len(_character(match)), partial(_whole, match.span()))
        done = end
    yield Piece(len(text) - done, partial(_as_it_is, done))


def _as_it_is(begin: int, at: int) -> Span:
    return begin + at, begin + at + 1


def _whole(escape: Span, _: int) -> Span:
    return escape


def _character(match: re.Match[str]) -> str:
    """What an escape stands for; itself where that is nothing."""
    kind = match.lastgroup
    if kind is None:
        return ""
    written = match[kind]
    if kind == "itself":
        return written
    if kind == "name":
        return html5.get(written) or html5.get(written.lower()) or match[0]
    code = int(written, BASES.get(kind, 16))
    return chr(code) if code <= LAST_CHARACTER else match[0]


class Alphabet(NamedTuple):
    """Letters that spell bytes. Each has so many `bits`, and a `group` of letters is a number of whole bytes."""

    bits: int
    group: int
    decode: Callable[[str], bytes]


def _base64(letters: str) -> bytes:
    return binascii.a2b_base64(letters.translate(STANDARD))


def _base32(letters: str) -> bytes:
    return b32decode(letters, casefold=True)


BASE64 = Alphabet(6, 4, _base64)
BASE32 = Alphabet(5, 8, _base32)


def from_letters(alphabet: Alphabet, reading: Reading, words: Iterable[Span]) -> Reading:
    """What stands in some words of an alphabet, wherever in a word it begins; a line for each word and beginning."""
    lines = []
    pieces = []
    for begin, end in words:
        letters = reading.text[begin:end]
        for shift in range(alphabet.group):
            content = _bytes(alphabet, "A" * shift + letters)
            line = _line(content)
            lines.append(line)
            source = partial(_of_letters, alphabet.bits, (begin, end), shift)
            pieces.append(Piece(len(line), source))
    return Decoded(reading, "".join(lines), pieces)


def _bytes(alphabet: Alphabet, letters: str) -> bytes:
    """The bytes that letters stand for, without those to which some letters are missing. An A is a zero."""
    padding = "A" * (-len(letters) % alphabet.group)
    content = alphabet.decode(letters + padding)
    return content[: len(letters) * alphabet.bits // 8]


def _of_letters(bits: int, word: Span, shift: int, at: int) -> Span:
    """The letters that hold bits of a byte. Those before a word, as many as it is shifted, were made up."""
    begin, end = word
    origin = begin - shift
    first = max(origin + at * 8 // bits, begin)
    last = max(origin + (at * 8 + 7) // bits, begin)
    return first, min(last + 1, end)


def from_hexadecimal(reading: Reading, words: Iterable[Span]) -> Reading:
    """What stands in some words as hexadecimal digits, from the first digit on and from the second; a line for each."""
    text = reading.text
    lines = []
    pieces = []
    for word in words:
        digits = [at for at in range(*word) if text[at].isalnum()]
        for skipped in range(2):
            highs, lows = digits[skipped::2], digits[skipped + 1 :: 2]
            pairs = [*zip(highs, lows, strict=False)]
            written = [text[high] + text[low] for high, low in pairs]
            content = bytes.fromhex("".join(written))
            line = _line(content)
            lines.append(line)
            source = partial(_of_pair, pairs)
            pieces.append(Piece(len(line), source))
    return Decoded(reading, "".join(lines), pieces)


def _of_pair(pairs: list[Span], at: int) -> Span:
    index = min(at, len(pairs) - 1)  # after the last one is a line break
    high, low = pairs[index]
    return high, low + 1


def from_numbers(reading: Reading, lists: Iterable[Span]) -> Reading:
    """What stands in some lists of numbers, as programs print bytes; a line for each list."""
    lines = []
    pieces = []
    for numbers in lists:
        found = [*NUMBER.finditer(reading.text, *numbers)]
        content = bytes(min(int(number[0]), 255) for number in found)
        line = _line(content)
        lines.append(line)
        source = partial(_of_number, [number.span() for number in found])
        pieces.append(Piece(len(line), source))
    return Decoded(reading, "".join(lines), pieces)


def _of_number(spans: list[Span], at: int) -> Span:
    index = min(at, len(spans) - 1)
    return spans[index]


def _line(content: bytes) -> str:
    return content.translate(PRINTABLE).decode("ascii") + END
