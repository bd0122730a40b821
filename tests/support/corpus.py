"""The conversations of the package chatterbot-corpus, in one index that tests search."""

import uuid
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import ElasticsearchChatStore
from tests.support.documents import complete_document

# In microseconds; each message is a second later than the one before.
FIRST_SEQ = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.fixture(scope="session")
def corpus_index(admin: Elasticsearch) -> Iterator[str]:
    """An index on three shards with some 20,000 messages in 28 languages, for reading only.

    A session is named after its file and place there, such as `german/movies/22`.
    """
    name = f"test-{uuid.uuid4().hex}"
    store = ElasticsearchChatStore(name, client=admin, number_of_shards=3)
    store.create_if_missing()
    bulk(admin, _documents(), index=name, chunk_size=5_000, refresh=True)
    yield name
    admin.indices.delete(index=name)


def _documents() -> Iterator[dict[str, Any]]:
    seq = FIRST_SEQ
    for session_id, message in _messages():
        seq += SECOND
        # Chosen ids, so that each message is on the same shard in every run.
        yield {"_id": str(seq), **complete_document(session_id, seq, message)}


def _messages() -> Iterator[tuple[str, BaseMessage]]:
    folder = Path(str(files("chatterbot_corpus"))) / "data"
    for path in sorted(folder.rglob("*.yml")):
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]
        for number, texts in enumerate(listed):
            # Eight conversations lack a dash in their file: YAML sees one text in their place.
            if isinstance(texts, str):
                continue
            for position, text in enumerate(texts):
                kind = AIMessage if position % 2 else HumanMessage
                yield f"{path.parent.name}/{path.stem}/{number}", kind(str(text))
