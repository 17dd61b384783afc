"""What a response says, piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync.protocol.dialects.server_quirks import SHORT_DONE
from realtime_sync.state import snapshot_changes
from realtime_sync.state.growing_text import MOST_TEXT
from tests.state.mirror_builder import Mirror, answer, call


def test_text_grows_by_deltas() -> None:
    """Each snapshot has what had been said by then."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    snapshots = [mirror.text(piece) for piece in ("a", "b", "c")]

    assert ["a", "ab", "abc"] == [
        item.text for each in snapshots if (item := each.item("a"))
    ]


def test_two_reductions_from_one_snapshot_are_independent() -> None:
    """The past stays what it was."""
    mirror = Mirror()
    mirror.spoken_answer("One")
    start = mirror.snapshot
    mirror.speech(" two")
    two = mirror.snapshot
    mirror.snapshot = start
    mirror.speech(" three")
    three = mirror.snapshot

    texts = [each.items[1].text for each in (start, two, three)]
    assert ["One", "One two", "One three"] == texts
    assert two.version == three.version == start.version + 1


def test_done_events_overwrite_what_deltas_said() -> None:
    """They say the whole; one that says nothing changes nothing."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hellp")
    mirror.about("response.output_text.done", text="Hello")
    assert "Hello" == mirror.item("a").text

    mirror.about("response.output_text.done", text="")
    mirror.about("response.content_part.done", part={"type": "text", "text": "Hello!"})
    mirror.about("response.content_part.done", part=None)

    assert "Hello!" == mirror.item("a").text
    assert "output_text" == mirror.item("a").content[0].type


GEMINI = "Hello from Gemini."
"""What a relay passes on in three pieces, and calls by the last of them."""


@pytest.mark.parametrize(
    ("whole", "text", "kinds"),
    [
        ("Gemini.", GEMINI, ["disagreement"]),
        ("Hello ", GEMINI, ["disagreement"]),
        ("from", GEMINI, ["disagreement"]),
        (GEMINI, GEMINI, []),
        ("Hello from Gemini. Well.", "Hello from Gemini. Well.", ["disagreement"]),
        ("Hello from gemini.", "Hello from gemini.", ["disagreement"]),
        ("", GEMINI, []),
        ("Hello from Gemini", GEMINI, ["disagreement"]),
    ],
)
@pytest.mark.parametrize("spoken", [False, True])
def test_what_was_said_stays_where_its_end_is_a_part_of_it(
    whole: str, text: str, kinds: list[str], spoken: bool
) -> None:
    """LiteLLM calls the last piece the whole; any disagreement is noted."""
    mirror = Mirror()
    mirror.created()
    for piece in ("Hello ", "from ", "Gemini."):
        mirror.speech(piece) if spoken else mirror.text(piece)
    kind = "output_audio_transcript" if spoken else "output_text"
    told = {"transcript" if spoken else "text": whole}
    mirror.about(f"response.{kind}.done", **told)

    assert (text, kinds) == (mirror.item("a").text, mirror.kinds)
    assert (SHORT_DONE in mirror.snapshot.habits) == (text == GEMINI and bool(kinds))


@pytest.mark.parametrize(
    ("pieces", "whole", "text"),
    [
        (("Li", "Lima"), "Lima", "Lima"),
        (("L", "Li", "Lim", "Lima"), "Lima", "Lima"),
        (("ha", "ha"), "ha", "haha"),
        (("Lima", "Li"), "Lima", "LimaLi"),
    ],
)
def test_pieces_that_told_everything_again_say_no_more_than_the_end(
    pieces: tuple[str, ...], whole: str, text: str
) -> None:
    """They are longer and longer beginnings of it."""
    mirror = Mirror()
    mirror.created()
    for piece in pieces:
        mirror.text(piece)
    mirror.about("response.output_text.done", text=whole)

    assert text == mirror.item("a").text


def test_every_end_of_a_text_is_held_against_what_was_said() -> None:
    """Of the part, of the item, in both streams, and of the response."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hello ")
    mirror.text("there")
    part = {"type": "output_text", "text": "there"}
    mirror.about("response.content_part.done", part=part)
    short = answer("a", part, status="completed")
    mirror.about("response.output_item.done", item=short)
    mirror.done(short)
    mirror.ended(short)

    assert "Hello there" == mirror.item("a").text
    assert ["disagreement"] * 4 == mirror.kinds
    assert {"a"} == {each.item_id for each in mirror.snapshot.anomalies}


