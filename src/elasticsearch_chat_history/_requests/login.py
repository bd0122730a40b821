"""Whether it is worth waiting until the server accepts a client's credentials again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from elasticsearch import ApiError

from elasticsearch_chat_history._requests.failures import (
    STATUS_CONFLICT,
    STATUS_FORBIDDEN,
    STATUS_NOT_FOUND,
    is_unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# A starting node refuses all credentials until it has read users and API keys from its index.
UNAUTHORIZED_SECONDS = 10.0
# Elasticsearch checks the credentials before it answers so; a proxy may answer 429 or 502 itself.
STATUSES_OF_ACCEPTED = frozenset({STATUS_FORBIDDEN, STATUS_NOT_FOUND, STATUS_CONFLICT})


class Login:
    """What the answers of the server tell of the credentials of one client.

    Those that were accepted before and are refused now may be accepted again soon, by a node that
    starts. After that time they have expired, or were withdrawn: no call waits for them, until one
    succeeds.

    Args:
        now: A clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._accepted = False
        self._refused_at: float | None = None

    def answered(self, error: Exception | None = None) -> None:
        """Note an answer of the server, or an `error` of the client, which may be one."""
        if error is None or (
            isinstance(error, ApiError) and error.status_code in STATUSES_OF_ACCEPTED
        ):
            self._accepted = True
            self._refused_at = None
        elif is_unauthorized(error) and self._refused_at is None:
            self._refused_at = self._now()

    def may_return(self) -> bool:
        """Tell whether the server may soon accept the credentials that it has just refused."""
        since = self._refused_at
        return self._accepted and since is not None and self._now() - since < UNAUTHORIZED_SECONDS
