"""The pages of the documentation, as tests read them: their tables and blocks of code."""

import keyword
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")

Row = dict[str, str]
"""The cells of a row by the titles of their columns, which are without backticks."""


def text_of(name: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def rows_of(text: str) -> Iterator[Row]:
    """Yield the rows of all tables of a page."""
    titles: list[str] = []
    for line in FENCE.sub("", text).splitlines():
        if not line.startswith("|"):
            titles = []
            continue
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
        if not titles:
            titles = [title.replace("`", "") for title in cells]
        elif not re.fullmatch(r"[-| ]+", line):
            yield dict(zip(titles, cells, strict=True))


def names_in(text: str) -> list[str]:
    """Return the Python names that a text has as code, without the arguments of calls."""
    found = [code.partition("(")[0] for code in CODE.findall(text)]
    return [name for name in found if name.isidentifier() and not keyword.iskeyword(name)]


def prose(text: str) -> str:
    """Return a page without its blocks of code, on one line."""
    return " ".join(FENCE.sub("", text).split())


DOCS = {
    name: text_of(name) for name in sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))
}


def column(title: str) -> dict[str, str]:
    """Return the names in all columns of this title, each with its page."""
    return {
        name: page
        for page, text in DOCS.items()
        for row in rows_of(text)
        for name in names_in(row.get(title, ""))
    }
