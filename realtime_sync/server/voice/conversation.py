"""What a dialogue reads, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Union

import attrs


@attrs.frozen(kw_only=True)
class Message:
    """Something said, by either side."""

    role: Literal["user", "assistant", "system"]
    text: str


@attrs.frozen(kw_only=True)
class ToolCall:
    """A function that the client is to run; ``call_id`` is the server's."""

    name: str
    arguments: Mapping[str, Any]
    call_id: str = ""


@attrs.frozen(kw_only=True)
class ToolOutput:
    """What a function gave back, as the client sent it: JSON, or plain text."""

    output: str
    call_id: str = ""


Turn = Union[Message, ToolCall, ToolOutput]
"""One entry of the history."""


@attrs.frozen(kw_only=True)
class Reply:
    """
    What the dialogue does next.

    Attributes:
        text: to be said aloud; empty when there are only calls.
        calls: functions to call before anything is said.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
