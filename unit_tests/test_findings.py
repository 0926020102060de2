"""What is said of findings, in the log and in records."""

from __future__ import annotations

from datetime import date
from string import Formatter

import pytest

from source_stock_prices import findings
from source_stock_prices.findings import (
    DROPPED,
    EMPTIED,
    GONE,
    NO_BAR,
    NOTICE,
    SENTENCES,
    STOPPED,
    Finding,
    Sentence,
    When,
    lines,
    records,
)

DAY, NEXT = date(2026, 11, 17), date(2026, 11, 18)
LAST = date(2026, 11, 20)


def rows(*findings: Finding) -> list[dict[str, str]]:
    written = records(
        findings,
        found_at="2026-11-21T02:00:00.000000Z",
        stream="stock_prices",
        last_day=LAST,
        title="Tiingo",
        provider="tiingo",
    )
    return [dict(row) for row in written]


def test_it_says_in_one_line_what_in_records_is_one_each() -> None:
    """People read lines, queries read records."""
    findings = [Finding(NO_BAR, ticker, day) for ticker in ("AAPL", "MSFT") for day in (DAY, NEXT)]
    assert list(lines(findings, When.AT_THE_END, "Tiingo")) == [
        "Tiingo has no bar for 4 sessions of 2 tickers: AAPL 2026-11-17, AAPL 2026-11-18, MSFT 2026-11-17,"
        " MSFT 2026-11-18. Sessions are asked for again as long as they are recent."
    ]
    assert rows(findings[0]) == [
        {
            "found_at": "2026-11-21T02:00:00.000000Z",
            "stream": "stock_prices",
            "stock_ticker": "AAPL",
            "date": "2026-11-17",
            "kind": "missing session",
            "detail": "Tiingo has no bar for AAPL 2026-11-17. Sessions are asked for again as long as they are recent.",
            "old": None,
            "new": None,
            "provider": "tiingo",
        }
    ]
    assert [(row["stock_ticker"], row["date"]) for row in rows(*findings)] == [
        ("AAPL", "2026-11-17"),
        ("AAPL", "2026-11-18"),
        ("MSFT", "2026-11-17"),
        ("MSFT", "2026-11-18"),
    ]


def test_it_writes_one_record_for_a_key() -> None:
    """Of two odd fields of a row, the later would be the only one in a deduplicated table."""
    odd = [Finding(EMPTIED, "AAPL", DAY, (field, "is missing")) for field in ("open", "high")]
    (row,) = rows(*odd)
    assert row["detail"] == (
        "open of AAPL 2026-11-17 from Tiingo is missing; it is null."
        " high of AAPL 2026-11-17 from Tiingo is missing; it is null."
    )


@pytest.mark.parametrize(
    ("finding", "key"),
    [
        (Finding(STOPPED, facts=("The key is wrong.",)), ("*", "2026-11-20")),
        (Finding(NOTICE, "AAPL", facts=("Data is limited",)), ("AAPL", "2026-11-20")),
        (Finding(DROPPED, "", None, ("no closing price",), "no ticker on an unknown day"), ("*", "2026-11-20")),
        (Finding(DROPPED, "\0A" + "x" * 100, DAY, ("no exchange has such a ticker",)), (None, "2026-11-17")),
    ],
)
def test_it_has_no_key_that_is_null_or_cannot_be_printed(finding: Finding, key: tuple[str | None, str]) -> None:
    """Some destinations refuse a key that is null or empty, and a NUL ends a load into PostgreSQL."""
    (row,) = rows(finding)
    ticker, day = key
    assert row["date"] == day
    assert ticker in (None, row["stock_ticker"])
    assert row["stock_ticker"].isprintable()
    assert 0 < len(row["stock_ticker"]) <= 41


def test_it_takes_braces_of_a_vendor_for_no_name() -> None:
    """A vendor's words may be JSON."""
    finding = Finding(NOTICE, "AAPL", facts=('{"names": {title}}',))
    assert list(lines([finding], When.AT_THE_END, "Tiingo")) == ['Notice from Tiingo for AAPL: {"names": {title}}']


def test_it_tells_of_each_at_its_time() -> None:
    """Some at once, some in one line for all, some not at all."""
    findings = [Finding(sentence, "AAPL", DAY, ("one", "two")) for sentence in SENTENCES]
    told = [line for when in (When.AT_ONCE, When.AT_THE_END) for line in lines(findings, when, "Tiingo")]
    assert len(told) == len([sentence for sentence in SENTENCES if sentence.when is not When.NEVER])


def test_it_keeps_so_many_of_a_sentence_and_counts_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with millions of holes would fill the memory, and the warehouse, with what nobody reads."""
    monkeypatch.setattr(findings, "MOST", 3)
    found, of_a_query = findings.Found(), findings.Found()
    days = [date(2026, 11, number) for number in (2, 3, 4, 5, 6)]
    for day in days:
        of_a_query.add(Finding(NO_BAR, "AAPL", day))
        of_a_query.add(Finding(NO_BAR, "AAPL", days[0]))
    found.add(Finding(NO_BAR, "KO", DAY))
    found.add(Finding(GONE, "KO", DAY))
    found.take_over(of_a_query)
    assert [finding.day for finding in found][:4] == [DAY, DAY, days[0], days[1]]
    assert [(row["stock_ticker"], row["date"], row["kind"]) for row in rows(*found)][3:] == [
        ("AAPL", "2026-11-03", "missing session"),
        ("*", "2026-11-20", "missing session"),
    ]
    told = list(lines(found, When.AT_THE_END, "Tiingo"))
    assert told[0].startswith("Tiingo has no bar for 3 sessions of 2 tickers: KO 2026-11-17, AAPL 2026-11-02,")
    assert told[-1] == "3 more findings of the kind missing session are left out."


@pytest.mark.parametrize("sentence", SENTENCES)
def test_it_names_what_it_is_about(sentence: Sentence) -> None:
    """A sentence of an error names it itself."""
    named = {name for _, name, _, _ in Formatter().parse(sentence.text) if name}
    assert named & {"names", "sessions"} or sentence.text == "{0}"


def test_it_names_a_ticker_and_a_day_as_the_sentence_wants_it() -> None:
    (line,) = lines([Finding(GONE, "AAPL", DAY, named=f"AAPL ({DAY})")], When.AT_THE_END, "Tiingo")
    assert "the last bars read for AAPL (2026-11-17). Check" in line