@pytest.mark.parametrize(
    ("pieces", "whole", "arguments"),
    [
        (('{"a": {', "}}"), "{}", '{"a": {}}'),
        (("{}", "{}"), "{}", "{}"),
        (('{"a"', ": 1}"), '{"a":1}', '{"a":1}'),
    ],
)
def test_arguments_are_json_whatever_is_called_the_whole(
    pieces: tuple[str, str], whole: str, arguments: str
) -> None:
    """What was said stays only if it can be read."""
    mirror = Mirror()
    mirror.created()
    mirror.started(call())
    for piece in pieces:
        mirror.about("response.function_call_arguments.delta", "f", delta=piece)
    mirror.about("response.function_call_arguments.done", "f", arguments=whole)
    mirror.ended(call("f", whole, "completed"))

    assert arguments == mirror.item("f").arguments
    assert "disagreement" == mirror.kinds[0]


def test_spoken_parts_grow_in_words_and_bytes() -> None:
    """Bytes are counted exactly, however they are cut."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.about("response.content_part.added", part={"type": "audio"})
    for size in (1, 2, 3, 47, 480):
        mirror.audio(size)
    mirror.speech("Hel")
    mirror.speech("lo")
    mirror.about("response.output_audio.done")
    mirror.about("response.output_audio_transcript.done", transcript="Hello.")

    part = mirror.item("a").content[0]
    assert ("output_audio", "Hello.", 533, 11) == (
        part.type,
        part.transcript,
        part.audio_bytes,
        part.audio_ms,
    )


def test_empty_deltas_change_nothing() -> None:
    """The very same snapshot comes back, whatever is missing."""
    mirror = Mirror()
    mirror.spoken_answer()
    before = mirror.snapshot
    mirror.speech("")
    mirror.audio(0)
    mirror.about("response.output_audio.delta", delta=None)
    mirror.about("response.output_text.delta")
    mirror.about("response.function_call_arguments.delta", delta="")

    assert before.items == mirror.snapshot.items


def test_text_and_audio_of_one_item_may_be_interleaved() -> None:
    """Without part events, and with or without an index."""
    mirror = Mirror()
    mirror.created()
    mirror.text("Hel")
    mirror.audio(480)
    mirror.text("lo")
    mirror.audio(480, content_index=None)

    assert ("Hello", 20) == (mirror.item("a").text, mirror.item("a").audio_ms)


def test_parts_may_begin_anywhere() -> None:
    """An index further on leaves room for the parts before it."""
    mirror = Mirror()
    mirror.created()
    mirror.text("third", content_index=2)
    mirror.text("first", content_index=0)
    mirror.text("!", content_index=2)

    assert ["first", None, "third!"] == [p.text for p in mirror.item("a").content]


@pytest.mark.parametrize("index", [-1, 256, 10**9])
@pytest.mark.parametrize("kind", ["text", "audio", "done", "part"])
def test_an_index_out_of_reason_is_noted(index: int, kind: str) -> None:
    """It makes nothing."""
    mirror = Mirror()
    mirror.spoken_answer()
    tell: Any = {
        "text": lambda: mirror.text("x", content_index=index),
        "audio": lambda: mirror.audio(4, content_index=index),
        "done": lambda: mirror.about(
            "response.output_text.done", text="x", content_index=index
        ),
        "part": lambda: mirror.about(
            "response.content_part.added", part={"type": "text"}, content_index=index
        ),
    }
    tell[kind]()

    assert ["bad_index"] == mirror.kinds
    assert 1 == len(mirror.item("a").content)


def test_deltas_make_what_is_missing() -> None:
    """A response, an item in it, and a part of that."""
    mirror = Mirror()
    mirror.text("Hello")

    state = mirror.snapshot.responses["r"]
    item = mirror.item("a")
    assert ("in_progress", ("a",), "Hello") == (state.status, state.items, state.text)
    assert ("message", "assistant", "in_progress", "r") == (
        item.type,
        item.role,
        item.status,
        item.response_id,
    )


def test_an_item_that_came_first_joins_its_response_later() -> None:
    """The conversation may list it before the response has spoken."""
    mirror = Mirror()
    mirror.added(answer("a", {"type": "output_text", "text": ""}))
    mirror.text("Hello")

    assert ("a",) == mirror.snapshot.responses["r"].items
    assert ["a"] == mirror.order


def test_deltas_without_a_response_id_follow_the_item() -> None:
    """Or the response that is running, or the one out of band."""
    mirror = Mirror()
    mirror.created("o", conversation=None)
    mirror.text("one", "b", response_id=None)
    assert ("b",) == mirror.snapshot.responses["o"].items

    mirror.created("r")
    mirror.text("two", "a", response_id=None)
    mirror.text(" more", "b", response_id=None, content_index=1)

    assert ("a",) == mirror.snapshot.responses["r"].items
    assert "one more" == mirror.item("b").text


def test_deltas_without_an_item_id_go_to_the_last_open_item() -> None:
    """An item that is done takes nothing more; a new one is begun."""
    mirror = Mirror()
    mirror.spoken_answer("Hel")
    mirror.speech("lo", item_id=None)
    assert "Hello" == mirror.item("a").text

    mirror.done(answer(status="completed"))
    mirror.speech("Bye", item_id=None)

    assert ["u", "a", "r/0"] == mirror.order
    assert "Bye" == mirror.item("r/0").text


def test_arguments_grow_like_text() -> None:
    """And are whole at the end, however often they are delivered."""
    mirror = Mirror()
    mirror.created()
    mirror.started(call())
    mirror.added(call())
    delta = "response.function_call_arguments.delta"
    mirror.about(delta, "f", delta='{"a"', call_id="call_f")
    mirror.about(delta, "f", delta=": 1}", call_id="call_f")
    assert '{"a": 1}' == mirror.item("f").arguments

    done = "response.function_call_arguments.done"
    mirror.about(done, "f", arguments='{"a": 2}', call_id="call_f")
    mirror.about(done, "f", arguments="", call_id="call_f")
    mirror.done(call("f", '{"a": 2}', "completed"))
    mirror.about(done, "f", arguments='{"a": 3}', call_id="call_f")

    assert '{"a": 2}' == mirror.item("f").arguments
    assert ["disagreement", "late_event"] == mirror.kinds


def test_arguments_alone_make_a_call() -> None:
    """The id and name are taken from where they stand."""
    mirror = Mirror()
    mirror.about("response.function_call_arguments.delta", "f", delta="{", call_id="c")
    done = "response.function_call_arguments.done"
    mirror.about(done, "f", arguments="{}", call_id="other", name="weather")
    mirror.about(done, "g", arguments="{}")

    item = mirror.item("f")
    assert ("function_call", "c", "weather", "{}") == (
        item.type,
        item.call_id,
        item.name,
        item.arguments,
    )
    assert "{}" == mirror.item("g").arguments


def test_arguments_of_a_call_without_a_name_grow_until_it_has_one() -> None:
    """Servers that say no item give the name with a later piece, or the last."""
    mirror = Mirror()
    delta = "response.function_call_arguments.delta"
    mirror.about(delta, "f", delta="{")
    mirror.about(delta, "f", delta='"a": 1', call_id="c")
    mirror.about(delta, "f", delta="}", name="weather")

    item = mirror.item("f")
    assert ("c", '{"a": 1}') == (item.call_id, item.arguments)


def test_arguments_after_the_end_are_noted() -> None:
    """A cancelled call does not grow."""
    mirror = Mirror()
    mirror.ended(status="cancelled")
    mirror.about("response.function_call_arguments.delta", "f", delta="{")
    mirror.about("response.function_call_arguments.done", "f", arguments="{}")
    mirror.about("response.content_part.added", "f", part={"type": "text"})

    assert ["late_event"] * 3 == mirror.kinds
    assert mirror.snapshot.item("f") is None


def test_many_items_in_flight_do_not_slow_each_other() -> None:
    """The overlay that every delta copies is emptied before it is large."""
    mirror = Mirror()
    mirror.created()
    sizes = []
    for index in range(3 * snapshot_changes.IN_FLIGHT):
        mirror.text("Hello", f"i{index}")
        sizes.append(len(mirror.snapshot._overlay))
    mirror.text(" again", "i0")

    assert max(sizes) <= snapshot_changes.IN_FLIGHT
    assert "Hello again" == mirror.item("i0").text
    assert 3 * snapshot_changes.IN_FLIGHT == len(mirror.order)


def test_a_delta_copies_only_what_is_in_flight() -> None:
    """Its cost does not grow with the conversation: the rest is shared."""
    mirror = Mirror()
    mirror.spoken_answer()
    before = mirror.snapshot
    mirror.speech(" and")
    mirror.audio(480)
    after = mirror.snapshot

    assert before._base is after._base
    assert before._order is after._order
    assert before._responses is after._responses
    assert ["a"] == list(after._overlay)


def test_what_is_done_is_no_longer_in_flight() -> None:
    """Finished items are not copied any more."""
    mirror = Mirror()
    mirror.spoken_answer()
    mirror.done(answer(status="completed"))
    mirror.ended(answer(status="completed"))

    assert {} == mirror.snapshot._overlay


MOST = MOST_TEXT // 2 + 1


def said_more(mirror: Mirror, elsewhere: bool) -> None:
    """More text than is kept, in one part or in turns with another."""
    for _ in range(3):
        mirror.text("x" * MOST)
        if elsewhere:
            mirror.text("y", "b", output_index=1)


def spoke_more(mirror: Mirror, elsewhere: bool) -> None:
    """The same in speech."""
    for _ in range(3):
        mirror.speech("x" * MOST)
        if elsewhere:
            mirror.speech("y", "b", output_index=1)


def called_more(mirror: Mirror, elsewhere: bool) -> None:
    """The same in the arguments of a call."""
    kind = "response.function_call_arguments.delta"
    for item_id in ("a", "b"):
        mirror.started(call(item_id))
    for _ in range(4):
        mirror.about(kind, delta="x" * MOST)
        if elsewhere:
            mirror.about(kind, "b", delta="y", output_index=1)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("tell", "name"),
    [(said_more, "_text"), (spoke_more, "_transcript"), (called_more, "_arguments")],
)
def test_what_never_ends_is_kept_up_to_a_bound_and_noted(
    tell: Callable[[Mirror, bool], None], name: str, elsewhere: bool
) -> None:
    """By each way that a delta may take; the other one goes on growing."""
    mirror = Mirror()
    tell(mirror, elsewhere)
    item = mirror.snapshot.item("a")

    assert item is not None
    grown = item if name == "_arguments" else item.content[0]
    assert MOST_TEXT == len(str(getattr(grown, name)))
    assert {"endless_text"} == set(mirror.kinds)
    assert all("a" == each.item_id for each in mirror.snapshot.anomalies)
    if elsewhere:
        other = mirror.snapshot.item("b")
        assert other is not None
        small = other if name == "_arguments" else other.content[0]
        assert set("y") == set(str(getattr(small, name)))


CALL = "response.function_call_arguments."


@pytest.mark.parametrize("places", [(0, 1), (None, None)], ids=["indexed", "not"])
def test_calls_without_an_item_are_told_apart_by_their_call_ids(places: Any) -> None:
    """The second one's arguments took the place of the first one's."""
    mirror = Mirror()
    mirror.created()
    one, two = (
        {"response_id": "r", "output_index": place, "call_id": f"c{number}"}
        for number, place in enumerate(places)
    )
    mirror.tell(CALL + "delta", delta='{"a"', **one)
    mirror.tell(CALL + "delta", delta="[]", **two)
    mirror.tell(CALL + "delta", delta=": 1}", **one)
    mirror.tell(CALL + "done", arguments="[]", name="n", **two)

    assert [("c0", '{"a": 1}'), ("c1", "[]")] == [
        (item.call_id, item.arguments) for item in mirror.snapshot.items
    ]
    assert [] == mirror.kinds


def test_items_without_ids_get_theirs_when_the_response_ends() -> None:
    """By their places in the output."""
    mirror = Mirror()
    mirror.created()
    for number in range(3):
        told = {"call_id": f"c{number}", "name": "n", "arguments": "{}"}
        mirror.tell(CALL + "done", response_id="r", **told)
    calls = [{**call(f"f{n}", "{}", "completed"), "call_id": f"c{n}"} for n in range(3)]
    mirror.ended(*calls)

    assert ["f0", "f1", "f2"] == mirror.order
    assert ["c0", "c1", "c2"] == [item.call_id for item in mirror.snapshot.items]


def test_pieces_without_ids_fall_where_their_index_says() -> None:
    """As far as items have no names either; a named one is taken as it is."""
    mirror = Mirror()
    mirror.created()
    for index, piece in ((0, "a"), (1, "b"), (0, "c"), (None, "d")):
        mirror.tell("response.output_text.delta", output_index=index, delta=piece)
    assert ["ac", "bd"] == [item.text for item in mirror.snapshot.items]

    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.tell("response.output_text.delta", output_index=1, delta="a")
    assert [("a", "a")] == [(item.id, item.text) for item in mirror.snapshot.items]


def test_a_call_without_an_id_is_no_part_of_what_is_said() -> None:
    """Nor is what is said meanwhile one of the call."""
    mirror = Mirror()
    mirror.created()
    mirror.tell("response.output_text.delta", delta="Hel")
    mirror.tell(CALL + "delta", delta="{}")
    mirror.tell("response.output_text.delta", delta="lo")

    assert [("Hello", None), (None, "{}")] == [
        (item.text or None, item.arguments) for item in mirror.snapshot.items
    ]


def test_a_further_item_without_an_id_leaves_the_first_one_alone() -> None:
    """It was put in its place, words and all."""
    mirror = Mirror()
    mirror.created()
    mirror.tell("response.output_text.delta", delta="one")
    first = {"type": "message", "role": "assistant", "status": "completed"}
    done = {"response_id": "r", "output_index": 0, "item": first}
    mirror.tell("response.output_item.done", **done)
    mirror.tell("response.output_text.delta", delta="two")

    assert ["one", "two"] == [item.text for item in mirror.snapshot.items]


def test_what_is_said_after_a_truncation_is_all_that_the_server_has() -> None:
    """Of the words before it the client alone knows."""
    mirror = Mirror()
    mirror.spoken_answer("Hello there")
    mirror.tell("conversation.item.truncated", item_id="a", audio_end_ms=500)
    for piece in (" my", " dear", " friend"):
        mirror.speech(piece)
    part = mirror.item("a").content[0]

    assert " my dear friend" == part.transcript
    assert "Hello there my dear friend" == part.said


def test_odd_words_of_a_server_have_their_lines_in_the_transcript() -> None:
    """Pieces called text, a refusal, and an item in capitals."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    for piece in ("Good ", "day"):
        mirror.frame({"type": "response.text.delta", "item_id": "a", "text": piece})
    told = {"id": "b", "type": "MESSAGE", "role": "ASSISTANT", "status": "completed"}
    part = {"type": "refusal", "refusal": "I may not."}
    mirror.tell("conversation.item.added", item={**told, "content": [part]})

    lines = [(each.role, each.text) for each in mirror.snapshot.transcript()]
    assert [("assistant", "Good day"), ("assistant", "I may not.")] == lines


