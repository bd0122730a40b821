"""The sessions of an index: listed, counted, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import NotFoundError

from elasticsearch_chat_history._async.deleter import delete_matching
from elasticsearch_chat_history._async.session_pages import AsyncSessionPages
from elasticsearch_chat_history._async.store import AsyncStoreBase
from elasticsearch_chat_history._documents.metadata import metadata_filters
from elasticsearch_chat_history._queries.filters import (
    Clauses,
    age_filters,
    checked_session_ids,
    message_filters,
    portions_of,
    session_filters,
)
from elasticsearch_chat_history._queries.selection import is_missing_index
from elasticsearch_chat_history._queries.session_lists import (
    SessionOrder,
    checked_after,
    checked_order,
    checked_page_limit,
)
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import SessionSummary


class AsyncSessionDirectory(AsyncStoreBase):
    """The sessions of an index: listed, counted, deleted."""

    async def alist_sessions(
        self,
        *,
        order: SessionOrder = "recent",
        limit: int = 100,
        after: SessionSummary | None = None,
        prefix: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[SessionSummary]:
        """Return a page of the sessions, each with its count, times and last message.

        Filters are on messages: with `metadata`, or the `ttl` of the store, a session is listed if
        any of its messages match, and its summary tells of these only. Counts and order are exact
        on any number of shards.

        By id, all sessions can be listed page by page, and one that is there all the time comes
        exactly once, whoever writes meanwhile. By their last messages, the 10,000 most recent can
        be listed. One that gets a message meanwhile moves to the front and is not repeated; one
        that loses its last message moves back, and may come again. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/collapse-search-results and
        https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-composite-aggregation

        Args:
            order: `"recent"` has the session with the newest last message first, and those of one
                millisecond by id; `"id"` goes by the code points of the ids.
            limit: How many sessions to return, 1 to 10,000.
            after: The last session of the page before, from a call with the same other arguments;
                None begins at the first.
            prefix: What the ids of the sessions begin with.
            metadata: What the messages were stored with. A list means any of its values, None
                that there is no such key.

        Returns:
            The sessions; an empty list behind the last one, and where the index does not exist.

        Raises:
            ChatHistoryError: The page lies behind the 10,000 most recent sessions.
            UnreadableMessageError: The last document of a session does not hold a message.
            ValueError: `order`, `limit` or `metadata` has an unusable value.
            TypeError: An argument is of the wrong type.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            page = await store.alist_sessions(limit=50)
            while page:
                for summary in page:
                    print(summary.session_id, summary.message_count, summary.last_at)
                page = await store.alist_sessions(limit=50, after=page[-1])
            ```
        """
        checked_order(order)
        limit = checked_page_limit(limit)
        after = checked_after(after)
        pages = self._session_pages(prefix=prefix, metadata=metadata)
        with logged("Could not list sessions in Elasticsearch"):
            try:
                if order == "recent":
                    return await pages.recent(limit, after)
                return await pages.by_id(limit, after.session_id if after else None)
            except NotFoundError as error:
                if is_missing_index(error):
                    return []
                raise

    async def acount_messages(
        self, *, session_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return how many messages there are, without those that `ttl` hides.

        Args:
            session_id: The session to count in; None counts in all.
            metadata: What the messages were stored with, as for `alist_sessions()`.

        Returns:
            Their exact number; 0 where the index does not exist.

        Raises:
            ValueError: An argument has an unusable value.
            TypeError: An argument is of the wrong type.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            assert await store.acount_messages(session_id="s") == 2
            ```
        """
        session_ids = None if session_id is None else [session_id]
        pages = self._session_pages(session_ids=session_ids, metadata=metadata)
        with logged("Could not count in Elasticsearch"):
            try:
                return await pages.count_messages()
            except NotFoundError as error:
                if is_missing_index(error):
                    return 0
                raise

    async def acount_sessions(
        self, *, prefix: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return how many sessions have messages, without those that `ttl` hides.

        They are counted one by one, 10,000 with each request.

        Args:
            prefix: What the ids of the sessions begin with.
            metadata: What the messages were stored with, as for `alist_sessions()`; a session
                counts if any of its messages match.

        Returns:
            Their exact number; 0 where the index does not exist.

        Raises:
            ValueError: `metadata` has an unusable value.
            TypeError: An argument is of the wrong type.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            assert await store.acount_sessions() == 1
            ```
        """
        pages = self._session_pages(prefix=prefix, metadata=metadata)
        with logged("Could not count in Elasticsearch"):
            try:
                return await pages.count_sessions()
            except NotFoundError as error:
                if is_missing_index(error):
                    return 0
                raise

    async def adelete_sessions(
        self,
        session_ids: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Remove the messages of these sessions, or with this metadata, from the index.

        Where both are given, a message goes that matches both. All go that are stored when the
        call begins, also those that `ttl` hides; what is written meanwhile may stay. See
        https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            session_ids: The sessions; an empty list removes nothing.
            metadata: What the messages were stored with, such as a user who wants to be forgotten.
                A list means any of its values, None that there is no such key.

        Returns:
            How many messages Elasticsearch said it removed. Where a connection was lost and the
            request sent again, it may be fewer than went.

        Raises:
            ValueError: Nothing says what to remove, or an argument has an unusable value.
            TypeError: An argument is of the wrong type, such as one id in place of a list.
            ChatHistoryError: Others changed some of the messages all the time; these may be left.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            removed = await store.adelete_sessions(["session-1", "session-2"])
            removed += await store.adelete_sessions(metadata={"user": "u1"})
            ```
        """
        ids = checked_session_ids(session_ids)
        matching = metadata_filters(metadata)
        if ids is None and not matching:
            raise ValueError(
                "adelete_sessions must be told what to delete: name session_ids, or metadata that "
                "is not empty"
            )
        if ids is None:
            return await self._delete([matching])
        return await self._delete(
            [*session_filters(portion), *matching] for portion in portions_of(ids)
        )

    async def aprune(
        self, older_than: timedelta | datetime, *, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Remove old messages from the index; newer ones of the same sessions stay.

        See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            older_than: Messages go that were stored longer ago than this, or before this time,
                which needs a time zone.
            metadata: What the messages that go were stored with; None or an empty mapping lets
                all go that are old enough.

        Returns:
            How many messages Elasticsearch said it removed. Where a connection was lost and the
            request sent again, it may be fewer than went.

        Raises:
            ValueError: `older_than` is zero or less, or a time without a zone.
            TypeError: An argument is of the wrong type.
            ChatHistoryError: Others changed some of the messages all the time; these may be left.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            from datetime import timedelta

            removed = await store.aprune(timedelta(days=90))
            ```
        """
        return await self._delete([[*age_filters(older_than), *metadata_filters(metadata)]])

    def _session_pages(self, **filters: Any) -> AsyncSessionPages:
        index = self._open_index()
        return AsyncSessionPages(index, message_filters(ttl=self._options.ttl, **filters))

    async def _delete(self, portions: Iterable[Clauses]) -> int:
        index = self._open_index()
        deleted = 0
        with logged("Could not delete sessions in Elasticsearch"):
            for filters in portions:
                query = {"bool": {"filter": filters}}
                deleted += await delete_matching(index, query, routing=None)
        return deleted
