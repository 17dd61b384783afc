"""The conversation: where items go, what they hold, how they leave."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.server.engine.refusal import Refusal

from .sounds import b64, loud
from .talking import Talk, only, types


def ids(talk: Talk) -> list[str]:
    """Ids of the items in order."""
    return [item["id"] for item in talk.engine.truth()["items"]]


def add(talk: Talk, item_id: str, **fields: Any) -> list[dict[str, Any]]:
    """Add a message with an id, somewhere."""
    part = {"type": "input_text", "text": item_id}
    item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
    return talk.send("conversation.item.create", item=item, **fields)


@pytest.mark.parametrize(
    ("where", "order", "previous"),
    [
        ({}, "abx", "b"),
        ({"previous_item_id": ""}, "abx", "b"),
        ({"previous_item_id": None}, "abx", "b"),
        ({"previous_item_id": "root"}, "xab", None),
        ({"previous_item_id": "a"}, "axb", "a"),
        ({"previous_item_id": "b"}, "abx", "b"),
    ],
)
def test_where_an_item_goes(where: Any, order: str, previous: Any) -> None:
    """At the end, first, or right after another."""
    talk = Talk()
    add(talk, "a"), add(talk, "b")
    frames = add(talk, "x", **where)

    assert list(order) == ids(talk)
    assert [previous, previous] == [frame["previous_item_id"] for frame in frames]


def test_a_deleted_item_is_gone() -> None:
    """From the order, and as a predecessor."""
    talk = Talk()
    add(talk, "a"), add(talk, "b"), add(talk, "c")
    talk.send("conversation.item.delete", item_id="b")

    assert ["a", "c"] == ids(talk)
    assert ["error"] == types(add(talk, "x", previous_item_id="b"))


def test_an_item_without_an_id_gets_one() -> None:
    """Of at most 32 characters, with the prefix of its kind."""
    talk = Talk()
    item = only(talk.say("x"), "conversation.item.added")["item"]

    assert item["id"].startswith("item_")
    assert "completed" == item["status"]


def test_an_item_of_32_characters_just_fits() -> None:
    """uuid4().hex does, with dashes it does not."""
    assert "conversation.item.added" in types(add(Talk(), "x" * 32))


def test_parts_of_the_beta_are_accepted_in_ga() -> None:
    """Older clients replay their history so."""
    talk = Talk()
    item = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "x"}],
    }
    added = talk.send("conversation.item.create", item=item)[0]["item"]

    assert "output_text" == added["content"][0]["type"]


def test_user_audio_is_heard_and_comes_back_only_when_retrieved() -> None:
    """No event carries it, but retrieved does."""
    talk = Talk()
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    pcm = loud(500)
    part = {"type": "input_audio", "audio": b64(pcm)}
    item = {"id": "u", "type": "message", "role": "user", "content": [part]}
    frames = talk.send("conversation.item.create", item=item)
    retrieved = talk.send("conversation.item.retrieve", item_id="u")[0]["item"]

    assert "audio" not in frames[0]["item"]["content"][0]
    assert "500 ms of audio" == frames[-1]["transcript"]
    assert pcm == base64.b64decode(retrieved["content"][0]["audio"])
    assert 500 == talk.engine.truth()["items"][0]["audio_ms"]


def test_truncating_cuts_the_audio_and_removes_the_whole_transcript() -> None:
    """The model must not know what was not heard."""
    talk = Talk(script=["one two three"])
    frames = talk.answer()
    item_id = only(frames, "response.done")["response"]["output"][0]["id"]
    talk.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=123
    )
    retrieved = talk.send("conversation.item.retrieve", item_id=item_id)[0]["item"]
    truth = talk.engine.truth()["items"][0]

    assert 123 * 48 == len(base64.b64decode(retrieved["content"][0]["audio"]))
    assert "" == retrieved["content"][0]["transcript"]
    assert (123, 123, "") == (
        truth["audio_ms"],
        truth["truncated_ms"],
        truth["transcript"],
    )


def test_deleting_an_item_in_the_middle_of_its_response() -> None:
    """The response goes on; the conversation is not told of the item again."""
    talk = Talk(script=["word " * 20], options={"text_interval": 1.0})
    frames = talk.answer(output_modalities=["text"])
    item_id = only(frames, "conversation.item.added")["item"]["id"]
    talk.send("conversation.item.delete", item_id=item_id)
    rest = talk.later(100)

    assert "response.output_item.done" in types(rest)
    assert "conversation.item.done" not in types(rest)
    assert [] == ids(talk)


def test_an_item_added_while_a_response_streams_goes_after_its_item() -> None:
    """The response's item has its place from the moment it was added."""
    talk = Talk(script=["word " * 20], options={"text_interval": 1.0})
    talk.answer(output_modalities=["text"])
    add(talk, "x")
    talk.later(100)

    assert "x" == ids(talk)[-1]
    assert 2 == len(ids(talk))


