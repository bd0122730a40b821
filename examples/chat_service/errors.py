"""What a client is told when something goes wrong: a status, a sentence, when to try again."""

from __future__ import annotations

from elasticsearch import ApiError, TransportError
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from elasticsearch_chat_history import ChatHistoryError, MessagesNotStoredError


class BusyError(Exception):
    """Another answer is being written in the conversation."""


class ClosingError(Exception):
    """The service is about to end."""


OVERLOADED = frozenset({429, 502, 503, 504})
UNAVAILABLE = 503
RETRY_AFTER = {"Retry-After": "3"}
# The first that fits applies. The errors of the package quote no message.
ANSWERS: list[tuple[type[Exception], int, str]] = [
    (TransportError, UNAVAILABLE, "Elasticsearch cannot be reached. Try again."),
    (ClosingError, UNAVAILABLE, "The service is about to end. Try again."),
    (BusyError, 409, "An answer is being written in this conversation. Wait for its end."),
    (MessagesNotStoredError, UNAVAILABLE, "{error}"),
    (ChatHistoryError, 500, "{error}"),
    (ValueError, 422, "{error}"),
]


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that failed with one of the errors above."""
    kind = next(kind for kind in ANSWERS if isinstance(error, kind[0]))
    return answer(kind[1], kind[2].format(error=error))


async def answer_refusal(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose request to Elasticsearch was refused."""
    refused = getattr(error, "status_code", None)
    status = UNAVAILABLE if refused in OVERLOADED else 500
    return answer(status, f"Elasticsearch refused the request with status {refused}.")


def answer(status: int, detail: str) -> JSONResponse:
    """Return an answer in the form of FastAPI's own."""
    return JSONResponse({"detail": detail}, status, RETRY_AFTER if status == UNAVAILABLE else None)


def answer_errors(app: FastAPI) -> None:
    """Let the service answer with the errors above, and never with a traceback."""
    app.add_exception_handler(ApiError, answer_refusal)
    for kind, _, _ in ANSWERS:
        app.add_exception_handler(kind, answer_error)
