"""Syncs the sample market into DuckDB twice, with a split in between, then shows the table and draws a chart."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import duckdb

OUT = Path(__file__).with_name("out")
DATABASE, LOG = OUT / "market.duckdb", OUT / "pyairbyte.log"
PAGE, PICTURE = OUT / "candles.html", OUT / "candles.png"

CONFIG = {
    "provider": {"name": "sample"},
    "stock_ticker": "AAPL, CSCO, KO, MSFT",
    "start_date": "2025-11-03",
    "adjustment": "splits",
}
BEFORE, AFTER = "2026-03-06", "2026-06-30"
"""The last day of each sync. CSCO splits between them. The sample market is the same whenever it is read."""

TABLE = """
    select stock_ticker, count(*), min(date), max(date), arg_max(price, date),
           count(*) filter (where _airbyte_extracted_at > $first_sync)
    from stock_prices group by stock_ticker order by stock_ticker
"""
FINDINGS = """
    select stock_ticker, date, kind, detail from findings
    where found_at = (select max(found_at) from findings) order by stock_ticker, date, kind
"""
STREAMS = ("stock_prices", "findings")
SPLIT = "select stock_ticker, date, split_factor from stock_prices where split_factor <> 1"
CANDLES = """
    select date, open::double, high::double, low::double, close::double, volume::double, split_factor::double,
           dividend / coalesce(product(split_factor) over later, 1)
    from stock_prices where stock_ticker = $ticker
    window later as (order by date rows between 1 following and unbounded following)
    order by date
"""
"""Prices and volume are adjusted for splits, dividends are as paid: this query puts both on the same scale."""


def main() -> None:
    print("Syncing the sample market. Its prices are made up, so you need no key and no network.\n", flush=True)
    try:
        OUT.mkdir(exist_ok=True)
        for file in (DATABASE, DATABASE.with_suffix(".duckdb.wal"), LOG, PAGE, PICTURE):
            file.unlink(missing_ok=True)
        LOG.touch()
    except OSError as error:
        sys.exit(f"The demo cannot write {shown(Path(error.filename))}: {error.strerror}.")
    with step("Starting PyAirbyte"):
        from warehouse import sync
    with step(f"Sync 1: reading until {BEFORE}"):
        sync({**CONFIG, "end_date": BEFORE}, str(DATABASE), STREAMS)
    ((first_sync,),) = ask("select max(_airbyte_extracted_at) from stock_prices")
    with step(f"Sync 2: reading until {AFTER}"):
        sync({**CONFIG, "end_date": AFTER}, str(DATABASE), STREAMS)

    print(f"\nThe table stock_prices in {shown(DATABASE)}:\n")
    print("  ticker   bars   first session   last session   last price   read by sync 2")
    reread = []
    for ticker, bars, first, last, price, again in ask(TABLE, first_sync=first_sync):
        if again == bars:
            reread.append(ticker)
        print(f"  {ticker:<6}{bars:>7}   {first}      {last}   {price:>10.2f}   {again:>14}")
    ((ticker, day, factor),) = ask(SPLIT)
    print(f"\n{ticker} split {factor:.0f} for 1 on {day}, between the two syncs. The split divided its older prices,")
    others = " and ".join(other for other in reread if other != ticker)
    print(f"so sync 2 read {ticker} again from the start. It did the same for {others}, whose dividends")
    print("changed the older values of adjusted_close. For the others it wrote only what was new,")
    print("and the last known bar once more.\n")

    print("The table findings lists what a person should look at. Sync 2 found:\n")
    for name, found_on, kind, detail in ask(FINDINGS):
        print(f"  {name:<6}{found_on}   {kind}")
        print(f"        {detail}")
    print()

    with step(f"Drawing a chart of {ticker}"):
        from chart import Chart

        chart = Chart(ticker, ask(CANDLES, ticker=ticker))
        chart.save_picture(PICTURE)
        chart.save_page(PAGE)
    print(f"\nOpen {shown(PAGE)} in a browser, or look at {shown(PICTURE)}.")


@contextmanager
def step(doing: str) -> Iterator[None]:
    """Prints what is being done and how long it took. PyAirbyte's output meanwhile goes to a file."""
    print(f"{doing + ' ...':<40}", end="", flush=True)
    began = time.monotonic()
    with LOG.open("a") as log:
        try:
            with redirect_stdout(log), redirect_stderr(log):
                yield
        except Exception as error:  # noqa: BLE001 any error ends the demo
            traceback.print_exc(file=log)
            said, _, _ = str(error).partition("\n")
            sys.exit(f"failed.\n{said}\nSee {shown(LOG)} for the details.")
    print(f"{time.monotonic() - began:3.0f} s", flush=True)


def ask(sql: str, **values: object) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(DATABASE)) as database:
        rows: list[tuple[Any, ...]] = database.execute(sql, values).fetchall()
    return rows


def shown(file: Path) -> str:
    """A path relative to the current folder, if it is inside it."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped.")
