"""Responses: their beginning, their items, their end."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from realtime_sync.state.snapshot_parts import Limits
from tests.state.mirror_builder import Mirror, answer, call, said


def test_a_response_runs_from_created_to_done() -> None:
    """It is active in between, and its usage is added up."""
    mirror = Mirror()
    mirror.spoken_answer("Hello")
    active = mirror.snapshot.active_response
    assert active is not None
    assert ("r", "in_progress", "Hello") == (active.id, active.status, active.text)

    details = {"text_tokens": 3, "cached_tokens": 2}
    details["cached_tokens_details"] = {"text_tokens": 2}  # type: ignore[assignment]
    usage = {"total_tokens": 10, "input_tokens": 7, "output_tokens": 3}
    mirror.ended(
        answer("a", said("Hello"), status="completed"),
        usage={**usage, "input_token_details": details},
    )

    state = mirror.snapshot.responses["r"]
    assert mirror.snapshot.active_response is None
    assert ("completed", True, ("a",)) == (state.status, state.closed, state.items)
    assert state.usage is not None
    assert 10 == state.usage.total_tokens
    totals = mirror.snapshot.usage
    assert (10, 7, 3, 3, 2, 2) == (
        totals.total_tokens,
        totals.input_tokens,
        totals.output_tokens,
        totals.input_text_tokens,
        totals.cached_tokens,
        totals.cached_text_tokens,
    )
    assert "conv" == mirror.snapshot.conversation_id


def test_done_is_the_authority() -> None:
    """It overwrites what deltas have said, and takes nothing away."""
    mirror = Mirror()
    mirror.spoken_answer("Hellp")
    mirror.ended(answer("a", said("Hello"), status="completed"))
    assert ("Hello", 1000) == (mirror.item("a").text, mirror.item("a").audio_ms)

    mirror = Mirror()
    mirror.spoken_answer("Hello")
    mirror.ended(answer("a", said(None), status="completed"))
    assert "Hello" == mirror.item("a").text

    mirror = Mirror()
    mirror.spoken_answer("Hello")
    mirror.ended(answer("a", status="completed"))
    assert "Hello" == mirror.item("a").text


def test_done_drops_parts_that_never_were() -> None:
    """The final description knows how many parts there are."""
    mirror = Mirror()
    mirror.spoken_answer("Hello")
    mirror.speech("stray", content_index=1)
    mirror.ended(answer("a", said("Hello"), status="completed"))

    assert 1 == len(mirror.item("a").content)
    assert ["disagreement"] == mirror.kinds


def test_done_that_puts_two_parts_into_one_drops_nothing() -> None:
    """The words of both are in it."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.text("Hello ")
    mirror.text("there", content_index=1)
    whole = {"type": "output_text", "text": "Hello there"}
    mirror.ended(answer("a", whole, status="completed"))

    assert ["Hello there"] == [part.text for part in mirror.item("a").content]


@pytest.mark.parametrize("figure", [-4, -(10**15)])
def test_tokens_below_nothing_are_not_counted(figure: int) -> None:
    """They would take back what other responses have taken."""
    mirror = Mirror()
    mirror.created()
    mirror.ended(usage={"total_tokens": 5})
    mirror.created("second")
    usage = {"total_tokens": figure, "output_tokens": 2}
    response = {"id": "second", "status": "completed", "usage": usage}
    mirror.tell("response.done", response=response)

    assert 5 == mirror.snapshot.usage.total_tokens
    assert 2 == mirror.snapshot.usage.output_tokens


def test_done_without_created_tells_all() -> None:
    """The response and its items come into being and are over."""
    mirror = Mirror()
    mirror.user("u")
    mirror.ended(answer("a", said("Hello"), status="completed"), metadata={"k": "v"})

    state = mirror.snapshot.responses["r"]
    assert ("completed", {"k": "v"}, "Hello") == (
        state.status,
        dict(state.metadata or {}),
        state.text,
    )
    assert ["u", "a"] == mirror.order
    assert [] == mirror.kinds


