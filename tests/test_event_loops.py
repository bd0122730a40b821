"""One asynchronous client in two event loops is refused at once."""

import asyncio
import threading
from typing import Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.concurrency import HANG_SECONDS, async_until


async def test_a_client_of_another_loop_is_refused_at_once(
    index: str, client_arguments: dict[str, Any]
) -> None:
    async with AsyncElasticsearch(**client_arguments) as client:
        history = AsyncElasticsearchChatMessageHistory(index, "s", client=client)
        await history.create_if_missing()
        outcomes: list[BaseException] = []

        def use_in_another_loop() -> None:
            for call in (
                lambda: history.aadd_message(HumanMessage("theirs")),
                history.aget_messages,
            ):
                try:
                    asyncio.run(call())
                except RuntimeError as error:
                    outcomes.append(error)

        with AsyncHeldRequests(client) as held:
            ours = asyncio.ensure_future(history.aadd_message(HumanMessage("ours")))
            await async_until(lambda: held.messages == 1)
            thread = threading.Thread(target=use_in_another_loop, daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, HANG_SECONDS)
            assert not thread.is_alive(), "the other loop hangs"
        await ours
        assert ["client of its own" in str(error) for error in outcomes] == [True, True]
        assert [message.text for message in await history.aget_messages()] == ["ours"]