def test_a_response_with_its_own_input() -> None:
    """Items and references; an empty list is an empty context."""
    seen: list[list[Any]] = []
    talk = Talk(script=lambda prompt: seen.append([i["id"] for i in prompt.items]))
    add(talk, "a"), add(talk, "b")
    part = {"type": "input_text", "text": "x"}
    item = {"type": "message", "role": "user", "content": [part], "id": "own"}
    talk.answer(
        conversation="none", input=[item, {"type": "item_reference", "id": "a"}]
    )
    talk.answer(conversation="none", input=[])
    talk.answer(conversation="none")

    assert [["own", "a"], [], ["a", "b"]] == seen
    assert ["a", "b"] == ids(talk)


def test_out_of_band_responses_run_beside_the_default_one() -> None:
    """Interleaved, each whole, told apart by their ids."""
    talk = Talk(script=["a b c d"], options={"text_interval": 1.0})
    frames = talk.answer(output_modalities=["text"])
    for number in "12":
        frames += talk.answer(
            conversation="none",
            metadata={"number": number},
            output_modalities=["text"],
        )
    frames += [frame for _ in range(10) for frame in talk.later(1.0)]
    done = [f["response"] for f in frames if f["type"] == "response.done"]
    texts = {f["text"] for f in frames if f["type"] == "response.output_text.done"}

    assert 3 == len(done)
    assert {"a b c d"} == texts
    assert [None, {"number": "1"}, {"number": "2"}] == [r["metadata"] for r in done]
    assert 1 == len(ids(talk))


def test_the_users_voice_interrupts_only_the_default_response() -> None:
    """Out-of-band responses go on."""
    talk = Talk(script=["word " * 9], options={"pace": 1.0, "text_interval": 1.0})
    talk.answer()
    talk.answer(conversation="none", output_modalities=["text"])
    frames = talk.hear(loud(400))
    done = [f["response"] for f in frames if f["type"] == "response.done"]

    assert [True] == [response["conversation_id"] is not None for response in done]
    assert 1 == len(talk.engine.responses.active_runs())


commands = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "answer", "truncate"]),
        st.integers(0, 7),
        st.integers(-1, 7),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(commands)
def test_the_announced_order_is_the_order(script: list[tuple[str, int, int]]) -> None:
    """
    Whoever follows the events by PROTOCOL 5 alone ends with the server's list.

    The follower knows three rules: after the named predecessor, first for null,
    gone when deleted.
    """
    talk = Talk(script=["hm"])
    followed: list[str] = []
    for kind, number, previous in script:
        for frame in _act(talk, kind, f"i{number}", previous):
            _follow(followed, frame)

    assert ids(talk) == followed


def _act(talk: Talk, kind: str, item_id: str, previous: int) -> list[dict[str, Any]]:
    if kind == "answer":
        return talk.answer(output_modalities=["text"])
    if kind == "delete":
        return talk.send("conversation.item.delete", item_id=item_id)
    if kind == "truncate":
        return talk.send(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=0,
            audio_end_ms=1,
        )
    if item_id in ids(talk):
        return []
    where = "root" if previous < 0 else f"i{previous}"
    return add(talk, item_id, previous_item_id=where) or add(talk, item_id)


def _follow(order: list[str], frame: dict[str, Any]) -> None:
    if frame["type"] == "conversation.item.deleted":
        order.remove(frame["item_id"])
    elif frame["type"] == "conversation.item.added":
        previous = frame["previous_item_id"]
        place = 0 if previous is None else order.index(previous) + 1
        order.insert(place, frame["item"]["id"])


def test_a_duplicate_id_is_refused_or_not() -> None:
    """The service appends again; so does this server, and both can be deleted."""
    talk = Talk()
    add(talk, "a"), add(talk, "a")

    assert ["a", "a"] == ids(talk)


def test_refusals_are_exceptions_inside() -> None:
    """They carry what the event shows."""
    refusal = Refusal("no", code="c", param="p")

    assert ("no", "c", "p") == (str(refusal), refusal.code, refusal.param)
