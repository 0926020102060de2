"""From the rows of an answer to the events that happened: one record for each primary key. Pure.

A vendor's list is not a table: pages overlap, one payment is listed twice, two splits share a day, and one row in a
thousand cannot be read. What a person should look at is a Finding, which names the ticker and the day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import gcd, isclose, isfinite, prod
from typing import Any, NamedTuple

from jsonschema import Draft7Validator, FormatChecker

VENDOR_ID = "vendor_id"
"""The key under which a manifest's row carries the vendor's own id of the event. It is not part of the record."""

VENDOR_TYPE = "vendor_type"
"""The key under which a manifest's row of a split carries the vendor's word for its type. Not part of the record."""

UNCONFIRMED = "is_unconfirmed"
"""The key under which a manifest's row says that its vendor lists the event before anybody knows the amount, be its
day past or not. Not part of the record."""

MOST_ROUNDED = 0.05
"""How far, relative to itself, an amount may be from the same one with more digits."""

SAME_RATIO = 0.001
"""How far apart, relatively, two ratios of one split may be: vendors round 1 for 15 to 0.0667."""

DATES_OF_A_PAYMENT = ("pay_date", "record_date", "declaration_date")

Row = dict[str, Any]


class Finding(NamedTuple):
    """Something about a ticker's event that a person should see; as text, a sentence that begins with both names."""

    ticker: str | None
    day: str | None
    what: str

    def __str__(self) -> str:
        place = " ".join(name for name in (self.ticker, self.day) if name)
        return f"{place or 'A row'}: {self.what}"


class Occurrences(NamedTuple):
    """What an answer tells: `records` by ticker, ascending, one for each primary key, and the findings.

    `doubts` are the places, `(ticker, day)`, where a row was left out. None stands for "not known": nothing may be
    concluded from the absence of a record there.
    """

    records: dict[str, list[Row]]
    findings: list[Finding]
    doubts: set[tuple[str | None, str | None]]


class Examined(NamedTuple):
    """A row that was judged by itself: `flaws` are side fields that became null, `fault` is why it cannot be used."""

    record: Row
    vendor_id: Any = None
    vendor_type: Any = None
    flaws: tuple[str, ...] = ()
    fault: str = ""
    is_announced: bool = False
    """Announced, and without an amount yet: left out, but no sign that the answer has another shape."""

    @property
    def ticker(self) -> str | None:
        return self.record.get("stock_ticker")

    @property
    def day(self) -> str | None:
        return self.record.get("date")

    def in_currency(self, default: str) -> Examined:
        """The row in a currency of its own, or else in the one that its vendor means where it names none."""
        if self.record.get("amount") is None or self.record.get("currency"):
            return self
        return self._replace(record={**self.record, "currency": default})

    @property
    def key(self) -> tuple[str | None, str | None]:
        return self.ticker, self.day


