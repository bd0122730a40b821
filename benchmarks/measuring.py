"""What the benchmarks of contenders share: answers are compared, and a run has an end."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any

from contenders import Contender
from figures import Figures, much_worse, worse
from langchain_core.messages import BaseMessage

# Rows to measure, by their tables and names.
Rows = set[tuple[str, str]]


class Record:
    """What was acknowledged to the callers of one contender.

    Args:
        name: The contender.
        exact: Whether a wrong answer ends the benchmark; otherwise it is printed.
    """

    def __init__(self, name: str, *, exact: bool) -> None:
        self.name = name
        self.sessions: defaultdict[str, list[BaseMessage]] = defaultdict(list)
        self._exact = exact
        self._printed: set[str] = set()

    def session_id(self, session: str) -> str:
        """Return the id of a session, in which its contender can be told."""
        return f"{self.name}: {session}"

    def note(self, session: str, messages: Sequence[BaseMessage]) -> None:
        """Note what is stored."""
        self.sessions[session] += messages

    def compare(self, session: str, found: Sequence[BaseMessage], last: int = 0) -> None:
        """Compare an answer with what is stored, all or the last messages."""
        fault = difference(found, self.sessions[session][-last:])
        if fault is None:
            return
        line = f"{self.name} {fault}."
        if self._exact:
            raise RuntimeError(f"{session}: {line}")
        if line not in self._printed:
            self._printed.add(line)
            print(f"{session}: {line}", flush=True)


class Way:
    """A contender whose calls are timed, in milliseconds, and whose answers are compared."""

    def __init__(self, contender: Contender, *, exact: bool) -> None:
        self.name = contender.name
        self.record = Record(contender.name, exact=exact)
        self._contender = contender
        self._unchecked: set[str] = set()

    async def add(self, session: str, messages: Sequence[BaseMessage]) -> float:
        """Store messages."""
        identity = self.record.session_id(session)
        taken, _ = await timed(lambda: self._contender.add(identity, messages))
        self.record.note(session, messages)
        self._unchecked.add(session)
        return taken

    async def read(self, session: str) -> float:
        """Read a session."""
        identity = self.record.session_id(session)
        taken, found = await timed(lambda: self._contender.read(identity))
        self.record.compare(session, found)
        return taken

    async def read_last(self, session: str, count: int) -> float:
        """Read the last messages of a session."""
        identity = self.record.session_id(session)
        taken, found = await timed(lambda: self._contender.read_last(identity, count))
        self.record.compare(session, found, count)
        return taken

    async def check(self) -> None:
        """Read all sessions that were written to since the last check."""
        for session in sorted(self._unchecked):
            await self.read(session)
        self._unchecked.clear()


async def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many milliseconds a call takes, and its answer."""
    await asyncio.sleep(0)  # a call that awaits nothing would leave no chance for Ctrl-C
    begin = time.perf_counter()
    answer = call()
    if isawaitable(answer):
        answer = await answer
    return (time.perf_counter() - begin) * 1000, answer


def difference(found: Sequence[BaseMessage], stored: Sequence[BaseMessage]) -> str | None:
    """Tell what is wrong with an answer; None if nothing is."""
    read, written = [*map(essence, found)], [*map(essence, stored)]
    if read == written:
        return None
    if len(read) != len(written):
        return f"reads {len(read):,} of {len(written):,} messages"
    if Counter(map(repr, read)) == Counter(map(repr, written)):
        return f"reads {len(read):,} messages in another order"
    changed = sum(one != other for one, other in zip(read, written, strict=True))
    return f"reads {changed:,} of {len(written):,} messages changed"


def essence(message: BaseMessage) -> tuple[Any, ...]:
    """Return what must come back of a message."""
    names = ("tool_calls", "tool_call_id", "usage_metadata")
    return (message.type, message.content, *(getattr(message, name, None) for name in names))


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark of contenders."""
    parser = argparse.ArgumentParser(description=description)
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--keep", action="store_true", help="write the figures to a file")
    ending.add_argument(
        "--quick",
        action="store_true",
        help="measure less, and fail where a ratio is much worse than the one that is kept",
    )
    return parser


def parsed(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    *,
    rounds: int,
    quick_rounds: int,
) -> argparse.Namespace:
    """Return the options, with the number of rounds, which is an option as well."""
    usual = f"by default {rounds}, or {quick_rounds} with --quick"
    parser.add_argument("--rounds", type=int, help=usual)
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (quick_rounds if options.quick else rounds)
    return options


def finish(options: argparse.Namespace, measure: Callable[[Rows | None], Figures]) -> int:
    """Measure, print, and keep or compare the figures; return the exit status.

    Args:
        options: The options of the program.
        measure: What measures some rows, by their tables and names, or all.
    """
    figures = measure(None)
    figures.print()
    if options.keep:
        print(f"\nKept in {figures.keep(vars(options))}")
    return compare_with_kept(figures, measure) if options.quick else 0


def compare_with_kept(figures: Figures, measure: Callable[[Rows | None], Figures]) -> int:
    """Say where a ratio is much worse than the one that is kept; return the exit status."""
    try:
        kept = Figures.kept(figures.name)
    except FileNotFoundError:
        print("\nNothing to compare with is kept yet: run it with --keep.")
        return 0
    lines = worse(figures, kept)
    if suspected := much_worse(figures, kept):
        print("\n" + "\n".join(lines))
        print("\nOnce more, as something else may have been slow:", flush=True)
        again = measure({(table, row) for table, row, _ in suspected})
        again.print()
        lines = worse(again, kept, suspected)
    print("\n" + "\n".join(lines or ["No ratio is much worse than the one that is kept."]))
    return 1 if lines else 0
