"""An index with the sessions of `documents_of_many_sessions`."""

import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from tests.support.documents import OWN_MAPPINGS, documents_of_many_sessions
from tests.support.server import store


@pytest.fixture(scope="module")
def index_of_many_sessions(admin: Elasticsearch) -> Iterator[str]:
    """An index of three shards that the tests only read."""
    name = f"test-{uuid.uuid4().hex}"
    admin.indices.create(index=name, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3})
    store(admin, name, documents_of_many_sessions())
    yield name
    admin.indices.delete(index=name)
