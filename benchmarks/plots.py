"""Plots of the figures that are kept, for the docs: `python benchmarks/plots.py`.

The background is transparent, and all colours are of a middle brightness, so that they can be read
on a light page and on a dark one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from figures import DOCS, KEPT, Figure, Figures, short
from matplotlib.figure import Figure as Canvas

IMAGES = DOCS / "images"
GREY = "#6e7681"
OURS = "#2f81f7"
OTHERS = "#8b949e"
LIMIT = "#3fb950"
COLUMNS = 2  # of small plots beside each other
SIZE = re.compile(r"10[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
EXPONENTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "figures",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": GREY,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


def draw(figures: Figures) -> list[Path]:
    """Draw a plot of each table; returns where they are."""
    IMAGES.mkdir(exist_ok=True)
    return [draw_table(figures, number) for number in range(len(figures.tables()))]


def draw_table(figures: Figures, number: int) -> Path:
    """Draw one table: lines where its columns are sizes, else bars."""
    table = figures.tables()[number]
    rows: dict[str, list[Figure]] = {}
    for figure in figures.figures:
        if figure.table == table:
            rows.setdefault(figure.row, []).append(figure)
    sized = all(SIZE.fullmatch(one.column) for row in rows.values() for one in row)
    with mpl.rc_context(STYLE):
        height = 1.8 if sized else 0.55 + 0.24 * max(len(row) for row in rows.values())
        lines = -(-len(rows) // COLUMNS)
        canvas = Canvas(figsize=(9, 0.5 + height * lines), layout="constrained")
        canvas.suptitle(table, fontsize=11)
        for place, (name, row) in enumerate(rows.items()):
            axes = canvas.add_subplot(lines, COLUMNS, place + 1)
            title = name if name == row[0].unit else f"{name}, {row[0].unit}"
            axes.set_title(title, fontsize=9, loc="left")
            axes.patch.set_alpha(0)
            (draw_growth if sized else draw_bars)(axes, row, figures.limits)
        path = IMAGES / f"{figures.name.replace('_', '-')}-{number + 1}.svg"
        canvas.savefig(path, transparent=True, metadata={"Date": None, "Title": table})
    return path


def draw_bars(axes: Any, row: Sequence[Figure], limits: dict[str, str]) -> None:
    """Draw a bar for each column, from nothing, with its spread and its number."""
    names = [one.column for one in row]
    medians = [one.median for one in row]
    places = range(len(row), 0, -1)
    spread = [
        [one.median - min(one.values) for one in row],
        [max(one.values) - one.median for one in row],
    ]
    colours = [colour(name, limits) for name in names]
    axes.barh(places, medians, xerr=spread, color=colours, ecolor=GREY, height=0.7)
    axes.set_yticks(places, names)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    most = max(max(one.values) for one in row)
    axes.set_xlim(0, most * 1.18)
    for place, one in zip(places, row, strict=True):
        axes.text(max(one.values) + most * 0.015, place, short(one.median), va="center")


def colour(name: str, limits: dict[str, str]) -> str:
    """Return the colour of a column: what is compared, its limit, or another."""
    if name in limits:
        return OURS
    return LIMIT if name in limits.values() else OTHERS


def draw_growth(axes: Any, row: Sequence[Figure], limits: dict[str, str]) -> None:
    """Draw a line over the sizes, both on logarithmic scales."""
    del limits
    sizes = [10 ** int(one.column[2:].translate(EXPONENTS)) for one in row]
    medians = [one.median for one in row]
    axes.fill_between(
        sizes,
        [min(one.values) for one in row],
        [max(one.values) for one in row],
        color=OURS,
        alpha=0.25,
        linewidth=0,
    )
    axes.plot(sizes, medians, "o-", color=OURS, markersize=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [one.column for one in row])
    axes.minorticks_off()
    # At least two powers of ten, so that what is flat looks flat.
    middle = (min(medians) * max(medians)) ** 0.5
    spread = max(max(medians) / middle, 10) * 1.5
    axes.set_ylim(middle / spread, middle * spread)
    axes.set_yticks([])
    for size, median in zip(sizes, medians, strict=True):
        axes.annotate(
            short(median), (size, median), (0, 6), textcoords="offset points", ha="center"
        )


def main() -> None:
    """Draw all figures that are kept."""
    for path in sorted(KEPT.glob("*.json")):
        for drawn in draw(Figures.kept(path.stem)):
            print(drawn.relative_to(DOCS))


if __name__ == "__main__":
    main()
