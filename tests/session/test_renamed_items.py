"""Items that come back under an id of the server's, among others that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import Session, connect
from realtime_sync.errors import WaitTimeout
from realtime_sync.testing import MemoryTransport

Opened = tuple[MemoryTransport, Session]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """A session whose server is the test."""
    transport = MemoryTransport()
    with connect(
        "m", transport=transport, dispatch="inline", timeout=0.2, router=None
    ) as session:
        yield transport, session


def message(item_id: Any, text: str, **changes: Any) -> dict[str, Any]:
    """A user's message."""
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    return {**item, "status": "completed", **changes}


def added(item: dict[str, Any], kind: str = "added") -> dict[str, Any]:
    """The server tells of an item."""
    return {"type": f"conversation.item.{kind}", "item": item}


SPEAKS: list[dict[str, Any]] = [
    {"type": "input_audio_buffer.committed", "item_id": "v"},
    added(message("v", "", content=[{"type": "input_audio", "transcript": None}])),
]
ANSWERS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
    {
        "type": "response.output_item.added",
        "response_id": "r",
        "output_index": 0,
        "item": message("m", "", role="assistant", content=[]),
    },
    added(message("m", "", role="assistant", content=[])),
]
LEFT_OUT = added(message("x", "", role="system", content=[], status="in_progress"))


@pytest.mark.parametrize("others", [[], SPEAKS, ANSWERS, SPEAKS + ANSWERS])
@pytest.mark.parametrize("kind", ["added", "created", "done"])
def test_the_item_of_ours_is_found_among_others(
    opened: Opened, others: Any, kind: str
) -> None:
    """What the user has said, and what the model begins to say, is not ours."""
    transport, session = opened
    handle = session.conversation.add_message("one")
    transport.feed(*others)
    early = handle.done()
    transport.feed(added(message("x", "one"), kind))

    assert not early
    assert "x" == handle.acknowledged().item.id
    assert "own_ids" in session.snapshot.habits


def test_two_of_ours_are_told_apart_by_their_words(opened: Opened) -> None:
    """In whatever order the server has made them."""
    transport, session = opened
    one = session.conversation.add_message("one")
    two = session.conversation.add_message("two")
    transport.feed(added(message("b", "two")), added(message("a", "one")))

    assert "a" == one.acknowledged().item.id
    assert "b" == two.acknowledged().item.id


def test_an_item_that_is_told_twice_is_one(opened: Opened) -> None:
    """It does not stand for the next one of ours."""
    transport, session = opened
    one = session.conversation.add_message("one")
    two = session.conversation.add_message("two")
    first = message("a", "one")
    transport.feed(added(first), added(first, "created"), added(first, "done"))

    assert one.done() and not two.done()
    assert ["a"] == [item.id for item in session.snapshot.items]


def test_an_item_of_which_is_told_only_that_it_is_done_is_answered(
    opened: Opened,
) -> None:
    """Each by its id; and one that comes later a second time answers nobody."""
    transport, session = opened
    one = session.conversation.item.create(message("a", "same"))
    two = session.conversation.item.create(message("b", "same"))
    three = session.conversation.add_message("same")
    transport.feed(added(message("b", "same"), "done"))
    states = [one.done(), two.done(), three.done()]
    transport.feed(added(message("b", "same")), added(message("a", "same"), "done"))
    transport.feed(added(message("a", "same")))

    assert [False, True, False] == states
    assert [True, True, False] == [one.done(), two.done(), three.done()]
    assert ["b", "a"] == [item.id for item in session.snapshot.items]


def test_the_end_of_an_item_that_was_told_before_answers_nobody(
    opened: Opened,
) -> None:
    """OpenAI says of each item that it was added, and later that it is done."""
    transport, session = opened
    one = session.conversation.add_message("one")
    transport.feed(added(message("x", "one")))
    two = session.conversation.add_message("two")
    transport.feed(*SPEAKS, *ANSWERS)
    for each in ("x", "v", "m"):
        transport.feed(added(message(each, "two"), "done"))

    assert one.done() and not two.done()
    transport.feed(added(message("y", "two"), "done"))
    assert "y" == two.acknowledged().item.id


def test_an_item_may_have_lost_its_role_and_its_parts(opened: Opened) -> None:
    """One waits, one comes."""
    transport, session = opened
    handle = session.conversation.add_message("one")
    transport.feed(LEFT_OUT)

    assert "x" == handle.acknowledged().item.id


def test_an_output_is_found_beside_a_message(opened: Opened) -> None:
    """By the call that it answers."""
    transport, session = opened
    output = {"type": "function_call_output", "call_id": "c", "output": "3"}
    given = session.conversation.item.create(output)
    said = session.conversation.add_message("Go on")
    transport.feed(added(message("b", "Go on")), added({"id": "a", **output}))

    assert "a" == given.acknowledged().item.id
    assert "b" == said.acknowledged().item.id


def test_a_server_that_keeps_ids_has_no_such_habit(opened: Opened) -> None:
    """It is learned from what is done, and not from what is missing."""
    transport, session = opened
    kept = session.conversation.item.create(message("mine", "one"))
    transport.feed(added(message("mine", "one")))
    kept.acknowledged()
    session.conversation.add_message("two")
    transport.feed(added(message(None, "two")))
    with pytest.raises(WaitTimeout):
        session.wait_for("conversation.item.done")

    assert "own_ids" not in session.snapshot.habits


@pytest.mark.parametrize(
    "error",
    [
        {"param": "audio", "message": "Invalid 'audio'"},
        {"param": "audio", "code": "invalid_base64", "message": "no"},
        {"param": "audio", "event_id": "", "message": "no"},
        {"param": "session.voice", "message": "no"},
        {"code": "item_delete_invalid_item_id", "param": "item_id", "message": "no"},
        {"event_id": "another's", "message": "no"},
    ],
)
def test_an_error_of_another_command_is_not_that_of_a_commit(
    opened: Opened, error: dict[str, Any]
) -> None:
    """Code or param point to a command, or it is an event and no more."""
    transport, session = opened
    session.input_audio_buffer.append(bytes(480))
    (append,) = transport.commands("input_audio_buffer.append")
    handle = session.input_audio_buffer.commit()
    transport.feed({"type": "error", "error": error})
    refused = handle.done()
    transport.feed({"type": "input_audio_buffer.committed", "item_id": "u"})

    assert append["event_id"]
    assert not refused
    assert "u" == handle.acknowledged().item_id
