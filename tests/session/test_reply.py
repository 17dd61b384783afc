"""What an answer of the model came to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from realtime_sync import Audio
from realtime_sync.errors import ResponseCancelled, ResponseFailed, ResponseIncomplete
from realtime_sync.session.ask import question_items
from realtime_sync.session.reply import Reply, raise_for_reply_status, words_of_reply


def test_a_reply_reads_as_its_text() -> None:
    """And has what the response has, or None."""
    reply = Reply(text="Lima", response=SimpleNamespace(id="r", usage={"t": 1}))

    assert "Lima" == str(reply)
    assert ("r", {"t": 1}) == (reply.id, reply.usage)
    assert (None, None) == (Reply().id, Reply().usage)


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        ("cancelled", SimpleNamespace(reason="client_cancelled"), ResponseCancelled),
        ("cancelled", None, ResponseCancelled),
        ("incomplete", "max_output_tokens", ResponseIncomplete),
        ("failed", {"error": {"code": "server_error", "message": "m"}}, ResponseFailed),
        ("failed", "because", ResponseFailed),
        (
            "failed",
            SimpleNamespace(error=SimpleNamespace(code="c", message="m")),
            ResponseFailed,
        ),
        ("failed", {"error": "words"}, ResponseFailed),
    ],
)
def test_details_of_any_shape_are_told(
    status: str, details: Any, kind: type[Exception]
) -> None:
    """Objects, mappings, strings, nothing."""
    response = SimpleNamespace(id="r", status_details=details)
    with pytest.raises(kind) as caught:
        raise_for_reply_status(Reply(status=status, response=response))

    assert "r" in str(caught.value)
    assert caught.value.response is response  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("rate_limit_exceeded", True), ("server_error", True), ("invalid_prompt", False)],
)
def test_whether_asking_again_may_help_is_known(code: str, retryable: bool) -> None:
    """By the error's code."""
    details = {"error": {"code": code, "message": "m"}}
    response = SimpleNamespace(id="r", status_details=details)
    with pytest.raises(ResponseFailed) as caught:
        raise_for_reply_status(Reply(status="failed", response=response))

    assert (code, retryable) == (caught.value.code, caught.value.retryable)


def test_a_completed_reply_raises_nothing() -> None:
    """Nor does one under way."""
    raise_for_reply_status(Reply(status="completed"))
    raise_for_reply_status(Reply())


@pytest.mark.parametrize(
    ("phases", "text", "commentary"),
    [
        (("commentary", "final_answer"), "b", "a"),
        (("commentary", None), "b", "a"),
        (("commentary", "commentary"), "", "ab"),
        ((None, None), "ab", ""),
        (("analysis", "final_answer"), "b", "a"),
    ],
)
def test_the_answer_is_told_from_what_is_said_on_the_way(
    phases: tuple[Any, Any], text: str, commentary: str
) -> None:
    """Models that reason say in which phase they are."""
    output = [
        SimpleNamespace(role="assistant", phase=phase, content=[{"text": words}])
        for phase, words in zip(phases, "ab")
    ]
    words = words_of_reply(output, {})

    assert (text, commentary) == (words.text, words.commentary)


def test_what_was_said_stays_where_the_response_has_less_of_it() -> None:
    """Of the item with that id, or of the only one."""
    message = {"role": "assistant", "content": [{"text": "Gemini."}]}
    named = [SimpleNamespace(id="a", **message)]

    assert "Hi, Gemini." == words_of_reply(named, {"a": "Hi, Gemini."}).text
    assert "Hi, Gemini." == words_of_reply(named, {None: "Hi, Gemini."}).text


def test_the_text_of_an_output_is_that_of_its_messages() -> None:
    """Text or transcript, never the user's."""
    output = [
        SimpleNamespace(role="user", content=[{"text": "no"}]),
        SimpleNamespace(role="assistant", content=[{"text": "a"}, {"transcript": "b"}]),
        SimpleNamespace(type="function_call"),
    ]

    assert "ab" == words_of_reply(output, {}).text
    assert "" == words_of_reply(None, {}).text


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("hello", ["input_text"]),
        (b"\0\0", ["input_audio"]),
        (memoryview(b"\0\0"), ["input_audio"]),
        (Audio(b"\0\0"), ["input_audio"]),
        (["hello", b"\0\0"], ["input_text", "input_audio"]),
    ],
)
def test_questions_become_items(question: Any, kinds: list[str]) -> None:
    """Audio as an item, never through the buffer."""
    items = question_items(question, ("pcm16", 24_000))

    assert kinds == [part.type for item in items for part in item.content]


def test_items_are_taken_as_they_are() -> None:
    """Mappings and objects."""
    item = {"type": "message"}

    assert [item] == question_items(item, ("pcm16", 24_000))


@pytest.mark.parametrize("question", [7, None, object()])
def test_what_is_no_question_is_a_type_error(question: Any) -> None:
    """The message says what is."""
    with pytest.raises(TypeError, match="text, Audio"):
        question_items(question, ("pcm16", 24_000))
