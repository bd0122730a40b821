"""The errors of this package.

They hold positions, ids and the kinds of failures, never a message's text or a credential.
All of them can be pickled, so that they survive a process pool or a task queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# What to do about a mapping that does not suit.
REINDEXING = (
    "A mapping cannot be changed in place: let create_if_missing() make an index under a new "
    "name, copy the documents there with the _reindex API, and use the new name."
)


class ChatHistoryError(Exception):
    """The base class of all errors that this package defines.

    Example:
        ```python
        from elasticsearch_chat_history import ChatHistoryError, UnreadableMessageError

        assert issubclass(UnreadableMessageError, ChatHistoryError)
        ```
    """


class MessagesNotStoredError(ChatHistoryError):
    """Some messages of one call could not be stored.

    Attributes:
        index: The index that the call wrote to.
        session_id: The session that the call wrote to.
        reasons: For each message that is not stored, its position in the call (from 0) and why.
            If the response to the last attempt was lost, the message may be stored nevertheless:
            the reason then names the lost connection or the time-out.
        stored: The positions of the messages that are stored.

    Example:
        ```python
        from elasticsearch_chat_history import MessagesNotStoredError

        error = MessagesNotStoredError("chats", "s1", {1: "cluster_block_exception (429)"}, [0])
        assert list(error.reasons) == [1]
        ```
    """

    def __init__(
        self,
        index: str,
        session_id: str,
        reasons: Mapping[int, str],
        stored: Sequence[int] = (),
    ) -> None:
        self.index = index
        self.session_id = session_id
        self.reasons = dict(reasons)
        self.stored = tuple(stored)
        shown = "; ".join(f"{at}: {why}" for at, why in list(self.reasons.items())[:3])
        more = len(self.reasons) - 3
        super().__init__(
            f"{len(self.reasons)} of {len(self.reasons) + len(self.stored)} messages are not "
            f"stored in index {index!r}, session {session_id!r}; by position: {shown}"
            + (f"; and {more} more" if more > 0 else "")
            + ". Add the messages at these positions again once the cause is gone."
        )

    def __reduce__(self) -> tuple[type[MessagesNotStoredError], tuple[object, ...]]:
        """Pickle by the constructor's arguments."""
        return type(self), (self.index, self.session_id, self.reasons, self.stored)


class UnreadableMessageError(ChatHistoryError):
    """A stored document cannot be read as a message of LangChain.

    Attributes:
        document_id: The `_id` of the document.
        session_id: The session that it belongs to.
        reason: What is wrong with it.

    Example:
        ```python
        from elasticsearch_chat_history import UnreadableMessageError

        error = UnreadableMessageError("d1", "s1", "its history field is not JSON")
        assert "d1" in str(error)
        ```
    """

    def __init__(self, document_id: str, session_id: str, reason: str) -> None:
        self.document_id = document_id
        self.session_id = session_id
        self.reason = reason
        super().__init__(
            f"Document {document_id!r} of session {session_id!r} cannot be read: {reason}. "
            "Correct or delete that document; the others are untouched."
        )

    def __reduce__(self) -> tuple[type[UnreadableMessageError], tuple[str, str, str]]:
        """Pickle by the constructor's arguments."""
        return type(self), (self.document_id, self.session_id, self.reason)


class IndexMappingError(ChatHistoryError):
    """With the mapping of an index, messages would be lost, mixed up, or out of order.

    Attributes:
        index: The index or alias.
        conflicts: For each field, the type or parameter that was found and what is needed.

    Example:
        ```python
        from elasticsearch_chat_history import IndexMappingError

        error = IndexMappingError("chats", {"session_id": ("text", "keyword")})
        assert "keyword" in str(error)
        ```
    """

    def __init__(self, index: str, conflicts: Mapping[str, tuple[str, str]]) -> None:
        self.index = index
        self.conflicts = dict(conflicts)
        fields = "; ".join(
            f"field {name!r} is {found}, but must be {needed}"
            for name, (found, needed) in self.conflicts.items()
        )
        super().__init__(f"Index {index!r} cannot hold chat history: {fields}. {REINDEXING}")

    def __reduce__(self) -> tuple[type[IndexMappingError], tuple[object, ...]]:
        """Pickle by the constructor's arguments."""
        return type(self), (self.index, self.conflicts)


class SessionExistsError(ChatHistoryError):
    """The session that was to be created has messages already.

    Attributes:
        index: The index or alias.
        session_id: The session.

    Example:
        ```python
        from elasticsearch_chat_history import SessionExistsError

        assert "overwrite=True" in str(SessionExistsError("chats", "s1"))
        ```
    """

    def __init__(self, index: str, session_id: str) -> None:
        self.index = index
        self.session_id = session_id
        super().__init__(
            f"Session {session_id!r} in index {index!r} has messages already: "
            "choose another id, or replace them with overwrite=True."
        )

    def __reduce__(self) -> tuple[type[SessionExistsError], tuple[str, str]]:
        """Pickle by the constructor's arguments."""
        return type(self), (self.index, self.session_id)
