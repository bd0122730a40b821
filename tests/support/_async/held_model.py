"""An embedding model that answers when a test says so."""

from __future__ import annotations

from typing import Any

from tests.support.concurrency import AsyncEvent
from tests.support.embedding_models import Model


class AsyncHeldModel(Model):
    """Keeps back the answer to its first texts until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self._release = AsyncEvent()

    def release(self) -> None:
        """Let it answer."""
        self._release.set()

    async def aembed_documents(self, texts: list[str]) -> Any:
        answer = await super().aembed_documents(texts)
        if len(self.calls) == 1:
            await self._release.wait()
        return answer