class Reader:
    """Reads the rows of one stream, which its JSON schema and primary key describe."""

    def __init__(self, schema: Mapping[str, Any], primary_key: Sequence[str]) -> None:
        self._properties: Mapping[str, Any] = schema["properties"]
        self._primary_key = tuple(primary_key)
        self._validator = Draft7Validator(schema, format_checker=FormatChecker(["date"]))
        values = [name for name in ("amount", "ratio") if name in self._properties]
        self._needed = (*self._primary_key, *values)

    def read(
        self,
        rows: Iterable[Any],
        *,
        start: date,
        end: date,
        today: date,
        answered: int = 0,
        paged: bool = False,
        listing_currency: str | None = None,
    ) -> Occurrences:
        """The events of a window, from all rows of an answer in their order.

        Each row is a mapping with the schema's fields and the ticker in our spelling (None for one that was not asked
        for). `answered` is how many rows the answer had before a manifest left some out. `paged` says that it came in
        several pages, which can overlap. In `listing_currency`, where it is known, a dividend is kept that is listed in
        two. Raises ValueError with a sentence if most rows cannot be read.
        """
        examined = [self._examine(row, today) for row in rows]
        usable = [row for row in examined if not row.fault]
        left_out = [row for row in examined if row.fault and self._is_inside(row, start, end)]
        _refuse_if_most_are_unreadable(examined, left_out, max(answered, len(examined)))

        found = Occurrences({}, [], {row.key for row in left_out})
        for row in left_out:
            found.findings.append(Finding(row.ticker, row.day, f"{row.fault}. It is left out."))

        currencies = _currencies(usable, listing_currency)
        if listing_currency:
            usable = [row.in_currency(listing_currency) for row in usable]
        inside = [row for row in _without_repeats(usable, paged) if self._is_inside(row, start, end)]
        groups = self._by_primary_key(inside)
        for key in sorted(groups):
            group = groups[key]
            ticker = str(group[0].ticker)
            record, said = _combined(group, currencies.get(ticker, []))
            flaws = [flaw for row in group for flaw in row.flaws]
            found.records.setdefault(ticker, []).append(record)
            found.findings.extend(Finding(ticker, group[0].day, what) for what in (*flaws, *said))
        for records in found.records.values():
            found.findings.extend(_of_two_kinds(records))
        return found

    def _by_primary_key(self, rows: Iterable[Examined]) -> dict[tuple[str, ...], list[Examined]]:
        groups: dict[tuple[str, ...], list[Examined]] = {}
        for row in rows:
            key = tuple(str(row.record[name]) for name in ("stock_ticker", *self._primary_key))
            groups.setdefault(key, []).append(row)
        return groups

    def _is_inside(self, row: Examined, start: date, end: date) -> bool:
        if "date" not in self._primary_key or row.day is None:
            return True
        return start.isoformat() <= row.day <= end.isoformat()

    def _examine(self, row: Any, today: date) -> Examined:
        if not isinstance(row, Mapping) or not row:
            return Examined({}, fault=f"{row!r} is not a row")
        record = {name: _cast(row.get(name), field["type"]) for name, field in self._properties.items()}
        if "cancelled" in record:
            record["cancelled"] = False
        odd = self._odd_fields(record)
        for name in odd:
            record[name] = None
        if "kind" in record and record["kind"] is None:
            record["kind"] = "unknown"
        missing = [name for name in self._needed if record[name] is None]
        fault = f"{missing[0]} is {_said(row.get(missing[0]))}" if missing else ""
        return Examined(
            record,
            vendor_id=row.get(VENDOR_ID) or None,
            vendor_type=row.get(VENDOR_TYPE) or None,
            flaws=tuple(self._flaw(name, row) for name in odd if row.get(name) is not None),
            fault=fault,
            is_announced=_is_announced(row, record, missing, today),
        )

    def _odd_fields(self, record: Row) -> list[str]:
        odd = {str(error.path[0]) for error in self._validator.iter_errors(record) if error.path}
        for name, value in record.items():
            if isinstance(value, float) and not isfinite(value):
                odd.add(name)
        if not _is_printable(record["stock_ticker"]):
            odd.add("stock_ticker")
        return sorted(odd)

    def _flaw(self, name: str, row: Mapping[str, Any]) -> str:
        instead = "unknown" if name == "kind" else "null"
        return f"{name} is {_said(row.get(name))}, which cannot be read. It is written as {instead}."


