"""Store real conversations in Elasticsearch, read every one of them back, and compare.

The conversations are those of the package chatterbot-corpus: thousands, in many languages. One
half is stored by threads through the synchronous class, the other half by tasks through the
asynchronous one, one session for each conversation and one call for each turn. Then each half
is read back through the other class. The exit status is 0 only if every message is the same.

    nox -s demo                        # starts an Elasticsearch, or uses that of ES_URL
    python examples/demo.py --help     # uses that of ES_URL, or http://localhost:9200
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch, TransportError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from tqdm import tqdm

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

WORKERS = 64  # threads, and tasks
SHOWN_LANGUAGES = ["english", "japanese", "hebrew", "hindi", "ukrainian"]
SHOWN_LENGTH = 4  # messages at most
SHOWN_DIFFERENCES = 10


@dataclass(frozen=True)
class Conversation:
    """Messages of a human and an AI by turns, to be kept as one session."""

    language: str
    session_id: str
    messages: list[BaseMessage]

    @property
    def turns(self) -> list[list[BaseMessage]]:
        """The messages as pairs of a question and its answer."""
        return [self.messages[start : start + 2] for start in range(0, len(self.messages), 2)]

    def difference(self, found: Sequence[BaseMessage]) -> str | None:
        """Compare message by message; return the first difference, or None."""
        for position, (mine, other) in enumerate(zip_longest(self.messages, found)):
            if mine != other:
                return f"{self.session_id}, message {position}: stored {mine!r}, found {other!r}"
        return None


def read_corpus() -> list[Conversation]:
    """Return all conversations of chatterbot-corpus."""
    conversations = []
    folder = Path(str(files("chatterbot_corpus"))) / "data"
    for path in bar(sorted(folder.rglob("*.yml")), "Reading the corpus", unit="file"):
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]
        for number, texts in enumerate(listed):
            # Eight conversations lack a dash in their file, so that YAML sees one long text. Like
            # ChatterBot itself we take what iterating gives: their characters, 1,350 in all.
            messages: list[BaseMessage] = [
                AIMessage(str(text)) if position % 2 else HumanMessage(str(text))
                for position, text in enumerate(texts)
            ]
            session_id = f"{path.parent.name}/{path.stem}/{number}"
            conversations.append(Conversation(path.parent.name, session_id, messages))
    # The longest first, so that nobody is left alone with one of them at the end.
    return sorted(conversations, key=lambda conversation: -len(conversation.messages))


def store_with_threads(
    connection: dict[str, Any], index: str, conversations: Sequence[Conversation]
) -> None:
    """Store the conversations through the synchronous class."""

    def store(conversation: Conversation) -> None:
        history = ElasticsearchChatMessageHistory(index, conversation.session_id, client=client)
        for turn in conversation.turns:
            history.add_messages(turn)

    with Elasticsearch(**connection) as client, ThreadPoolExecutor(WORKERS) as pool:
        stored = pool.map(store, conversations)
        list(bar(stored, "Storing, threads", total=len(conversations)))


def store_with_tasks(
    connection: dict[str, Any], index: str, conversations: Sequence[Conversation]
) -> None:
    """Store the conversations through the asynchronous class."""

    async def store(client: AsyncElasticsearch, conversation: Conversation) -> None:
        history = AsyncElasticsearchChatMessageHistory(
            index, conversation.session_id, client=client
        )
        for turn in conversation.turns:
            await history.aadd_messages(turn)

    asyncio.run(with_tasks(connection, store, bar(conversations, "Storing, tasks")))


def compare_with_threads(
    connection: dict[str, Any], index: str, conversations: Sequence[Conversation]
) -> list[str]:
    """Read the sessions through the synchronous class; return what differs."""

    def compare(conversation: Conversation) -> str | None:
        history = ElasticsearchChatMessageHistory(index, conversation.session_id, client=client)
        return conversation.difference(history.messages)

    with Elasticsearch(**connection) as client, ThreadPoolExecutor(WORKERS) as pool:
        compared = pool.map(compare, conversations)
        return list(filter(None, bar(compared, "Comparing, threads", total=len(conversations))))


def compare_with_tasks(
    connection: dict[str, Any], index: str, conversations: Sequence[Conversation]
) -> list[str]:
    """Read the sessions through the asynchronous class; return what differs."""
    differences = []

    async def compare(client: AsyncElasticsearch, conversation: Conversation) -> None:
        history = AsyncElasticsearchChatMessageHistory(
            index, conversation.session_id, client=client
        )
        difference = conversation.difference(await history.aget_messages())
        if difference is not None:
            differences.append(difference)

    asyncio.run(with_tasks(connection, compare, bar(conversations, "Comparing, tasks")))
    return differences


async def with_tasks(
    connection: dict[str, Any],
    work: Callable[[AsyncElasticsearch, Conversation], Awaitable[None]],
    conversations: Iterable[Conversation],
) -> None:
    """Do the work on all conversations, on some of them at once."""
    # All tasks take from one iterator, each its next conversation when it is done with the last.
    waiting = iter(conversations)

    async def work_through(client: AsyncElasticsearch) -> None:
        for conversation in waiting:
            await work(client, conversation)

    async with AsyncElasticsearch(**connection) as client:
        await asyncio.gather(*(work_through(client) for _ in range(WORKERS)))


def run(connection: dict[str, Any], index: str) -> bool:
    """Store, compare and tell; return whether everything came back as it was stored."""
    conversations = read_corpus()
    halves = conversations[::2], conversations[1::2]
    steps: list[tuple[str, Callable[..., list[str] | None], list[Conversation]]] = [
        ("stored by threads", store_with_threads, halves[0]),
        ("stored by tasks", store_with_tasks, halves[1]),
        ("read by threads", compare_with_threads, halves[1]),
        ("read by tasks", compare_with_tasks, halves[0]),
    ]
    differences: list[str] = []
    rates = []
    for name, step, half in steps:
        begin = time.perf_counter()
        differences += step(connection, index, half) or []
        rates.append(rate(name, half, time.perf_counter() - begin))

    with Elasticsearch(**connection) as client:
        show_some(client, index, conversations)
        documents = client.count(index=index)["count"]
    messages = sum(len(conversation.messages) for conversation in conversations)
    equal = len(conversations) - len(differences)
    print("\n".join(rates))
    print()
    print(f"sessions   {len(conversations):>7,} stored  {equal:>7,} came back equal")
    print(f"messages   {messages:>7,} stored  {documents:>7,} documents in the index")
    for difference in differences[:SHOWN_DIFFERENCES]:
        print(f"DIFFERENT  {difference}")
    all_equal = not differences and documents == messages
    print("All messages came back as they were." if all_equal else "NOT all messages came back.")
    return all_equal


def bar(items: Any, what: str, *, total: int | None = None, unit: str = "session") -> Any:
    """Show how far an iteration is."""
    return tqdm(items, desc=f"{what:20}", total=total, unit=f" {unit}s")


def rate(name: str, conversations: Sequence[Conversation], seconds: float) -> str:
    """Describe how fast these conversations were stored or read."""
    messages = sum(len(conversation.messages) for conversation in conversations)
    turns = sum(len(conversation.turns) for conversation in conversations)
    return (
        f"{name:18} {len(conversations):>6,} sessions {messages:>7,} messages in {seconds:5.1f} s:"
        f" {messages / seconds:>6,.0f} messages/s, {turns / seconds:>6,.0f} turns/s"
    )


def show_some(client: Elasticsearch, index: str, conversations: Sequence[Conversation]) -> None:
    """Print a short conversation of each of some languages, as it is stored."""
    for language in SHOWN_LANGUAGES:
        session_id = next(
            conversation.session_id
            for conversation in conversations
            if conversation.language == language and len(conversation.messages) <= SHOWN_LENGTH
        )
        print(f"\n{session_id}")
        for message in ElasticsearchChatMessageHistory(index, session_id, client=client).messages:
            print(f"  {message.type:>5}: {message.text}")
    print()


def connection_arguments() -> dict[str, Any]:
    """Return what a client needs to reach the Elasticsearch that the environment names."""
    variables = os.environ
    found: dict[str, Any] = {"hosts": variables.get("ES_URL") or "http://localhost:9200"}
    if variables.get("ES_API_KEY"):
        found["api_key"] = variables["ES_API_KEY"]
    elif variables.get("ES_USER"):
        found["basic_auth"] = (variables["ES_USER"], variables.get("ES_PASSWORD", ""))
    return found


def main() -> int:
    """Run the demo on an index of its own and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Store real conversations in Elasticsearch, read them back, and compare."
    )
    parser.add_argument(
        "--index",
        default=f"chat-demo-{uuid.uuid4().hex[:8]}",
        help="an index that does not exist yet (default: chat-demo-<random>)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the index there afterwards, in the Elasticsearch that ES_URL names",
    )
    options = parser.parse_args()
    connection = connection_arguments()
    with Elasticsearch(**connection) as client:
        try:
            exists = client.indices.exists(index=options.index)
        except (ApiError, TransportError) as error:
            print(f"No Elasticsearch can be used: {error}", file=sys.stderr)
            print("Start one with `nox -s server`, or set ES_URL to another.", file=sys.stderr)
            return 1
        if exists:
            parser.error(f"index {options.index!r} exists already")
        try:
            all_equal = run(connection, options.index)
        finally:
            if not options.keep:
                client.options(ignore_status=404).indices.delete(index=options.index)
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
