"""What the service says since 2026: phases, obfuscation, filtered answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync.server import Call, Failure, Prompt, Say
from realtime_sync.server.agents.scenario import scenario

from .sounds import loud, silence
from .talking import Talk, error, only, types

TEXT = {"output_modalities": ["text"]}


def messages(frames: list[dict[str, Any]]) -> list[tuple[Any, str]]:
    """Phase and words of each item of the response."""
    output = only(frames, "response.done")["response"]["output"]
    return [
        (item.get("phase"), item["content"][0]["text"])
        for item in output
        if item["type"] == "message"
    ]


SCRIPT = [[Say("Let me see. ", phase="commentary"), Say("It is "), Say("four.")]]


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-2.1-mini"])
def test_a_message_is_of_one_phase(model: str) -> None:
    """What is said on the way is an item of its own; its items say so at once."""
    frames = Talk(script=SCRIPT, model=model).answer(**TEXT)
    added = [f["item"]["phase"] for f in frames if f["type"].endswith("item.added")]

    assert [("commentary", "Let me see. "), ("final_answer", "It is four.")] == (
        messages(frames)
    )
    assert ["commentary"] * 2 + ["final_answer"] * 2 == added


def test_a_model_with_phases_counts_reasoning() -> None:
    """In its usage."""
    frames = Talk(script=SCRIPT, model="gpt-realtime-2.1").answer(**TEXT)
    usage = only(frames, "response.done")["response"]["usage"]

    assert 0 == usage["output_token_details"]["reasoning_tokens"]


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("gpt-realtime", "ga"),
        ("gpt-realtime-1.5", "ga"),
        ("gpt-realtime-2.1", "beta"),
    ],
)
def test_other_models_have_no_phases(model: str, dialect: str) -> None:
    """One message, and no field that says what it is for; the beta has none."""
    asked = TEXT if dialect == "ga" else {"modalities": ["text"]}
    frames = Talk(script=SCRIPT, model=model, dialect=dialect).answer(**asked)
    usage = only(frames, "response.done")["response"]["usage"]

    assert [(None, "Let me see. It is four.")] == messages(frames)
    assert "reasoning_tokens" not in usage["output_token_details"]


@pytest.mark.parametrize("phase", ["commentary", "final_answer", None, "song"])
def test_an_assistants_item_may_be_given_its_phase(phase: Any) -> None:
    """As it is when a conversation is built again; other words are refused."""
    part = {"type": "output_text", "text": "x"}
    item = {"type": "message", "role": "assistant", "content": [part], "phase": phase}
    frames = Talk().send("conversation.item.create", item=item)
    if phase == "song":
        assert "item.phase" == error(frames)["param"]
    else:
        assert phase == only(frames, "conversation.item.done")["item"]["phase"]


def test_the_user_has_no_phase() -> None:
    """Nor has the system."""
    for role in ("user", "system"):
        frames = Talk().say("x", role=role, phase="final_answer")

        assert "unknown_parameter" == error(frames)["code"]


def deltas(talk: Talk) -> dict[str, list[dict[str, Any]]]:
    """Deltas of every kind, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    heard = {"transcription": {"model": "gpt-transcribe"}}
    frames = talk.update(audio={"input": heard}) if talk.engine.dialect == "ga" else []
    frames += talk.hear(silence(400) + loud(1000) + silence(600))
    frames += talk.send("response.create")
    for frame in frames:
        if frame["type"].endswith(".delta"):
            found.setdefault(frame["type"], []).append(frame)
    return found


def test_deltas_of_text_are_padded_to_whole_blocks() -> None:
    """Their length tells nothing; audio is not padded, nor is the beta."""
    script = [["Hello there.", Call("f", {"city": "Paris"})]]
    ga = deltas(Talk(script=script))
    in_text = Talk(script=script).answer(**TEXT)
    written = [f for f in in_text if f["type"] == "response.output_text.delta"]
    padded = {
        "response.output_audio_transcript.delta",
        "response.function_call_arguments.delta",
        "conversation.item.input_audio_transcription.delta",
    }
    frames = [frame for name in padded for frame in ga[name]] + written

    assert padded | {"response.output_audio.delta"} == set(ga)
    assert {0} == {len(f["delta"] + f["obfuscation"]) % 16 for f in frames}
    assert all(frame["obfuscation"] for frame in frames)
    assert "obfuscation" not in ga["response.output_audio.delta"][0]
    assert not any(
        "obfuscation" in frame
        for each in deltas(Talk(script=script, dialect="beta")).values()
        for frame in each
    )


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_an_output_has_no_status(dialect: str) -> None:
    """Whatever the client gave it; a call has one."""
    talk = Talk(dialect=dialect)
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    called = talk.send("conversation.item.create", item=call)
    told = talk.send("conversation.item.create", item={**output, "status": "completed"})

    assert "completed" == called[-1]["item"]["status"]
    assert "status" not in told[-1]["item"]


def filtered(prompt: Prompt) -> Iterator[str]:
    """Say a little, and be cut."""
    yield "Once upon a "
    raise Failure("No.", code="content_filter")


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_an_answer_can_be_cut_by_the_content_filter(modality: str) -> None:
    """What was said before stands, in an item that is not complete."""
    frames = Talk(script=filtered).answer(output_modalities=[modality])
    response = only(frames, "response.done")["response"]
    part = response["output"][0]["content"][0]

    assert "incomplete" == response["status"]
    assert {"type": "incomplete", "reason": "content_filter"} == (
        response["status_details"]
    )
    assert "incomplete" == response["output"][0]["status"]
    assert "Once upon a " == part["text" if modality == "text" else "transcript"]
    assert "error" not in types(frames)


def test_the_content_filter_may_leave_nothing() -> None:
    """A response without any item."""
    failure = Failure("No.", code="content_filter")

    def script(prompt: Prompt) -> None:
        raise failure

    response = only(Talk(script=script).answer(), "response.done")["response"]

    assert ("incomplete", []) == (response["status"], response["output"])


@pytest.mark.parametrize(
    ("code", "status"), [("content_filter", "incomplete"), ("other", "failed")]
)
def test_a_scenario_may_say_something_and_then_fail(code: str, status: str) -> None:
    """Words first, then the failure, of whichever kind."""
    reply = {"say": "Well, ", "fail": {"code": code, "message": "No."}}
    agent = scenario({"replies": [reply]}).agent
    response = only(Talk(agent).answer(**TEXT), "response.done")["response"]

    assert status == response["status"]
    assert "Well, " == response["output"][0]["content"][0]["text"]
