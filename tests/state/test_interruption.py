"""What is sent to the server when the user interrupts."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.protocol.codec import Codec
from realtime_sync.state.interruption import plan_interruption
from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.types import UNSET

MS = 48
"""Bytes of one millisecond."""


@frozen
class Played:
    """What a player says of one part."""

    item_id: str
    heard_ms: float
    received_ms: float = 1000.0
    content_index: int = 0


def cancel(response_id: str = "r") -> tuple[Any, ...]:
    """A cancel command, as the tests compare it."""
    return ("response.cancel", response_id)


def cut(item_id: str, ms: int, index: int = 0) -> tuple[Any, ...]:
    """A truncate command."""
    return ("conversation.item.truncate", item_id, index, ms)


def delete(item_id: str) -> tuple[Any, ...]:
    """A delete command."""
    return ("conversation.item.delete", item_id)


class Wire:
    """A conversation told frame by frame."""

    def __init__(self, turn_detection: Any = "unknown", **session: Any) -> None:
        self.codec = Codec()
        self.snapshot = Snapshot()
        if turn_detection != "unknown":
            session["audio"] = {"input": {"turn_detection": turn_detection}}
        self.tell("session.created", session={"type": "realtime", **session})

    def tell(self, kind: str, **fields: Any) -> None:
        """One frame."""
        event = self.codec.structure({"type": kind, **fields})
        self.snapshot = reduce(self.snapshot, event)

    def begin(self, response_id: str = "r", conversation: Any = "c") -> None:
        """A response begins."""
        self.tell(
            "response.created",
            response={
                "id": response_id,
                "status": "in_progress",
                "output": [],
                "conversation_id": conversation,
            },
        )

    def item(
        self,
        item_id: str,
        *parts: Any,
        response_id: str = "r",
        kind: str = "message",
        aside: bool = False,
    ) -> None:
        """An item of a response begins, with its parts."""
        item = {"id": item_id, "type": kind, "status": "in_progress", "content": []}
        if kind == "message":
            item["role"] = "assistant"
        self.tell(
            "response.output_item.added",
            response_id=response_id,
            output_index=0,
            item=item,
        )
        if not aside:
            self.tell("conversation.item.added", item=item)
        for index, part in enumerate(parts):
            self.part(item_id, index, part, response_id)

    def part(self, item_id: str, index: int, part: Any, response_id: str) -> None:
        """A part: so many milliseconds of audio, or text."""
        place = {
            "response_id": response_id,
            "item_id": item_id,
            "output_index": 0,
            "content_index": index,
        }
        if isinstance(part, str):
            self.tell("response.content_part.added", part={"type": "text"}, **place)
            self.tell("response.output_text.delta", delta=part, **place)
            return
        self.tell("response.content_part.added", part={"type": "audio"}, **place)
        if part:
            delta = base64.b64encode(bytes(part * MS)).decode()
            self.tell("response.output_audio.delta", delta=delta, **place)

    def end(self, status: str = "completed", response_id: str = "r") -> None:
        """A response ends, and its items with it."""
        response = self.snapshot.response(response_id)
        assert response is not None
        output = [
            {"id": item.id, "type": item.type, "role": item.role, "status": "completed"}
            for item in response.output
        ]
        self.tell(
            "response.done",
            response={
                "id": response_id,
                "status": status,
                "output": output,
                "conversation_id": response.conversation_id,
            },
        )

    def plan(self, *playback: Played, **options: Any) -> list[tuple[Any, ...]]:
        """The commands, as tuples."""
        commands = plan_interruption(self.snapshot, playback, **options)
        return [simple(command) for command in commands]


def simple(command: Any) -> tuple[Any, ...]:
    """A command as a tuple."""
    if command.type == "response.cancel":
        return (command.type, command.response_id)
    if command.type == "conversation.item.delete":
        return (command.type, command.item_id)
    return (
        command.type,
        command.item_id,
        command.content_index,
        command.audio_end_ms,
    )


@pytest.fixture
def wire() -> Wire:
    """A running answer of one second, of whose session nothing else is known."""
    wire = Wire()
    wire.begin()
    wire.item("a", 1000)
    return wire


def test_an_answer_is_cut_where_it_was_last_heard(wire: Wire) -> None:
    """Whole milliseconds, rounded down; the response goes no further."""
    assert [cancel(), cut("a", 400)] == wire.plan(Played("a", 400.9))


def test_silence_interrupts_nothing() -> None:
    """No answer, no playback, no commands."""
    assert [] == Wire().plan()


def test_a_response_that_is_done_is_truncated_and_not_cancelled(wire: Wire) -> None:
    """Answers are generated faster than they are spoken: it is the usual case."""
    wire.end()

    assert [cut("a", 400)] == wire.plan(Played("a", 400))


def test_what_was_heard_to_the_end_is_left_alone(wire: Wire) -> None:
    """Truncating it would take the transcript away for nothing."""
    wire.end()

    assert [] == wire.plan(Played("a", 1000))


def test_an_item_that_goes_on_is_cut_even_if_all_that_came_was_heard(
    wire: Wire,
) -> None:
    """The server has generated more than has arrived."""
    assert [cancel(), cut("a", 1000)] == wire.plan(Played("a", 1000))


@pytest.mark.parametrize("heard", [0, 0.4, 0.999])
def test_an_item_of_which_nothing_was_heard_is_deleted(
    wire: Wire, heard: float
) -> None:
    """Servers refuse to truncate at zero."""
    assert [cancel(), delete("a")] == wire.plan(Played("a", heard))


def test_the_end_is_never_beyond_what_was_received(wire: Wire) -> None:
    """A player that counts too much, or a session at a slower speed."""
    far = [cancel(), cut("a", 1000)]

    assert far == wire.plan(Played("a", 1500, received_ms=2000))
    assert [cancel(), cut("a", 300)] == wire.plan(Played("a", 900, received_ms=300))


def test_a_negative_count_is_nothing(wire: Wire) -> None:
    """Whatever a clock did."""
    assert [cancel(), delete("a")] == wire.plan(Played("a", -5))


def test_several_items_are_cut_deleted_or_left_alone(wire: Wire) -> None:
    """Heard to the end, heard in part, queued: in the order of playback."""
    wire.end()
    wire.begin("r2")
    wire.item("b", 1000, response_id="r2")
    wire.item("c", 1000, response_id="r2")

    assert [cancel("r2"), cut("b", 20), delete("c")] == wire.plan(
        Played("a", 1000), Played("b", 20), Played("c", 0)
    )


def test_parts_of_one_item_are_cut_one_by_one(wire: Wire) -> None:
    """The unheard part of an item that was heard in part keeps its first moment."""
    wire.part("a", 1, 1000, "r")
    wire.end()

    assert [cut("a", 1, 1)] == wire.plan(
        Played("a", 1000), Played("a", 0, content_index=1)
    )
    assert [cut("a", 30, 0), cut("a", 1, 1)] == wire.plan(
        Played("a", 30), Played("a", 0, content_index=1)
    )


def test_a_part_of_which_nothing_came_is_left_alone(wire: Wire) -> None:
    """It has not the one millisecond that could be kept."""
    wire.part("a", 1, 0, "r")

    assert [cancel(), cut("a", 30, 0)] == wire.plan(
        Played("a", 30), Played("a", 0, received_ms=0, content_index=1)
    )


def test_written_text_is_not_deleted(wire: Wire) -> None:
    """Nobody has to hear what can be read."""
    wire.part("a", 1, "written", "r")

    assert [cancel(), cut("a", 1)] == wire.plan(Played("a", 0))


@pytest.mark.parametrize(
    ("detection", "cancels"),
    [
        ("unknown", True),
        (None, True),
        ({"type": "server_vad"}, False),
        ({"type": "semantic_vad", "interrupt_response": True}, False),
        ({"type": "server_vad", "interrupt_response": False}, True),
    ],
)
def test_the_response_is_cancelled_unless_the_server_does_it(
    detection: Any, cancels: bool
) -> None:
    """A second cancel is refused; without the first, the model talks on."""
    wire = Wire(detection)
    wire.begin()
    wire.item("a", 1000)

    assert cancels == (cancel() in wire.plan(Played("a", 5)))
    assert cancel() in wire.plan(Played("a", 5), cancel=True)
    assert cancel() not in wire.plan(Played("a", 5), cancel=False)


def test_an_item_that_never_reached_the_player_is_deleted() -> None:
    """Interrupted before its first sound: nothing of it was heard."""
    wire = Wire()
    wire.begin()
    wire.item("a", 0)

    assert [cancel(), delete("a")] == wire.plan()


def test_an_item_that_has_only_begun_is_deleted_if_it_would_be_spoken() -> None:
    """What the server has generated since, nobody will hear."""
    spoken, written = Wire(), Wire(output_modalities=["text"])
    for wire in (spoken, written):
        wire.begin()
        wire.item("a")

    assert [cancel(), delete("a")] == spoken.plan()
    assert [cancel()] == written.plan()


def test_calls_and_texts_of_the_response_stay() -> None:
    """They are not spoken."""
    wire = Wire()
    wire.begin()
    wire.item("f", kind="function_call")
    wire.item("t", "written")

    assert [cancel()] == wire.plan()


def test_an_aside_is_cancelled_and_not_truncated() -> None:
    """It is heard, but its items are in no conversation."""
    wire = Wire({"type": "server_vad"})
    wire.begin("aside", conversation=None)
    wire.item("x", 500, response_id="aside", aside=True)
    wire.item("y", 500, response_id="aside", aside=True)
    running = wire.plan(Played("x", 100), Played("y", 0))
    wire.end(response_id="aside")

    assert [cancel("aside")] == running
    assert [] == wire.plan(Played("x", 100))


def test_what_the_mirror_does_not_know_is_left_alone(wire: Wire) -> None:
    """An item that was deleted meanwhile, or audio of another source."""
    wire.tell("conversation.item.deleted", item_id="a")

    assert [cancel()] == wire.plan(Played("a", 10), Played("", 5))


def test_a_part_that_the_mirror_does_not_know_is_cut_by_the_account(
    wire: Wire,
) -> None:
    """Some servers announce no parts."""
    running = wire.plan(Played("a", 7, content_index=3))
    wire.end()

    assert [cancel(), cut("a", 7, 3)] == running
    assert [cut("a", 7, 3)] == wire.plan(Played("a", 7, content_index=3))
    assert [] == wire.plan(Played("a", 1000, content_index=3))


def test_a_second_interruption_does_not_repeat_the_first(wire: Wire) -> None:
    """Confirmed or on its way: what is settled is settled."""
    on_its_way = wire.plan(Played("a", 400), settled={"r", "a"})
    wire.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=400
    )

    assert [] == on_its_way
    assert [cancel()] == wire.plan(Played("a", 400))
    assert [cancel(), cut("a", 300)] == wire.plan(Played("a", 300))
    assert [cancel()] == wire.plan()


def test_an_aside_that_is_settled_is_not_cancelled_again() -> None:
    """Its cancellation is on its way."""
    wire = Wire()
    wire.begin("aside", conversation=None)
    wire.item("x", 500, response_id="aside", aside=True)

    assert [] == wire.plan(Played("x", 100), settled={"aside"})


def test_the_user_is_never_truncated(wire: Wire) -> None:
    """Only the model's audio can be."""
    wire.tell(
        "conversation.item.added",
        item={"id": "u", "type": "message", "role": "user", "content": []},
    )
    wire.end()

    assert [] == wire.plan(Played("u", 10))


