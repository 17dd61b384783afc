"""The agents: scripted, echo, scenario files, chat."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.server import (
    Call,
    Failure,
    Prompt,
    Reply,
    Say,
    Server,
    ToolCall,
    serve,
)
from realtime_sync.server.agents.chat import Chat, chat_agent_messages, chat_pieces
from realtime_sync.server.agents.scenario import read_scenario, scenario
from realtime_sync.server.agents.tone import ToneRecognizer, ToneSynthesizer
from realtime_sync.server.engine.activity import EnergyActivity

from .clients import client
from .sounds import loud, silence
from .talking import Talk, only, types

TOOL = {
    "type": "function",
    "name": "lookup",
    "description": "Looks up.",
    "parameters": {
        "type": "object",
        "properties": {"what": {"type": "string"}, "n": {"type": "integer"}},
    },
}


def said(frames: list[dict[str, Any]]) -> list[Any]:
    """The output of the one response: texts and calls."""
    output = only(frames, "response.done")["response"]["output"]
    return [
        (i["name"], i["arguments"]) if "name" in i else i["content"][0]["text"]
        for i in output
    ]


def text(talk: Talk, words: str) -> list[Any]:
    """Say something and return the output in text."""
    talk.say(words)
    return said(talk.answer(output_modalities=["text"]))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, []),
        ("yes", ["yes"]),
        (Say("yes"), ["yes"]),
        (Call("f", {"a": 1}), [("f", '{"a": 1}')]),
        (Call("f", "not json"), [("f", "not json")]),
        (
            Reply(text="yes", calls=(ToolCall(name="f", arguments={}),)),
            ["yes", ("f", "{}")],
        ),
        (["yes ", "no"], ["yes no"]),
        (iter([Say("a"), Call("f"), Say("b")]), ["a", ("f", "{}"), "b"]),
    ],
)
def test_what_a_script_may_answer(answer: Any, expected: list[Any]) -> None:
    """Nothing, words, calls, several of them, a generator."""
    assert expected == text(Talk(script=lambda prompt: answer), "hello")


def test_a_script_sees_the_conversation() -> None:
    """Items, instructions, tools, metadata and what was asked last."""
    seen: list[Prompt] = []
    talk = Talk(script=lambda prompt: seen.append(prompt))
    talk.update(instructions="Be kind.", tools=[TOOL])
    talk.say("one")
    talk.say("two")
    talk.answer(metadata={"k": "v"}, instructions="Be rude.", max_output_tokens=9)
    (prompt,) = seen

    assert ("two", "Be rude.") == (prompt.text, prompt.instructions)
    assert [TOOL] == list(prompt.tools)
    assert ({"k": "v"}, 9) == (prompt.metadata, prompt.max_output_tokens)
    assert 2 == len(prompt.items)


def test_a_failure_is_the_responses_error() -> None:
    """With its code: quota, rate limits."""

    def script(prompt: Prompt) -> str:
        raise Failure("No money.", code="insufficient_quota", type="insufficient_quota")

    frames = Talk(script=script).answer()
    details = only(frames, "response.done")["response"]["status_details"]

    assert {
        "type": "failed",
        "error": {
            "type": "insufficient_quota",
            "code": "insufficient_quota",
            "message": "No money.",
        },
    } == details
    assert "error" not in types(frames)


def test_what_is_not_an_answer_fails_the_response() -> None:
    """The author of the script is told by the response."""
    frames = Talk(script=lambda prompt: 5).answer()
    details = only(frames, "response.done")["response"]["status_details"]

    assert "cannot answer with int" in details["error"]["message"]


def test_echo_repeats_text_and_audio() -> None:
    """Audio comes back bit by bit as it went in."""
    talk = Talk()
    frames = talk.hear(loud(500) + silence(500))
    item = talk.engine.truth()["items"][-1]

    assert ["hello"] == text(Talk(), "hello")
    assert "response.output_audio.delta" in types(frames)
    assert talk.engine.truth()["items"][0]["audio_ms"] == item["audio_ms"]


@pytest.mark.parametrize(
    ("choice", "words", "called"),
    [
        ("auto", "please lookup this", True),
        ("auto", "hello", False),
        ("required", "hello", True),
        ({"type": "function", "name": "lookup"}, "hello", True),
        ("none", "lookup", False),
    ],
)
def test_echo_calls_tools(choice: Any, words: str, called: bool) -> None:
    """By name or by force, and repeats their output."""
    talk = Talk()
    talk.update(tools=[TOOL], tool_choice=choice)
    output = text(talk, words)

    expected = ("lookup", json.dumps({"what": words})) if called else words
    assert [expected] == output


# -- scenario files --------------------------------------------------------------


def test_a_scenario_file(tmp_path: Path, start: Callable[..., Server]) -> None:
    """Replies by condition, options and faults; the whole way through serve()."""
    file = tmp_path / "s.json"
    replies = [
        {"when": "^weather", "call": {"name": "lookup", "arguments": {"what": "w"}}},
        {"after": "function_call_output", "say": "It is {text}."},
        {"once": True, "say": ["One. ", "Two."]},
        {"fail": {"message": "Enough.", "code": "insufficient_quota"}},
    ]
    data = {
        "replies": replies,
        "faults": ["unknown_fields"],
        "options": {"rate_limits": "never"},
    }
    file.write_text(json.dumps(data))
    server = start(agent=f"scripted:{file}")
    with client(server) as one:
        assert "x_trace" in one.receive()
        one.say("Weather?")
        call = one.answer()[-1]["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"]}
        one.send("conversation.item.create", item={**output, "output": "fine"})
        weather = one.answer()[-1]["response"]["output"][0]
        one.say("Anything else?")
        first = one.answer()[-1]["response"]["output"][0]
        failed = one.answer()[-1]["response"]

    assert '{"what": "w"}' == call["arguments"]
    assert "It is fine." == weather["content"][0]["text"]
    assert "One. Two." == first["content"][0]["text"]
    assert "insufficient_quota" == failed["status_details"]["error"]["code"]


def test_a_scenario_in_python(tmp_path: Path) -> None:
    """A file with a function."""
    file = tmp_path / "s.py"
    file.write_text("def reply(prompt):\n    return prompt.text.upper()\n")

    assert ["HELLO"] == text(Talk(read_scenario(str(file)).agent), "hello")


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"replies": 1},
        {"replies": [], "x": 1},
        {"replies": [{"sag": "x"}]},
        {"replies": [{"when": "("}]},
        {"replies": [{"call": {"nom": "x"}}]},
        {"replies": [{"fail": {"colour": "x"}}]},
        {"replies": [{"delegate": 1}]},
    ],
)
def test_a_bad_scenario_is_refused(data: Any) -> None:
    """With the number of the reply."""
    with pytest.raises(ConfigurationError):
        scenario(data)


@pytest.mark.parametrize("name", ["none.json", "none.py", "bad.json", "bad.py"])
def test_a_scenario_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """The file's name is in the message."""
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.py").write_text("x = 1\n")
    with pytest.raises(ConfigurationError, match=name):
        serve(agent=f"scripted:{tmp_path / name}")


