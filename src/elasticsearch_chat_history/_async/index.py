"""The index: made when missing, completed when upstream made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import AuthorizationException, BadRequestError, NotFoundError

from elasticsearch_chat_history._acompat import AsyncLock
from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.fields import (
    UPSTREAM_FIELDS,
    VECTOR,
    IndexLayout,
    MappingReport,
    report_on,
)
from elasticsearch_chat_history._queries.selection import is_missing_index, latest_seq, routing_of
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._requests.bulk import UPDATE_FILTER_PATH
from elasticsearch_chat_history._requests.retries import is_retriable
from elasticsearch_chat_history._requests.state import (
    cluster_of,
    forget_layout,
    known_layout,
    remember_layout,
    transport_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from elasticsearch import AsyncElasticsearch

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._documents.fields import IndexDefinition
    from elasticsearch_chat_history._requests.bulk import Update


class AsyncChatIndex:
    """One index or alias as one client sees it.

    What is found is kept for the process, so that an index is looked at once, not once for each
    history.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        name: str,
        definition: IndexDefinition,
        *,
        max_retries: int,
    ) -> None:
        self.client = client
        self.name = name
        self.max_retries = max_retries
        self.state = transport_state(client)
        self._definition = definition
        # Who wants vectors has more to look for.
        self._key = (cluster_of(client), name, definition.vectors)

    def with_max_retries(self, max_retries: int) -> AsyncChatIndex:
        """Return the same index for a caller with another patience."""
        if max_retries == self.max_retries:
            return self
        return AsyncChatIndex(self.client, self.name, self._definition, max_retries=max_retries)

    def routing_of(self, session_id: str) -> str | None:
        """Return the routing value of a session; None where sessions are not kept together."""
        return routing_of(session_id) if self._definition.routing else None

    async def prepare(self) -> IndexLayout:
        """Make the index, or check and complete it, unless this process has done so."""
        layout = known_layout(self._key)
        if layout is not None:
            return layout
        async with self.state.index_locks.setdefault(self.name, AsyncLock()):
            layout = known_layout(self._key)
            if layout is None:
                layout = await self._check_or_create()
                remember_layout(self._key, layout)
        return layout

    async def prepare_again(self, stale: IndexLayout) -> IndexLayout:
        """Prepare an index that is not what it was: removed, or made anew by somebody else."""
        if forget_layout(self._key, stale):
            LOGGER.warning("Index %r has changed or vanished; it is prepared again.", self.name)
        return await self.prepare()

    async def search(
        self, *, worth_retrying: Callable[[Exception], bool] = is_retriable, **arguments: Any
    ) -> Any:
        """Return the answer of a search; `pit` among the arguments goes in place of the index."""
        where: dict[str, Any] = {} if "pit" in arguments else {"index": self.name}
        return await send(
            lambda: self.client.search(
                # A shard that does not answer must be an error, not a gap.
                allow_partial_search_results=False,
                **where,
                **arguments,
            ),
            self.state,
            self.max_retries,
            worth_retrying=worth_retrying,
        )

    async def update(
        self, updates: Sequence[Update], refresh: Refresh = False
    ) -> list[dict[str, Any]]:
        """Change documents with one bulk request; return what it tells of each."""
        lines: list[Any] = [update.lines for update in updates]
        answer = await send(
            lambda: self.client.bulk(
                operations=lines, refresh=refresh, filter_path=UPDATE_FILTER_PATH
            ),
            self.state,
            self.max_retries,
        )
        return [item["update"] for item in answer["items"]]

    def observe(self, session_id: str, hits: Sequence[Mapping[str, Any]]) -> None:
        """Let the clock see how far the sorted hits of a session go."""
        seq = latest_seq(hits)
        if seq is not None:
            CLOCK.observe((self.name, session_id), seq)

    async def refresh(self) -> bool:
        """Make all that was written visible to searches; tell whether this user may do so."""
        try:
            await send(
                lambda: self.client.indices.refresh(index=self.name),
                self.state,
                self.max_retries,
            )
        except AuthorizationException:
            # Without the maintenance privilege it becomes visible with the next refresh.
            LOGGER.debug("Index %r may not be refreshed.", self.name)
            return False
        except NotFoundError as error:
            if not is_missing_index(error):
                raise
        return True

    async def prepare_all_fields(self) -> IndexLayout:
        """Prepare the index, and look again at one that lacked fields when it was last seen."""
        layout = await self.prepare()
        if not layout.complete:
            forget_layout(self._key, layout)
            layout = await self.prepare()
        return layout

    async def _check_or_create(self) -> IndexLayout:
        properties = self._definition.properties
        while True:
            try:
                answer = await send(
                    lambda: self.client.field_caps(
                        index=self.name, fields=list(properties), include_unmapped=True
                    ),
                    self.state,
                    self.max_retries,
                )
            except NotFoundError:
                if await self._create():
                    return IndexLayout(complete=True, vectors=self._definition.vectors)
            else:
                return await self._complete(report_on(self.name, answer["fields"], properties))

    async def _create(self) -> bool:
        LOGGER.debug("Creating index %r for storing chat history.", self.name)
        try:
            await send(
                lambda: self.client.indices.create(
                    index=self.name,
                    mappings=self._definition.mappings,
                    settings=self._definition.settings,
                ),
                self.state,
                self.max_retries,
            )
        except BadRequestError as error:
            # Another writer was faster, or our own first attempt whose answer was lost.
            if error.message != "resource_already_exists_exception":
                raise
            return False
        return True

    async def _complete(self, report: MappingReport) -> IndexLayout:
        properties = self._definition.properties
        completed = True
        if report.missing:
            try:
                await send(
                    lambda: self.client.indices.put_mapping(
                        index=self.name,
                        properties={name: properties[name] for name in report.missing},
                    ),
                    self.state,
                    self.max_retries,
                )
            except AuthorizationException:
                if set(report.missing) & set(UPSTREAM_FIELDS):
                    raise
                completed = False
                self._warn("no privilege to add", report.missing)
        if report.unusable:
            self._warn("another type for", report.unusable)
        return report.layout(wanted=properties, completed=completed)

    def _warn(self, why: str, fields: tuple[str, ...]) -> None:
        if fields == (VECTOR,):
            effect = "stored without their vectors, and cannot be searched by meaning"
        else:
            effect = "stored as langchain-elasticsearch stores them, and cannot be searched"
        LOGGER.warning(
            "Index %r has %s the fields %s: messages are %s. "
            "Add the fields with the manage privilege.",
            self.name,
            why,
            ", ".join(fields),
            effect,
        )
