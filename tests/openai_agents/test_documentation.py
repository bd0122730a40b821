"""The session has its rows in docs/, and examples in its docstrings that run."""

import inspect
from typing import Any

import pytest

from elasticsearch_chat_history import openai_agents
from elasticsearch_chat_history.openai_agents import ElasticsearchSession
from tests.support.examples import Adapt, compiled, examples_in
from tests.support.pages import DOCS, column, names_in, prose, rows_of
from tests.support.public_classes import (
    call,
    documented_arguments,
    own_arguments,
    own_members,
    parameters,
)

PAGE = DOCS["docs/openai-agents.md"]
MEMBERS = own_members(ElasticsearchSession)
DOCUMENTED = {
    "ElasticsearchSession": ElasticsearchSession,
    **{f"ElasticsearchSession.{name}": method for name, method in MEMBERS.items()},
}


def test_public_names_are_in_the_index() -> None:
    assert set(openai_agents.__all__) <= set(names_in(DOCS["docs/README.md"]))


def test_methods_and_arguments_have_their_rows() -> None:
    assert column("ElasticsearchSession").keys() == MEMBERS.keys()
    given = parameters(ElasticsearchSession)
    rows = [row for row in rows_of(PAGE) if "argument of ElasticsearchSession" in row]
    assert [names_in(row["argument of ElasticsearchSession"])[0] for row in rows] == list(given)
    for name, method in MEMBERS.items():
        assert f"`{call(name, method)}`" in prose(PAGE) or not parameters(method)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_arguments_are_in_the_docstring(name: str) -> None:
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    assert documented_arguments(text) == own_arguments(DOCUMENTED[name])


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_docstring_example_runs(
    name: str,
    session: ElasticsearchSession,
    adapt: Adapt,
) -> None:
    (code,) = examples_in(inspect.getdoc(DOCUMENTED[name]) or "")
    await session.add_items([{"role": "user", "content": "What is a shard?"}])
    program: Any = eval(compiled(adapt(code), name), {"session": session})  # noqa: S307  # ours
    await program
