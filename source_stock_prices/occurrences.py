"""From the rows of an answer to the events that happened: one record for each primary key. Pure.

A vendor's list is not a table: pages overlap, one payment is listed twice, two splits share a day, and one row in a
thousand cannot be read. What a person should look at is a Finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import (
    gcd,
    isclose,
    isfinite,
    prod,
)
from typing import Any, NamedTuple

from jsonschema import Draft7Validator, FormatChecker

from source_stock_prices.findings import (
    LEFT_OUT,
    ODD_EVENT,
    Finding,
    place,
)

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

FEW = 2
"""Odd rows of a day that are believed to be odd, even if they are most of them. More are another shape."""

DATES_OF_A_PAYMENT = (
    "pay_date",
    "record_date",
    "declaration_date",
)

Row = dict[str, Any]

Place = tuple[str | None, str | None]
"""A ticker and a day as text, where an event is or may be; None for what is not known."""


class Occurrences(NamedTuple):
    """What an answer tells: `records` by ticker, ascending, one for each primary key, and the findings.

    `doubts` are the places where a row was left out: nothing may be concluded from the absence of a record there.
    """

    records: dict[str, list[Row]]
    findings: list[Finding]
    doubts: set[Place]


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
        is_dividend = self.record.get("amount") is not None
        if not is_dividend or self.record.get("currency"):
            return self
        record = {**self.record, "currency": default}
        return self._replace(record=record)

    @property
    def place(self) -> Place:
        return self.ticker, self.day


Rows = Sequence[Examined]

Combined = tuple[Row, list[str]]
"""The record of some rows, and the sentences to be said of it."""


class Reader:
    """Reads the rows of one stream, which its JSON schema and primary key describe."""

    def __init__(self, schema: Mapping[str, Any], primary_key: Sequence[str]) -> None:
        self._properties: Mapping[str, Any] = schema["properties"]
        self._primary_key = tuple(primary_key)
        self._validator = Draft7Validator(
            schema,
            format_checker=FormatChecker(["date"]),
        )
        needed = list(self._primary_key)
        for name in ("amount", "ratio", "old_ticker", "new_ticker"):
            if name in self._properties:
                needed.append(name)
        self._needed = needed

    def read(
        self,
        rows: Iterable[Any],
        *,
        start: date,
        end: date,
        today: date,
        answered: int = 0,
        paged: bool = False,
        of_day: bool = False,
        listing_currency: str | None = None,
    ) -> Occurrences:
        """The events of a window, from all rows of an answer in their order.

        Each row is a mapping with the schema's fields and the ticker in our spelling (None for one that was not asked
        for). `answered` is how many rows the answer had before a manifest left some out. `paged` says that it came in
        several pages, which can overlap, `of_day` that it is about a day of a market. In `listing_currency`, where it
        is known, a dividend is kept that is listed in two. Raises ValueError with a sentence if most rows cannot be
        read.
        """
        examined = [self._examine(row, today) for row in rows]
        usable = []
        left_out = []
        for row in examined:
            if not row.fault:
                usable.append(row)
            elif self._is_inside(row, start, end):
                left_out.append(row)
        total = max(answered, len(examined))
        if not (of_day and _are_a_few_tickers(left_out)):
            _refuse_if_most_are_unreadable(examined, left_out, total)

        if listing_currency:
            usable = [row.in_currency(listing_currency) for row in usable]
        currencies = _currencies(usable, listing_currency)
        inside = []
        for row in _without_repeats(usable, paged):
            if self._is_inside(row, start, end):
                inside.append(row)

        found = _nothing_but(left_out)
        groups = self._by_primary_key(inside)
        for key in sorted(groups):
            _add(groups[key], currencies, found)
        for records in found.records.values():
            found.findings.extend(_of_two_kinds(records))
        return found

    def _by_primary_key(self, rows: Rows) -> Mapping[tuple[str, ...], Rows]:
        names = ("stock_ticker", *self._primary_key)
        groups = defaultdict(list)
        for row in rows:
            key = tuple(str(row.record[name]) for name in names)
            groups[key].append(row)
        return groups

    def _is_inside(
        self,
        row: Examined,
        start: date,
        end: date,
    ) -> bool:
        if "date" not in self._primary_key or row.day is None:
            return True
        return start.isoformat() <= row.day <= end.isoformat()

    def _examine(self, row: Any, today: date) -> Examined:
        if not isinstance(row, Mapping) or not row:
            return Examined({}, fault=f"{row!r} is not a row")
        record = {}
        for name, field in self._properties.items():
            record[name] = _cast(row.get(name), field["type"])
        if "cancelled" in record:
            record["cancelled"] = False

        flaws = []
        for name in self._odd_fields(record):
            record[name] = None
            value = row.get(name)
            if value is not None:
                flaws.append(_flaw(name, value))
        if "kind" in record and record["kind"] is None:
            record["kind"] = "unknown"

        missing = [name for name in self._needed if record[name] is None]
        fault = ""
        if missing:
            first = missing[0]
            fault = f"{first} is {_said(row.get(first))}"
        return Examined(
            record,
            vendor_id=row.get(VENDOR_ID) or None,
            vendor_type=row.get(VENDOR_TYPE) or None,
            flaws=tuple(flaws),
            fault=fault,
            is_announced=_is_announced(row, record, missing, today),
        )

    def _odd_fields(self, record: Row) -> list[str]:
        odd = set()
        for error in self._validator.iter_errors(record):
            if error.path:
                name = str(error.path[0])
                odd.add(name)
        for name, value in record.items():
            if isinstance(value, float) and not isfinite(value):
                odd.add(name)
        if not _is_printable(record["stock_ticker"]):
            odd.add("stock_ticker")
        return sorted(odd)


def _flaw(name: str, value: Any) -> str:
    instead = "unknown" if name == "kind" else "null"
    return f"{name} is {_said(value)}, which cannot be read. It is written as {instead}."


def _cast(value: Any, types: str | list[str]) -> Any:
    """A number that a vendor writes as text, and the other way round; what cannot be cast is left for the schema."""
    if isinstance(value, str):
        return _as_number(value, types)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if "number" in types:
        return float(value)  # so that readers who infer types see one
    if "string" in types:
        return str(value)
    return value


def _as_number(text: str, types: str | list[str]) -> Any:
    try:
        if "number" in types:
            return float(text)
        if "integer" in types:
            return int(text)
    except ValueError:
        pass
    return text


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
    if not named or named.upper() == spelling.upper():
        return ticker
    return None


def _said(value: Any) -> str:
    if value is None:
        return "missing"
    return repr(value)[:60]


def _is_printable(ticker: Any) -> bool:
    if not isinstance(ticker, str):
        return False
    if ticker == "" or ticker != ticker.strip():
        return False
    return ticker.isprintable()


def _is_announced(
    row: Mapping[str, Any],
    record: Row,
    missing: list[str],
    today: date,
) -> bool:
    if missing != ["amount"]:
        return False
    if row.get("amount") not in (None, ""):
        return False
    if row.get(UNCONFIRMED) is True:
        return True
    return bool(record["date"] >= today.isoformat())


def _are_a_few_tickers(left_out: Rows) -> bool:
    """Whether rows are of a few tickers that they name. Some days have no others, which would fail for good."""
    return len(left_out) <= FEW and all(row.ticker for row in left_out)


def _refuse_if_most_are_unreadable(
    examined: Rows,
    left_out: Rows,
    total: int,
) -> None:
    # Some vendors answer with a ticker's whole history, where old rows may be odd: they count as rows, but do not make
    # an answer unreadable if those in the window are fine.
    unreadable = [row for row in examined if row.fault and not row.is_announced]
    inside = [row for row in left_out if not row.is_announced]
    if not inside:
        return
    if 2 * len(unreadable) > total:
        row = inside[0]
        first = place(row.ticker, row.day)
        raise ValueError(f"{len(unreadable)} of {total} rows cannot be read. {first}: {row.fault}")


def _nothing_but(left_out: Rows) -> Occurrences:
    """Rows that are left out, told of, and in doubt; no record yet."""
    found = Occurrences(records={}, findings=[], doubts=set())
    for row in left_out:
        found.doubts.add(row.place)
        found.findings.append(Finding(LEFT_OUT, row.ticker, row.day, (row.fault,)))
    return found


def _add(
    group: Rows,
    currencies: Mapping[str, Sequence[str]],
    found: Occurrences,
) -> None:
    """Adds the one record of rows that share a primary key to what was found."""
    first = group[0]
    ticker = str(first.ticker)
    record, said = _combined(group, currencies.get(ticker, ()))
    found.records.setdefault(ticker, []).append(record)
    flaws = [flaw for row in group for flaw in row.flaws]
    for what in flaws + said:
        found.findings.append(Finding(ODD_EVENT, ticker, first.day, (what,)))


def _without_repeats(rows: Rows, paged: bool) -> Rows:
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


def _currencies(rows: Rows, listing_currency: str | None) -> dict[str, list[str]]:
    """Each ticker's currencies of dividends: that of the listing, then by how often they occur."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        currency = row.record.get("currency")
        if currency:
            ticker = str(row.ticker)
            counts[ticker][currency] += 1

    ranked = {}
    for ticker, count in counts.items():
        by_count = [currency for currency, _ in count.most_common()]
        ranked[ticker] = sorted(by_count, key=lambda currency: currency != listing_currency)
    return ranked