@given(
    heard=st.lists(st.floats(-10, 3000), min_size=3, max_size=3),
    received=st.lists(st.floats(0, 3000), min_size=3, max_size=3),
    ended=st.booleans(),
    settled=st.sets(st.sampled_from(["r", "a0", "a1", "a2"])),
)
def test_no_plan_holds_what_a_server_refuses(
    heard: list[float], received: list[float], ended: bool, settled: set[str]
) -> None:
    """Never zero, never beyond what came, never twice, nothing that is done."""
    wire = Wire()
    wire.begin()
    for number in range(3):
        wire.item(f"a{number}", 1000)
    if ended:
        wire.end()
    playback = [
        Played(f"a{number}", heard[number], received[number]) for number in range(3)
    ]
    plan = wire.plan(*playback, settled=settled)

    assert len(plan) == len(set(plan))
    assert not (ended and any(command[0] == "response.cancel" for command in plan))
    for command in plan:
        assert command[1] not in settled
        if command[0] == "conversation.item.truncate":
            assert 1 <= command[3] <= 1000


def restored(text: str, kind: str = "output_text") -> Wire:
    """An answer that came back as text on a new connection, after a question."""
    wire = Wire()
    for item_id, role, part, before in (
        ("u", "user", {"type": "input_text", "text": "Tell me"}, None),
        ("a", "assistant", {"type": kind, "text": text}, "u"),
    ):
        wire.tell(
            "conversation.item.added",
            previous_item_id=before,
            item={
                "id": item_id,
                "type": "message",
                "role": role,
                "status": "completed",
                "content": [part],
            },
        )
    return wire


