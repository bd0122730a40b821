"""Who wrote what: what was acknowledged, and whether it is there, once and in order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage

HEADING = "messages under faults"


class WriteLog:
    """Keeps what writers began to write and what was acknowledged to them.

    Args:
        test: The test whose writers they are.
    """

    def __init__(self, test: pytest.Item) -> None:
        self._test = test
        self._lock = threading.Lock()
        self._begun: list[str] = []
        self._numbers: Counter[str] = Counter()
        self._acknowledged: set[str] = set()
        self._acknowledged_of: Counter[str] = Counter()

    def begin(self, writer: str, count: int = 1) -> list[BaseMessage]:
        """Return the next messages of a writer, which it is about to write."""
        with self._lock:
            first = self._numbers[writer]
            self._numbers[writer] += count
            texts = [f"{writer} {number}" for number in range(first, first + count)]
            self._begun += texts
        return [HumanMessage(text) for text in texts]

    def acknowledge(self, messages: Sequence[BaseMessage]) -> None:
        """Note that the call that wrote these messages has returned."""
        with self._lock:
            for message in messages:
                self._acknowledged.add(message.text)
                self._acknowledged_of[_writer_of(message.text)] += 1

    def acknowledged_of(self, writer: str) -> int:
        """How many messages of a writer were acknowledged."""
        return self._acknowledged_of[writer]

    def begun(self) -> int:
        """Return how many messages writers have begun to write so far."""
        with self._lock:
            return len(self._begun)

    def check(self, found: Iterable[BaseMessage], *, since: int = 0) -> None:
        """Compare the log with all that was found, print the outcome and assert on it.

        Args:
            found: All messages of all sessions, each session in its order.
            since: How many were begun first; these may be missing.
        """
        counts = Counter(texts := [message.text for message in found])
        acknowledged = self._acknowledged & set(self._begun[since:])
        missing = acknowledged - counts.keys()
        duplicated = {text for text, count in counts.items() if count > 1}
        line = (
            f"{self._test.nodeid}: acknowledged {len(acknowledged)}, "
            f"found {len(acknowledged) - len(missing)}, missing {len(missing)}, "
            f"duplicated {len(duplicated)}"
        )
        untold = len(counts.keys() - self._acknowledged)
        if untold:
            line += f" (and found {untold} whose caller got no answer)"
        # Goes with the report of the test, which may run in another process.
        self._test.user_properties.append((HEADING, line))
        print(line)  # noqa: T201  # what was tried, for whoever runs the test
        assert acknowledged, "nothing was acknowledged, so that nothing is shown"
        assert not missing
        assert not duplicated
        assert counts.keys() <= set(self._begun)
        for writer in self._numbers:
            numbers = [int(text.split()[1]) for text in texts if _writer_of(text) == writer]
            assert numbers == sorted(numbers), f"the messages of {writer} are out of order"


@pytest.fixture
def write_log(request: pytest.FixtureRequest) -> WriteLog:
    return WriteLog(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say at the end of a run what all logs found."""
    reports: list[Any] = [one for kind in terminalreporter.stats.values() for one in kind]
    lines = [
        line
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, line in report.user_properties
        if name == HEADING
    ]
    if lines:
        terminalreporter.section(HEADING)
        for line in lines:
            terminalreporter.write_line(line)
    return (yield)


def _writer_of(text: str) -> str:
    return text.partition(" ")[0]
