"""Embedding: a model is asked for the vectors of texts, and its failures cost no message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch_chat_history._documents.vectors import TextEmbedding, Vector, with_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._documents.document import Document


async def with_vectors(
    documents: Sequence[Document], embeddings: Embeddings
) -> Sequence[Document]:
    """Return the documents, those with a text with its vector, as far as the model gives one."""
    vectors = await vectors_of([document.content for document in documents], embeddings)
    return with_each(documents, vectors)


async def vectors_of(texts: Sequence[str], embeddings: Embeddings) -> dict[int, Vector]:
    """Return the vectors of the texts by position; blank texts have none.

    What the model fails at is left out, and told in one log line without any text.
    """
    embedding = TextEmbedding(texts)
    for positions, wanted in embedding.batches():
        try:
            embedding.answered(positions, await embeddings.aembed_documents(wanted))
        except Exception as error:  # noqa: BLE001  # the model is foreign, so anything may fail
            embedding.failed(positions, error)
    embedding.log()
    return embedding.vectors
