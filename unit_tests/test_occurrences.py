"""From an answer's rows to one record for each primary key, and what a person should see."""

from __future__ import annotations

import json
from datetime import date
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from source_stock_prices.findings import When, lines
from source_stock_prices.occurrences import VENDOR_ID, VENDOR_TYPE, Occurrences, Reader, is_rounded, ticker_of

SCHEMAS = Path("source_stock_prices/schemas")
START, END, TODAY = date(2026, 1, 1), date(2027, 11, 20), date(2026, 11, 20)


def reader(stream: str) -> Reader:
    keys = {
        "dividends": ["stock_ticker", "date", "kind"],
        "stock_splits": ["stock_ticker", "date"],
        "ticker_changes": ["stock_ticker", "date"],
        "tickers": ["stock_ticker"],
    }
    return Reader(json.loads((SCHEMAS / f"{stream}.json").read_text()), keys[stream])


DIVIDENDS, SPLITS, TICKERS = reader("dividends"), reader("stock_splits"), reader("tickers")


def paid(amount: Any, day: Any = "2026-03-09", *, vendor_id: str | None = None, **fields: Any) -> dict[str, Any]:
    row = {"stock_ticker": "AAA", "date": day, "amount": amount, "currency": "USD", "kind": "regular"}
    return {**row, VENDOR_ID: vendor_id, **fields}


def split(split_from: float, split_to: float, **fields: Any) -> dict[str, Any]:
    ratio = split_to / split_from if split_from else None
    row = {"stock_ticker": "AAA", "date": "2026-06-15", "split_from": split_from, "split_to": split_to, "ratio": ratio}
    return {**row, **fields}


def read(rows: list[Any], of: Reader = DIVIDENDS, **more: Any) -> Occurrences:
    return of.read(rows, **{"start": START, "end": END, "today": TODAY, **more})


def amounts(found: Occurrences) -> list[float]:
    return [record["amount"] for records in found.records.values() for record in records]


def ratios(found: Occurrences) -> list[float]:
    return [record["ratio"] for records in found.records.values() for record in records]


def said(found: Occurrences) -> str:
    said = lines(found.findings, When.AT_ONCE, "Vendor")
    return "\n".join(line.removeprefix("Vendor: ") for line in said)


def test_it_makes_a_record_of_every_field_ascending() -> None:
    """The vendor's id is none of them."""
    found = read([paid(2, "2026-06-09", vendor_id="b", frequency=4), paid(1, vendor_id="a")])
    assert [record["date"] for record in found.records["AAA"]] == ["2026-03-09", "2026-06-09"]
    assert found.records["AAA"][1] == {
        "date": "2026-06-09",
        "stock_ticker": "AAA",
        "amount": 2,
        "currency": "USD",
        "pay_date": None,
        "record_date": None,
        "declaration_date": None,
        "frequency": 4,
        "kind": "regular",
        "cancelled": False,
        "provider": None,
    }
    assert not found.findings
    assert not found.doubts


def test_it_leaves_out_what_happened_outside_the_window_without_a_word() -> None:
    found = read([paid(1, "2025-12-31"), paid("?", "2025-12-30"), paid(1), paid(1, "2028-01-01")])
    assert amounts(found) == [1]
    assert not found.findings


