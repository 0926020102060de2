"""A row costs a row: whatever one of them is, the others are read as if it were not there, and it is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from source_stock_prices.providers import PROVIDERS
from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.massive import Massive
from source_stock_prices.providers.mend import MISSING, NO_CLOSE, NO_DATE, NO_OBJECT, NO_TICKER, NOT_A_NUMBER
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ANY, Bar, Query
from unit_tests.vendor_cases import FILES, Losses

DAYS = [date(2026, 11, day) for day in (16, 17, 18, 19, 20)]
SPOILED = DAYS[2]
Row = dict[str, Any]

BODIES: Mapping[str, Callable[[list[tuple[str, Any]]], Any]] = {
    "massive": lambda rows: {"status": "OK", "resultsCount": len(rows), "results": [row for _, row in rows]},
    "tiingo": lambda rows: [row for _, row in rows],
    "alpaca": lambda rows: {"bars": {"AAPL": [row for _, row in rows]}, "next_page_token": None},
    "twelve_data": lambda rows: {"status": "ok", "values": [row for _, row in rows]},
    "eodhd": lambda rows: [row for _, row in rows],
    "alpha_vantage": lambda rows: {"Time Series (Daily)": dict(rows)},
    "fmp": lambda rows: [row for _, row in rows],
    "marketstack": lambda rows: {"pagination": {}, "data": [row for _, row in rows]},
    "iex": lambda rows: [row for _, row in rows],
    "sample": lambda rows: {"bars": [row for _, row in rows]},
}
"""How each vendor packs its rows, each with its day."""

SERIES = [(provider, adjustment) for provider in PROVIDERS.values() for adjustment in provider.adjustments]

every_series = pytest.mark.parametrize(
    ("provider", "adjustment"), SERIES, ids=[f"{provider.name}-{adjustment}" for provider, adjustment in SERIES]
)


def moment(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000


def row_of(provider: type[Provider], adjustment: str, day: date) -> Row:
    """A row with every field that the vendor has."""
    names = [name for name in provider.fields[adjustment] if name]
    label: Any = moment(day) if provider is Massive else f"{day}T05:00:00Z"
    return {**dict.fromkeys(names, 10.5), "fclose": 10.5, "symbol": "AAPL", provider.date_field: label}


def read(provider: type[Provider], adjustment: str, rows: list[tuple[str, Any]]) -> tuple[list[Bar], Losses]:
    """The bars of an answer with these rows, and what was lost."""
    speaker = provider(**FILES[provider.name]["settings"])
    query = Query(("AAPL",), DAYS[0], DAYS[-1], adjustment, DAYS[-1])
    body = json.dumps(BODIES[provider.name](rows)).encode()
    losses: Losses = []
    answer = Answer(200, {}, f"{speaker.base_url}/x?symbol=AAPL", body)
    assert speaker.problem(answer) is None
    bars = speaker.parse(
        answer, query, lambda ticker, day, reason, field="": losses.append((ticker, str(day or ""), reason, field))
    )
    return bars, losses


def rows_of(provider: type[Provider], adjustment: str) -> list[tuple[str, Any]]:
    return [(str(day), row_of(provider, adjustment, day)) for day in DAYS]


def with_row(provider: type[Provider], adjustment: str, row: Any, day: str = str(SPOILED)) -> tuple[list[Bar], Losses]:
    """What is read of five rows of which the third is another one."""
    rows = rows_of(provider, adjustment)
    rows[2] = day, row
    return read(provider, adjustment, rows)


def others(provider: type[Provider], adjustment: str) -> list[Bar]:
    whole, losses = read(provider, adjustment, rows_of(provider, adjustment))
    assert losses == []
    assert len(whole) == len(DAYS)
    return [bar for bar in whole if bar.date != SPOILED]


@every_series
@pytest.mark.parametrize("row", [None, [], "NA", 5, True, [1, 2]])
def test_it_loses_a_row_that_is_no_object_alone(provider: type[Provider], adjustment: str, row: Any) -> None:
    """Marketstack sends an empty list between its rows."""
    bars, losses = with_row(provider, adjustment, row)
    assert bars == others(provider, adjustment)
    assert losses == [("AAPL", "", NO_OBJECT, "")]


@every_series
@pytest.mark.parametrize("label", [None, "0000-00-00", "soon", [], {}, 1e300, ""])
def test_it_loses_a_row_with_an_odd_date_alone(provider: type[Provider], adjustment: str, label: Any) -> None:
    """Of which session it is cannot be guessed."""
    row = {**row_of(provider, adjustment, SPOILED), provider.date_field: label}
    bars, losses = with_row(provider, adjustment, row, day="soon")
    assert bars == others(provider, adjustment)
    assert losses == [("AAPL", "", NO_DATE, "")]


@every_series
@pytest.mark.parametrize("close", ["NA", "NaN", "", True, [], {}, "absent"])
def test_it_loses_a_row_without_a_close_that_can_be_read_alone(
    provider: type[Provider], adjustment: str, close: Any
) -> None:
    """A bar without its price is none."""
    name = provider.fields[adjustment].close
    row = {**row_of(provider, adjustment, SPOILED), name: close}
    if close == "absent":
        del row[name]
    bars, losses = with_row(provider, adjustment, row)
    assert bars == others(provider, adjustment)
    assert losses == [("AAPL", str(SPOILED), NO_CLOSE, "")]


@every_series
@pytest.mark.parametrize("value", ["NA", "NaN", "1e999", "", True, [], {}, "absent"])
def test_it_loses_an_odd_field_alone(provider: type[Provider], adjustment: str, value: Any) -> None:
    """A volume that is a word says nothing against the price beside it."""
    fields = provider.fields[adjustment]
    bars = read(provider, adjustment, rows_of(provider, adjustment))[0]
    for field, name in fields._asdict().items():
        if name in (None, fields.close, "adjusted close"):  # the last is made here, of another field
            continue
        row = {**row_of(provider, adjustment, SPOILED), name: value}
        if value == "absent":
            del row[name]
        found, losses = with_row(provider, adjustment, row)
        if value == "absent" and losses == []:
            assert name in {*provider.optional_fields, "volume"}  # some rows of this vendor lack it
        elif found[2:] and found[2].date != SPOILED:
            # The adjusted close is the close where other prices are scaled with it.
            assert (field, losses) == ("adjusted_close", [("AAPL", str(SPOILED), NO_CLOSE, "")])
            continue
        else:
            reason = MISSING if value == "absent" else NOT_A_NUMBER
            assert losses == [("AAPL", str(SPOILED), reason, field)]
        assert found == [bar._replace(**{field: None}) if bar.date == SPOILED else bar for bar in bars]


@every_series
def test_it_refuses_an_answer_of_which_most_cannot_be_read(provider: type[Provider], adjustment: str) -> None:
    """A renamed field ends the reading of a ticker; read as nothing, it would end its data."""
    fields = provider.fields[adjustment]
    for name in (fields.close, fields.open):
        rows = rows_of(provider, adjustment)
        for _, row in rows[:3]:
            del row[name]
        with pytest.raises(ValueError, match="of 5 rows"):
            read(provider, adjustment, rows)
        rows[0] = rows_of(provider, adjustment)[0]
        assert len(read(provider, adjustment, rows)[1]) == 2


def market(*rows: Any) -> tuple[list[str], Losses]:
    """The tickers that are read of a day of the whole market, and what was lost."""
    speaker = Massive(api_key="k")
    query = Query((ANY,), SPOILED, SPOILED, "raw", DAYS[-1])
    body = {"status": "OK", "resultsCount": 99, "results": list(rows)}
    answer = Answer(200, {}, "https://x.example", json.dumps(body).encode())
    losses: Losses = []
    bars = speaker.parse(
        answer, query, lambda ticker, day, reason, field="": losses.append((ticker, str(day or ""), reason, field))
    )
    assert speaker.market_rows(answer) == (len(rows), 99)
    return [bar.ticker for bar in bars], losses


@pytest.mark.parametrize("ticker", [5, None, [], ["A"], {"a": 1}, True, "", "absent"])
def test_it_loses_a_row_of_the_market_without_a_ticker_alone(ticker: Any) -> None:
    """With `*`, the keys of the table come from the vendor."""
    row = row_of(Massive, "raw", SPOILED)
    odd = {**row, "T": ticker} if ticker != "absent" else row
    assert market({**row, "T": "A"}, odd, {**row, "T": "B"}) == (["A", "B"], [("", str(SPOILED), NO_TICKER, "")])
    assert market({**row, "T": "A"}, {**row, "T": "B"}, None) == (
        ["A", "B"],
        [("after B", str(SPOILED), NO_OBJECT, "")],
    )


def test_it_loses_a_row_of_another_ticker_alone() -> None:
    """A page of a batch has rows of many tickers."""
    rows = rows_of(PROVIDERS["marketstack"], "raw")
    rows[2][1]["symbol"] = "MSFT"
    bars, losses = read(PROVIDERS["marketstack"], "raw", rows)
    assert [bar.date for bar in bars] == [day for day in DAYS if day != SPOILED]
    assert losses == [("", str(SPOILED), NO_TICKER, "")]


@every_series
def test_it_writes_every_number_with_a_fraction(provider: type[Provider], adjustment: str) -> None:
    """Readers who infer types of columns see one type: 100.0 and 100.25."""
    rows = rows_of(provider, adjustment)
    for _, row in rows:
        row.update({name: 100 for name in provider.fields[adjustment] if name}, fclose=100)
    bars, _ = read(provider, adjustment, rows)
    assert {type(value) for bar in bars for value in bar[2:12] if value is not None} == {float}
