"""The index: made when missing, completed when upstream made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch import AuthorizationException, BadRequestError, NotFoundError

from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._compat import AsyncLock
from elasticsearch_chat_history._mapping import (
    PROPERTIES,
    UPSTREAM_FIELDS,
    IndexLayout,
    MappingReport,
    report_on,
)
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._shared import (
    cluster_of,
    forget_layout,
    known_layout,
    remember_layout,
    transport_state,
)

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch


class AsyncChatIndex:
    """One index or alias as one client sees it.

    What is found is kept for the process, so that an index is looked at once, not once for each
    history.
    """

    def __init__(
        self, client: AsyncElasticsearch, name: str, *, routing: bool, max_retries: int
    ) -> None:
        self.client = client
        self.name = name
        self.routing = routing
        self.max_retries = max_retries
        self.state = transport_state(client)
        self._cluster = cluster_of(client)

    async def prepare(self) -> IndexLayout:
        """Make the index, or check and complete it, unless this process has done so."""
        layout = known_layout(self._cluster, self.name)
        if layout is not None:
            return layout
        async with self.state.index_locks.setdefault(self.name, AsyncLock()):
            layout = known_layout(self._cluster, self.name)
            if layout is None:
                layout = await self._check_or_create()
                remember_layout(self._cluster, self.name, layout)
        return layout

    async def prepare_again(self, stale: IndexLayout) -> IndexLayout:
        """Prepare an index that is not what it was: removed, or made anew by somebody else."""
        if forget_layout(self._cluster, self.name, stale):
            LOGGER.warning("Index %r has changed or vanished; it is prepared again.", self.name)
        return await self.prepare()

    async def _check_or_create(self) -> IndexLayout:
        while True:
            try:
                answer = await send(
                    lambda: self.client.field_caps(
                        index=self.name, fields=list(PROPERTIES), include_unmapped=True
                    ),
                    self.state,
                    self.max_retries,
                )
            except NotFoundError:
                if await self._create():
                    return IndexLayout(complete=True)
            else:
                return await self._complete(report_on(self.name, answer["fields"]))

    async def _create(self) -> bool:
        LOGGER.debug("Creating index %r for storing chat history.", self.name)
        try:
            await send(
                lambda: self.client.indices.create(
                    index=self.name, mappings={"properties": PROPERTIES}
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
        if report.missing:
            try:
                await send(
                    lambda: self.client.indices.put_mapping(
                        index=self.name, properties=report.missing_properties
                    ),
                    self.state,
                    self.max_retries,
                )
            except AuthorizationException:
                if set(report.missing) & set(UPSTREAM_FIELDS):
                    raise
                self._warn_incomplete("no privilege to add", report.missing)
                return IndexLayout(complete=False)
        if report.unusable:
            self._warn_incomplete("another type for", report.unusable)
        return IndexLayout(complete=not report.unusable)

    def _warn_incomplete(self, why: str, fields: tuple[str, ...]) -> None:
        LOGGER.warning(
            "Index %r has %s the fields %s: messages are stored as langchain-elasticsearch stores "
            "them, and cannot be searched. Add the fields with the manage privilege.",
            self.name,
            why,
            ", ".join(fields),
        )
