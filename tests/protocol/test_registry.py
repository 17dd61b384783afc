"""The table of events."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realtime_sync.protocol import events, registry
from realtime_sync.protocol.registry import (
    ALIASES,
    ROWS,
    canonical,
    client_names,
    event_class,
    find,
    server_names,
)


def test_the_protocol_has_the_events_that_it_is_known_to_have() -> None:
    """GA has 11 and 46 events, the beta 12 and 34, translation 3 and 7."""
    counts = {
        (direction, kind): sum(
            row.direction == direction and kind in row.session_types for row in ROWS
        )
        for direction in ("client", "server")
        for kind in ("realtime", "translation")
    }
    beta = [row for row in ROWS if row.beta]

    assert 11 == counts["client", "realtime"]
    # One more in the unions of the SDK: it counts `item.created` as an event.
    assert 46 == counts["server", "realtime"] + 1
    assert (3, 7) == (counts["client", "translation"], counts["server", "translation"])
    # One more in each direction: `transcription_session.*` are aliases here.
    assert 12 == sum(row.direction == "client" for row in beta) + 1
    assert 34 == sum(row.direction == "server" for row in beta) + 1


@pytest.mark.parametrize(
    ("beta", "name"),
    [
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.text.done", "response.output_text.done"),
        ("conversation.item.created", "conversation.item.added"),
        ("transcription_session.updated", "session.updated"),
        ("response.output_item.done", "response.output_item.done"),
        ("vendor.event", "vendor.event"),
    ],
)
def test_a_beta_spelling_has_one_canonical_name(beta: str, name: str) -> None:
    """Names that no dialect has come back unchanged."""
    assert name == canonical(beta)


def test_every_spelling_is_a_name() -> None:
    """Aliases are names of the direction that they belong to, and of no other."""
    assert set(ALIASES) <= server_names() | client_names()
    assert "transcription_session.update" in client_names() - server_names()
    assert "response.text.delta" in server_names() - client_names()


def test_a_class_is_found_by_either_spelling_and_by_kind_of_session() -> None:
    """Translation sessions have classes of their own where names are taken."""
    assert events.ResponseAudioDelta is event_class("response.audio.delta")
    assert events.SessionCreated is event_class("session.created")
    assert events.TranslationSessionCreated is event_class(
        "session.created", session_type="translation"
    )
    assert events.SessionUpdate is event_class(
        "transcription_session.update", direction="client"
    )


def test_an_event_of_another_kind_of_session_is_found_too() -> None:
    """Servers send what their model makes."""
    row = find("response.done", session_type="translation")

    assert "ResponseDone" == row.class_name


def test_an_unknown_event_has_no_row() -> None:
    """A command is not a server event."""
    with pytest.raises(KeyError):
        find("session.update")


def test_the_events_package_exports_every_class_of_the_table() -> None:
    """The list of names is written out, for type checkers; it must be complete."""
    named = {row.class_name for row in ROWS}

    assert named | {"ClientEvent", "ServerEvent", "UnknownEvent"} == set(events.__all__)
    assert sorted(events.__all__) == events.__all__
    assert dir(events) == events.__all__
    for name in events.__all__:
        assert name == getattr(events, name).__name__


def test_a_class_that_does_not_exist_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="ResponseDun"):
        events.ResponseDun


def test_reading_the_table_loads_no_class() -> None:
    """Names can be checked before the first event is needed."""
    program = (
        "import sys, realtime_sync.protocol.registry as registry\n"
        "registry.find('response.done')\n"
        "names = [n for n in ('attrs', 'cattrs', 'orjson') if n in sys.modules]\n"
        "sys.exit(repr(names) if names else 0)"
    )

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
    assert registry.ROWS is ROWS
