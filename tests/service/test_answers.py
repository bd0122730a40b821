"""Answers: written to their end without their client, once for each request, and marked if cut."""

import asyncio
import uuid
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.language_models import BaseChatModel

from chat_service.answers import STOPPED, Answer, Answers, Question
from chat_service.app import create_app
from chat_service.errors import ClosingError
from chat_service.settings import turns_of
from elasticsearch_chat_history import AsyncElasticsearchChatStore
from tests.service.models import BEGIN, END, FailingModel, HeldModel
from tests.service.serving import Client, Event, events_of, serving, spoken_in, stored_in

PATH = "/api/sessions/s/messages"
QUESTION = Question("a key", text="Hello")


class Place:
    """A conversation of a new user, and the answers of any number of processes in it.

    Args:
        client: A client of Elasticsearch.
        index: The index of the service.
        agent: Whether an agent answers.
    """

    def __init__(self, client: AsyncElasticsearch, index: str, *, agent: bool) -> None:
        self.user = uuid.uuid4().hex
        self._store = AsyncElasticsearchChatStore(index, client=client)
        self._agent = agent
        self.history = self._store.scoped({"user": self.user}).session("s")

    def answers(self, model: BaseChatModel) -> Answers:
        """Return the answers of a process that has just started."""
        return Answers(turns_of(model, self._store, agent=self._agent))

    def ask(self, answers: Answers) -> Answer:
        """Ask a question, always the same."""
        return answers.ask(self.user, QUESTION, self.history)

    async def texts(self) -> list[str]:
        """Return the texts of what is stored."""
        return [message.text for message in await self.history.aget_messages()]


@pytest.fixture
def place(async_client: AsyncElasticsearch, service_index: str, agent: bool) -> Place:
    return Place(async_client, service_index, agent=agent)


def begin(client: Client, key: str, text: str = "Hello") -> list[Event]:
    """Ask, and go away once the model has begun to answer."""
    events = []
    body = {"key": key, "text": text}
    with client.http.stream("POST", PATH, json=body) as response:
        for event in events_of(response):
            events.append(event)
            if event[0] == "token":
                break
    return events


def test_client_that_goes_away_midway_loses_nothing(held: Client, held_model: HeldModel) -> None:
    key = uuid.uuid4().hex
    (question,) = stored_in(begin(held, key))
    assert held.texts() == ["Hello"]
    held_model.release()
    # The same request again follows the answer to its end.
    stored = stored_in(held.post(PATH, {"key": key, "text": "Hello"}))
    assert stored[0] == question
    assert held.texts() == ["Hello", BEGIN + END]
    assert len(held_model.asked) == 1


def test_request_that_is_repeated_later_does_not_ask_the_model_again(
    held: Client, held_model: HeldModel
) -> None:
    held_model.release()
    body = {"key": uuid.uuid4().hex, "text": "Hello"}
    first, second = held.post(PATH, body), held.post(PATH, body)
    assert stored_in(second) == stored_in(first)
    assert len(held_model.asked) == 1
    assert held.texts() == ["Hello", BEGIN + END]


def test_second_question_meanwhile_is_refused(held: Client) -> None:
    begin(held, uuid.uuid4().hex)
    answer = held.http.post(PATH, json={"key": uuid.uuid4().hex, "text": "And?"})
    assert answer.status_code == 409
    assert held.texts() == ["Hello"]


def test_model_sees_the_conversation_up_to_the_question(
    held: Client, held_model: HeldModel
) -> None:
    held_model.release()
    held.ask("One")
    held.ask("Two")
    assert held_model.asked == [["One"], ["One", BEGIN + END, "Two"]]


def test_edited_question_replaces_the_old_one_and_all_after_it(
    held: Client, held_model: HeldModel
) -> None:
    held_model.release()
    held.ask("One")
    two, _ = stored_in(held.ask("Two"))
    held.ask("Three")
    body = {"key": uuid.uuid4().hex, "text": "Two, but better", "replaces": two["id"]}
    expected = ["One", BEGIN + END, "Two, but better", BEGIN + END]
    for _ in range(2):
        held.post(PATH, body)
        assert held.texts() == expected
    assert held_model.asked[-1] == expected[:-1]


