"""The examples, each run with the commands that its file names."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from elasticsearch import Elasticsearch

from elasticsearch_chat_history import ElasticsearchChatStore
from tests.support.messages import texts

ROOT = Path(__file__).parents[2]
# Whole programs, with tests of their own.
OTHERS = {"chat_service", "demo"}
SCRIPTS = {"agent", "langgraph_node", "sync_script"}
SECONDS = 60
THREADS = 8
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def commands_of(name: str) -> list[list[str]]:
    """Return the commands of an example's docstring that run it, without their comments."""
    text = (ROOT / f"examples/{name}.py").read_text(encoding="utf-8")
    lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    commands = (line for line in lines if re.match(" {4}(python|flask|gunicorn) ", line))
    return [shlex.split(command, comments=True) for command in commands]


def run(command: list[str]) -> list[str]:
    """Run a command of a script in the project's folder; returns what it printed."""
    result = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_no_example_is_forgotten() -> None:
    found = {path.stem for path in (ROOT / "examples").iterdir() if path.name[0] not in "._"}
    assert found == OTHERS | SCRIPTS | {"flask_threads"}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script_takes_an_index_or_uses_that_of_all_examples(name: str) -> None:
    plain, with_index = commands_of(name)
    assert plain == ["python", f"examples/{name}.py"]
    assert with_index == [*plain, "my-index"]


def test_sync_script(index: str) -> None:
    printed = run(["python", "examples/sync_script.py", index])
    assert "  ai: A copy of a shard, on another node." in printed
    assert printed.index("  tuesday: 2 messages") == printed.index("  monday: 4 messages") - 1
    assert "About operations: ['tuesday']" in printed
    assert printed[-2:] == ["Exported: 6 messages", "Forgotten: 6 messages"]


def test_agent(index: str) -> None:
    pytest.importorskip("langchain")
    printed = "\n".join(run(["python", "examples/agent.py", index]))
    *_, ada, bob = printed.split("What did I say about shards?\n  I have found this:")
    assert "human: I keep my shards in a green box." in ada
    assert "green" not in bob
    # A call of a tool and its result are two more messages.
    assert printed.endswith("Forgotten: 10 messages of ada\nForgotten: 4 messages of bob")


def test_langgraph_node(index: str) -> None:
    pytest.importorskip("langgraph")
    printed = run(["python", "examples/langgraph_node.py", index])
    assert [line.partition(":")[0] for line in printed[:4]] == ["human", "ai", "human", "ai"]
    assert printed[1].startswith("ai: A computer is")
    assert printed[4:] == [
        "The last checkpoint holds: key, question, answer",
        "Forgotten: 4 messages",
    ]


@contextmanager
def serving(command: list[str], index: str) -> Iterator[str]:
    """Run a web server on a free port; gives its address, which it prints."""
    program, *arguments = command
    port = ["--port=0"] if program == "flask" else ["--bind=127.0.0.1:0"]
    module = {"flask": "flask", "gunicorn": "gunicorn.app.wsgiapp"}[program]
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments, *port],
        cwd=ROOT,
        env={**os.environ, "CHAT_INDEX": index},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = process.stderr
        address = next((found[0] for line in lines if (found := ADDRESS.search(line))), None)
        # What it says later must not fill the pipe.
        with ThreadPoolExecutor(1) as reader:
            rest = reader.submit(lines.read)
            try:
                assert address is not None
                yield address
            finally:
                process.terminate()
                rest.result(SECONDS)


@pytest.mark.parametrize(
    "command",
    # The last one has made its store before it forks its workers.
    [*commands_of("flask_threads"), [*commands_of("flask_threads")[-1], "--preload"]],
    ids=["flask", "gunicorn", "gunicorn --preload"],
)
def test_flask_threads(command: list[str], index: str, admin: Elasticsearch) -> None:
    with (
        serving(command, index) as url,
        httpx.Client(base_url=url, timeout=SECONDS) as http,
        ThreadPoolExecutor(THREADS) as threads,
    ):

        def ask(number: int) -> tuple[str, httpx.Response]:
            key = f"request-{number // 2}"  # each comes twice
            path, user = f"/sessions/s{number // 4}/messages", {"X-User": "ada"}
            return key, http.post(path, json={"key": key, "text": key}, headers=user)

        answers = list(threads.map(ask, range(4 * THREADS)))
        assert {answer.status_code for _, answer in answers} == {200}
        assert len({(key, answer.json()["id"]) for key, answer in answers}) == 2 * THREADS
        path = "/sessions/s0/messages"
        assert http.get(path).status_code == 401
        assert http.get(path, headers={"X-User": "bob"}).json() == []
        page = http.get(path, headers={"X-User": "ada"}).json()
        store = ElasticsearchChatStore(index, client=admin)
        assert len(page) == 4
        assert store.scoped({"user": "ada"}).count_messages() == 4 * THREADS
        assert [one["message"]["data"]["content"] for one in page] == texts(
            store.session("s0").messages
        )