def test_created_after_done_changes_nothing() -> None:
    """A terminal state absorbs."""
    mirror = Mirror()
    mirror.ended()
    mirror.created()

    assert "completed" == mirror.snapshot.responses["r"].status
    assert mirror.snapshot.active_response is None
    assert ["late_event"] == mirror.kinds


def test_a_second_done_changes_nothing() -> None:
    """Usage is counted once."""
    mirror = Mirror()
    mirror.created()
    mirror.ended(usage={"total_tokens": 5})
    mirror.ended(usage={"total_tokens": 5})

    assert "completed" == mirror.snapshot.responses["r"].status
    assert 5 == mirror.snapshot.usage.total_tokens
    assert ["repeated"] == mirror.kinds


@pytest.mark.parametrize("later", ["failed", "odd"])
@pytest.mark.parametrize("first", ["completed", "cancelled", "incomplete"])
def test_a_second_done_that_says_otherwise_is_noted(first: str, later: str) -> None:
    """Whoever waited has gone on with the first; that both were said stays known."""
    mirror = Mirror()
    mirror.created()
    mirror.ended(status=first)
    mirror.ended(status=later, status_details={"type": later, "reason": "x"})
    state = mirror.snapshot.responses["r"]

    assert (first, later) == (state.status, state.status_details.type)
    assert ["disagreement"] == mirror.kinds
    (anomaly,) = mirror.snapshot.anomalies
    assert first in anomaly.detail and later in anomaly.detail


@pytest.mark.parametrize("first", [None, "", "in_progress"])
def test_a_second_done_says_how_it_ended_if_the_first_did_not(first: Any) -> None:
    """What was only concluded gives way; the next is a repetition."""
    mirror = Mirror()
    mirror.created()
    mirror.ended(status=first)
    for _ in range(2):
        mirror.ended(status="failed")

    assert "failed" == mirror.snapshot.responses["r"].status
    assert ["repeated"] == mirror.kinds


def test_a_second_done_brings_the_tokens_that_the_first_left_out() -> None:
    """They are counted once, and no figure that was told is replaced."""
    mirror = Mirror()
    mirror.created()
    mirror.ended(usage=None)
    for figure in (7, 9):
        mirror.ended(usage={"total_tokens": figure})

    assert 7 == mirror.snapshot.responses["r"].usage.total_tokens
    assert 7 == mirror.snapshot.usage.total_tokens


def test_a_response_is_in_progress_until_done_whatever_created_says() -> None:
    """Some servers create responses that are ``incomplete``."""
    mirror = Mirror()
    mirror.created(status="incomplete")

    assert "in_progress" == mirror.snapshot.responses["r"].status
    assert mirror.snapshot.active_response is not None


def test_unfinished_items_end_with_a_cancelled_response() -> None:
    """And what comes afterwards is noted and not applied."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    details = {"type": "cancelled", "reason": "turn_detected"}
    mirror.ended(status="cancelled", status_details=details)
    mirror.speech("lo")
    mirror.audio(480)
    mirror.about("response.output_audio_transcript.done", transcript="Hello")
    mirror.started(answer("b"))
    mirror.text("late", "c")

    state = mirror.snapshot.responses["r"]
    assert state.status_details is not None
    assert ("cancelled", "turn_detected") == (state.status, state.status_details.reason)
    assert ("incomplete", "Hel", 1000) == (
        mirror.item("a").status,
        mirror.item("a").text,
        mirror.item("a").audio_ms,
    )
    assert ["late_event"] * 5 == mirror.kinds
    assert ["u", "a"] == mirror.order


def test_the_pieces_of_a_text_do_not_outlive_its_response() -> None:
    """A server may never tell the whole; the mirror keeps a string then."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    mirror.text("lo", "b")
    mirror.about("response.function_call_arguments.delta", "f", delta="{", call_id="c")
    mirror.ended()

    kept = [
        mirror.item("a").content[0]._transcript,
        mirror.item("b").content[0]._text,
        mirror.item("f")._arguments,
    ]
    assert ["Hel", "lo", "{"] == kept
    assert all(isinstance(each, str) for each in kept)


