"""The service in a thread of the test, and a client of it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

SECONDS = 60
Event = tuple[str, dict[str, Any]]


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve on a free port of loopback, and end in order; gives the address."""
    config = uvicorn.Config(app, port=0, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # until the service has started, requests wait
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


class Client:
    """One user of the service."""

    def __init__(self, url: str) -> None:
        self.user = f"user-{uuid.uuid4().hex}"
        self.http = httpx.Client(base_url=url, headers={"X-User": self.user}, timeout=SECONDS)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of an answer."""
        return self.http.get(path, params=parameters).raise_for_status().json()

    def ask(self, text: str, session: str = "s", **body: Any) -> list[Event]:
        """Ask, and return all events of the answer."""
        path = f"/api/sessions/{session}/messages"
        return self.post(path, {"key": uuid.uuid4().hex, "text": text, **body})

    def post(self, path: str, body: dict[str, Any]) -> list[Event]:
        """Return all events of a stream."""
        with self.http.stream("POST", path, json=body) as response:
            assert response.status_code == 200, response.read()
            return list(events_of(response))

    def texts(self, session: str = "s") -> list[str]:
        """Return the texts of a conversation."""
        return [
            one["message"]["data"]["content"]
            for one in self.get(f"/api/sessions/{session}/messages")
        ]


def events_of(response: httpx.Response) -> Iterator[Event]:
    """Yield the server-sent events of a response."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def stored_in(events: list[Event]) -> list[dict[str, Any]]:
    """Return the messages that events say are stored."""
    return [message for name, data in events if name == "stored" for message in data["messages"]]


def spoken_in(events: list[Event]) -> str:
    """Return the text that was streamed."""
    return "".join(data["text"] for name, data in events if name == "token")
