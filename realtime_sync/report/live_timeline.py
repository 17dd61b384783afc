"""The story of a live session: two timelines, what was delegated, what it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Optional

from ..state.latency import Turn
from ..telemetry import Tokens
from ..types import JsonObject
from .sound import Track, audio_kind, decoded_sound
from .timeline import Story, Utterance

if TYPE_CHECKING:
    from .. import live

SILENCES = 20.0
"""Seconds of the model's audio that a pause may last and still be one stretch."""


class LiveListener:
    """
    Follows a live session frame by frame.

    The clock of such a session is the audio that it was sent, so what a segment
    sounds like is where its times are in all that was sent, or received.

    Attributes:
        user, server: both sides.
        lead: seconds by which the user's audio was ahead of the clock at most.
        begun: when the audio of each session began, one after another, in seconds.
        answered: when that of the model did.
    """

    def __init__(self) -> None:
        self.user, self.server = Track(), Track()
        self.lead = 0.0
        self.begun: list[Optional[float]] = []
        self.answered: list[Optional[float]] = []
        self._session: Any = {}
        self._name: object = None
        # Bytes of each session, and how many there were before the recording began.
        self._sent: list[bytearray] = []
        self._received: list[bytearray] = []
        self._before: list[tuple[int, int]] = []
        self._early: list[tuple[float, JsonObject]] = []

    def note(self, at: float, notice: object) -> None:
        """A recording that begins late says where the session is by then."""
        if isinstance(notice, Mapping) and notice.get("type") == "recording.snapshot":
            snapshot = notice.get("snapshot")
            if isinstance(snapshot, Mapping) and not self.begun:
                self._started(at, snapshot)
                self._resumed(snapshot)

    def _resumed(self, snapshot: JsonObject) -> None:
        """Count what the session had been sent before the recording began."""
        epochs, audio = snapshot.get("epochs"), snapshot.get("audio")
        if not self.begun or not isinstance(audio, Mapping):
            return
        for _ in epochs[1:] if isinstance(epochs, (list, tuple)) else ():
            # Sessions whose place this one took: nothing of them was recorded.
            self._begin()
        sizes = (audio.get("sent_bytes"), audio.get("received_bytes"))
        sent, received = (each if isinstance(each, int) else 0 for each in sizes)
        self._before[-1] = sent, received
        early, self._early = self._early, []
        for at, frame in early:
            self._append(at, frame)

    def hear(self, at: float, frame: object) -> None:
        """Take one frame, of either direction."""
        if isinstance(frame, Mapping):
            step = self._STEPS.get(str(frame.get("type")))
            if step is not None:
                step(self, at, frame)

    def sound_of(self, segment: Any) -> Optional[tuple[bytes, str, int]]:
        """What a segment sounds like, None where that was not recorded."""
        if segment.epoch >= len(self.begun):
            return None
        user = segment.speaker == "user"
        sides = self._sent if user else self._received
        before = self._before[segment.epoch][0 if user else 1]
        name, rate = self._kind()
        width = 2 if name == "pcm16" else 1
        first, last = (
            max(0, int(ms * rate / 1000) * width - before)
            for ms in (segment.start_ms, segment.end_ms)
        )
        data = bytes(sides[segment.epoch][first:last])
        return (data, name, rate) if any(data) else None

    def at(self, segment: Any) -> Optional[float]:
        """When a segment begins on the time line."""
        begun = self.begun[segment.epoch] if segment.epoch < len(self.begun) else None
        return None if begun is None else begun + segment.start_ms / 1000

    def _kind(self) -> tuple[str, int]:
        # One format for both sides.
        audio = self._session.get("audio")
        return audio_kind({"audio": {"input": audio}}, "input")

    def _started(self, at: float, frame: JsonObject) -> None:
        session = frame.get("session")
        if not isinstance(session, Mapping):
            return
        self._session = session
        if not self.begun or session.get("id") != self._name:
            self._name = session.get("id")
            self._begin()

    def _begin(self) -> None:
        self.begun.append(None)
        self.answered.append(None)
        self._sent.append(bytearray())
        self._received.append(bytearray())
        self._before.append((0, 0))

    def _append(self, at: float, frame: JsonObject) -> None:
        if not self.begun:
            self._early.append((at, frame))
            return
        data, kind = decoded_sound(frame.get("audio")), self._kind()
        if not data:
            return
        per_second = kind[1] * (2 if kind[0] == "pcm16" else 1)
        spoken = len(data) / per_second
        began = max(0.0, at - spoken)
        if self.begun[-1] is None:
            self.begun[-1] = began - self._before[-1][0] / per_second
        self.user.put(began, data, kind, gap=1.0)
        self.lead = max(self.lead, self.user.end - began - spoken)
        self._sent[-1] += data

    def _delta(self, at: float, frame: JsonObject) -> None:
        data, kind = decoded_sound(frame.get("delta")), self._kind()
        if data and self.begun:
            if self.answered[-1] is None:
                per_second = kind[1] * (2 if kind[0] == "pcm16" else 1)
                self.answered[-1] = at - self._before[-1][1] / per_second
            self.server.put(at, data, kind, gap=SILENCES)
            self._received[-1] += data

    # Not bound to a listener: with that circle, its sound would live on after it.
    _STEPS: ClassVar[
        Mapping[str, Callable[[LiveListener, float, JsonObject], None]]
    ] = {
        "session.started": _started,
        "session.updated": _started,
        "session.input_audio.append": _append,
        "session.output_audio.delta": _delta,
    }


