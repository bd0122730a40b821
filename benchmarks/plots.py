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
GREY = "#768390"
OURS = "#2f81f7"
OTHERS = "#8b949e"
LIMIT = "#3fb950"
COLUMNS = 2  # of small plots beside each other
FAR_APART = 20  # bars need a logarithmic scale
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
    every = [figure for figure in figures.figures if figure.table == table]
    rows: dict[str, list[Figure]] = {}
    for figure in every:
        rows.setdefault(figure.row, []).append(figure)
    sized = all(SIZE.fullmatch(figure.column) for figure in every)
    with mpl.rc_context(STYLE):
        height = 1.8 if sized else 0.55 + 0.24 * max(len(row) for row in rows.values())
        lines = -(-len(rows) // COLUMNS)
        canvas = Canvas(figsize=(9, 0.5 + height * lines), layout="constrained")
        canvas.suptitle(table, fontsize=11)
        for place, (name, row) in enumerate(rows.items()):
            axes = canvas.add_subplot(lines, COLUMNS, place + 1)
            title = name.replace("`", "")
            if name != row[0].unit:
                title += f", {row[0].unit}"
            axes.set_title(title, fontsize=9, loc="left")
            axes.patch.set_alpha(0)
            if sized:
                draw_growth(axes, row)
            else:
                # Without a limit, the rows are compared with each other.
                draw_bars(axes, row, row if figures.limits else every, figures.limits)
        path = IMAGES / f"{figures.name.replace('_', '-')}-{number + 1}.svg"
        canvas.savefig(path, transparent=True, metadata={"Date": None, "Title": table})
    return path


def draw_bars(
    axes: Any, row: Sequence[Figure], compared: Sequence[Figure], limits: dict[str, str]
) -> None:
    """Draw a bar for each column, with its spread and its number.

    Args:
        axes: Where to draw.
        row: The figures.
        compared: All that have the same scale.
        limits: The limits of some columns.
    """
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
    most, least = max(max(one.values) for one in compared), min(one.median for one in compared)
    if most > FAR_APART * least:
        axes.set_xscale("log")
        axes.set_xlim(least / 2, most * 4)
        axes.set_xlabel("logarithmic", fontsize=7)
    else:
        axes.set_xlim(0, most * 1.18)
    axes.tick_params(bottom=False, which="both", labelbottom=False)
    axes.spines["bottom"].set_visible(False)
    for place, one in zip(places, row, strict=True):
        right = (max(one.values), place)
        axes.annotate(short(one.median), right, (4, 0), textcoords="offset points", va="center")


def colour(name: str, limits: dict[str, str]) -> str:
    """Return the colour of a column: this package, one of its limits, or another."""
    if not limits or name.startswith("this package"):
        return OURS
    return LIMIT if name in {*limits, *limits.values()} else OTHERS


def draw_growth(axes: Any, row: Sequence[Figure]) -> None:
    """Draw a line over the sizes, both on logarithmic scales."""
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