def _combined(rows: Rows, currencies: Sequence[str]) -> Combined:
    """The one record of rows that share a primary key, and what is to be said of it."""
    first = rows[0].record
    if len(rows) == 1:
        return first, []
    if "amount" in first:
        return _dividend(rows, currencies)
    if "ratio" in first:
        return _split(rows)
    if "delisted_date" in first:
        rows = _of_last_listing(rows)
    last = rows[-1].record
    if all(row.record == last for row in rows):
        return last, []
    if "old_ticker" in first:
        changes = [f"{row.record['old_ticker']} became {row.record['new_ticker']}" for row in rows]
        return last, [f"{' and '.join(dict.fromkeys(changes))} on the same day. Only the last change is kept."]
    return last, ["Two rows contradict each other. The later one is kept."]


def _of_last_listing(rows: Rows) -> Rows:
    """Of the companies that had a ticker, one after the other, the rows of the one that has it or had it last."""

    def until(row: Examined) -> str:
        is_delisted = row.record["active"] is False
        return row.record["delisted_date"] or ("" if is_delisted else date.max.isoformat())

    last = max(map(until, rows))
    return [row for row in rows if until(row) == last]


def _dividend(rows: Rows, currencies: Sequence[str]) -> Combined:
    payments, said = _in_one_currency(rows, currencies)
    different = _different(payments)
    amounts = [payment.record["amount"] for payment in different]
    total = amounts[0]
    if len(amounts) > 1:
        total = round(sum(amounts), 10)

    if len(different) < len(payments):
        every = [str(payment.record["amount"]) for payment in payments]
        listed = " and ".join(every)
        said.append(f"{listed} are taken for one payment that is listed more than once. The amount is {total}.")
    if len(amounts) > 1:
        terms = " + ".join(map(str, amounts))
        said.append(f"{terms} are taken for different payments. The amount is their sum, {total}.")

    currency = None
    for payment in payments:
        currency = currency or payment.record["currency"]
    record = {
        **different[-1].record,
        "amount": total,
        "currency": currency or None,
    }
    return record, said


