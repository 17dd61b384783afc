"""Names used in annotations, and the one sentinel of the library."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Union, overload

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # A name says nothing of an event's type, a class does.
    Event = TypeVar("Event", default=Any)
else:
    from typing import TypeVar

    Event = TypeVar("Event")

Heard = TypeVar("Heard")
Owner = TypeVar("Owner")
Ctx = TypeVar("Ctx")
Result = TypeVar("Result")


class Unset(enum.Enum):
    """
    The type of `UNSET`.

    An enumeration with one member, because type checkers narrow
    ``value is UNSET`` for enumerations and for nothing else.
    """

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""
The value of a field that is not there.

On a command it means "do not send this field"; `None` means "send ``null``".
On a server event it means that the server left the field out, or that what it
sent does not fit the field.
"""

OrUnset = Union[Result, Unset]
"""The type of what a server always has to say, and may leave out all the same."""

JsonObject = Mapping[str, Any]
"""One decoded JSON object."""

RecordingSource = Union[
    str, "os.PathLike[str]", Iterable[Union[str, bytes, JsonObject]]
]
"""A recording: a file's path, or lines: text, or decoded."""

AudioBytes = Union[bytes, bytearray, memoryview]
"""Raw audio: bytes of the format that the session is configured for."""

Timeout = Union[float, None, Unset]
"""
Seconds to wait.

`UNSET` takes the session's default, `None` waits as long as the connection
lives, a number is a deadline.
"""

Handler = Callable[..., Any]
"""Called with ``(event)`` or with ``(event, ctx)``."""

EventKey = Union[type[Event], str]
"""An event class, or the name of an event, or a pattern."""


class HandlerDecorator(Protocol[Heard]):
    """
    What `on` returns for an event class; gives back the function unchanged.

    A handler takes ``(event)`` or ``(event, ctx)``, and in a class body
    ``self`` before it.
    """

    @overload
    def __call__(
        self, handler: Callable[[Heard], Result], /
    ) -> Callable[[Heard], Result]: ...

    @overload
    def __call__(
        self, handler: Callable[[Heard, Ctx], Result], /
    ) -> Callable[[Heard, Ctx], Result]: ...

    @overload
    def __call__(
        self, handler: Callable[[Owner, Heard], Result], /
    ) -> Callable[[Owner, Heard], Result]: ...

    @overload
    def __call__(
        self, handler: Callable[[Owner, Heard, Ctx], Result], /
    ) -> Callable[[Owner, Heard, Ctx], Result]: ...

    def __call__(self, handler: Callable[..., Any], /) -> Any: ...


Predicate = Callable[[Any], Any]
"""A ``where=`` filter. Runs in the handler's or the waiter's thread."""

Dialect = Literal["ga", "beta", "xai", "dashscope"]
ServedDialect = Literal["both", "ga", "beta"]
"""What the local server speaks; both let the client choose."""
SessionType = Literal["realtime", "transcription", "translation", "live"]
IdleAudio = Literal["silence"]
"""What a live session is sent while the program sends no audio."""
LiveModel = Literal["gpt-live-1", "gpt-live-1.1"]
"""Models by whose name a checker knows that the session is a live one."""
DispatchMode = Literal["thread", "manual", "inline"]
OnConflict = Literal["raise", "wait", "cancel"]
OnTimeout = Literal["cancel", "leave"]
