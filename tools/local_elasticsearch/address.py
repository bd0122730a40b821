"""Where an Elasticsearch answers, and how to log in to it."""

import base64
import contextlib
import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_elasticsearch.errors import ElasticsearchUnavailableError

HTTP_OK = 200
NO_ANSWER = (OSError, http.client.HTTPException, ValueError)
"""What `RunningElasticsearch.get` raises when no Elasticsearch answers."""

_PORTS = {"http": 9200, "https": 443}


@dataclass(frozen=True)
class RunningElasticsearch:
    """An Elasticsearch, and how to log in to it; `repr` shows no credential."""

    url: str
    version: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)

    @property
    def urls(self) -> list[str]:
        """The address, as a list like that of a local cluster."""
        return [self.url]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which another process finds this same Elasticsearch."""
        values = {
            "ES_URL": self.url,
            "ES_USER": self.user,
            "ES_PASSWORD": self.password,
            "ES_API_KEY": self.api_key,
        }
        return {name: value for name, value in values.items() if value}

    def get(self, path: str, *, timeout: float = 10.0) -> tuple[int, Any]:
        """Return the status and the decoded body of a GET; raise `NO_ANSWER` without one."""
        # Not urllib: it would send loopback requests through a proxy that the environment names.
        parts = urllib.parse.urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        headers = {}
        if self.api_key:
            headers["Authorization"] = f"ApiKey {self.api_key}"
        elif self.user:
            login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", f"{parts.path}{path}", headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())


def named_elasticsearch(environment: Mapping[str, str]) -> RunningElasticsearch | None:
    """Return the Elasticsearch that `ES_URL` names; `None` when it is not set."""
    if not environment.get("ES_URL"):
        return None
    url, user, password = _split(environment["ES_URL"])
    user = environment.get("ES_USER") or user
    password = environment.get("ES_PASSWORD") or password
    api_key = environment.get("ES_API_KEY")
    if bool(user) != bool(password):
        raise ElasticsearchUnavailableError(
            "ES_USER and ES_PASSWORD go together: set both or neither"
        )
    found = RunningElasticsearch(url, "", user, password, api_key)
    try:
        status, body = found.get("/", timeout=30.0)
        if status == HTTP_OK:
            version = body["version"]["number"]
            return RunningElasticsearch(url, version, user, password, api_key)
    except (*NO_ANSWER, KeyError, TypeError) as error:
        raise ElasticsearchUnavailableError(
            f"ES_URL is set, but no Elasticsearch answers at {url}: {error!r}"
        ) from error
    raise ElasticsearchUnavailableError(
        f"ES_URL is set, but {url} answers with status {status}; are ES_USER and ES_PASSWORD, or "
        "ES_API_KEY, right?"
    )


def _split(url: str) -> tuple[str, str | None, str | None]:
    """Return the URL with its port and without its login, the user and the password."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise ElasticsearchUnavailableError(
            "ES_URL is set, but it is no address like http://localhost:9200"
        ) from None
    host = parts.netloc.rpartition("@")[2]
    if parts.port is None:
        host = f"{host.rstrip(':')}:{port}"
    user = urllib.parse.unquote(parts.username) if parts.username else None
    password = urllib.parse.unquote(parts.password) if parts.password else None
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}", user, password
