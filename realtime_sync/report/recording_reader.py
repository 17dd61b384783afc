"""From the lines of a recording: the turns, their times, and both sides as audio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, ClassVar, Optional

from ..protocol.registry import canonical
from ..state.latency import SpeechEnd, Turn
from ..types import JsonObject
from .sound import Stretch, Track, audio_kind, decoded_sound

TRANSLATION: Mapping[str, str] = {
    "session.input_audio_buffer.append": "input_audio_buffer.append",
    "session.output_audio.delta": "response.output_audio.delta",
}
"""Events of translation sessions, and the ones that they are drawn like."""

LONGEST_BLOCK = 0.2
"""Seconds of audio that a microphone gives at once, at most."""

TOLD = ("created", "first_text", "first_audio", "done")
"""Moments that `turn.finished` tells of."""


class Listener:
    """
    Follows a session frame by frame, in either dialect.

    Attributes:
        turns: in the order of their responses.
        user, server: both sides.
        marks: when the user interrupted, in seconds.
        sounds: audio of items, by item id: samples, format, rate.
        at: when items were first heard of, by item id.
        committed: when the user's items were committed, by item id.
        cut: when the program had an item truncated or deleted, by item id.
        session: the last session resource.
        lead: seconds by which the user's audio was ahead of the clock at most.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.user, self.server = Track(), Track()
        self.marks: list[float] = []
        self.sounds: dict[str, tuple[bytearray, str, int]] = {}
        self.at: dict[str, float] = {}
        self.committed: dict[str, float] = {}
        self.cut: dict[str, float] = {}
        self._configured({})
        self.lead = 0.0
        self._waiting: Optional[Turn] = None
        self._answer_of: dict[str, Turn] = {}
        self._input = bytearray()
        self._speech: dict[str, tuple[Optional[int], Optional[int]]] = {}
        self._consumed = 0
        self._pending_item: Any = None
        self._speaking = SpeechEnd()

    def note(self, at: float, notice: object) -> None:
        """
        Take what the library reported.

        The times of a turn are those that the session told of while it was live, so
        that everybody reads the same figures. Without them, as in recordings of
        others, those of the frames count, by the same definition.
        """
        if not isinstance(notice, Mapping):
            return
        if notice.get("type") == "recording.snapshot":
            self._begun(notice.get("snapshot"))
        if notice.get("type") != "turn.finished":
            return
        turn = self._turn(notice.get("response_id"))
        done_ms = _figure_of_recording(notice.get("done_ms"))
        if turn is None or done_ms is None:
            return
        turn.start = start = turn.moments.get("done", at) - done_ms / 1000
        if "speech_end" in turn.moments:
            turn.moments["speech_end"] = start
        for name in TOLD:
            after = _figure_of_recording(notice.get(f"{name}_ms"))
            if after is not None:
                turn.moments[name] = start + after / 1000

    def hear(self, at: float, frame: object) -> None:
        """Take one frame, of either direction."""
        if not isinstance(frame, Mapping):
            return
        kind = str(frame.get("type"))
        step = self._STEPS.get(kind)
        if step is None:
            step = self._STEPS.get(TRANSLATION.get(kind, canonical(kind)))
        if step is not None:
            step(self, at, frame)

    def _begun(self, snapshot: object) -> None:
        """A recording that begins late says which formats were in force."""
        session = snapshot.get("session") if isinstance(snapshot, Mapping) else None
        if isinstance(session, Mapping):
            self._configured(session)

    def _configured(self, session: Any) -> None:
        self.session = session
        self._input_kind = audio_kind(session, "input")
        self._output_kind = audio_kind(session, "output")

    # -- the user ------------------------------------------------------------------

    def _session(self, at: float, frame: JsonObject) -> None:
        self._configured(frame.get("session") or {})

    def _append(self, at: float, frame: JsonObject) -> None:
        data, kind = decoded_sound(frame.get("audio")), self._input_kind
        if not data:
            return
        # A microphone gives a block when it was spoken; a long one is none of its.
        spoken = len(data) / (kind[1] * (2 if kind[0] == "pcm16" else 1))
        began = max(0.0, at - spoken) if spoken <= LONGEST_BLOCK else at
        self.user.put(began, data, kind, gap=1.0)
        self.lead = max(self.lead, self.user.end - began)
        self._input += data
        self._speaking.sent(at, data, *kind)

    def _clear(self, at: float, frame: JsonObject) -> None:
        self._consumed = len(self._input)

    def _started(self, at: float, frame: JsonObject) -> None:
        item_id = str(frame.get("item_id"))
        self.at.setdefault(item_id, at)
        self._speech[item_id] = (
            _number_of_recording(frame.get("audio_start_ms")),
            None,
        )
        if self.server.stretches and self.server.end > at:
            self.marks.append(at)

    def _stopped(self, at: float, frame: JsonObject) -> None:
        item_id = str(frame.get("item_id"))
        start, _ = self._speech.get(item_id, (None, None))
        self._speech[item_id] = (start, _number_of_recording(frame.get("audio_end_ms")))
        turn = self._new_turn(at, item_id)
        turn.start = turn.moments["speech_end"] = self._speaking.take(at)

    def _committed(self, at: float, frame: JsonObject) -> None:
        item_id = str(frame.get("item_id"))
        self.at.setdefault(item_id, at)
        turn = self._waiting
        if turn is None or turn.item_id != item_id:
            turn = self._new_turn(at, item_id)
        if "speech_end" not in turn.moments:
            turn.start = turn.moments["speech_end"] = self._speaking.take(at)
        turn.moments["committed"] = self.committed[item_id] = at
        kind = self._input_kind
        start, end = self._bounds(item_id, kind)
        if end > start:
            self.sounds[item_id] = (self._input[start:end], *kind)
        self._consumed = len(self._input)

    def _bounds(self, item_id: str, kind: tuple[str, int]) -> tuple[int, int]:
        """Where the audio of an item is in all that was sent, in bytes."""
        start_ms, end_ms = self._speech.get(item_id, (None, None))
        if start_ms is None or end_ms is None:
            return self._consumed, len(self._input)
        width = 2 if kind[0] == "pcm16" else 1
        per_ms = kind[1] * width / 1000
        return (
            int(start_ms * per_ms) // width * width,
            int(end_ms * per_ms) // width * width,
        )

    def _create(self, at: float, frame: JsonObject) -> None:
        item = frame.get("item")
        if isinstance(item, Mapping) and isinstance(item.get("id"), str):
            self._keep_sound(item["id"], item)
        elif isinstance(item, Mapping):
            self._pending_item = item

    def _added(self, at: float, frame: JsonObject) -> None:
        item = frame.get("item")
        if not isinstance(item, Mapping):
            return
        item_id = str(item.get("id"))
        self.at.setdefault(item_id, at)
        pending, own = self._pending_item, item.get("role") == "user"
        if pending is not None and own and item_id not in self._speech:
            self._keep_sound(item_id, pending)
            self._pending_item = None

    def _keep_sound(self, item_id: str, item: JsonObject) -> None:
        parts = item.get("content")
        for part in parts if isinstance(parts, list) else ():
            data = (
                decoded_sound(part.get("audio")) if isinstance(part, Mapping) else b""
            )
            if data:
                self.sounds[item_id] = (bytearray(data), *self._input_kind)

    # -- the server ----------------------------------------------------------------

    def _asked(self, at: float, frame: JsonObject) -> None:
        if self._waiting is None:
            self._new_turn(at, None)

    def _created(self, at: float, frame: JsonObject) -> None:
        response = frame.get("response")
        response = response if isinstance(response, Mapping) else {}
        turn, self._waiting = self._waiting, None
        if turn is None:
            turn = Turn(start=at)
        turn.response_id = str(response.get("id"))
        turn.moments["created"] = at
        self.turns.append(turn)

    def _text(self, at: float, frame: JsonObject) -> None:
        turn = self._turn(frame.get("response_id"))
        if turn is not None:
            turn.moments.setdefault("first_text", at)

    def _audio(self, at: float, frame: JsonObject) -> None:
        turn = self._turn(frame.get("response_id"))
        if turn is not None:
            turn.moments.setdefault("first_audio", at)
            self._answer_of[str(frame.get("item_id"))] = turn
        data, kind = decoded_sound(frame.get("delta")), self._output_kind
        item_id = str(frame.get("item_id"))
        if data:
            # It comes faster than it is played: what comes early waits.
            self.server.put(at, data, kind, item_id=item_id)
            self.sounds.setdefault(item_id, (bytearray(), *kind))[0].extend(data)

    def _played(self, at: float, frame: JsonObject) -> None:
        turn = self._turn(frame.get("response_id"))
        if turn is not None:
            turn.moments.setdefault("played", at)

    def finish(self) -> None:
        """Note when answers were played where the server did not say so."""
        for turn in self.turns:
            ends = [
                stretch.end
                for stretch in self.server.stretches
                if self._answer_of.get(str(stretch.item_id)) is turn
            ]
            if ends:
                turn.moments.setdefault("played", max(ends))

    def _cut(self, at: float, frame: JsonObject) -> None:
        self.cut.setdefault(str(frame.get("item_id")), at)

    def _truncated(self, at: float, frame: JsonObject) -> None:
        self._cut(at, frame)
        item_id, heard = frame.get("item_id"), _number_of_recording(
            frame.get("audio_end_ms")
        )
        if heard is None:
            return
        left = heard / 1000
        for stretch in self.server.stretches:
            if stretch.item_id == item_id:
                length = stretch.end - stretch.start
                stretch.cut(left)
                left = max(0.0, left - length)
        self._closed_up(self.server.stretches)

    def _deleted(self, at: float, frame: JsonObject) -> None:
        """An interruption deletes what was not heard; later, what was heard stays."""
        for stretch in self.server.stretches:
            if stretch.item_id == frame.get("item_id") and at < stretch.end:
                stretch.cut(0.0)
        self._closed_up(self.server.stretches)

    def _closed_up(self, stretches: list[Stretch]) -> None:
        self.server.stretches = [each for each in stretches if each.data]

    def _done(self, at: float, frame: JsonObject) -> None:
        response = frame.get("response")
        if not isinstance(response, Mapping):
            return
        turn = self._turn(response.get("id"))
        if turn is None:
            turn = Turn(start=at, response_id=str(response.get("id")))
            self.turns.append(turn)
        turn.moments["done"] = at
        turn.status = str(response.get("status") or "")
        turn.usage = response.get("usage")
        details = response.get("status_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        turn.interrupted = reason == "turn_detected"

    def _new_turn(self, at: float, item_id: Optional[str]) -> Turn:
        self._waiting = Turn(start=at, item_id=item_id)
        return self._waiting

    def _turn(self, response_id: object) -> Optional[Turn]:
        for turn in reversed(self.turns):
            if turn.response_id == response_id:
                return turn
        return None

    # Not bound to a listener: with that circle, its sound would live on after it.
    _STEPS: ClassVar[Mapping[str, Callable[[Listener, float, JsonObject], None]]] = {
        "session.created": _session,
        "session.updated": _session,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.clear": _clear,
        "input_audio_buffer.speech_started": _started,
        "input_audio_buffer.speech_stopped": _stopped,
        "input_audio_buffer.committed": _committed,
        "conversation.item.create": _create,
        "conversation.item.added": _added,
        "conversation.item.truncate": _cut,
        "conversation.item.delete": _cut,
        "conversation.item.truncated": _truncated,
        "conversation.item.deleted": _deleted,
        "response.create": _asked,
        "response.created": _created,
        "response.output_text.delta": _text,
        "response.output_audio_transcript.delta": _text,
        "response.output_audio.delta": _audio,
        "output_audio_buffer.stopped": _played,
        "output_audio_buffer.cleared": _played,
        "response.done": _done,
    }


def _figure_of_recording(value: object) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if isfinite(value) else None


def _number_of_recording(value: object) -> Optional[int]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value)
