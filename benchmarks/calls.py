"""The calls of a store that benchmarks measure in an index of `filling`, each answer checked."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from contenders import TURN
from filling import (
    LONGEST,
    OWN_WORD_EACH,
    SESSIONS_A_USER,
    Plan,
    own_word,
)

from elasticsearch_chat_history import ElasticsearchChatStore

PAGE = 20
FURTHER_PAGE = 10
# A call that takes long is repeated less often in a round.
SECONDS_A_ROUND = 2
PHRASE = re.compile(r"[a-z]+ [a-z]+ [a-z]+(?= |$)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Call:
    """What is measured.

    Attributes:
        name: The row of a table.
        run: Does it, with what `choose` returned.
        check: Tells whether its answer is right, given the same and the answer.
        choose: Returns such as a session; its time does not count.
    """

    name: str
    run: Callable[[Any], Any]
    check: Callable[[Any, Any], bool]
    choose: Callable[[], Any] = lambda: None

    def seconds(self) -> float:
        """Return how long it takes once."""
        chosen = self.choose()
        begin = time.perf_counter()
        answer = self.run(chosen)
        seconds = time.perf_counter() - begin
        if not self.check(chosen, answer):
            raise RuntimeError(f"{self.name}, {chosen!r}: a wrong answer, {answer!r:.2000}")
        return seconds

    def median(self, runs: int) -> float:
        """Return the median of so many runs in milliseconds."""
        seconds: list[float] = []
        while len(seconds) < runs and sum(seconds) < SECONDS_A_ROUND:
            seconds.append(self.seconds())
        return statistics.median(seconds) * 1000


def measure(
    columns: Mapping[str, Sequence[Call]], rounds: int, runs: int
) -> dict[tuple[str, str], list[float]]:
    """Return the medians of each round by row and column; the first round does not count.

    All columns have the same calls, and take turns at each.
    """
    medians: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for calls in zip(*columns.values(), strict=True):
            for column, call in zip(columns, calls, strict=True):
                median = call.median(runs)
                if number:
                    medians.setdefault((call.name, column), []).append(median)
    return medians


class StoreCalls:
    """The calls of one store whose index was filled.

    Args:
        store: The store.
        plan: What its index was filled with.

    Attributes:
        sessions: How many sessions the index has; to be kept up by who adds some.
        messages: How many messages.
    """

    def __init__(self, store: ElasticsearchChatStore, plan: Plan) -> None:
        self._store = store
        self._plan = plan
        self._chance = random.Random(f"calls:{plan.messages}")  # noqa: S311 - no secrets
        self.sessions = plan.sessions
        self.messages = plan.messages
        self._last_session = ""

    def check_filled(self) -> None:
        """Look whether all is there, before anything is added."""
        plan, store = self._plan, self._store
        by_id = sorted(plan.session_id(number) for number in range(plan.sessions))[:PAGE]
        newest: dict[str, None] = {}
        longest: list[str] = []
        for day in reversed(range(plan.days)):
            for turn in reversed(plan.turns(day)):
                newest.setdefault(plan.session_id(turn.session))
                if turn.session == LONGEST:
                    longest += [plan.corpus.text(text) for text in reversed(turn.texts)]
            if len(newest) >= PAGE and len(longest) >= PAGE:
                break
        history = store.session(plan.session_id(LONGEST), history_size=PAGE)
        for what, found, expected in (
            ("messages", store.count_messages(), self.messages),
            ("sessions", store.count_sessions(), self.sessions),
            ("first sessions", ids_of(store.list_sessions(order="id", limit=PAGE)), by_id),
            ("newest sessions", ids_of(store.list_sessions(limit=PAGE)), [*newest][:PAGE]),
            ("last texts", [one.text for one in history.messages], longest[:PAGE][::-1]),
        ):
            if found != expected:
                raise RuntimeError(f"{what}: {found!r} instead of {expected!r}")

    def add_turn(self) -> Call:
        """Add a turn, visible at once."""

        def run(session: int) -> None:
            metadata = {"user": self._plan.user(session)}
            history = self._store.session(self._plan.session_id(session), metadata=metadata)
            history.add_messages(TURN)

        def check(session: int, _: None) -> bool:
            self.messages += len(TURN)
            self._last_session = self._plan.session_id(session)
            history = self._store.session(self._last_session, history_size=len(TURN))
            return history.messages == TURN

        return Call("add a turn", run, check, self._session)

    def last_messages(self, name: str = "last 20 messages", session: int | None = None) -> Call:
        """Read the last messages of a session of chance, or of this one."""

        def run(session_id: str) -> Any:
            return self._store.session(session_id, history_size=PAGE).get_messages()

        def check(session_id: str, answer: Any) -> bool:
            return len(answer) == min(PAGE, self._store.count_messages(session_id=session_id))

        def choose() -> str:
            return self._plan.session_id(self._session() if session is None else session)

        return Call(name, run, check, choose)

    def last_messages_of_longest(self) -> Call:
        """Read the last messages of the longest session."""
        return self.last_messages("last 20 messages of the longest session", LONGEST)

    def newest_sessions(self) -> Call:
        """List the sessions with the newest messages."""

        def check(_: None, answer: Any) -> bool:
            ids = ids_of(answer)
            is_ordered = all(one.last_at >= other.last_at for one, other in pairwise(answer))
            starts_right = not self._last_session or ids[0] == self._last_session
            return len(set(ids)) == PAGE and is_ordered and starts_right

        return Call("newest 20 sessions", lambda _: self._store.list_sessions(limit=PAGE), check)

    def further_sessions(self) -> Call:
        """List a further page of these; it begins where that page is at the first run."""
        cursors: list[str] = []

        def choose() -> str:
            while len(cursors) < FURTHER_PAGE - 1:
                after = cursors[-1] if cursors else None
                cursors.append(self._store.list_sessions(limit=PAGE, after=after)[-1].cursor)
            return cursors[-1]

        def check(_: str, answer: Any) -> bool:
            is_ordered = all(one.last_at >= other.last_at for one, other in pairwise(answer))
            return len(set(ids_of(answer))) == PAGE and is_ordered

        return Call(
            f"page {FURTHER_PAGE} of the newest sessions",
            lambda after: self._store.list_sessions(limit=PAGE, after=after),
            check,
            choose,
        )

    def sessions_by_id(self) -> Call:
        """List the first sessions by id."""
        return Call(
            "first 20 sessions by id",
            lambda _: self._store.list_sessions(order="id", limit=PAGE),
            lambda _, answer: is_page_by_id(answer),
        )

    def middle_sessions_by_id(self) -> Call:
        """List sessions by id from the middle, after a cursor."""

        def choose() -> Any:
            # Ids begin with a hexadecimal digit.
            return self._store.list_sessions(order="id", limit=1, prefix="8")[0].cursor

        return Call(
            "20 sessions by id from the middle",
            lambda after: self._store.list_sessions(order="id", limit=PAGE, after=after),
            lambda _, answer: is_page_by_id(answer) and answer[0].session_id.startswith("8"),
            choose,
        )

    def sessions_of_user(self) -> Call:
        """List the newest sessions of a user."""

        def check(user: str, answer: Any) -> bool:
            first = int(user.rpartition("-")[2]) * SESSIONS_A_USER
            sessions = range(first, first + SESSIONS_A_USER)
            return {self._plan.session_id(number) for number in sessions} == set(ids_of(answer))

        return Call(
            "newest 20 sessions of a user",
            lambda user: self._store.list_sessions(limit=PAGE, metadata={"user": user}),
            check,
            lambda: self._plan.user(self._session()),
        )

    def count_sessions(self) -> Call:
        """Count the sessions."""
        return Call(
            "count the sessions",
            lambda _: self._store.count_sessions(),
            lambda _, answer: answer == self.sessions,
        )

    def count_messages(self) -> Call:
        """Count the messages."""
        return Call(
            "count the messages",
            lambda _: self._store.count_messages(),
            lambda _, answer: answer == self.messages,
        )

    def search_words(self) -> Call:
        """Search three words in all sessions, of which any may match."""

        def check(phrase: str, hits: Any) -> bool:
            wanted = set(words_of(phrase))
            return bool(hits) and all(wanted & set(words_of(text_of(hit))) for hit in hits)

        return Call("search three words", self._store.search, check, self._phrase)

    def search_phrase(self) -> Call:
        """Search a phrase in all sessions."""

        def check(phrase: str, hits: Any) -> bool:
            wanted = f" {' '.join(words_of(phrase))} "
            return bool(hits) and all(
                wanted in f" {' '.join(words_of(text_of(hit)))} " for hit in hits
            )

        return Call(
            "search a phrase",
            lambda phrase: self._store.search(f'"{phrase}"'),
            check,
            self._phrase,
        )

    def search_rare_word(self) -> Call:
        """Search a word that one message has."""

        def choose() -> str:
            return own_word(self._chance.randrange(0, self._plan.messages, OWN_WORD_EACH))

        return Call(
            "search a word of one message",
            self._store.search,
            lambda word, hits: [text_of(hit).endswith(f" {word}") for hit in hits] == [True],
            choose,
        )

    def search_in_session(
        self, name: str = "search in a session", session: int | None = None
    ) -> Call:
        """Search some words of a message in its session, one of chance or this one."""

        def run(chosen: tuple[int, str]) -> Any:
            session_id = self._plan.session_id(chosen[0])
            return self._store.search(words_for_search(chosen[1]), session_id=session_id)

        def check(chosen: tuple[int, str], hits: Any) -> bool:
            session_id = self._plan.session_id(chosen[0])
            return bool(hits) and all(hit.session_id == session_id for hit in hits)

        return Call(name, run, check, lambda: self._text(session))

    def search_in_longest(self) -> Call:
        """Search some words of a message in the longest session."""
        return self.search_in_session("search in the longest session", LONGEST)

    def search_by_user(self) -> Call:
        """Search some words of a message in the sessions of its user."""

        def run(chosen: tuple[int, str]) -> Any:
            metadata = {"user": self._plan.user(chosen[0])}
            return self._store.search(words_for_search(chosen[1]), metadata=metadata)

        def check(chosen: tuple[int, str], hits: Any) -> bool:
            user = self._plan.user(chosen[0])
            return bool(hits) and all(hit.stored.metadata["user"] == user for hit in hits)

        return Call("search by user", run, check, self._text)

    def _session(self) -> int:
        return self._chance.randrange(self._plan.sessions)

    def _phrase(self) -> str:
        """Return the first three words of some message."""
        while (found := PHRASE.match(self._text()[1])) is None:
            pass
        return found[0]

    def _text(self, session: int | None = None) -> tuple[int, str]:
        """Return the session and the text of a message."""
        day = self._chance.randrange(self._plan.days)
        turns = [
            turn for turn in self._plan.turns(day) if session is None or turn.session == session
        ]
        turn = self._chance.choice(turns)
        return turn.session, self._plan.corpus.text(self._chance.choice(turn.texts))


def ids_of(summaries: Any) -> list[str]:
    """Return the ids of listed sessions."""
    return [summary.session_id for summary in summaries]


def is_page_by_id(summaries: Any) -> bool:
    """Tell whether these are as many sessions as a page has, in their order."""
    ids = ids_of(summaries)
    return len(ids) == PAGE and ids == sorted(set(ids))


def text_of(hit: Any) -> str:
    """Return the text of a hit."""
    return str(hit.stored.message.text)


def words_of(text: str) -> list[str]:
    """Return the words of a text, much as Elasticsearch does."""
    found = re.findall(r"[\w'\u2019]+", text.lower())
    return [word for each in found if (word := each.strip("'\u2019"))]


def words_for_search(text: str) -> str:
    """Return three words of a text, or all if it has less."""
    return " ".join([word for word in text.split() if re.search(r"\w", word)][:3])
