"""The arguments of a search, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

from elasticsearch_chat_history._arguments import checked_count, encodable
from elasticsearch_chat_history._queries.filters import (
    checked_types,
    message_filters,
    time_filters,
    with_chunks,
)
from elasticsearch_chat_history._queries.search_pages import HitPlace, checked_place, search_key
from elasticsearch_chat_history._queries.search_text import (
    SearchText,
    search_text,
    type_filters,
)
from elasticsearch_chat_history._queries.selection import MAX_HITS, MESSAGE_FILTERS

if TYPE_CHECKING:
    from elasticsearch_chat_history._queries.filters import Clauses
    from elasticsearch_chat_history._queries.scopes import Scope

SearchOperator = Literal["or", "and"]
SearchMode = Literal["text", "semantic", "hybrid"]

OPERATORS = ("or", "and")
MODES = ("text", "semantic", "hybrid")


class RetrieverOptions(TypedDict, total=False):
    """The search options of a retriever, and its name and tags in LangChain's traces."""

    session_id: str | None
    types: Sequence[str] | None
    since: datetime | None
    until: datetime | None
    limit: int
    per_session: bool
    operator: SearchOperator
    fuzzy: bool
    mode: SearchMode
    name: str | None
    tags: list[str] | None


@dataclass(frozen=True)
class SearchRequest:
    """The checked arguments of a search.

    Attributes:
        query: The whole text, for the embedding model.
        text: Its words and phrases; None if it has none.
        filters: The clauses that a message must match.
        types: The types that a message may have; None allows all.
        limit: How many hits to return.
        per_session: Whether to return only the best hit of each session.
        operator: Whether any of the words must match, or all.
        fuzzy: Whether similar words match too.
        mode: How messages are matched: by text, by meaning, or both.
        key: Tells this search apart from others; all its pages have the same.
        after: Where the previous page ended; None for the first page.
    """

    query: str
    text: SearchText | None
    filters: Clauses
    types: frozenset[str] | None
    limit: int
    per_session: bool
    operator: str
    fuzzy: bool
    mode: str
    key: str
    after: HitPlace | None

    @property
    def has_any_depth(self) -> bool:
        """Whether a search can continue after any hit, as `search_after` allows."""
        return self.mode == "text" and not self.per_session


def search_request(
    query: object,
    *,
    index: str,
    scope: Scope,
    session_id: str | None,
    types: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
    ttl: timedelta | None,
    metadata: Mapping[str, Any] | None,
    limit: int,
    operator: str,
    fuzzy: bool,
    mode: str,
    has_embeddings: bool,
    after: object,
    per_session: bool = False,
) -> SearchRequest:
    """Return the search of an index in a scope that the arguments of a call ask for.

    Raises:
        ValueError: An argument has an unusable value.
        TypeError: An argument is of the wrong type.
    """
    if not isinstance(query, str):
        raise TypeError(f"query must be a str, but is a {type(query).__name__}")
    if _one_of("mode", mode, MODES) != "text" and not has_embeddings:
        raise ValueError(
            f"mode {mode!r} needs an embedding model: give the store embeddings=..., or search "
            "with mode='text'"
        )
    if checked_count("limit", limit) > MAX_HITS:
        raise ValueError(f"limit must be at most {MAX_HITS:,}, but is {limit}")
    kinds = with_chunks(checked_types(types))
    filters = [
        *message_filters(
            session_ids=None if session_id is None else [session_id],
            since=since,
            until=until,
            metadata=metadata,
        ),
        *type_filters(kinds),
    ]
    text = encodable(query)
    options = {
        "mode": mode,
        "operator": _one_of("operator", operator, OPERATORS),
        "fuzzy": bool(fuzzy),
        "per_session": bool(per_session),
    }
    # Without `ttl`, whose clause is another one in each millisecond.
    key = search_key([index, scope.key, text, options, filters])
    return SearchRequest(
        query=text,
        text=search_text(query, fuzzy=bool(fuzzy)),
        filters=[*MESSAGE_FILTERS, *filters, *time_filters(ttl=ttl)],
        types=None if kinds is None else frozenset(kinds),
        limit=limit,
        per_session=bool(per_session),
        operator=operator,
        fuzzy=bool(fuzzy),
        mode=mode,
        key=key,
        after=checked_place(after, key),
    )


def _one_of(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, known))}, but is {value!r:.100}"
        )
    return value
