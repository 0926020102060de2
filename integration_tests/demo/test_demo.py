"""`make demo`, as a visitor runs it: what it prints, what is in the database, and what is drawn."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from source_stock_prices.providers import sample_market as market
from source_stock_prices.providers.sample_market import Trade

pytestmark = pytest.mark.demo

ROOT = Path(__file__).parents[2]
FIRST, LAST, SPLIT_DAY = date(2025, 11, 3), date(2026, 6, 30), date(2026, 3, 12)
TICKERS = ["AAPL", "CSCO", "KO", "MSFT"]


def start(folder: Path) -> subprocess.Popen[str]:
    """The demo of a copy of its folder, so that nobody's results are overwritten."""
    made_here = shutil.ignore_patterns("out", "__pycache__")
    shutil.copytree(ROOT / "demo", folder / "demo", ignore=made_here, dirs_exist_ok=True)
    command = [sys.executable, "-W", "ignore", "demo/demo.py"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def true_bars(ticker: str) -> list[Trade]:
    return market.adjusted_trades(ticker, FIRST, LAST, "splits", as_of=LAST)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("visitor")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What the demo prints, after it was killed in the middle of a sync."""
    with start(folder) as killed:
        assert killed.stdout
        shown = ""
        while not shown.endswith("Sync 2"):
            letter = killed.stdout.read(1)
            assert letter, shown
            shown += letter
        killed.kill()
    with start(folder) as demo:
        out, err = demo.communicate(timeout=900)
    assert (demo.returncode, err) == (0, ""), out + err
    return out


def test_it_prints_what_the_readme_shows(printed: str) -> None:
    """A sample market that is the same every day makes it a promise, but for the seconds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^make demo\n```\n\n```text\n(.+?)^```", readme, re.MULTILINE | re.DOTALL)
    seconds = re.compile(r" +\d+ s$", re.MULTILINE)
    assert seconds.sub(" s", printed) == seconds.sub(" s", example)
    assert max(map(len, printed.splitlines())) <= 100


def test_it_fills_a_database_with_the_whole_market(printed: str, folder: Path) -> None:
    """Both syncs together, with the split that came between them, equal one look at the market afterwards."""
    import duckdb

    with duckdb.connect(str(folder / "demo/out/market.duckdb"), read_only=True) as database:
        rows = database.execute(
            "select stock_ticker, date, open, high, low, close, volume, dividend, split_factor "
            "from stock_prices order by stock_ticker, date"
        ).fetchall()
    found = [(ticker, day, *map(float, numbers)) for ticker, day, *numbers in rows]
    assert found == [
        (ticker, bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.dividend, bar.split)
        for ticker in TICKERS
        for bar in true_bars(ticker)
    ]


def test_it_draws_a_picture(printed: str, folder: Path) -> None:
    """Candles of both colours from the left to the right, and the events in theirs."""
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    file = folder / "demo/out/candles.png"
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert 30_000 < file.stat().st_size < 150_000
    pixels = imread(file)[:, :, :3]
    height, width = pixels.shape[:2]
    assert (width, height) == (1800, 960)
    for color, least in (("#1a8f7d", 5_000), ("#d1495b", 5_000), ("#5b4b9a", 1_000)):
        drawn = (abs(pixels - to_rgb(color)) < 0.02).all(axis=2)
        assert drawn.sum() > least, color
        columns = drawn.any(axis=0).nonzero()[0]
        assert columns[0] < width * 0.2 and columns[-1] > width * 0.8, color


class Page(HTMLParser):
    """What a browser would load for a page, and the scripts that are in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self.in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_script = tag == "script"
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts.append(data)


def test_it_makes_a_page_that_needs_no_network(printed: str, folder: Path) -> None:
    """It holds the program that draws, and every bar and event to move over."""
    page = Page((folder / "demo/out/candles.html").read_text(encoding="utf-8"))
    assert page.loaded == []
    assert max(map(len, page.scripts)) > 1_000_000, "plotly.js is in the page"
    (call,) = (script for script in page.scripts if "Plotly.newPlot(" in script and len(script) < 1_000_000)
    traces, _ = json.JSONDecoder().raw_decode(call, call.index("[", call.index("Plotly.newPlot(")))
    bars = true_bars("CSCO")
    candles, volume, *events = traces
    assert candles["x"] == volume["x"] == [bar.date.isoformat() for bar in bars]
    assert [candles[name] for name in ("open", "high", "low", "close")] == [
        [bar.open for bar in bars],
        [bar.high for bar in bars],
        [bar.low for bar in bars],
        [bar.close for bar in bars],
    ]
    assert volume["y"] == [bar.volume for bar in bars]
    assert {event["x"][0]: event["text"][0].strip() for event in events} == expected_events(bars)


def test_it_makes_a_page_for_a_tab_and_for_a_phone(printed: str, folder: Path) -> None:
    """It says what it is, is as wide as the screen, and labels every month and the day at the pointer."""
    text = (folder / "demo/out/candles.html").read_text(encoding="utf-8")
    assert "<title>CSCO on the sample market: every price is made up</title>" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    (months,) = re.findall(r'"ticktext":(\[.+?\])', text[-200_000:])
    assert len(json.loads(months)) == 8
    assert "Nov" in json.loads(months)[0]
    assert '"unifiedhovertitle":{"text":"%{x|%A, %d %B %Y}"}' in text[-200_000:]  # without it, "Feb 2026" of its 2nd
    assert "{plot_id}" not in text


def expected_events(bars: list[Trade]) -> dict[str, str]:
    """One split, and dividends: those before it on the scale after it."""
    events = {SPLIT_DAY.isoformat(): "Split 4 for 1"}
    for bar in bars:
        if bar.dividend:
            scale = 4 if bar.date < SPLIT_DAY else 1
            events[bar.date.isoformat()] = f"Dividend {bar.dividend / scale:.2f}"
    assert len(events) == 4
    return events


def test_it_says_what_it_cannot_write(tmp_path: Path) -> None:
    """A sentence with the path, and no stack trace."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/out").touch()
    with start(tmp_path) as demo:
        _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (1, "The demo cannot write demo/out: File exists.\n")
