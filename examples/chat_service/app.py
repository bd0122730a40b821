"""A chat service over HTTP: each user sees, searches, exports and forgets their own conversations.

Each worker has one client of Elasticsearch for its life, and each request a store that is scoped
to its user. Results of the package are returned as they are: FastAPI takes them to JSON.

    nox -s service                                                    # with an Elasticsearch
    uvicorn --app-dir examples --factory chat_service.app:create_app  # with that of ES_URL
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, Field

from chat_service.answers import Answer, Answers, Question
from chat_service.ending import told_of_the_end
from chat_service.errors import ClosingError, answer_errors
from chat_service.model import chat_model
from chat_service.settings import connection_arguments, turns_of
from chat_service.turn import PATIENCE
from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    SearchHit,
    SessionSummary,
    StoredMessage,
)

PAGE = Path(__file__).parent / "page"
# Scripts and styles of this service only: what a message holds can never run.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# A page soon says that Elasticsearch is away.
PATIENCE_FOR_PAGES = 3
# Seconds that models may go on when the service ends.
GRACE = 10.0

api = APIRouter(prefix="/api")
probes = APIRouter()


def current_user(
    x_user: Annotated[str | None, Header(max_length=200)] = None,
    user: Annotated[str | None, Cookie(max_length=200)] = None,
) -> str:
    """Return the user of a request: put your own authentication here.

    The page gives each browser a random cookie, and programs may name anybody in a header. In
    production trust neither: return what your session or token says once you have checked it.
    """
    found = x_user or user
    if not found:
        raise HTTPException(401, "Open the page first, or name a user in the header X-User.")
    return found


CurrentUser = Annotated[str, Depends(current_user)]


def store_of(request: Request, user: CurrentUser) -> AsyncElasticsearchChatStore:
    """Return a store that sees and changes nothing but the messages of the user."""
    store: AsyncElasticsearchChatStore = request.app.state.store
    return store.scoped({"user": user})


def answers_of(request: Request) -> Answers:
    """Return the answers that are being written."""
    answers: Answers = request.app.state.answers
    return answers


Store = Annotated[AsyncElasticsearchChatStore, Depends(store_of)]
Running = Annotated[Answers, Depends(answers_of)]
SessionId = Annotated[str, InPath(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
Key = Annotated[str, Field(min_length=8, max_length=100)]
MessageId = Annotated[str, Field(min_length=1, max_length=512)]


class NewMessage(BaseModel):
    """A question: with `replaces`, in place of an earlier one and all that came after it."""

    key: Key
    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    replaces: MessageId | None = None


class AnswerAgain(BaseModel):
    """A request for another answer to a question; all that came after it is removed."""

    key: Key


class Found(BaseModel):
    """A message that was found, and the parts that match in HTML."""

    hit: SearchHit
    marked: list[str]


@api.get("/sessions")
async def sessions(
    store: Store, after: str | None = None, limit: Limit = 30
) -> list[SessionSummary]:
    """List the user's conversations, the newest first."""
    return await store.alist_sessions(limit=limit, after=after)


@api.get("/sessions/{session_id}/messages")
async def messages(
    store: Store, session_id: SessionId, before: str | None = None, limit: Limit = 50
) -> list[StoredMessage]:
    """Return the last messages of a conversation, or those before one."""
    return await store.session(session_id).aget_stored_messages(limit=limit, before=before)


async def begun(request: Request, user: str, session_id: str, question: Question) -> Answer:
    """Return the answer to a question that is stored; it is written on, whoever listens."""
    history = store_of(request, user).session(session_id, max_retries=PATIENCE)
    answer = answers_of(request).ask(user, question, history)
    await answer.accepted()
    return answer


# Dependencies, so that what fails before the stream begins has a status.
async def asked(
    request: Request, user: CurrentUser, session_id: SessionId, new: NewMessage
) -> Answer:
    """Store a question, and begin to answer it."""
    question = Question(new.key, text=new.text, earlier=new.replaces)
    return await begun(request, user, session_id, question)


async def asked_again(
    request: Request,
    user: CurrentUser,
    session_id: SessionId,
    message_id: Annotated[str, InPath(max_length=512)],
    again: AnswerAgain,
) -> Answer:
    """Begin to answer a question again."""
    return await begun(request, user, session_id, Question(again.key, earlier=message_id))


