"""What a live snapshot is made of, apart from what was said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Optional

from attrs import field, frozen


@frozen(kw_only=True)
class DelegatedCall:
    """
    A function that the backend wants to be called.

    Attributes:
        call_id: what the output names.
        name: which function.
        arguments: JSON text.
        state: ``"open"``, ``"answered"``, or ``"dropped"`` with its response.
        response_id: the response that it is part of, None while unknown.
    """

    call_id: str
    name: str = ""
    arguments: str = ""
    state: str = "open"
    response_id: Optional[str] = None


@frozen(kw_only=True)
class Delegation:
    """
    Work that the voice has delegated.

    Attributes:
        id: of the work.
        target: ``"client"``, ``"responses"`` or ``"decisions"``.
        offset_ms: where in its epoch it was asked for.
        epoch: which session of several.
        state: ``"open"``, ``"answered"``, ``"failed"``, or ``"abandoned"`` when
            its session ended before.
        response_ids: responses of the backend, oldest first.
        calls: functions it wants to be called, by call id.
        text: what the backend has written for the voice.
        current: the response whose events come, None while unknown.
        sequence: the latest event of each response, by its number. What comes with
            a lower one was told before, as it is to whoever attaches again.
        dropped: how many of the oldest responses and calls are not listed any more.
    """

    id: str
    target: str = ""
    offset_ms: float = 0
    epoch: int = 0
    state: str = "open"
    response_ids: tuple[str, ...] = ()
    calls: Mapping[str, DelegatedCall] = field(factory=lambda: MappingProxyType({}))
    text: str = ""
    current: Optional[str] = None
    sequence: Mapping[str, int] = field(factory=lambda: MappingProxyType({}))
    dropped: int = 0


@frozen(kw_only=True)
class Appended:
    """
    Something that was added to what the model knows.

    Attributes:
        kind: ``"instructions"``, ``"thinking"`` or ``"commentary"``.
        content: what was added, None if somebody else did.
        delegation_id: the work that it belongs to, if any.
        event_id: of the command.
        acknowledged: the model knows it.
        refused: the service has refused it, so that the model never will.
        lost: its session was lost before the service answered; whether the model knew
            it, nobody can say, and the session in its place does not.
        start_ms: where it lies in its epoch, once it is acknowledged.
        end_ms: where it ends.
        epoch: which session of several.
    """

    kind: str
    content: Optional[str] = None
    delegation_id: Optional[str] = None
    event_id: Optional[str] = None
    acknowledged: bool = False
    refused: bool = False
    lost: bool = False
    start_ms: Optional[float] = None
    end_ms: Optional[float] = None
    epoch: int = 0

    @property
    def unanswered(self) -> bool:
        """Whether the service has not answered, be it that it never will."""
        return not (self.acknowledged or self.refused)

    @property
    def pending(self) -> bool:
        """Whether the service has still to answer."""
        return self.unanswered and not self.lost


@frozen(kw_only=True)
class LiveUsage:
    """
    What the session has taken so far.

    Attributes:
        seconds: of this epoch, as the service last said.
        earlier_seconds: of the epochs before, as it last said of each.
        active_seconds: of these, with the model awake; None if it does not say.
        paused_seconds: of these, paused.
        context_ratio: how full the model's context is, between 0 and 1.
        backend: tokens of the backend by model: what went in, what came out.
    """

    seconds: float = 0
    earlier_seconds: float = 0
    active_seconds: Optional[float] = None
    paused_seconds: Optional[float] = None
    context_ratio: Optional[float] = None
    backend: Mapping[str, tuple[int, int]] = field(factory=lambda: MappingProxyType({}))

    @property
    def total_seconds(self) -> float:
        """Of all epochs together."""
        return self.earlier_seconds + self.seconds


@frozen(kw_only=True)
class LiveAudio:
    """
    What is known of the audio of this epoch.

    Attributes:
        received_bytes: of the model's audio, silence included.
        sent_bytes: of the user's: the clock of the session.
        muted: the model hears silence.
        fixture: a recording is playing.
    """

    received_bytes: int = 0
    sent_bytes: int = 0
    muted: bool = False
    fixture: bool = False
