"""Items as the conversation lists them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.protocol.dialects.server_quirks import (
    NAMELESS_CHANGES,
    NULL_PREDECESSORS,
    server_quirks_of,
)
from realtime_sync.protocol.events import (
    ConversationItemCreate,
    ConversationItemTruncate,
)
from realtime_sync.protocol.items import ContentPart, UserMessage
from realtime_sync.state.reduce import reduce_command
from realtime_sync.state.snapshot_parts import Limits
from tests.state.mirror_builder import MISSING, Mirror, answer, call, message, said


def test_the_beta_names_the_conversation() -> None:
    """An event without a name changes nothing."""
    mirror = Mirror(dialect="beta")
    mirror.tell("conversation.created")
    assert mirror.snapshot.conversation_id is None

    mirror.tell("conversation.created", conversation={"id": "conv_1"})

    assert "conv_1" == mirror.snapshot.conversation_id


def test_an_item_stands_after_its_predecessor() -> None:
    """The order is that of the predecessors, not of arrival."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.user("c", "a")

    assert ["a", "c", "b"] == mirror.order
    assert "a" == mirror.item("c").previous_item_id
    assert mirror.item("a").previous_item_id is None


def test_null_in_the_middle_is_a_habit_and_no_statement() -> None:
    """xAI names predecessors of messages and says null of calls and outputs."""
    mirror = Mirror()
    mirror.user("u1", None)
    assert frozenset() == mirror.snapshot.habits
    mirror.added(answer("a1"), "u1")
    mirror.added(call("f1"), None)
    output = {"type": "function_call_output", "call_id": "call_f1", "output": "1"}
    mirror.added({"id": "o1", **output}, None)
    mirror.added(answer("a2"), "o1")

    assert ["u1", "a1", "f1", "o1", "a2"] == mirror.order
    assert {NULL_PREDECESSORS} == mirror.snapshot.habits


@pytest.mark.parametrize("nothing", [None, "", MISSING])
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_items_without_a_predecessor_stand_as_they_came(
    nothing: Any, dialect: str
) -> None:
    """Also between items that name one."""
    mirror = Mirror(dialect=dialect)
    for item_id in "abc":
        mirror.user(item_id, nothing)
    mirror.user("d", "a")
    mirror.user("e", nothing)

    assert ["a", "d", "b", "c", "e"] == mirror.order


def test_null_is_the_head_where_the_endpoint_means_it() -> None:
    """An item that another program puts first on OpenAI is first."""
    mirror = Mirror(habits=server_quirks_of("OpenAI"))
    for item_id, previous in (("a", None), ("b", "a"), ("c", None)):
        mirror.user(item_id, previous)

    assert ["c", "a", "b"] == mirror.order
    assert server_quirks_of("OpenAI") == mirror.snapshot.habits


@pytest.mark.parametrize("server", ["OpenAI", "xAI", None])
@pytest.mark.parametrize("nothing", [None, "", MISSING])
def test_done_without_a_predecessor_moves_nothing(server: Any, nothing: Any) -> None:
    """OpenAI says null in `item.done` of what `added` has placed."""
    mirror = Mirror(habits=server_quirks_of(server))
    mirror.user("a", None)
    mirror.added(answer("b"), "a")
    mirror.added(answer("c"), "b")
    mirror.done(answer("b", status="completed"), nothing)

    assert ["a", "b", "c"] == mirror.order


@pytest.mark.parametrize("server", ["OpenAI", "Azure OpenAI", "xAI", None])
def test_done_that_comes_alone_is_not_the_head(server: Any) -> None:
    """A relay lost `item.added`; null in `item.done` means nothing anywhere."""
    mirror = Mirror(habits=server_quirks_of(server))
    mirror.user("a", None)
    mirror.created()
    mirror.started(answer("b"))
    mirror.done(answer("b", status="completed"), None)
    mirror.done(message("c"), None)

    assert ["a", "b", "c"] == mirror.order


