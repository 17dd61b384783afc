"""In its beta dialect the server says what the beta has, and nothing of GA's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional, get_args

import pytest
from openai import BaseModel
from openai.types.beta.realtime import RealtimeServerEvent

from realtime_sync.server import Call, Server
from realtime_sync.server.engine.beta_frames import beta_fields, unknown_to_beta_version

from .clients import client
from .sounds import b64, loud, silence
from .talking import Talk, error, only, types

LIVE_ONLY = {"session.object", "session.expires_at"}
"""What the service sent and the types do not have."""


def beta(**arguments: Any) -> Talk:
    """A session in the beta dialect, with a model that its types know."""
    return Talk(dialect="beta", model="gpt-4o-realtime-preview", **arguments)


def flow() -> list[dict[str, Any]]:
    """Most events that the beta has."""
    talk = beta(script=["Hello there.", Call("f", {"a": 1}), "Well."])
    heard = {"input_audio_transcription": {"model": "whisper-1"}}
    frames = [*talk.opening, *talk.send("session.update", session=heard)]
    frames += [*talk.say("hello"), *talk.send("response.create")]
    item = frames[-1]["response"]["output"][0]["id"]
    place = {"item_id": item, "content_index": 0, "audio_end_ms": 10}
    frames += talk.send("conversation.item.truncate", **place)
    frames += talk.send("conversation.item.retrieve", item_id=item)
    frames += talk.send("response.create", response={"modalities": ["text"]})
    call = frames[-1]["response"]["output"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": call, "output": "1"}
    frames += talk.send("conversation.item.create", item=output)
    frames += talk.hear(silence(400) + loud(1000) + silence(600))
    frames += talk.send("response.create", response={"modalities": ["text"]})
    return frames + talk.send("conversation.item.delete", item_id=item)


def extras(value: Any, path: str = "") -> Iterator[str]:
    """Where an SDK's object holds what its type does not have."""
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from extras(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from extras(each, path)


def test_no_frame_holds_what_the_beta_types_do_not_have() -> None:
    """At whatever depth: usage, turn detection, arguments, deltas."""
    union = get_args(RealtimeServerEvent)[0]
    by_type = {
        get_args(c.model_fields["type"].annotation)[0]: c for c in get_args(union)
    }
    frames = flow()
    found = {name for f in frames for name in extras(by_type[f["type"]](**f))}

    assert found <= LIVE_ONLY
    assert {"response.function_call_arguments.done", "response.audio.delta"} <= {
        *types(frames)
    }
    assert "conversation.created" not in types(frames)


def test_every_item_of_the_beta_names_its_object() -> None:
    """In its own events, in the output's, and in the response that is done."""
    seen: dict[str, list[Any]] = {}
    for frame in flow():
        output = frame.get("response", {}).get("output", [])
        for item in [frame["item"], *output] if "item" in frame else output:
            seen.setdefault(frame["type"], []).append(item.get("object"))

    assert {
        "conversation.item.created",
        "conversation.item.retrieved",
        "response.output_item.added",
        "response.output_item.done",
        "response.done",
    } == set(seen)
    assert {"realtime.item"} == {each for objects in seen.values() for each in objects}


def test_items_of_ga_name_no_object_and_keep_their_fields() -> None:
    """What the beta lacks is not taken from GA."""
    talk = Talk(script=[Call("f", {"a": 1})])
    frames = [*talk.opening, *talk.say("x"), *talk.answer()]
    turns = frames[0]["session"]["audio"]["input"]["turn_detection"]
    read = only(frames, "response.done")["response"]["usage"]["input_token_details"]

    assert "object" not in only(frames, "response.output_item.done")["item"]
    assert "f" == only(frames, "response.function_call_arguments.done")["name"]
    assert "idle_timeout_ms" in turns
    assert {"image_tokens", "cached_tokens_details"} < set(read)


def test_to_leave_fields_out_changes_no_original() -> None:
    """The engine goes on using its usage and its items."""
    usage = {"input_token_details": {"image_tokens": 1, "text_tokens": 2}}
    response = {"output": [{"id": "i"}], "usage": usage}
    frame = {"type": "response.done", "response": response}
    said = beta_fields(frame)

    assert {"text_tokens": 2} == said["response"]["usage"]["input_token_details"]
    assert {"image_tokens": 1, "text_tokens": 2} == usage["input_token_details"]
    assert [{"id": "i"}] == response["output"]


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"turn_detection": {"type": "semantic_vad"}},
        {"turn_detection": None},
        {
            "input_audio_transcription": {"model": "whisper-1", "prompt": "names"},
            "input_audio_noise_reduction": {"type": "near_field"},
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "f",
            "max_response_output_tokens": 50,
        },
    ],
)
def test_a_session_of_the_beta_can_be_sent_back(update: Any) -> None:
    """As it was told: nothing in it is refused, and nothing changes by it."""
    talk = beta()
    session = only(talk.send("session.update", session=update), "session.updated")
    again = talk.send("session.update", session=session["session"])

    assert session["session"] == only(again, "session.updated")["session"]


