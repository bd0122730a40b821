"""Everything that a run shows: log lines, errors, descriptions of objects, addresses."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

LOGGERS = ("", "aiohttp", "asyncio", "elastic_transport", "elasticsearch", "urllib3")
WIRE_LOG = "elastic_transport.node"


class VisibleOutput:
    """Collects what is shown, with every logger at its lowest level."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._noted: list[str] = []
        for name in LOGGERS:
            caplog.set_level(logging.DEBUG, logger=name)

    def note(self, *things: Any) -> None:
        """Note how objects describe themselves; of errors also their traceback and fields."""
        for thing in things:
            self._noted += [str(thing), repr(thing)]
            if isinstance(thing, BaseException):
                self._noted += [*traceback.format_exception(thing), repr(vars(thing))]

    def text(self, *, wire_log: bool = True) -> str:
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
        return "\n".join([*self._noted, *records])


@pytest.fixture
def visible_output(caplog: pytest.LogCaptureFixture) -> VisibleOutput:
    return VisibleOutput(caplog)
