"""What happens in a call, in the same words for every carrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Union

from attrs import field, frozen

from .codecs import Codec


@frozen
class CallStarted:
    """
    Sound may flow.

    Attributes:
        stream: the carrier's name for this stream, or None.
        call: its name for the call, or None.
        codec: how the caller's sound is coded, if the carrier says so.
        parameters: what the application had the carrier pass on.
    """

    stream: str | None = None
    call: str | None = None
    codec: Codec | None = None
    parameters: Mapping[str, str] = field(factory=dict)


@frozen
class CallerSound:
    """A piece of what the caller says, as the carrier codes it."""

    sound: bytes = field(repr=False)


@frozen
class SoundHeard:
    """All that was sent before a mark was heard."""

    mark: str


@frozen
class KeyPressed:
    """The caller has pressed a key."""

    digit: str


@frozen
class FlowChanged:
    """The carrier wants no more sound, or wants it again."""

    wanted: bool


@frozen
class CallEnded:
    """The stream is over, for a reason in the carrier's words."""

    reason: str = "stop"


@frozen
class CarrierComplained:
    """The carrier says that something is wrong, and goes on."""

    text: str


@frozen
class AnswerWanted:
    """
    The carrier waits for an answer, also when the call is over.

    Attributes:
        make: gives it; called when it is its turn to be sent, for its number.
    """

    make: Callable[[], Union[str, bytes]]


CallEvent = Union[
    AnswerWanted,
    CallStarted,
    CallerSound,
    SoundHeard,
    KeyPressed,
    FlowChanged,
    CallEnded,
    CarrierComplained,
]
