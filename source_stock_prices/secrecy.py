"""The keys that no output may show. What spells a part of one is masked, in whatever way it is written.

A text is compared with the keys as it is, and again after each step of decoding: escapes of URLs, pages, JSON and
Python, then base64 and hexadecimal. What is masked is the place in the text itself that a part of a key was read from.
"""

from __future__ import annotations

import binascii
import json
import re
from bisect import bisect_right
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from html.entities import html5
from itertools import accumulate, islice
from typing import (
    Any,
    NamedTuple,
    TextIO,
    TypeVar,
)

T = TypeVar("T")

MASK = "****"

FRAGMENT = 8
"""Characters of a key in a row from which on they are masked."""

SHORTEST = 6
"""Characters of the shortest key. A shorter text is no vendor's, and masking it would eat the words of a sentence. A
key of fewer than FRAGMENT is masked only where it stands by itself."""

PIECE = 4
"""Characters of a key that are looked for first: the search for them takes next to no time."""

MAX_STEPS = 8
"""How often a text is decoded. Percent signs and ampersands that were encoded again and again need one step."""

MAX_DEPTH = 2
"""How often base64 or hexadecimal is looked for within what it stood for."""

BATCH = 500
"""Records that are looked at together."""

SETTING = re.compile("key|secret|token|passw", re.IGNORECASE)
"""The names of settings that hold a key, misspelled ones included: `apiKey`."""

OUR_NAME = re.compile("[a-z_A-Z]+[a-z]")
"""How names in messages and records are written. Tickers are not."""

STATE = '{"type":"STATE"'
"""How the line of a state begins."""

ESCAPE = re.compile(
    r"""
      %(?:25){0,20}u([0-9a-f]{4})                   # 1: %u002b
    | %(?:25){0,20}([0-9a-f]{2})                    # 2: %2B, %252b
    | &(?:amp;){0,9}\#x0{0,9}([0-9a-f]{1,5});?      # 3: &#x2b;
    | \\\\{0,15}(?-i:U)([0-9a-f]{8})                # 4: \U0000002b
    | \\\\{0,15}u([0-9a-f]{4})                      # 5: \u002b
    | \\\\{0,15}u\{0{0,9}([0-9a-f]{1,5})\}          # 6: \u{2b}
    | \\\\{0,15}x([0-9a-f]{2})                      # 7: \x2b
    | \\\\{0,15}([0-3][0-7]{2})                     # 8: \053
    | &(?:amp;){0,9}\#0{0,9}([0-9]{1,6});?          # 9: &#43;
    | &(?:amp;){0,9}([a-z][a-z0-9]{1,30};)          # 10: &plus;
    | \\\\{0,15}(["'/])                             # 11: \"
    | \\(?=\\)                                      # a backslash that is written twice
    """,
    re.IGNORECASE | re.VERBOSE,
)

OCTAL, DECIMAL, NAME, ITSELF = 8, 9, 10, 11
"""The groups of ESCAPE that are no hexadecimal number."""

STANDARD = str.maketrans("-_", "+/")
"""From the alphabet of base64 in URLs to the usual one."""

PRINTABLE = bytes(code if 32 <= code < 127 else 10 for code in range(256))
"""Of decoded bytes, the characters that a key can have. All others are a line break."""

Place = tuple[int, int]
"""Where something was read from: the first character in the text as it was, and the one after the last."""


class Reading(NamedTuple):
    """A text as it was decoded. `place` says from where a character of it was read in the text as it was."""

    text: str
    place: Callable[[int], Place]


