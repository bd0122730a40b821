"""Highlights: which parts of a message's text a search matched.

The tags that Elasticsearch puts around a match are random for each request. So no message contains
them, and nothing needs to be escaped:
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/highlighting
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._results import Highlight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch_chat_history._documents.document import Hit

# Highlighting takes time for each character. An index refuses more than its own limit, which is
# 1,000,000 by default; -1, which stands for that limit, is new in 9.0.
MAX_CHARACTERS = 100_000


@dataclass(frozen=True)
class Highlighter:
    """Requests the highlights of one search, and reads them from its hits."""

    mark: str = field(default_factory=secrets.token_hex)

    @property
    def _begin(self) -> str:
        return f"<{self.mark}>"

    @property
    def _end(self) -> str:
        return f"</{self.mark}>"

    def request(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a search that highlights where `query` matches a text."""
        return {
            "fields": {"content": {"highlight_query": query}},
            "pre_tags": [self._begin],
            "post_tags": [self._end],
            "max_analyzed_offset": MAX_CHARACTERS,
        }

    def highlights_of(self, hit: Hit) -> tuple[Highlight, ...]:
        """Return the highlights of a hit; none if its text did not match."""
        fragments = hit.get("highlight", {}).get("content", ())
        return tuple(self._highlight(fragment) for fragment in fragments)

    def _highlight(self, fragment: str) -> Highlight:
        text, *marked = fragment.split(self._begin)
        ranges: list[tuple[int, int]] = []
        for part in marked:
            match, _, rest = part.partition(self._end)
            begin, end = len(text), len(text) + len(match)
            if ranges and ranges[-1][1] == begin:
                begin = ranges.pop()[0]
            ranges.append((begin, end))
            text += match + rest
        return Highlight(text, tuple(ranges))