class TestRepeats:
    """Of one event the vendor may have several rows."""

    def test_it_takes_the_later_row_of_an_id(self) -> None:
        """The vendor corrected it between two pages."""
        found = read([paid(0.25, vendor_id="d1"), paid(0.26, vendor_id="d1")], paged=True)
        assert amounts(found) == [0.26]
        assert not found.findings

    def test_it_takes_an_id_that_moved_to_another_day(self) -> None:
        found = read([paid(0.25, vendor_id="d1"), paid(0.25, "2026-03-10", vendor_id="d1")], paged=True)
        assert [record["date"] for record in found.records["AAA"]] == ["2026-03-10"]

    def test_it_keeps_an_id_of_two_tickers_apart(self) -> None:
        found = read([paid(1, vendor_id="1"), paid(2, vendor_id="1", stock_ticker="BBB")])
        assert found.records.keys() == {"AAA", "BBB"}

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_it_adds_equal_rows_without_ids(self, nothing: Any) -> None:
        """A list of one page has no overlap: the same payment twice is two payments, as far as can be known."""
        found = read([paid(0.5, vendor_id=nothing), paid(0.5, vendor_id=nothing)])
        assert amounts(found) == [1.0]
        assert "AAA 2026-03-09: 0.5 + 0.5 are taken for different payments" in said(found)

    def test_it_takes_equal_rows_without_ids_of_several_pages_for_an_overlap(self) -> None:
        assert amounts(read([paid(0.5), paid(0.2), paid(0.5)], paged=True)) == [0.7]

    @pytest.mark.parametrize(
        "other",
        [
            {},
            {"declaration_date": "2026-02-20"},
            {"pay_date": "2026-04-01"},
            {"frequency": 0},
            {"currency": None},
        ],
    )
    def test_it_takes_two_ids_that_agree_but_for_one_field_for_one_payment(self, other: dict[str, Any]) -> None:
        one = paid(0.31, vendor_id="a", pay_date="2026-03-31")
        found = read([one, {**one, VENDOR_ID: "b", **other}])
        assert amounts(found) == [0.31]
        assert found.records["AAA"][0]["currency"] == "USD"
        assert "AAA 2026-03-09: 0.31 and 0.31 are taken for one payment" in said(found)

    def test_it_takes_rows_without_ids_that_differ_in_a_date_for_one_payment(self) -> None:
        found = read([paid(0.31), paid(0.31, declaration_date="2026-02-20")])
        assert amounts(found) == [0.31]
        assert "one payment" in said(found)

    def test_it_takes_the_same_amount_with_other_dates_for_two_payments(self) -> None:
        rows = [
            paid(0.31, vendor_id="a", pay_date="2026-03-31", record_date="2026-03-09"),
            paid(0.31, vendor_id="b", pay_date="2026-09-30", record_date="2026-09-09"),
        ]
        assert amounts(read(rows)) == [0.62]

    def test_it_takes_an_amount_with_fewer_digits_for_the_same(self) -> None:
        rows = [
            paid(0.137, vendor_id="c", pay_date="2026-03-31"),
            paid(0.1366667, vendor_id="d", pay_date="2026-03-31", declaration_date="2026-02-20"),
        ]
        assert amounts(read(rows)) == amounts(read(rows[::-1])) == [0.1366667]
        assert read(rows[::-1]).records["AAA"][0]["declaration_date"] == "2026-02-20"

    @pytest.mark.parametrize(
        ("a", "b", "same"),
        [
            (0.137, 0.1366667, True),
            (0.25, 0.254, True),
            (0.25, 0.26, False),
            (1, 1.02, False),
            (0.1, 0.14, False),
            (0.01, 0.012, False),
            (1e-7, 1.4e-7, False),
        ],
    )
    def test_it_knows_a_rounded_amount(self, a: float, b: float, same: bool) -> None:
        assert is_rounded(a, b) is is_rounded(b, a) is same


class TestDividends:
    """Payments of one kind on one ex-date are one record."""

    def test_it_adds_different_payments_and_says_so(self) -> None:
        found = read([paid(0.1, vendor_id="a"), paid(0.2, vendor_id="b"), paid(0.7, vendor_id="c", kind="special")])
        assert amounts(found) == [0.3, 0.7]
        assert said(found) == (
            "AAA 2026-03-09: 0.1 + 0.2 are taken for different payments. The amount is their sum, 0.3."
        )

    def test_it_never_adds_two_currencies(self) -> None:
        """The currency of the listing is kept, else the one that the ticker's other dividends are in."""
        rows = [
            paid(0.5, "2026-09-08", vendor_id="e", currency="CAD"),
            paid(0.378, "2026-09-08", vendor_id="f", currency="USD"),
        ]
        usual = paid(0.3, vendor_id="a", currency="USD")
        found = read([*rows, usual])
        assert amounts(found) == [0.3, 0.378]
        assert "AAA 2026-09-08: It is listed in USD, and also as 0.5 in CAD, which is left out." in said(found)
        assert amounts(read(rows, listing_currency="USD")) == [0.378]
        assert amounts(read([*rows, usual], listing_currency="CAD")) == [0.3, 0.5]
        assert amounts(read(rows)) == [0.5]

    def test_it_keeps_a_dividend_without_a_currency_before_one_of_another_market(self) -> None:
        """It is in the currency of the listing, which its vendor need not name, and so the one that counts."""
        rows = [
            paid(0.5, vendor_id="e", currency="CAD"),
            paid(0.378, vendor_id="f", currency=None),
        ]
        found = read(rows, listing_currency="USD")
        assert amounts(found) == [0.378]
        assert "also as 0.5 in CAD, which is left out" in said(found)

    def test_it_names_the_same_dividend_of_two_kinds(self) -> None:
        """Both stand in the table, where they would be added."""
        found = read([paid(0.31, vendor_id="a"), paid(0.31, vendor_id="b", kind="special")])
        assert amounts(found) == [0.31, 0.31]
        assert "AAA 2026-03-09: The same dividend is listed as regular and as special." in said(found)

    @pytest.mark.parametrize("amount", [None, ""])
    def test_it_leaves_out_what_is_announced_without_an_amount(self, amount: Any) -> None:
        """Though it is all that the answer has: it is no sign of another shape."""
        found = read([paid(amount, "2026-12-01")])
        assert not found.records
        assert "AAA 2026-12-01: amount is" in said(found)
        assert found.doubts == {("AAA", "2026-12-01")}


