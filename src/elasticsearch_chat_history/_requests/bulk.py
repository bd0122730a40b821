"""The bulk request: its lines, its limits, and what the response says of each document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._documents.json_text import compact_json
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._requests.failures import (
    DROPPED,
    STATUS_CONFLICT,
    STATUS_CREATED,
    STATUS_NOT_FOUND,
    STATUS_OK,
    Failure,
    failure_of_item,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from elasticsearch_chat_history._documents.document import Document
    from elasticsearch_chat_history._documents.fields import IndexLayout

MAX_DOCUMENTS = 2_000
# A node counts a bulk request about twice against its indexing pressure limit, a tenth of its
# heap. 4 MB pass on a heap of 512 MB, with room for other clients.
MAX_BYTES = 4_000_000
# What the answer must tell: what became of each document in its place, where it is, and why it
# failed.
FILTER_PATH = ",".join(
    f"items.create.{name}"
    for name in (
        *("status", "failure_store", "_index", "_seq_no"),
        *("error.type", "error.reason"),
    )
)
REMOVAL_FILTER_PATH = "items.delete.status,items.delete.error.type,items.delete.error.reason"
UPDATE_FILTER_PATH = ",".join(
    f"items.update.{name}" for name in ("status", "result", "error.type", "error.reason")
)
# If somebody else changes the same document meanwhile, Elasticsearch reads it again.
RETRIES_ON_CONFLICT = 3


def lines_of(document: Document, layout: IndexLayout, *, routing: str | None = None) -> bytes:
    """Return the two lines of a bulk request that create `document` unless it exists."""
    action = {"_id": document.id, "dynamic_templates": layout.write_guard}
    if routing is not None:
        action["routing"] = routing
    source = document.source(layout)
    return b"%b\n%b\n" % (compact_json({"create": action}), compact_json(source))


def removal_line_of(hit: Mapping[str, Any]) -> bytes:
    """Return the line of a bulk request that deletes the document of a search hit."""
    action = {"_index": hit["_index"], "_id": hit["_id"]}
    if "_routing" in hit:
        action["routing"] = hit["_routing"]
    return b"%b\n" % compact_json({"delete": action})


def removals_in(answer: Mapping[str, Any], *, sent_before: bool) -> list[bool | Failure]:
    """Return for each document whether this call has removed it, or why it is still there.

    Args:
        answer: Elasticsearch's answer.
        sent_before: Whether the answer to an earlier attempt was lost: then that one may have
            removed what is gone.
    """
    return [
        failure_of_item(item["delete"])
        or item["delete"]["status"] != STATUS_NOT_FOUND
        or sent_before
        for item in answer["items"]
    ]


def created_in(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what became of each document of a bulk request that creates them."""
    return [item["create"] for item in answer["items"]]


def failure_of_created(item: Mapping[str, Any]) -> Failure | None:
    """Return None if a document is stored, or why it is not."""
    if item["status"] == STATUS_CREATED and "failure_store" not in item:
        return None
    if item["status"] == STATUS_OK:
        return DROPPED
    return failure_of_item(item)


def shows_another_index(
    items: Sequence[Mapping[str, Any]], layout: IndexLayout, *, empty_is_another: bool
) -> bool:
    """Tell whether documents went to an index that may not be the one of `layout`.

    Its name is new, or one of them is the first of a shard, whose numbering begins with 0:
    https://www.elastic.co/docs/reference/elasticsearch/rest-apis/optimistic-concurrency-control

    Args:
        items: What became of each document.
        layout: What was found.
        empty_is_another: Whether an empty index cannot be the one of `layout`.
    """
    return any(
        item["_index"] not in layout.indices or (empty_is_another and item.get("_seq_no") == 0)
        for item in items
        if "error" not in item or item["status"] == STATUS_CONFLICT
    )


@dataclass(frozen=True)
class Update:
    """What to add to one document, or the script that changes it."""

    index: str
    id: str
    routing: str | None
    fields: Mapping[str, Any]
    text: str = ""
    readable: bool = True
    detect_noop: bool = True
    script: Mapping[str, Any] | None = None

    def with_vector(self, vector: Sequence[float]) -> Update:
        """Return the update with the vector of the document's text."""
        return replace(self, fields={**self.fields, VECTOR: vector})

    def without_vector(self) -> Update:
        """Return the update without the vector, which may leave nothing to update."""
        fields = {name: value for name, value in self.fields.items() if name != VECTOR}
        return replace(self, fields=fields)

    @cached_property
    def lines(self) -> bytes:
        """The two lines of a bulk request that add the fields."""
        action: dict[str, Any] = {
            "_index": self.index,
            "_id": self.id,
            "retry_on_conflict": RETRIES_ON_CONFLICT,
        }
        if self.routing is not None:
            action["routing"] = self.routing
        change: dict[str, Any] = {"doc": self.fields}
        if self.script is not None:
            change = {"script": self.script}
        if not self.detect_noop:
            change["detect_noop"] = False
        return b"%b\n%b\n" % (compact_json({"update": action}), compact_json(change))


def in_requests(updates: Sequence[Update]) -> Iterator[list[Update]]:
    """Yield the updates in parts that each fit a bulk request, in their order."""
    part: list[Update] = []
    size = 0
    for update in updates:
        length = len(update.lines)
        if part and (len(part) >= MAX_DOCUMENTS or size + length > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(update)
        size += length
    if part:
        yield part


def updates_refused(
    index: str, refusals: Mapping[str, int], done: int, *, what: str, call: str
) -> ChatHistoryError:
    """Return the error that tells how many updates Elasticsearch refused, and why.

    Args:
        index: The index.
        refusals: How many were refused for each reason.
        done: How many were not.
        what: What was to be done with the messages.
        call: What to call again.
    """
    kinds = ", ".join(f"{kind}: {count}" for kind, count in refusals.items())
    return ChatHistoryError(
        f"{sum(refusals.values())} messages could not be {what} in index {index!r} ({kinds}), "
        f"{done} were. Call {call} again once the cause is gone."
    )


def refused_with_vector(
    documents: Sequence[Document], failures: Mapping[int, Failure], layout: IndexLayout
) -> list[int]:
    """Return the positions of the documents that the index may accept without their vector."""
    if not layout.vectors:
        return []
    return [
        position
        for position, failure in failures.items()
        if failure.refused and documents[position].vector is not None
    ]
