"""Other packages that keep messages, used as their documentation says.

All sessions use one engine or connection, or one for each caller where callers work at once. None
has a method that reads the last messages, so they read all and keep those. A package or a server
that is not installed is left out, with a line that says so.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cache
from importlib import import_module
from itertools import cycle
from tempfile import TemporaryDirectory
from typing import Any

import databases
from contenders import Contender
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import BaseMessage

UPSTREAM = "langchain-elasticsearch"
SQLITE = "SQLChatMessageHistory on SQLite"
POSTGRES = "langchain-postgres"
REDIS = "langchain-redis"
REDIS_LIST = "a Redis list (langchain-community)"
COMMUNITY = "langchain_community.chat_message_histories"
# What langchain-redis needs of a server; Debian's has neither.
REDIS_MODULES = {"ReJSON", "search"}
TABLE = "messages"
# Callers on SQLite wait for each other; the default ends some of them after 5 seconds.
LOCK_SECONDS = 60


class Histories:
    """Another class with LangChain's interface, which reads no less than all.

    Args:
        name: What it is called.
        history: Makes the object for a session, which is kept.
    """

    def __init__(self, name: str, history: Callable[[str], Any]) -> None:
        self.name = name
        self._history: Callable[[str], Any] = cache(history)

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        self._history(session_id).add_messages(messages)

    def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        messages: list[BaseMessage] = self._history(session_id).messages
        return messages

    def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        return self.read(session_id)[-count:]


class HistoriesAsync:
    """The same for an asynchronous class.

    Args:
        name: What it is called.
        history: Makes the object for a session, which is kept.
    """

    def __init__(self, name: str, history: Callable[[str], Any]) -> None:
        self.name = name
        self._history: Callable[[str], Any] = cache(history)

    async def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        await self._history(session_id).aadd_messages(messages)

    async def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        messages: list[BaseMessage] = await self._history(session_id).aget_messages()
        return messages

    async def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        return (await self.read(session_id))[-count:]


@contextmanager
def on_elasticsearch(
    url: str, client: Elasticsearch | AsyncElasticsearch
) -> Iterator[list[Contender]]:
    """Give langchain-elasticsearch, with the index that it makes itself."""
    package = installed(UPSTREAM, "langchain_elasticsearch")
    if package is None:
        yield []
        return
    index = f"benchmark-{uuid.uuid4().hex}"
    with Elasticsearch(url) as admin:
        # Before many callers try to at once.
        package.ElasticsearchChatMessageHistory(index, "", client=admin).create_if_missing()
        try:
            if isinstance(client, AsyncElasticsearch):
                upstream = package.AsyncElasticsearchChatMessageHistory
                yield [HistoriesAsync(UPSTREAM, lambda one: upstream(index, one, client=client))]
            else:
                upstream = package.ElasticsearchChatMessageHistory
                yield [Histories(UPSTREAM, lambda one: upstream(index, one, client=client))]
        finally:
            admin.indices.delete(index=index)


@contextmanager
def on_sqlite(callers: int = 1) -> Iterator[list[Contender]]:
    """Give SQLChatMessageHistory, with a file in a temporary folder.

    SQLite's own defaults hold: a commit returns once it is written to the disk. The table has no
    index on the session, so a read looks at the messages of all sessions.
    """
    package, sqlalchemy = installed(SQLITE, COMMUNITY), installed(SQLITE, "sqlalchemy")
    if package is None or sqlalchemy is None:
        yield []
        return
    with TemporaryDirectory(prefix="benchmark-") as folder:
        engine = sqlalchemy.create_engine(
            f"sqlite:///{folder}/messages.db",
            pool_size=callers,
            connect_args={"timeout": LOCK_SECONDS},
        )
        try:
            history = package.SQLChatMessageHistory
            history("", TABLE, connection=engine)  # makes the table, before many callers try to
            yield [Histories(SQLITE, lambda one: history(one, TABLE, connection=engine))]
        finally:
            engine.dispose()


@contextmanager
def on_postgresql(callers: int = 1) -> Iterator[list[Contender]]:
    """Give langchain-postgres, with so many connections to a server of its own."""
    package, psycopg = installed(POSTGRES, "langchain_postgres"), installed(POSTGRES, "psycopg")
    if package is None or psycopg is None:
        yield []
        return
    history = package.PostgresChatMessageHistory
    with databases.postgresql() as address, ExitStack() as stack:
        if address is None:
            left_out(POSTGRES, "no PostgreSQL is installed")
            yield []
            return
        opened = [stack.enter_context(psycopg.connect(address)) for _ in range(callers)]
        history.create_tables(opened[0], TABLE)
        next_one = cycle(opened)
        yield [
            Histories(
                POSTGRES,
                lambda one: history(TABLE, uuid_of(one), sync_connection=next(next_one)),
            )
        ]


@asynccontextmanager
async def on_postgresql_async(callers: int) -> AsyncIterator[list[Contender]]:
    """Give the same for tasks."""
    package, psycopg = installed(POSTGRES, "langchain_postgres"), installed(POSTGRES, "psycopg")
    if package is None or psycopg is None:
        yield []
        return
    history = package.PostgresChatMessageHistory
    async with AsyncExitStack() as stack:
        address = stack.enter_context(databases.postgresql())
        if address is None:
            left_out(POSTGRES, "no PostgreSQL is installed")
            yield []
            return
        connect = psycopg.AsyncConnection.connect
        opened = [await stack.enter_async_context(await connect(address)) for _ in range(callers)]
        await history.acreate_tables(opened[0], TABLE)
        next_one = cycle(opened)
        yield [
            HistoriesAsync(
                POSTGRES,
                lambda one: history(TABLE, uuid_of(one), async_connection=next(next_one)),
            )
        ]


@contextmanager
def on_redis() -> Iterator[list[Contender]]:
    """Give langchain-redis where the server has its modules, and a plain list on any Redis."""
    driver = installed(REDIS_LIST, "redis")
    if driver is None:
        yield []
        return
    with databases.redis() as address:
        if address is None:
            left_out(f"{REDIS} and {REDIS_LIST}", "no Redis is installed")
            yield []
            return
        with driver.Redis.from_url(address) as client:
            yield [*with_modules(client), *as_lists(address)]


def with_modules(client: Any) -> Iterator[Contender]:
    """Yield langchain-redis if the server has the modules that it needs."""
    package = installed(REDIS, "langchain_redis")
    if package is None:
        return
    there = {text(module.get(b"name", module.get("name"))) for module in client.module_list()}
    if missing := REDIS_MODULES - there:
        left_out(REDIS, f"this Redis lacks the modules {' and '.join(sorted(missing))}")
        return
    history = package.RedisChatMessageHistory
    yield Histories(REDIS, lambda one: history(one, redis_client=client))


def as_lists(address: str) -> Iterator[Contender]:
    """Yield langchain-community's class, in which each session is a list with a client."""
    package = installed(REDIS_LIST, COMMUNITY)
    if package is not None:
        history = package.RedisChatMessageHistory
        yield Histories(REDIS_LIST, lambda one: history(one, url=address))


def installed(contender: str, module: str) -> Any:
    """Return a module, or None if it is not installed, which is said."""
    try:
        return import_module(module)
    except ImportError as error:
        left_out(contender, str(error))
        return None


def left_out(contender: str, reason: str) -> None:
    """Say that a contender is left out."""
    print(f"{contender} is left out: {reason}.", flush=True)


def uuid_of(session_id: str) -> str:
    """Return the session as a UUID, which langchain-postgres asks for."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, session_id))


def text(name: bytes | str) -> str:
    """Return a name that Redis gives."""
    return name if isinstance(name, str) else name.decode()
