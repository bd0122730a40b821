"""Whether it was Elasticsearch that answered, or something in front of it."""

from __future__ import annotations

from typing import TypeVar

from elastic_transport import ApiResponse
from elasticsearch import UnsupportedProductError

Answer = TypeVar("Answer")

# Elasticsearch gives each answer this header, from 7.14 on.
PRODUCT_HEADER = "x-elastic-product"
PRODUCT = "Elasticsearch"


def from_elasticsearch(answer: Answer) -> Answer:
    """Return `answer` if Elasticsearch gave it.

    The client checks that only until the first answer that has the header. Later a proxy may
    answer in place of Elasticsearch, say with a login page and the status 200.

    Raises:
        UnsupportedProductError: Something else answered.
    """
    if not isinstance(answer, ApiResponse):
        return answer
    headers = answer.meta.headers
    if headers.get(PRODUCT_HEADER) == PRODUCT:
        return answer
    raise UnsupportedProductError(
        message=(
            f"No Elasticsearch answered, but something that gives the status {answer.meta.status} "
            f"with content of type {headers.get('content-type')!r}: check the address, and what "
            "is in front of Elasticsearch, such as a proxy with a login page"
        ),
        meta=answer.meta,
        # What it says is not ours to tell.
        body=None,
    )
