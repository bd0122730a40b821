"""Labelling what is there: messages get metadata, or lose some, one by one where they are."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._acompat import asleep
from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.index.preparing import prepare_all_fields
from elasticsearch_chat_history._documents.metadata import relabelled
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.labels import LABELLED_FIELDS, RELABEL
from elasticsearch_chat_history._queries.selection import Selection
from elasticsearch_chat_history._reporting import describe_answer
from elasticsearch_chat_history._requests.bulk import Update, updates_refused
from elasticsearch_chat_history._requests.failures import (
    STATUS_NOT_FOUND,
    TEMPORARY_STATUSES,
)
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._documents.fields import IndexLayout
    from elasticsearch_chat_history._queries.filters import Clauses

# The script stands in each line of a bulk request, which so stays below a megabyte.
LABELLED_AT_ONCE = 500


class AsyncLabelling:
    """Changes the metadata of the messages that some filters find.

    Args:
        index: The index.
        label: The keys and values to set; a value of None removes its key.
    """

    def __init__(self, index: AsyncChatIndex, label: Mapping[str, Any]) -> None:
        self._index = index
        self._label = label
        self._pages = AsyncPages(index)
        self._changed = 0
        self._refusals: Counter[str] = Counter()

    async def run(self, portions: Iterable[Clauses]) -> int:
        """Label what each of the portions finds now, and return how many messages changed."""
        layout = await prepare_all_fields(self._index)
        if not layout.complete:
            raise ChatHistoryError(
                f"Messages in index {self._index.name!r} cannot be labelled: it keeps no "
                "metadata. Let a client with the manage privilege call create_if_missing(), or "
                "use another index."
            )
        await self._index.refresh()
        for filters in portions:
            await self._label_all(filters, layout)
        await self._index.refresh()
        if self._refusals:
            raise updates_refused(
                self._index.name, self._refusals, self._changed, what="labelled", call="it"
            )
        return self._changed

    async def _label_all(self, filters: Clauses, layout: IndexLayout) -> None:
        selection = Selection({"bool": {"filter": filters}}, [], LABELLED_FIELDS)
        size = self._pages.size(LABELLED_AT_ONCE)
        async with aclosing(self._pages.each(selection, size)) as pages:
            async for hits in pages:
                await self._send([one for hit in hits for one in self._updates(hit, layout)])

    def _updates(self, hit: Hit, layout: IndexLayout) -> list[Update]:
        given = hit["_source"].get("metadata")
        metadata = given if isinstance(given, dict) else {}
        changed = relabelled(metadata, self._label)
        if changed == metadata:
            return []
        layout.check_lengths(self._index.name, "", changed)
        # The script merges again: somebody else may have changed it since.
        script = {"source": RELABEL, "params": {"label": self._label}}
        return [Update(hit["_index"], hit["_id"], hit.get("_routing"), {}, script=script)]

    async def _send(self, updates: Sequence[Update]) -> None:
        """Send updates, and those that may succeed later again."""
        budget = RetryBudget(self._index.max_retries)
        while updates:
            temporary: list[tuple[Update, str]] = []
            async with aclosing(self._index.update(updates)) as parts:
                async for outcomes in parts:
                    for update, outcome in outcomes:
                        error, status = outcome.get("error"), outcome["status"]
                        if error is None:
                            self._changed += outcome.get("result") == "updated"
                        elif status in TEMPORARY_STATUSES:
                            temporary.append((update, describe_answer(error, status)))
                        # One that is missing was deleted meanwhile.
                        elif status != STATUS_NOT_FOUND:
                            self._refusals[describe_answer(error, status)] += 1
            delay = budget.delay(reached=True) if temporary else None
            if delay is None:
                self._refusals.update(reason for _, reason in temporary)
                return
            await asleep(delay)
            updates = [update for update, _ in temporary]
