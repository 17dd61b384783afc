"""What is collected of a file, whatever the server tells of it, and in what order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import connect
from realtime_sync.cli.transcript_formats import (
    FORMATS,
    TranscribedSegment,
    TranscriptSegments,
)
from realtime_sync.testing import MemoryTransport

TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Heard:
    """A server that hears turns, and what is made of them."""

    def __init__(self, length: float = 10.0, **options: Any) -> None:
        self.new: list[TranscribedSegment] = []
        self.transport = MemoryTransport()
        self.session = connect("m", transport=self.transport, dispatch="inline")
        self.segments = TranscriptSegments(
            self.session, length, self.new.extend, **options
        )

    def turn(self, item: str, start: float, end: float | None) -> None:
        """Find a turn; without an end, it is committed only."""
        buffer = {"item_id": item}
        self.transport.feed(
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": int(start * 1000),
                **buffer,
            }
        )
        if end is not None:
            self.transport.feed(
                {
                    "type": "input_audio_buffer.speech_stopped",
                    "audio_end_ms": int(end * 1000),
                    **buffer,
                }
            )
        self.transport.feed({"type": "input_audio_buffer.committed", **buffer})

    def says(self, kind: str, item: str, **fields: Any) -> None:
        """Say something of what was said."""
        said = {"item_id": item, "content_index": 0, **fields}
        self.transport.feed({"type": f"{TRANSCRIPTION}.{kind}", **said})

    def text(self, item: str, text: str) -> None:
        """Say what was said."""
        self.says("completed", item, transcript=text)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Nothing yet."""
    server = Heard()
    yield server
    server.session.close()


def test_times_and_speakers_within_a_turn_are_used(heard: Heard) -> None:
    """From servers that tell them, counted from the beginning of the turn."""
    heard.turn("a", 2.0, 5.0)
    for start, end, who, text in ((0.1, 1.0, "A", "hello"), (1.2, 2.9, "B", "hi ")):
        heard.says("segment", "a", id="s", start=start, end=end, speaker=who, text=text)
    before = heard.segments.done
    heard.text("a", "hello hi")
    both = [
        TranscribedSegment(2.1, 3.0, "hello", "A"),
        TranscribedSegment(3.2, 4.9, "hi", "B"),
    ]

    assert [] == before
    assert both == heard.new == heard.segments.done
    assert "A: hello\nB: hi\n" == FORMATS["txt"](both)
    assert "<v B>hi\n" in FORMATS["vtt"](both)


def test_times_that_count_from_the_beginning_of_the_audio_are_theirs(
    heard: Heard,
) -> None:
    """A turn of three seconds has no part that ends after five."""
    heard.turn("a", 2.0, 5.0)
    heard.says("segment", "a", id="s", start=2.1, end=4.9, speaker="A", text="hi")
    heard.text("a", "hi")

    assert [TranscribedSegment(2.1, 4.9, "hi", "A")] == heard.segments.done


@pytest.mark.parametrize(
    "fields",
    [
        {"start": None, "end": None},
        {"start": "x", "end": 1.0},
        {"start": 0.0, "end": 1.0, "text": ""},
        {},
    ],
)
def test_parts_without_times_or_words_leave_the_turn_whole(
    fields: dict[str, Any], heard: Heard
) -> None:
    """Nothing is lost because a server tells half of it."""
    heard.turn("a", 2.0, 5.0)
    heard.says("segment", "a", **{"text": "hi", **fields})
    heard.text("a", "hi there")

    assert [TranscribedSegment(2.0, 5.0, "hi there")] == heard.segments.done


@pytest.mark.parametrize("end", [1e400, -1e400, 1e300, float("nan"), -5])
def test_a_time_that_is_none_can_be_written_down(end: float, heard: Heard) -> None:
    """Subtitles are made whatever a server says."""
    heard.turn("a", 1.0, 2.0)
    heard.says("segment", "a", id="s", start=0.0, end=end, speaker="A", text="hi")
    heard.text("a", "hi")
    (segment,) = heard.segments.done

    assert "hi" == segment.text
    assert all("hi" in form([segment]) for form in FORMATS.values())


def test_what_is_recognized_ends_where_something_is_missing(heard: Heard) -> None:
    """One goes on from there; how far the work is, failures do not hold up."""
    heard.turn("a", 0.0, 1.0)
    heard.turn("b", 2.0, 3.0)
    heard.turn("c", 4.0, 5.0)
    marks = [(heard.segments.recognized, heard.segments.passed)]
    heard.text("b", "two")
    heard.text("a", "one")
    marks.append((heard.segments.recognized, heard.segments.passed))
    heard.says("failed", "c", error={"message": "too quiet"})
    marks.append((heard.segments.recognized, heard.segments.passed))

    assert [(0.0, 0.0), (4.0, 4.0), (4.0, 5.0)] == marks
    assert ["one", "two"] == [each.text for each in heard.segments.ready]
    assert ["too quiet"] == heard.segments.problems


def test_an_end_that_nobody_told_is_no_place_to_go_on_from(heard: Heard) -> None:
    """The turn is given the rest of the file, and may be a second of it."""
    heard.turn("a", 1.0, None)
    heard.text("a", "one")

    assert [TranscribedSegment(1.0, 10.0, "one")] == heard.segments.done
    assert 1.0 == heard.segments.recognized


def test_times_go_on_where_the_sound_does() -> None:
    """What is heard again counts from the second at which it begins."""
    kept = TranscribedSegment(0.0, 2.0, "one")
    server = Heard(kept=[kept], begin=2.0)
    server.turn("a", 1.0, 3.0)
    server.text("a", "two")

    assert [kept, TranscribedSegment(3.0, 5.0, "two")] == server.segments.done
    assert 5.0 == server.segments.recognized
    server.session.close()
