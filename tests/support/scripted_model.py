"""A model of the OpenAI Agents SDK that answers what a test has written down."""

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse, Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)

Output = ResponseOutputMessage | ResponseFunctionToolCall | ResponseReasoningItem
Step = list[Output] | BaseException

_numbers = itertools.count()


def unique(prefix: str) -> str:
    """Return an id of the form that the Responses API gives them."""
    return f"{prefix}_{next(_numbers):032x}"


def says(text: str, item_id: str | None = None) -> ResponseOutputMessage:
    """Return an answer of the model."""
    return ResponseOutputMessage(
        id=item_id or unique("msg"),
        type="message",
        role="assistant",
        status="completed",
        content=[ResponseOutputText(text=text, type="output_text", annotations=[])],
    )


def calls(name: str, **arguments: Any) -> ResponseFunctionToolCall:
    """Return a call of a tool, or a handoff."""
    return ResponseFunctionToolCall(
        id=unique("fc"),
        call_id=unique("call"),
        type="function_call",
        name=name,
        arguments=json.dumps(arguments),
    )


def thinks() -> ResponseReasoningItem:
    """Return reasoning whose content is encrypted."""
    return ResponseReasoningItem(
        id=unique("rs"), type="reasoning", summary=[], encrypted_content="gAAAAB=="
    )


class ScriptedModel(Model):
    """Answers each request with the next step, or raises it.

    Attributes:
        inputs: The items of each request, as the model got them.
    """

    def __init__(self, *steps: Step) -> None:
        self.inputs: list[list[Any]] = []
        self._steps = list(steps)

    async def get_response(self, *arguments: Any, **options: Any) -> ModelResponse:
        return ModelResponse(
            output=list(self._next(*arguments, **options)), usage=Usage(), response_id=None
        )

    async def stream_response(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        output = self._next(*arguments, **options)
        yield ResponseCompletedEvent(
            type="response.completed",
            sequence_number=0,
            response=Response(
                id=unique("resp"),
                created_at=0,
                model="scripted",
                object="response",
                output=list(output),
                tool_choice="none",
                tools=[],
                parallel_tool_calls=False,
            ),
        )

    def _next(self, *arguments: Any, **options: Any) -> list[Output]:
        given = options["input"] if "input" in options else arguments[1]
        self.inputs.append(list(given))
        step = self._steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step
