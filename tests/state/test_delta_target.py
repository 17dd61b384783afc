"""Deltas that fall where the one before fell take a short way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_changes import IN_FLIGHT, update_snapshot
from tests.state.mirror_builder import Mirror, answer, call

Step = Callable[[Mirror], Any]

STEPS: dict[str, Step] = {
    "text": lambda mirror: mirror.text("word "),
    "second part": lambda mirror: mirror.text("more ", content_index=1),
    "other item": lambda mirror: mirror.text("else ", "b"),
    "speech": lambda mirror: mirror.speech("said "),
    "audio": lambda mirror: mirror.audio(480),
    "call": lambda mirror: mirror.about(
        "response.function_call_arguments.delta", "f", delta="{"
    ),
    "nameless call": lambda mirror: mirror.about(
        "response.function_call_arguments.delta", "g", delta="[", call_id="c"
    ),
    "arguments of a message": lambda mirror: mirror.about(
        "response.function_call_arguments.delta", "a", delta="("
    ),
    "text of a call": lambda mirror: mirror.text("odd ", "f"),
    "cut": lambda mirror: mirror.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=5
    ),
    "limits": lambda mirror: mirror.tell("rate_limits.updated", rate_limits=[]),
    "deleted": lambda mirror: mirror.tell("conversation.item.deleted", item_id="b"),
    "done": lambda mirror: mirror.about("response.output_text.done", text="whole"),
    "ended": lambda mirror: mirror.ended(),
    "looked at": lambda mirror: mirror.snapshot.items,
}


def begun() -> Mirror:
    """A response with a message and a call under way."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.about("response.content_part.added", part={"type": "audio"})
    mirror.started(call("f"))
    return mirror


def settled(snapshot: Snapshot) -> Snapshot:
    """The same snapshot, in which nothing grows beside the items."""
    return update_snapshot(snapshot, {"_overlay": snapshot._overlay})


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=25))
@example(["ended", "done", "done", "speech"])
@settings(max_examples=60)
def test_the_short_way_comes_to_what_the_long_way_comes_to(steps: list[str]) -> None:
    """Whatever deltas fall where, and whatever comes between them."""
    short, long = begun(), begun()
    for step in steps:
        STEPS[step](short)
        long.snapshot = settled(long.snapshot)
        STEPS[step](long)

    assert long.snapshot == short.snapshot


@pytest.mark.parametrize("step", ["text", "audio", "call"])
def test_what_grows_is_put_among_the_items_when_somebody_looks(step: str) -> None:
    """Nobody looks after each delta; whoever does finds all of them."""
    mirror = begun()
    for _ in range(3):
        STEPS[step](mirror)
    before = dict(mirror.snapshot.__dict__)
    shown = mirror.snapshot.items

    assert "_overlay" not in before
    assert shown == mirror.snapshot.items
    assert ("word word word ", 1440, "{{{") == {
        "text": (mirror.item("a").text, 1440, "{{{"),
        "audio": ("word word word ", mirror.item("a").content[0].audio_bytes, "{{{"),
        "call": ("word word word ", 1440, mirror.item("f").arguments),
    }[step]


def test_words_after_a_cut_grow_in_what_is_kept_as_well() -> None:
    """The server's transcript begins anew; what was said goes on."""
    mirror = begun()
    for step in ("speech", "audio", "cut", "speech", "speech"):
        STEPS[step](mirror)
    (part,) = mirror.item("a").content

    assert ("said said said ", "said said ") == (part.said, part.transcript)


def test_arguments_grow_also_among_many_calls_in_flight() -> None:
    """A call that has left the mapping of items in flight comes back to it."""
    mirror = begun()
    mirror.added(call("f"))
    for number in range(IN_FLIGHT):
        mirror.started(call(f"f{number}"))
    STEPS["call"](mirror)
    STEPS["call"](mirror)

    assert "{{" == mirror.item("f").arguments


def test_a_snapshot_stays_what_it_is_while_its_part_grows_on() -> None:
    """Looking at an old one late shows it as it was."""
    mirror = begun()
    kept = [mirror.text(word) for word in ("one ", "two ", "three ")]
    mirror.tell("conversation.item.deleted", item_id="a")

    found = [each.item("a") for each in reversed(kept)]
    assert ["one two three ", "one two ", "one "] == [
        item.text for item in found if item is not None
    ]
    assert mirror.snapshot.item("a") is None
