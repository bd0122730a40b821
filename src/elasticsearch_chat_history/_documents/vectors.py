"""The vectors of messages: which texts get one, and which vectors an index can hold."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from typing import TYPE_CHECKING

from elasticsearch_chat_history._reporting import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from elasticsearch_chat_history._documents.document import Document

Vector = list[float]

# How many texts are sent to a model at once. Models that take fewer divide them further.
EMBEDDED_AT_ONCE = 128
# After so many failures in a row, a model is considered to be down.
MAX_FAILURES_IN_A_ROW = 7
# Of a `dense_vector`: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/dense-vector
MAX_DIMENSIONS = 4_096
# Elasticsearch normalizes a vector by its magnitude, which it computes with 32-bit floats: the
# square must be within their range.
LEAST_SQUARE, GREATEST_SQUARE = 1.2e-38, 3.4e38


class UnusableVectorError(ValueError):
    """The answer of a model cannot be stored; the text says why, and quotes nothing."""


class VectorProblems:
    """Counts why texts of one call have no vector, for one log line."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, error: Exception, texts: int) -> None:
        """Note why so many texts have no vector."""
        # The text of another library's error may quote a message, so only its type is named.
        known = isinstance(error, UnusableVectorError)
        self._counts[str(error) if known else type(error).__name__] += texts

    def log(self, texts: int) -> None:
        """Write the line if anything was noted.

        Args:
            texts: How many texts were sent to the model.
        """
        if self._counts:
            LOGGER.warning(
                "%d of %d messages get no vector from the embedding model: %s.",
                self._counts.total(),
                texts,
                "; ".join(f"{reason} ({count})" for reason, count in self._counts.most_common()),
            )


class EmbeddingBatches:
    """The texts that are sent to a model together, by their positions.

    A batch that fails is sent again in halves, so that a text which the model refuses, such as a
    text that is too long, affects no other. A model that is down is not asked about the rest.
    """

    def __init__(self, positions: Sequence[int]) -> None:
        """Divide the positions into batches."""
        starts = range(0, len(positions), EMBEDDED_AT_ONCE)
        self._waiting = deque(positions[start : start + EMBEDDED_AT_ONCE] for start in starts)
        self._failures_in_a_row = 0

    def __iter__(self) -> Iterator[Sequence[int]]:
        """Yield one batch after the other, for one call of the model each."""
        while self._waiting:
            yield self._waiting.popleft()

    def answered(self) -> None:
        """Note that the model works."""
        self._failures_in_a_row = 0

    def failed(self, batch: Sequence[int]) -> int:
        """Note that the model failed at a batch; return how many texts are given up."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            given_up = len(batch) + sum(map(len, self._waiting))
            self._waiting.clear()
            return given_up
        if len(batch) == 1:
            return 1
        # After all others, so that one refused text does not cause many failures in a row.
        middle = len(batch) // 2
        self._waiting += [batch[:middle], batch[middle:]]
        return 0


class TextEmbedding:
    """The vectors of texts, as a model returns them batch by batch.

    Blank texts have no vector, and neither have texts that the model fails at.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._wanted = positions_to_embed(texts)
        self._batches = EmbeddingBatches(self._wanted)
        self._problems = VectorProblems()
        self.vectors: dict[int, Vector] = {}

    def batches(self) -> Iterator[tuple[Sequence[int], list[str]]]:
        """Yield the positions and texts of one call of the model after the other."""
        for positions in self._batches:
            yield positions, [self._texts[position] for position in positions]

    def answered(self, positions: Sequence[int], answer: Any) -> None:
        """Keep the vectors of an answer that can be stored.

        Raises:
            UnusableVectorError: There are more or fewer vectors than texts.
        """
        found = checked_answer(answer, len(positions))
        self._batches.answered()
        for position, vector in zip(positions, found, strict=True):
            try:
                self.vectors[position] = checked_vector(vector)
            except UnusableVectorError as error:
                self._problems.note(error, 1)

    def failed(self, positions: Sequence[int], error: Exception) -> None:
        """Note that the model failed at a batch, part of which may be sent again."""
        given_up = self._batches.failed(positions)
        if given_up:
            self._problems.note(error, given_up)

    def log(self) -> None:
        """Log in one line how many texts the model failed at and why, without any text."""
        self._problems.log(len(self._wanted))


def positions_to_embed(texts: Sequence[str]) -> list[int]:
    """Return the positions of the texts that are not blank."""
    return [position for position, text in enumerate(texts) if text.strip()]


def checked_answer(answer: Any, texts: int) -> list[Any]:
    """Return what a model answered for `texts` texts as a list of their vectors, unchecked yet.

    Raises:
        UnusableVectorError: There are more or fewer vectors than texts.
    """
    vectors = list(answer)
    if len(vectors) != texts:
        raise UnusableVectorError(f"its answer to {texts} texts has {len(vectors)} vectors")
    return vectors


def checked_vector(vector: Any) -> Vector:
    """Return a vector as plain floats, if an index with cosine similarity accepts it.

    Raises:
        UnusableVectorError: The index does not accept it.
    """
    try:
        # An array accepts all kinds of numbers, such as those of numpy, but no text.
        numbers = array("d", iter(vector)).tolist()
    except Exception as error:  # any type may be returned, so anything may fail
        raise UnusableVectorError("a vector that is not a list of numbers") from error
    if not 0 < len(numbers) <= MAX_DIMENSIONS:
        raise UnusableVectorError(
            f"a vector of {len(numbers)} dimensions, where 1 to {MAX_DIMENSIONS} can be stored"
        )
    # Also false for infinity and NaN.
    if not LEAST_SQUARE <= sum(number * number for number in numbers) <= GREATEST_SQUARE:
        raise UnusableVectorError("a vector that is zero or not finite")
    return numbers


def with_each(documents: Sequence[Document], vectors: Mapping[int, Vector]) -> list[Document]:
    """Return the documents, those at the positions of `vectors` with their vector."""
    return [
        document._replace(vector=vectors[position]) if position in vectors else document
        for position, document in enumerate(documents)
    ]


def without_vectors(documents: Sequence[Document], positions: Sequence[int]) -> list[Document]:
    """Return the documents, those at these positions without their vector."""
    result = list(documents)
    for position in positions:
        result[position] = result[position]._replace(vector=None)
    return result
