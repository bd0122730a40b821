"""Answers, each written by a task of its own: a client that goes away midway loses nothing.

A question is stored before the model is asked, and its answer when it is complete. What there is
of an answer is stored, too, when the model fails or the service ends; it is marked as partial.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from elasticsearch import ApiError, TransportError
from langchain_core.messages import HumanMessage

from chat_service.errors import BusyError, ClosingError
from chat_service.events import Event, Failed, Stored
from chat_service.turn import WINDOW, NewTurn, Turn, is_complete
from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ChatHistoryError,
    StoredMessage,
)

LOGGER = logging.getLogger(__name__)
STOPPED, FAILED = "the service was stopped", "the model failed"


@dataclass(frozen=True)
class Question:
    """What a client asks for.

    Attributes:
        key: The client's name of the request; repeated with the same key, it is the same request.
        text: The text of a new question; None to have an earlier one answered again.
        earlier: The id of the question that is replaced or answered again. What comes after it is
            removed.
    """

    key: str
    text: str | None = None
    earlier: str | None = None


class Answer:
    """One answer while it is written; any number of clients may follow it."""

    def __init__(
        self,
        question: Question,
        history: AsyncElasticsearchChatMessageHistory,
        turn: Turn,
    ) -> None:
        self.question = question
        self._history = history
        self._turn = turn
        self._events: list[Event] = []
        self._refused: Exception | None = None
        self._ended = False
        self._changed = asyncio.Event()
        self._generation: asyncio.Task[None] | None = None
        self._stopped = self._forgotten = False
        self.task = asyncio.create_task(self._write())

    async def accepted(self) -> None:
        """Wait until the question is stored, or raise why it is not."""
        while not self._events and not self._ended:
            await self._changed.wait()
        if self._refused is not None:
            raise self._refused

    async def events(self) -> AsyncIterator[Event]:
        """Yield all events, from the first on, until the answer is stored."""
        told = 0
        while not self._ended or told < len(self._events):
            while told < len(self._events):
                yield self._events[told]
                told += 1
            if not self._ended:
                await self._changed.wait()

    def stop(self, *, forget: bool = False) -> None:
        """End the model's work.

        Args:
            forget: Whether what it has said is not to be stored.
        """
        self._stopped = True
        self._forgotten |= forget
        if self._generation is not None:
            self._generation.cancel()

    async def _write(self) -> None:
        try:
            asked = await self._ask()
            if asked is not None:
                await self._answer(asked)
        except Exception as error:  # noqa: BLE001  # whoever waits for it gets it
            if not self._events:
                self._refused = error
            else:
                LOGGER.warning("A question is not answered: %s", type(error).__name__)
                self._tell(Failed(detail="The history cannot be used. Ask again later."))
        finally:
            self._ended = True
            self._wake()

    async def _ask(self) -> StoredMessage | None:
        """Store the question; returns it if the model has to answer it."""
        question, history = self.question, self._history
        page: list[StoredMessage] = []
        earlier = None
        if question.earlier is not None:
            page = await history.aget_stored_messages(limit=WINDOW)
            questions = (one for one in page if one.message.type == "human")
            earlier = next((one for one in questions if one.id == question.earlier), None)
        if question.text is None:
            if earlier is None:
                raise ValueError(f"no question among the last {WINDOW} messages has this id")
            asked = earlier
            if not self._answer_in(page):
                await history.atruncate_after(earlier.id)
        else:
            # A request that is repeated finds it gone.
            if earlier is not None:
                await history.atruncate_after(earlier.id)
                await history.adelete_messages([earlier.id])
            result = await history.astore_messages(
                [HumanMessage(question.text)],
                idempotency_key=f"{question.key}/question",
                metadata={"request": question.key},
            )
            asked = result.stored[0]
            if result.existing:
                page = await history.aget_stored_messages(limit=WINDOW)
        self._tell(Stored(messages=[asked]))
        answer = self._answer_in(page)
        if not is_complete(answer):
            return asked
        self._tell(Stored(messages=answer))
        return None

    def _answer_in(self, page: Sequence[StoredMessage]) -> list[StoredMessage]:
        """Return what an earlier attempt at this request has stored as its answer."""
        return [
            one
            for one in page
            if one.metadata.get("request") == self.question.key and one.message.type != "human"
        ]

    async def _answer(self, asked: StoredMessage) -> None:
        """Let the model answer, and store what it says."""
        partial = STOPPED if self._stopped else await self._generate()
        if not self._forgotten:
            answer = await self._turn.store(asked, partial)
            if answer:
                self._tell(Stored(messages=answer))
        if partial is not None:
            self._tell(Failed(detail=f"The answer is not complete: {partial}."))

    async def _generate(self) -> str | None:
        """Run the model; returns why its answer is partial, or None.

        Raises:
            Exception: The history cannot be read or written.
        """

        async def run() -> None:
            async for event in self._turn.run():
                self._tell(event)

        # A task of its own, so that stopping it breaks off no storing.
        self._generation = asyncio.create_task(run())
        await asyncio.wait([self._generation])
        if self._generation.cancelled():
            return STOPPED
        error = self._generation.exception()
        if error is None:
            return None
        if isinstance(error, (ChatHistoryError, ApiError, TransportError)):
            raise error
        # Not its text, which may quote the conversation.
        LOGGER.warning("The model failed: %s", type(error).__name__)
        return FAILED

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Answers:
    """The answers that this process is writing, one in each conversation at most."""

    def __init__(self, new_turn: NewTurn) -> None:
        self._new_turn = new_turn
        self._running: dict[tuple[str, str], Answer] = {}
        self._closing: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether no more questions are taken."""
        return self._closing is not None

    def ask(
        self, user: str, question: Question, history: AsyncElasticsearchChatMessageHistory
    ) -> Answer:
        """Begin to answer, or return the answer to the same request that is being written.

        Raises:
            BusyError: Another answer is being written in the conversation.
            ClosingError: The service is about to end.
        """
        place = (user, history.session_id)
        running = self._running.get(place)
        if running is not None:
            if running.question.key != question.key:
                raise BusyError
            return running
        if self.closing:
            raise ClosingError
        turn = self._new_turn(user, question.key, history)
        answer = self._running[place] = Answer(question, history, turn)
        answer.task.add_done_callback(lambda _: self._running.pop(place))
        return answer

    async def forget(self, user: str, session_id: str | None = None) -> None:
        """End the answers to a user, in one conversation or all, without storing them."""
        theirs = [
            answer
            for place, answer in self._running.items()
            if place[0] == user and session_id in (None, place[1])
        ]
        for answer in theirs:
            answer.stop(forget=True)
        await finished(theirs)

    def close_soon(self, seconds: float) -> None:
        """Take no more questions, and end when all answers are stored.

        Args:
            seconds: How long models may go on; what they have said by then is stored.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(seconds))

    async def aclose(self, seconds: float) -> None:
        """Do the same, and wait for the end."""
        self.close_soon(seconds)
        if self._closing is not None:
            await self._closing

    async def _close(self, seconds: float) -> None:
        running = list(self._running.values())
        for answer in await finished(running, seconds):
            answer.stop()
        await finished(running)


async def finished(answers: Sequence[Answer], seconds: float | None = None) -> list[Answer]:
    """Wait for answers, and return those that are not finished after so many seconds."""
    if answers:
        await asyncio.wait([answer.task for answer in answers], timeout=seconds)
    return [answer for answer in answers if not answer.task.done()]
