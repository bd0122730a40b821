"""The service as tests start it in a process of its own; the index is that of `CHAT_INDEX`."""

from fastapi import FastAPI

from chat_service.app import create_app
from chat_service.model import CorpusModel
from tests.service.models import HeldModel


def soon_complete() -> FastAPI:
    """Return a service whose answers take a moment."""
    return create_app(CorpusModel(pause=0.02), grace=60)


def never_complete() -> FastAPI:
    """Return a service whose answers take longer than anybody waits."""
    return create_app(HeldModel(), grace=0.1)
