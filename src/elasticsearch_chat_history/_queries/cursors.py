"""Cursors: where a page ended, as a short text that may travel through a browser.

A cursor holds a position only. What a call may see is decided by the call itself, so that a cursor
opens nothing. Its digest tells one that was cut or changed from a good one; it is no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

DIGEST_BYTES = 6


def cursor_of(kind: str, *values: object) -> str:
    """Return the text for a position.

    Args:
        kind: Which calls it is for.
        values: The position, as JSON values.
    """
    body = json.dumps([kind, *values], ensure_ascii=False, separators=(",", ":")).encode(
        errors="surrogatepass"
    )
    return base64.urlsafe_b64encode(_digest(body) + body).rstrip(b"=").decode()


def values_in(cursor: str, kind: str, *types: type) -> list[Any]:
    """Return the position that a cursor holds.

    Args:
        cursor: The text.
        kind: Which calls it must be for.
        types: The types of the values that it must hold.

    Raises:
        ValueError: It was changed or cut, or is for other calls.
    """
    try:
        # The standard module would skip characters that it does not know.
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        found = json.loads(data[DIGEST_BYTES:])
    except (ValueError, binascii.Error, RecursionError):
        found = None
    if found is None or cursor_of(*_as_arguments(found)) != cursor:
        raise ValueError("after is no cursor: it was changed or cut on its way")
    found_kind, values = found[0], list(found[1:])
    if found_kind != kind or [type(value) for value in values] != list(types):
        raise ValueError(
            f"after is a cursor of other calls: {found_kind!r:.40} instead of {kind!r}"
        )
    return values


def _as_arguments(found: object) -> list[Any]:
    is_cursor = isinstance(found, list) and found and isinstance(found[0], str)
    return found if is_cursor and isinstance(found, list) else [""]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2s(body, digest_size=DIGEST_BYTES).digest()
