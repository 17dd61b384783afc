"""
What a page and this process tell each other: an object, and bytes beside it.

On a WebSocket it is one binary message: the length of the JSON text in four bytes
(little end first), the text, the bytes. A message of text is the object alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, Union

Message = Mapping[str, Any]
"""An object; its member ``kind`` says what it is about."""

_LENGTH = 4


class SendToPage(Protocol):
    """Tells a page something. Any thread; never waits."""

    def __call__(self, message: Message, sound: bytes = b"") -> None:
        """Send an object and the bytes that belong to it."""


def encoded_web_message(message: Message, sound: bytes = b"") -> bytes:
    """A binary message."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    # What a server says may hold half a character; a page shows a mark for it.
    head = text.encode("utf-8", "replace")
    return len(head).to_bytes(_LENGTH, "little") + head + sound


def decoded_web_message(data: Union[bytes, str]) -> tuple[dict[str, Any], bytes]:
    """
    Read a message: text, or binary as `encoded_web_message` makes it.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(data, str):
        return _web_message_object(data), b""
    size = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH + size:
        raise ValueError("the message is shorter than it says")
    head = data[_LENGTH : _LENGTH + size].decode("utf-8")
    return _web_message_object(head), data[_LENGTH + size :]


def _web_message_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError as exc:
        raise ValueError("the message is nested too deep") from exc
    if not isinstance(found, dict):
        raise ValueError("the message is no object")
    return found
