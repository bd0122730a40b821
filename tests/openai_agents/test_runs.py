"""Agents that the SDK's own runner runs with a session."""

import asyncio
from typing import Any

import httpx
import pytest
from agents import Agent, RunConfig, Runner, RunState, SessionSettings, function_tool
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from openai import BadRequestError

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.openai_agents import ElasticsearchSession
from tests.support.concurrency import AsyncEvent
from tests.support.examples import compiled, examples_in
from tests.support.pages import DOCS
from tests.support.scripted_model import ScriptedModel, calls, says, thinks


@function_tool
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


def adder(*steps: Any, **options: Any) -> tuple["Agent[Any]", ScriptedModel]:
    model = ScriptedModel(*steps)
    return Agent(name="adder", model=model, tools=[add], **options), model


async def run(agent: "Agent[Any]", words: Any, session: ElasticsearchSession) -> str:
    result = await Runner.run(agent, words, session=session)
    return str(result.final_output)


async def stream(agent: "Agent[Any]", words: Any, session: ElasticsearchSession) -> str:
    result = Runner.run_streamed(agent, words, session=session)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


RUNS = pytest.mark.parametrize("start", [run, stream])


def summary(items: list[Any]) -> list[str]:
    """Return each item as its role or type, and its words if it has some."""
    found = []
    for item in items:
        content = item.get("content") or item.get("output") or item.get("name") or ""
        if isinstance(content, list):
            content = content[0]["text"]
        found.append(f"{item.get('role') or item['type']} {content}".strip())
    return found


@RUNS
async def test_the_next_run_gets_what_the_last_one_said(
    start: Any, session: ElasticsearchSession
) -> None:
    agent, model = adder([thinks(), says("Hi!")], [says("Fine.")])
    assert await start(agent, "Hello", session) == "Hi!"
    assert await start(agent, "How are you?", session) == "Fine."
    assert summary(model.inputs[1]) == [
        "user Hello",
        "reasoning",
        "assistant Hi!",
        "user How are you?",
    ]
    assert model.inputs[1][:-1] == (await session.get_items())[:3]
    assert model.inputs[1][1]["encrypted_content"] == "gAAAAB=="


@RUNS
async def test_a_run_with_tools_reads_as_a_conversation(
    start: Any, session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    call = calls("add", a=1, b=2)
    agent, _ = adder([call], [says("It is 3.")])
    await start(agent, "What is 1 + 2?", session)
    question, asked, told, answer = await store.session(session.session_id).aget_messages()
    assert isinstance(question, HumanMessage)
    assert question.text == "What is 1 + 2?"
    assert isinstance(asked, AIMessage)
    assert asked.tool_calls == [
        {"name": "add", "args": {"a": 1, "b": 2}, "id": call.call_id, "type": "tool_call"}
    ]
    assert isinstance(told, ToolMessage)
    assert (told.text, told.tool_call_id) == ("3", call.call_id)
    assert isinstance(answer, AIMessage)
    assert answer.text == "It is 3."


@RUNS
async def test_a_handoff_is_kept(start: Any, session: ElasticsearchSession) -> None:
    other = Agent(name="other", model=ScriptedModel([says("I am the other.")]))
    agent, _ = adder([calls("transfer_to_other")], handoffs=[other])
    assert await start(agent, "Hand me over", session) == "I am the other."
    assert [line.split()[0] for line in summary(await session.get_items())] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
    ]


@RUNS
async def test_a_run_that_fails_at_once_and_is_made_again_stores_its_input_once(
    start: Any, session: ElasticsearchSession
) -> None:
    agent, _ = adder(ConnectionError("no model"), ConnectionError("still none"), [says("Hi!")])
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await start(agent, "Hello", session)
    assert await start(agent, "Hello", session) == "Hi!"
    assert summary(await session.get_items()) == ["user Hello", "assistant Hi!"]


async def test_the_callback_of_the_docs_asks_the_model_once(session: ElasticsearchSession) -> None:
    namespace: dict[str, Any] = {}
    *_, example = examples_in(DOCS["docs/openai-agents.md"])
    exec(compiled(example, "docs/openai-agents.md"), namespace)  # noqa: S102  # ours
    agent, model = adder([says("Hi!")], ConnectionError("no model"), [says("Fine.")])
    await run(agent, "Hello", session)
    with pytest.raises(ConnectionError):
        await run(agent, "How are you?", session)
    await Runner.run(agent, "How are you?", session=session, run_config=namespace["config"])
    assert summary(model.inputs[-1]) == ["user Hello", "assistant Hi!", "user How are you?"]
    assert summary(await session.get_items()) == [
        "user Hello",
        "assistant Hi!",
        "user How are you?",
        "assistant Fine.",
    ]


@RUNS
async def test_a_run_that_fails_midway_and_is_made_again_stores_its_input_once(
    start: Any, session: ElasticsearchSession
) -> None:
    agent, _ = adder(
        [says("Let me see."), calls("add", a=1, b=2)], ConnectionError("no model"), [says("3")]
    )
    with pytest.raises(ConnectionError):
        await start(agent, "What is 1 + 2?", session)
    assert await start(agent, "What is 1 + 2?", session) == "3"
    assert summary(await session.get_items()) == [
        "user What is 1 + 2?",
        "assistant Let me see.",
        "function_call add",
        "function_call_output 3",
        "assistant 3",
    ]


@RUNS
async def test_the_same_words_after_an_answer_are_stored_again(
    start: Any, session: ElasticsearchSession
) -> None:
    agent, _ = adder([says("Yes.")], [says("Yes.", "msg_1")], [says("Yes.", "msg_1")])
    for _ in range(3):
        await start(agent, "Go on?", session)
    assert summary(await session.get_items()) == ["user Go on?", "assistant Yes."] * 3


