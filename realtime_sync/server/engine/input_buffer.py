"""
The input audio buffer: arithmetic, voice activity, committing, transcribing.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import Any, Callable, Iterator, Optional

import attrs

from .context import EngineContext, EngineJob
from .conversation import ConversationClip, ConversationEntry
from .refusal import Refusal, refuse_empty_commit
from .sound import (
    NATIVE_RATE,
    SoundFormat,
    expand_sound,
    from_native_sound,
    to_native_sound,
)
from .turns import Boundary, Started, TurnDetector, TurnRules

MINIMUM_MS = 100
IDLE_SILENCE_MS = 100


@attrs.define(eq=False)
class InputBuffer:
    """
    Audio since the last commit, addressed by milliseconds since the session began.

    Attributes:
        form: format of the bytes.
        starts_ms: where the first byte stands.
    """

    form: SoundFormat
    starts_ms: float = 0.0
    data: bytearray = attrs.field(factory=bytearray)

    @property
    def ms(self) -> float:
        """How much is in it."""
        return self.form.milliseconds(len(self.data))

    @property
    def ends_ms(self) -> float:
        """Where the stream stands."""
        return self.starts_ms + self.ms

    def drop_before(self, at_ms: float) -> None:
        """Forget what comes before *at_ms*."""
        ahead = max(0.0, at_ms - self.starts_ms)
        size = min(self.form.offset(ahead), len(self.data))
        del self.data[:size]
        self.starts_ms += self.form.milliseconds(size)

    def take(self, until_ms: Optional[float] = None) -> bytes:
        """Remove and return everything up to *until_ms*."""
        size = len(self.data)
        if until_ms is not None:
            size = min(size, self.form.offset(max(0.0, until_ms - self.starts_ms)))
        taken = bytes(self.data[:size])
        del self.data[:size]
        self.starts_ms += self.form.milliseconds(size)
        return taken

    def change_format(self, form: SoundFormat) -> None:
        """Go on in another format; what is in it is converted."""
        if form is not self.form:
            end = self.ends_ms
            self.data = bytearray(
                from_native_sound(to_native_sound(bytes(self.data), self.form), form)
            )
            self.form = form
            self.starts_ms = max(0.0, end - self.ms)


class EngineInputAudio:
    """
    Everything about the user's audio.

    Args:
        context: the session.
        interrupted: called when speech begins that may interrupt a response.
        answer: called after a turn that asks for a response.
    """

    def __init__(
        self,
        context: EngineContext,
        *,
        interrupted: Callable[[], None],
        answer: Callable[[], None],
    ) -> None:
        self._context = context
        self._interrupted = interrupted
        self._answer = answer
        self._detector = TurnDetector(context.agent.activity())
        self._reserved: Optional[str] = None
        self.buffer = InputBuffer(context.config.input_format)
        self.hearing: set[str] = set()
        self._jobs: deque[EngineJob] = deque()
        self._waiting: list[tuple[set[str], Callable[[], None]]] = []
        self._late: list[Callable[[], None]] = []

    # -- commands --------------------------------------------------------------

    def configured(self) -> None:
        """Take over what ``session.update`` changed."""
        self.buffer.change_format(self._context.config.input_format)
        if self._context.config.turn_detection is None:
            self._detector.reset()
            self._reserved = None

    def append(self, audio: bytes) -> None:
        """Write audio, and find turns in it."""
        begins = self.buffer.ends_ms
        self.buffer.data += audio
        turns = self._context.config.turn_detection
        if turns is not None:
            rules = TurnRules.of(turns)
            form = self.buffer.form
            # All of the piece is heard before a turn may be refused.
            for boundary in list(self._detector.feed(audio, form, begins, rules)):
                self._turn(boundary)
        excess = self.buffer.ms - self._context.options.max_buffer_ms
        if excess > 0:
            self.buffer.drop_before(self.buffer.starts_ms + excess)

    def clear(self) -> None:
        """Forget everything that was not committed."""
        self.buffer.take()
        self._detector.reset()
        self._reserved = None
        self._context.emit("input_audio_buffer.cleared")

    def commit(self) -> None:
        """
        Make an item out of the buffer, as the client asks; never a response.

        Raises:
            Refusal: there is less than 100 ms in it.
        """
        if self.buffer.ms < MINIMUM_MS:
            raise refuse_empty_commit(self.buffer.ms)
        self._detector.finish_turn()
        self._commit(self.buffer.take())

    # -- turns -----------------------------------------------------------------

    def _turn(self, boundary: Boundary) -> None:
        turns = self._context.config.turn_detection or {}
        if isinstance(boundary, Started):
            self._reserved = self._context.ids.new("item")
            start = max(boundary.ms, math.ceil(self.buffer.starts_ms))
            self.buffer.drop_before(start)
            self._context.emit(
                "input_audio_buffer.speech_started",
                audio_start_ms=start,
                item_id=self._reserved,
            )
            if turns.get("interrupt_response"):
                self._interrupted()
            return
        self._context.emit(
            "input_audio_buffer.speech_stopped",
            audio_end_ms=boundary.ms,
            item_id=self._reserved,
        )
        self._commit(self.buffer.take(boundary.ms))
        if turns.get("create_response"):
            self._answer()

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn."""
        return self._detector.speaking

    def idle(self) -> None:
        """The user has been silent for ``idle_timeout_ms``: ask for a response."""
        start, end = round(self.buffer.starts_ms), round(self.buffer.ends_ms)
        self._reserved = self._context.ids.new("item")
        self._context.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=start,
            audio_end_ms=end,
            item_id=self._reserved,
        )
        silence = self.buffer.take()
        if not silence:
            pcm = bytes(NATIVE_RATE // 1000 * 2 * IDLE_SILENCE_MS)
            silence = from_native_sound(pcm, self.buffer.form)
        self._commit(silence)
        self._answer()

    def _commit(self, audio: bytes) -> None:
        context = self._context
        item_id = self._reserved or context.ids.new("item")
        self._reserved = None
        item = {
            "id": item_id,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        entry = ConversationEntry(item, {0: ConversationClip(audio, self.buffer.form)})
        context.check_room(entry)
        previous = context.conversation.last_id()
        context.emit(
            "input_audio_buffer.committed", previous_item_id=previous, item_id=item_id
        )
        context.conversation.append(entry)
        context.emit(
            "conversation.item.added", previous_item_id=previous, item=entry.wire()
        )
        context.emit(
            "conversation.item.done", previous_item_id=previous, item=entry.wire()
        )
        self.hear(entry)

    # -- transcription ---------------------------------------------------------

    def hear(self, entry: ConversationEntry) -> None:
        """Let the agent's recognizer work on an item with user audio."""
        recognizer = self._context.agent.recognizer
        clip = entry.clips.get(0) or next(iter(entry.clips.values()))
        if recognizer is None:
            self._heard(entry, None, None)
            return
        # The settings of this moment hold, whatever comes while it works.
        pcm, form = clip.data, clip.form
        transcribe = recognizer.transcribe

        def work() -> Iterator[str]:
            yield transcribe(expand_sound(pcm, form), form.rate)

        words: list[str] = []

        def finish(error: Optional[BaseException]) -> None:
            self._jobs.popleft()
            if self._jobs:
                self._context.submit(self._jobs[0])
            self._heard(entry, "".join(words), error)

        self.hearing.add(entry.id)
        # One after the other: the transcripts of a test come in the same order always.
        self._jobs.append(EngineJob("hear " + entry.id, work, words.append, finish))
        if len(self._jobs) == 1:
            self._context.submit(self._jobs[0])

    def _heard(
        self,
        entry: ConversationEntry,
        words: Optional[str],
        error: Optional[BaseException],
    ) -> None:
        entry.heard = words if error is None else None
        wanted = self._context.config.heard.get("transcription") is not None
        if wanted and words is not None:
            if self._context.options.transcripts == "late":
                self._late.append(lambda: self._announce(entry, words, error))
            else:
                self._announce(entry, words, error)
        self.hearing.discard(entry.id)
        for pending, ready in list(self._waiting):
            pending.discard(entry.id)
            if not pending:
                self._waiting.remove((pending, ready))
                ready()

    def when_heard(self, item_ids: set[str], ready: Callable[[], None]) -> None:
        """Call *ready* as soon as the recognizer is done with those items."""
        pending = item_ids & self.hearing
        if pending:
            self._waiting.append((pending, ready))
        else:
            ready()

    def release_late(self) -> None:
        """Send the transcripts that were held back until a response ended."""
        late, self._late = self._late, []
        for announce in late:
            announce()

    def _announce(
        self, entry: ConversationEntry, words: str, error: Optional[BaseException]
    ) -> None:
        prefix = "conversation.item.input_audio_transcription."
        index = next(iter(entry.clips))
        place: dict[str, Any] = {"item_id": entry.id, "content_index": index}
        if error is not None:
            details = {
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": f"The audio could not be transcribed: {error}",
                "param": None,
            }
            self._context.emit(prefix + "failed", **place, error=details)
            return
        entry.item["content"][index]["transcript"] = words
        settings = self._context.config.heard.get("transcription") or {}
        for piece in _pieces_of_input_transcript(words, settings.get("model")):
            self._context.emit(prefix + "delta", **place, delta=piece)
        seconds = math.ceil(entry.audio_ms / 1000)
        usage = {"type": "duration", "seconds": seconds}
        self._context.emit(prefix + "completed", **place, transcript=words, usage=usage)


def _pieces_of_input_transcript(words: str, model: Optional[str]) -> list[str]:
    """Cut a transcript as its model does: whisper says all of it at once."""
    if (model or "").startswith("whisper"):
        return [words] if words else []
    return re.findall(r"\S+\s*|\s+", words)


def check_input_buffer_size(audio: bytes, limit: int) -> None:
    """
    Hold one append against its limit.

    Raises:
        Refusal: it is longer.
    """
    if len(audio) > limit:
        raise Refusal(
            f"Invalid 'audio': at most {limit} bytes may be appended at once, but got "
            f"{len(audio)}.",
            code="invalid_value",
            param="audio",
        )