def test_the_same_late_event_is_counted() -> None:
    """A flood of late deltas is one anomaly with a number."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    mirror.ended(status="cancelled")
    for _ in range(100):
        mirror.speech("lo")

    assert [100] == [each.count for each in mirror.snapshot.anomalies]


def test_responses_interleave() -> None:
    """Everything is kept by response id."""
    mirror = Mirror()
    mirror.created("r")
    mirror.created("o", conversation=None)
    mirror.text("one", "a", response_id="r")
    mirror.text("two", "b", response_id="o")
    mirror.text(" more", "a", response_id="r")
    mirror.text(" more", "b", response_id="o")

    responses = mirror.snapshot.responses
    assert ["one more", "two more"] == [responses[each].text for each in "ro"]
    assert 2 == len(responses)
    assert "<2 responses: r, o>" == repr(responses)
    assert mirror.snapshot.response("x") is None
    with pytest.raises(KeyError):
        responses["x"]


def test_out_of_band_output_never_enters_the_order() -> None:
    """It is found by id and in its response, during and after."""
    mirror = Mirror()
    mirror.user("u")
    mirror.created(conversation=None)
    mirror.started(answer())
    assert mirror.item("a").out_of_band
    assert not mirror.item("a").announced

    mirror.text("Hello")
    mirror.ended(
        answer("a", {"type": "output_text", "text": "Hello"}, status="completed"),
        conversation_id=None,
    )

    state = mirror.snapshot.responses["r"]
    assert state.out_of_band
    assert ["u"] == mirror.order
    assert ("Hello", ["a"]) == (state.text, [item.id for item in state.output])
    assert mirror.snapshot.active_response is None


def test_an_active_response_is_one_that_writes_to_the_conversation() -> None:
    """An out-of-band response that runs beside it does not count."""
    mirror = Mirror()
    mirror.created("r")
    mirror.created("o", conversation=None)

    active = mirror.snapshot.active_response
    assert active is not None
    assert "r" == active.id


@pytest.mark.parametrize("late", ["created", "done"])
def test_places_given_too_early_are_taken_back(late: str) -> None:
    """That a response is out of band may be told after its output."""
    mirror = Mirror()
    mirror.user("u")
    mirror.text("Hello")
    assert ["u", "a"] == mirror.order

    if late == "created":
        mirror.created(conversation=None)
    else:
        mirror.ended(conversation_id=None)

    assert ["u"] == mirror.order
    assert "Hello" == mirror.snapshot.responses["r"].text
    assert mirror.item("a").out_of_band


def test_what_the_conversation_lists_is_in_it() -> None:
    """Servers that fill everything with null do so with `conversation_id` too."""
    mirror = Mirror()
    mirror.user("u")
    mirror.created(conversation=None)
    mirror.started(answer())
    mirror.added(answer(), "u")
    assert not mirror.snapshot.responses["r"].out_of_band

    mirror.text("Hello")
    mirror.ended(conversation_id=None)

    assert ["u", "a"] == mirror.order
    assert not mirror.snapshot.responses["r"].out_of_band


def test_a_conversation_once_named_is_not_forgotten() -> None:
    """A null at the end does not make a response out of band."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hello")
    mirror.ended(conversation_id=None)

    assert ["a"] == mirror.order


def test_an_item_waits_for_the_conversation_to_list_it() -> None:
    """The item of a response is not in the order before."""
    mirror = Mirror()
    mirror.user("u")
    mirror.created()
    mirror.started(answer())
    assert ["u"] == mirror.order
    assert mirror.item("a").announced

    mirror.added(answer(), "u")

    assert ["u", "a"] == mirror.order
    assert not mirror.item("a").announced


@pytest.mark.parametrize("how", ["delta", "arguments", "done"])
def test_servers_without_item_events_have_items_all_the_same(how: str) -> None:
    """The first thing said in an item puts it at the end."""
    mirror = Mirror()
    mirror.user("u")
    mirror.created()
    mirror.started(call() if how == "arguments" else answer())
    if how == "delta":
        mirror.text("Hello")
    elif how == "arguments":
        kind = "response.function_call_arguments.delta"
        mirror.about(kind, "f", delta="{", call_id="call_f")
    else:
        mirror.tell(
            "response.output_item.done",
            response_id="r",
            output_index=0,
            item=answer(status="completed"),
        )

    assert 2 == len(mirror.order)


