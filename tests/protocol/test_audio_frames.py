"""Long deltas of audio, which are decoded from the bytes of the frame."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.protocol import base64_audio, events
from realtime_sync.protocol.audio_frames import SHORTEST, frame_without_audio
from realtime_sync.protocol.codec import Codec, to_mapping
from realtime_sync.protocol.dialects import BETA
from realtime_sync.protocol.events import ServerEvent
from realtime_sync.protocol.jsontext import loads

FAST = base64_audio.pybase64 is not None
LONG = base64.b64encode(bytes(range(256)) * 48).decode()
HEAD = {"type": "response.output_audio.delta", "event_id": "e", "item_id": "i"}


def slow_twin(codec: Codec, data: bytes) -> Optional[ServerEvent]:
    """The event by way of the whole JSON; None for what is not JSON."""
    try:
        return codec.structure(loads(data))
    except ValueError:
        return None


def told(event: ServerEvent) -> tuple[Any, ...]:
    """All that a program can see of an event."""
    delta = getattr(event, "delta", None)
    return type(event), delta, event, event.raw, to_mapping(event), event.problems


def text(**members: object) -> bytes:
    """A frame of audio, with some members more or other ones."""
    return json.dumps({**HEAD, **members}).encode()


PLAIN = text(delta=LONG)


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("kind", ["output_audio", "audio"])
def test_audio_is_taken_out_of_a_long_frame(kind: str, compact: bool) -> None:
    """With and without blanks behind the colons, in both spellings."""
    separators = (",", ":") if compact else None
    frame = {**HEAD, "type": f"response.{kind}.delta", "delta": LONG}
    data = json.dumps(frame, separators=separators).encode()
    codec = Codec(BETA) if kind == "audio" else Codec()
    event = codec.decode(data)

    assert isinstance(event, events.ResponseAudioDelta)
    assert FAST == ("raw" not in vars(event))
    assert frame == event.raw
    assert base64.b64decode(LONG) == event.delta
    assert LONG == to_mapping(event)["delta"]


def test_what_is_taken_out_leaves_an_empty_string() -> None:
    """So the rest is still JSON."""
    cut = frame_without_audio(PLAIN)
    expected = (text(delta=""), base64.b64decode(LONG)) if FAST else None

    assert expected == cut


def test_raw_is_decoded_once_and_only_when_it_is_read() -> None:
    """Whoever keeps it keeps one mapping."""
    event = Codec().decode(PLAIN)

    assert event.raw is event.raw
    assert json.loads(PLAIN) == event.raw


def test_an_event_without_a_frame_has_no_raw() -> None:
    """As with any attribute that was never filled."""
    empty: Any = object.__new__(events.ResponseAudioDelta)

    with pytest.raises(AttributeError, match="raw"):
        empty.raw
    assert events.ResponseAudioDelta.raw is not None


def test_a_decoder_of_the_callers_own_sees_the_whole_frame() -> None:
    """He may want to see every text."""
    seen = []

    def spy(data: Any) -> Any:
        seen.append(data)
        return json.loads(data)

    event = Codec(loads=spy).decode(PLAIN)

    assert [PLAIN] == seen
    assert told(Codec().decode(PLAIN)) == told(event)


Change = Callable[[bytes], bytes]

ODD: dict[str, Change] = {
    "nothing odd": lambda data: data,
    "a blank before the colon": lambda data: data.replace(b'"delta":', b'"delta" :'),
    "two blanks": lambda data: data.replace(b'"delta": ', b'"delta":  '),
    "an escaped slash": lambda data: data.replace(b"AAEC", b"AA\\/C"),
    "an escaped letter": lambda data: data.replace(b"AAEC", b"\\u0041AEC"),
    "a line break": lambda data: data.replace(b"AAEC", b"AA\nC"),
    "a blank in the audio": lambda data: data.replace(b"AAEC", b"AA C"),
    "no letter of base64": lambda data: data.replace(b"AAEC", b"AA*C"),
    "not UTF-8 in the audio": lambda data: data.replace(b"AAEC", b"AA\xffC"),
    "not UTF-8 elsewhere": lambda data: data.replace(b'"i"', b'"\xff"'),
    "a letter too few": lambda data: data.replace(b"AAEC", b"AAE"),
    "no padding": lambda data: data.replace(b'"}', b'AA"}'),
    "padding": lambda data: data.replace(b'"}', b'AA=="}'),
    "padding that hides bits": lambda data: data.replace(b'"}', b'AB=="}'),
    "padding in the middle": lambda data: data.replace(b"AAEC", b"AA=="),
    "no end of the string": lambda data: data[:-2],
    "cut in the audio": lambda data: data[:-9],
    "more behind the end": lambda data: data + b"x",
    "no object": lambda data: b"[" + data + b"]",
    "deeper": lambda data: data.replace(b'"delta"', b'"x": {"delta"') + b"}",
    "deeper, and an empty one": lambda data: (
        data.replace(b'"delta"', b'"x": {"delta"')[:-1] + b'}, "delta": ""}'
    ),
    "deeper, and an empty one before": lambda data: data.replace(
        b'"delta"', b'"delta" : "", "x": {"delta"'
    )
    + b"}",
    "twice": lambda data: data[:-1] + b', "delta": "AAEC"}',
    "twice, the second with a blank": lambda data: data[:-1] + b', "delta" : "AAEC"}',
    "twice, the first with a blank": lambda data: data.replace(
        b'"delta"', b'"delta" : "AAEC", "delta"'
    ),
    "twice, the second escaped": lambda data: data[:-1] + b', "delt\\u0061": "AAEC"}',
    "the name at the end of another": lambda data: data.replace(
        b'"delta"', b'"delt\\u0061": "", "my\\"delta"'
    ),
    "the name as a value": lambda data: data.replace(
        b'"delta"', b'"x":"delta","delta"'
    ),
    "another kind": lambda data: data.replace(
        b"output_audio.delta", b"output_text.delta"
    ),
    "the kind as another member": lambda data: data.replace(
        b"response.output_audio.delta", b"response.output_text.delta"
    ).replace(b'"i"', b'"audio.delta"'),
    "a kind that nobody knows": lambda data: data.replace(
        b"response.out", b"vendor.out"
    ),
    "no kind": lambda data: data.replace(b'"type"', b'"kind"'),
    "a field that does not fit": lambda data: data.replace(b'"i"', b"[1]"),
    "the name far behind": lambda data: data.replace(
        b'"delta"', b'"x": "' + bytes(600).replace(b"\0", b"x") + b'", "delta"'
    ),
    "the kind behind the audio": lambda data: (
        data.replace(b'"type": "response.output_audio.delta", ', b"")[:-1]
        + b', "type": "response.output_audio.delta"}'
    ),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD.keys())
def test_odd_frames_become_what_the_whole_json_says(change: Change) -> None:
    """Whatever could make a difference is left to JSON."""
    data = change(PLAIN)
    event, twin = Codec().decode(data), slow_twin(Codec(), data)

    assert len(data) >= SHORTEST
    if twin is None:
        assert isinstance(event, events.UnknownEvent)
        assert data == event.received
    else:
        assert told(twin) == told(event)


@given(
    more=st.integers(0, 9),
    place=st.integers(0, 2 * SHORTEST),
    piece=st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b'","delta":"', b"="]),
    drop=st.integers(0, 3),
)
def test_any_change_of_a_frame_gives_what_the_whole_json_says(
    more: int, place: int, piece: bytes, drop: int
) -> None:
    """Bytes are put in and taken out anywhere."""
    audio = base64.b64encode(bytes(SHORTEST + more)).decode()
    data = text(delta=audio, obfuscation="x")
    data = data[:place] + piece + data[place + drop :]
    event, twin = Codec().decode(data), slow_twin(Codec(), data)

    if twin is None:
        assert isinstance(event, events.UnknownEvent)
    else:
        assert told(twin) == told(event)
