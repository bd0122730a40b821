"""A local Elasticsearch: find one or start one, and end it with whoever asked for it.

`python -m local_elasticsearch --help` tells of the command; `nox -s server` runs it.
"""

from local_elasticsearch.address import RunningElasticsearch
from local_elasticsearch.cluster import LocalElasticsearch, Node
from local_elasticsearch.distribution import DEFAULT_VERSION
from local_elasticsearch.errors import ElasticsearchStartError, ElasticsearchUnavailableError
from local_elasticsearch.finding import find_or_start

__all__ = [
    "DEFAULT_VERSION",
    "ElasticsearchStartError",
    "ElasticsearchUnavailableError",
    "LocalElasticsearch",
    "Node",
    "RunningElasticsearch",
    "find_or_start",
]