def _different(payments: Rows) -> Rows:
    """The payments, each once, with what any of its rows says of it."""
    different: list[Examined] = []
    for payment in payments:
        for n, other in enumerate(different):
            if _is_same_payment(other, payment):
                different[n] = _completed(other, payment)
                break
        else:
            different.append(payment)
    return different


def _in_one_currency(rows: Rows, currencies: Sequence[str]) -> tuple[Rows, list[str]]:
    """The rows in the currency that is preferred, and a sentence for each other one: they are never added."""
    listed = {row.record["currency"] for row in rows} - {None, ""}
    if len(listed) < 2:
        return rows, []
    preferred = next(currency for currency in currencies if currency in listed)
    kept = []
    said = []
    for row in rows:
        amount = row.record["amount"]
        currency = row.record["currency"]
        if currency == preferred:
            kept.append(row)
        else:
            where = currency or "an unnamed currency"
            said.append(f"It is listed in {preferred}, and also as {amount} in {where}, which is left out.")
    return kept, said


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
    a = one.record["amount"]
    b = other.record["amount"]
    if a == b:
        return contradictions <= 1
    return contradictions == 0 and is_rounded(a, b)


def is_rounded(a: float, b: float) -> bool:
    """Whether one amount is the other with fewer digits, at least two: 0.137 and 0.1366667."""
    short, long = sorted((a, b), key=_decimals)
    digits = _decimals(short)
    if digits < 2:
        return False
    return round(long, digits) == short and isclose(a, b, rel_tol=MOST_ROUNDED)