def test_the_first_session_of_either_kind_can_be_sent_back() -> None:
    """Of a transcription too, by its own event."""
    for kind, command in (
        ("realtime", "session.update"),
        ("transcription", "transcription_session.update"),
    ):
        talk = beta(session_type=kind)
        session = talk.opening[0]["session"]
        (answer,) = talk.send(command, session={**session, "id": "sess_other"})

        assert session == answer["session"]


def test_what_the_server_alone_decides_is_refused_in_ga() -> None:
    """There, a session that was told cannot be sent back."""
    talk = Talk()

    assert "unknown_parameter" == error(talk.update(id="sess_other"))["code"]


ALLOWED = {
    "system": {"input_text"},
    "user": {"input_text", "input_audio"},
    "assistant": {"text"},
}
PARTS: Mapping[str, Mapping[str, str]] = {
    "input_text": {"text": "x"},
    "input_audio": {"audio": b64(bytes(480))},
    "text": {"text": "x"},
    "audio": {"transcript": "x"},
    "output_text": {"text": "x"},
    "item_reference": {"id": "x"},
    "input_image": {"image_url": "data:image/png;base64,AA=="},
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_has_parts_of_its_own(role: str, kind: str) -> None:
    """In an item, and in the input of a response."""
    part = {"type": kind, **PARTS[kind]}
    message = {"type": "message", "role": role, "content": [part]}
    created = beta().send("conversation.item.create", item=message)
    asked = beta().send_only("response.create", response={"input": [message]})
    if kind in ALLOWED[role]:
        assert ["conversation.item.created"] == types(created)[:1]
        assert "response.created" == types(asked)[0]
    else:
        assert "item.content[0].type" == error(created)["param"]
        assert "response.input[0].content[0].type" == error(asked)["param"]


def limits(frames: list[dict[str, Any]]) -> dict[str, int]:
    """What remains, by name."""
    said = only(frames, "rate_limits.updated")["rate_limits"]
    return {limit["name"]: limit["remaining"] for limit in said}


@pytest.mark.parametrize("bound", ["inf", 100])
def test_the_beta_sets_tokens_aside_and_adjusts_after_the_response(bound: Any) -> None:
    """The next event shows what was used, and what the next one might use."""
    options = {"tokens_per_minute": 50_000, "requests_per_minute": 10}
    talk = beta(script=["Hello there."], options=options)
    asked = {"modalities": ["text"], "max_response_output_tokens": bound}
    first = talk.answer(**asked)
    second = talk.answer(**asked)
    used = only(first, "response.done")["response"]["usage"]
    read = only(second, "response.done")["response"]["usage"]["input_tokens"]
    aside = 4096 if bound == "inf" else bound
    before = 50_000 - used["input_tokens"] - aside

    assert {"requests": 9, "tokens": before} == limits(first)
    assert {
        "requests": 8,
        "tokens": 50_000 - used["total_tokens"] - read - aside,
    } == limits(second)


def test_ga_names_tokens_only_and_after_the_response() -> None:
    """As captured."""
    talk = Talk(script=["Hello there."], options={"tokens_per_minute": 1000})
    frames = talk.answer(output_modalities=["text"])
    used = only(frames, "response.done")["response"]["usage"]["total_tokens"]

    assert {"tokens": 1000 - used} == limits(frames)
    assert "rate_limits.updated" == frames[-1]["type"]


DELTA = "conversation.item.input_audio_transcription.delta"
"""Azure's client for JavaScript ends at the first event that it does not know."""


@pytest.mark.parametrize(
    ("api_version", "unsaid"),
    [
        ("2024-10-01-preview", {DELTA}),
        ("2024-12-17", {DELTA}),
        ("2025-03-31-preview", {DELTA}),
        ("2025-04-01", set()),
        ("2025-04-01-preview", set()),
        ("2025-08-28", set()),
        ("preview", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_a_dated_version_of_the_beta_lacks_what_came_after_it(
    api_version: Optional[str], unsaid: set[str]
) -> None:
    """And one that is no date lacks nothing."""
    assert unsaid == unknown_to_beta_version(api_version)


@pytest.mark.parametrize(
    ("path", "pieces"),
    [
        ("/openai/realtime?api-version=2024-10-01-preview&deployment=d", False),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=d", True),
        ("/openai/realtime?deployment=d", True),
        ("/voice-live/realtime?api-version=2024-10-01-preview&model=m", True),
        ("/v1/realtime?api-version=2024-10-01-preview&model=m", True),
    ],
)
def test_azures_first_version_sends_the_transcript_in_one_piece(
    start: Callable[..., Server], path: str, pieces: bool
) -> None:
    """The version is Azure OpenAI's own; elsewhere the parameter says nothing."""
    server = start(agent="echo")
    with client(server, path=path, header=["OpenAI-Beta: realtime=v1"]) as one:
        heard = {"input_audio_transcription": {"model": "whisper-1"}}
        session = {"turn_detection": None, **heard}
        one.send("session.update", session=session)
        one.send("input_audio_buffer.append", audio=b64(loud(500)))
        one.send("input_audio_buffer.commit")
        completed = DELTA.replace("delta", "completed")
        frames = one.until(completed)

    assert pieces == (DELTA in types(frames))
    assert frames[-1]["transcript"]
