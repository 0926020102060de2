"""A candlestick chart of a ticker with volume, splits and dividends: as a picture, and as a page that works offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure as Picture
from matplotlib.ticker import MaxNLocator
from plotly.graph_objects import Figure

UP, DOWN, EVENT, GRID, INK = "#1a8f7d", "#d1495b", "#5b4b9a", "#e6e8ec", "#2b2d42"
HOVER = "#9aa0ae"
PRICES, SHARES = "US dollars a share, adjusted for splits", "Shares"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0; height: 100vh; height: 100dvh; display: flex; flex-direction: column; color: {ink}; }}
h1 {{ margin: 0; padding: 12px 16px; font: bold clamp(15px, 2.4vw, 20px) sans-serif; }}
body > div {{ flex: 1; min-height: 0; }}
</style>
</head>
<body>
<h1>{title}</h1>
{chart}
</body>
</html>
"""

HOVERING = """
const chart = document.getElementById("{plot_id}");
const line = chart.layout.shapes.findIndex(shape => shape.name === "hover");
const draw = (opacity, x) => Plotly.relayout(chart, {
    [`shapes[${line}].opacity`]: opacity, ...(x && {[`shapes[${line}].x0`]: x, [`shapes[${line}].x1`]: x})
});
chart.on("plotly_hover", event => draw(1, event.points[0].x));
chart.on("plotly_unhover", () => draw(0));
const months = whole => Plotly.relayout(chart, {"xaxis.tickmode": whole ? "array" : "auto"});
chart.on("plotly_relayout", change => {
    if ("xaxis.range[0]" in change || "xaxis.autorange" in change) months(change["xaxis.autorange"]);
});
"""
"""Moves a line to the session that the pointer is on: a shape, because plotly's own lies over the candles. Months are
labelled as long as all of them are seen; of a part, plotly labels what fits.
"""


class Bar(NamedTuple):
    date: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    split_factor: float
    dividend: float


