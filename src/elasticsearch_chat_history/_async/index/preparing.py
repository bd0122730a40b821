"""Preparing an index: it is created if it is missing, or checked and completed.

The result is kept for the process, so that an index is looked at once, not for each history. One
that lacked something is looked at again from time to time, as somebody may have completed it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from elasticsearch import (
    ApiError,
    AuthorizationException,
    BadRequestError,
    NotFoundError,
    TransportError,
)

from elasticsearch_chat_history._acompat import AsyncLock
from elasticsearch_chat_history._documents.existing_mappings import Examination, examine
from elasticsearch_chat_history._documents.fields import (
    UPSTREAM_FIELDS,
    IndexLayout,
    MappingReport,
    report_on,
)
from elasticsearch_chat_history._errors import IndexMappingError
from elasticsearch_chat_history._reporting import LOGGER, describe
from elasticsearch_chat_history._requests.degrading import conflict_warning, refusal_warning
from elasticsearch_chat_history._requests.known_indices import INDICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex


async def prepare(index: AsyncChatIndex) -> IndexLayout:
    """Create the index, or check and complete it, unless this process has done so."""
    layout = INDICES.layout(index.key)
    if layout is not None:
        lacks_vectors = index.definition.vectors and not layout.vectors
        if layout.complete and not lacks_vectors:
            return layout
        if INDICES.is_to_be_looked_at_again(index.key):
            return await _look_again(index, layout)
        return layout
    async with _lock(index):
        layout = INDICES.layout(index.key)
        if layout is None:
            layout = await _check_or_create(index)
            INDICES.remember(index.key, layout)
    return layout


async def prepare_now(index: AsyncChatIndex) -> IndexLayout:
    """Create the index, or check and complete it, also if this process has done so before."""
    async with _lock(index):
        known = INDICES.layout(index.key)
        try:
            layout = await _check_or_create(index, warn=LOGGER.warning)
        except IndexMappingError:
            if known is not None:
                INDICES.forget(index.key, known)
            raise
        INDICES.remember(index.key, layout)
    return layout


async def prepare_again(index: AsyncChatIndex, stale: IndexLayout) -> IndexLayout:
    """Prepare an index again that somebody else has deleted or created again."""
    if INDICES.forget(index.key, stale):
        # Nothing is wrong: each rollover of an alias is such a change.
        LOGGER.info("Index %r has changed or vanished; it is prepared again.", index.name)
    return await prepare(index)


async def prepare_all_fields(index: AsyncChatIndex) -> IndexLayout:
    """Prepare the index, and check it again if it lacked fields the last time."""
    layout = await prepare(index)
    if not layout.complete:
        INDICES.forget(index.key, layout)
        layout = await prepare(index)
    return layout


async def indices_of_alias(index: AsyncChatIndex, layout: IndexLayout) -> list[str]:
    """Return the indices that an alias or data stream stands for now; none of a plain index.

    Elasticsearch keeps ids unique within one index only. A rollover may have added one since
    `layout` was found.
    """
    if index.name in layout.indices:
        return []
    answer = await index.send(
        lambda client: client.field_caps(index=index.name, fields=["session_id"])
    )
    return sorted(answer["indices"])


def _lock(index: AsyncChatIndex) -> Any:
    return index.state.index_locks.setdefault(index.name, AsyncLock())


async def _look_again(index: AsyncChatIndex, known: IndexLayout) -> IndexLayout:
    try:
        layout = await _check_or_create(index)
    except IndexMappingError:
        INDICES.forget(index.key, known)
        raise
    except (ApiError, TransportError) as error:
        # What was known may still hold; if it does not, the write tells.
        LOGGER.debug("Index %r could not be looked at again: %s", index.name, describe(error))
        return known
    INDICES.remember(index.key, layout)
    return layout


async def _check_or_create(
    index: AsyncChatIndex, warn: Callable[[str], None] | None = None
) -> IndexLayout:
    """Check and complete the index, or create it; `warn` says what is wrong, by default once."""
    if warn is None:
        warn = partial(index.log_once, logging.WARNING)
    properties = index.definition.properties
    while True:
        try:
            answer = await index.send(
                lambda client: client.field_caps(
                    index=index.name, fields=list(properties), include_unmapped=True
                )
            )
        except NotFoundError:
            created = await _create(index)
            # Index templates may have added something.
            if created is not None and await _examine(index) == Examination():
                return IndexLayout(
                    complete=True,
                    vectors=index.definition.vectors,
                    indices=frozenset({created}),
                )
        else:
            report = report_on(index.name, answer["fields"], properties)
            return await _complete(index, report, answer["indices"], warn)


async def _examine(index: AsyncChatIndex) -> Examination:
    """Examine the mappings, as far as we may see them."""
    try:
        answer = await index.send(
            lambda client: client.indices.get(
                index=index.name,
                features=["mappings", "settings"],
                filter_path=["*.mappings", "*.settings.index.mapping"],
            )
        )
    except (AuthorizationException, NotFoundError) as error:
        LOGGER.debug("The mapping of index %r was not examined: %s", index.name, describe(error))
        return Examination()
    return examine(answer.body)


async def _create(index: AsyncChatIndex) -> str | None:
    """Return the name of the index that was made; None if there is one already."""
    LOGGER.debug("Creating index %r for storing chat history.", index.name)
    try:
        answer = await index.send(
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
        return None
    return str(answer["index"])


async def _complete(
    index: AsyncChatIndex,
    types: MappingReport,
    indices: Iterable[str],
    warn: Callable[[str], None],
) -> IndexLayout:
    examination = await _examine(index)
    report = examination.added_to(types, index.name)
    added: tuple[str, ...] = ()
    refusal: ApiError | None = None
    for names in report.additions():
        refused = await _add(index, names)
        if refused is None:
            added = names
            break
        refusal = refusal or refused
        if set(names) <= set(UPSTREAM_FIELDS) or isinstance(refused, AuthorizationException):
            break
    lacking = tuple(name for name in report.missing if name not in added)
    if refusal is not None and set(lacking) & set(UPSTREAM_FIELDS):
        raise refusal
    if report.unusable:
        warn(conflict_warning(index.name, report))
    if refusal is not None:
        warn(refusal_warning(index.name, lacking, refusal))
    layout = report.layout(wanted=index.definition.properties, added=added, indices=indices)
    return replace(
        layout, longest_id=examination.longest_id, longest_value=examination.longest_value
    )


async def _add(index: AsyncChatIndex, names: Iterable[str]) -> ApiError | None:
    """Add fields; return why Elasticsearch refused to."""
    properties = {name: index.definition.properties[name] for name in names}
    try:
        await index.send(
            lambda client: client.indices.put_mapping(index=index.name, properties=properties)
        )
    except (AuthorizationException, BadRequestError) as error:
        return error
    return None
