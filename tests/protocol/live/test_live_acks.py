"""Which command of GPT-Live an event answers."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.live.acks import (
    ACKS,
    command_answered_by,
    command_refused_by,
    is_failed_handoff,
)
from realtime_sync.protocol.registry import LIVE_ROWS, event_class

CODEC = Codec(session_type="live")


def command(kind: str, event_id: str, **fields: Any) -> Any:
    """A command as the session sends it."""
    cls = event_class(kind, session_type="live", direction="client")
    return cls(event_id=event_id, **fields)


def said(kind: str, **fields: Any) -> Any:
    """An event as the codec reads it."""
    return CODEC.structure({"type": kind, **fields})


def test_the_table_names_commands_and_events_that_there_are() -> None:
    """A misspelt row would never answer anything."""
    names = {
        side: {row.name for row in LIVE_ROWS if row.direction == side}
        for side in ("client", "server")
    }

    assert set() == set(ACKS) - names["client"]
    assert (
        set()
        == {each for rule in ACKS.values() for each in rule.events} - names["server"]
    )


def test_commands_without_an_answer_are_the_three_that_have_none() -> None:
    """Audio, and what the backend is given, is never acknowledged."""
    assert {
        "session.input_audio.append",
        "response.create",
        "response.item.create",
    } == {row.name for row in LIVE_ROWS if row.direction == "client"} - set(ACKS)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("session.input_audio.mute", "session.input_audio.muted"),
        ("session.input_audio.unmute", "session.input_audio.unmuted"),
        ("session.close", "session.closed"),
    ],
)
def test_an_answer_that_names_its_command_is_exact(kind: str, answer: str) -> None:
    """Even if an older command of the same type waits."""
    first, second = command(kind, "a"), command(kind, "b")

    assert second is command_answered_by(
        [first, second], said(answer, client_event_id="b")
    )
    assert None is command_answered_by(
        [first, second], said(answer, client_event_id="c")
    )


@pytest.mark.parametrize(
    "named", [{}, {"client_event_id": None}, {"client_event_id": ""}]
)
def test_an_answer_that_names_none_is_for_the_oldest_of_its_type(named: Any) -> None:
    """Some servers echo ids in errors only."""
    other = command("session.close", "a")
    first = command("session.input_audio.mute", "b")
    second = command("session.input_audio.mute", "c")

    event = said("session.input_audio.muted", **named)

    assert first is command_answered_by([other, first, second], event)
    assert None is command_answered_by([other], event)


@pytest.mark.parametrize("name", ["transport.dtmf.sent", "transport.dtmf.send"])
def test_a_key_is_confirmed_by_either_name_and_never_by_another_key(name: str) -> None:
    """Older servers confirm by an event that is called like the command."""
    one = command("transport.dtmf.send", "a", event="1")
    two = command("transport.dtmf.send", "b", event="2")

    assert two is command_answered_by([one, two], said(name, event="2"))
    assert one is command_answered_by([one, two], said(name))
    assert one is command_answered_by(
        [one, two], said(name, event="2", client_event_id="a")
    )


def test_a_deleted_item_answers_the_command_that_deletes_it() -> None:
    """Two deletions may be answered the other way round."""
    one = command("decision.item.delete", "a", item_id="item_1")
    two = command("decision.item.delete", "b", item_id="item_2")

    assert two is command_answered_by(
        [one, two], said("decision.item.deleted", item_id="item_2")
    )


def test_only_a_decision_that_nobody_else_asked_for_answers_the_command() -> None:
    """Triggers and delegations decide too, and their decisions have no id of ours."""
    asked = command("decision.create", "a")

    for other in ("delegation_id", "trigger_id", "source_event_id"):
        assert None is command_answered_by(
            [asked], said("decision.event", **{other: "x"})
        )
    assert asked is command_answered_by(
        [asked], said("decision.event", delegation_id=None)
    )


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        ({"error": {"client_event_id": "b"}}, "b"),
        ({"error": {"message": "no"}, "client_event_id": "b"}, "b"),
        ({"error": {"client_event_id": None}}, None),
        ({"error": "no", "client_event_id": "b"}, "b"),
        ({"error": "no"}, None),
        ({}, None),
    ],
)
def test_an_error_belongs_to_the_command_that_it_names(frame: Any, named: Any) -> None:
    """Without a name it is about none, however few commands wait."""
    first, second = (command("session.input_audio.append", e, audio=b"") for e in "ab")

    error = said("error", **frame)

    assert named == command_refused_by(error)
    assert (second if named else None) is command_answered_by([first, second], error)


@pytest.mark.parametrize(
    ("frame", "failed"),
    [
        ({"error": {"message": "Responses handoff incomplete."}}, True),
        ({"error": "responses HANDOFF incomplete"}, True),
        ({"error": {"message": "handoff incomplete", "client_event_id": "e"}}, False),
        ({"error": {"message": "handoff incomplete"}, "client_event_id": "e"}, False),
        ({"error": {"message": "no room"}}, False),
        ({"error": {"message": None}}, False),
        ({"error": None}, False),
        ({}, False),
    ],
)
def test_backend_that_has_failed_is_known_by_its_words(
    frame: Any, failed: bool
) -> None:
    """An error that names a command is about that alone."""
    assert failed is is_failed_handoff(said("error", **frame))
