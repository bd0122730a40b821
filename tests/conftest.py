"""What tests share: one server, clients of both kinds, and an index for each test."""

import uuid
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from hypothesis import HealthCheck, settings

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from local_elasticsearch import LocalElasticsearch, RunningElasticsearch, find_or_start

REMOVED_AT_ONCE = 20

# The tests of an extra are left out where it is not installed.
collect_ignore = [] if find_spec("langchain") else ["agents", "_async/agents", "_sync/agents"]

# How long an example takes is up to the machine.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

pytest_plugins = [
    "tests.support.corpus",
    "tests.support.many_sessions",
    "tests.support.own_nodes",
    "tests.support.tls_proxy",
    "tests.support.visible_output",
    "tests.support.write_log",
    "tests.support.examples",  # after those that it imports
]


@pytest.fixture(scope="session")
def server() -> Iterator[RunningElasticsearch | LocalElasticsearch]:
    """The server that all tests share, but for those that do harm to one."""
    with find_or_start(in_memory=True) as running:
        yield running


@pytest.fixture(scope="session")
def address(server: RunningElasticsearch | LocalElasticsearch) -> dict[str, Any]:
    """The address of the server, as arguments of our classes."""
    given = {
        "es_url": server.url,
        "es_user": server.user,
        "es_password": server.password,
        "es_api_key": server.api_key,
    }
    return {name: value for name, value in given.items() if value}


@pytest.fixture(scope="session")
def client_arguments(address: dict[str, Any]) -> dict[str, Any]:
    """The address of the server, as arguments of Elasticsearch's own clients."""
    arguments: dict[str, Any] = {"hosts": [address["es_url"]]}
    if "es_api_key" in address:
        arguments["api_key"] = address["es_api_key"]
    elif "es_user" in address:
        arguments["basic_auth"] = (address["es_user"], address["es_password"])
    return arguments


@pytest.fixture(scope="session")
def admin(client_arguments: dict[str, Any]) -> Iterator[Elasticsearch]:
    """Who looks at the server, and changes it, past the classes that are tested."""
    with Elasticsearch(**client_arguments, request_timeout=60) as client:
        yield client


@pytest.fixture
def client(client_arguments: dict[str, Any]) -> Iterator[Elasticsearch]:
    with Elasticsearch(**client_arguments) as client:
        yield client


@pytest.fixture
async def async_client(client_arguments: dict[str, Any]) -> AsyncIterator[AsyncElasticsearch]:
    async with AsyncElasticsearch(**client_arguments) as client:
        yield client


@pytest.fixture(scope="session")
def used_indices(admin: Elasticsearch) -> Iterator[list[str]]:
    """The names that tests have done with; what is left goes with the run."""
    names: list[str] = []
    yield names
    _remove(admin, names)


@pytest.fixture
def index(admin: Elasticsearch, used_indices: list[str]) -> Iterator[str]:
    """The name of an index that does not exist; what a test makes of it is removed later."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    used_indices.append(name)
    # Each removal costs a node as much as a whole test, so many go at once.
    if len(used_indices) >= REMOVED_AT_ONCE:
        _remove(admin, used_indices)


@pytest.fixture(scope="session")
def shared_index(admin: Elasticsearch) -> Iterator[str]:
    """An index that many tests use, each with a session of its own."""
    name = f"test-{uuid.uuid4().hex}"
    ElasticsearchChatMessageHistory(name, "none", client=admin).create_if_missing()
    yield name
    admin.indices.delete(index=name)


@pytest.fixture
def session_id() -> str:
    """A session that is empty."""
    return f"session-{uuid.uuid4().hex}"


@pytest.fixture
def history(
    shared_index: str, session_id: str, client: Elasticsearch
) -> ElasticsearchChatMessageHistory:
    return ElasticsearchChatMessageHistory(shared_index, session_id, client=client)


@pytest.fixture
async def async_history(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatMessageHistory:
    return AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=async_client)


def _remove(admin: Elasticsearch, names: list[str]) -> None:
    if names:
        admin.indices.delete(index=names, ignore_unavailable=True)
        names.clear()
