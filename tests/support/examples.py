"""The examples of pages and docstrings, and what makes them run in a test."""

import ast
import re
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from tests.support.tls_proxy import TlsProxy

BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)

Adapt = Callable[[str], str]


@pytest.fixture
def adapt(
    index: str,
    address: dict[str, Any],
    client_arguments: dict[str, Any],
    request: pytest.FixtureRequest,
) -> Adapt:
    """Make an example use the server and the index of the test."""
    replacements = {
        'es_url="http://localhost:9200"': f"**{address!r}",
        'Elasticsearch("http://localhost:9200")': f"Elasticsearch(**{client_arguments!r})",
        '"chats"': repr(index),
        '"chats-': f'"{index}-',
    }

    def adapt(code: str) -> str:
        if "https://" in code:
            proxy: TlsProxy = request.getfixturevalue("tls_proxy")
            over_tls = {**client_arguments, "hosts": [proxy.url]}
            replacements['"https://localhost:9200"'] = f"**{over_tls!r}"
            replacements['"http_ca.crt"'] = repr(proxy.certificates.authority)
        unknown = code
        for written, meant in replacements.items():
            code, unknown = code.replace(written, meant), unknown.replace(written, "")
        assert "localhost" not in unknown
        return code

    return adapt


def examples_in(text: str) -> list[str]:
    return [textwrap.dedent(code) for _, code in BLOCK.findall(text)]


def compiled(code: str, name: str) -> CodeType:
    """Compile an example, which may `await` without being in a function."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    program = compile(code, f"<example in {name}>", "exec", flags=flags, dont_inherit=True)
    assert isinstance(program, CodeType)
    return program
