"""From our arguments to those of Elasticsearch's clients."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history._requests.connection import (
    USER_AGENT,
    checked_client,
    connection_arguments,
    with_user_agent,
)
from elasticsearch_chat_history._requests.serializers import SERIALIZERS


def arguments(**given: str) -> dict[str, Any]:
    names = ("es_url", "es_cloud_id", "es_user", "es_api_key", "es_password")
    return connection_arguments(**{name: given.get(name) for name in names})


def test_an_address_is_passed_on() -> None:
    assert arguments(es_url="http://localhost:9200") == {
        "hosts": "http://localhost:9200",
        "headers": USER_AGENT,
        "max_retries": 0,
        "serializers": SERIALIZERS,
    }
    assert arguments(es_cloud_id="a:b") == {
        "cloud_id": "a:b",
        "headers": USER_AGENT,
        "max_retries": 0,
        "serializers": SERIALIZERS,
    }


def test_credentials_are_passed_on() -> None:
    url = "https://localhost:9200/path"
    assert arguments(es_url=url, es_user="u", es_password="p")["basic_auth"] == ("u", "p")
    assert arguments(es_url=url, es_api_key="k")["api_key"] == "k"


def test_an_api_key_goes_before_a_password() -> None:
    url = "https://u:p@localhost:9200"
    found = arguments(es_url=url, es_api_key="k", es_user="u", es_password="p")
    assert found["api_key"] == "k"
    assert "basic_auth" not in found


@pytest.mark.parametrize(
    ("url", "auth"),
    [
        ("https://u:p@localhost:9200/a", ("u", "p")),
        ("https://u%40x:p%2F%3A@localhost:9200/a", ("u@x", "p/:")),
        ("https://u@localhost:9200/a", ("u", "")),
    ],
)
def test_credentials_within_the_address_are_taken_out_of_it(
    url: str, auth: tuple[str, str]
) -> None:
    found = arguments(es_url=url)
    assert found["hosts"] == "https://localhost:9200/a"
    assert found["basic_auth"] == auth


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "secret:9200",
        "http://secret",
        "http://:9200",
        "ftp://secret:9200",
        "http://secret:port",
        "http://secret:99999",
        "http://[secret:9200",
    ],
)
def test_an_address_that_lacks_a_part_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="es_url must have a scheme") as caught:
        arguments(es_url=url)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "Give a client, or an address"),
        ({"es_url": "http://a:1", "es_cloud_id": "a:b"}, "es_url and es_cloud_id"),
        ({"es_url": "http://a:1", "es_user": "u"}, "es_user is given without es_password"),
        ({"es_url": "http://a:1", "es_password": "p"}, "es_password is given without es_user"),
        ({"es_api_key": "k"}, "Give a client, or an address"),
    ],
)
def test_half_an_address_or_half_a_credential_is_refused(
    given: dict[str, str], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        arguments(**given)


@pytest.mark.parametrize("name", ["es_url", "es_cloud_id", "es_user", "es_api_key", "es_password"])
def test_what_is_no_text_is_refused_without_quoting_it(name: str) -> None:
    wrong: Any = {name: 12345}
    with pytest.raises(TypeError, match=f"{name} must be a str") as caught:
        arguments(**wrong)
    assert "12345" not in str(caught.value)


def test_a_client_must_be_of_the_right_kind() -> None:
    synchronous = Elasticsearch("http://localhost:9200")
    asynchronous = AsyncElasticsearch("http://localhost:9200")
    checked_client(synchronous, Elasticsearch)
    checked_client(asynchronous, AsyncElasticsearch)
    with pytest.raises(TypeError, match="use it with the class with 'Async' in its name"):
        checked_client(asynchronous, Elasticsearch)
    with pytest.raises(TypeError, match="use it with the class without 'Async' in its name"):
        checked_client(synchronous, AsyncElasticsearch)
    with pytest.raises(TypeError, match=r"must be an elasticsearch\.Elasticsearch, but is a str"):
        checked_client("http://localhost:9200", Elasticsearch)


def test_a_client_is_derived_once() -> None:
    client = Elasticsearch("http://localhost:9200")
    derived = with_user_agent(client)
    assert derived is with_user_agent(client)
    assert derived is not client
    assert derived.transport is client.transport
    assert derived is not with_user_agent(client.options(request_timeout=1))


@pytest.mark.parametrize("key", ["secret\n", "sec\tret", "secr\u00e9t"])
def test_an_api_key_that_cannot_be_sent_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(ValueError, match="es_api_key has a character") as refused:
        arguments(es_url="https://localhost:9200", es_api_key=key)
    assert "sec" not in str(refused.value)
