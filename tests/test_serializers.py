"""The clients that we make read an answer as all clients do."""

import json
from typing import Any

import pytest
from elastic_transport import SerializationError
from elasticsearch.serializer import DEFAULT_SERIALIZERS

from elasticsearch_chat_history import ElasticsearchChatStore
from elasticsearch_chat_history._requests.serializers import SERIALIZERS

VALUES = ["", {"a": [1, 2.5, None, True]}, 2**64, -(2**63) - 1, 1e400, "\ud800", "é", {}]


@pytest.mark.parametrize("mimetype", SERIALIZERS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_an_answer_has_the_same_value(value: Any, mimetype: str, ensure_ascii: bool) -> None:
    answer = json.dumps(value, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
    expected = DEFAULT_SERIALIZERS[mimetype].loads(answer)
    assert repr(SERIALIZERS[mimetype].loads(answer)) == repr(expected)


@pytest.mark.parametrize("mimetype", SERIALIZERS)
@pytest.mark.parametrize("answer", [b" ", b"<html>", b"{", b'{"a": 1}{'])
def test_what_is_no_json_is_the_same_error(answer: bytes, mimetype: str) -> None:
    with pytest.raises(SerializationError):
        SERIALIZERS[mimetype].loads(answer)


def test_only_the_clients_that_we_make_have_them() -> None:
    with ElasticsearchChatStore("chats", es_url="http://localhost:1") as store:
        serializers = store.client.transport.serializers
        for mimetype, serializer in SERIALIZERS.items():
            assert serializers.get_serializer(mimetype) is serializer
    assert not set(SERIALIZERS.values()) & set(DEFAULT_SERIALIZERS.values())
