"""Pure. What a text says once its escapes, its base64 or its hexadecimal digits are decoded.

Of each decoded character it is known from where in the text it was read.
"""

from __future__ import annotations

import binascii
import re
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

BREAK = re.compile(
    r"""
      (?:[\r\n\0]|\\{1,15}[nrt0])\s*        # the end of a line, and how the next one is indented
    | [\u00ad\u200b-\u200d\u2060\ufeff]     # what has no width
    """,
    re.VERBOSE,
)
"""What a page has within a word that is too long for a line, and UTF-16 between letters."""

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


def from_base64(reading: Reading, words: re.Pattern[str]) -> Reading:
    """What stands in some words as base64, wherever in a word it begins; a line for each word and beginning."""
    lines = []
    pieces = []
    for word in words.finditer(reading.text):
        letters = word[0].translate(STANDARD)
        for shift in range(4):
            content = _bytes("A" * shift + letters)
            line = _line(content)
            lines.append(line)
            source = partial(_of_base64, word.span(), shift)
            pieces.append(Piece(len(line), source))
    return Decoded(reading, "".join(lines), pieces)


def _bytes(letters: str) -> bytes:
    """The bytes that letters of base64 stand for, without those to which some letters are missing."""
    padding = "A" * (-len(letters) % 4)
    content = binascii.a2b_base64(letters + padding)
    return content[: len(letters) * 3 // 4]


def _of_base64(word: Span, shift: int, at: int) -> Span:
    """Three bytes are four letters. The letters before a word, as many as it is shifted, were made up."""
    begin, end = word
    origin = begin - shift
    first = max(origin + at * 4 // 3, begin)
    last = max(origin + (at * 4 + 3) // 3, begin)
    return first, min(last + 1, end)


def from_hexadecimal(reading: Reading, words: re.Pattern[str]) -> Reading:
    """What stands in some words as hexadecimal digits, from the first digit on and from the second; a line for each."""
    text = reading.text
    lines = []
    pieces = []
    for word in words.finditer(text):
        places = range(*word.span())
        digits = [at for at in places if text[at].isalnum()]
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


def from_numbers(reading: Reading, lists: re.Pattern[str]) -> Reading:
    """What stands in some lists of numbers, as programs print bytes; a line for each list."""
    lines = []
    pieces = []
    for numbers in lists.finditer(reading.text):
        found = [*NUMBER.finditer(reading.text, *numbers.span())]
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
