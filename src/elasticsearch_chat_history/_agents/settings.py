"""The arguments of a middleware, and what they mean for one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config

from elasticsearch_chat_history._agents.windows import is_original
from elasticsearch_chat_history._arguments import checked_count, checked_new_session_id
from elasticsearch_chat_history._documents.metadata import checked_metadata

Metadata: TypeAlias = Mapping[str, Any]
SessionIdOf: TypeAlias = str | Callable[[Any], str]
MetadataOf: TypeAlias = Metadata | Callable[[Any], Metadata]
SessionIdsOf: TypeAlias = Sequence[str] | Callable[[Any], Sequence[str]]

Store = TypeVar("Store")

# What takes a store, by its class.
FOR_STORE = {
    "ElasticsearchChatStore": "ChatHistoryMiddleware",
    "AsyncElasticsearchChatStore": "AsyncChatHistoryMiddleware",
}
# What langgraph calls its checkpointer in a config.
CHECKPOINTER = "__pregel_checkpointer"
# Between the names of a graph and of a graph that runs in it.
WITHIN = "|"


@dataclass(frozen=True)
class Place:
    """Where a run takes place.

    Attributes:
        thread_id: The thread, if there is one.
        has_checkpointer: Whether a checkpointer keeps it.
        is_within: Whether it is part of the run of another graph.
    """

    thread_id: str | None
    has_checkpointer: bool
    is_within: bool

    @classmethod
    def of(cls, config: RunnableConfig | None, runtime: Any = None) -> Place:
        """Return the place that a config tells, by default the current one."""
        values = (config or _current_config()).get("configurable")
        if values is None:
            # Only a run that a checkpointer resumes asks without a config.
            info = getattr(runtime, "execution_info", None)
            values = {
                "thread_id": getattr(info, "thread_id", None),
                "checkpoint_ns": getattr(info, "checkpoint_ns", ""),
                CHECKPOINTER: True,
            }
        thread_id = values.get("thread_id")
        return cls(
            None if thread_id is None else str(thread_id),
            # False turns one off.
            values.get(CHECKPOINTER) not in (None, False),
            WITHIN in values.get("checkpoint_ns", ""),
        )

    def keeps(self, messages: Sequence[BaseMessage]) -> bool:
        """Tell whether the messages of a state are a thread that is kept elsewhere."""
        if not self.has_checkpointer:
            return False
        if not self.is_within:
            return True
        # The checkpointer is that of the other graph. It keeps no thread of an agent that a tool
        # calls, but that of an agent which is a node. The latter gets more than a question.
        return not all(
            isinstance(message, (HumanMessage, SystemMessage)) and is_original(messages, position)
            for position, message in enumerate(messages)
        )


def _current_config() -> RunnableConfig:
    try:
        return get_config()
    except RuntimeError:
        # In a task of Python 3.10 there is none.
        return {}


@dataclass(frozen=True)
class Settings:
    """The checked arguments of a middleware.

    Attributes:
        session_id: The session, or a function that returns it; None asks the run.
        limit: How many messages a window has at most.
        load: Whether there is one; None lets the run decide.
        scope: The scope, or a function that returns it.
        metadata: The label, or a function that returns it.
        required: Whether a run fails without its history.
    """

    session_id: SessionIdOf | None
    limit: int
    load: bool | None
    scope: MetadataOf | None
    metadata: MetadataOf | None
    required: bool

    def __post_init__(self) -> None:
        """Check what does not depend on the run.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument has an unusable value.
        """
        if self.session_id is not None and not callable(self.session_id):
            checked_new_session_id(self.session_id)
        checked_count("limit", self.limit)
        if self.load is not None:
            _checked_bool("load", self.load)
        if self.metadata is not None and not callable(self.metadata):
            checked_metadata(self.metadata)
        _checked_bool("required", self.required)

    def session_of(self, runtime: Any, place: Place) -> str:
        """Return the id of the session of a run.

        Raises:
            ValueError: There is none, or it cannot be used.
            TypeError: It is not a str.
        """
        if callable(self.session_id):
            found: object = self.session_id(runtime)
            if not isinstance(found, str):
                raise TypeError(
                    "the function session_id must return a str, but returned a "
                    f"{type(found).__name__}"
                )
        elif self.session_id is not None:
            found = self.session_id
        else:
            found = _in_context(runtime, "session_id")
            if found is None:
                found = place.thread_id
            if found is None:
                raise ValueError(
                    "this run has no session id: give the middleware session_id=..., or the run a "
                    "context with a session_id, or a thread_id in its config"
                )
        return checked_new_session_id(found)

    def metadata_of(self, runtime: Any) -> Metadata | None:
        """Return the label of what a run stores."""
        return resolved_mapping("metadata", self.metadata, runtime)


def resolved_mapping(name: str, given: MetadataOf | None, runtime: Any) -> Metadata | None:
    """Return a mapping, or what the function that was given in its place returns.

    Raises:
        TypeError: The function returns something else.
    """
    if not callable(given):
        return given
    found: object = given(runtime)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"the function {name} must return a mapping, but returned a {type(found).__name__}"
        )
    return found


def resolved_ids(given: SessionIdsOf | None, runtime: Any) -> list[str] | None:
    """Return the ids of sessions, or what the function that was given in their place returns.

    Raises:
        TypeError: They are no list of str.
    """
    found: object = given(runtime) if callable(given) else given
    if found is None and given is None:
        return None
    if isinstance(found, (str, bytes)) or not isinstance(found, (Sequence, set, frozenset)):
        raise TypeError(
            f"session_ids must be a list of session ids, but is a {type(found).__name__}"
        )
    for one in found:
        if not isinstance(one, str):
            raise TypeError(f"session_ids must hold str only, but one is a {type(one).__name__}")
    return list(dict.fromkeys(found))


def session_name(session_id: str, scope: Metadata | None) -> str:
    """Return a text that tells a session in a scope from all others."""
    return json.dumps([session_id, scope], sort_keys=True, default=repr)


def checked_store(store: object, kind: type[Store]) -> Store:
    """Return `store` if it is of the class `kind`.

    Raises:
        TypeError: It is not, such as a store of the other twin.
    """
    if isinstance(store, kind):
        return store
    given = type(store).__name__
    hint = f": use {FOR_STORE[given]} with it" if given in FOR_STORE else ""
    raise TypeError(f"store must be an {kind.__name__}, but is of the type {given}{hint}")


def _in_context(runtime: Any, name: str) -> object:
    context = getattr(runtime, "context", None)
    if isinstance(context, Mapping):
        return context.get(name)
    return getattr(context, name, None)


def _checked_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, but is a {type(value).__name__}")