def test_an_orphan_waits_at_the_end() -> None:
    """An unknown predecessor is noted, and the item moves when it comes."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("c", "b")
    mirror.user("d", "a")
    assert ["a", "d", "c"] == mirror.order
    assert ["unknown_predecessor"] == mirror.kinds

    mirror.user("b", "a")

    assert ["a", "b", "c", "d"] == mirror.order


def test_an_item_that_names_itself_is_appended() -> None:
    """It does not loop, and it is noted."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "b")

    assert ["a", "b"] == mirror.order
    assert ["self_reference"] == mirror.kinds


def test_a_duplicate_is_one_item() -> None:
    """A server may append an id again, naming itself; it keeps its place."""
    mirror = Mirror()
    mirror.user("a", None, "first")
    mirror.user("b", "a")
    mirror.user("a", "a", "second")

    assert ["a", "b"] == mirror.order
    assert "first" == mirror.item("a").text
    assert ["self_reference", "disagreement"] == mirror.kinds


@pytest.mark.parametrize(
    "again",
    [
        message("a", [{"type": "input_text", "text": "other"}]),
        call("a"),
        {"id": "a", "type": "function_call_output", "call_id": "c", "output": "5"},
    ],
    ids=["other words", "a call", "an output"],
)
def test_another_item_under_an_id_that_is_taken_is_noted(again: Any) -> None:
    """What was told first holds, and nobody is to wonder where the other is."""
    mirror = Mirror()
    mirror.user("a", None, "first")
    mirror.added(again)

    assert ("message", "first") == (mirror.item("a").type, mirror.item("a").text)
    assert ["disagreement"] == mirror.kinds


@pytest.mark.parametrize("end", [None, -5, -100_000, "500", 1.5, MISSING])
def test_a_truncation_that_does_not_say_where_cuts_as_was_asked(end: Any) -> None:
    """And cuts nothing if nobody asked: silence is no statement."""
    told = {} if end is MISSING else {"audio_end_ms": end}
    for asked in (True, False):
        mirror = Mirror()
        mirror.spoken_answer("Hello there", 48_000)
        mirror.ended(answer("a", said("Hello there"), status="completed"))
        if asked:
            command = ConversationItemTruncate(
                item_id="a", content_index=0, audio_end_ms=500
            )
            mirror.snapshot = reduce_command(mirror.snapshot, command)
        mirror.tell("conversation.item.truncated", item_id="a", **told)

        assert (500 if asked else None) == mirror.item("a").heard_ms
        assert ("Hello" if asked else "Hello there") == mirror.item("a").heard
        assert ("no_end" in mirror.kinds) is not asked


@pytest.mark.parametrize("end", [10**6, 10**18, 1e300])
def test_a_truncation_beyond_the_end_leaves_all_to_be_read(end: float) -> None:
    """However far beyond it is said to be."""
    mirror = Mirror()
    mirror.spoken_answer("Hello there", 480)
    mirror.ended(answer("a", said("Hello there"), status="completed"))
    mirror.tell("conversation.item.truncated", item_id="a", audio_end_ms=end)

    assert "Hello there" == mirror.item("a").heard


def test_added_and_created_are_the_same_item() -> None:
    """Some servers send both; the second says nothing new."""
    mirror = Mirror()
    mirror.user("a")
    mirror.tell("conversation.item.created", item=message("a"), previous_item_id=None)
    mirror.user("b", MISSING)
    mirror.user("b", MISSING)

    assert ["a", "b"] == mirror.order
    assert [] == mirror.kinds


def test_done_may_tell_the_place_that_added_did_not() -> None:
    """An item that was appended for want of better moves."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.user("c", MISSING)
    mirror.done(message("c"), "a")

    assert ["a", "c", "b"] == mirror.order
    assert "a" == mirror.item("c").previous_item_id


def test_done_does_not_move_an_item_that_has_a_place() -> None:
    """It repeats a predecessor that may be another by now."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.user("c", "b")
    mirror.done(message("b"), "c")

    assert ["a", "b", "c"] == mirror.order
    assert "a" == mirror.item("b").previous_item_id


def test_done_alone_makes_the_item() -> None:
    """A joiner may miss the beginning."""
    mirror = Mirror()
    mirror.done(answer("a", said("Hello"), status="completed"))

    assert ["a"] == mirror.order
    assert "Hello" == mirror.item("a").text
    assert mirror.item("a").closed