def _cast(value: Any, types: str | list[str]) -> Any:
    """A number that a vendor writes as text, and the other way round; what cannot be cast is left for the schema."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and "number" in types:
        return float(value)  # so that readers who infer types see one
    try:
        if isinstance(value, str) and "number" in types:
            return float(value)
        if isinstance(value, str) and "integer" in types:
            return int(value)
    except ValueError:
        return value
    return str(value) if is_number and "string" in types else value


def ticker_of(named: str | None, spellings: Mapping[str, str]) -> str | None:
    """The ticker that a row belongs to, in our spelling; None if it was not asked for.

    `spellings` maps the vendor's spelling of each ticker asked for to ours; it is empty for the whole market. An answer
    about one ticker need not name it, and may write it in other letters.
    """
    if not spellings:
        return named
    if len(spellings) > 1:
        return spellings.get(named or "")
    ((spelling, ticker),) = spellings.items()
    is_the_one = not named or named.upper() == spelling.upper()
    return ticker if is_the_one else None


def _said(value: Any) -> str:
    return "missing" if value is None else repr(value)[:60]


def _is_printable(ticker: Any) -> bool:
    return isinstance(ticker, str) and ticker.isprintable() and ticker == ticker.strip() != ""


def _is_announced(row: Mapping[str, Any], record: Row, missing: Sequence[str], today: date) -> bool:
    if list(missing) != ["amount"] or row.get("amount") not in (None, ""):
        return False
    if row.get(UNCONFIRMED) is True:
        return True
    return bool(record["date"] >= today.isoformat())


def _refuse_if_most_are_unreadable(examined: Sequence[Examined], left_out: Sequence[Examined], total: int) -> None:
    # Some vendors answer with a ticker's whole history, where old rows may be odd: they count as rows, but do not make
    # an answer unreadable if those in the window are fine.
    unreadable = [row for row in examined if row.fault and not row.is_announced]
    inside = [row for row in left_out if not row.is_announced]
    if inside and len(unreadable) * 2 > total:
        first = Finding(inside[0].ticker, inside[0].day, inside[0].fault)
        raise ValueError(f"{len(unreadable)} of {total} rows cannot be read. {first}")


def _without_repeats(rows: Iterable[Examined], paged: bool) -> list[Examined]:
    """Of two rows with one id the later one: the vendor corrected it, perhaps between two pages.

    Without ids, equal rows of an answer in pages are an overlap. In an answer of one page they are two events.
    """
    kept: dict[Any, Examined] = {}
    for position, row in enumerate(rows):
        key: Any = position
        if row.vendor_id is not None:
            key = (row.ticker, str(row.vendor_id))
        elif paged:
            key = tuple(row.record.items())
        kept.pop(key, None)
        kept[key] = row
    return list(kept.values())


def _currencies(rows: Iterable[Examined], listing_currency: str | None) -> dict[str, list[str]]:
    """Each ticker's currencies of dividends: that of the listing, then by how often they occur."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        if currency := row.record.get("currency"):
            counts.setdefault(str(row.ticker), Counter())[currency] += 1
    ranked = {}
    for ticker, count in counts.items():
        by_count = [currency for currency, _ in count.most_common()]
        ranked[ticker] = sorted(by_count, key=lambda currency: currency != listing_currency)
    return ranked


def _combined(rows: Sequence[Examined], currencies: Sequence[str]) -> tuple[Row, list[str]]:
    """The one record of rows that share a primary key, and what is to be said of it."""
    first = rows[0].record
    if len(rows) == 1:
        return first, []
    if "amount" in first:
        return _dividend(rows, currencies)
    if "ratio" in first:
        return _split(rows)
    last = rows[-1].record
    said = [] if all(row.record == last for row in rows) else ["Two rows contradict each other. The later one is kept."]
    return last, said


def _dividend(rows: Sequence[Examined], currencies: Sequence[str]) -> tuple[Row, list[str]]:
    payments, said = _in_one_currency(rows, currencies)
    different: list[Examined] = []
    is_repeated = False
    for payment in payments:
        twin = next((n for n, other in enumerate(different) if _is_same_payment(other, payment)), None)
        if twin is None:
            different.append(payment)
        else:
            different[twin] = _completed(different[twin], payment)
            is_repeated = True
    amounts = [payment.record["amount"] for payment in different]
    total = round(sum(amounts), 10) if len(amounts) > 1 else amounts[0]
    if is_repeated:
        listed = " and ".join(str(payment.record["amount"]) for payment in payments)
        said.append(f"{listed} are taken for one payment that is listed more than once. The amount is {total}.")
    if len(amounts) > 1:
        terms = " + ".join(map(str, amounts))
        said.append(f"{terms} are taken for different payments. The amount is their sum, {total}.")
    currency = next((payment.record["currency"] for payment in payments if payment.record["currency"]), None)
    return {**different[-1].record, "amount": total, "currency": currency}, said