def add_live_timeline(
    story: Story, snapshot: live.LiveSnapshot, listener: Optional[LiveListener]
) -> None:
    """Tell what a live session's mirror knows, with the sound of a recording."""
    session, usage = snapshot.session, snapshot.usage
    for name in ("model", "id"):
        value = getattr(session, name, None)
        if isinstance(value, str) and value:
            story.facts.append((name, value))
    if snapshot.close_reason:
        story.facts.append(("closed", snapshot.close_reason))
    if len(snapshot.epochs) > 1:
        story.facts.append(("sessions", str(len(snapshot.epochs))))
    if usage.total_seconds:
        story.facts.append(("billed", f"{usage.total_seconds:g} s"))
    if usage.context_ratio is not None:
        story.facts.append(("context", f"{usage.context_ratio:.1%}"))
    story.utterances += _live_utterances(snapshot, listener)
    for taken, given in usage.backend.values():
        story.tokens += Tokens(total=taken + given, input=taken, output=given)
    if listener is not None:
        story.turns += _live_timeline_turns(snapshot, listener)
        story.marks += [
            began + overlap.start_ms / 1000
            for overlap in snapshot.overlaps()
            if overlap.epoch < len(listener.begun)
            and (began := listener.begun[overlap.epoch]) is not None
        ]


def _live_utterances(
    snapshot: live.LiveSnapshot, listener: Optional[LiveListener]
) -> list[Utterance]:
    """What both said and what was worked on, in order of beginning."""
    told: list[tuple[tuple[int, float], Utterance]] = []
    for segment in snapshot.grouped(lossless=True):
        place = (segment.epoch, segment.start_ms)
        said = Utterance(role=segment.speaker, text=segment.text.strip())
        if listener is not None:
            said.at, said.sound = listener.at(segment), listener.sound_of(segment)
        told.append((place, said))
    for work in snapshot.delegations.values():
        place = (work.epoch, work.offset_ms)
        told.append((place, utterance_of_work(work)))
    for added in snapshot.context:
        if added.content and added.kind != "commentary":
            refused = "" if added.acknowledged else "not taken up"
            told.append(
                (
                    (added.epoch, added.start_ms or 0),
                    Utterance("system", added.content, remark=refused),
                )
            )
    return [each for _, each in sorted(told, key=lambda pair: pair[0])]


def utterance_of_work(work: live.Delegation) -> Utterance:
    """A delegation in words: to whom, what it called, what came of it."""
    calls = [f"{each.name}({each.arguments})" for each in work.calls.values()]
    lines = [f"delegated to {work.target or 'nobody'}", *calls]
    text = "\n".join([*lines, *([f"→ {work.text}"] if work.text else [])])
    return Utterance("tool", text, work.id, remark=work.state)


def _live_timeline_turns(
    snapshot: live.LiveSnapshot, listener: LiveListener
) -> list[Turn]:
    """How long the model took to answer, by the clock of the session."""
    turns, asked = [], None
    for segment in snapshot.grouped():
        if segment.speaker == "user":
            asked = segment
        elif asked is not None and asked.epoch == segment.epoch:
            begun = listener.begun[segment.epoch : segment.epoch + 1]
            if begun and begun[0] is not None and segment.start_ms >= asked.end_ms:
                start, first, last = (
                    begun[0] + ms / 1000
                    for ms in (asked.end_ms, segment.start_ms, segment.end_ms)
                )
                moments = {"speech_end": start, "first_audio": first, "done": last}
                turns.append(Turn(start=start, status="completed", moments=moments))
            asked = None
    return turns
