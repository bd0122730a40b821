"""What tests do to the server past the classes that they test."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elasticsearch import Elasticsearch

# Seconds in which a point in time is closed by somebody; by itself it goes after a minute.
BEFORE_EXPIRY = 45.0


def store(admin: Elasticsearch, index: str, documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Store documents in their order, and return their ids."""
    operations: list[Mapping[str, Any]] = []
    for document in documents:
        operations += [{"index": {}}, document]
    answer = admin.bulk(index=index, operations=operations, refresh=True)
    assert not answer["errors"], answer
    return [item["index"]["_id"] for item in answer["items"]]


def sources(admin: Elasticsearch, index: str, session_id: str) -> list[dict[str, Any]]:
    """Return the documents of a session as they are stored, in order of their time."""
    answer = admin.search(
        index=index,
        query={"term": {"session_id": session_id}},
        sort=["created_at", "_seq_no"],
        size=10_000,
    )
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def vectors(admin: Elasticsearch, index: str, session_id: str) -> list[list[float] | None]:
    """Return the vectors of a session's messages in their order, None where there is none."""
    answer = admin.search(
        index=index,
        query={"term": {"session_id": session_id}},
        sort=["created_at", "seq"],
        fields=[{"field": "embedding"}],
        source=False,
        size=10_000,
    )
    found = [hit.get("fields", {}).get("embedding") for hit in answer["hits"]["hits"]]
    # A server that keeps a vector by its direction and length returns it with an error in the end.
    return [vector and [round(number, 3) for number in vector] for vector in found]


def count(admin: Elasticsearch, index: str, session_id: str | None = None) -> int:
    """Return how many documents there are, refreshed or not; none where there is no index."""
    admin.options(ignore_status=404).indices.refresh(index=index)
    query = {"term": {"session_id": session_id}} if session_id else None
    return int(admin.count(index=index, query=query, ignore_unavailable=True)["count"])


def mappings(admin: Elasticsearch, index: str) -> Any:
    """Return the mapping of an index, or of that behind an alias."""
    (found,) = admin.indices.get_mapping(index=index).body.values()
    return found["mappings"]


def open_contexts(admin: Elasticsearch, index: str) -> int:
    """Return how many points in time, or searches, keep something of the index open."""
    stats = admin.indices.stats(index=index, metric="search")
    return int(stats["_all"]["total"]["search"]["open_contexts"])


@contextmanager
def cluster_setting(admin: Elasticsearch, name: str, value: str) -> Iterator[None]:
    """Change a setting of the whole cluster for the time of a block."""
    admin.cluster.put_settings(persistent={name: value})
    try:
        yield
    finally:
        admin.cluster.put_settings(persistent={name: None})
