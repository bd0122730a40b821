"""What completes a document, and in which order that has to happen."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history._documents.document import searchable_parts
from elasticsearch_chat_history._queries.completion import (
    Placed,
    unplaced_moments,
    updates_of,
    without_last_moment,
)
from tests.support.documents import upstream_document

NOTHING_PLACED = Placed.of([])


def hit(
    number: int,
    created_at: int = 5,
    *,
    seq: int | None = None,
    session_id: str = "s",
    message: BaseMessage | None = None,
) -> dict[str, Any]:
    """Return a hit of a search that is sorted by session, time and `seq`."""
    source = upstream_document(session_id, created_at, message or HumanMessage(str(number)))
    if seq is not None:
        source["seq"] = seq
    return {
        "_index": "chats",
        "_id": str(number),
        "_source": source,
        "sort": [session_id, str(created_at), -(2**63) if seq is None else seq, number, number],
    }


def test_documents_get_what_they_lack_newest_first() -> None:
    updates = updates_of([hit(0), hit(1), hit(2, message=AIMessage("Hi!"))], NOTHING_PLACED)
    assert [update.id for update in updates] == ["2", "1", "0"]
    assert [update.fields for update in updates] == [
        {"content": "Hi!", "type": "ai", "seq": 5_002},
        {"content": "1", "type": "human", "seq": 5_001},
        {"content": "0", "type": "human", "seq": 5_000},
    ]
    assert all(update.readable for update in updates)


def test_each_session_and_millisecond_counts_for_itself() -> None:
    hits = [hit(0, 5), hit(1, 6), hit(2, 5, session_id="t"), hit(3, 5, session_id="t")]
    seqs = {update.id: update.fields["seq"] for update in updates_of(hits, NOTHING_PLACED)}
    assert seqs == {"0": 5_000, "1": 6_000, "2": 5_000, "3": 5_001}


def test_documents_come_before_those_that_have_their_place() -> None:
    placed = Placed.of([hit(8, seq=5_001), hit(9, seq=5_400), hit(7, seq=1, session_id="t")])
    seqs = [update.fields["seq"] for update in updates_of([hit(0), hit(1)], placed)]
    assert seqs == [5_000, 4_999]


def test_a_document_that_somebody_else_placed_meanwhile_is_left_alone() -> None:
    placed = Placed.of([hit(2, seq=5_002)])
    updates = updates_of([hit(0), hit(1), hit(2)], placed)
    assert [(update.id, update.fields["seq"]) for update in updates] == [
        ("1", 5_001),
        ("0", 5_000),
    ]


def test_a_document_that_only_lacks_its_type_keeps_its_seq() -> None:
    (update,) = updates_of([hit(0, seq=7)], NOTHING_PLACED)
    assert update.fields == {"content": "0", "type": "human"}
    assert unplaced_moments([hit(0, seq=7), hit(1), hit(2)]) == [("s", 5)]


def test_a_document_that_may_only_lack_a_vector_is_left_as_it_is() -> None:
    complete = hit(0, seq=7)
    complete["_source"]["type"] = "human"
    (update,) = updates_of([complete], NOTHING_PLACED)
    assert (update.text, update.fields) == ("0", {})
    with_vector = update.with_vector([1.0])
    assert with_vector.fields == {"embedding": [1.0]}
    assert with_vector.without_vector().fields == {}


def test_an_unreadable_document_keeps_its_place_and_stays_incomplete() -> None:
    unreadable = hit(1)
    unreadable["_source"]["history"] = "not JSON"
    updates = updates_of([hit(0), unreadable, hit(2)], NOTHING_PLACED)
    assert updates[1].fields == {"seq": 5_001}
    assert [update.readable for update in updates] == [True, False, True]


@pytest.mark.parametrize(
    "history", ["", "not JSON", "[1]", "null", None, 5, '{"type": "shout", "data": {}}']
)
def test_what_is_no_message_has_no_parts(history: object) -> None:
    assert searchable_parts(history) is None


def test_a_message_without_text_has_an_empty_one() -> None:
    history = '{"type": "ai", "data": {"content": [{"type": "image", "base64": "QUJD"}]}}'
    assert searchable_parts(history) == {"content": "", "type": "ai"}


def test_what_may_go_on_with_the_next_page_is_known() -> None:
    hits = [hit(0, 5), hit(1, 6), hit(2, 6)]
    assert without_last_moment(hits) == 1
    assert without_last_moment(hits[1:]) == 0
    assert without_last_moment([]) == 0
    assert without_last_moment([*hits, hit(3, 6, session_id="t")]) == 3