@pytest.mark.parametrize("kind", ["output_text", "text"])
def test_an_answer_that_became_text_is_created_again_as_it_was_heard(kind: str) -> None:
    """No server truncates text; the model is to know what was heard all the same."""
    wire = restored("one two three four five six", kind)
    plan = plan_interruption(wire.snapshot, [Played("a", 500.0)])
    removed, made = (json.loads(Codec().encode(each)) for each in plan)

    assert ("conversation.item.delete", "a") == (removed["type"], removed["item_id"])
    assert ("conversation.item.create", "u") == (made["type"], made["previous_item_id"])
    assert "a" == made["item"]["id"]
    assert [{"type": "output_text", "text": "one two three"}] == made["item"]["content"]


@pytest.mark.parametrize("heard, commands", [(0.0, 1), (1000.0, 0), (1200.0, 0)])
def test_an_answer_that_became_text_goes_if_unheard_and_stays_if_heard(
    heard: float, commands: int
) -> None:
    """As one that is sound does."""
    wire = restored("one two three")
    plan = plan_interruption(wire.snapshot, [Played("a", heard)])

    assert commands == len(plan)


@pytest.mark.parametrize("ids", [{}, {"response_id": "r"}, {"item_id": None}])
def test_a_name_that_the_mirror_has_made_up_is_told_nobody(ids: Any) -> None:
    """No server knows it: what runs is cancelled without one, and no item is cut."""
    wire = Wire()
    sound = base64.b64encode(bytes(4800)).decode()
    wire.tell("response.output_audio.delta", delta=sound, **ids)
    (response,) = wire.snapshot.responses.values()
    played = [Played(item.id, heard_ms=50.0) for item in response.output]
    (command,) = plan_interruption(wire.snapshot, played, cancel=True)

    assert 1 == len(played)
    assert "response.cancel" == command.type
    assert (ids.get("response_id") or UNSET) == getattr(command, "response_id", None)
