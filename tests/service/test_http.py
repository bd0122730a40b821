"""Conversations over HTTP: listed, read, searched, exported and forgotten by their user alone."""

import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from elasticsearch import Elasticsearch
from langchain_core.messages import HumanMessage

from chat_service.app import create_app
from chat_service.model import CorpusModel
from elasticsearch_chat_history import ElasticsearchChatStore
from tests.service.serving import Client, serving, spoken_in, stored_in
from tests.support.tcp_proxy import Fault, TcpProxy
from tests.support.wrong_ports import closed_port

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script> \"'&amp; שלום 👩‍👩‍👧"
# Of an export: the point in time is opened, the first page is read.
REQUESTS_OF_FIRST_PAGE = 2
MORE_THAN_A_PAGE = 1_500


def test_question_and_answer_are_streamed_and_acknowledged(ada: Client) -> None:
    events = ada.ask("What is a computer?")
    question, answer = stored_in(events)
    assert events[0][0] == events[-1][0] == "stored"
    assert spoken_in(events) == answer["message"]["data"]["content"]
    assert ada.get("/api/sessions/s/messages") == [question, answer]


def test_tool_call_and_its_result_are_stored_with_the_answer(ada: Client) -> None:
    events = ada.ask("What time is it?")
    assert ("tool", {"name": "current_time"}) in events
    assert [one["message"]["type"] for one in stored_in(events)] == ["human", "ai", "tool", "ai"]
    assert spoken_in(ada.ask("What is a computer?"))


def test_conversations_come_newest_first_page_by_page(ada: Client) -> None:
    for number in range(3):
        ada.ask(f"Hello {number}", session=f"s{number}")
    first = ada.get("/api/sessions", limit=2)
    rest = ada.get("/api/sessions", limit=2, after=first[-1]["cursor"])
    assert [each["session_id"] for each in [*first, *rest]] == ["s2", "s1", "s0"]
    assert first[0]["first_message"]["message"]["data"]["content"] == "Hello 2"


def test_messages_are_read_backwards_page_by_page(ada: Client) -> None:
    stored = [one for n in range(2) for one in stored_in(ada.ask(f"Hello {n}"))]
    last = ada.get("/api/sessions/s/messages", limit=3)
    before = ada.get("/api/sessions/s/messages", limit=3, before=last[0]["id"])
    assert before + last == stored


def test_search_marks_what_matches_and_escapes_the_rest(ada: Client) -> None:
    ada.ask(f"{HOSTILE} shards")
    (found,) = ada.get("/api/search", q="shards")
    (marked,) = found["marked"]
    assert "<em>shards</em>" in marked
    assert "&lt;script&gt;" in marked
    assert "<" not in marked.replace("<em>", "").replace("</em>", "")


def test_search_is_read_page_by_page(ada: Client) -> None:
    for number in range(3):
        ada.ask(f"shards {number}")
    first = ada.get("/api/search", q="shards", limit=2)
    rest = ada.get("/api/search", q="shards", limit=2, after=first[-1]["hit"]["cursor"])
    texts = {each["hit"]["stored"]["message"]["data"]["content"] for each in [*first, *rest]}
    assert (len(first), len(rest)) == (2, 1)
    assert texts == {"shards 0", "shards 1", "shards 2"}


def test_every_text_comes_back_as_it_was(ada: Client) -> None:
    ada.ask(HOSTILE)
    assert ada.texts()[0] == HOSTILE


def test_users_see_and_change_nothing_of_each_other(ada: Client, bob: Client) -> None:
    ada.ask("A secret of Ada")
    (question, _) = ada.get("/api/sessions/s/messages")
    assert bob.get("/api/sessions") == []
    assert bob.get("/api/sessions/s/messages") == []
    assert bob.get("/api/search", q="secret") == []
    assert bob.http.get("/api/export").text == ""
    path = f"/api/sessions/s/messages/{question['id']}/answers"
    assert bob.http.post(path, json={"key": "k" * 8}).status_code == 422
    bob.ask("Mine", replaces=question["id"])
    assert bob.http.delete("/api/sessions/s").json() == 2
    assert bob.http.delete("/api/sessions").json() == 0
    assert ada.texts()[0] == "A secret of Ada"


