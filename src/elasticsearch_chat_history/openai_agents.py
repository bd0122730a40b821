"""Sessions of the OpenAI Agents SDK, kept in Elasticsearch; needs the extra `openai-agents`.

The SDK is asynchronous only, so there is no twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from elasticsearch_chat_history._acompat import async_finished
from elasticsearch_chat_history._arguments import Refresh, checked_text
from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore
from elasticsearch_chat_history._documents.items import (
    Item,
    checked_items,
    items_of_message,
    items_of_messages,
    message_of_item,
)
from elasticsearch_chat_history._documents.repetitions import (
    begin_of,
    has_unique_ids,
    is_question,
    keys_of,
    repeats,
)

try:
    from agents import TResponseInputItem
    from agents.memory import SessionSettings
except ImportError as error:
    raise ImportError(
        "elasticsearch_chat_history.openai_agents needs the OpenAI Agents SDK: pip install "
        '"elasticsearch-chat-history[openai-agents]"'
    ) from error

if TYPE_CHECKING:
    from elasticsearch_chat_history._async.chat_history import (
        AsyncElasticsearchChatMessageHistory,
    )
    from elasticsearch_chat_history._results import StoredMessage

__all__ = ["ElasticsearchSession"]

# How many items are read to find the last input: mostly, an answer and it.
FIRST_LOOK, FURTHER_LOOK = 10, 100


class ElasticsearchSession:
    """A session of the OpenAI Agents SDK, kept as a session of a store.

    It has the methods of the SDK's `Session` protocol, and is given to a run as `session`. Each
    item is stored as one message, which the history classes read and search. See
    https://openai.github.io/openai-agents-python/sessions/

    Creating the object sends no request. Errors of Elasticsearch are raised as by the history of
    the session.

    Args:
        session_id: The key of the session, up to 32,766 bytes of UTF-8.
        store: The store that keeps it. A scoped one is a wall between users. `history_size` of the
            store does not apply, as `session_settings` does. Messages older than its `ttl` are not
            returned. What is written is visible when the call returns, also with `refresh=False`.
        session_settings: The SDK's settings: `limit` is how many of the last items a run gets.

    Attributes:
        session_id: The key of the session.
        session_settings: The settings.

    Raises:
        TypeError: `store` is not an `AsyncElasticsearchChatStore`, or another argument is of the
            wrong type.
        ValueError: `session_id` has an unusable value.
        ChatHistoryError: The store was closed.

    Example:
        ```python
        from elasticsearch_chat_history import AsyncElasticsearchChatStore
        from elasticsearch_chat_history.openai_agents import ElasticsearchSession

        async with AsyncElasticsearchChatStore("chats", es_url="http://localhost:9200") as store:
            session = ElasticsearchSession("session-1", store)
            await session.add_items([{"role": "user", "content": "What is a shard?"}])
            print(await session.get_items())
        ```
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        store: AsyncElasticsearchChatStore,
        *,
        session_settings: SessionSettings | None = None,
    ) -> None:
        if not isinstance(store, AsyncElasticsearchChatStore):
            raise TypeError(
                "store must be an AsyncElasticsearchChatStore, as the SDK awaits its sessions, "
                f"not a {type(store).__name__}"
            )
        if not isinstance(session_settings, SessionSettings | None):
            raise TypeError(
                "session_settings must be a SessionSettings of the SDK, such as "
                f"SessionSettings(limit=50), not a {type(session_settings).__name__}"
            )
        self.session_id = checked_text("session_id", session_id)
        self.session_settings = session_settings or SessionSettings()
        self._store = store
        self._history()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the items of the session, oldest first.

        They are equal to those that were added. Messages that a history has added are returned as
        items that say the same.

        Args:
            limit: How many of the last items to return, exactly if there are so many; None means
                the `limit` of `session_settings`, and without that all. With 0 or less it returns
                none.

        Returns:
            The items; an empty list if the session or the index does not exist.

        Raises:
            UnreadableMessageError: A document cannot be read as a message.
            TypeError: `limit` is not an int.

        Example:
            ```python
            last_two = await session.get_items(limit=2)
            ```
        """
        history = self._history()
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is None:
            stored = await history.aget_stored_messages()
            return _as_items(items_of_messages(one.message for one in stored))
        _check_limit(limit)
        items: list[Item] = []
        before: str | None = None
        while len(items) < limit:
            wanted = limit - len(items)
            page = await history.aget_stored_messages(limit=wanted, before=before)
            items = items_of_messages(one.message for one in page) + items
            if len(page) < wanted:
                break
            before = page[0].id
        return _as_items(items[-limit:] if limit > 0 else [])

    async def add_items(self, items: Sequence[TResponseInputItem]) -> None:
        """Store items in their order, after all that is there.

        The input of a run is stored once if the run fails and is made again. It is taken for a
        repetition if it equals the last input of the session, and no message of the assistant ends
        the session. An item with an id of the Responses API is stored once in its session.

        A cancelled call is finished before the cancellation goes on.

        Args:
            items: The items; an empty list sends nothing.

        Raises:
            MessagesNotStoredError: Some are not stored, or it is not known whether they are.
            TypeError: An item is not a dict, or has a value that cannot be written as JSON.
                Nothing is stored.

        Example:
            ```python
            await session.add_items([{"role": "user", "content": "And a replica?"}])
            ```
        """
        history = self._history()
        checked = checked_items(items)
        if checked:
            await async_finished(_add, history, checked)

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove and return the last item.

        Concurrent callers never get the same item. A cancelled call is finished before the
        cancellation goes on.

        Returns:
            The item; None if the session is empty.

        Raises:
            UnreadableMessageError: The last document cannot be read as a message. Nothing is
                removed.
            ChatHistoryError: Elasticsearch refused to remove it.

        Example:
            ```python
            item = await session.pop_item()
            ```
        """
        item = await async_finished(_pop, self._history())
        return cast("TResponseInputItem | None", item)

    async def clear_session(self) -> None:
        """Remove all items of the session, and all messages that a history has added to it.

        A cancelled call is finished before the cancellation goes on.

        Raises:
            ChatHistoryError: The index is blocked, or somebody else keeps changing the session.

        Example:
            ```python
            await session.clear_session()
            ```
        """
        await async_finished(self._history().aclear)

    def __repr__(self) -> str:
        """Describe the session without its items."""
        return f"{type(self).__name__}(session_id={self.session_id!r})"

    def _history(self) -> AsyncElasticsearchChatMessageHistory:
        # The next run, and what is a repetition, must see what was written.
        chosen = self._store._options.refresh  # noqa: SLF001  # its own package
        refresh: Refresh = True if chosen is False else chosen
        return self._store.session(self.session_id, history_size=None, refresh=refresh)


