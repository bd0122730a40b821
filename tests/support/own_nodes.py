"""Nodes of our own that tests may kill, block and overload; each starts at its first use."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from local_elasticsearch import LocalElasticsearch

PASSWORD = "correct-horse-battery-staple"
# A few of the tests' messages fit at once, and many together do not.
PRESSURE_LIMIT = "150kb"


@pytest.fixture(scope="session")
def lone_node() -> Iterator[LocalElasticsearch]:
    """One node with security on, so that tests of faults need credentials as users do."""
    with LocalElasticsearch(password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="session")
def login(lone_node: LocalElasticsearch) -> dict[str, Any]:
    """What a client needs to be let in by the lone node."""
    return {"hosts": [lone_node.url], "basic_auth": ("elastic", PASSWORD)}


@pytest.fixture(scope="session")
def administrator(login: dict[str, Any]) -> Iterator[Elasticsearch]:
    """Who does harm to the lone node, past any proxy."""
    with Elasticsearch(**login, request_timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def small_node() -> Iterator[LocalElasticsearch]:
    """One node that takes hardly anything at once."""
    with LocalElasticsearch(settings={"indexing_pressure.memory.limit": PRESSURE_LIMIT}) as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalElasticsearch]:
    """Three nodes of one cluster."""
    with LocalElasticsearch(nodes=3) as servers:
        yield servers


@pytest.fixture
def fresh_index() -> str:
    """The name of an index that no node has; it goes with the nodes."""
    return f"faults-{uuid.uuid4().hex}"
