"""Which event answers which command, told by the two alone."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from realtime_sync.protocol import events
from realtime_sync.protocol.acks import (
    ACKS,
    CORRELATION_KEY,
    ack_difference,
    ack_renames_item,
    error_points_nowhere,
    error_points_to,
    is_unlikely_ack,
)
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.registry import ROWS
from realtime_sync.protocol.vendor_events import CANCELLED

CODEC = Codec()


def told(type: str, **fields: Any) -> Any:
    """What a server says."""
    return CODEC.structure({"type": type, **fields})


def sent(type: str, **fields: Any) -> Any:
    """A command as it is sent."""
    return CODEC.command({"type": type, **fields})


def message(text: str, **fields: Any) -> dict[str, Any]:
    """The user's words as an item."""
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "user", "content": [part], **fields}


def fits(command: Any, event: Any) -> Optional[bool]:
    """What the command's rule says of an event."""
    return ACKS[command.type].fits(command, event)


def test_every_row_is_of_a_command_and_of_events_that_exist() -> None:
    """A misspelt name would wait for ever."""
    commands = {row.name for row in ROWS if row.direction == "client"}
    server = {row.name for row in ROWS if row.direction == "server"} | {*CANCELLED}

    assert set(ACKS) <= commands
    for rule in ACKS.values():
        assert {*rule.events, *rule.repeated} <= server


def test_an_update_is_answered_in_order() -> None:
    """The server says the whole configuration and not which command it follows."""
    command = sent("session.update", session={"instructions": "Be brief."})

    assert fits(command, told("session.updated", session={})) is None


@pytest.mark.parametrize(
    "said, answer",
    [
        ({"instructions": "Be brief."}, None),
        ({"instructions": "Be long."}, False),
        ({"voice": "marin"}, None),
    ],
)
def test_a_second_greeting_answers_an_update_that_it_does_not_contradict(
    said: dict[str, Any], answer: Optional[bool]
) -> None:
    """Some servers say session.created again where others say session.updated."""
    command = sent("session.update", session={"instructions": "Be brief."})

    assert answer is fits(command, told("session.created", session=said))


@pytest.mark.parametrize("id, answer", [("item_1", True), ("item_2", False)])
def test_a_command_on_an_item_is_known_by_its_id(id: str, answer: bool) -> None:
    """Whether the event has the id or an item with one."""
    delete = sent("conversation.item.delete", item_id="item_1")
    retrieve = sent("conversation.item.retrieve", item_id="item_1")
    retrieved = told("conversation.item.retrieved", item=message("Hello", id=id))

    assert answer is fits(delete, told("conversation.item.deleted", item_id=id))
    assert answer is fits(retrieve, retrieved)


@pytest.mark.parametrize("named", [{}, {"item_id": ""}, {"item_id": None}])
def test_an_answer_without_an_id_says_nothing(named: dict[str, Any]) -> None:
    """Order decides then."""
    command = sent("conversation.item.delete", item_id="item_1")

    assert fits(command, told("conversation.item.deleted", **named)) is None


@pytest.mark.parametrize(
    ("item", "apart"),
    [
        (message("Hi", id="other"), 0),
        (message("Hello", id="other"), 1),
        ({**message("Hi"), "content": [{"type": "audio", "transcript": "Hi"}]}, 2),
        ({**message("Hello"), "content": [{"type": "audio"}]}, 3),
        ({**message("Hi"), "role": "system"}, 2),
        ({"type": "function_call", "id": "item_4", "name": "f"}, 4),
    ],
)
def test_items_are_more_or_less_alike(item: dict[str, Any], apart: int) -> None:
    """The kind of item counts before its role and its parts, and these before words."""
    command = sent("conversation.item.create", item=message("Hi", id="item_1"))

    assert apart == ack_difference(command, told("conversation.item.added", item=item))


@pytest.mark.parametrize(
    "item, answer",
    [
        (message("Hello", id="item_1"), True),
        (message("Hello", id="of_the_server"), None),
        ({"type": "message", "role": "system", "content": [], "id": "item_2"}, None),
        ({"type": "message", "role": "assistant", "id": "item_3"}, None),
    ],
)
def test_a_new_item_is_known_by_its_id_alone(
    item: dict[str, Any], answer: Optional[bool]
) -> None:
    """A server that gives ids of its own may change the rest as well."""
    command = sent("conversation.item.create", item=message("Hi", id="item_1"))

    assert answer is fits(command, told("conversation.item.added", item=item))


def test_a_mapping_of_an_item_is_known_as_well() -> None:
    """Commands that a vendor's extension made are mappings all through."""
    command = events.ConversationItemCreate(item=message("Hi", id="item_1"))
    event = told("conversation.item.added", item=message("Hi", id="item_1"))

    assert True is fits(command, event)


