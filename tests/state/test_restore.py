"""Plans that rebuild a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.protocol.codec import to_mapping
from realtime_sync.protocol.dialects.server_quirks import OWN_IDS
from realtime_sync.state.restore import Unconfirmed, plan_restore, resumed_conversation
from realtime_sync.state.snapshot_changes import learn_habit
from realtime_sync.types import UNSET
from tests.state.mirror_builder import Mirror, answer, message, said


def user(item_id: str, *content: dict[str, Any]) -> dict[str, Any]:
    """A user's message."""
    return {
        "type": "message",
        "id": item_id,
        "role": "user",
        "status": "completed",
        "content": list(content),
    }


def text(words: str) -> dict[str, Any]:
    """A part of text."""
    return {"type": "input_text", "text": words}


def call(item_id: str, call_id: str, status: str = "completed") -> dict[str, Any]:
    """A function call."""
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call_id,
        "name": "look_up",
        "arguments": '{"place": "Lima"}',
        "status": status,
    }


def output(item_id: str, call_id: str) -> dict[str, Any]:
    """The output of one."""
    return {
        "type": "function_call_output",
        "id": item_id,
        "call_id": call_id,
        "output": "21",
        "status": "completed",
    }


def mirror_of(*items: dict[str, Any]) -> Mirror:
    """A mirror that was told of items, in order."""
    mirror = Mirror()
    previous = None
    for item in items:
        mirror.added(item, previous)
        previous = item["id"]
    return mirror


def created(plan: Any) -> list[Any]:
    """The items of a plan's commands, as they go over the wire."""
    return [to_mapping(command.item) for command in plan.commands]


def test_an_empty_conversation_needs_nothing() -> None:
    """Neither commands nor configuration."""
    plan = plan_restore(Mirror().snapshot, None)

    assert None is plan.config
    assert () == plan.commands
    assert () == plan.report.restored


def test_items_keep_their_ids_and_their_order() -> None:
    """Each names the one before it, the first one the root."""
    plan = plan_restore(
        mirror_of(user("a", text("one")), user("b", text("two"))).snapshot, None
    )

    assert ("a", "b") == plan.report.restored
    assert ["root", "a"] == [c.previous_item_id for c in plan.commands]
    assert ["a", "b"] == [item["id"] for item in created(plan)]


def test_what_is_dropped_is_nobodys_predecessor() -> None:
    """The next item comes behind the last one that is there."""
    lost = user("b", {"type": "input_audio"})
    plan = plan_restore(
        mirror_of(user("a", text("one")), lost, user("c", text("three"))).snapshot, None
    )

    assert ["root", "a"] == [c.previous_item_id for c in plan.commands]
    assert {"b": "audio without a transcript"} == plan.report.dropped


def test_speech_of_the_user_becomes_its_transcript() -> None:
    """Its bytes are nowhere to be had; the report says so."""
    spoken = user("a", {"type": "input_audio", "transcript": "Good morning"})
    plan = plan_restore(mirror_of(spoken).snapshot, None)

    assert [[text("Good morning")]] == [item["content"] for item in created(plan)]
    assert {"a": "audio became its transcript"} == plan.report.changed


def answered() -> Mirror:
    """A mirror with a spoken answer that is finished."""
    part = {"type": "output_audio", "transcript": "One two three four five"}
    return mirror_of({**user("a", part), "role": "assistant"})


def test_speech_of_the_model_becomes_text() -> None:
    """Audio of the assistant cannot be put into a conversation."""
    plan = plan_restore(answered().snapshot, None)

    words = "One two three four five"
    assert [[{"type": "output_text", "text": words}]] == (
        [item["content"] for item in created(plan)]
    )
    assert {"a": "audio became its transcript"} == plan.report.changed


def test_speech_that_was_cut_becomes_what_was_heard() -> None:
    """The model must not believe to have said the rest."""
    mirror = Mirror()
    mirror.spoken_answer("One two three four", size=96_000)
    mirror.done(answer("a", said("One two three four"), status="completed"), "u")
    cut = {"item_id": "a", "content_index": 0, "audio_end_ms": 1000}
    mirror.tell("conversation.item.truncated", **cut)
    plan = plan_restore(mirror.snapshot, None)

    assert "One two" == created(plan)[1]["content"][0]["text"]
    assert {"a": "cut to what was heard, as text"} == plan.report.changed


def test_an_image_that_is_not_known_any_more_is_dropped() -> None:
    """Some servers do not say it back."""
    plan = plan_restore(mirror_of(user("a", {"type": "input_image"})).snapshot, None)

    assert {"a": "an image is not known any more"} == plan.report.dropped


