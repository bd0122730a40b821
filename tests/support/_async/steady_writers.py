"""Writers at work while a test does harm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import BaseMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.write_log import WriteLog

if TYPE_CHECKING:
    from typing_extensions import Self

TURN = 2


class AsyncSteadyWriters:
    """Writers that add turns until the block ends, each to a history of its own.

    Args:
        write_log: Where each turn is noted.
        index: The index, which need not exist.
        clients: What they write through, in turns.
        writers: How many.
        sessions: How many sessions they share.
        options: More arguments of each history.
    """

    def __init__(
        self,
        write_log: WriteLog,
        index: str,
        *clients: AsyncElasticsearch,
        writers: int = 32,
        sessions: int = 8,
        **options: Any,
    ) -> None:
        self._write_log = write_log
        self._running: AsyncRunning[None] = AsyncRunning()
        self._stopped = False
        self._histories = {
            f"w{number}": AsyncElasticsearchChatMessageHistory(
                index,
                f"s{number % sessions}",
                client=clients[number % len(clients)],
                **options,
            )
            for number in range(writers)
        }

    async def __aenter__(self) -> Self:
        for writer, history in self._histories.items():
            self._running.start(partial(self._write, writer, history))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await self._running.__aexit__()

    async def progress(self, turns: int = 3) -> None:
        """Wait until each writer has begun and ended `turns` more turns."""
        goals = {
            # One turn more, as one may be under way.
            writer: self._write_log.acknowledged_of(writer) + TURN * (turns + 1)
            for writer in self._histories
        }

        def reached() -> bool:
            self._running.check()
            return all(
                self._write_log.acknowledged_of(writer) >= goal for writer, goal in goals.items()
            )

        await async_until(reached)

    async def found(self) -> list[BaseMessage]:
        """Return the messages of all sessions."""
        sessions = {history.session_id: history for history in self._histories.values()}
        messages = []
        for history in sessions.values():
            messages += await history.aget_messages()
        return messages

    async def _write(self, writer: str, history: AsyncElasticsearchChatMessageHistory) -> None:
        while not self._stopped:
            turn = self._write_log.begin(writer, TURN)
            await history.aadd_messages(turn)
            self._write_log.acknowledge(turn)
