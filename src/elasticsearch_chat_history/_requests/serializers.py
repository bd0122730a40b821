"""How the clients that we make read the answers of Elasticsearch: as usual, and faster."""

from __future__ import annotations

from typing import Any

from elasticsearch.serializer import CompatibilityModeJsonSerializer, JsonSerializer
from pydantic_core import from_json


class _Json(JsonSerializer):
    """The client's own serializer, with a parser that gives the same values in less time."""

    def loads(self, data: bytes) -> Any:
        """Return the value of a JSON text."""
        try:
            return from_json(data)
        except ValueError:  # such as a lone surrogate, or no JSON at all
            return super().loads(data)


# By the types of answers: https://www.elastic.co/docs/reference/elasticsearch/rest-apis/compatibility
SERIALIZERS = {
    kind.mimetype: _Json() for kind in (JsonSerializer, CompatibilityModeJsonSerializer)
}
