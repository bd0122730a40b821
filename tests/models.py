"""Embedding models that do what a test needs."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings

from tests.crew import HANG_SECONDS

DIMENSIONS = 3


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return a vector that is the same for the same text, and exact in 32 bits."""
    return [float(len(text))] + [float(ord(text[-1]) % 7 + 1)] * (dimensions - 1)


def vectors_for(texts: list[str], dimensions: int = DIMENSIONS) -> list[list[float]]:
    """Return the vector of each text."""
    return [vector_of(text, dimensions) for text in texts]


class Model(Embeddings):
    """Answers what a function returns, and remembers what it was asked, and how."""

    def __init__(self, answer: Callable[[list[str]], Any] = vectors_for) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self._answer = answer

    @property
    def asked(self) -> list[list[str]]:
        """The texts of each call."""
        return [texts for _, texts in self.calls]

    def embed_documents(self, texts: list[str]) -> Any:
        self.calls.append(("embed_documents", texts))
        return self._answer(texts)

    async def aembed_documents(self, texts: list[str]) -> Any:
        self.calls.append(("aembed_documents", texts))
        return self._answer(texts)

    def embed_query(self, text: str) -> list[float]:
        return vector_of(text)


class AsyncHeldModel(Model):
    """Thinks about its first texts until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let it answer."""
        self._open.set()

    async def aembed_documents(self, texts: list[str]) -> Any:
        answer = await super().aembed_documents(texts)
        if len(self.calls) == 1:
            await self._open.wait()
        return answer


class HeldModel(Model):
    """Thinks about its first texts until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self._open = threading.Event()

    def open(self) -> None:
        """Let it answer."""
        self._open.set()

    def embed_documents(self, texts: list[str]) -> Any:
        answer = super().embed_documents(texts)
        if len(self.calls) == 1:
            assert self._open.wait(HANG_SECONDS), "nobody told the model to go on"
        return answer
