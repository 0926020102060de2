"""An answer of a vendor, decoded once, and how the values in it are read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import (
    date,
    datetime,
    timedelta,
    timezone,
)
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import orjson
from pydantic_core import from_json
from requests import Response

from source_stock_prices.providers.terms import MISREAD
from source_stock_prices.secrecy import mask

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

LARGE_BODY = 1 << 20
"""Bytes of a body from which on memory counts more than time."""

MAX_VALUES = 5_000_000
"""What a body may hold of values: each takes many times its bytes. A day of the whole market has a million."""

LONGEST_WAIT = 10**9
"""Seconds, some 30 years, from which on a wait is a slip of the vendor."""

QUOTED_BYTES = 2000
"""How much of a body is kept as text: enough to quote."""

MARGIN = 4000
"""How much more of a text is looked at, so that a key is known that stands where the text is cut."""


class Answer:
    """What a vendor answered. `url` is the one that was asked, with its query."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        url: str,
        content: bytes,
    ) -> None:
        self.status = status
        self.headers = headers
        self.url = url
        self.content = content

    @classmethod
    def of(cls, response: Response) -> Answer:
        """The answer in a response: the same one each time, so that a body is decoded once."""
        answer: Answer | None = getattr(response, "answer", None)
        if answer is None:
            answer = cls(
                response.status_code,
                response.headers,
                response.url or "",
                response.content,
            )
            response.answer = answer  # type: ignore[attr-defined]
        return answer

    def part(self, body: Any, status: int) -> Answer:
        """One ticker's part of an answer about several, as an answer with a status of its own."""
        part = Answer(status, self.headers, self.url, self.content)
        part.json = body
        return part

    @cached_property
    def json(self) -> Any:
        """The decoded body; None where it is not JSON, or has more values than MAX_VALUES."""
        try:
            if len(self.content) >= LARGE_BODY:
                if sum(map(self.content.count, (b",", b"[", b"{"))) > MAX_VALUES:
                    return None
                # orjson takes half the time, but holds a tree of the body too: 5 MB for a day of the whole market.
                return from_json(self.content, allow_inf_nan=False)
            return orjson.loads(self.content)
        except ValueError:
            return None

    @cached_property
    def params(self) -> Mapping[str, str]:
        """The parameters that it was asked with, the key among them where the vendor takes it there."""
        query = urlsplit(self.url).query
        return dict(parse_qsl(query))

    @property
    def address(self) -> str:
        """The URL that was asked, without its query."""
        return self.url.partition("?")[0]

    @property
    def text(self) -> str:
        """The start of the body as text, without the key. It never guesses an encoding: that takes seconds on a large
        body.
        """
        start = self.content[: QUOTED_BYTES + MARGIN]
        return mask(start.decode(errors="replace"))[:QUOTED_BYTES]

    @property
    def sent_at(self) -> float | None:
        """The vendor's clock in epoch seconds; None where it does not say."""
        return _epoch(self.headers.get("Date", ""))

    @property
    def sent_on(self) -> date | None:
        """The day in New York by the vendor's clock; None where that says nothing, or what cannot be."""
        try:
            day = new_york_day(int(self.sent_at or 0) * 1000)
        except OverflowError:
            return None
        return day if day.year > EPOCH.year else None

    @property
    def retry_after(self) -> float | None:
        """Seconds of a Retry-After header in either of its forms; None where it is absent, past or unreadable."""
        value = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}", value):
            return float(value) or None
        until = _epoch(value)
        return None if until is None else self.seconds_until(until)

    def seconds_until(self, epoch: float | str) -> float | None:
        """Seconds until a moment in epoch seconds, by the vendor's clock; None where it is past or one is not told.

        Moments more than LONGEST_WAIT away are none.
        """
        now = self.sent_at
        try:
            until = float(epoch)
        except MISREAD:
            return None
        if now is None or not now < until < now + LONGEST_WAIT:
            return None
        return until - now

    def get(self, key: str) -> Any:
        """What the body has under a key; None where it is no JSON object or lacks the key."""
        if not isinstance(self.json, dict):
            return None
        return self.json.get(key)

    def text_at(self, *keys: str) -> str:
        """The first text that the body has under one of the keys, else an empty one."""
        return text_at(self.json, *keys)


def _epoch(value: str) -> float | None:
    """A date of an HTTP header in epoch seconds; None for what is no date, or one that no calendar has."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (*MISREAD, OSError):
        return None


def text_at(body: Any, *keys: str) -> str:
    """The first text that a JSON object has under one of the keys, else an empty one."""
    if not isinstance(body, dict):
        return ""
    for key in keys:
        value = body.get(key)
        if value and isinstance(value, str):
            return value
    return ""


def trim(text: str, length: int = 200) -> str:
    """A text on one line, without the key, cut to a length a person reads."""
    start = mask(text[: length * 10 + MARGIN])
    words = start[: length * 10].split()
    line = " ".join(words)
    if len(line) <= length:
        return line
    return line[: length - 1] + "…"


def number(value: Any) -> float | None:
    """A finite JSON number, or one written as text, as a float: 100 and 100.0 are one type to who reads the records.

    None for null. Raises OverflowError, TypeError or ValueError for all else.
    """
    if value is None:
        return None
    if type(value) is int or type(value) is str:
        value = float(value)
    if type(value) is not float or not isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return value


NUMBERS = {int, float}
"""The types that JSON numbers are decoded to."""


NUMBERS_OR_NULL = {int, float, type(None)}


def numbers(values: Collection[Any]) -> Iterable[float | None]:
    """Each value as `number` gives it, in one step where all of them are JSON numbers or null."""
    if NUMBERS_OR_NULL.issuperset(map(type, values)):
        return [None if value is None else value * 1.0 for value in values]
    return map(number, values)


def calendar_day(text: str) -> date:
    """The date of a label such as 2023-01-03T00:00:00.000Z: a calendar day, never converted between zones."""
    day = text[:10]
    return date.fromisoformat(day)


def oldest_day(rows: Iterable[Any], field: str) -> date | None:
    """The first of the days that rows have under a field, as far as they can be read; None where none can."""
    days = []
    for row in rows:
        try:
            days.append(calendar_day(row[field]))
        except MISREAD:
            continue
    return min(days, default=None)


@lru_cache(maxsize=20_000)
def new_york_day(epoch_ms: int) -> date:
    """The calendar day in New York of a moment in epoch milliseconds. Raises OverflowError beyond the year 9999."""
    zone = ZoneInfo("America/New_York")
    moment = EPOCH + timedelta(milliseconds=epoch_ms)
    return moment.astimezone(zone).date()


def on_host(base_url: str, link: str) -> str:
    """A link from an answer, moved to our own base URL, so that the key never follows it to a foreign host."""
    if link.startswith(base_url + "/"):
        return link
    parts = urlsplit(link)
    path = parts.path.lstrip("/")
    return f"{base_url}/{path}?{parts.query}"
