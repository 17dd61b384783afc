"""Events of vendors are known by name, although they have no classes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_sync import connect, events
from realtime_sync.dispatch.names import resolve_name
from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.registry import client_names, server_names
from realtime_sync.protocol.vendor_events import (
    COMMANDS,
    SERVER_EVENTS,
    cancelled_response_id,
    vendor_names,
)
from realtime_sync.testing import MemoryTransport

VOICE_LIVE = SERVER_EVENTS["Azure Voice Live"]


def test_voice_live_has_19_events_and_9_commands_of_its_own() -> None:
    """None of them is the protocol's."""
    assert (19, 9) == (len(set(VOICE_LIVE)), len(set(COMMANDS["Azure Voice Live"])))
    assert not vendor_names("server") & server_names()
    assert not vendor_names("client") & client_names()


@pytest.mark.parametrize("name", VOICE_LIVE)
def test_a_handler_may_be_registered_by_the_name_of_a_vendors_event(name: str) -> None:
    """Without ``unknown=True``."""
    assert name == resolve_name(name)[0]


def test_a_misspelt_name_of_a_vendor_is_still_found_out() -> None:
    """And the right one is suggested, of events and of commands."""
    for name, meant in (
        ("session.avatar.connectin", "session.avatar.connecting"),
        ("response.animation_visem.delta", "response.animation_viseme.delta"),
        ("client.input_audio.turn.strat", "client.input_audio.turn.start"),
    ):
        with pytest.raises(ConfigurationError, match="did you mean") as caught:
            resolve_name(name)

        assert repr(meant) in str(caught.value)


@pytest.mark.parametrize("command", COMMANDS["Azure Voice Live"])
def test_a_vendors_command_may_be_listened_for(command: str) -> None:
    """Under the prefix of what this side sends."""
    assert f"client.{command}" == resolve_name(f"client.{command}")[0]


@pytest.mark.parametrize(
    ("kind", "warned"),
    [
        ("warning", False),
        ("response.video.delta", False),
        ("session.avatar.connecting", False),
        ("response.animation_viseme.done", False),
        ("response.cancelled", False),
        ("something.else", True),
    ],
)
def test_only_what_nobody_knows_is_warned_of(
    kind: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The event itself comes to its handler with all that it holds."""
    transport = MemoryTransport()
    heard: list[Any] = []
    with caplog.at_level(logging.WARNING):
        with connect("m", transport=transport, dispatch="inline") as session:
            session.on(kind, lambda event: heard.append(event), unknown=True)
            transport.feed({"type": kind, "event_id": "e1", "extra": {"a": 1}})
            counted = dict(session.stats.unknown)

    assert warned == any(kind in record.getMessage() for record in caplog.records)
    assert warned == (kind in counted)
    assert [events.UnknownEvent] == [type(event) for event in heard]
    assert {"a": 1} == heard[0].raw["extra"]


@pytest.mark.parametrize(
    "kind",
    ["response.refusal.delta", "response.refusal.done", "response.completed"],
)
def test_events_of_another_api_are_delivered_as_they_come(kind: str) -> None:
    """
    The Responses API has them and this protocol has not: they are no part of an answer,
    and whoever wants them registers for what is unknown.
    """
    transport = MemoryTransport()
    heard: list[Any] = []
    with connect("m", transport=transport, dispatch="inline") as session:
        with pytest.raises(ConfigurationError, match="unknown=True"):
            session.on(kind, heard.append)
        session.on(kind, heard.append, unknown=True)
        handle = session.response.create()
        transport.feed({"type": "response.created", "response": {"id": "r"}})
        place = {"response_id": "r", "item_id": "a", "content_index": 0}
        transport.feed({"type": kind, **place, "delta": "I can", "refusal": "I can"})
        counted = dict(session.stats.unknown)
        part = {"type": "refusal", "refusal": "I cannot."}
        transport.feed({"type": "response.content_part.done", **place, "part": part})
        item = {"id": "a", "type": "message", "role": "assistant", "content": [part]}
        done = {"id": "r", "status": "completed", "output": [item]}
        transport.feed({"type": "response.done", "response": done})

        assert "I cannot." == handle.result(0).text
        assert "I cannot." == session.snapshot.items[0].text
        assert () == session.snapshot.anomalies
    assert [(kind, "I can")] == [(each.type, each.raw["delta"]) for each in heard]
    assert {kind: 1} == counted


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"response_id": "r"}, "r"),
        ({"response": {"id": "r"}}, "r"),
        ({"response_id": None, "response": {"id": "r"}}, "r"),
        ({"response_id": "r", "response": {"id": "s"}}, "r"),
        ({"response_id": ""}, None),
        ({"response_id": ["r"]}, None),
        ({"response": "r"}, None),
        ({"response": {}}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_response_that_is_called_cancelled_is_named_in_two_ways(
    fields: dict[str, Any], named: Any
) -> None:
    """Or not at all."""
    event: Any = Codec().structure({"type": "response.cancelled", **fields})

    assert named == cancelled_response_id(event)
