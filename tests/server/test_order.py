"""The order of events in PROTOCOL 4.1 to 4.10, exactly."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.server import Call, Say

from .sounds import loud, silence
from .talking import Talk, only, types

TEXT = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
AUDIO_HEAD = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
AUDIO_TAIL = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
CALL = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def turn(talk: Talk) -> list[dict[str, Any]]:
    """Speak for a second and stop."""
    return talk.hear(silence(400) + loud(1000) + silence(600))


def test_a_session_begins_with_session_created_alone() -> None:
    """GA never sends conversation.created."""
    assert ["session.created"] == types(Talk().opening)


def test_a_beta_session_begins_with_session_created_alone_too() -> None:
    """Prose has conversation.created after it; a live log and clients do not."""
    assert ["session.created"] == types(Talk(dialect="beta").opening)


def test_a_text_response() -> None:
    """As captured: the item's done before the output item's, the limits last."""
    talk = Talk(script=["one two"])
    said = talk.say("hello")

    assert ["conversation.item.added", "conversation.item.done"] == types(said)
    assert TEXT == types(talk.answer(output_modalities=["text"]))


def test_a_text_response_in_beta() -> None:
    """created instead of added and done, limits right after the response began."""
    talk = Talk(script=["one two"], dialect="beta")
    said = talk.say("hello")
    frames = talk.answer(modalities=["text"])

    assert ["conversation.item.created"] == types(said)
    assert [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.text.delta",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ] == types(frames)


@pytest.mark.parametrize("place", ["start", "end", "never"])
def test_the_place_of_the_rate_limits_can_be_chosen(place: str) -> None:
    """Prose and captures disagree, so both can be had."""
    talk = Talk(script=["x"], options={"rate_limits": place})
    names = types(talk.answer(output_modalities=["text"]))
    places = {"start": 1, "end": len(names) - 1}

    assert places.get(place) == (
        names.index("rate_limits.updated") if place in places else None
    )


def test_an_audio_response_to_a_turn() -> None:
    """The item is named before it exists; transcript and audio are interleaved."""
    talk = Talk()
    frames = turn(talk)
    names = types(frames)
    transcripts = "response.output_audio_transcript.delta"
    deltas = names[9 : -len(AUDIO_TAIL)]

    assert TURN + AUDIO_HEAD == names[:9]
    assert AUDIO_TAIL == names[-len(AUDIO_TAIL) :]
    assert transcripts == deltas[0]
    assert {transcripts, "response.output_audio.delta"} == set(deltas)
    assert frames[0]["item_id"] == frames[2]["item_id"] == frames[3]["item"]["id"]


def test_a_turn_without_a_response() -> None:
    """create_response false: nothing follows the user's item."""
    talk = Talk()
    detection = {"type": "server_vad", "create_response": False}
    talk.update(audio={"input": {"turn_detection": detection}})

    assert TURN == types(turn(talk))


def test_a_turn_whose_transcript_comes_during_the_response() -> None:
    """Transcription is asked for, and its events come when the recognizer is done."""
    talk = Talk()
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    names = types(turn(talk))
    prefix = "conversation.item.input_audio_transcription."

    assert names.index(prefix + "delta") + 1 == names.index(prefix + "completed")
    assert names.index(prefix + "completed") > names.index("response.created")


def test_a_transcript_that_comes_after_the_response() -> None:
    """As it may: the option holds it back."""
    talk = Talk(options={"transcripts": "late"})
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    names = types(turn(talk))
    completed = "conversation.item.input_audio_transcription.completed"

    assert names.index(completed) > names.index("response.done")


def test_a_function_call() -> None:
    """No content parts; the next response only when asked for."""
    talk = Talk(script=[Call("f", '{"a": 1}'), "done"])
    frames = talk.answer()
    item = only(frames, "response.output_item.done")["item"]
    output = {"type": "function_call_output", "call_id": item["call_id"]}
    created = talk.send("conversation.item.create", item={**output, "output": ""})

    assert CALL == types(frames)
    assert '{"a": 1}' == item["arguments"]
    assert ["conversation.item.added", "conversation.item.done"] == types(created)


def test_a_message_and_two_calls_in_one_response() -> None:
    """Items follow each other, each closed before the next begins."""
    talk = Talk(script=[[Say("Wait."), Call("f"), Call("g")]])
    frames = talk.answer(output_modalities=["text"])
    items = only(frames, "response.done")["response"]["output"]
    indexes = [
        f["output_index"] for f in frames if f["type"] == "response.output_item.added"
    ]

    assert ["message", "function_call", "function_call"] == [i["type"] for i in items]
    assert [0, 1, 2] == indexes
    assert TEXT[:9] + CALL[1:7] + CALL[1:] == types(frames)


