"""The index: every request to it, retried while that may help."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from elasticsearch import ApiError, AuthorizationException, TransportError

from elasticsearch_chat_history._acompat import AsyncRequest, asleep, async_event_loop
from elasticsearch_chat_history._arguments import check_missing_index
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.sequence import latest_place
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.scopes import WHOLE_INDEX, Scope
from elasticsearch_chat_history._queries.selection import MAX_HITS, PIT_KEEP_ALIVE, routing_of
from elasticsearch_chat_history._reporting import LOGGER, describe, describe_answer, with_hint
from elasticsearch_chat_history._requests.bulk import UPDATE_FILTER_PATH, Update, in_requests
from elasticsearch_chat_history._requests.failures import (
    is_missing_index,
    is_retriable,
    is_unauthorized,
    max_hits_in,
    missing_index_ignored,
)
from elasticsearch_chat_history._requests.known_indices import INDICES
from elasticsearch_chat_history._requests.multi_get import error_in, is_temporary
from elasticsearch_chat_history._requests.product import from_elasticsearch
from elasticsearch_chat_history._requests.retries import RetryBudget
from elasticsearch_chat_history._requests.state import cluster_of, login_of, transport_state

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable, Sequence

    from elasticsearch import AsyncElasticsearch

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._documents.document import Document, Hit
    from elasticsearch_chat_history._documents.fields import IndexDefinition

Answer = TypeVar("Answer")

MAX_FETCHED_AT_ONCE = 1_000


class AsyncChatIndex:
    """One index or alias as one client sees it.

    Args:
        client: The client to send requests with.
        name: The name of the index or alias.
        definition: The index to create if it is missing.
        max_retries: How often a request is retried.
        scope: What is found and written; the rest of the index is not there.

    Attributes:
        state: What all users of the same connections share.
        login: What is known of the client's credentials.
        key: Identifies the index among those of all clusters.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        name: str,
        definition: IndexDefinition,
        *,
        max_retries: int,
        scope: Scope = WHOLE_INDEX,
    ) -> None:
        self.client = client
        self.scope = scope
        self.name = name
        self.definition = definition
        self.max_retries = max_retries
        self.state = transport_state(client)
        self.login = login_of(client)
        # With vectors, there is one field more to look for.
        self.key = (cluster_of(client), name, definition.vectors)

    def with_max_retries(self, max_retries: int) -> AsyncChatIndex:
        """Return the same index with another number of retries."""
        if max_retries == self.max_retries:
            return self
        return self._like_this(max_retries, self.scope)

    def scoped(self, scope: Scope) -> AsyncChatIndex:
        """Return the same index in which nothing but what is in a scope is found and written."""
        return self._like_this(self.max_retries, scope)

    def clock_key(self, session_id: str) -> Hashable:
        """Return the key of a session for the clock and for what is remembered of it."""
        key = (self.name, session_id)
        return key if self.scope.key is None else (*key, self.scope.key)

    @property
    def max_hits(self) -> int:
        """How many hits the index allows at once, as far as this process knows."""
        return self.state.max_hits.get(self.name, MAX_HITS)

    def routing_of(self, session_id: str) -> str | None:
        """Return the routing value of a session; None in an index without routing."""
        return routing_of(session_id) if self.definition.routing else None

    def observe(self, session_id: str, hits: Sequence[Hit]) -> None:
        """Let the clock see the latest of the sorted hits of a session."""
        place = latest_place(hits)
        if place is not None:
            CLOCK.observe(self.clock_key(session_id), place)

    async def send(
        self,
        request: AsyncRequest[Answer],
        *,
        worth_retrying: Callable[[Exception], bool] = is_retriable,
    ) -> Answer:
        """Return the answer of `request`, which is retried while that may help.

        Args:
            request: A function that sends a request with the client it is given.
            worth_retrying: Tells which errors are worth a retry.
        """
        self.state.check_event_loop(async_event_loop())
        budget = RetryBudget(self.max_retries)
        while True:
            try:
                answer = from_elasticsearch(await request(self.client))
            except (ApiError, TransportError) as error:
                self.answered(error)
                may_return = is_unauthorized(error) and self.login.may_return()
                retried = may_return or worth_retrying(error)
                delay = budget.delay(reached=self.state.reached) if retried else None
                if delay is None:
                    if is_missing_index(error):
                        check_missing_index(self.name)
                    with_hint(error)
                    raise
                await asleep(delay)
            else:
                self.answered()
                return answer

    async def search(
        self, *, worth_retrying: Callable[[Exception], bool] = is_retriable, **arguments: Any
    ) -> Any:
        """Return the answer of a search; `pit` among the arguments replaces the index."""
        where: dict[str, Any] = {} if "pit" in arguments else {"index": self.name}
        within = self._within(**arguments)
        return await self._read(
            lambda client: client.search(
                # A shard that does not answer must be an error, not a gap.
                allow_partial_search_results=False,
                **where,
                **within,
            ),
            worth_retrying=worth_retrying,
        )

    async def terms(self, field: str, count: int, *, after: str | None, prefix: str | None) -> Any:
        """Return the answer to a search for the next `count` terms of a field, in their order."""
        return await self._read(
            lambda client: client.terms_enum(
                index=self.name, field=field, size=count, search_after=after, string=prefix
            )
        )

    def answered(self, error: Exception | None = None) -> None:
        """Note an answer of the server, or an `error` of the client, which may be one."""
        self.state.answered(error)
        self.login.answered(error)

    def learn_max_hits(self, error: ApiError) -> bool:
        """Learn from `error` how many hits the index allows; tell whether they are fewer."""
        allowed = max_hits_in(error)
        if allowed is None or allowed >= self.max_hits:
            return False
        LOGGER.info("Index %r allows %d hits at once (max_result_window).", self.name, allowed)
        self.state.max_hits[self.name] = allowed
        return True

    async def fetch(
        self,
        documents: Sequence[Document],
        *,
        fields: Sequence[str] = (),
        indices: Sequence[str] = (),
    ) -> dict[int, Hit]:
        """Return the documents that are stored by their positions in `documents`.

        They are read by their ids, which also finds those that are not visible to searches yet.

        Args:
            documents: The documents.
            fields: The fields of their source to return.
            indices: The indices to look in, where the name stands for several.

        Raises:
            ChatHistoryError: It cannot be told of some whether they are stored.
        """
        found: dict[int, Hit] = {}
        for name in indices or [self.name]:
            for start in range(0, len(documents), MAX_FETCHED_AT_ONCE):
                page = documents[start : start + MAX_FETCHED_AT_ONCE]
                hits = enumerate(await self._fetch_page(name, page, fields), start)
                found.update((position, hit) for position, hit in hits if hit.get("found"))
        return found

    async def update(
        self, updates: Sequence[Update], refresh: Refresh = False
    ) -> AsyncGenerator[list[tuple[Update, dict[str, Any]]], None]:
        """Change documents; yield the updates of each bulk request with their outcomes."""
        for part in in_requests(updates):
            outcomes = await self._update_page(part, refresh)
            yield list(zip(part, outcomes, strict=True))

    async def refresh(self) -> bool:
        """Make all that was written visible to searches; tell whether that is allowed."""
        try:
            with missing_index_ignored():
                await self.send(lambda client: client.indices.refresh(index=self.name))
        except AuthorizationException:
            # Without the maintenance privilege, all becomes visible with the next refresh.
            LOGGER.debug("There is no privilege to refresh index %r.", self.name)
            return False
        return True

    async def open_point_in_time(self, routing: str | None = None) -> str:
        """Return the id of a new point in time."""
        opened = await self._read(
            lambda client: client.open_point_in_time(
                index=self.name, keep_alive=PIT_KEEP_ALIVE, routing=routing
            )
        )
        return str(opened["id"])

    async def close_point_in_time(self, pit_id: str) -> None:
        """Close a point in time. It is not retried, as a point in time also expires by itself."""
        try:
            await self.client.close_point_in_time(id=pit_id)
        except Exception as error:  # noqa: BLE001  # what was read is right
            LOGGER.debug("A point in time could not be closed: %s", describe(error))

    def _within(self, *, query: Any = None, knn: Any = None, **arguments: Any) -> dict[str, Any]:
        """Return the arguments of a search that finds nothing outside the scope."""
        if knn is None:
            return {"query": self.scope.within(query), **arguments}
        # Before the nearest are chosen, not after.
        filters = [*knn["filter"], *self.scope.clauses]
        return {"query": query, "knn": {**knn, "filter": filters}, **arguments}

    def _like_this(self, max_retries: int, scope: Scope) -> AsyncChatIndex:
        return AsyncChatIndex(
            self.client, self.name, self.definition, max_retries=max_retries, scope=scope
        )

    def log_once(self, level: int, line: str) -> None:
        """Write a line, unless this process has written it before."""
        if INDICES.is_new_in_log(self.key, line):
            LOGGER.log(level, line)

    async def _read(
        self,
        request: AsyncRequest[Any],
        *,
        worth_retrying: Callable[[Exception], bool] = is_retriable,
    ) -> Any:
        try:
            return await self.send(request, worth_retrying=worth_retrying)
        except ApiError as error:
            self.learn_max_hits(error)
            if is_missing_index(error):
                self.log_once(
                    logging.INFO,
                    f"Index {self.name!r} does not exist: it reads as empty until a message is "
                    "stored.",
                )
            raise

    async def _fetch_page(
        self, name: str, documents: Sequence[Document], fields: Sequence[str]
    ) -> list[Hit]:
        wanted = []
        for document in documents:
            routing = self.routing_of(document.session_id)
            where = {} if routing is None else {"routing": routing}
            wanted.append({"_id": document.id, **where})
        budget = RetryBudget(self.max_retries)
        while True:
            answer = await self.send(
                lambda client: client.mget(index=name, docs=wanted, source_includes=list(fields))
            )
            hits: list[Hit] = answer["docs"]
            error = error_in(hits)
            if error is None:
                return hits
            delay = budget.delay(reached=True) if is_temporary(error) else None
            if delay is None:
                raise ChatHistoryError(
                    f"It cannot be told whether messages are stored in index {name!r}: "
                    f"{describe_answer(error)}. Reading them by their ids needs the read "
                    "privilege on it."
                )
            await asleep(delay)

    async def _update_page(
        self, updates: Sequence[Update], refresh: Refresh
    ) -> list[dict[str, Any]]:
        lines: list[Any] = [update.lines for update in updates]
        answer = await self.send(
            lambda client: client.bulk(
                operations=lines, refresh=refresh, filter_path=UPDATE_FILTER_PATH
            )
        )
        return [item["update"] for item in answer["items"]]
