"""
A GPT-Live session at one moment, immutable.

It holds what the server has said, and of the commands what the server has not
answered yet. There is no audio in it. Reading one needs no lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any, Final, Optional

from attrs import field, frozen

from ...protocol.live.limits import (
    BYTES_PER_TOKEN,
    HISTORY_MESSAGES,
    HISTORY_TOKENS,
)
from ...protocol.live.sessions import Session
from .fragments import Fragments, Overlap, Timeline, overlaps
from .packing import pack, unpack
from .segments import LOSSLESS, Policy, Segment, segments

MESSAGE_TOKENS: Final = 4
"""What a message costs beside its text."""


@frozen(kw_only=True)
class Call:
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
    Work that the voice has handed on.

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
    """

    id: str
    target: str = ""
    offset_ms: float = 0
    epoch: int = 0
    state: str = "open"
    response_ids: tuple[str, ...] = ()
    calls: Mapping[str, Call] = field(factory=lambda: MappingProxyType({}))
    text: str = ""


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
        start_ms: where it lies in its epoch, once it is acknowledged.
        end_ms: where it ends.
        epoch: which session of several.
    """

    kind: str
    content: Optional[str] = None
    delegation_id: Optional[str] = None
    event_id: Optional[str] = None
    acknowledged: bool = False
    start_ms: Optional[float] = None
    end_ms: Optional[float] = None
    epoch: int = 0


@frozen(kw_only=True)
class LiveUsage:
    """
    What the session has taken so far.

    Attributes:
        seconds: of this epoch, as the service last said.
        active_seconds: of these, with the model awake; None if it does not say.
        paused_seconds: of these, paused.
        context_ratio: how full the model's context is, between 0 and 1.
        backend: tokens of the backend by model: what went in, what came out.
    """

    seconds: float = 0
    active_seconds: Optional[float] = None
    paused_seconds: Optional[float] = None
    context_ratio: Optional[float] = None
    backend: Mapping[str, tuple[int, int]] = field(factory=lambda: MappingProxyType({}))


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


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class LiveSnapshot:
    """
    What is known of a session, and of those that it took the place of.

    ``LiveSnapshot()`` is a session of which nothing is known. A later one is made
    by `realtime_sync.state.live.reduce.reduce`. Any thread may read it.

    Attributes:
        version: counts the changes; larger is later.
        session: what the service last said of the session, None before it did.
        state: ``"starting"``, ``"active"``, ``"paused"``, ``"closing"`` or
            ``"closed"``.
        close_reason: why it was closed, None before.
        epochs: ids of all sessions, one after another; times begin anew in each.
        context: what was added to what the model knows, oldest first.
        delegations: work, by id.
        decisions: what was decided, oldest first.
        usage: what it has taken so far.
        audio: what is known of its audio.
        anomalies: what did not fit, oldest first; the latest ones are kept.
    """

    version: int = 0
    session: Optional[Session] = None
    state: str = "starting"
    close_reason: Optional[str] = None
    epochs: tuple[str, ...] = ()
    context: tuple[Appended, ...] = ()
    delegations: Mapping[str, Delegation] = field(factory=lambda: MappingProxyType({}))
    decisions: tuple[Any, ...] = ()
    usage: LiveUsage = field(factory=LiveUsage)
    audio: LiveAudio = field(factory=LiveAudio)
    anomalies: tuple[str, ...] = ()
    said: Fragments = field(factory=Fragments)

    @property
    def id(self) -> Optional[str]:
        """The id of the session, None while unknown."""
        return self.epochs[-1] if self.epochs else None

    @property
    def epoch(self) -> int:
        """Which session of several this is, counted from 0."""
        return max(len(self.epochs) - 1, 0)

    @property
    def user(self) -> Timeline:
        """What the user said."""
        return self._side("user")

    @property
    def assistant(self) -> Timeline:
        """What the model said."""
        return self._side("assistant")

    def _side(self, speaker: str) -> Timeline:
        said = self.said.all()
        return Timeline(
            fragments=tuple(each for each in said if each.speaker == speaker)
        )

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What both said, grouped; words of mere agreement are left out."""
        return self.grouped()

    def grouped(
        self, *, policy: Policy = Policy(), lossless: bool = False
    ) -> tuple[Segment, ...]:
        """
        Return what both said, grouped.

        Args:
            policy: when a side has taken over.
            lossless: keep words of mere agreement too, by the policy's default.
        """
        return segments(
            self.said.all(),
            policy=LOSSLESS if lossless else policy,
            closed=self.state == "closed",
        )

    def overlaps(self) -> tuple[Overlap, ...]:
        """Return the spans in which both spoke: perhaps the user broke in."""
        return overlaps(self.said.all())

    def transcript(self) -> tuple[tuple[str, str], ...]:
        """Return who said what, in order of beginning; nothing is left out."""
        made = sorted(self._lossless(), key=lambda each: (each.epoch, each.start_ms))
        return tuple((each.speaker, each.text.strip()) for each in made)

    def _lossless(self) -> tuple[Segment, ...]:
        return segments(self.said.all(), policy=LOSSLESS, closed=True)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, without what is secret."""
        return pack(self)

    @classmethod
    def from_dict(cls, packed: Mapping[str, Any]) -> LiveSnapshot:
        """
        Rebuild a snapshot from what `to_dict` returned.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is none.
        """
        return unpack(packed)

    def messages(self) -> tuple[dict[str, Any], ...]:
        """Return the transcript as messages of the wire, all of it."""
        return tuple(_message(*line) for line in self.transcript())

    def to_messages(self) -> tuple[dict[str, Any], ...]:
        """
        Return the latest of the transcript as ``input`` of a new session.

        It stays within what the service takes; text is never cut in the middle
        of what one side said.
        """
        return recent(self.messages())


def recent(messages: Sequence[Any]) -> tuple[Any, ...]:
    """
    Return the latest of some messages, as many as a session may begin with.

    Args:
        messages: of the wire, oldest first; one that is too long itself, and what is
            older, is left out.
    """
    kept: list[Any] = []
    left = HISTORY_TOKENS
    for message in reversed(messages):
        size = sum(map(_size, message.get("content") or ()))
        left -= ceil(size / BYTES_PER_TOKEN) + MESSAGE_TOKENS
        if left < 0 or len(kept) == HISTORY_MESSAGES:
            break
        kept.append(message)
    return tuple(reversed(kept))


def _size(part: Any) -> int:
    text = part.get("text") if isinstance(part, Mapping) else None
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0


def _message(speaker: str, text: str) -> dict[str, Any]:
    kind = "input_text" if speaker == "user" else "output_text"
    part = {"type": kind, "text": text}
    return {"type": "message", "role": speaker, "content": [part]}
