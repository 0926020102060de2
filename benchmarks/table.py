"""The result table, one row per measure. Its Markdown columns are aligned, so that it is readable in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

HEAD = ("measure", "connector", "compared with", "", "ratio", "goal", "met")


@dataclass(frozen=True)
class Row:
    """One line. `goal` is text; `met` is None if there is no goal."""

    measure: str
    ours: str
    against: str = ""
    theirs: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        met = {True: "yes", False: "no", None: ""}[self.met]
        return (self.measure, self.ours, self.against, self.theirs, self.ratio, self.goal, met)


def compared(
    measure: str, ours: Sequence[float], against: str, theirs: Sequence[float], form: str, at_most: float | None = None
) -> Row:
    """The medians of two series of figures, and the median of the ratios of figures measured one after the other.

    `form` formats a figure with its unit.
    """
    ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    goal, met = (f"≤ {at_most:g}x", 0 < ratio <= at_most) if at_most else ("", None)
    return Row(measure, form.format(median(ours)), against, form.format(median(theirs)), f"{ratio:.3g}x", goal, met)


def bounded(measure: str, figure: float, at_most: float, form: str = "{:,.0f}") -> Row:
    """A figure with an absolute limit."""
    return Row(measure, form.format(figure), goal=f"≤ {form.format(at_most)}", met=figure <= at_most)


def render(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(3, *(len(line[n]) for line in lines)) for n in range(len(HEAD))]
    written = [_line(line, widths) for line in lines]
    rule = "|".join(["", *("-" * (width + 2) for width in widths), ""])
    return "\n".join([written[0], rule, *written[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
