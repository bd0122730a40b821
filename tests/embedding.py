"""A model of meaning that tests understand: words that mean the same share a dimension."""

import re
from typing import Any

from langchain_core.embeddings import Embeddings

# One dimension for each line, and one more that keeps a text without them from having no vector.
MEANINGS = [
    {"car", "automobile", "vehicle"},
    {"doctor", "physician"},
    {"money", "cash", "refund"},
    {"sea", "ocean"},
    {"dog", "puppy"},
]


class MeaningEmbeddings(Embeddings):
    """Counts in a text the words of each meaning.

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
