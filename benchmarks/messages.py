"""The messages that benchmarks store: real conversations, long messages, and calls of tools.

All are made of the texts of the package chatterbot-corpus: conversations in many languages.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, cycle, islice
from pathlib import Path

import yaml
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

LONG = 8 * 1024  # bytes of UTF-8 in each of the long messages
FEWER = 200  # texts of 8 KB, and turns with tools
RESULTS = 5  # of each call of the tool
# The C parser, where PyYAML was built with it, is ten times faster.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Turn = list[BaseMessage]


@dataclass(frozen=True)
class Kind:
    """Turns of one kind.

    Attributes:
        name: What they are.
        turns: All that there are; a session with more turns repeats them.
        many: How many messages make a long session of them.
    """

    name: str
    turns: list[Turn]
    many: int

    def turn(self, number: int) -> Turn:
        """Return a turn by its number, from 0."""
        return self.turns[number % len(self.turns)]

    def messages(self, count: int) -> list[BaseMessage]:
        """Return the first messages."""
        return list(islice(chain.from_iterable(cycle(self.turns)), count))


def kinds() -> list[Kind]:
    """Return the kinds of turns that are compared."""
    pairs = corpus()
    return [
        Kind("Conversations of the corpus", [*map(spoken, pairs)], 1000),
        Kind("Messages of 8 KB", long_turns(pairs), 100),
        Kind(
            "Turns with a call of a tool", [*map(tool_turn, range(FEWER), windows(pairs))], FEWER
        ),
    ]


def corpus() -> list[tuple[str, str]]:
    """Return all pairs of a question and its answer, the languages mixed, always in one order."""
    pairs = [
        pair for texts in conversations() for pair in zip(texts[::2], texts[1::2], strict=False)
    ]
    random.Random(0).shuffle(pairs)  # noqa: S311  # the order is no secret
    return pairs


def conversations() -> Iterator[list[str]]:
    """Yield the texts of each conversation of the package."""
    folder = Path(str(files("chatterbot_corpus"))) / "data"
    for path in sorted(folder.rglob("*.yml")):
        for texts in yaml.load(path.read_text(encoding="utf-8"), LOADER)["conversations"]:  # noqa: S506
            if isinstance(texts, list):  # eight lack a dash in their file
                yield [*map(str, texts)]


def spoken(pair: tuple[str, str]) -> Turn:
    """Return a turn in which a question is answered."""
    question, answer = pair
    return [HumanMessage(question), AIMessage(answer)]


def long_turns(pairs: list[tuple[str, str]]) -> list[Turn]:
    """Return turns of two messages of 8 KB each, which begin with different texts."""
    lines = [f"{question}\n{answer}\n" for question, answer in pairs]
    steps = len(lines) // FEWER
    texts = [cut(lines[start:] + lines[:start]) for start in range(0, steps * FEWER, steps)]
    return [spoken(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]


def cut(lines: list[str]) -> str:
    """Return the first 8 KB of some lines."""
    taken = []
    size = 0
    for line in lines:
        taken.append(line)
        size += len(line.encode())
        if size >= LONG:
            break
    # Not in the middle of a character.
    return "".join(taken).encode()[:LONG].decode(errors="ignore")


def windows(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Return for each turn with a tool what it is about, and what the tool finds."""
    size = 1 + RESULTS
    return [pairs[start : start + size] for start in range(0, size * FEWER, size)]


def tool_turn(number: int, pairs: list[tuple[str, str]]) -> Turn:
    """Return a turn in which the model calls a tool that searches, and reads what it found."""
    (question, answer), *found = pairs
    call = {"name": "search_documents", "args": {"query": question, "limit": RESULTS}}
    results = [
        {"id": f"document-{number}-{rank}", "title": title, "text": text, "score": 1 / (1 + rank)}
        for rank, (title, text) in enumerate(found)
    ]
    read = sum(map(len, chain.from_iterable(pairs)))
    return [
        HumanMessage(question),
        AIMessage("", tool_calls=[{**call, "id": f"call-{number}", "type": "tool_call"}]),
        ToolMessage(
            json.dumps({"results": results}, ensure_ascii=False),
            tool_call_id=f"call-{number}",
            name="search_documents",
        ),
        AIMessage(
            answer,
            response_metadata={"finish_reason": "stop", "model_name": "a-model"},
            usage_metadata={
                "input_tokens": read,
                "output_tokens": len(answer),
                "total_tokens": read + len(answer),
            },
        ),
    ]