def test_both_streams_of_events_describe_one_item() -> None:
    """Whichever comes first makes the item, the other adds to it."""
    mirror = Mirror()
    mirror.created()
    mirror.added(call("f"))
    mirror.started(call("f"))
    assert "r" == mirror.item("f").response_id

    mirror.done(call("f", '{"a": 1}', "completed"))
    mirror.tell(
        "response.output_item.done",
        response_id="r",
        output_index=0,
        item=call("f", '{"a": 1}', "completed"),
    )

    assert ["f"] == mirror.order
    assert ("completed", '{"a": 1}', "call_f") == (
        mirror.item("f").status,
        mirror.item("f").arguments,
        mirror.item("f").call_id,
    )
    assert [] == mirror.kinds


def test_an_output_item_event_without_an_item_is_noted() -> None:
    """There is nothing in it."""
    mirror = Mirror()
    mirror.tell("response.output_item.added", response_id="r", output_index=0)

    assert ["no_id"] == mirror.kinds


def test_a_server_without_ids_is_followed() -> None:
    """Names are made up for what has none."""
    mirror = Mirror()
    mirror.tell("response.created", response={"status": "in_progress"})
    mirror.tell("response.output_text.delta", delta="Hel")
    mirror.tell("response.output_text.delta", delta="lo")
    mirror.tell(
        "response.output_item.added",
        output_index=1,
        item={"type": "function_call", "name": "weather", "arguments": ""},
    )
    mirror.tell("response.function_call_arguments.delta", output_index=1, delta="{}")
    mirror.tell("response.done", response={"status": "completed", "output": []})

    (state,) = mirror.snapshot.responses.values()
    assert ("completed", "Hello") == (state.status, state.text)
    assert ["Hello", "{}"] == [
        item.text or item.arguments for item in mirror.snapshot.items
    ]
    assert [] == mirror.kinds


def test_a_response_may_get_its_name_later() -> None:
    """From the first event that tells it; what it has goes with it."""
    mirror = Mirror()
    mirror.tell("response.created", response={"status": "in_progress"})
    mirror.tell("response.output_text.delta", item_id="a", delta="x")
    mirror.tell("response.output_text.delta", item_id="a", delta="y", response_id="r")
    mirror.tell("response.done", response={"id": "r", "status": "completed"})

    assert ["r"] == list(mirror.snapshot.responses)
    assert mirror.snapshot.active_response is None
    assert "xy" == mirror.snapshot.responses["r"].text
    assert "r" == mirror.item("a").response_id


def test_a_name_that_was_made_up_gives_way_to_the_real_one() -> None:
    """What had been received stays with the item."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hello", item_id=None)
    assert ["r/0"] == mirror.order

    mirror.ended(
        answer("a", {"type": "output_text", "text": "Hello"}, status="completed")
    )

    assert ["a"] == mirror.order
    assert mirror.snapshot.item("r/0") is None
    assert ("a",) == mirror.snapshot.responses["r"].items


def test_an_item_of_done_without_an_id_is_the_one_at_its_index() -> None:
    """The output is in the order of the items."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hell")
    item = answer("a", {"type": "output_text", "text": "Hello"}, status="completed")
    del item["id"]
    mirror.ended(item)

    assert "Hello" == mirror.item("a").text


def test_done_without_a_response_ends_the_running_one() -> None:
    """Its status is what the event says by its name."""
    mirror = Mirror()
    mirror.created()
    mirror.tell("response.done")

    assert "completed" == mirror.snapshot.responses["r"].status


def test_usage_may_stand_beside_the_response() -> None:
    """One vendor puts it there."""
    mirror = Mirror()
    mirror.tell(
        "response.done",
        response={"id": "r", "status": "completed"},
        usage={"total_tokens": 12, "input_token_details": None},
    )

    assert 12 == mirror.snapshot.usage.total_tokens


