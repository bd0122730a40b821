"""A program that was written for upstream goes on with nothing but its import changed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

ARGUMENTS = """\
import json
import sys

index, url = sys.argv[1:3]
login, keys = map(json.loads, sys.argv[3:])
"""

SYNC = """
from elasticsearch import Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage
from langchain_elasticsearch import ElasticsearchChatMessageHistory

history = ElasticsearchChatMessageHistory(
    index=index, session_id="user-123", es_url=url, **login
)
history.create_if_missing()
history.add_message(HumanMessage(content="Hello!"))
history.add_message(AIMessage(content="Hi there! How can I help?"))
history.add_user_message("I have a question.")
history.add_ai_message("Go on.")
history.add_messages([HumanMessage(content="Füße?"), AIMessage(content="Feet.")])

client = Elasticsearch(url, **keys)
for options in NAMES:
    other = ElasticsearchChatMessageHistory(index, "user-123", **options)
    for message in other.messages:
        print(f"{message.type}: {message.content}")
    assert other.get_messages() == other.messages
    assert (other.index, other.session_id) == (index, "user-123")
    assert other.client.count(index=other.index)["count"] == 6
    print(other)
client.close()

history.clear()
print(history.messages)
history.client.close()
"""

ASYNC = """
import asyncio

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import AIMessage, HumanMessage
from langchain_elasticsearch import AsyncElasticsearchChatMessageHistory


async def main():
    history = AsyncElasticsearchChatMessageHistory(
        index=index, session_id="user-123", es_url=url, **login
    )
    await history.create_if_missing()
    await history.aadd_message(HumanMessage(content="Hello!"))
    await history.aadd_messages([AIMessage(content="Füße?"), HumanMessage(content="Feet.")])

    client = AsyncElasticsearch(url, **keys)
    for options in NAMES:
        other = AsyncElasticsearchChatMessageHistory(index, "user-123", **options)
        for message in await other.aget_messages():
            print(f"{message.type}: {message.content}")
    await client.close()

    await history.aclear()
    print(await history.aget_messages())
    await history.client.close()


asyncio.run(main())
"""

NEW_NAMES = '[{"client": client}, {"client": client, "ensure_ascii": False}]'
OLD_NAMES = '[{"es_connection": client}, {"es_connection": client, "esnsure_ascii": False}]'
OURS = "from elasticsearch_chat_history import"
THEIRS = "from langchain_elasticsearch import"


Run = Callable[[str, str], str]


@pytest.fixture
def run(index: str, address: dict[str, Any], tmp_path: Path) -> Run:
    """Run a program on some Python, and return what it prints."""
    login = dict(address)
    url = login.pop("es_url")
    keys: dict[str, Any] = {}
    if "es_api_key" in login:
        keys["api_key"] = login["es_api_key"]
    elif login:
        keys["basic_auth"] = (login["es_user"], login["es_password"])
    arguments = [index, url, json.dumps(login), json.dumps(keys)]
    path = tmp_path / "program.py"

    def run(python: str, program: str) -> str:
        path.write_text(program, encoding="utf-8")
        done = subprocess.run(
            [python, "-X", "utf8", str(path), *arguments],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("program", [SYNC, ASYNC], ids=["sync", "async"])
def test_only_the_import_changes(
    program: str, run: Run, upstream_python: str, index: str, client: Elasticsearch
) -> None:
    theirs = ARGUMENTS + program.replace("NAMES", NEW_NAMES)
    expected = run(upstream_python, theirs)
    assert "Füße?" in expected

    ours = theirs.replace(THEIRS, OURS)
    client.indices.delete(index=index)
    assert run(sys.executable, ours) == expected

    # The names of upstream's earlier releases.
    client.indices.delete(index=index)
    assert run(sys.executable, ours.replace(NEW_NAMES, OLD_NAMES)) == expected