TOLD_TWICE = [
    ("Hello", "Hello", "Hello", 0),
    ("Hello", "Goodbye", "Goodbye", 1),
    ("Hello", "Hello there", "Hello there", 1),
    ("Hello there", "there", "Hello there", 1),
    ("Hello there", "", "Hello there", 0),
]
ENDS = (
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
)


def tell_end(mirror: Mirror, kind: str, text: str) -> None:
    """One of the events that say all of a text."""
    part = {"type": "output_text", "text": text}
    item = answer("a", part, status="completed")
    mirror.about(kind, text=text, part=part, item=item)


@pytest.mark.parametrize("again", ENDS)
@pytest.mark.parametrize(("first", "second", "holds", "noted"), TOLD_TWICE)
def test_a_text_whose_end_is_told_twice_is_the_later_one(
    first: str, second: str, holds: str, noted: int, again: str
) -> None:
    """It is noted once, however often the later one is told."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.text(first)
    tell_end(mirror, "response.output_text.done", first)
    assert [] == mirror.kinds

    tell_end(mirror, again, second)
    assert holds == mirror.item("a").text
    assert ["disagreement"] * noted == mirror.kinds

    for kind in ENDS[ENDS.index(again) :]:
        tell_end(mirror, kind, holds)
    part = {"type": "output_text", "text": holds}
    mirror.ended(answer("a", part, status="completed"))
    assert holds == mirror.item("a").text
    assert noted == mirror.kinds.count("disagreement")
    assert {"disagreement", "late_event"} >= set(mirror.kinds)


@pytest.mark.parametrize(("first", "second", "holds", "noted"), TOLD_TWICE)
def test_a_transcript_whose_end_is_told_twice_is_the_later_one(
    first: str, second: str, holds: str, noted: int
) -> None:
    """As a text is."""
    kind = "response.output_audio_transcript.done"
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.speech(first)
    for told in (first, second, second):
        mirror.about(kind, transcript=told)

    assert holds == mirror.item("a").text
    counts = [each.count for each in mirror.snapshot.anomalies]
    assert bool(noted) == bool(counts)


@pytest.mark.parametrize("kind", ENDS[:2])
def test_an_end_that_is_told_after_the_response_is_over_changes_nothing(
    kind: str,
) -> None:
    """It is noted as late."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.text("Hello")
    part = {"type": "output_text", "text": "Hello"}
    mirror.ended(answer("a", part, status="completed"))
    tell_end(mirror, kind, "Goodbye")

    assert "Hello" == mirror.item("a").text
    assert ["late_event"] == mirror.kinds