def test_question_is_answered_again(held: Client, held_model: HeldModel) -> None:
    held_model.release()
    one, _ = stored_in(held.ask("One"))
    held.ask("Two")
    body = {"key": uuid.uuid4().hex}
    first = held.post(f"{PATH}/{one['id']}/answers", body)
    assert stored_in(first)[0] == one
    assert held.texts() == ["One", BEGIN + END]
    times = len(held_model.asked)
    assert stored_in(held.post(f"{PATH}/{one['id']}/answers", body)) == stored_in(first)
    assert len(held_model.asked) == times


def test_only_a_question_is_answered_again(held: Client, held_model: HeldModel) -> None:
    held_model.release()
    _, answer = stored_in(held.ask("One"))
    for message_id in (answer["id"], "unknown"):
        path = f"{PATH}/{message_id}/answers"
        refused = held.http.post(path, json={"key": uuid.uuid4().hex})
        assert refused.status_code == 422
    assert held.texts() == ["One", BEGIN + END]


def test_what_a_failing_model_has_said_is_stored_as_partial(
    service_index: str, address: dict[str, Any], agent: bool
) -> None:
    app = create_app(FailingModel(), service_index, agent=agent, **address)
    with serving(app) as url:
        client = Client(url)
        with client.http:
            events = client.ask("Hello")
            question, answer = stored_in(events)
            assert answer["message"]["data"]["content"] == BEGIN
            assert "partial" in answer["message"]["data"]["response_metadata"]
            assert events[-1][0] == "failed"
            path = f"{PATH}/{question['id']}/answers"
            again = client.post(path, {"key": uuid.uuid4().hex})
            assert spoken_in(again) == BEGIN + END
            assert client.texts() == ["Hello", BEGIN + END]


@pytest.mark.parametrize("path", ["/api/sessions/s", "/api/sessions"])
def test_answer_to_a_forgotten_conversation_is_not_stored(
    held: Client, held_model: HeldModel, path: str
) -> None:
    begin(held, uuid.uuid4().hex)
    assert held.http.delete(path).json() == 1
    held_model.release()
    # Another question waits for nothing, so the answer has ended.
    assert spoken_in(held.ask("Are you there?")) == BEGIN + END
    assert held.texts() == ["Are you there?", BEGIN + END]


async def test_service_that_ends_stores_what_there_is_and_takes_no_more(
    place: Place, held_model: HeldModel
) -> None:
    answers = place.answers(held_model)
    events = place.ask(answers).events()
    while (await anext(events)).event != "token":
        pass
    closing = asyncio.create_task(answers.aclose(0))
    await asyncio.sleep(0)
    with pytest.raises(ClosingError):
        answers.ask("somebody else", QUESTION, place.history)
    await closing
    question, partial = await place.history.aget_messages()
    assert (question.text, partial.text) == ("Hello", BEGIN)
    assert partial.response_metadata == {"partial": STOPPED}


async def test_service_that_ends_waits_for_answers(place: Place, held_model: HeldModel) -> None:
    answers = place.answers(held_model)
    await place.ask(answers).accepted()
    closing = asyncio.create_task(answers.aclose(60))
    held_model.release()
    await closing
    assert await place.texts() == ["Hello", BEGIN + END]


async def test_question_whose_answer_was_lost_is_answered_when_it_is_repeated(
    place: Place, held_model: HeldModel
) -> None:
    first = place.ask(place.answers(held_model))
    await first.accepted()
    # As if the process was killed.
    first.stop(forget=True)
    await first.task
    assert await place.texts() == ["Hello"]
    held_model.release()
    await place.ask(place.answers(held_model)).task
    assert await place.texts() == ["Hello", BEGIN + END]
