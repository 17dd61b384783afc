"""What reads and writes the messages of one call."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Union

from ...errors import RemoteProtocolError
from .call_events import CallEvent, CallStarted
from .codecs import Codec

Message = Union[str, bytes]


class TelephoneWire(Protocol):
    """
    The messages of one carrier, for one call.

    What is written is None where the carrier has no such message.
    """

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """
        What a message says; nothing for one that does not matter.

        Raises:
            RemoteProtocolError: the carrier does not send such a message.
        """

    def started(self, start: CallStarted, output: Codec) -> Message | None:
        """Take note of the begin of the call; what to send first, if anything."""

    def sound(self, sound: bytes) -> Message:
        """A message with sound, as the carrier codes it."""

    def mark(self, name: str) -> Message | None:
        """A message that asks for word when all before it was heard."""

    def clear(self) -> Message | None:
        """A message that has the carrier drop what it has queued."""

    def hang_up(self) -> Message | None:
        """A message that ends the call."""


def decoded_from_wire(message: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON message as an object."""
    if isinstance(message, Mapping):
        return message
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError) as exc:
        raise RemoteProtocolError("a message of the call is not JSON") from exc
    if not isinstance(frame, dict):
        raise RemoteProtocolError("a message of the call is not a JSON object")
    return frame


def part_of_wire_message(frame: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object in a message that is named like its event."""
    part = frame.get(name)
    if not isinstance(part, Mapping):
        raise RemoteProtocolError(f"a message {name!r} of the call has no {name!r}")
    return part


def sound_from_wire(payload: object) -> bytes:
    """The sound in a payload."""
    try:
        return base64.b64decode(payload, validate=True)  # type: ignore[arg-type]
    except (binascii.Error, TypeError, ValueError) as exc:
        raise RemoteProtocolError("the payload of media is not base64") from exc


def text_from_wire(value: object) -> str | None:
    """A name, or None for what is none."""
    return value if isinstance(value, str) and value else None


def parameters_from_wire(value: object) -> dict[str, str]:
    """What the application had passed on, as text by name."""
    if isinstance(value, str):
        pairs = (pair.partition("=") for pair in re.split("[;,]", value))
        return {name.strip(): each for name, sign, each in pairs if sign}
    if not isinstance(value, Mapping):
        return {}
    return {str(name): str(each) for name, each in value.items()}
