"""What is audio in frames."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime_sync.protocol import audio_fields
from realtime_sync.protocol.events import InputAudioBufferAppend, ResponseAudioDelta

SOUND = base64.b64encode(bytes(7)).decode()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            {"type": "input_audio_buffer.append", "audio": SOUND},
            {"type": "input_audio_buffer.append", "audio": "<7 bytes>"},
        ),
        (
            {"type": "response.audio.delta", "delta": SOUND},
            {"type": "response.audio.delta", "delta": "<7 bytes>"},
        ),
        (
            {"item": {"content": [{"type": "input_audio", "audio": SOUND}]}},
            {"item": {"content": [{"type": "input_audio", "audio": "<7 bytes>"}]}},
        ),
    ],
)
def test_audio_is_found_where_it_stands(
    frame: dict[str, Any], expected: dict[str, Any]
) -> None:
    """In commands, in deltas of either dialect, and in parts of items."""
    assert expected == audio_fields.audio_fields_replaced(
        frame, audio_fields.shown_audio_field
    )


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "response.output_audio_transcript.delta", "delta": "Hi"},
        {"type": "response.output_text.delta", "delta": "AAAA"},
        {"session": {"audio": {"output": {"voice": "marin"}}}},
        {"modalities": ["audio"]},
    ],
)
def test_what_only_speaks_of_audio_stays(frame: dict[str, Any]) -> None:
    """Transcripts and configurations are to be read."""
    assert frame == audio_fields.audio_fields_replaced(
        frame, audio_fields.shown_audio_field
    )


def test_the_table_has_the_spellings_of_the_vocabulary() -> None:
    """An event whose class is audio is audio in the table."""
    assert ResponseAudioDelta.type in audio_fields.DELTAS
    assert InputAudioBufferAppend.type in audio_fields.BLOCKS


@pytest.mark.parametrize("kind", [[], {}, ["response.audio.delta"], None, 7, [[]]])
def test_a_type_that_is_no_text_makes_nothing_audio(kind: Any) -> None:
    """Also a list, which is in no table."""
    frame = {"type": kind, "delta": "AAAA", "part": {"type": kind, "delta": "AAAA"}}

    assert frame == audio_fields.audio_fields_replaced(
        frame, audio_fields.shown_audio_field
    )
