"""Many threads and tasks of several processes start at once on an index that does not exist."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from elasticsearch_chat_history import ElasticsearchChatMessageHistory
from tests.support.writer_processes import Work, set_start, write_in_tasks, write_in_threads

pytestmark = pytest.mark.heavy

PROCESSES = 4
TURNS = 3
KINDS = {"threads": (write_in_threads, 8), "tasks": (write_in_tasks, 50)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [True, False], ids=["one session", "a session each"])
def test_processes_that_start_at_once_on_a_missing_index_store_all_in_order(
    kind: str,
    shared: bool,
    index: str,
    client: Elasticsearch,
    client_arguments: dict[str, Any],
) -> None:
    write, writers = KINDS[kind]
    works = [
        Work(
            # On a small machine so many at once may wait long for their first answer.
            {**client_arguments, "request_timeout": 60},
            index,
            ["s" if shared else f"s{process}-{writer}" for writer in range(writers)],
            process,
            TURNS,
        )
        for process in range(PROCESSES)
    ]
    run_together(write, works)
    expected = {
        f"w{work.process}-{writer}": (session_id, [str(number) for number in range(2 * TURNS)])
        for work in works
        for writer, session_id in enumerate(work.sessions)
    }
    found: dict[str, tuple[str, list[str]]] = {}
    for session_id in sorted({session_id for work in works for session_id in work.sessions}):
        history = ElasticsearchChatMessageHistory(index, session_id, client=client)
        for message in history.messages:
            writer, _, number = message.text.partition(" ")
            found.setdefault(writer, (session_id, []))[1].append(number)
    assert found == expected
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    assert mapping["properties"]["session_id"] == {"type": "keyword"}


def run_together(write: Callable[[Work], None], works: list[Work]) -> None:
    """Do each work in a process of its own; all begin at the same moment."""
    processes = multiprocessing.get_context("spawn")
    start = processes.Barrier(len(works))
    with ProcessPoolExecutor(len(works), processes, set_start, (start,)) as pool:
        for done in [pool.submit(write, work) for work in works]:
            done.result()
