"""Calls and outputs that belong together, and do not say so."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from realtime_sync import Router, connect
from realtime_sync.errors import LocalProtocolError
from realtime_sync.protocol.codec import to_mapping
from realtime_sync.state.call_ids import with_call_ids
from realtime_sync.state.items import Item
from realtime_sync.state.restore import SpokenMessage, plan_items, plan_restore
from realtime_sync.testing import MemoryTransport
from tests.state.mirror_builder import Mirror


def call(item_id: str, call_id: Optional[str] = None) -> Item:
    """A function call."""
    kind = "function_call"
    return Item(id=item_id, type=kind, call_id=call_id, name="f", arguments="{}")


def output(item_id: str, call_id: Optional[str] = None) -> Item:
    """What came of one."""
    kind = "function_call_output"
    return Item(id=item_id, type=kind, call_id=call_id, output=item_id.upper())


CASES: dict[str, tuple[list[Item], list[Optional[str]]]] = {
    "both say": ([call("a", "c"), output("b", "c")], ["c", "c"]),
    "neither says": ([call("a"), output("b")], ["a", "a"]),
    "the output names the item": ([call("a"), output("b", "a")], ["a", "a"]),
    "the output does not say": ([call("a", "c"), output("b")], ["c", "c"]),
    "the call does not say": ([call("a"), output("b", "c")], ["a", "c"]),
    "an empty text says nothing": ([call("a", ""), output("b", "")], ["a", "a"]),
    "two in turn": (
        [call("a"), output("b"), call("c"), output("d")],
        ["a", "a", "c", "c"],
    ),
    "two at once": (
        [call("a"), call("b"), output("c"), output("d")],
        ["a", "b", "a", "b"],
    ),
    "one of two says": (
        [call("a", "x"), call("b"), output("c"), output("d", "x")],
        ["x", "b", "b", "x"],
    ),
    "more outputs than calls": (
        [call("a"), output("b"), output("c")],
        ["a", "a", None],
    ),
    "no call": ([output("a")], [None]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_call_and_its_output_have_one_id(case: str) -> None:
    """That of the call's item, where the server gave none."""
    items, expected = CASES[case]
    named = with_call_ids(items)

    assert expected == [item.call_id for item in named]
    assert [item.id for item in items] == [item.id for item in named]
    assert named == with_call_ids(named)


def test_what_is_no_call_stays_what_it_is() -> None:
    """Messages have no such id, and what is spoken is no item."""
    spoken = SpokenMessage(id="s", parts=())
    message = Item(id="m", type="message", role="user")

    named = with_call_ids([spoken, call("a"), message])

    assert (spoken, "a", message) == (named[0], named[1].call_id, named[2])


def test_an_output_without_a_call_is_not_sent() -> None:
    """The service refuses one whose call is not there, and one that names none."""
    plan = plan_items([call("a"), output("b"), output("c"), output("d", "x")])

    sent = [to_mapping(command.item) for command in plan.commands]
    assert [("a", "a"), ("b", "a")] == [(each["id"], each["call_id"]) for each in sent]
    gone = "its function call is gone"
    assert {"c": gone, "d": gone} == plan.report.dropped


def test_a_conversation_is_exported_with_them() -> None:
    """Chat completions need the id, too."""
    mirror = Mirror()
    for item in (call("a"), output("b")):
        mirror.added(item.to_dict())

    asked, answered = mirror.snapshot.to_messages()

    assert ["a"] == [each["id"] for each in asked["tool_calls"]]
    assert ("a", "B") == (answered["tool_call_id"], answered["content"])


def test_a_plan_made_of_its_own_outcome_is_the_same() -> None:
    """A connection that was restored may be lost once more."""
    mirror = Mirror()
    for item in (call("a"), output("b")):
        mirror.added(item.to_dict())
    first = plan_restore(mirror.snapshot, None)
    again = Mirror()
    for command in first.commands:
        again.added(to_mapping(command.item))

    assert first.commands == plan_restore(again.snapshot, None).commands


def test_an_item_of_a_snapshot_is_created_with_an_id_of_its_call() -> None:
    """An output that names no call cannot be; the error says so."""
    transport = MemoryTransport()
    with connect(transport=transport, dispatch="inline", router=Router()) as session:
        session.conversation.item.create(call("a"))
        with pytest.raises(
            LocalProtocolError, match="b cannot be created: it names no"
        ):
            session.conversation.item.create(output("b"))

    sent: list[Any] = [frame["item"] for frame in transport.sent]
    assert [("a", "a")] == [(each["id"], each["call_id"]) for each in sent]
