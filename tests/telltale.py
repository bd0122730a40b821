"""Everything that a run tells: log lines, errors, descriptions of objects, addresses."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

NOISY = ("", "aiohttp", "asyncio", "elastic_transport", "elasticsearch", "urllib3")
WIRE_LOG = "elastic_transport.node"


class Telltale:
    """Collects what is told, at the most talkative level of every logger."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._told: list[str] = []
        for name in NOISY:
            caplog.set_level(logging.DEBUG, logger=name)

    def note(self, *things: Any) -> None:
        """Note how objects describe themselves; of errors also their traceback and fields."""
        for thing in things:
            self._told += [str(thing), repr(thing)]
            if isinstance(thing, BaseException):
                self._told += [*traceback.format_exception(thing), repr(vars(thing))]

    def told(self, *, wire_log: bool = True) -> str:
        """Return all that was noted or logged so far.

        Args:
            wire_log: Whether the client's own log of all that it sends and receives is part
                of it; nobody sees that unless they add a handler to it.
        """
        records = [
            f"{record.getMessage()}\n{vars(record)}"
            for record in self._caplog.records
            if wire_log or record.name != WIRE_LOG
        ]
        return "\n".join([*self._told, *records])


@pytest.fixture
def telltale(caplog: pytest.LogCaptureFixture) -> Telltale:
    return Telltale(caplog)
