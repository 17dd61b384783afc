"""Delegation: to the client, to Responses, and what goes wrong there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_sync.server import Call, Delegate, Failure, Prompt, Say

from ..sounds import b64, silence
from .live_talk import QUESTION, RESPONSES, TOOL, LiveTalk, error, of, only, said, types

CALL = Call("get_weather", {"city": "Lima"})


def delegating(script: Any, delegation: Any = RESPONSES, **arguments: Any) -> LiveTalk:
    """A session whose agent hands work on."""
    talk = LiveTalk(script=script, **arguments)
    talk.start(delegation=delegation)
    return talk


def weather(prompt: Prompt) -> Any:
    """Calls the function, and says what it gave."""
    last = prompt.items[-1]
    if last["type"] == "function_call_output":
        return f"It is {last['output']}."
    return CALL


def calls(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls that a client would act on."""
    done = of(frames, "response.output_item.done")
    return [each["item"] for each in done if each["item"]["type"] == "function_call"]


# -- the client --------------------------------------------------------------------


def test_work_for_the_client_is_announced_without_its_text() -> None:
    """Where on the clock, and an id that notes may name."""
    talk = delegating([[Say("One second."), Delegate()]], None)
    frames = talk.ask()
    created = only(frames, "session.delegation.created")

    assert {"id", "type", "target"} == set(created["delegation"])
    assert created["delegation"]["id"].startswith("item_")
    assert (
        created["offset_ms"]
        == of(frames, "session.input_transcript.delta")[-1]["start_ms"]
    )
    assert "One second." == said(frames)


def test_a_call_hands_on_to_the_client_too() -> None:
    """The same agents serve sessions with and without a backend."""
    frames = delegating([CALL], {"type": "client"}).ask()

    assert (
        "client" == only(frames, "session.delegation.created")["delegation"]["target"]
    )


@pytest.mark.parametrize(
    ("kind", "acknowledged"),
    [(None, True), ("instructions", True), ("thinking", False), ("commentary", False)],
)
def test_an_acknowledgement_is_said_unless_the_client_says_something(
    kind: Any, acknowledged: bool
) -> None:
    """After its delay; notes and words of the client cancel it, rules do not."""
    delegation = {"type": "client", "acknowledgement_delay_ms": 3000}
    talk = delegating([Delegate("Hold on.")], delegation)
    talk.hear(QUESTION)
    before = said(talk.frames)
    if kind is not None:
        talk.send(f"session.{kind}.append", content="Fact.", delegation_id=None)
    talk.hear(silence(4000))

    assert "" == before
    assert acknowledged == ("Hold on." in said(talk.frames))


def test_a_note_may_name_only_work_of_the_client() -> None:
    """With a backend there is none."""
    talk = delegating(weather)
    work = only(talk.ask(), "session.delegation.created")["delegation"]["id"]
    frames = talk.send("session.thinking.append", content="x", delegation_id=work)

    assert "delegation_id" == error(frames)["param"]


# -- the backend -------------------------------------------------------------------


def test_a_call_its_output_and_the_answer() -> None:
    """The whole exchange, event by event."""
    talk = delegating(weather)
    first = talk.ask()
    (call,) = calls(first)
    silent = talk.output(call["call_id"])
    second = talk.send("response.create", event_id="go")
    spoken = talk.hear(silence(3000))

    assert [
        "session.input_transcript.delta",
        "session.delegation.created",
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ] == types(first)
    assert [] == silent
    assert [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ] == types(second)
    assert "It is sunny." == said(spoken)


def test_responses_of_one_work_are_chained() -> None:
    """One delegation, the first response named in it, each naming the one before."""
    talk = delegating(weather)
    first = talk.ask()
    created = only(first, "session.delegation.created")["delegation"]
    talk.output(calls(first)[0]["call_id"])
    second = talk.send("response.create")
    one, two = only(first, "response.created"), only(second, "response.created")
    ids = {f["delegation_id"] for f in talk.frames if f["type"] == "response.event"}

    assert created["response_id"] == one["response"]["id"]
    assert one["response"]["id"] == two["response"]["previous_response_id"]
    assert one["response"]["previous_response_id"].startswith("resp_")
    assert {created["id"]} == ids


def test_a_finished_response_shows_no_output() -> None:
    """Its items were told one by one; its tokens are told here."""
    response = only(delegating(weather).ask(), "response.completed")["response"]

    assert ([], [], None) == (
        response["output"],
        response["tools"],
        response["instructions"],
    )
    assert 0 < response["usage"]["output_tokens"] < response["usage"]["total_tokens"]


