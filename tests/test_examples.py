"""Every example in the README, in docs/ and in a public docstring runs, and none is missing."""

import asyncio
import inspect
from collections.abc import Coroutine, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

import langchain_core.messages
import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

import elasticsearch_chat_history as package
from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ElasticsearchChatStore,
)
from tests.support.examples import Adapt, compiled, examples_in
from tests.support.public_classes import documented_arguments, own_arguments

ROOT = Path(__file__).parents[1]
# Those that need an extra run in the tests of that extra.
OTHER_PAGES = {"agents.md"}
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted(ROOT.glob("docs/*.md")) if page.name not in OTHER_PAGES),
]
# The module that a page needs, which the package itself does not.
NEEDED = {"openai-agents.md": "agents"}
# What the asynchronous class has only to tell what to use in its place.
NOT_FOR_THIS_CLASS = "Not for this class: "

Namespace = dict[str, Any]


def public_objects() -> dict[str, Any]:
    """Return what the package exports, and the members of its classes, by dotted name."""
    found: dict[str, Any] = {}
    for name in package.__all__:
        exported = getattr(package, name)
        if not inspect.isclass(exported):
            continue  # the version and types of arguments have no docstring
        found[name] = exported
        for member_name, member in inspect.getmembers(exported):
            if not member_name.startswith("_") and is_ours(member):
                found[f"{name}.{member_name}"] = member
    return found


def is_ours(member: object) -> bool:
    """Tell whether a member is a method or property that this package defines."""
    function = member.fget if isinstance(member, property) else member
    module = getattr(function, "__module__", "")
    return inspect.isfunction(function) and module.startswith(package.__name__)


PUBLIC = public_objects()
DOCUMENTED = {
    name: inspect.getdoc(member) or ""
    for name, member in PUBLIC.items()
    if not (inspect.getdoc(member) or "").startswith(NOT_FOR_THIS_CLASS)
}
DOCSTRING_EXAMPLES = [
    pytest.param(name, code, id=f"{name}-{number}")
    for name, text in DOCUMENTED.items()
    for number, code in enumerate(examples_in(text))
]


def needs(page: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a page's examples, which skip them where a module is missing."""
    module = NEEDED.get(page)
    if module is None:
        return []
    return [pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")]


PAGE_EXAMPLES = [
    pytest.param(
        page.name,
        code,
        id=f"{page.relative_to(ROOT).as_posix()}-{number}",
        marks=needs(page.name),
    )
    for page in PAGES
    for number, code in enumerate(examples_in(page.read_text(encoding="utf-8")))
]

# By name, as some of them are imported when they are asked for.
MESSAGES = {
    name: getattr(langchain_core.messages, name) for name in langchain_core.messages.__all__
}


@pytest.fixture
def rolled_over(index: str, admin: Elasticsearch) -> Iterator[None]:
    """Remove what an example makes beside an index: its alias must not be left either."""
    yield
    for name in admin.indices.get(index=f"{index}-*"):
        admin.indices.delete(index=name)
    admin.options(ignore_status=404).indices.delete_index_template(name=index)


@pytest.mark.usefixtures("rolled_over")
@pytest.mark.parametrize(("page", "code"), PAGE_EXAMPLES)
def test_example_of_a_page_runs(
    page: str, code: str, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compiled(adapt(code), page), {"__name__": "__main__"})  # noqa: S102  # ours


@pytest.mark.parametrize(("name", "code"), DOCSTRING_EXAMPLES)
def test_docstring_example_runs(
    name: str, code: str, index: str, client_arguments: dict[str, Any], adapt: Adapt
) -> None:
    program = compiled(adapt(code), name)
    prepared: Namespace = {**MESSAGES, **vars(package)}
    if name.startswith("Async"):
        asyncio.run(run_awaiting(program, prepared, index, client_arguments))
    else:
        with Elasticsearch(**client_arguments) as client:
            prepared["store"] = ElasticsearchChatStore(index, client=client)
            prepared["history"] = prepared["store"].session("s")
            prepared["history"].add_messages([HumanMessage("Hello"), AIMessage("Hi!")])
            exec(program, prepared)  # noqa: S102  # ours


async def run_awaiting(
    program: CodeType, prepared: Namespace, index: str, client_arguments: dict[str, Any]
) -> None:
    async with AsyncElasticsearch(**client_arguments) as client:
        prepared["store"] = AsyncElasticsearchChatStore(index, client=client)
        prepared["history"] = prepared["store"].session("s")
        await prepared["history"].aadd_messages([HumanMessage("Hello"), AIMessage("Hi!")])
        awaitable: Coroutine[Any, Any, None] | None = eval(program, prepared)  # noqa: S307  # ours
        if awaitable is not None:
            await awaitable


@pytest.mark.parametrize("name", DOCUMENTED)
def test_public_name_is_documented_with_an_example(name: str) -> None:
    text = DOCUMENTED[name]
    assert text, f"{name} has no docstring"
    assert "Example:" in text, f"{name} has no example"
    assert examples_in(text), f"the example of {name} is not a ```python block"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_argument_is_documented(name: str) -> None:
    member, text = PUBLIC[name], DOCUMENTED[name]
    if isinstance(member, property) or not own_arguments(member):
        return
    # The arguments of errors and results are also their attributes.
    assert documented_arguments(text) == own_arguments(member)


def test_asynchronous_class_refuses_what_it_says_is_not_for_it() -> None:
    refused = {name for name in PUBLIC if name not in DOCUMENTED}
    assert {name.partition(".")[0] for name in refused} == {
        AsyncElasticsearchChatMessageHistory.__name__
    }
    history = AsyncElasticsearchChatMessageHistory.__new__(AsyncElasticsearchChatMessageHistory)
    for name in refused:
        attribute = name.partition(".")[2]
        given = [HumanMessage("Hello")] if attribute.startswith("add") else []
        with pytest.raises(NotImplementedError, match="await"):
            getattr(history, attribute)(*given)
