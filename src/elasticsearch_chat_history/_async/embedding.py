"""Embedding: a model is asked for the vectors of texts, and its failures cost no message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch_chat_history._documents.vectors import (
    EmbeddingBatches,
    UnusableVectorError,
    Vector,
    VectorProblems,
    checked_answer,
    checked_vector,
    positions_to_embed,
    with_each,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._async.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Document


async def with_vectors(
    documents: Sequence[Document], embeddings: Embeddings | None, index: AsyncChatIndex
) -> Sequence[Document]:
    """Return the documents, each that has a text with its vector, as far as the model gives one.

    Where there is no model, or the index has no field for vectors, they are returned as they are.
    """
    if embeddings is None or not (await index.prepare()).vectors:
        return documents
    return with_each(
        documents, await vectors_of([document.content for document in documents], embeddings)
    )


async def vectors_of(texts: Sequence[str], embeddings: Embeddings) -> dict[int, Vector]:
    """Return the vectors of the texts by position; blank texts have none.

    What the model fails at is left out, and told in one log line without any text.
    """
    vectors: dict[int, Vector] = {}
    problems = VectorProblems()
    wanted = positions_to_embed(texts)
    batches = EmbeddingBatches(wanted)
    for batch in batches:
        try:
            answer = await embeddings.aembed_documents([texts[position] for position in batch])
            found = checked_answer(answer, len(batch))
        except Exception as error:  # noqa: BLE001  # the model is foreign, so anything may fail
            given_up = batches.failed(batch)
            if given_up:
                problems.note(error, given_up)
            continue
        batches.answered()
        for position, vector in zip(batch, found, strict=True):
            try:
                vectors[position] = checked_vector(vector)
            except UnusableVectorError as error:
                problems.note(error, 1)
    problems.log(len(wanted))
    return vectors