def test_done_completes_a_status_that_the_server_leaves_out() -> None:
    """The event says so, whatever the item says."""
    mirror = Mirror()
    mirror.added(answer())
    item = answer()
    del item["status"]
    mirror.done(item)

    assert "completed" == mirror.item("a").status


def test_done_that_is_still_in_progress_is_not_the_end() -> None:
    """Some servers send added and done at once, and the deltas afterwards."""
    mirror = Mirror()
    mirror.created()
    mirror.added(answer())
    mirror.done(answer())
    mirror.text("Hello")

    assert "Hello" == mirror.item("a").text
    assert not mirror.item("a").closed


@pytest.mark.parametrize("item", [None, {"type": "message", "role": "user"}])
def test_an_item_without_an_id_is_noted(item: Any) -> None:
    """There is no way to keep it."""
    mirror = Mirror()
    mirror.added(item)
    mirror.tell("conversation.item.retrieved", item=item)

    assert [] == mirror.order
    assert "no_id" == mirror.kinds[-1]


def test_every_kind_of_item_is_kept() -> None:
    """All that the protocol has, and one that it does not have."""
    mirror = Mirror()
    mirror.added(message("s", [{"type": "input_text", "text": "Be"}], role="system"))
    image = {"type": "input_image", "image_url": "data:image/png,", "detail": "low"}
    mirror.added(message("u", [image]), "s")
    mirror.added(call("f", '{"a": 1}', "completed"), "u")
    result = {"type": "function_call_output", "call_id": "call_f", "output": "rain"}
    mirror.added({"id": "o", **result}, "f")
    mirror.added(
        {
            "id": "l",
            "type": "mcp_list_tools",
            "server_label": "maps",
            "tools": [{"name": "route", "input_schema": {"type": "object"}}],
        },
        "o",
    )
    failed = {"type": "http_error", "code": 500, "message": "down"}
    mirror.added(
        {
            "id": "m",
            "type": "mcp_call",
            "server_label": "maps",
            "name": "route",
            "arguments": "{}",
            "output": None,
            "error": failed,
        },
        "l",
    )
    mirror.added(
        {
            "id": "p",
            "type": "mcp_approval_response",
            "approval_request_id": "q",
            "approve": False,
            "reason": "no",
        },
        "m",
    )
    mirror.added({"id": "v", "type": "hologram", "status": "completed"}, "p")

    items = {item.id: item for item in mirror.snapshot.items}
    assert ["s", "u", "f", "o", "l", "m", "p", "v"] == list(items)
    assert "Be" == items["s"].text
    assert ("data:image/png,", "low") == (
        items["u"].content[0].image_url,
        items["u"].content[0].detail,
    )
    assert '{"a": 1}' == items["f"].arguments
    assert "rain" == items["o"].output
    assert items["o"] == mirror.snapshot.output_of("call_f")
    assert mirror.snapshot.output_of("call_x") is None
    assert "route" == items["l"].tools[0]["name"]
    assert 500 == items["m"].error["code"]
    assert (False, "no", "q") == (
        items["p"].approve,
        items["p"].reason,
        items["p"].approval_request_id,
    )
    assert "hologram" == items["v"].type
    assert [] == mirror.kinds


def test_the_beta_names_parts_otherwise() -> None:
    """The mirror has one name for each kind of part."""
    mirror = Mirror(dialect="beta")
    item = message("a", [{"type": "text", "text": "Hi"}], role="assistant")
    mirror.tell("conversation.item.created", item=item, previous_item_id=None)

    assert "output_text" == mirror.item("a").content[0].type


# Deleting