def test_events_of_a_response_are_numbered() -> None:
    """From zero, without a gap, anew in each response."""
    talk = delegating(weather)
    talk.output(calls(talk.ask())[0]["call_id"])
    talk.send("response.create")
    numbers = [
        frame["event"]["sequence_number"]
        for frame in talk.frames
        if frame["type"] == "response.event"
    ]
    second = numbers.index(0, 1)

    assert list(range(second)) == numbers[:second]
    assert list(range(len(numbers) - second)) == numbers[second:]


def test_a_continuation_too_early_names_what_is_missing() -> None:
    """Nothing is lost: with the second output it works."""
    talk = delegating([[CALL, CALL], "Fine."])
    one, two = (call["call_id"] for call in calls(talk.ask()))
    talk.output(one)
    early = talk.send("response.create", event_id="early")
    talk.output(two)
    frames = talk.send("response.create")

    assert ("function_call_outputs_required", "early") == (
        error(early)["code"],
        error(early)["client_event_id"],
    )
    assert two in error(early)["message"]
    assert one not in error(early)["message"]
    assert "response.completed" in types(frames)


def test_a_continuation_before_the_end_of_the_response_waits_for_it() -> None:
    """A client that acts on the item at once is not refused."""
    talk = delegating(weather)
    talk.send_only("session.input_audio.append", audio=b64(QUESTION))
    (hear,) = talk.participant.take_jobs()
    for words in hear.work():
        talk.participant.job_output(hear, words, talk.now)
    talk.participant.job_done(hear, None, talk.now)
    (answer,) = talk.participant.take_jobs()
    frames: list[Any] = []
    for piece in answer.work():
        frames += talk.participant.job_output(answer, piece, talk.now)
    (call,) = calls(frames)
    talk.output(call["call_id"])
    early = talk.send_only("response.create")
    end = talk.participant.job_done(answer, None, talk.now)

    assert [] == early
    assert ["response.completed", "response.created", "response.in_progress"] == types(
        end
    )
    assert "response.completed" in types(talk.settle())


def test_an_output_that_is_too_long_leaves_its_call_open() -> None:
    """So every continuation fails, until a short one comes."""
    talk = delegating(weather)
    (call,) = calls(talk.ask())
    too_long = talk.output(call["call_id"], "x" * 32_769)
    still = talk.send("response.create")
    talk.output(call["call_id"], "too long")
    frames = talk.send("response.create")

    assert "response_input_buffer_full" == error(too_long)["code"]
    assert "function_call_outputs_required" == error(still)["code"]
    assert "response.completed" in types(frames)


def test_at_most_128_items_wait_for_the_backend() -> None:
    """However small."""
    talk = delegating(["Fine."])
    item = {"type": "message", "role": "user", "content": "hi"}
    frames = [
        frame
        for _ in range(129)
        for frame in talk.send("response.item.create", item=item)
    ]

    assert "response_input_buffer_full" == error(frames)["code"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("server_error", "failed"),
        ("insufficient_quota", "failed"),
        ("content_filter", "incomplete"),
    ],
)
def test_calls_of_a_response_that_did_not_complete_are_void(
    code: str, status: str
) -> None:
    """Outputs for them are refused, and nothing is said."""

    def script(prompt: Prompt) -> Any:
        yield CALL
        raise Failure("Oops.", code=code)

    talk = delegating(script)
    frames = talk.ask()
    ended = only(frames, "response." + status)
    refused = talk.output(calls(frames)[0]["call_id"])

    assert [] == ended["response"]["output"]
    assert "invalid_tool_call_id" == error(refused)["code"]
    assert "" == said(talk.hear(silence(2000)))