def test_the_format_of_a_response_comes_before_that_of_the_session() -> None:
    """Its audio is measured in it."""
    mirror = Mirror()
    output = {"output": {"format": {"type": "audio/pcmu"}}}
    mirror.created(audio=output)
    mirror.speech("Hello")
    mirror.audio(8_000)
    mirror.audio(8_000)

    assert 2000 == mirror.item("a").audio_ms


def test_metadata_cannot_be_changed() -> None:
    """A snapshot is immutable to its leaves."""
    mirror = Mirror()
    mirror.created(metadata={"k": "v"})
    metadata: Any = mirror.snapshot.responses["r"].metadata

    with pytest.raises(TypeError):
        metadata["k"] = "w"


def test_ended_responses_are_forgotten_oldest_first() -> None:
    """With the items that only they had; running ones stay."""
    mirror = Mirror(limits=Limits(max_responses=2))
    mirror.created("run")
    for name in ("x", "y", "z"):
        mirror.created(name, conversation=None)
        mirror.text("Hello", f"i{name}", response_id=name)
        response = {"id": name, "status": "completed", "conversation_id": None}
        mirror.tell("response.done", response=response)

    assert ["run", "z"] == list(mirror.snapshot.responses)
    assert mirror.snapshot.item("iy") is None
    assert mirror.snapshot.item("iz") is not None


def test_responses_that_never_end_are_bounded_too() -> None:
    """The oldest are forgotten, in words; their texts go on growing."""
    mirror = Mirror(limits=Limits(max_responses=3))
    for number in range(10):
        mirror.created(f"r{number}")
        mirror.text("Hello", f"i{number}", response_id=f"r{number}")

    assert ["r7", "r8", "r9"] == list(mirror.snapshot.responses)
    assert ("r7", "r8", "r9") == mirror.snapshot._open
    assert [("endless_response", 7)] == [
        (each.kind, each.count) for each in mirror.snapshot.anomalies
    ]
    assert "i0" in mirror.order

    mirror.text(" again", "i0", response_id="r0")

    assert ["r7", "r8", "r9"] == list(mirror.snapshot.responses)
    assert "Hello again" == mirror.item("i0").said


def test_endless_responses_outside_of_the_conversation_go_with_their_items() -> None:
    """Nobody else has these items."""
    mirror = Mirror(limits=Limits(max_responses=2))
    for number in range(5):
        mirror.created(f"r{number}", conversation=None)
        mirror.text("Hello", f"i{number}", response_id=f"r{number}")

    found = [number for number in range(5) if mirror.snapshot.item(f"i{number}")]
    assert [3, 4] == found


def test_those_that_ended_are_forgotten_before_those_that_did_not() -> None:
    """Also where they began later."""
    mirror = Mirror(limits=Limits(max_responses=2))
    mirror.created("first")
    mirror.created("second")
    mirror.tell("response.done", response={"id": "second", "status": "completed"})
    mirror.created("third")
    mirror.created("fourth")

    assert ["third", "fourth"] == list(mirror.snapshot.responses)
    assert ["endless_response"] == mirror.kinds


@pytest.mark.parametrize(
    ("response", "item"),
    [("completed", "completed"), ("cancelled", "incomplete"), ("failed", "incomplete")],
)
def test_an_item_without_a_status_ends_as_its_response_does(
    response: str, item: str
) -> None:
    """Until the server says otherwise: what it says later holds."""
    mirror = Mirror()
    mirror.created()
    bare = {"id": "a", "type": "message", "role": "assistant", "content": []}
    mirror.started(bare)
    mirror.ended(status=response)
    assert (item, True) == (mirror.item("a").status, mirror.item("a").concluded)

    mirror.done({**bare, "status": "in_progress"})
    assert item == mirror.item("a").status
    mirror.done({**bare, "status": "failed"})

    assert ("failed", False) == (mirror.item("a").status, mirror.item("a").concluded)


def test_an_item_that_is_done_before_its_response_ends_is_completed() -> None:
    """However the response has ended."""
    mirror = Mirror()
    mirror.created()
    bare = {"id": "a", "type": "message", "role": "assistant", "content": []}
    mirror.about("response.output_item.done", item=bare)
    mirror.ended(status="cancelled")

    assert "completed" == mirror.item("a").status