def test_a_deleted_item_is_gone_and_its_place_is_known() -> None:
    """Later items that name it stand where it stood."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.user("c", "b")
    mirror.tell("conversation.item.deleted", item_id="b")
    mirror.user("d", "b")

    assert ["a", "d", "c"] == mirror.order
    assert mirror.snapshot.item("b") is None


def test_what_comes_for_a_deleted_item_is_noted() -> None:
    """Deltas and descriptions of it change nothing."""
    mirror = Mirror()
    mirror.spoken_answer()
    mirror.tell("conversation.item.deleted", item_id="a")
    mirror.speech("more")
    mirror.done(answer(status="completed"), "u")
    mirror.tell(
        "response.output_item.done", response_id="r", output_index=0, item=answer()
    )
    mirror.tell("conversation.item.retrieved", item=answer())
    mirror.tell("conversation.item.deleted", item_id="a")
    mirror.ended(answer(status="completed"))

    assert ["u"] == mirror.order
    assert ["late_event"] * 4 + ["repeated"] == mirror.kinds
    assert () == mirror.snapshot.responses["r"].output


def test_an_item_deleted_before_it_comes_stays_away() -> None:
    """The deletion may overtake."""
    mirror = Mirror()
    mirror.tell("conversation.item.deleted", item_id="a")
    mirror.user("a")

    assert [] == mirror.order
    assert ["unknown_item"] == mirror.kinds


def test_an_item_can_be_created_again() -> None:
    """The same id after a deletion is a new item in a new place."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.user("c", "b")
    mirror.tell("conversation.item.deleted", item_id="b")
    mirror.user("b", "c", "again")

    assert ["a", "c", "b"] == mirror.order
    assert "again" == mirror.item("b").text


def test_a_deletion_of_nothing_is_noted() -> None:
    """The id may be missing."""
    mirror = Mirror()
    mirror.tell("conversation.item.deleted")

    assert ["no_id"] == mirror.kinds


# Retrieving


def deleting(item_id: str, event_id: str = "e") -> dict[str, Any]:
    """The command that deletes an item."""
    kind = "conversation.item.delete"
    return {"type": kind, "item_id": item_id, "event_id": event_id}


def with_deletions_that_wait() -> Mirror:
    """Three items, of which two are to be deleted, the later one first."""
    mirror = Mirror()
    for item_id in "abc":
        mirror.user(item_id)
    for item_id in "ba":
        mirror.snapshot = reduce_command(mirror.snapshot, deleting(item_id))
    return mirror


@pytest.mark.parametrize("nothing", [{"item_id": ""}, {"item_id": None}, {}])
def test_a_deletion_that_names_nothing_is_the_oldest_that_waits(
    nothing: dict[str, Any],
) -> None:
    """xAI says an empty id; the mirror knows what was asked for."""
    mirror = with_deletions_that_wait()
    mirror.tell("conversation.item.deleted", **nothing)
    assert ["a", "c"] == mirror.order
    assert {NAMELESS_CHANGES} == mirror.snapshot.habits - {NULL_PREDECESSORS}

    mirror.tell("conversation.item.deleted", **nothing)
    mirror.tell("conversation.item.deleted", **nothing)

    assert ["c"] == mirror.order
    assert ["no_id"] == mirror.kinds


@pytest.mark.parametrize(
    "named", [{"item": {"id": "a"}}, {"id": "a"}, {"item_id": None, "id": "a"}]
)
def test_a_deletion_that_is_named_elsewhere_is_not_the_oldest(
    named: dict[str, Any],
) -> None:
    """Another item would be gone than the one that is."""
    mirror = with_deletions_that_wait()
    mirror.tell("conversation.item.deleted", **named)

    assert ["b", "c"] == mirror.order
    assert NAMELESS_CHANGES not in mirror.snapshot.habits


def test_a_deletion_that_was_named_or_refused_waits_no_more() -> None:
    """What names nothing is then about the next one."""
    mirror = Mirror()
    for item_id in "abcd":
        mirror.user(item_id)
    for number, item_id in enumerate("abc"):
        command = deleting(item_id, f"e{number}")
        mirror.snapshot = reduce_command(mirror.snapshot, command)
    mirror.tell("conversation.item.deleted", item_id="d")
    mirror.tell("conversation.item.deleted", item_id="a")
    mirror.tell("error", error={"message": "no", "event_id": "e1"})
    mirror.tell("conversation.item.deleted", item_id="")

    assert ["b"] == mirror.order


