"""Many chats at once with the chat service of examples/, through real HTTP.

Each chat asks question after question and reads the streamed answers. In the end the export of
each user is compared with what was acknowledged. What the history costs a turn is measured by the
client, HTTP included: until the question is stored, from there to the first word (the conversation
is read), and from the last word until the answer is stored. The pause of the model before its
first word is taken off. Run it with `nox -s benchmark -- service_load`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from elasticsearch import Elasticsearch

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"running on (http://\S+)")
Event = tuple[str, dict[str, Any]]


@dataclass
class Chat:
    """One user with one conversation: what was acknowledged to it, and how long it waited.

    Attributes:
        user: Its name.
        ids: The ids of the messages that were acknowledged.
        broken: The keys of requests whose stream ended before the answer was acknowledged.
        errors: What the service refused, or said of an answer.
        unreached: Whether the service could not be reached in the end.
        words: How many words the models have said.
        question, read, answer: Seconds of each turn.
    """

    user: str = field(default_factory=lambda: f"user-{uuid.uuid4().hex}")
    ids: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    unreached: bool = False
    words: int = 0
    question: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)

    async def run(self, http: aiohttp.ClientSession, url: str, until: float) -> None:
        """Ask until a time of the loop, or until the service takes no more."""
        while asyncio.get_running_loop().time() < until:
            if not await self.turn(http, url):
                return

    async def turn(self, http: aiohttp.ClientSession, url: str) -> bool:
        """Ask one question; returns whether its answer was acknowledged."""
        key = uuid.uuid4().hex
        body = {"key": key, "text": f"What is a computer? {key}"}
        times = [time.perf_counter()]
        acknowledged = 0
        try:
            async with http.post(
                f"{url}/api/sessions/load/messages", json=body, headers={"X-User": self.user}
            ) as response:
                if response.status != 200:  # noqa: PLR2004
                    self.errors.append(f"{response.status} {await response.text()}")
                    return False
                async for name, data in events_of(response):
                    times.append(time.perf_counter())
                    if name == "stored":
                        self.ids += [message["id"] for message in data["messages"]]
                        acknowledged += 1
                    elif name == "token":
                        self.words += 1
                    elif name == "failed":
                        self.errors.append(data["detail"])
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            if not acknowledged:
                self.unreached = True
                return False
        if acknowledged != 2:  # noqa: PLR2004  # the question, the answer
            self.broken.append(key)
            return False
        self.question.append(times[1] - times[0])
        self.read.append(times[2] - times[1])
        self.answer.append(times[-1] - times[-2])
        return True

    async def problems(self, http: aiohttp.ClientSession, url: str) -> list[str]:
        """Compare what is stored with what was acknowledged."""
        async with http.get(f"{url}/api/export", headers={"X-User": self.user}) as response:
            lines = (await response.text()).splitlines()
        records = [json.loads(line) for line in lines]
        stored = Counter(record["id"] for record in records)
        kinds = Counter((each["metadata"]["request"], each["message"]["type"]) for each in records)
        return [
            *(f"acknowledged and lost: {one}" for one in self.ids if not stored[one]),
            *(f"there {count} times: {kind}" for kind, count in kinds.items() if count > 1),
        ]


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Yield the server-sent events of a response."""
    name = ""
    async for line in response.content:
        field_name, _, value = line.decode().rstrip("\n").partition(": ")
        if field_name == "event":
            name = value
        elif field_name == "data":
            yield name, json.loads(value)


@contextmanager
def running_service(
    factory: str, *options: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a service in a process of its own; gives the process and its address."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "examples", "--factory", factory]
    with subprocess.Popen(
        [*command, "--port", "0", "--no-access-log", *options],
        cwd=ROOT,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = iter(process.stderr or ())
            for line in lines:
                found = ADDRESS.search(line)
                if found:
                    break
            else:
                raise RuntimeError(f"The service did not start: status {process.wait()}.")
            # Read on, as it would wait for room in the pipe.
            reader = threading.Thread(target=deque, args=(lines, 0))
            reader.start()
            try:
                yield process, found[1]
            finally:
                process.terminate()
                reader.join()
        finally:
            process.terminate()


def http_session() -> aiohttp.ClientSession:
    """Return a client without a limit of its connections."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)


async def run_chats(url: str, number: int, seconds: float) -> tuple[list[Chat], list[str]]:
    """Run so many chats at once; returns them, and what is wrong with what is stored."""
    chats = [Chat() for _ in range(number)]
    async with http_session() as http:
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(chat.run(http, url, until) for chat in chats))
    # Over new connections, as the service closes those that nobody uses.
    async with http_session() as http:
        found = [await chat.problems(http, url) for chat in chats]
    return chats, [problem for problems in found for problem in problems]


def report(name: str, seconds: list[float]) -> None:
    """Print the median and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    print(f"| {name} | {cuts[49] * 1000:,.0f} | {cuts[98] * 1000:,.0f} |")


def main() -> int:
    """Run the load and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pause", type=float, default=0.2, help="between two words")
    options = parser.parse_args()
    index = f"benchmark-{uuid.uuid4().hex}"
    variables = {"CHAT_INDEX": index, "CHAT_PAUSE": str(options.pause)}
    try:
        with running_service("chat_service.app:create_app", **variables) as (_, url):
            chats, problems = asyncio.run(run_chats(url, options.chats, options.seconds))
    finally:
        with Elasticsearch(os.environ.get("ES_URL") or "http://localhost:9200") as client:
            client.options(ignore_status=404).indices.delete(index=index)
    errors = [error for chat in chats for error in chat.errors]
    errors += [f"cannot be reached: {chat.user}" for chat in chats if chat.unreached]
    problems += [f"no answer: {key}" for chat in chats for key in chat.broken]
    question = [each for chat in chats for each in chat.question]
    read = [max(0.0, each - options.pause) for chat in chats for each in chat.read]
    answer = [each for chat in chats for each in chat.answer]
    acknowledged = sum(len(chat.ids) for chat in chats)
    print(f"\n{options.chats} chats, {len(question):,} turns in {options.seconds:g} s\n")
    print("| what the history costs a turn | p50 ms | p99 ms |")
    print("| --- | --- | --- |")
    report("the question is stored", question)
    report("the conversation is read", read)
    report("the answer is stored", answer)
    report("together", [sum(each) for each in zip(question, read, answer, strict=True)])
    print(f"\n{acknowledged:,} messages acknowledged, {len(errors)} errors, {len(problems)} lost")
    for line in [*errors, *problems][:10]:
        print(line)
    return 1 if errors or problems else 0


if __name__ == "__main__":
    sys.exit(main())