@pytest.mark.parametrize("event", ["part", "item", "response"])
@pytest.mark.parametrize("member", ["text", "transcript"])
@pytest.mark.parametrize(
    ("told", "holds", "noted"),
    [
        ("Hello there", "Hello there", False),
        ("there", "Hello there", True),
        ("Goodbye", "Goodbye", True),
        ("", "Hello there", False),
    ],
)
def test_words_are_the_same_whichever_member_they_stand_in_at_the_end(
    told: str, holds: str, noted: bool, member: str, event: str
) -> None:
    """Relays call what was spoken a text when all is said, and a text a transcript."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    said = mirror.speech if member == "text" else mirror.text
    said("Hello there")
    kind = "output_text" if member == "text" else "output_audio"
    part = {"type": kind, member: told}
    item = answer("a", part, status="completed")
    if event == "part":
        mirror.about("response.content_part.done", part=part)
    elif event == "item":
        mirror.about("response.output_item.done", item=item)
    else:
        mirror.ended(item)

    assert holds == mirror.item("a").text == mirror.item("a").said
    assert ["disagreement"] * noted == mirror.kinds
    assert mirror.snapshot.transcript()[0].text == holds


def test_text_beside_speech_is_no_transcript() -> None:
    """A part may have both, and then each is told by its own name."""
    mirror = Mirror()
    mirror.created()
    mirror.started(answer())
    mirror.speech("spoken")
    mirror.text("written")
    both = {"type": "output_audio", "text": "Written.", "transcript": "Spoken."}
    mirror.ended(answer("a", both, status="completed"))

    (part,) = mirror.item("a").content
    assert ("Written.", "Spoken.") == (part.text, part.transcript)
