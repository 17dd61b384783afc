"""Items of the mirror from what programs keep."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol import items as wire
from realtime_sync.state.items import Item, Part
from realtime_sync.state.restore import (
    Unconfirmed,
    creatable_item,
    plan_items,
    plan_restore,
    resumed_conversation,
)
from realtime_sync.state.saved_items import (
    is_item_saved_by_mirror,
    saved_items,
    saved_items_with_short_ids,
)
from tests.state.mirror_builder import Mirror, answer, message, said
from tests.state.test_restore import call, created, mirror_of, output, text, user


def numbered() -> Callable[[], str]:
    """Ids ``new_0``, ``new_1`` and so on."""
    numbers = itertools.count()
    return lambda: f"new_{next(numbers)}"


def read(*saved: Any) -> tuple[Item, ...]:
    """Saved items as the mirror has them."""
    return saved_items(saved, numbered())


def shown(items: tuple[Item, ...]) -> list[tuple[Any, ...]]:
    """What matters of items."""
    return [
        (each.id, each.type, each.role or each.call_id, each.said or each.output)
        for each in items
    ]


def cut_mirror() -> Mirror:
    """A mirror with an answer of which only half was heard."""
    mirror = mirror_of(user("u", text("Sing.")))
    mirror.created("r")
    mirror.added(answer("a"), "u")
    words = said("one two three four")
    mirror.done(answer("a", words, status="completed"), "u")
    mirror.tell("response.done", response={"id": "r", "status": "completed"})
    mirror.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=500
    )
    return mirror


def test_items_of_a_snapshot_are_taken_as_they_are() -> None:
    """Their texts, calls and outputs too."""
    items = mirror_of(user("u", text("Hi")), call("f", "c"), output("o", "c")).snapshot
    assert items.items == read(*items.items)


def test_what_to_dict_gave_keeps_what_was_heard() -> None:
    """Through JSON: half of the answer was played, and half of it comes back."""
    items = cut_mirror().snapshot.items
    packed = json.loads(json.dumps([item.to_dict() for item in items]))

    assert all(is_item_saved_by_mirror(each) for each in packed)
    assert items == read(*packed)
    assert "one two" == created(plan_items(read(*packed)))[1]["content"][0]["text"]


@pytest.mark.parametrize("part", ["text", "output_text"])
def test_mappings_of_the_wire_are_read_in_either_spelling(part: str) -> None:
    """The same item, and it goes out in the canonical spelling."""
    said = {"type": "message", "id": "a", "role": "assistant", "status": "completed"}
    items = read({**said, "content": [{"type": part, "text": "Hello"}]})

    assert [("a", "message", "assistant", "Hello")] == shown(items)
    assert "output_text" == created(plan_items(items))[0]["content"][0]["type"]


def test_items_of_events_are_read_as_well() -> None:
    """Objects of the vocabulary."""
    part = wire.ContentPart(type="input_text", text="Hello")
    items = read(wire.UserMessage(content=(part,)), wire.McpCall(
        id="m", server_label="s", name="n", arguments="{}"
    ))  # fmt: skip

    assert [("new_0", "message", "user", "Hello")] == shown(items[:1])
    assert {"m": "a mcp_call item is made by the server only"} == dict(
        plan_items(items).report.dropped
    )


def test_a_spoken_message_becomes_its_transcript() -> None:
    """And one without a transcript is reported, not made up."""
    spoken = [{"type": "input_audio", "transcript": "Good morning"}]
    plan = plan_items(
        read(message("u", spoken), message("v", [{"type": "input_audio"}]))
    )

    assert "Good morning" == created(plan)[0]["content"][0]["text"]
    assert {"u": "audio became its transcript"} == dict(plan.report.changed)
    assert {"v": "audio without a transcript"} == dict(plan.report.dropped)


CHAT: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Weather in "}]},
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "look_up", "arguments": '{"place": "Lima"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "21"},
    {"role": "assistant", "content": "21 degrees."},
]


def test_chat_messages_become_items() -> None:
    """Roles, calls, outputs, order."""
    assert [
        ("new_0", "message", "system", "Be brief."),
        ("new_1", "message", "user", "Weather in "),
        ("new_2", "message", "assistant", "Let me see."),
        ("new_3", "function_call", "c1", None),
        ("new_4", "function_call_output", "c1", "21"),
        ("new_5", "message", "assistant", "21 degrees."),
    ] == [(*each[:3], each[3] or None) for each in shown(read(*CHAT))]


def test_chat_messages_come_back_as_they_were() -> None:
    """`Snapshot.to_messages` gives what `history` takes."""
    snapshot = mirror_of(
        user("u", text("Weather?")), call("f", "c"), output("o", "c")
    ).snapshot
    items = read(*snapshot.to_messages())

    assert [item.type for item in snapshot.items] == [item.type for item in items]
    assert ['{"place": "Lima"}'] == [i.arguments for i in items if i.name == "look_up"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    ],
)
def test_images_of_chat_messages_are_kept(part: dict[str, Any]) -> None:
    """In each of the spellings that are about."""
    plan = plan_items(read({"role": "user", "content": [part]}))

    assert "data:image/png;base64,AA==" == created(plan)[0]["content"][0]["image_url"]


@pytest.mark.parametrize("message", [{"content": None}, {"content": ""}, {}])
def test_a_call_without_words_is_a_call_alone(message: dict[str, Any]) -> None:
    """No message without content is made for it."""
    calls = CHAT[2]["tool_calls"]
    items = read({"role": "assistant", **message, "tool_calls": calls})

    assert ["function_call"] == [item.type for item in items]


def test_a_refusal_is_what_was_said() -> None:
    """It is text of the assistant like any other."""
    part = {"type": "refusal", "refusal": "I cannot."}
    assert "I cannot." == read({"role": "assistant", "content": [part]})[0].said


def test_sound_of_a_chat_message_is_reported() -> None:
    """It has no transcript, so nothing of it can be put in."""
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    plan = plan_items(read({"role": "user", "content": [sound]}))

    assert {"new_0": "audio without a transcript"} == dict(plan.report.dropped)


@pytest.mark.parametrize(
    "saved, words",
    [
        (5, "int is no item"),
        ("Hello", "str is no item"),
        ({}, "needs a type"),
        ({"role": "function", "content": "21"}, "'function'"),
        ({"role": "tool", "content": "21"}, "tool_call_id"),
        ({"role": "user", "content": 5}, "not int"),
        ({"role": "user", "content": ["Hello"]}, "not str"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, "got int"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "function"),
        ({"role": "assistant", "tool_calls": [{"function": {}, "id": "c"}]}, "name"),
        ({"role": "assistant", "tool_calls": [{"type": "custom"}]}, "name"),
        ({"type": "message", "role": "user", "content": [{"text": 5}]}, "text"),
        ({"type": "function_call_output", "call_id": "c", "output": 5}, "output"),
        ({"id": "a", "closed": True, "tone": "grave"}, "tone"),
        ({"type": 5}, "needs a type"),
    ],
    ids=repr,
)
def test_what_is_no_item_is_refused_by_its_number(saved: Any, words: str) -> None:
    """Before anything is sent, at the line of whoever gave it."""
    with pytest.raises(ConfigurationError, match=r"history\[1\]") as refused:
        read({"role": "user", "content": "Hello"}, saved)

    assert words in str(refused.value)


def test_an_item_that_is_there_twice_is_refused() -> None:
    """The report is by id."""
    with pytest.raises(ConfigurationError, match="two items 'u'"):
        read(user("u", text("one")), user("u", text("two")))


def test_long_ids_are_made_anew_and_calls_find_their_outputs() -> None:
    """Other servers give ids that the service refuses; the report says so."""
    long, call_id = "item-" + "7" * 36, "call-" + "8" * 36
    items, remarks = saved_items_with_short_ids(
        read(call(long, call_id), output("o", call_id), user("u", text("Hi"))),
        lambda name: name[:20],
    )

    assert {long[:20]: f"was called {long}"} == remarks
    assert [long[:20], "o", "u"] == [item.id for item in items]
    assert {call_id[:20], None} == {item.call_id for item in items}
    assert () == tuple(plan_items(items, remarks=remarks).report.dropped)
    assert remarks == dict(plan_items(items, remarks=remarks).report.changed)


def test_remarks_on_what_is_dropped_go_with_it() -> None:
    """An item is changed or dropped, not both; two changes are one remark."""
    items = (Item(id="a"), Item(id="b", type="message", role="user", content=(
        Part(type="input_audio", transcript="Hi"),
    )))  # fmt: skip
    report = plan_items(items, remarks={"a": "was x", "b": "was y"}).report

    assert ["a"] == list(report.dropped)
    assert {"b": "was y; audio became its transcript"} == dict(report.changed)


def test_the_phase_of_an_answer_is_kept() -> None:
    """Else what was said on the way would become part of the answer."""
    item = Item(
        id="a",
        type="message",
        role="assistant",
        phase="commentary",
        content=(Part(type="output_text", text="Let me see."),),
    )
    assert "commentary" == creatable_item(item)[0].phase


def test_mappings_of_servers_are_not_taken_for_the_mirrors() -> None:
    """Nor is anything that is no mapping of an item."""
    assert not is_item_saved_by_mirror(user("u", text("Hi")))
    assert not is_item_saved_by_mirror({"closed": True})
    assert not is_item_saved_by_mirror("closed")
    assert not is_item_saved_by_mirror({"id": "u", "content": "closed"})


def test_sound_that_was_saved_is_put_in_as_sound() -> None:
    """The model hears it again; words beside it go with it."""
    spoken = {"type": "input_audio", "audio": "AAAA", "transcript": "Hello"}
    items = read(user("u" * 40, spoken, text("and this")))
    short, _ = saved_items_with_short_ids(items, lambda name: name[:20])
    (message,) = created(plan_items(short))

    assert "u" * 20 == message["id"]
    assert [
        {"type": "input_audio", "audio": "AAAA"},
        {"type": "input_text", "text": "and this"},
    ] == message["content"]
    assert {} == dict(plan_items(items).report.changed)


def test_sound_that_nobody_confirmed_goes_to_the_next_connection() -> None:
    """In its place, once; an item that is there by now is not sent again."""
    spoken = {"type": "input_audio", "audio": "AAAA"}
    items = read(user("a", text("one")), user("u", spoken), user("b", text("two")))
    left = Unconfirmed(items=items, ids=frozenset({"u"}), names={})
    mirror = mirror_of(user("a", text("one")), user("b", text("two")))
    plan = plan_restore(mirror.snapshot, None, left=left)
    assert ("a", "u", "b") == plan.report.restored

    mirror.added(user("c", text("three")), "b")
    assert ["a", "u", "b", "c"] == [
        i.id for i in resumed_conversation(mirror.snapshot, left)
    ]