class TestSplits:
    """Splits of one day follow each other."""

    def test_it_multiplies_a_reverse_and_a_forward_split(self) -> None:
        """This is how small holders are paid out: Alexander & Baldwin's registrant, 1-for-500 and back."""
        found = read([split(500, 1, vendor_id="1"), split(1, 500, vendor_id="2")], SPLITS)
        (record,) = found.records["AAA"]
        assert (record["split_from"], record["split_to"], record["ratio"]) == (1, 1, 1)
        assert not found.findings

    def test_it_multiplies_ratios_that_come_alone(self) -> None:
        rows = [{"stock_ticker": "AAA", "date": "2026-06-15", "ratio": ratio} for ratio in (0.002, 1000.0)]
        assert ratios(read(rows, SPLITS)) == [2]

    def test_it_multiplies_a_split_and_a_stock_dividend(self) -> None:
        rows = [split(1, 2, **{VENDOR_TYPE: "forward_split"}), split(1, 1.05, **{VENDOR_TYPE: "stock_dividend"})]
        assert ratios(read(rows, SPLITS)) == [2.1]

    @pytest.mark.parametrize("ids", [("1", "2"), (None, None)])
    def test_it_takes_the_same_split_twice_for_one(self, ids: tuple[Any, Any]) -> None:
        found = read([split(15, 1, vendor_id=ids[0]), split(1, 0.0667, vendor_id=ids[1])], SPLITS)
        assert ratios(found) == [1 / 15]
        assert not found.findings

    def test_it_names_splits_that_contradict_each_other(self) -> None:
        found = read([split(15, 1, vendor_id="3"), split(20, 1, vendor_id="4")], SPLITS)
        assert ratios(found) == [0.05]
        assert "AAA 2026-06-15: The ratios 0.06666666667 and 0.05 contradict each other." in said(found)


