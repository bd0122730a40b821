r"""A Flask application whose threads share one store: what they write at once goes out together.

    pip install -e . --group examples
    flask --app examples/flask_threads run
    gunicorn --chdir examples --workers 2 --threads 16 flask_threads:app

    # gunicorn listens on port 8000, flask on 5000
    curl -H "X-User: ada" -H "Content-Type: application/json" \
        -d '{"key": "request-1", "text": "Hello"}' localhost:5000/sessions/s1/messages
    curl -H "X-User: ada" localhost:5000/sessions/s1/messages

It uses the Elasticsearch of ES_URL, or http://localhost:9200, and the index of CHAT_INDEX, or
"chats". For a whole service with a page, see examples/chat_service.
"""

from __future__ import annotations

import os
from typing import Any

from elasticsearch import ApiError, TransportError
from flask import Flask, abort, request
from langchain_core.messages import AIMessage, HumanMessage, message_to_dict

from elasticsearch_chat_history import (
    ChatHistoryError,
    ElasticsearchChatMessageHistory,
    ElasticsearchChatStore,
)

PAGE_SIZE = 50

app = Flask(__name__)
# One for the process and all of its threads: they share its connections and its requests. Servers
# that fork their workers may import it before: each worker then has connections of its own.
store = ElasticsearchChatStore(
    os.environ.get("CHAT_INDEX", "chats"), es_url=os.environ.get("ES_URL", "http://localhost:9200")
)


def history_of(session_id: str) -> ElasticsearchChatMessageHistory:
    """Return a conversation of the user who asks: put your own authentication here."""
    user = request.headers.get("X-User")
    if not user:
        abort(401, "Name the user in the header X-User.")
    return store.scoped({"user": user}).session(session_id)


def answer_to(messages: list[Any]) -> AIMessage:
    """Answer a conversation: call your model here."""
    return AIMessage(f"You have said {sum(one.type == 'human' for one in messages)} things.")


@app.post("/sessions/<session_id>/messages")
def ask(session_id: str) -> dict[str, Any]:
    """Store a question and its answer; the same request again stores nothing twice."""
    history, body = history_of(session_id), request.get_json()
    key = body["key"]
    history.add_messages([HumanMessage(body["text"])], idempotency_key=f"{key}/question")
    answer = answer_to(history.get_messages(limit=PAGE_SIZE))
    stored = history.store_messages([answer], idempotency_key=f"{key}/answer").stored[0]
    return {"id": stored.id, "message": message_to_dict(stored.message)}


@app.get("/sessions/<session_id>/messages")
def messages(session_id: str) -> list[dict[str, Any]]:
    """Return the last messages of a conversation, or those before one."""
    page = history_of(session_id).get_stored_messages(
        limit=PAGE_SIZE, before=request.args.get("before")
    )
    return [{"id": one.id, "message": message_to_dict(one.message)} for one in page]


@app.errorhandler(ChatHistoryError)
@app.errorhandler(ApiError)
@app.errorhandler(TransportError)
def unavailable(error: Exception) -> tuple[dict[str, str], int, dict[str, str]]:
    """Say that a request may be tried again: nothing is stored twice."""
    app.logger.warning("The history cannot be used: %s", type(error).__name__)
    return {"error": "The history cannot be used. Try again."}, 503, {"Retry-After": "3"}