def test_an_image_is_kept() -> None:
    """With its address and detail."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    plan = plan_restore(mirror_of(user("a", picture)).snapshot, None)

    assert [{**picture, "detail": "auto"}] == created(plan)[0]["content"]


def test_a_call_and_its_output_stay_together() -> None:
    """Same call id, name and arguments."""
    plan = plan_restore(mirror_of(call("a", "c1"), output("b", "c1")).snapshot, None)
    made = created(plan)

    assert ("a", "b") == plan.report.restored
    assert ["c1", "c1"] == [item["call_id"] for item in made]
    assert ("look_up", "21") == (made[0]["name"], made[1]["output"])


@pytest.mark.parametrize(
    "items",
    [
        (output("b", "c1"),),
        (call("a", "c2"), output("b", "c1")),
        (call("a", "c1", "in_progress"), output("b", "c1")),
    ],
    ids=["no call", "another call", "a call that was not finished"],
)
def test_an_output_without_its_call_is_dropped(items: tuple[Any, ...]) -> None:
    """The server would refuse it, or the model would not understand it."""
    plan = plan_restore(mirror_of(*items).snapshot, None)

    assert "its function call is gone" == plan.report.dropped["b"]


def test_what_was_not_finished_is_dropped() -> None:
    """Half an answer is not what the model said."""
    mirror = Mirror()
    mirror.created()
    mirror.added(
        {
            "type": "message",
            "id": "a",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
    )
    plan = plan_restore(mirror.snapshot, None)

    assert {"a": "was not finished"} == plan.report.dropped


def test_items_only_a_server_makes_are_dropped_with_that_reason() -> None:
    """The model's use of MCP servers, for example."""
    tools = {"type": "mcp_list_tools", "id": "a", "server_label": "s", "tools": []}
    plan = plan_restore(mirror_of(tools).snapshot, None)

    assert {"a": "a mcp_list_tools item is made by the server only"} == (
        plan.report.dropped
    )


def test_a_message_without_content_is_dropped() -> None:
    """The server would refuse it."""
    plan = plan_restore(mirror_of(user("a")).snapshot, None)

    assert {"a": "has no content"} == plan.report.dropped


def test_a_role_that_nobody_can_write_is_dropped() -> None:
    """Servers of tomorrow may have more roles."""
    odd = {**user("a", text("psst")), "role": "narrator"}
    plan = plan_restore(mirror_of(odd).snapshot, None)

    assert {"a": "messages of 'narrator' cannot be created"} == plan.report.dropped


def test_without_items_everything_is_reported_as_dropped() -> None:
    """So that a program can tell its user."""
    plan = plan_restore(mirror_of(user("a", text("one"))).snapshot, None, items=False)

    assert () == plan.commands
    assert {"a": "not wanted"} == plan.report.dropped


def test_the_configuration_is_sent_without_what_only_the_server_writes() -> None:
    """Nor with nulls, which mean that a field is not set, but for detection."""
    told = {
        "id": "sess_1",
        "object": "realtime.session",
        "type": "realtime",
        "model": "m",
        "expires_at": 1,
        "client_secret": {"value": "s"},
        "instructions": "Be brief.",
        "prompt": None,
        "audio": {
            "input": {"turn_detection": None, "transcription": None},
            "output": {"voice": "marin"},
        },
    }
    plan = plan_restore(Mirror().snapshot, told)

    assert {
        "type": "realtime",
        "instructions": "Be brief.",
        "audio": {
            "input": {"turn_detection": None},
            "output": {"voice": "marin"},
        },
    } == plan.config


def test_a_translation_session_takes_no_type() -> None:
    """Its URL says what it is."""
    told = {"type": "translation", "id": "s", "audio": {"output": {"language": "es"}}}
    plan = plan_restore(Mirror().snapshot, told)

    assert {"audio": {"output": {"language": "es"}}} == plan.config


def test_planning_changes_nothing() -> None:
    """A plan is data; the snapshot is what it was."""
    mirror = mirror_of(user("a", text("one")), call("b", "c"))
    before = mirror.snapshot.to_dict()
    plan_restore(mirror.snapshot, {"instructions": "x"})

    assert before == mirror.snapshot.to_dict()


def heard_only(*said: str) -> Mirror:
    """A user's messages."""
    return mirror_of(
        *[user(each, {"type": "input_text", "text": each}) for each in said]
    )


@pytest.mark.parametrize(
    ("confirmed", "names", "conversation"),
    [
        ("", {}, "abcd"),
        ("ac", {}, "abcd"),
        ("d", {}, "abcd"),
        ("bx", {}, "abcdx"),
        ("Bx", {"b": "B"}, "aBcdx"),
    ],
)
def test_a_second_loss_goes_on_from_what_was_restored(
    confirmed: str, names: dict[str, str], conversation: str
) -> None:
    """What the server never spoke of stands where it stood."""
    before = heard_only(*"abcd").snapshot
    ids = frozenset(set("abcd") - set(confirmed) - set(names))
    left = Unconfirmed(items=before.items, ids=ids, names=names)
    plan = plan_restore(heard_only(*confirmed).snapshot, None, left=left)

    assert tuple(conversation) == plan.report.restored


def test_what_was_told_late_or_deleted_is_not_sent_again() -> None:
    """Under whatever id: it is what has the same words."""
    before = heard_only(*"abc").snapshot
    left = Unconfirmed(items=before.items, ids=frozenset("abc"), names={})
    mirror = heard_only("c")
    mirror.added(user("theirs", {"type": "input_text", "text": "a"}))
    mirror.tell("conversation.item.deleted", item_id="b")

    assert ["c", "theirs"] == [
        i.id for i in resumed_conversation(mirror.snapshot, left)
    ]


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
def test_what_has_words_and_no_response_is_finished(role: str) -> None:
    """Some servers call what a client created in progress for ever."""
    item = message("a", [{"type": "text", "text": "Hi"}], role=role)
    mirror = mirror_of({**item, "status": "in_progress"})

    assert ("a",) == plan_restore(mirror.snapshot, None).report.restored


def test_a_server_that_names_items_itself_is_told_no_predecessors() -> None:
    """It would refuse each; what comes without one goes to the end, in order."""
    mirror = mirror_of(user("u1", text("Hi")), answer("a1", said("Hello")))
    known = learn_habit(mirror.snapshot, OWN_IDS)
    commands = plan_restore(known, None).commands

    assert ["u1", "a1"] == [command.item.id for command in commands]
    assert {UNSET} == {command.previous_item_id for command in commands}
