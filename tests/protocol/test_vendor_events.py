"""Events of vendors are known by name, although they have no classes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_sync import connect, events
from realtime_sync.dispatch.names import resolve_name
from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol.registry import client_names, server_names
from realtime_sync.protocol.vendor_events import (
    COMMANDS,
    SERVER_EVENTS,
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