def test_the_end_of_an_item_may_come_after_that_of_its_response() -> None:
    """What became of it was only concluded; a second one comes too late."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.ended()
    cut = answer("a", said("Hello"), status="incomplete")
    mirror.about("response.output_item.done", item=cut)
    assert ("incomplete", "Hello") == (mirror.item("a").status, mirror.item("a").text)

    mirror.about("response.output_item.done", item={**cut, "status": "completed"})

    assert "incomplete" == mirror.item("a").status
    assert ["late_event"] == mirror.kinds


@pytest.mark.parametrize(
    "kind, told, item",
    [
        ("output_text.done", {"text": "Hi"}, answer()),
        ("output_audio_transcript.done", {"transcript": "Hi"}, answer()),
        ("content_part.done", {"part": {"type": "text", "text": "Hi"}}, answer()),
        ("function_call_arguments.done", {"arguments": "{}"}, call("a")),
    ],
)
@pytest.mark.parametrize("status", [None, "completed"])
def test_what_is_told_of_the_whole_after_the_end_is_kept(
    kind: str, told: Any, item: Any, status: Any
) -> None:
    """That the item was done by then was only concluded; a delta is too late."""
    mirror = Mirror()
    mirror.created()
    mirror.started(item)
    mirror.ended(status=status)
    mirror.about(f"response.{kind}", **told)
    mirror.about(f"response.{kind.replace('done', 'delta')}", delta="x")
    late = "content_part" not in kind

    ended = mirror.item("a")
    assert ("{}" if ended.type == "function_call" else "Hi") == (
        ended.arguments or ended.said
    )
    assert ["late_event"] * late == mirror.kinds


def test_phases_and_tokens_of_reasoning_are_mirrored() -> None:
    """As gpt-realtime-2.1 says them."""
    mirror = Mirror()
    mirror.created()
    mirror.added({**answer("c", status="completed"), "phase": "commentary"})
    final = {**answer("a", said("Lima"), status="completed"), "phase": "final_answer"}
    usage = {"output_token_details": {"text_tokens": 2, "reasoning_tokens": 40}}
    mirror.ended(final, usage=usage)
    mirror.ended(final, usage=usage)

    assert ["commentary", "final_answer"] == [i.phase for i in mirror.snapshot.items]
    assert 40 == mirror.snapshot.usage.reasoning_tokens


@pytest.mark.parametrize(
    "status, becomes",
    [
        ("completed", "completed"),
        ("cancelled", "incomplete"),
        ("incomplete", "incomplete"),
        ("failed", "incomplete"),
        (None, "completed"),
    ],
)
@pytest.mark.parametrize("said_before", ["in_progress", None])
def test_an_item_that_is_listed_without_a_status_ends_as_its_response(
    status: Any, becomes: str, said_before: Any
) -> None:
    """That a response lists it at its end does not say that it was finished."""
    mirror = Mirror()
    mirror.created()
    mirror.started({**answer("a"), "status": said_before})
    mirror.text("Hello")
    mirror.ended({**answer("a"), "status": None}, status=status)

    assert becomes == mirror.item("a").status


@pytest.mark.parametrize("later", ["incomplete", "failed", "completed"])
@pytest.mark.parametrize("how", ["response.done", "conversation.item.done"])
def test_what_is_said_of_an_item_later_wins_over_what_was_concluded(
    later: str, how: str
) -> None:
    """A word of the server's, over an end that nobody has said."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    nothing = {**answer("a"), "status": None}
    if how == "response.done":
        mirror.ended(nothing)
    else:
        mirror.done(nothing)
    concluded = mirror.item("a").status
    mirror.done({**answer("a"), "status": later})
    told = mirror.item("a").status
    mirror.done({**answer("a"), "status": "completed"})

    assert ("completed", later, later) == (concluded, told, mirror.item("a").status)


NAMED = {
    "by its id": {"response_id": "r"},
    "as a response": {"response": {"id": "r", "status": "cancelled"}},
    "not at all": {},
    "by what is no id": {"response_id": 7, "response": ["r"], "session_id": "s"},
}


