"""Servers that give an id a second time."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.state.snapshot import Snapshot
from tests.state.mirror_builder import Mirror, answer, call, message

TURNS = 3


def turn(mirror: Mirror, number: int, *, item: str, response: str, listed: bool) -> Any:
    """A question and its answer, as frames of a server tell them."""
    asked = {"type": "input_text", "text": f"Q{number}"}
    mirror.added(message(item or f"q{number}", [asked]))
    item = item or f"a{number}"
    mirror.created(response)
    mirror.started(answer(item), response)
    if listed:
        mirror.added(answer(item))
    part = {"type": "output_text", "text": f"A{number}"}
    for piece in ("A", str(number)):
        mirror.text(piece, item, response_id=response)
    mirror.about("response.output_text.done", item, response_id=response, **part)
    done = answer(item, part, status="completed")
    mirror.tell(
        "response.output_item.done",
        response_id=response,
        output_index=0,
        item=done,
    )
    if listed:
        mirror.done(done)
    usage = {"total_tokens": 5}
    mirror.ended(done, id=response, usage=usage)


@pytest.mark.parametrize("listed", [False, True], ids=["answers", "listed answers"])
@pytest.mark.parametrize(
    ("item", "response"),
    [("item_1", "r{}"), ("", "r"), ("item_1", "r")],
    ids=["items", "responses", "both"],
)
def test_nothing_is_lost_where_everything_has_one_id(
    item: str, response: str, listed: bool
) -> None:
    """Words, order and tokens are those of a server with ids; each reuse is noted."""
    mirror = Mirror()
    for number in range(TURNS):
        names = (item.format(number), response.format(number))
        turn(mirror, number, item=names[0], response=names[1], listed=listed)

    said = [line.text for line in mirror.snapshot.transcript()]
    assert [f"{side}{n}" for n in range(TURNS) for side in "QA"] == said
    assert 5 * TURNS == mirror.snapshot.usage.total_tokens
    assert {"completed"} == {each.status for each in mirror.snapshot.responses.values()}
    assert [f"A{n}" for n in range(TURNS)] == [
        each.text for each in mirror.snapshot.responses.values()
    ]
    assert {"reused_id"} == set(mirror.kinds)
    assert mirror.snapshot == Snapshot.from_dict(mirror.snapshot.to_dict())


def test_calls_and_outputs_under_one_id_are_all_there() -> None:
    """A message, its call, the output, and the answer to that."""
    mirror = Mirror()
    mirror.user("x", text="Q")
    mirror.created("r1")
    asked = {**call("x", "{}", "completed"), "call_id": "c"}
    mirror.started({**asked, "status": "in_progress"}, "r1")
    about = {"response_id": "r1", "output_index": 0}
    mirror.tell("response.output_item.done", item=asked, **about)
    mirror.ended(asked, id="r1")
    mirror.added({"id": "x", "type": "function_call_output", "call_id": "c"})
    mirror.user("x", text="And?")

    kinds = [(item.type, item.said) for item in mirror.snapshot.items]
    assert [
        ("message", "Q"),
        ("function_call", ""),
        ("function_call_output", ""),
        ("message", "And?"),
    ] == kinds
    assert 3 == sum(each.count for each in mirror.snapshot.anomalies)


def test_pieces_alone_show_that_an_id_is_given_again() -> None:
    """Of a server without item events."""
    mirror = Mirror()
    for number, response in enumerate(("r1", "r2")):
        mirror.created(response)
        mirror.text(f"A{number}", "x", response_id=response)
        mirror.ended(id=response)

    assert ["A0", "A1"] == [item.said for item in mirror.snapshot.items]
    assert ["reused_id"] == mirror.kinds


def test_an_end_alone_shows_it_by_other_words() -> None:
    """The same words may be the same item, of a response under another name."""
    mirror = Mirror()
    for response, words in (("r1", "One"), ("r2", "Two"), ("r3", "Two")):
        part = {"type": "output_text", "text": words}
        mirror.ended(answer("x", part, status="completed"), id=response)

    assert ["One", "Two"] == [item.said for item in mirror.snapshot.items]
    assert ["reused_id"] == mirror.kinds


def test_what_stood_after_an_item_stands_after_it_still() -> None:
    """It keeps its place; the new one stands where the server puts it."""
    mirror = Mirror()
    mirror.user("a", text="one")
    second = {"type": "output_text", "text": "two"}
    mirror.added(answer("x", second, status="completed"), "a")
    mirror.user("b", "x", "three")
    mirror.user("c", "gone", "five")
    mirror.user("x", "b", "four")

    texts = [item.said for item in mirror.snapshot.items]
    assert ["one", "two", "three", "four", "five"] == texts
    assert ["unknown_predecessor", "reused_id"] == mirror.kinds
    assert mirror.snapshot == Snapshot.from_dict(mirror.snapshot.to_dict())


def test_late_words_of_another_response_take_no_id() -> None:
    """Neither of one that has ended, nor of one that nobody knows."""
    mirror = Mirror()
    mirror.created("r1")
    mirror.text("A", "x", response_id="r1")
    mirror.ended(id="r1")
    mirror.text("B", "x", response_id="r1")
    mirror.text("C", "x", response_id="unheard")

    assert ["A"] == [item.said for item in mirror.snapshot.items]
    assert {"late_event"} == set(mirror.kinds)


def test_an_aside_gives_up_its_id_without_a_place() -> None:
    """It never had one in the conversation."""
    mirror = Mirror()
    mirror.created("r1", None)
    mirror.text("Aside.", "x", response_id="r1")
    mirror.ended(id="r1", conversation_id=None)
    mirror.created("r2")
    mirror.text("Answer.", "x", response_id="r2")

    assert ["Answer."] == [item.said for item in mirror.snapshot.items]
    assert "Aside." == mirror.snapshot.responses["r1"].text
    assert ["reused_id"] == mirror.kinds


def test_a_beginning_that_comes_late_is_no_second_one() -> None:
    """The response that has ended is the one that is meant."""
    mirror = Mirror()
    mirror.ended(answer("a", {"type": "output_text", "text": "Yes."}))
    mirror.created()

    assert ["r"] == list(mirror.snapshot.responses)
    assert ["late_event"] == mirror.kinds


@pytest.mark.parametrize("announced", [False, True], ids=["deltas", "announced"])
@pytest.mark.parametrize(
    ("item", "response"),
    [("x", "r"), ("x", "r{}"), ("x{}", "r")],
    ids=["both", "items", "responses"],
)
def test_what_was_only_called_cancelled_is_not_continued_by_another(
    item: str, response: str, announced: bool
) -> None:
    """The next answer says the same words, and they are its own."""
    mirror = Mirror()
    for number in range(TURNS):
        names = item.format(number), response.format(number)
        mirror.created(names[1])
        if announced or names[1] != "r":
            mirror.started(answer(names[0]), names[1])
        for piece in ("Hel", "lo"):
            mirror.text(piece, names[0], response_id=names[1])
        mirror.tell("response.cancelled", response_id=names[1])

    said = [each.text for each in mirror.snapshot.items]
    assert ["Hello"] * TURNS == said
    assert {"reused_id"} == set(mirror.kinds)
    assert [1] * TURNS == [
        len(each.items) for each in mirror.snapshot.responses.values()
    ]


def test_what_was_called_cancelled_may_go_on_in_its_response() -> None:
    """Also while the next one runs, which has an item of its own."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hel")
    mirror.tell("response.cancelled", response_id="r")
    mirror.created("next")
    mirror.text("Other", "b", response_id="next")
    mirror.text("lo")

    assert ["Hello", "Other"] == [each.text for each in mirror.snapshot.items]
    assert [] == mirror.kinds
