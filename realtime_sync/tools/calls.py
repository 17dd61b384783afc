"""What the model asks for, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import Event
from typing import Any, Optional, Protocol

from attrs import field, frozen

from ..deadline import Flag


@frozen(kw_only=True)
class ToolCall:
    """
    A call that the model asks for.

    An approval hook is shown it, and a function is given it as the parameter
    that is annotated with this class; the model does not see that parameter.

    Attributes:
        name: of the tool.
        call_id: the server's id of the call.
        arguments: keyword arguments, validated.
        session: whose model calls.
        abandoned: set when nobody waits for the output any more: its time is up,
            or the session is over. A function that takes long looks at it, or
            waits on it instead of sleeping.
    """

    name: str
    call_id: str
    arguments: Mapping[str, Any]
    session: Any = field(default=None, repr=False)
    abandoned: Event = field(factory=Flag, repr=False)


class FunctionCall(Protocol):
    """A call, as a response ends with it or as the mirror has it."""

    @property
    def id(self) -> object:
        """Of the item; text, where the server gives one."""

    @property
    def call_id(self) -> Any:
        """What the output names."""

    @property
    def name(self) -> object:
        """Of the function."""

    @property
    def arguments(self) -> Any:
        """JSON, as the model wrote it."""


@frozen(kw_only=True)
class NamedCall:
    """
    A call of a response, with what a server has left out of it.

    Attributes:
        id: of the item, None where the server gives none.
        call_id: what the output names: that of the call, or else the id of the item.
        has_call_id: whether it is that of the call.
        name: of the function; empty where the server gives none.
        arguments: JSON, as the model wrote it.
    """

    id: Optional[str]
    call_id: str
    has_call_id: bool
    name: str
    arguments: Optional[str]


def failure_of_call(message: str) -> str:
    """
    An output that tells the model what went wrong.
    """
    return json.dumps({"error": message}, ensure_ascii=False)