@pytest.mark.parametrize(
    "asked, said, answer",
    [
        ({CORRELATION_KEY: "1"}, {CORRELATION_KEY: "1"}, True),
        ({CORRELATION_KEY: "1"}, {CORRELATION_KEY: "2"}, False),
        ({CORRELATION_KEY: "1"}, {}, None),
        ({CORRELATION_KEY: "1"}, None, None),
        ({CORRELATION_KEY: "1"}, {CORRELATION_KEY: 7}, None),
        ({CORRELATION_KEY: "1"}, {"topic": "another's"}, False),
        ({}, {CORRELATION_KEY: "1"}, False),
        ({}, {"topic": "another's"}, None),
        ({}, {}, None),
    ],
)
def test_a_response_is_known_by_its_metadata(
    asked: dict[str, str], said: Any, answer: Optional[bool]
) -> None:
    """A server that gives no metadata back is followed in order."""
    command = sent("response.create", response={"metadata": asked})
    response = {"id": "resp_1", "metadata": said}

    assert answer is fits(command, told("response.created", response=response))


def test_a_response_is_known_by_the_id_of_its_command() -> None:
    """Some servers repeat it as the id of the event."""
    command = sent("response.create", event_id="event_1")
    event = told("response.created", event_id="event_1", response={"id": "resp_1"})

    assert True is fits(command, event)


@pytest.mark.parametrize(
    "asked, said, answer",
    [
        ({"conversation": "none"}, {"conversation_id": "conv_1"}, True),
        ({"conversation": "none"}, {"conversation_id": None}, False),
        ({"conversation": "none"}, {}, False),
        ({"conversation": "auto"}, {"conversation_id": "conv_1"}, False),
        ({}, {"conversation_id": None}, False),
    ],
)
def test_a_response_of_the_conversation_is_hardly_one_beside_it(
    asked: dict[str, Any], said: dict[str, Any], answer: bool
) -> None:
    """Not more than hardly: some servers know no other responses, and no null."""
    command = sent("response.create", response=asked)
    event = told("response.created", response={"id": "resp_1", **said})

    assert answer is is_unlikely_ack(command, event)


@pytest.mark.parametrize(
    "id, answer", [("resp_1", True), ("resp_2", False), (None, None)]
)
def test_cancelling_is_answered_by_the_end_of_that_response(
    id: Optional[str], answer: Optional[bool]
) -> None:
    """Without an id it is whichever ends next."""
    command = sent("response.cancel", **({} if id is None else {"response_id": id}))

    assert answer is fits(command, told("response.done", response={"id": "resp_1"}))


@pytest.mark.parametrize(
    ("code", "param", "answer"),
    [
        (None, None, True),
        ("never_heard_of", None, True),
        (None, "something.else", True),
        ("response_cancel_not_active", None, False),
        ("invalid_value", "session.voice", False),
        (None, "audio", False),
    ],
)
def test_an_error_points_somewhere_by_code_or_by_place(
    code: Optional[str], param: Optional[str], answer: bool
) -> None:
    """One that points nowhere can be about anything."""
    assert answer is error_points_nowhere(code, param)


@pytest.mark.parametrize(
    ("command", "code", "param", "answer"),
    [
        ("input_audio_buffer.commit", "input_audio_buffer_commit_empty", None, True),
        ("input_audio_buffer.commit", "invalid_value", "session.voice", False),
        ("session.update", "invalid_value", "session.voice", True),
        ("session.update", None, None, False),
        ("input_audio_buffer.clear", None, "", False),
    ],
)
def test_an_error_may_say_by_itself_what_it_is_about(
    command: str, code: Optional[str], param: Optional[str], answer: bool
) -> None:
    """By a code that one command alone can cause, or by the place it points to."""
    assert answer == error_points_to(command, code, param)


def test_what_is_matched_by_order_alone_is_never_contradicted() -> None:
    """A buffer that was cleared does not say for whom."""
    command = sent("input_audio_buffer.clear")

    assert fits(command, told("input_audio_buffer.cleared")) is None


@pytest.mark.parametrize(
    "asked, got, new", [("a", "b", True), ("a", "a", False), (None, "b", False)]
)
def test_an_item_that_comes_back_under_another_id_was_renamed(
    asked: Optional[str], got: str, new: bool
) -> None:
    """Where an id was asked for; what has none may get any."""
    named = {} if asked is None else {"id": asked}
    command = sent("conversation.item.create", item=message("Hi", **named))
    event = told("conversation.item.added", item=message("Hi", id=got))

    assert new == ack_renames_item(command, event)
    assert not ack_renames_item(sent("input_audio_buffer.clear"), event)


@pytest.mark.parametrize("kind", CANCELLED)
@pytest.mark.parametrize(
    ("asked", "named", "answer"),
    [
        ({"response_id": "r"}, {"response_id": "r"}, True),
        ({"response_id": "r"}, {"response": {"id": "r"}}, True),
        ({"response_id": "r"}, {}, True),
        ({"response_id": "r"}, {"response_id": "r0"}, False),
        ({}, {"response_id": "r"}, None),
    ],
)
def test_a_cancel_is_answered_by_what_some_servers_say_for_the_end(
    kind: str, asked: Any, named: Any, answer: Optional[bool]
) -> None:
    """Whether a `response.done` follows or not."""
    command = sent("response.cancel", **asked)

    assert kind in ACKS["response.cancel"].events
    assert answer is fits(command, told(kind, **named))