def _decimals(number: float) -> int:
    written = Decimal(str(number))
    exponent = written.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _completed(earlier: Examined, later: Examined) -> Examined:
    """Two rows of one payment as one: what the later one says, filled from the earlier, with the amount's digits."""
    record = dict(later.record)
    for name, value in record.items():
        if value is None:
            record[name] = earlier.record[name]
    amounts = (earlier.record["amount"], later.record["amount"])
    record["amount"] = max(amounts, key=_decimals)
    vendor_id = later.vendor_id
    if vendor_id is None:
        vendor_id = earlier.vendor_id
    return later._replace(record=record, vendor_id=vendor_id)


def _split(rows: Rows) -> Combined:
    """Splits of different types, such as a reverse and a forward one, follow each other: their ratios multiply.

    Equal ones are the same split. Two of one type contradict each other: the later row is kept.
    """
    steps: dict[Any, Row] = {}
    said = []
    for row in rows:
        ratio = row.record["ratio"]
        known = [step["ratio"] for step in steps.values()]
        if any(isclose(ratio, each, rel_tol=SAME_RATIO) for each in known):
            continue
        is_forward = ratio > 1
        step_type = (is_forward, row.vendor_type)
        before = steps.get(step_type)
        if before:
            was = before["ratio"]
            said.append(f"The ratios {was:.10g} and {ratio:.10g} contradict each other. The later is kept.")
        steps[step_type] = row.record
    record = _product(list(steps.values()))
    return record, said


def _product(steps: Sequence[Row]) -> Row:
    if len(steps) == 1:
        return steps[0]
    combined = dict(steps[-1])
    old = [step["split_from"] for step in steps]
    new = [step["split_to"] for step in steps]
    if None in old or None in new:
        ratio = prod(step["ratio"] for step in steps)
        combined["ratio"] = float(f"{ratio:.12g}")
        combined["split_from"] = None
        combined["split_to"] = None
        return combined
    split_from, split_to = _reduced(prod(old), prod(new))
    combined["ratio"] = split_to / split_from
    combined["split_from"] = split_from
    combined["split_to"] = split_to
    return combined


def _reduced(split_from: float, split_to: float) -> tuple[float, float]:
    whole_from = int(split_from)
    whole_to = int(split_to)
    if split_from != whole_from or split_to != whole_to:
        return split_from, split_to
    divisor = gcd(whole_from, whole_to)
    return split_from / divisor, split_to / divisor


def _of_two_kinds(records: Sequence[Row]) -> Iterable[Finding]:
    """Dividends of one day that only their kind tells apart."""
    seen: dict[Any, str] = {}
    for record in records:
        if "kind" not in record:
            return
        rest = dict(record)
        kind = rest.pop("kind")
        same = tuple(rest.values())
        other = seen.get(same)
        if other:
            what = f"The same dividend is listed as {other} and as {kind}. Both are kept."
            yield Finding(ODD_EVENT, record["stock_ticker"], record["date"], (what,))
        seen[same] = kind