def test_retrieval_adds_what_was_not_known() -> None:
    """The transcript, and how long the audio is."""
    mirror = Mirror()
    mirror.added(message("u", [{"type": "input_audio", "transcript": None}]))
    audio = "A" * 6400  # 4800 bytes
    part = {"type": "input_audio", "audio": audio, "transcript": "Hello"}
    mirror.tell("conversation.item.retrieved", item=message("u", [part]))

    assert "Hello" == mirror.item("u").text
    assert 100 == mirror.item("u").audio_ms
    assert ["u"] == mirror.order


def test_retrieved_speech_is_measured_in_the_format_of_the_input() -> None:
    """A telephone's audio is a sixth of the size."""
    mirror = Mirror()
    half = {"format": {"type": "audio/pcmu"}}
    session = {"type": "realtime", "audio": {"input": half}}
    mirror.tell("session.created", session=session)
    part = {"audio": "A" * 6400}
    mirror.tell("conversation.item.retrieved", item=message("u", [part]))

    assert 600 == mirror.item("u").audio_ms


def test_a_retrieved_stranger_stands_at_the_end() -> None:
    """Until the server says where it is."""
    mirror = Mirror()
    mirror.user("a")
    mirror.tell("conversation.item.retrieved", item=message("x"))
    mirror.user("b", "a")
    assert ["a", "b", "x"] == mirror.order

    mirror.done(message("x"), "a")

    assert ["a", "x", "b"] == mirror.order


# Truncating


def test_a_truncation_takes_the_transcript_from_the_server_only() -> None:
    """What was said and what was heard stay readable."""
    mirror = Mirror()
    mirror.spoken_answer("One two three four", size=96_000)
    mirror.ended(answer("a", said("One two three four"), status="completed"))
    mirror.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=1000
    )

    item = mirror.item("a")
    assert ("", "One two three four", "One two") == (item.text, item.said, item.heard)
    assert item.content[0].transcript is None
    assert (True, 1000, 2000) == (item.truncated, item.heard_ms, item.audio_ms)
    assert ("assistant", "One two") == mirror.snapshot.transcript()[-1]


def test_what_is_said_after_a_truncation_is_the_servers_again() -> None:
    """Of what it had said before, the server knows nothing any more."""
    mirror = Mirror()
    mirror.spoken_answer("One ")
    mirror.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=10
    )
    mirror.speech("two ")
    assert ("two ", "One two ") == (mirror.item("a").text, mirror.item("a").said)

    mirror.about("response.output_audio_transcript.done", transcript="two")
    mirror.ended(answer("a", said("two"), status="completed"))

    assert ("two", "One two ") == (mirror.item("a").text, mirror.item("a").said)


@pytest.mark.parametrize(
    "told", [{}, {"item_id": None}, {"item_id": "", "audio_end_ms": 500}]
)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_truncation_that_names_nothing_is_the_oldest_that_waits(
    told: dict[str, Any], dialect: str
) -> None:
    """A deletion that waits, and a truncation that was answered, are not meant."""
    mirror = Mirror(dialect=dialect)
    for item_id in "abc":
        mirror.added(answer(item_id, said("One two"), status="completed"))
    cut = {"type": "conversation.item.truncate", "audio_end_ms": 500}
    asked = [deleting("c"), {**cut, "item_id": "a"}, {**cut, "item_id": "b"}]
    for command in asked:
        mirror.snapshot = reduce_command(mirror.snapshot, command)
    mirror.tell("conversation.item.truncated", item_id="a", audio_end_ms=400)
    mirror.tell("conversation.item.truncated", **told)

    assert [400, 500, None] == [item.heard_ms for item in mirror.snapshot.items]
    assert [] == mirror.kinds
    assert NAMELESS_CHANGES in mirror.snapshot.habits


def test_a_truncation_that_names_nothing_and_was_not_asked_for_is_noted() -> None:
    """Nor does one that was refused wait any more."""
    mirror = Mirror()
    mirror.added(answer("a", said("One two"), status="completed"))
    command = {"type": "conversation.item.truncate", "event_id": "e", "item_id": "a"}
    mirror.snapshot = reduce_command(mirror.snapshot, command)
    mirror.tell("error", error={"message": "no", "event_id": "e"})
    mirror.tell("conversation.item.truncated", item_id="")

    assert ["unknown_item"] == mirror.kinds
    assert mirror.item("a").heard_ms is None


