"""Embedding models that do what a test needs."""

import re
from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings

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


# One dimension for each line, and one more that keeps a text without them from having no vector.
MEANINGS = [
    {"car", "automobile", "vehicle"},
    {"doctor", "physician"},
    {"money", "cash", "refund"},
    {"sea", "ocean"},
    {"dog", "puppy"},
]


class MeaningEmbeddings(Embeddings):
    """Counts in a text the words of each meaning: those that mean the same share a dimension.

    Args:
        extra_dimensions: How many more dimensions vectors have, which are always 0.
        error: What to raise in place of an answer.
    """

    def __init__(self, extra_dimensions: int = 0, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._extra_dimensions = extra_dimensions
        self._error = error

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        if self._error is not None:
            raise self._error
        return self._vector(text)

    def with_vector(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a stored document with the vector of its text."""
        return {**document, "embedding": self._vector(document["content"])}

    def _vector(self, text: str) -> list[float]:
        words = re.findall(r"\w+", text.lower())
        counts = [sum(word in meaning for word in words) for meaning in MEANINGS]
        return [*map(float, counts), 0.1, *[0.0] * self._extra_dimensions]
