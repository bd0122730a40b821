"""Embedding: asking a model for the vectors of texts. If it fails, messages have no vector."""

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
    """Return the documents with the vectors of their texts, as far as the model returns any."""
    vectors = await vectors_of([document.content for document in documents], embeddings)
    return with_each(documents, vectors)


async def vectors_of(texts: Sequence[str], embeddings: Embeddings) -> dict[int, Vector]:
    """Return the vectors of the texts by position; blank texts have none.

    Texts that the model fails at are left out; one log line counts them, without any text.
    """
    embedding = TextEmbedding(texts)
    for positions, wanted in embedding.batches():
        try:
            embedding.answered(positions, await embeddings.aembed_documents(wanted))
        except Exception as error:  # noqa: BLE001  # any model may be given, so anything may fail
            embedding.failed(positions, error)
    embedding.log()
    return embedding.vectors