class Chart:
    """Charts bars in order of date, on the scale of the last one. Events are labelled above or below the candles."""

    def __init__(self, ticker: str, rows: Sequence[Sequence[Any]]) -> None:
        self.ticker = ticker
        self.title = f"{ticker} on the sample market: every price is made up"
        self.bars = [Bar(*row) for row in rows]
        self.colors = [UP if bar.close >= bar.open else DOWN for bar in self.bars]
        lowest, highest = min(bar.low for bar in self.bars), max(bar.high for bar in self.bars)
        eighth = (highest - lowest) / 8
        self.range = (lowest - 1.7 * eighth, highest + eighth)
        self.below, self.above = lowest - eighth, highest + eighth / 2

    def save_picture(self, file: Path) -> None:
        figure = Picture(figsize=(12, 6.4), layout="constrained")
        prices, volumes = figure.subplots(2, sharex=True, height_ratios=[4, 1])
        places = range(len(self.bars))
        prices.vlines(places, [bar.low for bar in self.bars], [bar.high for bar in self.bars], self.colors, linewidth=1)
        bodies = [bar.close - bar.open for bar in self.bars]
        prices.bar(places, bodies, 0.7, [bar.open for bar in self.bars], color=self.colors, linewidth=1)
        volumes.bar(places, [bar.volume for bar in self.bars], 0.7, color=self.colors, alpha=0.6)
        for place, bar in enumerate(self.bars):
            if bar.split_factor != 1:
                for axes in (prices, volumes):
                    axes.axvline(place - 0.5, color=EVENT, linewidth=1, linestyle="--", zorder=0)
                prices.text(place + 0.5, self.above, _split(bar), color=EVENT, weight="bold", va="center")
            if bar.dividend:
                prices.plot(place, self.below, "o", color=EVENT)
                label = {"color": EVENT, "ha": "center", "va": "top", "bbox": {"color": "white", "pad": 1}}
                prices.annotate(_dividend(bar), (place, self.below), (0, -7), textcoords="offset points", **label)
        prices.set(ylim=self.range, ylabel=PRICES)
        prices.set_title(self.title, loc="left", fontsize=14, weight="bold", color=INK, pad=12)
        months = [n for n in places if not n or self.bars[n].date.month != self.bars[n - 1].date.month]
        volumes.set(xlim=(-1.5, len(self.bars) + 0.5), ylabel=SHARES)
        volumes.set_xticks(months, [f"{self.bars[n].date:%b %Y}" for n in months], ha="left")
        volumes.yaxis.set(major_locator=MaxNLocator(4), major_formatter=lambda count, _: f"{count / 1e6:g} M")
        for axes in (prices, volumes):
            axes.grid(color=GRID)
            axes.set_axisbelow(True)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0, labelcolor=INK)
            axes.yaxis.label.set_color(INK)
        figure.align_ylabels()
        figure.savefig(file, dpi=150)

    def save_page(self, file: Path) -> None:
        days = [bar.date for bar in self.bars]
        figure = Figure()
        figure.add_candlestick(
            x=days,
            open=[bar.open for bar in self.bars],
            high=[bar.high for bar in self.bars],
            low=[bar.low for bar in self.bars],
            close=[bar.close for bar in self.bars],
            increasing={"line": {"color": UP, "width": 1}, "fillcolor": UP},
            decreasing={"line": {"color": DOWN, "width": 1}, "fillcolor": DOWN},
            name=self.ticker,
        )
        figure.add_bar(
            x=days,
            y=[bar.volume for bar in self.bars],
            marker={"color": self.colors, "opacity": 0.6},
            name="Volume",
            hovertemplate="%{y:,.0f} shares",
            yaxis="y2",
        )
        for bar in self.bars:
            if bar.split_factor != 1:
                line = {"color": EVENT, "width": 1, "dash": "dash"}
                figure.add_vline(bar.date.isoformat(), line=line, layer="below")
                self._write(figure, bar, self.above, _split(bar), "middle right")
            if bar.dividend:
                self._write(figure, bar, self.below, _dividend(bar), "bottom center")
        closed = {days[0] + timedelta(n) for n in range((days[-1] - days[0]).days)} - set(days)
        firsts = [day for n, day in enumerate(days) if not n or day.month != days[n - 1].month]
        figure.add_vline(days[0].isoformat(), line={"color": HOVER, "width": 1}, layer="below", opacity=0, name="hover")
        figure.update_layout(
            xaxis={
                "anchor": "y2",
                "rangebreaks": [{"values": sorted(closed)}],
                "rangeslider": {"visible": False},
                "gridcolor": GRID,
                "unifiedhovertitle": {"text": "%{x|%A, %d %B %Y}"},  # hoverformat yields to the text of a tick
                "showspikes": False,
                "ticklabelstandoff": 6,
                "tickvals": firsts,
                "ticktext": [f"{day:%b}<br>{day:%Y}" for day in firsts],
                "tickformat": "%d %b<br>%Y",
            },
            yaxis={"domain": [0.25, 1], "title": PRICES, "range": self.range, "gridcolor": GRID, "hoverformat": ".2f"},
            yaxis2={"domain": [0, 0.22], "title": SHARES, "nticks": 4, "gridcolor": GRID},
            hovermode="x unified",
            hoversubplots="axis",
            showlegend=False,
            plot_bgcolor="white",
            font={"color": INK, "family": "sans-serif"},
            margin={"t": 10, "b": 40, "l": 60, "r": 10},
        )
        buttons = {
            "displaylogo": False,
            "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
            "responsive": True,
        }
        chart = figure.to_html(
            full_html=False, include_plotlyjs=True, config=buttons, default_height="100%", post_script=HOVERING
        )
        file.write_text(PAGE.format(title=escape(self.title), ink=INK, chart=chart), encoding="utf-8")

    @staticmethod
    def _write(figure: Figure, bar: Bar, height: float, text: str, place: str) -> None:
        """Adds an event as a labelled dot. Hovering over it shows the event and its day."""
        figure.add_scatter(
            x=[bar.date],
            y=[height],
            mode="markers+text",
            marker={"color": EVENT, "size": 8},
            text=[f" {text} "],
            textposition=place,
            textfont={"color": EVENT},
            cliponaxis=False,
            name="Event",
            hovertemplate=f"{text}<extra></extra>",
        )


def _split(bar: Bar) -> str:
    return f"Split {bar.split_factor:g} for 1"


def _dividend(bar: Bar) -> str:
    return f"Dividend {bar.dividend:.2f}"
