"""What the environment says: which Elasticsearch is used, and who answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from chat_service.turn import PATIENCE, NewTurn, model_turns
from elasticsearch_chat_history import AsyncElasticsearchChatStore


def connection_arguments(variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the address of the Elasticsearch that the environment names."""
    names = ("ES_URL", "ES_API_KEY", "ES_USER", "ES_PASSWORD")
    found = {name.lower(): variables[name] for name in names if variables.get(name)}
    return {"es_url": "http://localhost:9200", **found}


def turns_of(
    model: BaseChatModel, store: AsyncElasticsearchChatStore, *, agent: bool | None = None
) -> NewTurn:
    """Return what makes the turns of the service.

    Args:
        model: The model.
        store: The store of all users.
        agent: Whether an agent answers; None asks the environment (`CHAT_AGENT`).

    Raises:
        RuntimeError: An agent is to answer, and langchain is not installed.
    """
    if agent is None:
        agent = bool(os.environ.get("CHAT_AGENT"))
    if not agent:
        return model_turns(model)
    try:
        from chat_service.agent import agent_turns  # noqa: PLC0415  # for agents only
    except ImportError as error:
        raise RuntimeError(
            'CHAT_AGENT needs langchain: run `pip install -e ".[agents]"`, or unset CHAT_AGENT'
        ) from error
    patient = AsyncElasticsearchChatStore(store.index, client=store.client, max_retries=PATIENCE)
    return agent_turns(model, patient)
