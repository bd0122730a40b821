"""The tables and API keys of docs/operators.md: each call with the privileges that they name."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AuthorizationException, Elasticsearch, ElasticsearchWarning
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    MessagesNotStoredError,
)
from elasticsearch_chat_history._documents.document import derived_id
from local_elasticsearch import LocalElasticsearch
from tests.support.documents import (
    BEGIN,
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    complete_document,
    upstream_document,
)
from tests.support.messages import numbered
from tests.support.pages import CODE, FENCE, rows_of, text_of
from tests.support.server import count, mappings, store

pytestmark = pytest.mark.faults

PAGE = text_of("docs/operators.md")
REFUSED = r"403|manage"
REFUSALS = (AuthorizationException, ChatHistoryError, MessagesNotStoredError)
TURN = numbered(2)
FIELDS = OWN_MAPPINGS["properties"].keys()
LABEL = {"of": "the call"}
MORE = {"more": True}
SESSION, OTHER = "s", "other"

Call = Callable[[AsyncElasticsearchChatStore], Any]
Prepare = Callable[[Elasticsearch, str], None]


async def all_of(items: Any) -> list[Any]:
    return [one async for one in items]


async def remove_by_id(chats: AsyncElasticsearchChatStore) -> None:
    history = chats.session(SESSION)
    await history.adelete_messages([(await history.aget_stored_messages(limit=1))[0].id])


async def truncate(chats: AsyncElasticsearchChatStore) -> None:
    history = chats.session(SESSION)
    await history.atruncate_after((await history.aget_stored_messages())[0].id)


async def import_one(chats: AsyncElasticsearchChatStore) -> None:
    record = {"id": "a", "session_id": "new", "created_at": 1, "history": "{}"}
    assert (await chats.aimport([record])).stored == 1


def nothing(_admin: Elasticsearch, _index: str) -> None:
    """Leave the index missing."""


def three_messages(admin: Elasticsearch, index: str) -> None:
    """Make an index with all fields, and two sessions in it, past the classes that are tested."""
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    for session in (SESSION, OTHER):
        numbers = enumerate(numbered(3))
        documents = [complete_document(session, BEGIN * 1000 + n, one) for n, one in numbers]
        store(admin, index, [{**one, "metadata": LABEL} for one in documents])


def of_upstream(admin: Elasticsearch, index: str) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store(admin, index, [upstream_document(SESSION, BEGIN, one) for one in numbered(3)])


def to_complete(admin: Elasticsearch, index: str) -> None:
    """Store what upstream wrote in an index that has all fields."""
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    store(admin, index, [upstream_document(SESSION, BEGIN, one) for one in numbered(3)])


def half_of_a_call(admin: Elasticsearch, index: str) -> None:
    """Store the second of the two messages of a call."""
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    document = complete_document(SESSION, BEGIN * 1000, TURN[1])
    admin.index(index=index, id=derived_id(SESSION, "k", 1), document=document, refresh=True)


# By what the page says, the call, what is there before, and how many messages there are more then.
CALLS: dict[str, tuple[Call, Prepare, int]] = {
    "get_messages()": (lambda all_: all_.session(SESSION).aget_messages(), three_messages, 0),
    "get_stored_messages()": (
        lambda all_: all_.session(SESSION).aget_stored_messages(limit=2),
        three_messages,
        0,
    ),
    "iter_messages()": (
        lambda all_: all_of(all_.session(SESSION).aiter_messages()),
        three_messages,
        0,
    ),
    "list_sessions()": (lambda all_: all_.alist_sessions(), three_messages, 0),
    "count_sessions()": (lambda all_: all_.acount_sessions(), three_messages, 0),
    "count_messages()": (lambda all_: all_.acount_messages(), three_messages, 0),
    "search()": (lambda all_: all_.asearch("1"), three_messages, 0),
    "export()": (lambda all_: all_of(all_.aexport()), three_messages, 0),
    "add_message()": (
        lambda all_: all_.session(SESSION).aadd_message(HumanMessage("more")),
        three_messages,
        1,
    ),
    "add_messages()": (lambda all_: all_.session(SESSION).aadd_messages(TURN), three_messages, 2),
    "store_messages()": (
        lambda all_: all_.session(SESSION).astore_messages(TURN, idempotency_key="k"),
        three_messages,
        2,
    ),
    "fork()": (lambda all_: all_.session(SESSION).afork("new"), three_messages, 3),
    "import_()": (import_one, three_messages, 1),
    "add_messages() to an index that is missing": (
        lambda all_: all_.session(SESSION).aadd_messages(TURN),
        nothing,
        2,
    ),
    "add_messages() by a client that may not read": (
        lambda all_: all_.session(SESSION).aadd_messages(TURN),
        three_messages,
        2,
    ),
    "create_if_missing() of an index that is missing": (
        lambda all_: all_.create_if_missing(),
        nothing,
        0,
    ),
    "create_if_missing() of an index of langchain-elasticsearch": (
        lambda all_: all_.create_if_missing(),
        of_upstream,
        0,
    ),
    "pop_messages()": (lambda all_: all_.session(SESSION).apop_messages(), three_messages, -1),
    "delete_messages()": (remove_by_id, three_messages, -1),
    "truncate_after()": (truncate, three_messages, -2),
    "clear()": (lambda all_: all_.session(SESSION).aclear(), three_messages, -3),
    "delete_sessions()": (
        lambda all_: all_.adelete_sessions([SESSION], metadata=LABEL),
        three_messages,
        -3,
    ),
    "prune()": (lambda all_: all_.aprune(timedelta(days=1)), three_messages, -6),
    "set_messages()": (
        lambda all_: all_.session(SESSION).aset_messages(numbered(1)),
        three_messages,
        -2,
    ),
    "fork(overwrite=True)": (
        lambda all_: all_.session(SESSION).afork(OTHER, overwrite=True, until=None),
        three_messages,
        0,
    ),
    "add_messages() with an idempotency_key, of which a part is missing": (
        lambda all_: all_.session(SESSION).aadd_messages(TURN, idempotency_key="k"),
        half_of_a_call,
        1,
    ),
    "set_metadata()": (lambda all_: all_.aset_metadata([SESSION], MORE), three_messages, 0),
    "backfill()": (lambda all_: all_.abackfill(), to_complete, 0),
}


def calls_in(cell: str) -> list[str]:
    """Return the calls of a row: each by itself, or the one and what is said of it."""
    calls = [code for code in CODE.findall(cell) if code.endswith(")")]
    return calls if len(calls) > 1 or cell == f"`{calls[0]}`" else [cell.replace("`", "")]


ROWS = {
    row["call"]: (calls_in(row["call"]), CODE.findall(row["index privileges"]))
    for row in rows_of(PAGE)
    if "index privileges" in row
}
NEEDED = {call: privileges for calls, privileges in ROWS.values() for call in calls}
KEYS = {
    re.findall(r"chats-(\w+)", text)[0]: text
    for language, text in FENCE.findall(PAGE)
    if language == "json"
}
READS = {call for call, privileges in NEEDED.items() if privileges == ["read"]}
REMOVALS = {call for call, privileges in NEEDED.items() if privileges == ["read", "delete"]}
ADDITIONS = {call for call, needed in NEEDED.items() if set(needed) == {"read", "create_doc"}}
# Those that need no other index than the one that the others have used.
IN_ONE_INDEX = {call for call, (_, prepare, _) in CALLS.items() if prepare is three_messages}
# What does not name the index behind an alias.
ON_THE_ALIAS = {
    "get_messages()",
    "get_stored_messages()",
    "count_sessions()",
    "count_messages()",
    "search()",
    "add_message()",
    "add_messages()",
    "add_messages() by a client that may not read",
    "store_messages()",
    "import_()",
}
ROLES: dict[str, set[str]] = {
    "reader": READS,
    "writer": READS | ADDITIONS | {"add_messages() by a client that may not read"},
    "eraser": READS | REMOVALS,
    "service": IN_ONE_INDEX,
    "operator": IN_ONE_INDEX,
}


class AsyncKeyHolders:
    """Makes stores with API keys that have some privileges on some indices, and no others."""

    def __init__(self, server: LocalElasticsearch, administrator: Elasticsearch) -> None:
        self._server = server
        self._administrator = administrator

    def limited(self, index: str, privileges: Sequence[str]) -> AsyncElasticsearchChatStore:
        role = {"indices": [{"names": [index], "privileges": privileges or ["none"]}]}
        body = {"name": "limited", "role_descriptors": {"limited": role}}
        return self.with_key(index, body)

    def with_key(self, index: str, body: dict[str, Any]) -> AsyncElasticsearchChatStore:
        encoded = self._administrator.security.create_api_key(**body)["encoded"]
        return AsyncElasticsearchChatStore(
            index, es_url=self._server.url, es_api_key=encoded, max_retries=1
        )


@pytest.fixture
def holders(lone_node: LocalElasticsearch, administrator: Elasticsearch) -> AsyncKeyHolders:
    return AsyncKeyHolders(lone_node, administrator)


def test_the_page_has_what_is_tested() -> None:
    assert set(NEEDED) == set(CALLS)
    assert set(KEYS) == set(ROLES)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_needs_what_the_page_says(
    name: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    call, prepare, more = CALLS[name]
    prepare(administrator, fresh_index)
    before = count(administrator, fresh_index)
    async with holders.limited(fresh_index, NEEDED[name]) as chats:
        await call(chats)
    assert count(administrator, fresh_index) - before == more


@pytest.mark.parametrize(
    ("row", "lacking"),
    [pytest.param(row, one, id=f"{row}: {one}") for row in ROWS for one in ROWS[row][1]],
)
async def test_a_call_with_one_privilege_less_is_refused(
    row: str,
    lacking: str,
    holders: AsyncKeyHolders,
    administrator: Elasticsearch,
    fresh_index: str,
) -> None:
    calls, privileges = ROWS[row]
    CALLS[calls[0]][1](administrator, fresh_index)
    before = count(administrator, fresh_index)
    left = [one for one in privileges if one != lacking]
    async with holders.limited(fresh_index, left) as chats:
        for name in calls:
            with pytest.raises(REFUSALS, match=REFUSED):
                await CALLS[name][0](chats)
    assert count(administrator, fresh_index) == before


@pytest.mark.parametrize("role", ROLES)
async def test_the_api_key_of_a_role_does_what_the_page_says(
    role: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    three_messages(administrator, fresh_index)
    body = json.loads(KEYS[role].replace('"chats"', f'"{fresh_index}*"'))
    async with holders.with_key(fresh_index, body) as chats:
        for name in IN_ONE_INDEX - ROLES[role]:
            with pytest.raises(REFUSALS, match=REFUSED):
                await CALLS[name][0](chats)
        for name, (call, _, _) in CALLS.items():
            if name in ROLES[role]:
                await call(chats)


@pytest.mark.parametrize("role", ROLES)
async def test_only_the_operator_creates_the_index(
    role: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    body = json.loads(KEYS[role].replace('"chats"', f'"{fresh_index}"'))
    async with holders.with_key(fresh_index, body) as chats:
        if role == "operator":
            await chats.create_if_missing()
        else:
            with pytest.raises(AuthorizationException):
                await chats.create_if_missing()
    assert bool(administrator.indices.exists(index=fresh_index)) == (role == "operator")


# With `write` and `create_doc` Elasticsearch allows it, and warns.
@pytest.mark.parametrize("role", ["reader", "eraser", "operator"])
async def test_the_operator_completes_an_index_of_upstream(
    role: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    of_upstream(administrator, fresh_index)
    body = json.loads(KEYS[role].replace('"chats"', f'"{fresh_index}"'))
    async with holders.with_key(fresh_index, body) as chats:
        await chats.create_if_missing()
    has_all = mappings(administrator, fresh_index)["properties"].keys() == FIELDS
    assert has_all == (role == "operator")


@pytest.mark.parametrize("role", ["writer", "service"])
async def test_elasticsearch_warns_where_writing_may_add_fields(
    role: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    of_upstream(administrator, fresh_index)
    body = json.loads(KEYS[role].replace('"chats"', f'"{fresh_index}"'))
    async with holders.with_key(fresh_index, body) as chats:
        with pytest.warns(ElasticsearchWarning, match="not permit mapping updates in the next"):
            await chats.create_if_missing()
    assert mappings(administrator, fresh_index)["properties"].keys() == FIELDS


@pytest.mark.parametrize("named", ["the alias", "its indices too"])
async def test_what_names_the_index_behind_an_alias_needs_privileges_on_it(
    named: str, holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    first = f"{fresh_index}-000001"
    three_messages(administrator, first)
    administrator.indices.put_alias(index=first, name=fresh_index, is_write_index=True)
    names = f'"{fresh_index}"' if named == "the alias" else f'"{fresh_index}", "{fresh_index}-*"'
    body = json.loads(KEYS["service"].replace('"chats"', names))
    allowed = ON_THE_ALIAS if named == "the alias" else IN_ONE_INDEX
    async with holders.with_key(fresh_index, body) as chats:
        for name, (call, _, _) in CALLS.items():
            if name in allowed:
                await call(chats)
            elif name in IN_ONE_INDEX:
                with pytest.raises(REFUSALS, match=REFUSED):
                    await call(chats)


async def test_removed_messages_show_at_once_with_the_privilege_to_refresh(
    holders: AsyncKeyHolders, administrator: Elasticsearch, fresh_index: str
) -> None:
    three_messages(administrator, fresh_index)
    body = json.loads(KEYS["eraser"].replace('"chats"', f'"{fresh_index}"'))
    async with holders.with_key(fresh_index, body) as chats:
        await chats.adelete_sessions([SESSION])
        assert await chats.acount_messages() == 3
