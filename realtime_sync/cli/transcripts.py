"""What was said in a file, and how it is written down: text, SRT, WebVTT."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define

if TYPE_CHECKING:
    from .. import Session
    from ..dispatch.notices import ConnectionEnded
    from ..protocol import events
    from ..types import Unset


GRACE = 0.2


@define
class Segment:
    """
    One turn of speech.

    Attributes:
        start, end: seconds from the beginning of the file.
        text: what was said; None while it is not known.
        failed: why it will not be known.
    """

    start: float
    end: float
    text: str | None = None
    failed: str = ""


class Segments:
    """
    Collects the turns that a transcription session finds.

    Args:
        session: not used for anything else.
        length: seconds of the file; no segment ends later.
        changed: called after each transcript, in the dispatcher thread.

    Attributes:
        length: as given.
    """

    def __init__(
        self, session: Session, length: float, changed: Callable[[], Any] = lambda: None
    ) -> None:
        self.length = length
        self._told = changed
        # Guards the segments, and wakes whoever waits for transcripts.
        self._changed = threading.Condition()
        self._segments: dict[str, Segment] = {}
        self._heard = time.monotonic()
        self._over = False
        session.on("input_audio_buffer.speech_started", self._started)
        session.on("input_audio_buffer.speech_stopped", self._stopped)
        session.on("input_audio_buffer.committed", self._committed)
        session.on(
            "conversation.item.input_audio_transcription.completed", self._completed
        )
        session.on("conversation.item.input_audio_transcription.failed", self._failed)
        # Notices come behind the events that were received before the loss.
        session.on("connection.lost", self._ended)
        session.on("connection.closed", self._ended)

    @property
    def done(self) -> list[Segment]:
        """Segments with text, in the order in which they were spoken."""
        with self._changed:
            return [each for each in self._ordered() if each.text]

    @property
    def ready(self) -> list[Segment]:
        """Segments with text, up to the first that may still get one."""
        with self._changed:
            final = itertools.takewhile(_final, self._ordered())
            return [each for each in final if each.text]

    @property
    def problems(self) -> list[str]:
        """Why segments have no text."""
        with self._changed:
            return [each.failed for each in self._segments.values() if each.failed]

    def wait(self, timeout: float) -> bool:
        """
        Wait until every segment has its text, or never will.

        It is False as soon as the connection is gone.

        Args:
            timeout: seconds without any news after which it is False.
        """
        with self._changed:
            self._heard = time.monotonic()
            while not all(map(_final, self._segments.values())):
                left = self._heard + timeout - time.monotonic()
                if left <= 0 or self._over:
                    return False
                self._changed.wait(min(left, GRACE))
        return True

    def _ordered(self) -> list[Segment]:
        return sorted(self._segments.values(), key=lambda each: each.start)

    def _segment(self, named: str | Unset) -> Segment:
        item_id = named or ""
        if item_id not in self._segments:
            last = max((each.end for each in self._segments.values()), default=0.0)
            self._segments[item_id] = Segment(last, self.length)
        return self._segments[item_id]

    def _started(self, event: events.InputAudioBufferSpeechStarted) -> None:
        with self._changed:
            segment = self._segment(event.item_id)
            segment.start = _seconds(event.audio_start_ms, segment.start)

    def _stopped(self, event: events.InputAudioBufferSpeechStopped) -> None:
        with self._changed:
            segment = self._segment(event.item_id)
            end = _seconds(event.audio_end_ms, segment.end)
            segment.end = min(end, self.length)

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        with self._changed:
            self._segment(event.item_id)

    def _completed(
        self, event: events.ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        with self._changed:
            text = str(event.transcript or "").strip()
            self._segment(event.item_id).text = text
            self._news()
        self._told()

    def _failed(
        self, event: events.ConversationItemInputAudioTranscriptionFailed
    ) -> None:
        with self._changed:
            error = getattr(event, "error", None) or None
            message = getattr(error, "message", None) or "not understood"
            self._segment(event.item_id).failed = str(message)
            self._news()
        self._told()

    def _ended(self, notice: ConnectionEnded) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _news(self) -> None:
        self._heard = time.monotonic()
        self._changed.notify_all()


def as_text(segments: Sequence[Segment]) -> str:
    """One line per segment."""
    return "".join(f"{each.text}\n" for each in segments)


def as_srt(segments: Sequence[Segment]) -> str:
    """SubRip subtitles."""
    blocks = [
        f"{number}\n{_stamp(each.start, ',')} --> {_stamp(each.end, ',')}\n"
        f"{_one_line(each.text)}\n"
        for number, each in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def as_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT subtitles."""
    blocks = [
        f"{_stamp(each.start, '.')} --> {_stamp(each.end, '.')}\n"
        f"{_escaped(_one_line(each.text))}\n"
        for each in segments
    ]
    return "\n".join(["WEBVTT\n", *blocks])


FORMATS: dict[str, Callable[[Sequence[Segment]], str]] = {
    "txt": as_text,
    "srt": as_srt,
    "vtt": as_vtt,
}
"""Ending of the file's name -> how it is written."""


def _final(segment: Segment) -> bool:
    return segment.text is not None or bool(segment.failed)


def _seconds(milliseconds: object, otherwise: float) -> float:
    if isinstance(milliseconds, (int, float)):
        return max(0.0, milliseconds / 1000)
    return otherwise


def _stamp(seconds: float, point: str) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _one_line(text: str | None) -> str:
    # An empty line would end the block.
    return " ".join((text or "").split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