def test_an_output_may_be_repeated_but_not_invented() -> None:
    """The same again is taken; a call that nobody made is not."""
    talk = delegating(weather)
    (call,) = calls(talk.ask())
    again = talk.output(call["call_id"]) + talk.output(call["call_id"])
    unknown = talk.output("call_nobody")

    assert [] == again
    assert "invalid_tool_call_id" == error(unknown)["code"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "x"},
        {"type": "reasoning", "id": 7, "content": ["odd"], "summary": None},
        {"type": "shell_call_output", "output": [{"stdout": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ],
)
def test_items_of_every_kind_are_taken(item: dict[str, Any]) -> None:
    """An agent reads their type, and may read what the client gave."""
    seen: list[Any] = []

    def script(prompt: Prompt) -> Any:
        seen.extend(prompt.items)

    talk = delegating(script)
    frames = talk.send("response.item.create", item=item)
    frames += talk.send("response.create")

    assert "error" not in types(frames)
    assert [item.get("type", "message")] == [each["type"] for each in seen]


def test_large_items_of_any_kind_fill_the_queue() -> None:
    """Not only texts are counted."""
    talk = delegating([])
    item = {"type": "shell_call_output", "output": [{"stdout": "x" * 33_000}]}

    assert (
        "response_input_buffer_full"
        == error(talk.send("response.item.create", item=item))["code"]
    )


def test_typed_text_is_work_that_the_client_asked_for() -> None:
    """The delegation names the command; the answer is spoken."""
    talk = delegating(lambda prompt: f"You wrote {prompt.text}.")
    part = {"type": "input_text", "text": "hello"}
    item = {"type": "message", "role": "user", "content": [part]}
    silent = talk.send("response.item.create", item=item)
    frames = talk.send("response.create", event_id="typed")

    assert [] == silent
    assert "typed" == only(frames, "session.delegation.created")["client_event_id"]
    assert "You wrote hello." == said(talk.hear(silence(3000)))


def test_new_work_waits_for_the_old_whose_answer_is_not_said() -> None:
    """One work at a time; the later one points back to where it was asked for."""
    talk = delegating([CALL, CALL, "The old answer.", CALL])
    first = talk.ask()
    second = talk.ask()
    talk.output(calls(first)[0]["call_id"])
    talk.send("response.create")
    third = talk.hear(silence(3000))
    asked = of(second, "session.input_transcript.delta")[-1]["start_ms"]

    assert [] == of(second, "session.delegation.created")
    assert asked == only(third, "session.delegation.created")["offset_ms"]
    assert "" == said(third)


def test_small_talk_goes_on_while_the_backend_works() -> None:
    """The voice answers by itself, and says the result when it is there."""
    talk = delegating([CALL, "I am still looking.", "Sunny."])
    first = talk.ask()
    chat = said(talk.ask())
    talk.output(calls(first)[0]["call_id"])
    talk.send("response.create")

    assert "I am still looking." == chat
    assert "Sunny." == said(talk.hear(silence(2000)))


def test_a_forced_choice_reaches_the_agent_every_time() -> None:
    """As in the service, where it makes calls without an end."""
    seen: list[Any] = []

    def script(prompt: Prompt) -> Any:
        seen.append((prompt.tool_choice, [tool["name"] for tool in prompt.tools]))
        return CALL

    backend = {"model": "m", "tools": [TOOL], "tool_choice": "required"}
    talk = delegating(script, {"type": "responses", "responses": backend})
    talk.output(calls(talk.ask())[0]["call_id"])
    frames = talk.send("response.create")

    assert [("required", ["get_weather"])] * 2 == seen
    assert 1 == len(calls(frames))


@pytest.mark.parametrize("kind", ["response.create", "response.item.create"])
def test_without_a_backend_there_is_nothing_to_bring(kind: str) -> None:
    """A session that delegates to the client refuses it."""
    talk = delegating([], None)
    item = {"type": "message", "role": "user", "content": "hi"}
    fields = {"item": item} if "item" in kind else {}

    assert "error" in types(talk.send(kind, event_id="x", **fields))


def test_a_handoff_that_fails_is_told_in_no_other_way() -> None:
    """No response ends, the error has no id, and the session can go on."""
    talk = delegating(weather, faults=frozenset({"handoff"}))
    frames = talk.ask()

    assert "Responses handoff incomplete." == error(frames)["message"]
    assert [] == of(frames, "response.completed") + of(frames, "response.failed")
    assert "error" in types(talk.output(calls(frames)[0]["call_id"]))
    assert 1 == len(of(talk.ask(), "session.delegation.created"))


def test_closing_lets_the_backend_finish() -> None:
    """Its end is told before the session's."""
    talk = delegating(["Fine."])
    part = {"type": "message", "role": "user", "content": "hi"}
    talk.send("response.item.create", item=part)
    talk.send_only("response.create")
    first = talk.send_only("session.close")
    late = talk.send_only("response.create", event_id="late")
    rest = talk.settle()

    assert [] == first
    assert "late" == error(late)["client_event_id"]
    assert ["response.completed", "session.closed"] == types(rest)[-2:]


def test_closing_waits_ten_seconds_at_most() -> None:
    """What is worked on then is lost."""
    talk = delegating(["Fine."])
    talk.send("response.item.create", item={"role": "user", "content": "hi"})
    talk.send_only("response.create")
    talk.send_only("session.close")
    talk.now += 10
    frames = talk.participant.tick(talk.now)

    assert ["session.closed"] == types(frames)
    assert [] == talk.settle()


def test_arguments_that_are_no_json_pass_as_they_are() -> None:
    """The client has to cope with them."""
    (call,) = calls(delegating([Call("f", "{oops")]).ask())

    assert "{oops" == call["arguments"]
    with pytest.raises(ValueError):
        json.loads(call["arguments"])
