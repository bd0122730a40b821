"""Both sides on one index: langchain-elasticsearch in its environment, and we in ours."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.both_histories import Ours, Upstream, UpstreamProgram


@pytest.fixture(scope="session")
def upstream_python() -> str:
    python = os.environ.get("UPSTREAM_PYTHON")
    if not python:
        pytest.skip(
            "UPSTREAM_PYTHON names no Python with langchain-elasticsearch; run `nox -s upstream`"
        )
    return python


@pytest.fixture(scope="session")
def program(upstream_python: str) -> Iterator[UpstreamProgram]:
    program = UpstreamProgram(upstream_python)
    yield program
    program.close()


@pytest.fixture
def arguments(index: str, address: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, **address}


@pytest.fixture(params=["sync", "async"])
def ours(request: pytest.FixtureRequest, arguments: dict[str, Any]) -> Ours:
    return Ours(request.param, dict(arguments))


@pytest.fixture(params=["sync", "async"])
def theirs(
    request: pytest.FixtureRequest, arguments: dict[str, Any], program: UpstreamProgram
) -> Upstream:
    return Upstream(request.param, dict(arguments), program)
