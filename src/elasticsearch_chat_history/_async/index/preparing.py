"""Preparing an index: it is created if it is missing, or checked and completed.

The result is kept for the process, so that an index is checked once, not for each history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch import AuthorizationException, BadRequestError, NotFoundError

from elasticsearch_chat_history._acompat import AsyncLock
from elasticsearch_chat_history._documents.fields import (
    UPSTREAM_FIELDS,
    VECTOR,
    IndexLayout,
    MappingReport,
    report_on,
)
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._requests.state import (
    forget_layout,
    known_layout,
    remember_layout,
)

if TYPE_CHECKING:
    from elasticsearch_chat_history._async.index.index import AsyncChatIndex


async def prepare(index: AsyncChatIndex) -> IndexLayout:
    """Create the index, or check and complete it, unless this process has done so."""
    layout = known_layout(index.key)
    if layout is not None:
        return layout
    async with index.state.index_locks.setdefault(index.name, AsyncLock()):
        layout = known_layout(index.key)
        if layout is None:
            layout = await _check_or_create(index)
            remember_layout(index.key, layout)
    return layout


async def prepare_again(index: AsyncChatIndex, stale: IndexLayout) -> IndexLayout:
    """Prepare an index again that somebody else has deleted or created again."""
    if forget_layout(index.key, stale):
        LOGGER.warning("Index %r was changed or deleted; it is prepared again.", index.name)
    return await prepare(index)


async def prepare_all_fields(index: AsyncChatIndex) -> IndexLayout:
    """Prepare the index, and check it again if it lacked fields the last time."""
    layout = await prepare(index)
    if not layout.complete:
        forget_layout(index.key, layout)
        layout = await prepare(index)
    return layout


async def _check_or_create(index: AsyncChatIndex) -> IndexLayout:
    properties = index.definition.properties
    while True:
        try:
            answer = await index.send(
                lambda client: client.field_caps(
                    index=index.name, fields=list(properties), include_unmapped=True
                )
            )
        except NotFoundError:
            if await _create(index):
                return IndexLayout(complete=True, vectors=index.definition.vectors)
        else:
            return await _complete(index, report_on(index.name, answer["fields"], properties))


async def _create(index: AsyncChatIndex) -> bool:
    LOGGER.debug("Creating index %r for storing chat history.", index.name)
    try:
        await index.send(
            lambda client: client.indices.create(
                index=index.name,
                mappings=index.definition.mappings,
                settings=index.definition.settings,
            )
        )
    except BadRequestError as error:
        # Another writer was faster, or our own first attempt whose answer was lost.
        if error.message != "resource_already_exists_exception":
            raise
        return False
    return True


async def _complete(index: AsyncChatIndex, report: MappingReport) -> IndexLayout:
    properties = index.definition.properties
    completed = True
    if report.missing:
        missing = {name: properties[name] for name in report.missing}
        try:
            await index.send(
                lambda client: client.indices.put_mapping(index=index.name, properties=missing)
            )
        except AuthorizationException:
            if set(report.missing) & set(UPSTREAM_FIELDS):
                raise
            completed = False
            _warn(index.name, "no privilege to add", report.missing)
    if report.unusable:
        _warn(index.name, "another type for", report.unusable)
    return report.layout(wanted=properties, completed=completed)


def _warn(name: str, why: str, fields: tuple[str, ...]) -> None:
    if fields == (VECTOR,):
        effect = "stored without their vectors, and cannot be searched by meaning"
    else:
        effect = "stored as langchain-elasticsearch stores them, and cannot be searched"
    LOGGER.warning(
        "Index %r: there is %s the fields %s: messages are %s. "
        "Missing fields can be added with the manage privilege.",
        name,
        why,
        ", ".join(fields),
        effect,
    )
