"""The keys that no output may show. What spells a part of one is masked, in whatever way it is written.

A text is compared with the keys as it is, and again after each step of decoding. What is masked is the place in the
text itself that a part of a key was read from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain, islice
from math import ceil
from typing import Any, NamedTuple, TextIO
from unicodedata import normalize
from urllib.request import getproxies

from source_stock_prices.decoding import (
    BASE32,
    BASE64,
    END,
    Reading,
    Span,
    from_hexadecimal,
    from_letters,
    from_numbers,
    joined,
    steps,
)

MASK = "****"

FRAGMENT = 8
"""Characters of a key in a row from which on they are masked."""

SHORTEST = 6
"""Characters of the shortest key. A shorter text is no vendor's, and masking it would eat the words of a sentence. A
key of fewer than FRAGMENT is masked only where it stands by itself."""

PIECE = 4
"""Characters of a key that are looked for first: the search for them takes next to no time."""

MAX_DEPTH = 2
"""How often base64, for one, is looked for within what it stood for."""

BATCH = 500
"""Records that are looked at together."""

SETTING = re.compile("key|secret|token|passw", re.IGNORECASE)
"""The names of settings that hold a key, misspelled ones included: `apiKey`."""

OUR_NAME = re.compile("[a-z_A-Z]+[a-z]")
"""How names in messages and records are written. Tickers are not."""

STATE = '{"type":"STATE"'
"""How the line of a state begins."""


PRINTABLE_BASE64 = "[ACDI-Za-f][AC-HQS-Xgi-nwyz0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
"""Four letters of base64 that stand for three characters of ASCII, or for zeros, tabs and line breaks among them."""

PRINTABLE_HEXADECIMAL = "[02-7][0-9a-f][ :-]?"

LAST_VARIANT = 0x1FFFF
"""The last of the characters that are a letter or a digit in another shape."""


class Encoding(NamedTuple):
    """A way to write bytes in words. Only words are decoded in which something `likely` is found."""

    decode: Callable[[Reading, Sequence[Span]], Reading]
    words: re.Pattern[str]
    likely: re.Pattern[str]


class Secrets:
    """The keys to mask. A text of fewer characters than `shortest` has none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = [secret for secret in secrets if len(secret) >= SHORTEST]
        self.secrets = tuple(dict.fromkeys(long_enough))
        self.have_backslashes = "\\" in "".join(self.secrets)
        """In JSON, a backslash of a key may stand beside that of an escape, and cannot be told from it."""
        patterns: set[str] = set()
        pieces: set[str] = set()
        self.shortest = FRAGMENT
        for form in self._forms():
            if len(form) >= FRAGMENT:
                patterns.update(map(re.escape, _parts(form, FRAGMENT)))
                pieces.update(_parts(form, PIECE, PIECE))
            elif len(form) >= SHORTEST:
                patterns.add(_by_itself(form))
                pieces.add(form)
                self.shortest = min(self.shortest, len(form))
        self._pieces = tuple(pieces)
        self._part = re.compile("|".join(sorted(patterns)))
        self._encodings = encodings(self.shortest)

    def _forms(self) -> set[str]:
        """The keys, backwards as well, and what a reader would make of one that has an escape in it."""
        backwards = [secret[::-1] for secret in self.secrets]
        forms = set()
        for secret in (*self.secrets, *backwards):
            for step in steps(secret):
                forms.add(_folded(step.text))
        return forms

    def spans(self, text: str | Reading, depth: int) -> Iterator[Span]:
        """Where parts of a key were read from. To a depth, they are looked for within what encodes bytes, too."""
        readings = [*steps(text)]
        if depth:
            readings += joined(readings[-1])
        for reading in readings:
            for begin, end in self._found(_folded(reading.text)):
                first, last = reading.span(begin), reading.span(end - 1)
                yield first[0], last[1]
            if depth:
                for inner in self._bytes(reading):
                    yield from self.spans(inner, depth - 1)

    def _bytes(self, reading: Reading) -> Iterator[Reading]:
        """What bytes stand for that are written in a text."""
        text = reading.text
        for decode, words, likely in self._encodings:
            found = [word.span() for word in words.finditer(text)]
            spans = [span for span in found if likely.search(text, *span)]
            if spans:
                yield decode(reading, spans)

    def _found(self, folded: str) -> Iterator[Span]:
        """The parts of keys in a text, each at least once.

        Of any eight characters in a row, four that begin at a multiple of four are one of the pieces.
        """
        for piece in self._pieces:
            at = folded.find(piece)
            while at >= 0:
                earliest = max(at + PIECE - FRAGMENT, 0)
                for start in range(earliest, at + 1):
                    match = self._part.match(folded, start)
                    if match:
                        yield match.span()
                at = folded.find(piece, at + 1)