class Secrets:
    """The keys to mask. A text of fewer characters than `shortest` has none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = tuple(dict.fromkeys(secret for secret in secrets if len(secret) >= SHORTEST))
        forms = {_folded(step.text) for secret in self.secrets for step in _steps(_whole(secret))}
        patterns: set[str] = set()
        pieces: set[str] = set()
        self.shortest = FRAGMENT
        for form in forms:
            if len(form) >= FRAGMENT:
                patterns |= {re.escape(form[at : at + FRAGMENT]) for at in range(len(form) - FRAGMENT + 1)}
                pieces |= {form[at : at + PIECE] for at in range(0, len(form) - PIECE + 1, PIECE)}
            elif len(form) >= SHORTEST:
                patterns.add(_by_itself(form))
                pieces.add(form)
                self.shortest = min(self.shortest, len(form))
        self._pieces = tuple(pieces)
        self._part = re.compile(f"(?=({'|'.join(sorted(patterns))}))")
        self._base64 = re.compile(rf"[A-Za-z0-9+/_-]{{{self.shortest * 4 // 3},}}")
        pairs = rf"[0-9a-f]{{2}}(?:[ :-]?[0-9a-f]{{2}}){{{self.shortest - 1},}}"
        self._hexadecimal = re.compile(f"{pairs}[0-9a-f]?", re.IGNORECASE)  # one digit is over where it was cut

    def places(self, reading: Reading, depth: int) -> Iterator[Place]:
        """Where parts of a key were read from."""
        for step in _steps(reading):
            folded = _folded(step.text)
            for match in self._parts(folded):
                begin, end = match.span(1)
                yield step.place(begin)[0], step.place(end - 1)[1]
            if depth:
                for inner in (self._from_base64(step), self._from_hexadecimal(step)):
                    if inner:
                        yield from self.places(inner, depth - 1)

    def _parts(self, folded: str) -> Iterator[re.Match[str]]:
        """The parts of keys in a text, each at least once.

        Of any eight characters in a row, four that begin at a multiple of four are one of the pieces.
        """
        for piece in self._pieces:
            at = folded.find(piece)
            while at >= 0:
                for start in range(max(at - FRAGMENT + PIECE, 0), at + 1):
                    match = self._part.match(folded, start)
                    if match:
                        yield match
                at = folded.find(piece, at + 1)

    def _from_base64(self, reading: Reading) -> Reading | None:
        """All that stands in a text as base64, wherever it begins in a word, one after the other."""
        runs: list[tuple[str, Place]] = []
        for match in self._base64.finditer(reading.text):
            letters = match[0].translate(STANDARD)
            for shift in range(4):
                run = "A" * shift + letters
                content = binascii.a2b_base64(run + "A" * (-len(run) % 4))[: len(run) * 3 // 4]
                runs.append((_text(content), (match.start(), shift)))

        def place(run: Place, at: int) -> Place:
            start, shift = run
            first = max(at * 4 // 3 - shift, 0)
            last = max((at * 4 + 3) // 3 - shift, 0)
            return reading.place(start + first)[0], reading.place(start + last)[1]

        return _in_a_row(runs, place)

    def _from_hexadecimal(self, reading: Reading) -> Reading | None:
        """All that stands in a text as hexadecimal digits, one after the other."""
        runs: list[tuple[str, Sequence[int]]] = []
        for match in self._hexadecimal.finditer(reading.text):
            digits = [at for at in range(*match.span()) if reading.text[at].isalnum()]
            for skipped in range(2):
                places = digits[skipped : len(digits) - (len(digits) - skipped) % 2]
                content = bytes.fromhex("".join(reading.text[at] for at in places))
                runs.append((_text(content), places))

        def place(digits: Sequence[int], at: int) -> Place:
            high, low = digits[2 * at], digits[2 * at + 1]
            return reading.place(high)[0], reading.place(low)[1]

        return _in_a_row(runs, place)


_secrets = Secrets(())


def guard(secrets: Iterable[str]) -> None:
    """From now on these keys are masked, and no others."""
    global _secrets
    found = Secrets(secrets)
    if found.secrets != _secrets.secrets:
        _secrets = found


def guarded() -> tuple[str, ...]:
    """The keys that are masked: those that are long enough."""
    return _secrets.secrets


def found_in(config: Any) -> Iterator[str]:
    """What is, or may be meant as, a key in a config that nobody has checked yet."""
    if not isinstance(config, Mapping):
        return
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from found_in(value)
        elif SETTING.search(str(name)):
            yield str(value).strip()
        elif isinstance(value, str) and "//" in value:
            user = value.partition("//")[2].rpartition("@")[0]
            yield from (user, user.partition(":")[2])


def mask(text: str, depth: int = MAX_DEPTH) -> str:
    """A text without any part of a key. Do this before a text is cut: half an escape cannot be decoded.

    With a `depth` of 0 neither base64 nor hexadecimal is looked for.
    """
    if not _secrets.secrets or len(text) < _secrets.shortest:
        return text
    places = _secrets.places(_whole(text), depth)
    masked: list[str] = []
    done = 0
    for begin, end in _joined(places):
        masked += [text[done:begin], MASK]
        done = end
    masked.append(text[done:])
    return "".join(masked)


def mask_line(line: str) -> str:
    """A line of output without any part of a key. One that is JSON still is: texts in it are masked one by one.

    A state is as long as all tickers together, and is made of tickers, days and prints: nothing in it is encoded.
    """
    depth = 0 if line.startswith(STATE) else MAX_DEPTH
    masked = mask(line, depth)
    if masked == line:
        return line
    try:
        message = json.loads(line)
    except ValueError:
        return masked
    end = "\n" if line.endswith("\n") else ""
    return json.dumps(_masked(message), separators=(",", ":")) + end


def mask_records(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Records whose texts are masked. Many are looked at together: a look at each takes longer than writing it."""
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        texts = {value for data in batch for value in data.values() if type(value) is str}
        together = "\n".join(texts)
        is_clean = mask(together) == together
        yield from batch if is_clean else map(_masked, batch)


