"""The second mode: an agent stores its steps, recalls other conversations, and goes on later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from chat_service.answers import FAILED, Answers, Question
from chat_service.app import create_app
from chat_service.model import SEARCH, CorpusModel, current_time
from chat_service.settings import turns_of
from chat_service.turn import MOST_ROUNDS
from elasticsearch_chat_history import AsyncElasticsearchChatStore
from tests.service.models import END, CallingModel, HeldModel
from tests.service.serving import Client, events_of, serving, spoken_in, stored_in

pytest.importorskip("langchain")

PATH = "/api/sessions/s/messages"
TIME = "What time is it?"


@pytest.fixture(scope="module")
def url(service_index: str, address: dict[str, Any]) -> Iterator[str]:
    """The address of a service with an agent, which answers at once."""
    with serving(create_app(CorpusModel(pause=0), service_index, agent=True, **address)) as found:
        yield found


def types_of(stored: list[dict[str, Any]]) -> list[str]:
    return [one["message"]["type"] for one in stored]


def test_agent_streams_and_stores_each_step_once(ada: Client) -> None:
    events = ada.ask(TIME)
    assert [name for name, _ in events][:2] == ["stored", "tool"]
    assert ("tool", {"name": current_time.name}) in events
    stored = stored_in(events)
    assert types_of(stored) == ["human", "ai", "tool", "ai"]
    assert ada.texts()[-1] == spoken_in(events) == f"It is {ada.texts()[-2]}."
    assert stored == ada.get(PATH)


def test_agent_recalls_other_conversations_of_its_user_alone(ada: Client, bob: Client) -> None:
    ada.ask("I keep my shards in a green box.", session="shards")
    bob.ask("I keep my shards in a red box.", session="shards")
    events = ada.ask("What did I say about shards?")
    assert ("tool", {"name": SEARCH}) in events
    assert "green box" in spoken_in(events)
    assert "red box" not in spoken_in(events)


async def test_agent_whose_process_ended_after_a_step_goes_on_from_there(
    async_client: AsyncElasticsearch, service_index: str
) -> None:
    user, model = uuid.uuid4().hex, CallingModel()
    store = AsyncElasticsearchChatStore(service_index, client=async_client)
    history = store.scoped({"user": user}).session("s")
    question = Question("a key", text=TIME)
    first = Answers(turns_of(model, store, agent=True)).ask(user, question, history)
    async for event in first.events():
        if event.event == "token":
            break
    first.stop(forget=True)
    await first.task
    assert [one.type for one in await history.aget_messages()] == ["human", "ai", "tool"]
    model.release()
    again = Answers(turns_of(model, store, agent=True)).ask(user, question, history)
    told = [event async for event in again.events() if event.event == "stored"]
    messages = await history.aget_messages()
    assert [one.type for one in messages] == ["human", "ai", "tool", "ai"]
    assert messages[-1].text.endswith(END)
    assert [one.message for event in told for one in event.messages] == messages  # type: ignore[attr-defined]


@pytest.mark.parametrize("with_agent", [False, True])
def test_model_that_only_calls_tools_is_ended(
    service_index: str, address: dict[str, Any], *, with_agent: bool
) -> None:
    app = create_app(CallingModel(always=True), service_index, agent=with_agent, **address)
    with serving(app) as url:
        client = Client(url)
        with client.http:
            events = client.ask(TIME)
            assert events[-1] == ("failed", {"detail": f"The answer is not complete: {FAILED}."})
            stored = client.get(PATH)
            assert types_of(stored) == ["human", *["ai", "tool"] * MOST_ROUNDS, "ai"]
            assert stored[-1]["message"]["data"]["response_metadata"] == {"partial": FAILED}


@pytest.mark.parametrize("with_agent", [False, True])
def test_history_that_cannot_be_written_is_no_fault_of_the_model(
    index: str, admin: Elasticsearch, address: dict[str, Any], *, with_agent: bool
) -> None:
    model = HeldModel()
    with serving(create_app(model, index, agent=with_agent, **address)) as url:
        client = Client(url)
        body = {"key": uuid.uuid4().hex, "text": "Hello"}
        with client.http, client.http.stream("POST", PATH, json=body) as response:
            events = events_of(response)
            assert [next(events)[0] for _ in range(2)] == ["stored", "token"]
            admin.indices.add_block(index=index, block="write")
            model.release()
            *_, (name, data) = events
            assert (name, data["detail"]) == (
                "failed",
                "The history cannot be used. Ask again later.",
            )