@RUNS
async def test_a_list_of_inputs_is_repeated_as_a_whole(
    start: Any, session: ElasticsearchSession
) -> None:
    words = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    agent, _ = adder(ConnectionError("no model"), ConnectionError("no model"), [says("Hi!")])
    for given in (words[1:], words):
        with pytest.raises(ConnectionError):
            await start(agent, given, session)
    assert await start(agent, words, session) == "Hi!"
    assert summary(await session.get_items()) == [
        "user Hello",
        "developer Be brief.",
        "user Hello",
        "assistant Hi!",
    ]


async def test_two_runs_at_once_lose_nothing(session: ElasticsearchSession) -> None:
    agents = [adder([says(f"Answer {number}")])[0] for number in range(2)]
    await asyncio.gather(
        *(run(agent, f"Question {number}", session) for number, agent in enumerate(agents))
    )
    assert sorted(summary(await session.get_items())) == [
        "assistant Answer 0",
        "assistant Answer 1",
        "user Question 0",
        "user Question 1",
    ]


async def test_a_question_that_two_runs_ask_at_once_is_stored_once(
    session: ElasticsearchSession,
) -> None:
    both_asked = AsyncEvent()
    waiting = 0

    class Waiting(ScriptedModel):
        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            nonlocal waiting
            waiting += 1
            if waiting == 2:
                both_asked.set()
            await both_asked.wait()
            return await super().get_response(*arguments, **options)

    agents = [Agent(name="one", model=Waiting([says(f"Answer {n}")])) for n in range(2)]
    await asyncio.gather(*(run(agent, "Hello", session) for agent in agents))
    assert sorted(summary(await session.get_items())) == [
        "assistant Answer 0",
        "assistant Answer 1",
        "user Hello",
    ]


@RUNS
async def test_a_run_gets_as_many_items_as_the_settings_say(
    start: Any, session_id: str, store: AsyncElasticsearchChatStore
) -> None:
    session = ElasticsearchSession(session_id, store, session_settings=SessionSettings(limit=1))
    agent, model = adder([says("One.")], [says("Two.")], [says("Three.")])
    await start(agent, "1", session)
    await start(agent, "2", session)
    assert summary(model.inputs[1]) == ["assistant One.", "user 2"]
    config = RunConfig(session_settings=SessionSettings(limit=3))
    await Runner.run(agent, "3", session=session, run_config=config)
    assert summary(model.inputs[2]) == ["assistant One.", "user 2", "assistant Two.", "user 3"]
    assert len(await session.get_items(limit=100)) == 6


def locked() -> BadRequestError:
    """Return what the API answers while another run holds its conversation."""
    response: Any = httpx.Response(400, request=httpx.Request("POST", "https://api.invalid"))
    return BadRequestError("locked", response=response, body={"code": "conversation_locked"})


@RUNS
async def test_a_request_that_a_locked_conversation_refused_is_made_again(
    start: Any, session: ElasticsearchSession
) -> None:
    # The second request is refused: input, call and result are there by then.
    agent, model = adder([calls("add", a=1, b=2)], locked(), [says("It is 3.")])
    assert await start(agent, "What is 1 + 2?", session) == "It is 3."
    assert model.inputs[1] == model.inputs[2]
    stored = await session.get_items()
    assert [line.split()[0] for line in summary(stored)] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
    ]
    assert stored[:3] == model.inputs[2]


@function_tool(needs_approval=True)
def remove(path: str) -> str:
    """Remove a file."""
    return f"{path} is gone"


@pytest.mark.parametrize("approved", [True, False])
async def test_a_run_that_a_person_approves_is_stored_once(
    approved: bool, session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    model = ScriptedModel([calls("remove", path="a.txt")], [says("Done.")])
    agent = Agent(name="remover", model=model, tools=[remove])
    paused = await Runner.run(agent, "Remove a.txt", session=session)
    (waiting,) = paused.interruptions
    assert summary(await session.get_items())[0] == "user Remove a.txt"
    # As another process does it, some time later.
    state = await RunState.from_json(agent, paused.to_state().to_json())
    (waiting,) = state.get_interruptions()
    state.approve(waiting) if approved else state.reject(waiting)
    again = ElasticsearchSession(session.session_id, store)
    resumed = await Runner.run(agent, state, session=again)
    assert resumed.final_output == "Done."
    question, call, result, answer = summary(await session.get_items())
    assert (question, call) == ("user Remove a.txt", "function_call remove")
    assert ("a.txt is gone" in result) is approved
    assert answer == "assistant Done."


async def test_the_runner_takes_back_what_a_locked_conversation_refused(
    session: ElasticsearchSession,
) -> None:
    rewinding: Any = pytest.importorskip("agents.run_internal.session_persistence")
    await session.add_items([{"role": "user", "content": "Hello"}, says("Hi!").model_dump()])  # type: ignore[list-item]
    before = await session.get_items()
    added: list[Any] = [
        {"role": "user", "content": "What is 1 + 2?"},
        calls("add", a=1, b=2).model_dump(exclude_unset=True),
        {"type": "function_call_output", "call_id": "c", "output": "3"},
    ]
    await session.add_items(added)
    # A result of a tool may be the first of what is taken back.
    await rewinding.rewind_session_items(session, added[2:])
    assert await session.get_items() == before + added[:2]
    await rewinding.rewind_session_items(session, added[:2])
    assert await session.get_items() == before
    await session.add_items(added)
    assert await session.get_items() == before + added
