"""Keep conversations from a script or a notebook: store, read, search, label, export and forget.

Nothing is stored twice when the script is run again, as each call has a key of its own.

    python examples/sync_script.py              # uses the Elasticsearch of ES_URL, or
    python examples/sync_script.py my-index     # http://localhost:9200; the index is "chats"
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import ElasticsearchChatStore

CONVERSATIONS = {
    "monday": [
        ("What is a shard?", "A part of an index."),
        ("And a replica?", "A copy of a shard, on another node."),
    ],
    "tuesday": [("How do I remove old messages?", "With prune(), by their age.")],
}


def main(index: str) -> None:
    """Go through a day with a store."""
    url = os.environ.get("ES_URL", "http://localhost:9200")
    with ElasticsearchChatStore(index, es_url=url) as whole:
        # Only what belongs to this script, whatever else the index holds.
        store = whole.scoped({"script": "sync_script"})
        for session_id, turns in CONVERSATIONS.items():
            history = store.session(session_id)
            for number, (question, answer) in enumerate(turns):
                turn = [HumanMessage(question), AIMessage(answer)]
                history.add_messages(turn, idempotency_key=f"turn-{number}")

        print("The last two messages of monday:")
        for message in store.session("monday").get_messages(limit=2):
            print(f"  {message.type}: {message.text}")

        print("The newest conversations:")
        for session in store.list_sessions(limit=10):
            print(f"  {session.session_id}: {session.message_count} messages")

        print("What was said about shards:")
        for hit in store.search("shard"):
            print(f"  {hit.stored.session_id}: {hit.stored.message.text}")

        store.set_metadata(["tuesday"], {"topic": "operations"})
        labelled = store.list_sessions(metadata={"topic": "operations"})
        print(f"About operations: {[session.session_id for session in labelled]}")

        with TemporaryDirectory() as folder:
            path = Path(folder) / "conversations.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for record in store.export():
                    file.write(json.dumps(record) + "\n")
            exported = len(path.read_text(encoding="utf-8").splitlines())
        print(f"Exported: {exported} messages")

        print(f"Forgotten: {store.delete_sessions(list(CONVERSATIONS))} messages")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chats")
