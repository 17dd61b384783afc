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

from ...protocol.audio_formats import BYTES_PER_SAMPLE, PCM, RATES, stated_audio_rate
from ...protocol.live.limits import (
    BYTES_PER_TOKEN,
    HISTORY_MESSAGES,
    HISTORY_TOKENS,
)
from ...protocol.live.sessions import Session
from .fragments import Fragments, FragmentTimeline, Overlap, overlaps
from .segments import LOSSLESS, Policy, Segment, segments
from .snapshot_json import pack_live_snapshot, unpack_live_snapshot
from .snapshot_parts import Appended, Delegation, LiveAudio, LiveUsage

MESSAGE_TOKENS: Final = 4
"""What a message costs beside its text."""


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class LiveSnapshot:
    """
    What is known of a session, and of those that it took the place of.

    ``LiveSnapshot()`` is a session of which nothing is known. A later one is made
    by `realtime_sync.state.live.reduce.reduce_live`. Any thread may read it.

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
    # Which events of the backend came last, by number and id.
    told: tuple[str, ...] = ()

    @property
    def id(self) -> Optional[str]:
        """The id of the session, None while unknown."""
        return self.epochs[-1] if self.epochs else None

    @property
    def epoch(self) -> int:
        """Which session of several this is, counted from 0."""
        return max(len(self.epochs) - 1, 0)

    @property
    def user(self) -> FragmentTimeline:
        """What the user said."""
        return self._side("user")

    @property
    def assistant(self) -> FragmentTimeline:
        """What the model said."""
        return self._side("assistant")

    def _side(self, speaker: str) -> FragmentTimeline:
        said = self.said.all()
        return FragmentTimeline(
            fragments=tuple(each for each in said if each.speaker == speaker)
        )

    @property
    def clock_ms(self) -> float:
        """How far the session is, by the audio that it has sent; at least so far."""
        return self._duration_ms(self.audio.received_bytes)

    @property
    def sent_ms(self) -> float:
        """How much of the user's audio was sent in this epoch, silence included."""
        return self._duration_ms(self.audio.sent_bytes)

    def _duration_ms(self, size: int) -> float:
        shape = getattr(getattr(self.session, "audio", None), "format", None)
        kind = getattr(shape, "type", None)
        kind = kind if isinstance(kind, str) and kind in RATES else PCM
        rate = stated_audio_rate(getattr(shape, "rate", None), RATES[kind])
        return size * 1000 / (rate * BYTES_PER_SAMPLE[kind])

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
        said = self.said.all()
        latest = (each.end_ms for each in said if each.epoch == self.epoch)
        return segments(
            said,
            policy=LOSSLESS if lossless else policy,
            closed=self.state == "closed",
            # A turn is over when nothing follows it, also where nobody says a word.
            silent_ms=max(0, self.clock_ms - max(latest, default=self.clock_ms)),
        )

    def overlaps(self) -> tuple[Overlap, ...]:
        """Return the spans in which both spoke: perhaps the user broke in."""
        return overlaps(self.said.all())

    def transcript(self) -> tuple[tuple[str, str], ...]:
        """Return who said what, in order of beginning; nothing is left out."""
        made = segments(self.said.all(), policy=LOSSLESS, closed=True)
        made = tuple(sorted(made, key=lambda each: (each.epoch, each.start_ms)))
        return tuple((each.speaker, each.text.strip()) for each in made)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, without what is secret."""
        return pack_live_snapshot(self)

    @classmethod
    def from_dict(cls, packed: Mapping[str, Any]) -> LiveSnapshot:
        """
        Rebuild a snapshot from what `to_dict` returned.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is none.
        """
        return cls(**unpack_live_snapshot(packed))

    def messages(self) -> tuple[dict[str, Any], ...]:
        """Return the transcript as messages of the wire, all of it."""
        return tuple(_live_snapshot_message(*line) for line in self.transcript())

    def to_messages(self) -> tuple[dict[str, Any], ...]:
        """
        Return the latest of the transcript as ``input`` of a new session.

        It stays within what the service takes; text is never cut in the middle
        of what one side said.
        """
        return recent_messages(self.messages())


def recent_messages(messages: Sequence[Any]) -> tuple[Any, ...]:
    """
    Return the latest of some messages, as many as a session may begin with.

    Args:
        messages: of the wire, oldest first; one that is too long itself, and what is
            older, is left out.
    """
    kept: list[Any] = []
    left = HISTORY_TOKENS
    for message in reversed(messages):
        size = sum(map(_live_snapshot_part_size, message.get("content") or ()))
        left -= ceil(size / BYTES_PER_TOKEN) + MESSAGE_TOKENS
        if left < 0 or len(kept) == HISTORY_MESSAGES:
            break
        kept.append(message)
    return tuple(reversed(kept))


def _live_snapshot_part_size(part: Any) -> int:
    text = part.get("text") if isinstance(part, Mapping) else None
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0


def _live_snapshot_message(speaker: str, text: str) -> dict[str, Any]:
    kind = "input_text" if speaker == "user" else "output_text"
    part = {"type": kind, "text": text}
    return {"type": "message", "role": speaker, "content": [part]}
