"""Fills an index fast with the messages of a chat service, always the same ones for a size.

A day has 10,000 messages in 1,000 new sessions, most of them short and some long, all at random
times of the day. Of its turns one in twenty belongs to a session of an earlier day, and one in a
hundred to the first session of all, which so becomes the longest. Ten sessions belong to each
user. A text is the beginning of one message of chatterbot-corpus with the end of another one, so
that few are the same; one in ten has a word of its own, as a number of an order would be.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, message_to_dict
from messages import conversations

from elasticsearch_chat_history._documents.document import documents_of, time_ordered_id
from elasticsearch_chat_history._documents.fields import IndexDefinition, IndexLayout
from elasticsearch_chat_history._documents.json_text import compact_json, json_text
from elasticsearch_chat_history._requests.bulk import lines_of

LAYOUT = IndexLayout(complete=True)
TURN_TYPES = (HumanMessage, AIMessage)
MESSAGES_A_DAY = 10_000
TURNS_A_DAY = MESSAGES_A_DAY // len(TURN_TYPES)
SESSIONS_A_DAY = 1_000
SESSIONS_A_USER = 10
DAY = 86_400_000_000  # microseconds
LONGEST = 0  # the number of the longest session
TURNS_OF_LONGEST = TURNS_A_DAY // 100
TURNS_OF_EARLIER = TURNS_A_DAY // 20
# One message of so many has a word of its own.
OWN_WORD_EACH = 10
DOCUMENTS_AT_ONCE = 5_000
# One encodes while the server works for the other.
PROCESSES = 2
# What stands in a template for the values of a message; both times are found in it as numbers.
TEXT, SESSION, USER, ID, SEQ = "<text>", "<session>", "<user>", "<id>", 1_234_567_890_123_456


class Text(NamedTuple):
    """A text: the numbers of its two parts in the corpus, and a word of its own if it has one."""

    begin: int
    end: int
    word: str


class Turn(NamedTuple):
    """A question and its answer in one session."""

    at: int  # microseconds
    session: int
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Corpus:
    """The beginnings and the ends of the messages of chatterbot-corpus, in many languages."""

    begins: list[str]
    ends: list[str]

    @classmethod
    def read(cls) -> Corpus:
        """Read the package, each different message once."""
        texts = {text for conversation in conversations() for text in conversation}
        halves = [(words[: len(words) // 2], words[len(words) // 2 :]) for words in split(texts)]
        return cls(
            [begin for words, _ in halves if re.search(r"\w", begin := " ".join(words))],
            [" ".join(words) for _, words in halves if words],
        )

    def text(self, text: Text) -> str:
        """Return a text as it is read."""
        return " ".join(filter(None, (self.begins[text.begin], self.ends[text.end], text.word)))


@dataclass(frozen=True)
class Plan:
    """Which messages an index gets.

    Attributes:
        messages: How many; whole days of them.
        end: When the last day ends, in microseconds.
        corpus: What they are made of.
        seed: Plans with different seeds have no session in common.
    """

    messages: int
    end: int
    corpus: Corpus
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the number."""
        if self.messages < 1 or self.messages % MESSAGES_A_DAY:
            raise ValueError(f"messages must be a multiple of {MESSAGES_A_DAY:,}")

    @property
    def days(self) -> int:
        """How many days there are."""
        return self.messages // MESSAGES_A_DAY

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return self.days * SESSIONS_A_DAY

    def session_id(self, number: int) -> str:
        """Return the id of a session, which looks like one of chance."""
        return hashlib.blake2b(b"%d:%d" % (self.seed, number), digest_size=16).hexdigest()

    def user(self, number: int) -> str:
        """Return the user of a session."""
        return f"user-{number // SESSIONS_A_USER}"

    def turns(self, day: int) -> list[Turn]:
        """Return the turns of a day in the order of their times."""
        chance = random.Random(f"{self.seed}:{day}")  # noqa: S311 - no secrets
        sessions = sessions_of_turns(day, chance)
        begin = self.end - (self.days - day) * DAY
        # Both messages of a turn have a microsecond of their own.
        moments = sorted(chance.sample(range(DAY // len(TURN_TYPES)), TURNS_A_DAY))
        begins, ends = len(self.corpus.begins), len(self.corpus.ends)
        draw = chance.random
        number = day * MESSAGES_A_DAY
        turns = []
        for moment, session in zip(moments, sessions, strict=True):
            texts = []
            for _ in TURN_TYPES:
                word = "" if number % OWN_WORD_EACH else own_word(number)
                # Quicker than `randrange`.
                texts.append(Text(int(draw() * begins), int(draw() * ends), word))
                number += 1
            turns.append(Turn(begin + moment * len(TURN_TYPES), session, tuple(texts)))
        return turns

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the messages as records of an import."""
        for day in range(self.days):
            for turn in self.turns(day):
                for seq, (text, kind) in enumerate(
                    zip(turn.texts, TURN_TYPES, strict=True), turn.at
                ):
                    created_at = datetime.fromtimestamp(seq // 1000 / 1000, timezone.utc)
                    yield {
                        "id": time_ordered_id(seq),
                        "session_id": self.session_id(turn.session),
                        "created_at": created_at.isoformat(timespec="milliseconds"),
                        "seq": seq,
                        "message": message_to_dict(kind(self.corpus.text(text))),
                        "metadata": {"user": self.user(turn.session)},
                    }


class Lines:
    """Writes the lines of bulk requests, some ten times as fast as the package does.

    The lines of the package serve as templates, and each part of a text is encoded once.
    """

    def __init__(self, plan: Plan, *, routing: bool) -> None:
        self._plan = plan
        self._routing = routing
        self._begins = [encoded(text) for text in plan.corpus.begins]
        self._ends = [encoded(text) for text in plan.corpus.ends]
        self._templates = [template(kind, routing=routing) for kind in TURN_TYPES]

    def of_day(self, day: int) -> list[bytes]:
        """Return the two lines of each message."""
        lines = []
        for turn in self._plan.turns(day):
            session = self._plan.session_id(turn.session).encode()
            user = self._plan.user(turn.session).encode()
            for seq, (text, form) in enumerate(
                zip(turn.texts, self._templates, strict=True), turn.at
            ):
                begin, end = self._begins[text.begin], self._ends[text.end]
                word = b" %b" % text.word.encode() if text.word else b""
                values = {
                    b"id": time_ordered_id(seq).encode(),
                    b"session": session,
                    b"user": user,
                    b"seq": b"%d" % seq,
                    b"time": b"%d" % (seq // 1000),
                    b"history": b"%b %b%b" % (begin[0], end[0], word),
                    b"content": b"%b %b%b" % (begin[1], end[1], word),
                }
                lines.append(form % values)
        self._check(day, lines[0])
        return lines

    def _check(self, day: int, line: bytes) -> None:
        """Compare with what the package itself writes."""
        turn = self._plan.turns(day)[0]
        session_id = self._plan.session_id(turn.session)
        (document,) = documents_of(
            [TURN_TYPES[0](self._plan.corpus.text(turn.texts[0]))],
            session_id,
            [turn.at],
            metadata={"user": self._plan.user(turn.session)},
            ids=[ID],
        )
        expected = lines_of(document, LAYOUT, routing=session_id if self._routing else None)
        found = re.sub(rb'"_id":"[^"]+"', b'"_id":"%b"' % ID.encode(), line, count=1)
        if found != expected:
            raise RuntimeError(f"the package would write {expected!r} instead of {found!r}")


@dataclass(frozen=True)
class Filling:
    """What one process needs to fill an index."""

    hosts: list[str]
    index: str
    plan: Plan
    routing: bool

    def add_days(self, days: Sequence[int]) -> tuple[float, float]:
        """Store the messages of some days, and return when that began and ended."""
        lines = Lines(self.plan, routing=self.routing)
        with Elasticsearch(self.hosts, request_timeout=120) as client:
            begin = time.time()
            for day in days:
                of_day = lines.of_day(day)
                for start in range(0, len(of_day), DOCUMENTS_AT_ONCE):
                    operations: Any = [b"".join(of_day[start : start + DOCUMENTS_AT_ONCE])]
                    answer = client.bulk(
                        index=self.index, operations=operations, filter_path="errors"
                    )
                    if answer["errors"]:
                        raise RuntimeError("a bulk request has failed in part")
        return begin, time.time()


def make_index(
    client: Elasticsearch, index: str, *, routing: bool = False, **settings: Any
) -> None:
    """Make an index of the package for filling, without replicas, with more settings."""
    client.indices.create(
        index=index,
        mappings=IndexDefinition(routing=routing).mappings,
        settings={
            "number_of_replicas": 0,
            "refresh_interval": "-1",
            # An index that is written to answers hardly anything from the cache.
            "requests.cache.enable": False,
            **settings,
        },
    )


def fill(
    client: Elasticsearch, hosts: list[str], index: str, plan: Plan, *, routing: bool = False
) -> float:
    """Store all messages of a plan, and return how many a second."""
    filling = Filling(hosts, index, plan, routing)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = [range(first, plan.days, PROCESSES) for first in range(PROCESSES)]
        begins, ends = zip(*pool.map(filling.add_days, filter(None, parts)), strict=True)
    client.indices.refresh(index=index)
    client.indices.put_settings(index=index, settings={"refresh_interval": None})
    client.indices.flush(index=index)
    # Without what it takes to start a process.
    return plan.messages / float(max(ends) - min(begins))


def merge(client: Elasticsearch, index: str, segments: int = 1) -> None:
    """Merge each shard to so many segments."""
    patient = client.options(request_timeout=3600)
    patient.indices.forcemerge(index=index, max_num_segments=segments)
    # Only then are the segments removed that were merged.
    client.indices.flush(index=index, force=True)
    client.indices.refresh(index=index)


def bytes_a_message(client: Elasticsearch, index: str) -> float:
    """Return the size of an index on disk, for each document."""
    found = client.indices.stats(index=index, metric=["store", "docs"])["_all"]["primaries"]
    return float(found["store"]["size_in_bytes"] / found["docs"]["count"])


def whole_days(text: str) -> int:
    """Return a number of messages that an index can be filled with."""
    number = int(text)
    if number < 1 or number % MESSAGES_A_DAY:
        raise argparse.ArgumentTypeError(f"it must be a multiple of {MESSAGES_A_DAY:,}")
    return number


def own_word(number: int) -> str:
    """Return the word that only this message has."""
    return f"A{number:08d}"


def split(texts: set[str]) -> list[list[str]]:
    """Return the words of each text, in an order that is always the same."""
    return [text.split() for text in sorted(texts)]


def sessions_of_turns(day: int, chance: random.Random) -> list[int]:
    """Return the numbers of the sessions that the turns of a day belong to."""
    first = day * SESSIONS_A_DAY
    new = range(first, first + SESSIONS_A_DAY)
    sessions = [*new, *[LONGEST] * TURNS_OF_LONGEST]
    if day:
        sessions += [chance.randrange(first) for _ in range(TURNS_OF_EARLIER)]
    weights = [chance.lognormvariate(0, 1) for _ in new]
    sessions += chance.choices(new, weights, k=TURNS_A_DAY - len(sessions))
    chance.shuffle(sessions)
    return sessions


def encoded(text: str) -> tuple[bytes, bytes]:
    """Return a part of a text as it stands in the field `history`, and in `content`."""
    in_history = compact_json(json_text(text)[1:-1])[1:-1]
    return in_history, compact_json(text)[1:-1]


def template(kind: type[BaseMessage], *, routing: bool) -> bytes:
    """Return the two lines of a message with names in the place of its values."""
    (document,) = documents_of([kind(TEXT)], SESSION, [SEQ], metadata={"user": USER}, ids=[ID])
    lines = lines_of(document, LAYOUT, routing=SESSION if routing else None)
    lines = lines.replace(b"%", b"%%")
    # The other place of the text is within the JSON of `history`, where quotes are escaped.
    lines = lines.replace(b'"content":"%b"' % TEXT.encode(), b'"content":"%(content)b"')
    for value, name in (
        (TEXT, b"history"),
        (SESSION, b"session"),
        (USER, b"user"),
        (ID, b"id"),
        (str(SEQ), b"seq"),
        (str(SEQ // 1000), b"time"),
    ):
        lines = lines.replace(value.encode(), b"%%(%b)b" % name)
    return lines
