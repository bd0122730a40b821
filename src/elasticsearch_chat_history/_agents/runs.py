"""What one run of an agent has seen and stored, and what a process remembers of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from elasticsearch_chat_history._agents.windows import call_ids, is_original

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MOST_IDS = 200_000

History = TypeVar("History")
Slot = tuple[str | None, str]
"""The place of a result: the id of the message with the call, and that of the call."""


@dataclass(eq=False, repr=False)
class HeldRun:
    """What the state of an agent holds of ours: no messages, and nothing where it was stored.

    Before langgraph 1.1, a checkpointer stores it with the calls of a step. It has no fields, so
    it is stored, and comes back, empty.
    """

    def __post_init__(self) -> None:
        """Hold no run yet."""
        self.run: Any = None


class KnownMessages:
    """The ids of messages that this process has stored, or found stored, by session.

    With a checkpointer, the state has the whole thread at each run. What is forgotten here is sent
    again under its key, which stores nothing twice.

    Args:
        most: How many ids to remember; those of the session that was used longest ago go first.
    """

    def __init__(self, most: int = MOST_IDS) -> None:
        self._most = most
        self._count = 0
        self._sessions: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session: str) -> set[str]:
        """Return the ids of a session."""
        with self._lock:
            return set(self._sessions.get(session, ()))

    def add(self, session: str, ids: Iterable[str]) -> None:
        """Remember ids of a session."""
        with self._lock:
            known = self._sessions.setdefault(session, set())
            before = len(known)
            known.update(ids)
            self._count += len(known) - before
            self._sessions.move_to_end(session)
            while self._count > self._most:
                self._count -= len(self._sessions.popitem(last=False)[1])


class AgentRun(Generic[History]):
    """One run of an agent: its history, its window, and its messages that are not stored yet.

    Several threads may use it, as tools run at the same time.

    Args:
        history: The history of its session.
        session: Names the session for `known`.
        known: What this process knows to be stored.
        remembers: Whether to add to `known` what this run stores.
        loads: Whether a model sees earlier messages of the session.

    Attributes:
        window: The earlier messages, which a model sees before those of the state.
        off: Whether the run goes on without its history.
    """

    def __init__(
        self,
        history: History,
        session: str,
        known: KnownMessages,
        *,
        remembers: bool,
        loads: bool,
    ) -> None:
        self.history = history
        self.loads = loads
        self.window: list[BaseMessage] = []
        self.off = False
        self._session = session
        self._known = known if remembers else None
        self._stored = known.of(session)
        self._lock = threading.Lock()
        self._seen: dict[str, BaseMessage] = {}
        self._results: dict[Slot, ToolMessage] = {}
        self._answered: set[Slot] = set()

    def see(self, messages: Sequence[BaseMessage]) -> None:
        """Take the messages of the state: what is new is to be stored, in their order.

        What was seen before and is no longer in the state was removed from its beginning, so it
        comes first.

        Raises:
            TypeError: Something in the state is not a message.
            ValueError: A message has no id.
        """
        ids = [_id_of(message) for message in messages]
        slots = _slots_of(messages)
        with self._lock:
            current: dict[str, BaseMessage] = {}
            for position, (message_id, message) in enumerate(zip(ids, messages, strict=True)):
                if message_id in self._stored or not is_original(messages, position):
                    continue
                slot = slots.get(position)
                if slot is not None:
                    if slot in self._answered:
                        continue
                    self._results.pop(slot, None)
                current[message_id] = message
            gone = {key: one for key, one in self._seen.items() if key not in current}
            self._seen = {**gone, **current}

    def see_result(self, messages: Sequence[BaseMessage], result: ToolMessage) -> bool:
        """Take the result of a call before it is in the state.

        Args:
            messages: The messages of the state.
            result: The result; it gets an id if it has none, as it would in the state.

        Returns:
            Whether all calls of its message have results now.
        """
        self.see(messages)
        slots = set(_slots_of(messages).values())
        caller = _caller_of(messages, result.tool_call_id)
        if caller is None:
            return False
        if result.id is None:
            result.id = str(uuid4())
        with self._lock:
            self._results[caller.id, result.tool_call_id] = result
            answered = slots | self._answered | self._results.keys()
        return all((caller.id, call["id"]) in answered for call in caller.tool_calls)

    def pending(self) -> dict[str, BaseMessage]:
        """Return what is not stored yet, by its ids, in order."""
        with self._lock:
            results = {slot: one for slot, one in self._results.items() if one.id is not None}
            pending: dict[str, BaseMessage] = {}
            for message_id, message in self._seen.items():
                pending[message_id] = message
                for call_id in call_ids(message):
                    pending |= _by_id(results.pop((message_id, call_id or ""), None))
            # Their calls are stored already.
            for result in results.values():
                pending |= _by_id(result)
            return {key: one for key, one in pending.items() if key not in self._stored}

    def stored(self, messages: Mapping[str, BaseMessage]) -> None:
        """Take messages of `pending()` as stored."""
        with self._lock:
            self._take(messages)
            for slot, result in list(self._results.items()):
                if result.id in messages:
                    self._answered.add(slot)
                    del self._results[slot]

    def found(self, messages: Iterable[BaseMessage]) -> None:
        """Take messages as stored that are in the window of the session."""
        with self._lock:
            self._take({one.id for one in messages if one.id is not None})

    def _take(self, ids: Collection[str]) -> None:
        self._stored.update(ids)
        if self._known is not None:
            self._known.add(self._session, ids)
        for message_id in ids:
            self._seen.pop(message_id, None)


def _by_id(message: BaseMessage | None) -> dict[str, BaseMessage]:
    return {} if message is None or message.id is None else {message.id: message}


def _caller_of(messages: Sequence[BaseMessage], call_id: str) -> AIMessage | None:
    for message in reversed(messages):
        if isinstance(message, AIMessage) and call_id in call_ids(message):
            return message
    return None


def _slots_of(messages: Sequence[BaseMessage]) -> dict[int, Slot]:
    """Return the places of the results among messages, by their positions."""
    callers: dict[str | None, str | None] = {}
    slots: dict[int, Slot] = {}
    for position, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            slots[position] = (callers.get(message.tool_call_id), message.tool_call_id)
        else:
            callers.update(dict.fromkeys(call_ids(message), message.id))
    return slots


def _id_of(message: object) -> str:
    if not isinstance(message, BaseMessage):
        raise TypeError(
            "the messages of an agent's state must be LangChain messages, but one is a "
            f"{type(message).__name__}"
        )
    if not message.id:
        raise ValueError(
            f"each message of an agent's state must have an id, but a {type(message).__name__} "
            "has none: use the reducer add_messages for `messages`, which gives them ids"
        )
    return message.id
