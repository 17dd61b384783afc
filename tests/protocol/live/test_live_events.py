"""What the codec makes of the frames of GPT-Live, proper and odd ones."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.protocol.live import backend_events, events
from realtime_sync.protocol.registry import LIVE_ROWS, class_of, find
from realtime_sync.types import UNSET

CODEC = Codec(session_type="live")


def test_names_of_the_package_are_the_classes_of_the_table() -> None:
    """Every row can be had by the name of its class."""
    assert set(dir(events)) == {row.class_name for row in LIVE_ROWS} | {
        "CorrelatedEvent"
    }
    assert all(getattr(events, row.class_name) is class_of(row) for row in LIVE_ROWS)
    with pytest.raises(AttributeError, match="SesionStart"):
        getattr(events, "SesionStart")


@pytest.mark.parametrize(
    "name", ["response.created", "session.created", "input_audio_buffer.committed"]
)
def test_events_of_realtime_are_unknown_here(name: str) -> None:
    """The protocols share names with other meanings; nothing is borrowed."""
    event = CODEC.structure({"type": name, "event_id": "e"})

    assert isinstance(event, UnknownEvent)
    assert (name, "e") == (event.type, event.event_id)


@pytest.mark.parametrize("name", ["session.started", "session.delegation.created"])
def test_events_of_live_are_unknown_in_a_conversation(name: str) -> None:
    """And the other way round."""
    assert isinstance(Codec().structure({"type": name}), UnknownEvent)
    with pytest.raises(KeyError):
        find(name)


def test_one_name_has_one_class_for_each_direction() -> None:
    """Reflected audio is called like the command that brought it."""
    name = "session.input_audio.append"

    heard = CODEC.structure({"type": name, "audio": "AAE="})
    command = CODEC.command({"type": name, "audio": b"\0\1"})

    assert (b"\0\1", events.SessionInputAudioAppend) == (heard.audio, type(heard))
    assert events.InputAudioAppend is type(command)


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        ({"type": "session.closed", "usage": {"seconds": "long"}}, "usage.seconds"),
        ({"type": "session.usage.updated", "usage": 3}, "usage"),
        ({"type": "session.input_transcript.delta", "start_ms": "x"}, "start_ms"),
        (
            {
                "type": "response.event",
                "event": {"type": "response.output_item.done", "item": 1},
            },
            "event.item",
        ),
    ],
)
def test_what_does_not_fit_is_unset_and_told(frame: Any, path: str) -> None:
    """The class stays, the rest of the frame stays, and so does the raw frame."""
    event: Any = CODEC.structure({**frame, "event_id": "e"})
    value = event
    for name in path.split("."):
        value = getattr(value, name)

    assert UNSET is value
    assert [path] == [each.partition(":")[0] for each in event.problems]
    assert "e" == event.event_id and frame["type"] == event.raw["type"]


def test_backend_events_without_a_class_stay_mappings() -> None:
    """A client acts on a few only; the rest is there as it came."""
    inner = {"type": "response.in_progress", "response": {"id": "r"}}

    event: Any = CODEC.structure({"type": "response.event", "event": inner})

    assert inner == event.event
    assert () == event.problems


def test_the_call_to_act_on_is_typed() -> None:
    """Name, id and arguments of a whole call, without going through mappings."""
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    inner = {"type": "response.output_item.done", "item": item}

    event: Any = CODEC.structure({"type": "response.event", "event": inner})

    assert isinstance(event.event, backend_events.OutputItemDone)
    assert isinstance(event.event.item, backend_events.BackendFunctionCall)
    assert ("c", "f", "{}") == (
        event.event.item.call_id,
        event.event.item.name,
        event.event.item.arguments,
    )


def test_mistakes_in_a_command_fail_where_they_are_made() -> None:
    """Before anything is sent."""
    with pytest.raises(TypeError, match="content"):
        events.CommentaryAppend(content=3)
    with pytest.raises(TypeError, match="not base64"):
        events.InputAudioAppend(audio="AAE=")
    with pytest.raises(TypeError, match="turn_detection"):
        CODEC.command(
            {"type": "session.start", "session": {"turn_detection": None}}, strict=True
        )


def test_a_start_is_sent_without_a_type_in_its_session() -> None:
    """The service refuses fields that it does not know, and this is one."""
    sent = CODEC.command({"type": "session.start", "session": {"model": "gpt-live-1"}})

    assert b'{"type":"session.start","session":{"model":"gpt-live-1"}}' == CODEC.encode(
        sent
    )


def test_nothing_of_live_is_loaded_before_it_is_needed() -> None:
    """A program of conversations pays for a table of names alone."""
    code = (
        "import sys, realtime_sync.protocol.codec as c; c.Codec().structure("
        "{'type': 'response.done'});"
        "print([m for m in sys.modules if '.live.' in m])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "['realtime_sync.protocol.live.registry']" == told.stdout.strip()
