"""The server refuses what the service refuses, for reasons that types do not tell."""

from __future__ import annotations

from typing import Any

import pytest

from .talking import Talk, error, only, types

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
TOO_LONG, NOT_MATCHING = "string_above_max_length", "invalid_value"


def tool(**fields: Any) -> dict[str, Any]:
    """A function."""
    return {"type": "function", "name": "f", **fields}


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"description": "x" * 1025}, TOO_LONG, "description"),
        ({"description": "é" * 1025}, TOO_LONG, "description"),
        ({"name": "look up"}, NOT_MATCHING, "name"),
        ({"name": "look.up"}, NOT_MATCHING, "name"),
        ({"name": "wörter"}, NOT_MATCHING, "name"),
        ({"name": "look_up\n"}, NOT_MATCHING, "name"),
        ({"name": "x" * 65}, TOO_LONG, "name"),
    ],
)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_bad_tool_refuses_the_whole_update(
    dialect: str, fields: Any, code: str, param: str
) -> None:
    """A good tool beside it, and the instructions, are not taken either."""
    talk = Talk(dialect=dialect)
    before = talk.engine.truth()
    session = {"instructions": "Be brief.", "tools": [tool(), tool(**fields)]}
    if dialect == "ga":
        session["type"] = "realtime"
    details = error(talk.send("session.update", session=session))

    assert (code, f"session.tools[1].{param}") == (details["code"], details["param"])
    assert before == talk.engine.truth()


def test_the_longest_tool_is_taken() -> None:
    """The bounds themselves are allowed."""
    talk = Talk()
    longest = tool(name="aZ0_-" + "x" * 59, description="x" * 1024)

    assert ["session.updated"] == types(talk.update(tools=[longest]))


@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"tools": [tool(name="a b")]}, "response.tools[0].name"),
        ({"tools": [tool(description="x" * 2000)]}, "response.tools[0].description"),
        (
            {"tool_choice": {"type": "function", "name": "a b"}},
            "response.tool_choice.name",
        ),
    ],
)
def test_tools_of_a_response_are_held_to_the_same(response: Any, param: str) -> None:
    """One rule, wherever a tool is named."""
    frames = Talk().send("response.create", response=response)

    assert ["error"] == types(frames)
    assert param == error(frames)["param"]


@pytest.mark.parametrize("kind", ["output_audio", "audio"])
@pytest.mark.parametrize("part", [{"transcript": "hi"}, {"audio": "AAAA"}, {}])
def test_the_assistant_is_given_words_only(kind: str, part: Any) -> None:
    """Its audio cannot be put into a conversation; the text is what is missing."""
    message = {"type": "message", "role": "assistant", "content": [{"type": kind}]}
    message["content"][0].update(part)  # type: ignore[index]
    talk = Talk()
    created = error(talk.send("conversation.item.create", item=message))
    asked = error(talk.send("response.create", response={"input": [message]}))

    assert "missing_required_parameter" == created["code"] == asked["code"]
    assert "item.content[0].text" == created["param"]
    assert "response.input[0].content[0].text" == asked["param"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([OUTPUT], 0),
        ([{**CALL, "call_id": "call_2"}, OUTPUT], 1),
        ([CALL, OUTPUT, {**OUTPUT, "call_id": "call_2"}], 2),
        ([OUTPUT, OUTPUT], 0),
    ],
)
def test_an_output_in_the_input_needs_its_call_there(given: Any, place: int) -> None:
    """That the conversation holds the call does not help: the input replaces it."""
    talk = Talk()
    talk.send("conversation.item.create", item=CALL)
    details = error(talk.send("response.create", response={"input": given}))

    assert "not found in conversation." in details["message"]
    assert f"response.input[{place}].call_id" == details["param"]
    assert [] == talk.engine.truth()["responses"]


@pytest.mark.parametrize("by_reference", [False, True])
def test_an_output_in_the_input_with_its_call_is_answered(by_reference: bool) -> None:
    """Written out, or referred to."""
    talk = Talk()
    created = talk.send("conversation.item.create", item=CALL)
    call_item = only(created, "conversation.item.done")["item"]
    call = {"type": "item_reference", "id": call_item["id"]} if by_reference else CALL
    frames = talk.answer(input=[call, OUTPUT])

    assert "completed" == only(frames, "response.done")["response"]["status"]