@api.post("/sessions/{session_id}/messages", response_class=EventSourceResponse)
async def ask(answer: Annotated[Answer, Depends(asked)]) -> AsyncIterator[ServerSentEvent]:
    """Stream what happens to a question: it is stored, answered, and the answer is stored."""
    async for event in answer.events():
        yield ServerSentEvent(event=event.event, data=event)


@api.post(
    "/sessions/{session_id}/messages/{message_id}/answers", response_class=EventSourceResponse
)
async def ask_again(
    answer: Annotated[Answer, Depends(asked_again)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream another answer to a question."""
    async for event in answer.events():
        yield ServerSentEvent(event=event.event, data=event)


@api.get("/search")
async def search(
    store: Store,
    q: Annotated[str, Query(max_length=4_000)],
    after: str | None = None,
    limit: Limit = 20,
) -> list[Found]:
    """Find messages in all conversations of the user, best first."""
    hits = await store.asearch(q, types=["human", "ai"], limit=limit, after=after)
    return [
        Found(hit=hit, marked=[part.marked("<em>", "</em>") for part in hit.highlights])
        for hit in hits
    ]


@api.get("/export")
async def export(store: Store) -> StreamingResponse:
    """Stream all messages of the user as JSON Lines; a stream that breaks is not complete."""
    records = store.aexport()
    # Read before the answer begins, so that what fails at once has a status.
    first = await anext(records, None)

    async def lines() -> AsyncIterator[str]:
        if first is not None:
            yield json.dumps(first) + "\n"
        async with aclosing(records):
            async for record in records:
                yield json.dumps(record) + "\n"

    headers = {"Content-Disposition": 'attachment; filename="conversations.jsonl"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@api.delete("/sessions/{session_id}")
async def forget_session(
    store: Store, user: CurrentUser, answers: Running, session_id: SessionId
) -> int:
    """Forget a conversation; returns how many messages are gone."""
    await answers.forget(user, session_id)
    return await store.adelete_sessions([session_id])


@api.delete("/sessions")
async def forget_all(store: Store, user: CurrentUser, answers: Running) -> int:
    """Forget all conversations of the user; returns how many messages are gone."""
    await answers.forget(user)
    return await store.adelete_sessions(metadata={"user": user})


@probes.get("/healthz")
async def healthz() -> str:
    """Say that the process lives."""
    return "alive"


@probes.get("/readyz")
async def readyz(request: Request, answers: Running) -> str:
    """Say whether requests can be served: Elasticsearch answers, and the service does not end."""
    if answers.closing:
        raise ClosingError
    store: AsyncElasticsearchChatStore = request.app.state.store
    client = store.client.options(request_timeout=2, max_retries=0)
    await client.count(index=store.index, terminate_after=1, ignore_unavailable=True)
    return "ready"


@probes.get("/", include_in_schema=False)
async def page(user: Annotated[str | None, Cookie()] = None) -> Response:
    """Give the page, and each new browser a user of its own."""
    response = FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)
    if not user:
        response.set_cookie("user", secrets.token_urlsafe(16), httponly=True, samesite="strict")
    return response


def create_app(
    model: BaseChatModel | None = None,
    index: str | None = None,
    grace: float = GRACE,
    *,
    agent: bool | None = None,
    **connection: Any,
) -> FastAPI:
    """Return the service.

    Args:
        model: The model that answers; None takes what `CHAT_MODEL` names, or the corpus.
        index: The index of the messages; None takes `CHAT_INDEX`, or "chats".
        grace: Seconds that models may go on when the service ends.
        agent: Whether an agent of LangChain answers; None asks the environment (`CHAT_AGENT`).
        connection: Arguments of the store that name the Elasticsearch; by default those of the
            environment (`ES_URL`, `ES_API_KEY`, `ES_USER`, `ES_PASSWORD`).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncElasticsearchChatStore(
            index or os.environ.get("CHAT_INDEX") or "chats",
            max_retries=PATIENCE_FOR_PAGES,
            **(connection or connection_arguments()),
        ) as store:
            app.state.store = store
            turns = turns_of(model or chat_model(), store, agent=agent)
            answers = app.state.answers = Answers(turns)
            try:
                with told_of_the_end(lambda: answers.close_soon(grace)):
                    yield
            finally:
                await answers.aclose(grace)

    app = FastAPI(title="Chat service", lifespan=lifespan)
    app.include_router(probes)
    app.include_router(api)
    app.mount("/page", StaticFiles(directory=PAGE))
    answer_errors(app)
    return app
