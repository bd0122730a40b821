"""What benchmarks find: medians with their spread, as tables, as JSON, and in the docs.

A benchmark collects `Figure`s, prints them as it goes, and writes them to
`benchmarks/figures/<name>.json` if it is told to keep them. The docs show those that are kept:
`python benchmarks/figures.py` writes their tables anew, and `--check` only looks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "figures"
DOCS = ROOT / "docs"
PACKAGES = (
    "elasticsearch",
    "langchain-core",
    "langchain-elasticsearch",
    "langchain-community",
    "langchain-postgres",
    "langchain-redis",
)
# How many times further from its limit than in the kept run a column may be.
MUCH_WORSE = 1.25
# A few turns decide them: two runs of the same code are further apart than that.
NOT_JUDGED = frozenset({"p99"})
# The names of a run, of a table, and perhaps of some columns, stand before a table.
MARKED = re.compile(
    r"(<!-- figures: (\w+): ([^:\n]+?)(?:: (.+?))? -->\n\n)(.*?)(\n\n<!-- end of figures -->)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark.

    Attributes:
        table: The heading it stands under.
        row: What was done.
        column: Who did it, or to what.
        unit: Such as "ms" or "turns/s"; of a unit "per second", more is better.
        values: One for each round.
    """

    table: str
    row: str
    column: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return short(self.median)
        return f"{short(self.median)} ±{self.spread:.0%}"

    @property
    def spread(self) -> float:
        """Half of what the rounds are apart, as a part of the median."""
        apart = max(self.values) - min(self.values)
        return apart / 2 / self.median if self.median else 0.0


@dataclass
class Figures:
    """The figures of one run of a benchmark.

    Args:
        name: The benchmark, as `nox -s benchmark -- <name>` knows it.
        server: The version of Elasticsearch.
        limits: For some columns, the column that they are compared with.
    """

    name: str
    server: str
    limits: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(self, table: str, row: str, column: str, unit: str, values: list[float]) -> None:
        """Add what the rounds gave."""
        self.figures.append(Figure(table, row, column, unit, values))

    def tables(self) -> list[str]:
        """List the tables in the order of their first figures."""
        return list(dict.fromkeys(figure.table for figure in self.figures))

    def ratios(self) -> dict[tuple[str, str, str], float]:
        """Return by table, row and column how much slower than its limit a column is.

        It is the median of the rounds' ratios: what slows down a whole round slows down both.
        """
        found = {(one.table, one.row, one.column): one for one in self.figures}
        ratios = {}
        for (table, row, column), figure in found.items():
            limit = found.get((table, row, self.limits.get(column, "")))
            if limit is not None:
                pairs = zip(figure.values, limit.values, strict=True)
                slower = statistics.median(one / other for one, other in pairs)
                ratios[table, row, column] = 1 / slower if figure.unit.endswith("/s") else slower
        return ratios

    def markdown(self, table: str, only: Sequence[str] = ()) -> str:
        """Return a table of all or some columns, upright if it has more columns than rows."""
        figures = [
            figure
            for figure in self.figures
            if figure.table == table and (not only or figure.column in only)
        ]
        units = {figure.unit for figure in figures}
        ratios = self.ratios()
        cells: dict[tuple[str, str], str] = {}
        for figure in figures:
            row = figure.row
            if len(units) > 1 and row != figure.unit:
                row += f", {figure.unit}"
            ratio = ratios.get((table, figure.row, figure.column))
            if only and self.limits.get(figure.column) not in only:
                ratio = None
            cells[row, figure.column] = f"{figure}" if ratio is None else f"{figure}, {ratio:.2f}"
        rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
        if len(columns) > len(rows):
            rows, columns = columns, rows
            cells = {(column, row): cell for (row, column), cell in cells.items()}
        corner = units.pop() if len(units) == 1 else ""
        lines = [[corner, *columns], ["---"] * (len(columns) + 1)]
        lines += [[row, *(cells.get((row, one), "") for one in columns)] for row in rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def print(self) -> None:
        """Print all tables."""
        for table in self.tables():
            print(f"\n{table}\n\n{self.markdown(table)}", flush=True)

    def keep(self, options: dict[str, Any]) -> Path:
        """Write the figures to `benchmarks/figures/`, with what they were measured on."""
        KEPT.mkdir(exist_ok=True)
        path = KEPT / f"{self.name}.json"
        about = {"options": options, "measured_on": machine(), "commit": commit()}
        path.write_text(json.dumps({**about, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def kept(cls, name: str) -> Figures:
        """Read the figures that were kept of a benchmark."""
        read = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
        figures = [Figure(**figure) for figure in read["figures"]]
        return cls(read["name"], read["server"], read["limits"], figures)


def much_worse(now: Figures, kept: Figures) -> list[tuple[str, str, str]]:
    """Return by table, row and column what is much further from its limit than in the kept run."""
    found, before = now.ratios(), kept.ratios()
    judged = [key for key in found if key in before and key[1] not in NOT_JUDGED]
    return [key for key in judged if found[key] > before[key] * MUCH_WORSE]


def worse(
    now: Figures, kept: Figures, among: Collection[tuple[str, str, str]] | None = None
) -> list[str]:
    """Say what is much further from its limit than in the kept run.

    Args:
        now: A run, perhaps of some rows only.
        kept: The run to compare with.
        among: The tables, rows and columns to look at; None looks at all.
    """
    found, before = now.ratios(), kept.ratios()
    if found.keys().isdisjoint(before):
        return [f"The kept figures of {kept.name} have none of the rows that were measured."]
    return [
        f"{', '.join(key)}: {found[key]:.2f} times its limit, kept {before[key]:.2f}"
        for key in much_worse(now, kept)
        if among is None or key in among
    ]


def short(number: float) -> str:
    """Write a number with three digits that count."""
    if number >= 100:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.3g}"


def version_of(url: str) -> str:
    """Return the version of a server."""
    with Elasticsearch(url) as client:
        return str(client.info()["version"]["number"])


def machine() -> dict[str, Any]:
    """Return what a run was measured on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        **found,
    }


def commit() -> str:
    """Return the commit of the code that is measured; with a plus sign if it was changed."""
    git = ["git", "-C", str(ROOT)]
    code = ["src", "benchmarks/*.py"]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *code], check=False)
    return head.stdout.strip() + ("+" if changed.returncode else "")


def table_of(marked: re.Match[str]) -> str:
    """Return a marked place with the table that belongs there."""
    before, name, table, columns, _, behind = marked.groups()
    only = columns.split(", ") if columns else ()
    return before + Figures.kept(name).markdown(table, only) + behind


def pages() -> Iterator[tuple[Path, str, str]]:
    """Yield the pages that show figures, as they are and as they should be."""
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        wanted = MARKED.sub(table_of, text)
        if MARKED.search(text):
            yield path, text, wanted


def main() -> int:
    """Write the tables of the docs anew, or look whether they are those that are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = [(path, wanted) for path, text, wanted in pages() if text != wanted]
    for path, wanted in stale:
        print(f"{path.relative_to(ROOT)}: other figures")
        if not options.check:
            path.write_text(wanted, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
