"""What is alive in this process, so that growth can be seen."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from elasticsearch_chat_history._requests import connection, state


def resources_in_use(client: Any) -> Counter[str]:
    """Count our objects, what they may leave with a client, and threads, tasks and files."""
    gc.collect()
    counts = Counter(
        type(thing).__qualname__
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith("elasticsearch_chat_history")
    )
    counts["thread"] = threading.active_count()
    with contextlib.suppress(RuntimeError):  # no loop runs in the twin
        counts["task"] = len(asyncio.all_tasks())
    descriptors = Path("/dev/fd")
    if descriptors.is_dir():
        counts["file or socket"] = len(list(descriptors.iterdir()))
    shared = state.transport_state(client)
    counts["queue"] = len(shared._queues)
    counts["index lock"] = len(shared.index_locks)
    counts["client with state"] = len(state._STATES)
    counts["derived client"] = len(connection._DERIVED)
    return counts
