"""The page about agents names all that is public, and its examples run, as those of docstrings."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ElasticsearchChatStore,
    agents,
)
from tests.support.agents import ScriptedModel
from tests.support.examples import Adapt, compiled, examples_in
from tests.support.pages import DOCS, names_in, rows_of
from tests.support.public_classes import call, documented_arguments, parameters

PAGE = "docs/agents.md"
BLOCKS = examples_in(DOCS[PAGE])
MODEL = '"openai:gpt-5.5"'
PUBLIC = {name: getattr(agents, name) for name in agents.__all__}
MIDDLEWARE = [agents.AsyncChatHistoryMiddleware, agents.ChatHistoryMiddleware]
# What LangChain calls, and callers do not.
HOOKS = re.compile(r"a?(before|after)_(agent|model)|a?wrap_(model|tool)_call")


class AnsweringModel(ScriptedModel):
    """Answers as long as it is asked."""

    answers: list[Any] = []  # noqa: RUF012  # a field of pydantic, which copies it

    def _generate(self, *arguments: Any, **options: Any) -> Any:
        self.answers.append("Yes.")
        return super()._generate(*arguments, **options)


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_example_of_the_page_runs(
    block: int, adapt: Adapt, capsys: pytest.CaptureFixture[str]
) -> None:
    code = BLOCKS[block]
    assert MODEL in code
    program = compiled(adapt(code.replace(MODEL, "model")), PAGE)
    exec(program, {"__name__": "__main__", "model": AnsweringModel()})  # noqa: S102  # ours
    assert "Error" not in capsys.readouterr().out


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_has_its_arguments_and_an_example_that_runs(
    name: str, index: str, client_arguments: dict[str, Any], adapt: Adapt
) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    assert documented_arguments(text) == list(parameters(PUBLIC[name]))
    (code,) = examples_in(text)
    program = compiled(adapt(code), name)
    prepared: dict[str, Any] = {"model": AnsweringModel()}

    async def run() -> None:
        async with AsyncElasticsearch(**client_arguments) as client:
            prepared["store"] = AsyncElasticsearchChatStore(index, client=client)
            await eval(program, prepared)  # noqa: S307  # ours
            messages = await prepared["store"].session("session-1").aget_messages()
            assert [type(one) for one in messages] == [HumanMessage, AIMessage]

    if name.startswith("Async"):
        asyncio.run(run())
        return
    with Elasticsearch(**client_arguments) as client:
        prepared["store"] = ElasticsearchChatStore(index, client=client)
        exec(program, prepared)  # noqa: S102  # ours


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_in_the_index(name: str) -> None:
    assert name in names_in(DOCS["docs/README.md"])


@pytest.mark.parametrize("cls", MIDDLEWARE)
def test_arguments_are_in_the_table_with_their_defaults(cls: Any) -> None:
    title = "argument of ChatHistoryMiddleware"
    rows = [row for row in rows_of(DOCS[PAGE]) if title in row]
    shown = {names_in(row[title])[0]: row["default"] for row in rows}
    assert list(shown) == list(parameters(cls))
    for name, parameter in parameters(cls).items():
        default = ast.literal_eval(shown[name]) if shown[name] else inspect.Parameter.empty
        assert default == parameter.default, name


def test_tools_are_shown_with_their_arguments_and_names() -> None:
    assert f"`{call('history_tools', agents.history_tools)}`" in DOCS[PAGE]
    named = [name for row in rows_of(DOCS[PAGE]) for name in names_in(row.get("tool", ""))]
    store = ElasticsearchChatStore("chats", es_url="http://localhost:1")
    with store:
        assert named == [one.name for one in agents.history_tools(store)]


@pytest.mark.parametrize("cls", MIDDLEWARE)
def test_a_middleware_has_no_public_methods_but_hooks(cls: Any) -> None:
    own = {
        name
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if member.__module__.startswith("elasticsearch_chat_history") and name[0] != "_"
    }
    assert all(HOOKS.fullmatch(name) for name in own)
    assert all(inspect.getdoc(getattr(cls, name)) for name in own)


def test_what_is_not_exported_is_not_public() -> None:
    folder = Path(agents.__file__).parent
    others = {path.stem for path in folder.glob("*.py") if not path.name.startswith("_")}
    assert "agents" in others
    assert agents.__all__ == sorted(agents.__all__)