def test_an_output_does_not_stand_for_a_call() -> None:
    """Once the call is deleted, a second output has nothing to answer."""
    talk = Talk()
    talk.send("conversation.item.create", item={**CALL, "id": "c"})
    talk.send("conversation.item.create", item=OUTPUT)
    talk.send("conversation.item.delete", item_id="c")
    details = error(talk.send("conversation.item.create", item=OUTPUT))

    assert "invalid_tool_call_id" == details["code"]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("base", [CALL, OUTPUT])
def test_a_call_id_has_at_most_32_characters(dialect: str, base: Any) -> None:
    """As an item's id has; exactly 32 pass, where a call is created."""
    talk = Talk(dialect=dialect)
    item = {**base, "call_id": "c" * 33}
    created = error(talk.send("conversation.item.create", item=item))
    asked = error(talk.send("response.create", response={"input": [item]}))
    exact = talk.send("conversation.item.create", item={**CALL, "call_id": "c" * 32})

    assert (TOO_LONG, "item.call_id") == (created["code"], created["param"])
    assert (TOO_LONG, "response.input[0].call_id") == (asked["code"], asked["param"])
    assert "error" not in types(exact)


WHISPER = {"model": "gpt-realtime-whisper"}
LIVE = {"model": "gpt-live-transcribe"}
TURNS, PROMPT = "turn_detection", "transcription.prompt"


@pytest.mark.parametrize(
    ("heard", "param"),
    [
        ({"transcription": WHISPER, TURNS: {"type": "server_vad"}}, TURNS),
        ({"transcription": WHISPER, TURNS: {"type": "semantic_vad"}}, TURNS),
        # The default is server_vad: to say nothing is to ask for it.
        ({"transcription": WHISPER}, TURNS),
        ({"transcription": LIVE}, TURNS),
        ({"transcription": {**WHISPER, "prompt": "names"}, TURNS: None}, PROMPT),
    ],
)
def test_a_model_that_streams_refuses_what_it_lacks(heard: Any, param: str) -> None:
    """Turn detection and prompts are refused, and with them the whole update."""
    talk = Talk(session_type="transcription")
    session = {"type": "transcription", "audio": {"input": heard}}
    before = talk.engine.truth()
    details = error(talk.send("session.update", session=session))

    assert "session.audio.input." + param == details["param"]
    assert details["message"].endswith("not supported for this transcription model.")
    assert before == talk.engine.truth()


@pytest.mark.parametrize(
    "heard",
    [
        {"transcription": WHISPER, TURNS: None},
        {"transcription": {**LIVE, "prompt": "names"}, TURNS: None},
        {"transcription": {"model": "gpt-transcribe", "prompt": "names"}},
    ],
)
def test_what_a_model_that_streams_can_do_is_taken(heard: Any) -> None:
    """Without turn detection; other models have it."""
    talk = Talk(session_type="transcription")
    session = {"type": "transcription", "audio": {"input": heard}}

    assert ["session.updated"] == types(talk.send("session.update", session=session))


def test_turn_detection_comes_back_neither_by_a_second_update() -> None:
    """What counts is the session as it would be."""
    talk = Talk(session_type="transcription")
    for heard, answer in (
        ({"transcription": WHISPER, TURNS: None}, "session.updated"),
        ({TURNS: {"type": "server_vad"}}, "error"),
        ({"transcription": {**WHISPER, "prompt": "x"}}, "error"),
    ):
        session = {"type": "transcription", "audio": {"input": heard}}

        assert [answer] == types(talk.send("session.update", session=session))


@pytest.mark.parametrize("of", ["realtime", "transcription"])
def test_an_update_for_another_type_of_session_has_a_code(of: str) -> None:
    """The param is there, and empty."""
    other = {"realtime": "transcription", "transcription": "realtime"}[of]
    talk = Talk(session_type=of)
    details = error(talk.send("session.update", session={"type": other}))

    assert ("invalid_parameter", "") == (details["code"], details["param"])
