"""Audio that is decoded when it is first read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.protocol import events, items
from realtime_sync.protocol.codec import Codec, to_mapping
from realtime_sync.protocol.lazy_audio import audio_size, encoded_audio
from realtime_sync.types import UNSET


def delta(text: Any) -> Any:
    """An audio delta with something in it."""
    frame = {"type": "response.output_audio.delta", "delta": text}
    return Codec().structure(frame)


def test_nothing_is_decoded_before_somebody_reads() -> None:
    """And it is decoded once."""
    event = delta("AAEC")

    assert "delta" not in vars(event)
    assert b"\0\1\2" == event.delta
    assert event.delta is event.delta


def test_text_that_is_not_base64_reads_as_unset_and_is_noted() -> None:
    """The note comes with the first read."""
    event = delta("A")

    assert () == event.problems
    assert UNSET is event.delta
    assert ("delta: not base64",) == event.problems


def test_text_that_is_not_ascii_reads_as_unset() -> None:
    """On a part, there is nowhere to note it."""
    item: Any = Codec().command(
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"audio": "\u00e9"}],
            },
        }
    )

    assert UNSET is item.item.content[0].audio


def test_missing_padding_is_forgiven() -> None:
    """Some encoders leave it out."""
    assert b"\0" == delta("AA").delta


@pytest.mark.parametrize(("value", "problems"), [(None, 0), (5, 1), (UNSET, 0)])
def test_what_is_no_text_is_unset(value: Any, problems: int) -> None:
    """A number is a misfit, null is not."""
    event = delta(value)

    assert UNSET is event.delta
    assert problems == len(event.problems)


@given(st.binary(max_size=100))
def test_the_size_is_known_without_decoding(audio: bytes) -> None:
    """For every length, padded or not, decoded or not."""
    event = delta(base64.b64encode(audio).decode())

    assert len(audio) == audio_size(event)
    assert "delta" not in vars(event)
    assert len(audio) == audio_size(events.ResponseAudioDelta(delta=audio))


def test_the_size_of_nothing_is_zero() -> None:
    """Null, absent, or text."""
    assert 0 == audio_size(delta(UNSET))
    assert 0 == audio_size(items.ContentPart(audio=None), "audio")
    assert 0 == audio_size(items.ContentPart(type="text"), "audio")


def test_audio_goes_back_as_it_came() -> None:
    """Without decoding and encoding again."""
    event = delta("AAEC")

    assert "AAEC" == encoded_audio(event, "delta")
    assert "AAEC" == to_mapping(event)["delta"]
    assert "delta" not in vars(event)


def test_a_repr_has_no_audio_in_it() -> None:
    """Only how much there is."""
    assert "delta=<3 bytes>" in repr(delta("AAEC"))
    assert "audio=None" in repr(items.ContentPart(audio=None))


def test_an_attribute_that_was_never_filled_is_an_attribute_error() -> None:
    """As of any other attribute."""
    empty: Any = object.__new__(events.ResponseAudioDelta)

    with pytest.raises(AttributeError, match="delta"):
        empty.delta
    assert "delta" == events.ResponseAudioDelta.delta.name  # type: ignore[attr-defined]