@pytest.mark.parametrize(("item_id", "index"), [("x", 0), ("a", 7), ("a", -1)])
def test_a_truncation_of_nothing_is_noted(item_id: str, index: int) -> None:
    """The item or its part may be unknown."""
    mirror = Mirror()
    mirror.spoken_answer()
    mirror.tell(
        "conversation.item.truncated",
        item_id=item_id,
        content_index=index,
        audio_end_ms=5,
    )

    assert ["unknown_item"] == mirror.kinds
    assert mirror.item("a").heard_ms is None


# The head of the conversation


def asking(item_id: Any = "z", **more: Any) -> dict[str, Any]:
    """A command that asks for the head, as a mapping."""
    item = message("z")
    del item["id"]
    item.update({"id": item_id} if item_id else {})
    return {
        "type": "conversation.item.create",
        "item": item,
        "previous_item_id": "root",
        **more,
    }


def test_a_null_that_was_asked_for_is_the_head() -> None:
    """Even on a server that never names a predecessor."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b")
    mirror.snapshot = reduce_command(mirror.snapshot, asking("z"))
    mirror.user("c")
    mirror.user("z")
    mirror.user("d")

    assert ["z", "a", "b", "c", "d"] == mirror.order


def test_an_item_without_an_id_is_known_by_its_kind() -> None:
    """The server gives the id; the next new item of that kind is the one."""
    mirror = Mirror()
    mirror.user("a")
    content = [ContentPart(type="input_text", text="Hi")]
    command = ConversationItemCreate(
        item=UserMessage(content=content), previous_item_id="root"
    )
    mirror.snapshot = reduce_command(mirror.snapshot, command)
    mirror.added(message("s", role="system"))
    mirror.user("a")
    mirror.user("z")
    mirror.user("b")

    assert ["z", "a", "s", "b"] == mirror.order


def test_a_refused_wish_is_forgotten() -> None:
    """An error names the command; errors of others change nothing."""
    mirror = Mirror()
    mirror.user("a")
    mirror.snapshot = reduce_command(mirror.snapshot, asking(None, event_id="e"))
    mirror.tell("error", error={"type": "x", "message": "y", "event_id": "other"})
    mirror.tell("error", error={"type": "x", "message": "y", "event_id": None})
    mirror.tell("error")
    mirror.tell("error", error={"type": "x", "message": "y", "event_id": "e"})
    mirror.user("b")

    assert ["a", "b"] == mirror.order


@pytest.mark.parametrize(
    "command",
    [
        {"type": "response.create"},
        {"type": "vendor"},
        {"type": "conversation.item.create", "item": {}, "previous_item_id": "a"},
        {"type": "conversation.item.create", "item": {}},
        {},
    ],
)
def test_other_commands_change_nothing(command: dict[str, Any]) -> None:
    """The very same snapshot comes back."""
    mirror = Mirror()

    assert mirror.snapshot is reduce_command(mirror.snapshot, command)


# Bounds


def test_the_first_items_are_forgotten_first() -> None:
    """There are never more than the limit, and places stay known."""
    mirror = Mirror(limits=Limits(max_items=3))
    previous = None
    for index in range(10):
        mirror.user(f"i{index}", previous)
        previous = f"i{index}"
    assert ["i7", "i8", "i9"] == mirror.order

    mirror.user("x", "i6")

    assert ["x", "i8", "i9"] == mirror.order
    assert [] == mirror.kinds


def test_announced_items_are_forgotten_without_a_trace() -> None:
    """One that comes after all is an ordinary item."""
    mirror = Mirror(limits=Limits(max_items=2))
    for index in range(4):
        mirror.tell("input_audio_buffer.committed", item_id=f"i{index}")
    assert ["i2", "i3"] == [item.id for item in mirror.snapshot.announced]

    mirror.added(message("i0"))

    assert ["i0"] == mirror.order