@pytest.mark.parametrize("kind", ["response.cancelled", "response.canceled"])
@pytest.mark.parametrize("named", NAMED)
def test_a_response_that_is_only_called_cancelled_is_over(
    named: str, kind: str
) -> None:
    """No protocol has the event, and some servers say nothing else."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    mirror.tell(kind, **NAMED[named])

    state = mirror.snapshot.responses["r"]
    assert ("cancelled", True) == (state.status, state.closed)
    assert mirror.snapshot.active_response is None
    assert ("incomplete", "Hel") == (mirror.item("a").status, mirror.item("a").text)
    assert [] == mirror.kinds


def test_another_response_is_not_ended_by_a_cancelled_one() -> None:
    """Neither one that runs, nor one that has ended, nor one that nobody knows."""
    mirror = Mirror()
    mirror.spoken_answer()
    before = mirror.snapshot
    mirror.tell("response.cancelled", response_id="r0")
    assert before is mirror.snapshot

    mirror.ended()
    before = mirror.snapshot
    mirror.tell("response.cancelled", response_id="r")
    mirror.tell("response.cancelled")
    assert before is mirror.snapshot


def test_without_a_name_the_response_of_the_conversation_is_cancelled() -> None:
    """One outside of it goes on, though it began later."""
    mirror = Mirror()
    mirror.spoken_answer()
    mirror.created("aside", None)
    mirror.tell("response.cancelled")

    told = {each.id: each.status for each in mirror.snapshot.responses.values()}
    assert {"r": "cancelled", "aside": "in_progress"} == told


@pytest.mark.parametrize(
    ("status", "becomes", "item"),
    [
        ("cancelled", "cancelled", "incomplete"),
        ("completed", "completed", "completed"),
        ("failed", "failed", "incomplete"),
        (None, "cancelled", "incomplete"),
        ("in_progress", "completed", "completed"),
    ],
)
def test_what_follows_a_cancellation_holds_and_counts_once(
    status: Optional[str], becomes: str, item: str
) -> None:
    """The end of the text, a further item, and `response.done` with its tokens."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    mirror.tell("response.cancelled", response_id="r")
    mirror.speech("lo")
    mirror.about("response.output_audio_transcript.done", transcript="Hello")
    mirror.started(answer("b"))
    usage = {"total_tokens": 10}
    shown = answer("b", {"type": "output_text", "text": "There."})
    mirror.ended(answer("a"), shown, status=status, usage=usage)

    state = mirror.snapshot.responses["r"]
    assert (becomes, True, ("a", "b")) == (state.status, state.closed, state.items)
    assert ["Hello", "There."] == [mirror.item(each).text for each in "ab"]
    assert {item} == {mirror.item(each).status for each in "ab"}
    assert () == mirror.snapshot._open
    assert [] == mirror.kinds

    mirror.tell("response.cancelled", response_id="r")
    for _ in range(2):
        mirror.ended(status=becomes, usage=usage)
    assert 10 == mirror.snapshot.usage.total_tokens
    assert ["repeated"] == mirror.kinds


