"""Marking the matches in a text for a page: escaped, and in whole characters."""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JOINER = "\u200d"
# https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings
EMBEDDINGS = frozenset("\u202a\u202b\u202d\u202e")
ISOLATES = frozenset("\u2066\u2067\u2068")
END_OF_EMBEDDING, END_OF_ISOLATE = "\u202c", "\u2069"


def marked_text(text: str, ranges: Iterable[tuple[int, int]], before: str, after: str) -> str:
    """Return `text`, escaped for HTML, with `before` and `after` around the ranges."""
    parts: list[str] = []
    done = 0
    for begin, end in _merged(_whole_characters(text, ranges)):
        parts += [html.escape(text[done:begin]), before, html.escape(text[begin:end]), after]
        done = end
    parts += [html.escape(text[done:]), _ends_of_directions(text)]
    return "".join(parts)


def _whole_characters(text: str, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the ranges, extended so that none begins or ends within what is shown as one."""
    for begin, end in ranges:
        first, last = max(0, begin), min(end, len(text))
        if first >= last:
            continue
        while first and _continues(text, first):
            first -= 1
        while last < len(text) and _continues(text, last):
            last += 1
        yield first, last


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _continues(text: str, at: int) -> bool:
    """Tell whether the character at a position belongs to what is shown before it."""
    character = text[at]
    return (
        character == JOINER
        or text[at - 1] == JOINER
        # Accents, variation selectors and tags, and the colours of skin.
        or unicodedata.category(character) in {"Mn", "Me", "Mc"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or (_is_regional(character) and _regionals_before(text, at) % 2 == 1)
        # The halves of a character, where a lone surrogate was stored.
        or "\udc00" <= character <= "\udfff"
    )


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    count = 0
    while count < at and _is_regional(text[at - 1 - count]):
        count += 1
    return count


def _ends_of_directions(text: str) -> str:
    """Return what ends the changes of direction that `text` leaves open."""
    opened: list[str] = []
    for character in text:
        if character in EMBEDDINGS:
            opened.append(END_OF_EMBEDDING)
        elif character in ISOLATES:
            opened.append(END_OF_ISOLATE)
        elif character == END_OF_ISOLATE and END_OF_ISOLATE in opened:
            # It also ends the embeddings within.
            while opened.pop() != END_OF_ISOLATE:
                pass
        elif character == END_OF_EMBEDDING and opened[-1:] == [END_OF_EMBEDDING]:
            opened.pop()
    return "".join(reversed(opened))
