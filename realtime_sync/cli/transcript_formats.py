"""What was said in a file, and how it is written down: text, SRT, WebVTT."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve, frozen

from ..protocol import events
from ..types import Unset

if TYPE_CHECKING:
    from .. import Session
    from ..dispatch.notices import ConnectionEnded

GRACE = 0.2
"""Seconds between two looks at what is still missing."""


@frozen
class TranscribedSegment:
    """
    Something that was said.

    Attributes:
        start, end: seconds from the beginning of the file.
        text: what was said.
        speaker: who said it, where the server tells voices apart.
    """

    start: float
    end: float
    text: str
    speaker: str = ""


@define
class _TranscribedTurn:
    """
    One turn of speech, as far as the server has told.

    Attributes:
        start, end: seconds from the beginning of the file.
        ended: whether the end is the server's word.
        text: what was said; None while it is not known.
        failed: why it will not be known.
        parts: times and speakers within the turn, from servers that tell them;
            their times are as they came.
    """

    start: float
    end: float
    ended: bool = False
    text: str | None = None
    failed: str = ""
    parts: list[TranscribedSegment] = Factory(list)

    @property
    def final(self) -> bool:
        return self.text is not None or bool(self.failed)

    @property
    def segments(self) -> list[TranscribedSegment]:
        """What is to be written of it."""
        if not self.text:
            return []
        if not self.parts:
            return [TranscribedSegment(self.start, self.end, self.text)]
        # Some count from the beginning of the turn, some from that of the audio; the
        # former cannot count further than the turn is long.
        last = max(each.end for each in self.parts)
        offset = self.start if last <= self.end - self.start + 0.5 else 0.0
        return [
            evolve(each, start=each.start + offset, end=each.end + offset)
            for each in self.parts
        ]


class TranscriptSegments:
    """
    Collects what a transcription session hears.

    Args:
        session: not used for anything else.
        length: seconds of the file; no segment ends later.
        changed: called with what is new, in the dispatcher thread.
        kept: what was recognized at another time.
        begin: seconds of the file before which nothing is sent.

    Attributes:
        length: as given.
    """

    def __init__(
        self,
        session: Session,
        length: float,
        changed: Callable[[Sequence[TranscribedSegment]], object] = lambda new: None,
        *,
        kept: Sequence[TranscribedSegment] = (),
        begin: float = 0.0,
    ) -> None:
        self.length = length
        self._told = changed
        self._kept = list(kept)
        self._begin = begin
        # Guards the turns, and wakes whoever waits for transcripts.
        self._changed = threading.Condition()
        self._turns: dict[str, _TranscribedTurn] = {}
        self._heard = time.monotonic()
        self._over = False
        session.on("input_audio_buffer.speech_started", self._started)
        session.on("input_audio_buffer.speech_stopped", self._stopped)
        session.on("input_audio_buffer.committed", self._committed)
        # By pattern: a dialect that lacks one of them is no reason to warn.
        session.on("conversation.item.input_audio_transcription.*", self._transcribed)
        # Notices come behind the events that were received before the loss.
        session.on("connection.lost", self._ended)
        session.on("connection.closed", self._ended)

    @property
    def done(self) -> list[TranscribedSegment]:
        """Everything that is known, in the order in which it was spoken."""
        with self._changed:
            return self._written(self._ordered())

    @property
    def ready(self) -> list[TranscribedSegment]:
        """The beginning, up to the first turn that may still get its text."""
        with self._changed:
            return self._written(itertools.takewhile(_final_text, self._ordered()))

    @property
    def passed(self) -> float:
        """Seconds of the file before which nothing is awaited any more."""
        with self._changed:
            return self._until(_final_text)

    @property
    def recognized(self) -> float:
        """Seconds of the file before which everything has its text."""
        with self._changed:
            return self._until(lambda turn: turn.text is not None and turn.ended)

    @property
    def problems(self) -> list[str]:
        """Why turns have no text."""
        with self._changed:
            return [each.failed for each in self._turns.values() if each.failed]

    def wait(self, timeout: float) -> bool:
        """
        Wait until every turn has its text, or never will.

        It is False as soon as the connection is gone.

        Args:
            timeout: seconds without any news after which it is False.
        """
        with self._changed:
            self._heard = time.monotonic()
            while not all(map(_final_text, self._turns.values())):
                left = self._heard + timeout - time.monotonic()
                if left <= 0 or self._over:
                    return False
                self._changed.wait(min(left, GRACE))
        return True

    def _written(self, turns: Iterable[_TranscribedTurn]) -> list[TranscribedSegment]:
        return self._kept + [one for turn in turns for one in turn.segments]

    def _until(self, passed: Callable[[_TranscribedTurn], bool]) -> float:
        until = self._begin
        for turn in self._ordered():
            if not passed(turn):
                return max(until, turn.start)
            until = turn.end
        return until

    def _ordered(self) -> list[_TranscribedTurn]:
        return sorted(self._turns.values(), key=lambda each: each.start)

    def _turn(self, named: str | Unset) -> _TranscribedTurn:
        item_id = named or ""
        if item_id not in self._turns:
            ends = (each.end for each in self._turns.values())
            self._turns[item_id] = _TranscribedTurn(
                max(ends, default=self._begin), self.length
            )
        return self._turns[item_id]

    def _seconds(self, milliseconds: object, otherwise: float) -> float:
        if isinstance(milliseconds, (int, float)):
            return self._begin + _subtitle_seconds(milliseconds) / 1000
        return otherwise

    def _started(self, event: events.InputAudioBufferSpeechStarted) -> None:
        with self._changed:
            turn = self._turn(event.item_id)
            turn.start = self._seconds(event.audio_start_ms, turn.start)

    def _stopped(self, event: events.InputAudioBufferSpeechStopped) -> None:
        with self._changed:
            turn = self._turn(event.item_id)
            turn.ended = isinstance(event.audio_end_ms, (int, float))
            turn.end = min(self._seconds(event.audio_end_ms, turn.end), self.length)

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        with self._changed:
            self._turn(event.item_id)

    def _transcribed(self, event: events.ServerEvent) -> None:
        if isinstance(event, events.ConversationItemInputAudioTranscriptionSegment):
            self._segment(event)
        elif isinstance(event, events.ConversationItemInputAudioTranscriptionCompleted):
            self._completed(event)
        elif isinstance(event, events.ConversationItemInputAudioTranscriptionFailed):
            self._failed(event)

    def _segment(
        self, event: events.ConversationItemInputAudioTranscriptionSegment
    ) -> None:
        text, start, end = event.text, event.start, event.end
        if isinstance(start, Unset) or isinstance(end, Unset) or not text:
            return
        with self._changed:
            times = _subtitle_seconds(start), _subtitle_seconds(end)
            part = TranscribedSegment(*times, text.strip(), event.speaker or "")
            self._turn(event.item_id).parts.append(part)

    def _completed(
        self, event: events.ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        with self._changed:
            turn = self._turn(event.item_id)
            turn.text = str(event.transcript or "").strip()
            new = turn.segments
            self._news()
        self._told(new)

    def _failed(
        self, event: events.ConversationItemInputAudioTranscriptionFailed
    ) -> None:
        with self._changed:
            error = getattr(event, "error", None) or None
            message = getattr(error, "message", None) or "not understood"
            self._turn(event.item_id).failed = str(message)
            self._news()
        self._told([])

    def _ended(self, notice: ConnectionEnded) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _news(self) -> None:
        self._heard = time.monotonic()
        self._changed.notify_all()


def transcript_words(segment: TranscribedSegment) -> str:
    """What was said, and by whom if that is known."""
    if segment.speaker:
        return f"{segment.speaker}: {segment.text}"
    return segment.text


def transcript_text(segments: Sequence[TranscribedSegment]) -> str:
    """One line per segment."""
    return "".join(f"{transcript_words(each)}\n" for each in segments)


def transcript_srt(segments: Sequence[TranscribedSegment]) -> str:
    """SubRip subtitles."""
    blocks = [
        f"{number}\n{_subtitle_times(each, ',')}\n"
        f"{_subtitle_line(transcript_words(each))}\n"
        for number, each in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def transcript_vtt(segments: Sequence[TranscribedSegment]) -> str:
    """WebVTT subtitles."""
    blocks = [
        f"{_subtitle_times(each, '.')}\n"
        f"{_subtitle_voice(each)}{_escaped_subtitle(_subtitle_line(each.text))}\n"
        for each in segments
    ]
    return "\n".join(["WEBVTT\n", *blocks])


FORMATS: dict[str, Callable[[Sequence[TranscribedSegment]], str]] = {
    "txt": transcript_text,
    "srt": transcript_srt,
    "vtt": transcript_vtt,
}
"""Ending of the file's name -> how it is written."""


def _final_text(turn: _TranscribedTurn) -> bool:
    return turn.final


def _subtitle_seconds(number: float) -> float:
    """A time that can be written down, whatever the server says."""
    return max(0.0, min(number, 1e12))


def _subtitle_voice(segment: TranscribedSegment) -> str:
    return (
        f"<v {_escaped_subtitle(_subtitle_line(segment.speaker))}>"
        if segment.speaker
        else ""
    )


def _subtitle_times(segment: TranscribedSegment, point: str) -> str:
    start, end = segment.start, segment.end
    return f"{_subtitle_time(start, point)} --> {_subtitle_time(end, point)}"


def _subtitle_time(seconds: float, point: str) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _subtitle_line(text: str) -> str:
    # An empty line would end the block.
    return " ".join(text.split())


def _escaped_subtitle(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