# -- chat ------------------------------------------------------------------------


class ChatHandler(BaseHTTPRequestHandler):
    """A chat-completions endpoint that streams what it was told to."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append((self.path, dict(self.headers), json.loads(body)))
        status, chunks = server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        if status != 200:
            self.wfile.write(chunks if isinstance(chunks, bytes) else b"")
            return
        for chunk in chunks:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def endpoint() -> Iterator[Any]:
    """The endpoint; `answers` are taken in order, `asked` are the requests."""
    server: Any = HTTPServer(("127.0.0.1", 0), ChatHandler)
    server.answers, server.asked = [], []
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TextChat(Chat):
    """A chat agent with a hum for a voice, so that no model is needed."""

    def __init__(self, endpoint: Any, **arguments: Any) -> None:
        url = f"http://127.0.0.1:{endpoint.server_port}/v1"
        super().__init__(
            url,
            recognizer=ToneRecognizer(),
            synthesizer=ToneSynthesizer(),
            **arguments,
        )

    def activity(self) -> Any:
        return EnergyActivity()


def chunk(**delta: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    return {"choices": [{"index": 0, "delta": delta}]}


def test_chat_speaks_what_the_endpoint_streams(endpoint: Any) -> None:
    """Sentence by sentence, with the conversation as messages."""
    parts = ["Hel", "lo. How", " are you?", " Fine"]
    endpoint.answers.append((200, [chunk(content=part) for part in parts]))
    talk = Talk(TextChat(endpoint, model="llama", api_key="k"))
    talk.update(instructions="Be kind.")
    talk.say("hi")
    frames = talk.answer()
    transcript = only(frames, "response.output_audio_transcript.done")["transcript"]
    path, headers, body = endpoint.asked[0]

    assert "Hello. How are you? Fine" == transcript
    assert ("/v1/chat/completions", "Bearer k") == (path, headers["Authorization"])
    assert ("llama", True) == (body["model"], body["stream"])
    assert [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
    ] == body["messages"]


def test_chat_calls_tools_and_is_told_their_output(endpoint: Any) -> None:
    """Arguments in pieces; the output goes back as a tool message."""
    first = {
        "index": 0,
        "id": "c1",
        "function": {"name": "lookup", "arguments": '{"wh'},
    }
    second = {"index": 0, "function": {"arguments": 'at": "x"}'}}
    endpoint.answers.append(
        (200, [chunk(tool_calls=[first]), chunk(tool_calls=[second])])
    )
    endpoint.answers.append((200, [chunk(content="Found.")]))
    talk = Talk(TextChat(endpoint))
    talk.update(tools=[TOOL])
    call = text(talk, "look")
    talk.send(
        "conversation.item.create",
        item={"type": "function_call_output", "call_id": "c1", "output": "y"},
    )
    answer = said(talk.answer(output_modalities=["text"]))
    body = endpoint.asked[1][2]

    assert [("lookup", '{"what": "x"}')] == call
    assert ["Found."] == answer
    assert "lookup" == body["tools"][0]["function"]["name"]
    assert ["system", "user", "assistant", "tool"] == [
        message["role"] for message in body["messages"]
    ]


@pytest.mark.parametrize(
    ("status", "chunks", "code"),
    [
        (429, [], "rate_limit_exceeded"),
        (500, [], "server_error"),
        (200, [{"error": {"message": "x"}}], "server_error"),
    ],
)
def test_chat_fails_as_the_endpoint_fails(
    endpoint: Any, status: int, chunks: Any, code: str
) -> None:
    """The response is failed, the session lives."""
    endpoint.answers.append((status, chunks))
    frames = Talk(TextChat(endpoint)).answer()
    response = only(frames, "response.done")["response"]

    assert ("failed", code) == (
        response["status"],
        response["status_details"]["error"]["code"],
    )


CUT = {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}
FILTERED = b'{"error": {"code": "content_filter", "message": "not that"}}'


@pytest.mark.parametrize(
    ("status", "chunks", "words"),
    [
        (200, [chunk(content="Well. No"), CUT], "Well. No"),
        (200, [{"error": {"code": "content_filter"}}], ""),
        (400, FILTERED, ""),
    ],
)
def test_chat_passes_on_what_the_content_filter_does(
    endpoint: Any, status: int, chunks: Any, words: str
) -> None:
    """What was said before is kept, and the response says why it ends."""
    endpoint.answers.append((status, chunks))
    frames = Talk(TextChat(endpoint)).answer(output_modalities=["text"])
    response = only(frames, "response.done")["response"]

    assert words == "".join(said(frames))
    assert "incomplete" == response["status"]
    assert "content_filter" == response["status_details"]["reason"]


@pytest.mark.parametrize("body", [b"", b"no", b"[1]", b'{"error": "no"}'])
def test_an_error_of_any_shape_is_a_failure(endpoint: Any, body: bytes) -> None:
    """The words of the endpoint are in it."""
    endpoint.answers.append((500, body))
    with pytest.raises(Failure, match="status 500") as caught:
        list(TextChat(endpoint).reply(Prompt()))  # type: ignore[arg-type]

    assert "server_error" == caught.value.code


def test_chat_without_an_endpoint() -> None:
    """Nobody listens there."""
    chat = Chat(
        "http://127.0.0.1:9",
        recognizer=ToneRecognizer(),
        synthesizer=ToneSynthesizer(),
    )
    with pytest.raises(Failure, match="cannot be reached"):
        list(chat.reply(Prompt()))  # type: ignore[arg-type]


def test_chat_sees_images_and_mcp_calls() -> None:
    """Every kind of item becomes messages."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    items = (
        {"type": "message", "role": "user", "content": [image]},
        {
            "type": "mcp_call",
            "id": "m",
            "name": "f",
            "arguments": "{}",
            "output": None,
            "error": {"type": "x"},
        },
        {"type": "mcp_list_tools", "tools": []},
    )
    found = list(chat_agent_messages(Prompt(items=items)))

    assert ["user", "assistant", "tool"] == [message["role"] for message in found]
    assert "image_url" == found[0]["content"][1]["type"]


def test_a_stream_that_is_not_json_is_a_failure() -> None:
    """Comments and empty lines are not."""
    assert [] == list(chat_pieces([b": ping\n", b"\n", b"data: [DONE]\n"]))
    with pytest.raises(Failure):
        list(chat_pieces([b"data: {\n"]))


# -- the log ---------------------------------------------------------------------


def test_turns_are_logged_in_words(
    start: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """User, assistant, calls and errors, a line each."""
    caplog.set_level(logging.INFO, "realtime_sync.server.turns")
    server = start(agent=["Hello.", Call("f", {"a": 1})])
    with client(server) as one:
        one.receive()
        one.say("hi")
        one.answer()
        one.answer()
        one.send("response.cancel")
        one.until("error")
    lines = [line.split(" ", 1)[1] for line in caplog.messages if line[:1] == "["]

    assert [
        "user: hi",
        "assistant: Hello.",
        'assistant calls: f({"a": 1})',
        "error: Cancellation failed: no active response found",
    ] == lines
