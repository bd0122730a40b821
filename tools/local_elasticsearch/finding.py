"""The Elasticsearch that is there already, or else one of our own."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from local_elasticsearch.address import RunningElasticsearch, named_elasticsearch
from local_elasticsearch.cluster import LocalElasticsearch
from local_elasticsearch.distribution import DEFAULT_VERSION

_HEAP = "1g"  # for many tests on one node
# On small machines Elasticsearch takes the serial garbage collector, which clears the old heap
# only when it is full. Above 95 % a node refuses all requests, so that it may stay there for ever.
_SETTINGS = {"indices.breaker.total.limit": "100%"}


@contextlib.contextmanager
def find_or_start(
    version: str = DEFAULT_VERSION, **options: Any
) -> Iterator[RunningElasticsearch | LocalElasticsearch]:
    """Give the Elasticsearch that `ES_URL` names, else one of our own that ends with the block.

    Args:
        version: What to start; the Elasticsearch of `ES_URL` has the version that it has.
        options: As for `LocalElasticsearch`, with a larger heap for many tests on one node;
            nothing of it is applied to that of `ES_URL`.
    """
    named = named_elasticsearch(os.environ)
    if named is not None:
        yield named
        return
    settings = {**_SETTINGS, **options.pop("settings", {})}
    with LocalElasticsearch(version, settings=settings, **{"heap": _HEAP, **options}) as server:
        yield server
