"""What can be closed is closed at the end of a `with` block."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncClosable:
    """What stores and histories have in common: a `with` block closes them."""

    async def aclose(self) -> None:
        """Close the object. Closing twice does nothing."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Return the object itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the object."""
        await self.aclose()