def test_an_item_that_was_done_stays_done_when_its_response_is_cancelled() -> None:
    """What it says was said."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    part = {"type": "output_text", "text": "Yes."}
    mirror.tell(
        "response.output_item.done",
        response_id="r",
        output_index=0,
        item=answer("a", part, status="completed"),
    )
    mirror.started(answer("b"))
    mirror.tell("response.cancelled", response_id="r")
    mirror.ended(status="cancelled")

    found = [mirror.item(each).status for each in "ab"]
    assert ["completed", "incomplete"] == found


def test_an_end_without_a_name_is_that_of_the_cancelled_response() -> None:
    """Of a server that names none there is one, and not another that ends only."""
    mirror = Mirror()
    mirror.tell("response.created", response={})
    mirror.tell("response.cancelled")
    mirror.tell("response.done", response={"usage": {"total_tokens": 3}})

    (state,) = mirror.snapshot.responses.values()
    assert ("cancelled", 3) == (state.status, mirror.snapshot.usage.total_tokens)
    mirror.tell("response.done", response={"status": "completed"})
    assert 2 == len(mirror.snapshot.responses)


SPOKEN = {"type": "output_text", "text": "Hello"}


@pytest.mark.parametrize("end", ["item", "response", "both"])
def test_an_item_that_is_renamed_at_its_end_is_there_once(end: str) -> None:
    """Under the id that the conversation knows; the other one is noted."""
    mirror = Mirror()
    mirror.user("u")
    mirror.created()
    mirror.started(answer("a"))
    mirror.added(answer("a"), "u")
    mirror.text("Hello", "a")
    shown = answer("z", SPOKEN, status="completed")
    if end != "response":
        mirror.about("response.output_item.done", "z", item=shown)
    if end != "item":
        mirror.ended(shown)

    assert ["u", "a"] == mirror.order
    assert ("Hello", "completed") == (mirror.item("a").text, mirror.item("a").status)
    assert ("a",) == mirror.snapshot.responses["r"].items
    assert {"renamed"} == set(mirror.kinds)


@pytest.mark.parametrize(
    ("shown", "items"),
    [
        (answer("z", {"type": "output_text", "text": "Other"}), 2),
        (answer("z"), 2),
        (call("z", "{}"), 2),
    ],
    ids=["other words", "no words", "a call"],
)
def test_what_is_not_the_same_at_the_end_is_another_item(
    shown: dict[str, Any], items: int
) -> None:
    """Nothing is taken for what it may not be."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    mirror.text("Hello", "a")
    mirror.ended(shown)

    assert items == len(mirror.snapshot.responses["r"].items)
    assert [] == mirror.kinds


@pytest.mark.parametrize(("call_id", "calls"), [("call_f", 1), ("other", 2)])
def test_a_call_that_is_renamed_at_its_end_is_told_by_its_call_id(
    call_id: str, calls: int
) -> None:
    """It is run by that, and answered by that."""
    mirror = Mirror()
    mirror.created()
    mirror.started(call("f"))
    mirror.ended({**call("z", "{}", "completed"), "call_id": call_id})

    assert calls == len(mirror.snapshot.responses["r"].items)
    assert ["renamed"] * (calls == 1) == mirror.kinds


def test_a_renamed_item_is_looked_for_only_where_it_was() -> None:
    """One that was deleted is gone, and a place without an item has none."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    mirror.text("Hello", "a")
    mirror.tell("conversation.item.deleted", item_id="z")
    mirror.ended(
        answer("z", SPOKEN, status="completed"),
        answer("y", SPOKEN, status="completed"),
    )

    assert ("a", "y") == mirror.snapshot.responses["r"].items


@pytest.mark.parametrize("output", ["za", "az", "zya"])
def test_an_item_that_is_listed_at_the_end_is_not_taken_for_another(
    output: str,
) -> None:
    """Two may say the same, and then both have been said."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    mirror.text("Hello", "a")
    mirror.ended(*[answer(each, SPOKEN, status="completed") for each in output])

    assert sorted(output) == sorted(mirror.order)
    assert set(output) == set(mirror.snapshot.responses["r"].items)
    assert [] == mirror.kinds


@pytest.mark.parametrize("listed", [False, True], ids=["no output", "output"])
def test_an_item_that_is_done_is_not_done_again_under_another_id(listed: bool) -> None:
    """A server that counts no outputs says the place of the first one every time."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer("a"))
    mirror.text("Hello", "a")
    shown = [answer(each, SPOKEN, status="completed") for each in "ab"]
    for each in shown:
        mirror.about("response.output_item.done", each["id"], item=each)
    mirror.ended(*shown * listed)

    assert ["a", "b"] == mirror.order
    assert [] == mirror.kinds


def test_an_item_that_was_heard_out_of_turn_is_not_lost() -> None:
    """Its place in the output is not that in which it came."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hello", "b", output_index=1)
    shown = [answer(each, SPOKEN, status="completed") for each in "ab"]
    mirror.about("response.output_item.done", "a", item=shown[0])
    mirror.about("response.output_item.done", "b", item=shown[1], output_index=1)
    mirror.ended(*shown)

    assert {"a", "b"} == set(mirror.order)