def _in_one_currency(rows: Sequence[Examined], currencies: Sequence[str]) -> tuple[list[Examined], list[str]]:
    """The rows in the currency that is preferred, and a sentence for each other one: they are never added."""
    listed = {row.record["currency"] for row in rows if row.record["currency"]}
    if len(listed) < 2:
        return list(rows), []
    kept = next(currency for currency in currencies if currency in listed)
    said = []
    for row in rows:
        amount, currency = row.record["amount"], row.record["currency"]
        if currency != kept:
            where = currency or "an unnamed currency"
            said.append(f"It is listed in {kept}, and also as {amount} in {where}, which is left out.")
    return [row for row in rows if row.record["currency"] == kept], said


def _is_same_payment(one: Examined, other: Examined) -> bool:
    """Whether two rows are one payment: the same but for an id, one date, or dates and digits that one of them lacks.

    A vendor without ids who writes the very same row twice means two payments, as far as can be known.
    """
    without_ids = one.vendor_id is None and other.vendor_id is None
    if without_ids and one.record == other.record:
        return False
    contradictions = 0
    for name in DATES_OF_A_PAYMENT:
        days = {one.record[name], other.record[name]} - {None}
        contradictions += len(days) > 1
    a, b = one.record["amount"], other.record["amount"]
    if a == b:
        return contradictions <= 1
    return contradictions == 0 and is_rounded(a, b)


def is_rounded(a: float, b: float) -> bool:
    """Whether one amount is the other with fewer digits, at least two: 0.137 and 0.1366667."""
    digits, short, long = min((_decimals(a), a, b), (_decimals(b), b, a))
    return digits >= 2 and round(long, digits) == short and isclose(a, b, rel_tol=MOST_ROUNDED)


def _decimals(number: float) -> int:
    exponent = Decimal(str(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _completed(earlier: Examined, later: Examined) -> Examined:
    """Two rows of one payment as one: what the later one says, filled from the earlier, with the amount's digits."""
    record = {name: earlier.record[name] if value is None else value for name, value in later.record.items()}
    record["amount"] = max(earlier.record["amount"], later.record["amount"], key=_decimals)
    vendor_id = earlier.vendor_id if later.vendor_id is None else later.vendor_id
    return later._replace(record=record, vendor_id=vendor_id)


def _split(rows: Sequence[Examined]) -> tuple[Row, list[str]]:
    """Splits of different types, such as a reverse and a forward one, follow each other: their ratios multiply.

    Equal ones are the same split. Two of one type contradict each other: the later row is kept.
    """
    steps: dict[Any, Row] = {}
    said = []
    for row in rows:
        record, ratio = row.record, row.record["ratio"]
        if any(isclose(ratio, step["ratio"], rel_tol=SAME_RATIO) for step in steps.values()):
            continue
        step_type = (ratio > 1, row.vendor_type)
        if before := steps.get(step_type):
            said.append(f"The ratios {before['ratio']:.10g} and {ratio:.10g} contradict each other. The later is kept.")
        steps[step_type] = record
    return _product(list(steps.values())), said


def _product(steps: Sequence[Row]) -> Row:
    if len(steps) == 1:
        return steps[0]
    combined = {**steps[-1], "ratio": float(f"{prod(step['ratio'] for step in steps):.12g}")}
    old, new = ([step[side] for step in steps] for side in ("split_from", "split_to"))
    if None in (*old, *new):
        return combined | {"split_from": None, "split_to": None}
    split_from, split_to = _reduced(prod(old), prod(new))
    return combined | {"split_from": split_from, "split_to": split_to, "ratio": split_to / split_from}


def _reduced(split_from: float, split_to: float) -> tuple[float, float]:
    if split_from != int(split_from) or split_to != int(split_to):
        return split_from, split_to
    divisor = gcd(int(split_from), int(split_to))
    return split_from / divisor, split_to / divisor


def _of_two_kinds(records: Sequence[Row]) -> Iterable[Finding]:
    """Dividends of one day that only their kind tells apart."""
    seen: dict[Any, str] = {}
    for record in records:
        if "kind" not in record:
            return
        same = tuple(value for name, value in record.items() if name != "kind")
        if kind := seen.get(same):
            what = f"The same dividend is listed as {kind} and as {record['kind']}. Both are kept."
            yield Finding(record["stock_ticker"], record["date"], what)
        seen[same] = record["kind"]