def test_push_to_talk() -> None:
    """Commit makes the item and never a response."""
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": None}})
    silent = turn(talk)

    assert [] == silent
    assert TURN[2:] == types(talk.send("input_audio_buffer.commit"))
    assert TEXT[:1] == types(talk.send_only("response.create"))


def test_committing_by_hand_in_the_middle_of_a_turn() -> None:
    """The same item id, and no speech_stopped."""
    talk = Talk()
    started = talk.hear(silence(400) + loud(600))
    committed = talk.send("input_audio_buffer.commit")

    assert TURN[:1] == types(started)
    assert TURN[2:] == types(committed)
    assert started[0]["item_id"] == committed[0]["item_id"]


def test_an_interruption() -> None:
    """speech_started first, then what is open is closed, then cancelled."""
    talk = Talk(script=["word " * 40], options={"pace": 1.0})
    talk.say("hello")
    talk.send("response.create")
    talk.later(0.5)
    frames = talk.hear(silence(100) + loud(400))
    response = only(frames, "response.done")["response"]

    assert TURN[:1] + AUDIO_TAIL == types(frames)
    assert "cancelled" == response["status"]
    assert {"type": "cancelled", "reason": "turn_detected"} == response[
        "status_details"
    ]
    assert "incomplete" == response["output"][0]["status"]


def test_an_interruption_before_the_first_item() -> None:
    """A response may end without one."""
    talk = Talk()
    talk.say("hello")
    talk.send_only("response.create")
    frames = talk.engine.receive(
        {"type": "input_audio_buffer.append", "audio": _loud()}, talk.now
    )

    assert TURN[:1] + AUDIO_TAIL[-2:] == types(frames)
    assert [] == only(frames, "response.done")["response"]["output"]
    assert [] == talk.settle()


def _loud() -> str:
    from .sounds import b64

    return b64(loud(400))


def test_no_interruption_where_it_is_switched_off() -> None:
    """interrupt_response false; the turn's own response is then refused."""
    talk = Talk(script=["word " * 40], options={"pace": 1.0})
    detection = {"type": "server_vad", "interrupt_response": False}
    talk.update(audio={"input": {"turn_detection": detection}})
    talk.say("hello")
    talk.send("response.create")
    frames = turn(talk)

    assert TURN + ["error"] == types(frames)
    assert "conversation_already_has_active_response" == frames[-1]["error"]["code"]


def test_cancelling_by_hand() -> None:
    """The same end as an interruption, with another reason."""
    talk = Talk(script=["word " * 40], options={"pace": 1.0})
    talk.send("response.create")
    frames = talk.send("response.cancel")
    details = only(frames, "response.done")["response"]["status_details"]

    assert AUDIO_TAIL == types(frames)
    assert "client_cancelled" == details["reason"]
    assert [] == talk.later(10)


def test_an_out_of_band_response() -> None:
    """No conversation, no mirror events, its metadata given back."""
    talk = Talk(script=["one two"])
    frames = talk.answer(
        conversation="none", metadata={"topic": "x"}, output_modalities=["text"]
    )
    names = [n for n in TEXT if not n.startswith("conversation.")]
    created = frames[0]["response"]

    assert names == types(frames)
    assert (None, {"topic": "x"}) == (created["conversation_id"], created["metadata"])
    assert 0 == len(talk.engine.conversation)


def test_items_created_retrieved_truncated_deleted() -> None:
    """One event each, two for a creation."""
    talk = Talk(script=["one two"])
    talk.say("hello")
    item_id = only(talk.answer(), "response.done")["response"]["output"][0]["id"]

    assert ["conversation.item.retrieved"] == types(
        talk.send("conversation.item.retrieve", item_id=item_id)
    )
    assert ["conversation.item.truncated"] == types(
        talk.send(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=0,
            audio_end_ms=100,
        )
    )
    assert ["conversation.item.deleted"] == types(
        talk.send("conversation.item.delete", item_id=item_id)
    )


def test_a_transcription_session() -> None:
    """A turn and its transcript; no response and no rate limits."""
    talk = Talk(session_type="transcription", model="")
    heard = {"input": {"transcription": {"model": "whisper-1"}}}
    session = {"type": "transcription", "audio": heard}
    talk.send("session.update", session=session)
    prefix = "conversation.item.input_audio_transcription."

    assert TURN + [prefix + "delta", prefix + "completed"] == types(turn(talk))


def test_an_idle_user_is_spoken_to() -> None:
    """timeout_triggered, a silent item, a response; counted after the playback."""
    talk = Talk(script=["one two three"])
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    talk.update(audio={"input": {"turn_detection": detection}})
    talk.say("hello")
    talk.answer()
    early = talk.later(5.0)
    frames = talk.later(1.0)

    assert [] == early
    assert ["input_audio_buffer.timeout_triggered"] + TURN[2:] + AUDIO_HEAD == types(
        frames
    )[:8]
    assert frames[0]["item_id"] == frames[1]["item_id"]