def _check_limit(limit: object) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"limit must be an int, not a {type(limit).__name__}")


async def _add(history: AsyncElasticsearchChatMessageHistory, items: list[Item]) -> None:
    messages = [message_of_item(item) for item in items]
    if not is_question(items):
        keys = keys_of(items).keys if has_unique_ids(items) else None
        await history.aadd_messages(messages, message_keys=keys)
        return
    tail = await _tail(history, items)
    if repeats(items, _items_in(tail)):
        return
    names = keys_of(items, tail[-1].id if tail else None)
    result = await history.astore_messages(messages, message_keys=names.keys)
    doubtful = names.of_input.intersection(result.existing)
    if not doubtful:
        return
    # Another run has just stored it, or what has its key is hidden from all readers by `ttl`.
    shown = {one.id for one in await _tail(history, items)}
    hidden = [position for position in sorted(doubtful) if result.stored[position].id not in shown]
    await history.aadd_messages([messages[position] for position in hidden])


async def _pop(history: AsyncElasticsearchChatMessageHistory) -> Item | None:
    while popped := await history.apop_messages():
        (stored,) = popped
        items = items_of_message(stored.message)
        if items:
            # A message that a history has added may be several items.
            rest = [message_of_item(item) for item in items[:-1]]
            await history.aadd_messages(rest, metadata=stored.metadata)
            return items[-1]
    return None


async def _tail(
    history: AsyncElasticsearchChatMessageHistory, items: Sequence[Item]
) -> list[StoredMessage]:
    """Return the end of the session, from before its last input."""
    wanted = len(items) + FIRST_LOOK
    page = tail = await history.aget_stored_messages(limit=wanted)
    while len(page) == wanted:
        begin = begin_of(items, _items_in(tail))
        if begin is not None and begin >= 0:
            break
        wanted = FURTHER_LOOK
        page = await history.aget_stored_messages(limit=wanted, before=tail[0].id)
        tail = page + tail
    return tail


def _items_in(stored: Sequence[StoredMessage]) -> list[Item]:
    return items_of_messages(one.message for one in stored)


def _as_items(items: list[Item]) -> list[TResponseInputItem]:
    return cast("list[TResponseInputItem]", items)
