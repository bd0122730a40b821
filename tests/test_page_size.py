"""How many messages are asked for at once."""

from typing import Any

from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, ConnectionTimeout, SSLError
from elasticsearch import ConnectionError as EsConnectionError

from elasticsearch_chat_history._requests.page_size import LOST_CONNECTIONS, PAGE_BYTES, PageSize

META = ApiResponseMeta(
    429, "1.1", HttpHeaders(), 0.0, NodeConfig(scheme="http", host="localhost", port=9200)
)
TRIPPED = ApiError("tripped", META, {"error": {"type": "circuit_breaking_exception"}})
OVERLOADED = ApiError("overloaded", META, {"error": {"type": "es_rejected_execution_exception"}})


def hits(count: int, size: int) -> list[dict[str, Any]]:
    return [{"_source": {"history": "x" * size}}] * count


def test_small_messages_are_read_in_pages_as_large_as_wanted() -> None:
    size = PageSize(1000)
    size.learn(hits(1000, 300))
    assert size.messages == 1000


def test_a_page_that_was_too_much_is_followed_by_a_smaller_one() -> None:
    size = PageSize(1000)
    seen = []
    for _ in range(5):
        seen.append(size.messages)
        size.shrink()
    assert seen == [1000, 125, 15, 1, 1]


def test_a_page_does_not_grow_to_what_was_too_much() -> None:
    size = PageSize(25)
    assert size.note_failure(TRIPPED)
    size.shrink()
    seen = []
    for _ in range(4):
        seen.append(size.messages)
        size.learn(hits(size.messages, 100))
    assert seen == [3, 12, 12, 12]


def test_pages_grow_again_only_as_far_as_the_messages_allow() -> None:
    size = PageSize(1000)
    size.shrink()
    size.shrink()
    size.learn(hits(15, PAGE_BYTES // 40))
    assert size.messages == 40
    size.learn(hits(15, 100))
    assert 40 < size.messages <= 320


def test_groups_of_several_messages_come_in_smaller_pages() -> None:
    size = PageSize(1000, messages_each=2)
    size.learn(hits(20, PAGE_BYTES // 40))
    assert size.messages == 20
    assert PageSize(1000, size.message_bytes, messages_each=2).messages == 20


def test_what_was_learnt_holds_for_the_next_read() -> None:
    first = PageSize(1000)
    first.learn(hits(10, PAGE_BYTES // 4))
    assert PageSize(1000, first.message_bytes).messages == 4
    assert PageSize(2, first.message_bytes).messages == 2


def test_a_message_larger_than_a_page_is_read_alone() -> None:
    size = PageSize(1000)
    size.learn(hits(1, PAGE_BYTES * 2))
    assert size.messages == 1


def test_an_empty_page_teaches_nothing() -> None:
    size = PageSize(1000)
    size.learn([])
    assert size.messages == 1000


def test_a_slow_answer_is_blamed_on_the_page_but_may_grow_again() -> None:
    size = PageSize(1000)
    assert size.note_failure(ConnectionTimeout("slow"))
    size.shrink()
    for _ in range(3):
        size.learn(hits(size.messages, 100))
    assert size.messages == 1000


def test_only_connections_lost_in_a_row_are_blamed_on_the_page() -> None:
    size = PageSize(1000)
    lost = EsConnectionError("away")
    assert [size.note_failure(lost) for _ in range(LOST_CONNECTIONS)] == [False] * LOST_CONNECTIONS
    size.learn(hits(1000, 100))
    assert not size.note_failure(lost)
    assert [size.note_failure(lost) for _ in range(LOST_CONNECTIONS)][-1]


def test_other_failures_are_not_blamed_on_the_page() -> None:
    size = PageSize(1000)
    assert not size.note_failure(OVERLOADED)
    assert not any(size.note_failure(SSLError("unknown certificate")) for _ in range(9))


def test_a_page_of_one_message_is_not_to_blame() -> None:
    assert not PageSize(1).note_failure(TRIPPED)