class TestOddRows:
    """A row costs a row, a side field only itself."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("pay_date", "0000-00-00"),
            ("pay_date", ""),
            ("record_date", "2026-02-30"),
            ("declaration_date", "20260220"),
            ("frequency", "often"),
            ("frequency", 4.5),
            ("frequency", nan),
            ("currency", ["USD"]),
            ("kind", "odd"),
        ],
    )
    def test_it_writes_null_for_an_odd_field(self, field: str, value: Any) -> None:
        found = read([paid(1, **{field: value})])
        (record,) = found.records["AAA"]
        assert record[field] == ("unknown" if field == "kind" else None)
        assert f"AAA 2026-03-09: {field} is {value!r}, which cannot be read. It is written as" in said(found)
        assert not found.doubts

    @pytest.mark.parametrize("amount", [None, "", "NA", -0.2, nan, inf, "NaN", "Infinity", [1], True])
    def test_it_leaves_out_a_dividend_without_an_amount(self, amount: Any) -> None:
        found = read([paid(1), paid(amount, "2026-06-09")])
        assert amounts(found) == [1]
        assert "AAA 2026-06-09: amount is" in said(found)
        assert found.doubts == {("AAA", "2026-06-09")}

    @pytest.mark.parametrize("ratio", [None, 0, -2, nan, inf, "4:1"])
    def test_it_leaves_out_a_split_without_a_ratio(self, ratio: Any) -> None:
        found = read([split(1, 2), split(1, 2, date="2026-09-01", ratio=ratio)], SPLITS)
        assert ratios(found) == [2]
        assert "AAA 2026-09-01: ratio is" in said(found)

    @pytest.mark.parametrize("day", [None, "", "0000-00-00", "2026-02-30", "2026-3-9", 20260309])
    def test_it_leaves_out_a_row_without_a_day(self, day: Any) -> None:
        """It could be on any: no event of the ticker can be told to be gone."""
        found = read([paid(1), paid(2, day)])
        assert amounts(found) == [1]
        assert "AAA: date is" in said(found)
        assert found.doubts == {("AAA", None)}

    @pytest.mark.parametrize("ticker", [None, "", " ", "A\0A", 5.5j])
    def test_it_leaves_out_a_row_of_no_ticker(self, ticker: Any) -> None:
        found = read([paid(1), paid(2, stock_ticker=ticker)])
        assert found.records.keys() == {"AAA"}
        assert found.doubts == {(None, "2026-03-09")}

    @pytest.mark.parametrize("row", [None, {}, [], "x", 0])
    def test_it_leaves_out_what_is_not_a_row(self, row: Any) -> None:
        found = read([paid(1), row])
        assert amounts(found) == [1]
        assert said(found) == f"A row: {row!r} is not a row. It is left out."
        assert found.doubts == {(None, None)}

    def test_it_reads_numbers_that_are_text(self) -> None:
        (record,) = read([paid("0.50", frequency="4")]).records["AAA"]
        assert (record["amount"], record["frequency"]) == (0.5, 4)

    def test_it_reads_digits_that_stand_for_a_name(self) -> None:
        (record,) = read([{"stock_ticker": 600519, "name": 3}], TICKERS).records["600519"]
        assert record["name"] == "3"

    @pytest.mark.parametrize("rows", [[paid(None)], [paid(1), paid("x"), paid("y")], ["a"]])
    def test_it_refuses_an_answer_of_which_most_cannot_be_read(self, rows: list[Any]) -> None:
        with pytest.raises(ValueError, match="of . rows cannot be read. A"):
            read(rows)

    @pytest.mark.parametrize("rows", [[paid(None)], [paid(None), paid("x")]])
    def test_it_leaves_out_the_few_rows_of_a_day_of_a_market(self, rows: list[Any]) -> None:
        """Some days have no others: refused, such a day would never be passed."""
        found = read(rows, of_day=True)
        assert not found.records
        assert len(found.findings) == len(rows)

    @pytest.mark.parametrize("rows", [[paid(None), paid("x"), paid("y")], [paid(None), "a"], [{}]])
    def test_it_refuses_a_day_of_a_market_of_another_shape(self, rows: list[Any]) -> None:
        with pytest.raises(ValueError, match="of . rows cannot be read. A"):
            read(rows, of_day=True)

    def test_it_counts_the_rows_that_a_manifest_left_out(self) -> None:
        """One odd session among a year without a split."""
        assert not read([paid(None)], answered=250).records

    def test_it_believes_an_answer_without_a_row(self) -> None:
        assert read([]) == ({}, [], set())


def test_it_takes_the_later_of_two_rows_of_a_ticker() -> None:
    rows = [{"stock_ticker": "AAA", "name": name} for name in ("Old", "Old", "New")]
    assert not read(rows[:2], TICKERS).findings
    found = read(rows, TICKERS)
    assert [record["name"] for record in found.records["AAA"]] == ["New"]
    assert said(found) == "AAA: Two rows contradict each other. The later one is kept."


def test_it_names_both_changes_of_a_ticker_on_one_day() -> None:
    """A company takes the ticker that another one leaves: a record can only be one of the two."""
    days = {"stock_ticker": "B", "date": "2026-11-20"}
    rows = [{**days, "old_ticker": "B", "new_ticker": "C"}, {**days, "old_ticker": "A", "new_ticker": "B"}]
    found = read(rows, reader("ticker_changes"))
    assert [record["new_ticker"] for record in found.records["B"]] == ["B"]
    assert said(found) == "B 2026-11-20: B became C and A became B on the same day. Only the last change is kept."
    assert not read([rows[0], rows[0]], reader("ticker_changes")).findings


def test_it_takes_the_company_that_has_a_ticker_or_had_it_last() -> None:
    """Tickers are given again: one list has them all."""
    first = {"stock_ticker": "AAPL", "name": "First", "active": False, "delisted_date": "2009-03-02"}
    second = {**first, "name": "Second", "delisted_date": "2020-03-02"}
    undated = {**first, "name": "Undated", "delisted_date": None}
    now = {**first, "name": "Now", "active": True, "delisted_date": None}
    for rows, name in (([second, first, undated], "Second"), ([first, now, second], "Now"), ([undated], "Undated")):
        found = read(rows, reader("tickers"))
        assert [record["name"] for record in found.records["AAPL"]] == [name]
        assert not found.findings
    assert "contradict each other" in said(read([now, {**now, "name": "Both"}], reader("tickers")))


@pytest.mark.parametrize(
    ("named", "spellings", "ticker"),
    [
        ("AAPL", {}, "AAPL"),
        ("AAPL", {"AAPL": "AAPL"}, "AAPL"),
        ("brk-b", {"BRK-B": "BRK.B"}, "BRK.B"),
        (None, {"BRK-B": "BRK.B"}, "BRK.B"),
        ("MSFT", {"AAPL": "AAPL"}, None),
        ("BRK-B", {"BRK-B": "BRK.B", "KIMpL": "KIMpL"}, "BRK.B"),
        ("KIMPL", {"BRK-B": "BRK.B", "KIMpL": "KIMpL"}, None),
        (None, {"BRK-B": "BRK.B", "KIMpL": "KIMpL"}, None),
    ],
)
def test_it_gives_a_row_to_the_ticker_that_was_asked_for(named: str | None, spellings: Any, ticker: str | None) -> None:
    assert ticker_of(named, spellings) == ticker