def test_export_has_all_messages_of_the_user(ada: Client) -> None:
    stored = [one for n in range(2) for one in stored_in(ada.ask("Hello", session=f"s{n}"))]
    lines = ada.http.get("/api/export").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [one["id"] for one in stored]


def test_conversations_are_forgotten_one_by_one_or_all(ada: Client) -> None:
    for number in range(3):
        ada.ask("Hello", session=f"s{number}")
    assert ada.http.delete("/api/sessions/s1").json() == 2
    assert [each["session_id"] for each in ada.get("/api/sessions")] == ["s2", "s0"]
    assert ada.http.delete("/api/sessions").json() == 4
    assert ada.get("/api/sessions") == []


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/sessions", {"after": "no-cursor"}),
        ("/api/sessions", {"limit": 0}),
        ("/api/sessions/s/messages", {"before": "unknown"}),
        ("/api/search", {}),
        ("/api/search", {"q": "shards", "after": "no-cursor"}),
    ],
)
def test_unusable_argument_is_422(ada: Client, path: str, parameters: dict[str, Any]) -> None:
    answer = ada.http.get(path, params=parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("text", ["", "x" * 20_001, "\ud800"])
def test_unusable_text_is_422_and_stores_nothing(ada: Client, text: str) -> None:
    body = json.dumps({"key": uuid.uuid4().hex, "text": text})
    headers = {"Content-Type": "application/json"}
    answer = ada.http.post("/api/sessions/s/messages", content=body, headers=headers)
    assert answer.status_code == 422
    assert ada.get("/api/sessions") == []


def test_request_without_a_user_is_401(url: str) -> None:
    assert httpx.get(f"{url}/api/sessions").status_code == 401


def test_page_gives_a_new_browser_a_user_and_keeps_scripts_out(url: str) -> None:
    with httpx.Client(base_url=url) as browser:
        answer = browser.get("/")
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert browser.get("/api/sessions").json() == []
        assert "set-cookie" not in browser.get("/").headers


def test_health_and_readiness(url: str) -> None:
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/readyz").status_code == 200


def test_without_elasticsearch_all_is_503_with_a_time_to_try_again() -> None:
    with closed_port() as nothing, serving(create_app(CorpusModel(), es_url=nothing)) as url:
        client = Client(url)
        with client.http as http:
            body = {"key": uuid.uuid4().hex, "text": "Hello"}
            answers = [
                http.get("/readyz"),
                http.get("/api/sessions"),
                http.get("/api/search?q=x"),
                http.get("/api/export"),
                http.post("/api/sessions/s/messages", json=body),
            ]
            assert [answer.status_code for answer in answers] == [503] * len(answers)
            assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
            assert http.get("/healthz").status_code == 200


def test_export_that_breaks_does_not_look_complete(
    service_index: str, address: dict[str, Any], admin: Elasticsearch
) -> None:
    def breaks(number: int) -> Fault:
        return Fault.NONE if number < REQUESTS_OF_FIRST_PAGE else Fault.REQUEST_LOST

    port = urlsplit(address["es_url"]).port
    assert port is not None
    with TcpProxy(port, breaks) as proxy:
        connection = {**address, "es_url": proxy.url}
        app = create_app(CorpusModel(), service_index, **connection)
        with serving(app) as url:
            client = Client(url)
            store = ElasticsearchChatStore(service_index, client=admin)
            history = store.scoped({"user": client.user}).session("long")
            history.add_messages([HumanMessage("Hello")] * MORE_THAN_A_PAGE)
            with client.http, pytest.raises(httpx.RemoteProtocolError):
                client.http.get("/api/export")
