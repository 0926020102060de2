"""What can still be read of a row that is not as its vendor writes it: a row costs a row, an odd field a field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from source_stock_prices.providers.answer import number
from source_stock_prices.providers.terms import MISREAD, Fields

NO_OBJECT = "a row that is not an object"
NO_TICKER = "a row without a ticker"
NO_DATE = "a row without a date"
NO_CLOSE = "no closing price"
NO_BAR = "a row that cannot be read"
NOT_A_NUMBER = "is not a number"
MISSING = "is missing"


class Loss(NamedTuple):
    """What a row cost, in the order of the arguments of `Drop`: the row or, with a `field`, only this field of it."""

    ticker: str
    day: date | None
    reason: str
    field: str = ""


class Mended(NamedTuple):
    """A row in which every number can be read, and the reason for each field of a bar that is None now."""

    row: Mapping[str, Any]
    reasons: Mapping[str, str]


def mend(row: Mapping[str, Any], fields: Fields, optional: Container[str]) -> Mended | None:
    """A row with None for each field beside the close that is no number; None where there is no close.

    Fields that are `optional` may be absent, which is no reason to speak of.
    """
    if not is_number(row.get(fields.close)):
        return None
    mended = dict(row)
    reasons = {}
    for field, name in zip(fields._fields, fields, strict=True):
        if name is None:
            continue
        if name not in row and name in optional:
            mended[name] = None
        elif name not in row:
            reasons[field] = MISSING
        elif row[name] is not None and not is_number(row[name]):
            reasons[field] = NOT_A_NUMBER
        if field in reasons:
            mended[name] = None
    return Mended(mended, reasons)


def is_number(value: Any) -> bool:
    """Whether a value is a JSON number, or one written as text."""
    try:
        return number(value) is not None
    except MISREAD:
        return False


def check(losses: Sequence[Loss], rows: int) -> None:
    """Raises ValueError where so much of an answer cannot be read that it is not what was expected.

    That is where more than half of its rows are lost, or lack the same field: it has another name now.
    """
    lost = [loss.reason for loss in losses if not loss.field]
    if 2 * len(lost) > rows:
        raise ValueError(f"{lost[0]} ({len(lost)} of {rows} rows)")
    missing = Counter(loss.field for loss in losses if loss.reason == MISSING)
    for field, count in missing.items():
        if 2 * count > rows:
            raise ValueError(f"{field} is missing in {count} of {rows} rows")
