"""From what a user writes to the key of a signal."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import events
from realtime_sync.dispatch.names import (
    is_event_class_to_name,
    names_lacked_by,
    names_of,
    resolve_name,
)
from realtime_sync.dispatch.notices import ConnectionDropped, Notice
from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol.dialects import dialect_named


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("response.done", "response.done"),
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.output_audio.delta", "response.output_audio.delta"),
        ("conversation.item.created", "conversation.item.added"),
        ("transcription_session.updated", "session.updated"),
        ("*", "*"),
        ("response.*", "response.*"),
        ("response.audio.*", "response.audio.*"),
        ("connection.lost", "connection.lost"),
        ("connection.*", "connection.*"),
        ("client.*", "client.*"),
        ("client.response.create", "client.response.create"),
        ("client.transcription_session.update", "client.session.update"),
        (events.ResponseDone, "response.done"),
        (events.UnknownEvent, "(unknown)"),
        (events.ServerEvent, "*"),
        (events.ResponseCreate, "client.response.create"),
        (events.ClientEvent, "client.*"),
        (ConnectionDropped, "connection.lost"),
    ],
)
def test_names_and_classes_have_one_key(written: Any, key: str) -> None:
    """Either spelling, patterns, classes, what we send, what we report."""
    assert key == resolve_name(written)[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("respnse.done", "response.done"),
        ("response.output_audio.deltas", "response.output_audio.delta"),
        ("client.response.creat", "client.response.create"),
        ("conection.lost", "connection.lost"),
        ("session_updated", "session.updated"),
    ],
)
def test_a_misspelt_name_is_refused_with_a_suggestion(written: str, meant: str) -> None:
    """At the line where it is written."""
    with pytest.raises(ConfigurationError, match=f"did you mean '{meant}"):
        resolve_name(written)


@pytest.mark.parametrize("written", ["", "qqq", "reponse.*", "client.nothing.*", "x*"])
def test_what_no_event_matches_is_refused(written: str) -> None:
    """Also a pattern that can match nothing, and one that is no prefix."""
    with pytest.raises(ConfigurationError, match="unknown=True"):
        resolve_name(written)


@pytest.mark.parametrize("written", ["vendor.event", "vendor.*"])
def test_a_vendors_own_name_needs_a_word(written: str) -> None:
    """``unknown=True`` says that it is meant."""
    assert written == resolve_name(written, unknown=True)[0]


@pytest.mark.parametrize("written", [7, None, int, Exception, object(), Notice])
def test_what_is_no_event_is_a_type_error(written: Any) -> None:
    """Neither a name nor an event class."""
    with pytest.raises(TypeError):
        resolve_name(written)


def test_all_spellings_of_a_type_are_known() -> None:
    """The canonical one first."""
    assert ("response.output_audio.delta", "response.audio.delta") == names_of(
        "response.output_audio.delta"
    )
    assert ("error",) == names_of("error")


def test_event_classes_are_told_from_handlers() -> None:
    """A class may be a handler too."""
    assert is_event_class_to_name(events.UnknownEvent)
    assert is_event_class_to_name(events.ResponseCreate)
    assert is_event_class_to_name(ConnectionDropped)
    assert not is_event_class_to_name(list)
    assert not is_event_class_to_name("error")


def test_what_a_dialect_lacks_is_known() -> None:
    """Beta has no ``conversation.item.done``; GA has everything."""
    beta, ga = names_lacked_by(dialect_named("beta")), names_lacked_by(
        dialect_named("ga")
    )

    assert "beta" in (beta("conversation.item.done") or "")
    assert beta("response.done") is None
    assert beta("*") is None
    assert beta("vendor.thing") is None
    assert beta("connection.lost") is None
    assert ga("conversation.item.done") is None