class Door:
    """A stream of text, such as standard output, through which no key goes. It is otherwise the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(mask_line(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _by_itself(form: str) -> str:
    """A pattern of a short key that is not a part of a word."""
    before = "(?<![a-z0-9])" if form[0].isalnum() else ""
    after = "(?![a-z0-9])" if form[-1].isalnum() else ""
    return f"{before}{re.escape(form)}{after}"


def _masked(value: Any) -> Any:
    """A JSON value whose texts are masked, but for the names in objects that are our own."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, dict):
        return {name if OUR_NAME.fullmatch(name) else mask(name): _masked(each) for name, each in value.items()}
    return value


def _joined(places: Iterable[Place]) -> Iterator[Place]:
    """Places in order, those that touch as one."""
    begin = end = -1
    for place in sorted(places):
        if place[0] > end:
            if end >= 0:
                yield begin, end
            begin = place[0]
        end = max(end, place[1])
    if end >= 0:
        yield begin, end


def _folded(text: str) -> str:
    """A text as it is compared: letters in any case, and the plus sign as the space that it is in a form.

    It stays as long as it was, for which one letter has to go that becomes two.
    """
    return text.replace("\u0130", "i").lower().replace("+", " ")


def _text(content: bytes) -> str:
    return content.translate(PRINTABLE).decode("ascii")


def _whole(text: str) -> Reading:
    return Reading(text, lambda at: (at, at + 1))


def _steps(reading: Reading) -> Iterator[Reading]:
    """A text as it is, and after each step of decoding the escapes in it."""
    yield reading
    for _ in range(MAX_STEPS):
        decoded = _decoded(reading)
        if decoded.text == reading.text:
            return
        reading = decoded
        yield reading


def _decoded(reading: Reading) -> Reading:
    """A text with the escapes in it decoded, once."""
    text = reading.text
    pieces: list[str] = []
    begins: list[int] = []
    spans: list[Place] = []
    length = done = 0
    for match in ESCAPE.finditer(text):
        begin, end = match.span()
        character = _character(match)
        length += begin - done
        begins.append(length)
        spans.append((begin, end))
        pieces += [text[done:begin], character]
        length += len(character)
        done = end
    pieces.append(text[done:])
    decoded = "".join(pieces)
    sizes = [len(piece) for piece in pieces[1::2]]

    def place(at: int) -> Place:
        index = bisect_right(begins, at) - 1
        if index < 0:
            return reading.place(at)
        begin, end = spans[index]
        beyond = at - begins[index] - sizes[index]
        if beyond < 0:
            return reading.place(begin)[0], reading.place(end - 1)[1]
        return reading.place(end + beyond)

    return Reading(decoded, place)


def _character(match: re.Match[str]) -> str:
    """What an escape stands for; itself where that is nothing."""
    group = match.lastindex
    if group is None:
        return ""
    written: str = match[group]
    if group == ITSELF:
        return written
    if group == NAME:
        return html5.get(written) or html5.get(written.lower()) or match[0]
    base = {OCTAL: 8, DECIMAL: 10}.get(group, 16)
    code = int(written, base)
    return chr(code) if code < 0x110000 else match[0]


def _in_a_row(runs: Sequence[tuple[str, T]], place_of: Callable[[T, int], Place]) -> Reading | None:
    """Runs of decoded text as one; `place_of` says where a character was read from, by its run's second part."""
    if not runs:
        return None
    begins = [0, *accumulate(len(text) + 1 for text, _ in runs)]

    def place(at: int) -> Place:
        index = bisect_right(begins, at) - 1
        text, source = runs[index]
        return place_of(source, min(at - begins[index], len(text) - 1))

    return Reading("\n".join(text for text, _ in runs), place)
