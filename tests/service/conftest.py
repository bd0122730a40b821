"""What the tests of the service share: an index, and the service on it."""

import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from chat_service.app import create_app
from chat_service.model import CorpusModel
from tests.service.models import HeldModel
from tests.service.serving import Client, serving


@pytest.fixture(scope="session")
def service_index(admin: Elasticsearch) -> Iterator[str]:
    """An index that all services of the tests use, each test with users of its own."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    admin.options(ignore_status=404).indices.delete(index=name)


@pytest.fixture(scope="session")
def url(service_index: str, address: dict[str, Any]) -> Iterator[str]:
    """The address of a service whose model answers at once."""
    with serving(create_app(CorpusModel(pause=0), service_index, **address)) as found:
        yield found


@pytest.fixture
def ada(url: str) -> Iterator[Client]:
    client = Client(url)
    with client.http:
        yield client


@pytest.fixture
def bob(url: str) -> Iterator[Client]:
    client = Client(url)
    with client.http:
        yield client


@pytest.fixture(params=["model", "agent"])
def agent(request: pytest.FixtureRequest) -> bool:
    """Whether an agent answers, or the model itself."""
    if request.param == "agent" and find_spec("langchain") is None:
        pytest.skip("langchain is not installed")
    return bool(request.param == "agent")


@pytest.fixture
def held_model() -> Iterator[HeldModel]:
    """A model that answers when the test says so, or ends."""
    model = HeldModel()
    yield model
    model.release()


@pytest.fixture
def held(
    held_model: HeldModel, agent: bool, service_index: str, address: dict[str, Any]
) -> Iterator[Client]:
    """A user of a service whose answers are held back."""
    with serving(create_app(held_model, service_index, agent=agent, **address)) as found:
        client = Client(found)
        with client.http:
            yield client
            held_model.release()
