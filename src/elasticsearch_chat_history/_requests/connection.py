"""The client: checked, or created from an address, with our user agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history._requests.serializers import SERIALIZERS
from elasticsearch_chat_history._version import __version__

if TYPE_CHECKING:
    from collections.abc import MutableMapping

USER_AGENT = {"user-agent": f"langchain-py-ms/{__version__}"}
_DERIVED: MutableMapping[Any, Any] = WeakKeyDictionary()

Client = TypeVar("Client", AsyncElasticsearch, Elasticsearch)


def checked_client(client: object, needed: type) -> None:
    """Raise a TypeError unless `client` is of the class `needed`, which is one of the two."""
    if isinstance(client, needed):
        return
    twin = Elasticsearch if needed is AsyncElasticsearch else AsyncElasticsearch
    if isinstance(client, twin):
        fitting = "with" if twin.__name__.startswith("Async") else "without"
        raise TypeError(
            f"client must be an elasticsearch.{needed.__name__}, but is an "
            f"elasticsearch.{twin.__name__}: use it with the class {fitting} 'Async' in its name"
        )
    found = type(client).__name__
    raise TypeError(f"client must be an elasticsearch.{needed.__name__}, but is a {found}")


def with_user_agent(client: Client) -> Client:
    """Return a client that shares everything with `client` and sends our user agent.

    Deriving a client costs some 0.4 ms, so it is done once for each client.
    """
    derived: Client | None = _DERIVED.get(client)
    if derived is None:
        derived = _DERIVED[client] = client.options(
            headers=USER_AGENT,
            # An ignored error would look like a success.
            ignore_status=(),
        )
    return derived


def connection_arguments(
    *,
    es_url: str | None,
    es_cloud_id: str | None,
    es_user: str | None,
    es_api_key: str | None,
    es_password: str | None,
) -> dict[str, Any]:
    """Return the arguments for the constructor of an Elasticsearch client.

    Raises:
        ValueError: There is no address, or two; half of a user's credentials; or an API key that
            cannot be sent.
        TypeError: An argument is not a str.
    """
    _check_texts(
        es_url=es_url,
        es_cloud_id=es_cloud_id,
        es_user=es_user,
        es_api_key=es_api_key,
        es_password=es_password,
    )
    if es_api_key and not (es_api_key.isascii() and es_api_key.isprintable()):
        # The error of the client's library would quote it.
        raise ValueError(
            "es_api_key has a character that an API key cannot have, such as a line break at its "
            "end: give the value `encoded` that create_api_key returns"
        )
    if es_url and es_cloud_id:
        raise ValueError("es_url and es_cloud_id are two addresses: give one of them")
    if not es_url and not es_cloud_id:
        raise ValueError(
            "Give a client, or an address: es_url (such as http://localhost:9200) or es_cloud_id"
        )
    if bool(es_user) != bool(es_password):
        given, lacking = ("es_user", "es_password") if es_user else ("es_password", "es_user")
        raise ValueError(f"{given} is given without {lacking}: give both")
    # Each request is retried by us; retries of the client's own would multiply with those.
    arguments: dict[str, Any] = {
        "headers": USER_AGENT,
        "max_retries": 0,
        "serializers": SERIALIZERS,
    }
    if es_url:
        arguments["hosts"], url_auth = _address_and_credentials(es_url)
        if url_auth:
            arguments["basic_auth"] = url_auth
    else:
        arguments["cloud_id"] = es_cloud_id
    # An API key takes precedence over a password, as it does upstream.
    if es_api_key:
        arguments.pop("basic_auth", None)
        arguments["api_key"] = es_api_key
    elif es_user:
        arguments["basic_auth"] = (es_user, es_password)
    return arguments


def _check_texts(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a str, but is a {type(value).__name__}")


def _address_and_credentials(es_url: str) -> tuple[str, tuple[str, str] | None]:
    # Credentials in the address would appear in the repr of each node and each error.
    parts = _split(es_url)
    if parts is None:
        raise ValueError(
            "es_url must have a scheme (http or https), a host and a port, "
            "such as http://localhost:9200"
        ) from None
    _, _, host = parts.netloc.rpartition("@")
    address = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


def _split(es_url: str) -> SplitResult | None:
    """Return the parts of an address; None if a needed one is missing."""
    try:
        parts = urlsplit(es_url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port
    except ValueError:
        return None
    return parts if usable else None