def encodings(size: int) -> tuple[Encoding, ...]:
    """How so many bytes, or more, can be written. That `words` are of one set of characters makes them fast to find."""
    base64 = Encoding(
        partial(from_letters, BASE64),
        re.compile(f"[A-Za-z0-9+/_-]{{{ceil(size * 8 / 6)},}}"),
        re.compile(f"(?:{PRINTABLE_BASE64}){{{(size - 2) // 3}}}"),  # wherever the bytes begin, so many are whole
    )
    letters = ceil(size * 8 / 5)
    base32 = Encoding(
        partial(from_letters, BASE32),
        re.compile(f"[A-Za-z2-7]{{{letters},}}"),
        re.compile(f"[A-Z2-7]{{{letters}}}|[a-z2-7]{{{letters}}}"),
    )
    hexadecimal = Encoding(
        from_hexadecimal,
        re.compile(f"[0-9A-Fa-f :-]{{{2 * size},}}"),
        re.compile(f"(?:{PRINTABLE_HEXADECIMAL}){{{size}}}", re.IGNORECASE),
    )
    numbers = Encoding(
        from_numbers,
        re.compile(f"[0-9 ,]{{{3 * size - 1},}}"),
        re.compile(f"[0-9]{{2,3}}(?:[ ,]{{1,2}}[0-9]{{2,3}}){{{size - 1}}}"),
    )
    return base64, base32, hexadecimal, numbers


_secrets = Secrets(())


def guard(secrets: Iterable[str]) -> None:
    """From now on these keys are masked, the passwords of the proxies in the environment, and no others."""
    global _secrets
    proxies = getproxies().values()
    passwords = chain.from_iterable(map(_login, proxies))
    found = Secrets([*secrets, *passwords])
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
            yield from _login(value)


def _login(address: str) -> tuple[str, str]:
    """The user with the password in an address, and the password; both are empty where there is none."""
    host = address.partition("//")[2] or address
    user = host.rpartition("@")[0]
    return user, user.partition(":")[2]


def mask(text: str, depth: int = MAX_DEPTH) -> str:
    """A text without any part of a key. Do this before a text is cut: half an escape cannot be decoded.

    With a `depth` of 0 neither base64 nor hexadecimal is looked for.
    """
    if not _secrets.secrets or len(text) < _secrets.shortest:
        return text
    masked = ""
    done = 0
    for begin, end in _joined(_secrets.spans(text, depth)):
        masked += text[done:begin] + MASK
        done = end
    return masked + text[done:]


def mask_line(line: str) -> str:
    """A line of output without any part of a key. One that is JSON still is: texts in it are masked one by one.

    A state is as long as all tickers together, and is made of tickers, days and prints: nothing in it is encoded.
    """
    depth = 0 if line.startswith(STATE) else MAX_DEPTH
    masked = mask(line, depth)
    if masked == line and not _secrets.have_backslashes:
        return line
    try:
        message = json.loads(line)
    except ValueError:
        return masked
    if masked == line and _masked(message) == message:
        return line
    end = "\n" if line.endswith("\n") else ""
    return json.dumps(_masked(message), separators=(",", ":")) + end


def mask_records(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Records whose texts are masked. Many are looked at together: a look at each takes longer than writing it."""
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        values = chain.from_iterable(data.values() for data in batch)
        texts = {value for value in values if type(value) is str}
        together = END.join(texts)
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


def _parts(text: str, size: int, step: int = 1) -> Iterator[str]:
    """The parts of a text that have a size and begin at a multiple of a step."""
    for begin in range(0, len(text) - size + 1, step):
        yield text[begin : begin + size]


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
        return {_masked_name(name): _masked(each) for name, each in value.items()}
    return value


def _masked_name(name: str) -> str:
    return name if OUR_NAME.fullmatch(name) else mask(name)


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in order, those that touch as one."""
    begin = end = -1
    for next_begin, next_end in sorted(spans):
        if next_begin > end:
            if end >= 0:
                yield begin, end
            begin = next_begin
        end = max(end, next_end)
    if end >= 0:
        yield begin, end


def _folded(text: str) -> str:
    """A text as it is compared: letters in any case and shape, and the plus sign as the space that it is in a form.

    It stays as long as it was, for which one letter has to go that becomes two.
    """
    if not text.isascii():
        text = text.replace("\u0130", "i").translate(_variants())
    return text.lower().replace("+", " ")


@cache
def _variants() -> Mapping[int, str]:
    """What Unicode has beside each character of ASCII: full-width ones, and those in circles, for two."""
    plain = {}
    for code in range(128, LAST_VARIANT):
        character = normalize("NFKC", chr(code))
        if len(character) == 1 and character.isascii():
            plain[code] = character
    return plain
