"""Session ids that look like something else."""

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory

# No two of them may be taken for one, and none for all.
ODD = [
    "*",
    "s*",
    "s?",
    "s",
    "S",
    " s",
    "s ",
    "s,t",
    "t",
    ",",
    "/",
    "../s",
    "..",
    "s/t",
    "s%2Ft",
    "%00",
    "\0",
    "s\0",
    "s\n",
    "s\r\nHost: elsewhere",
    "\t\x07\x1b[31m\x7f",
    '"',
    "'",
    '"}},{"match_all":{}',
    "session_id:* OR *:*",
    "(s) AND NOT [a TO z] ~2 ^3 \\",
    "{{params}} ${s} <s>",
    "_all",
    "null",
    "[]",
    "?routing=s&preference=x#s",
    "é",
    "e\u0301",
    "\u202es",
    "\ufeffs",
    "\u2028",
    "\U0001d564😀",
]
LONG = ["x" * 32_766, "x" * 32_765 + "y", "é" * 16_383, "s" * 513, "s" * 512]


@pytest.mark.parametrize("routing", [False, True])
async def test_each_reads_and_writes_exactly_its_own_session(
    routing: bool, index: str, async_client: AsyncElasticsearch
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            index, session_id, client=async_client, routing=routing, refresh=False
        )
        for session_id in [*ODD, *LONG]
    ]
    for number, history in enumerate(histories):
        await history.aadd_message(HumanMessage(str(number)))
    await async_client.indices.refresh(index=index)
    for number, history in enumerate(histories):
        assert [message.text for message in await history.aget_messages()] == [str(number)]
        (stored,) = [each async for each in history.aiter_messages()]
        assert stored.session_id == history.session_id


@pytest.mark.parametrize("routing", [False, True])
async def test_each_clears_exactly_its_own_session(
    routing: bool, index: str, async_client: AsyncElasticsearch
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            index, session_id, client=async_client, routing=routing, refresh=False
        )
        for session_id in [*ODD, *LONG]
    ]
    for number, history in enumerate(histories):
        await history.aadd_message(HumanMessage(str(number)))
    left = len(histories)
    await async_client.indices.refresh(index=index)
    for history in histories:
        await history.aclear()
        left -= 1
        assert (await async_client.count(index=index))["count"] == left
        assert await history.aget_messages() == []
