"""Fake servers, made like those that call tools, each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.servers.chatting import EVERY_KEY, GA, openai
from tests.servers.fake_server import FakeServer, Frame
from tests.servers.spoken import created, event, response

ARGUMENTS = '{"a": 20, "b": 22}'
WHERE = {"response_id": "r1", "item_id": "a1", "output_index": 0}


def call(**more: object) -> Frame:
    """The item of a call."""
    return {
        "id": "a1",
        "type": "function_call",
        "name": "add",
        "call_id": "c1",
        "arguments": ARGUMENTS,
        "status": "completed",
        **more,
    }


def usual(command: Frame) -> Iterator[Frame]:
    """The call four times, as OpenAI says it."""
    begun = call(arguments="", status="in_progress")
    at = {"response_id": "r1", "output_index": 0}
    yield event("response.created", response=response("in_progress"))
    yield event("response.output_item.added", item=begun, **at)
    yield event("conversation.item.added", item=begun)
    for piece in (ARGUMENTS[:7], ARGUMENTS[7:]):
        name = "response.function_call_arguments.delta"
        yield event(name, delta=piece, call_id="c1", **WHERE)
    name = "response.function_call_arguments.done"
    yield event(name, call_id="c1", name="add", arguments=ARGUMENTS, **WHERE)
    yield event("conversation.item.done", item=call())
    yield event("response.output_item.done", item=call(), **at)
    yield event("response.done", response=response("completed", call()))


def saying(*kinds: str, output: bool = False) -> Callable[[Frame], Iterator[Frame]]:
    """The same, of which only these events come; the end has an output or not."""

    def answer(command: Frame) -> Iterator[Frame]:
        for frame in usual(command):
            if frame["type"] == "response.done" and not output:
                frame = {**frame, "response": {"id": "r1", "status": "completed"}}
            if frame["type"] in (*kinds, "response.done"):
                yield frame

    return answer


def every_key(command: Frame) -> Iterator[Frame]:
    """All keys of all events."""
    for frame in usual(command):
        yield {**EVERY_KEY, **frame}


DELTA = "response.function_call_arguments.delta"
DONE = "response.function_call_arguments.done"
ADDED, ITEM = "response.output_item.added", "response.output_item.done"
MANNERS = {
    "OpenAI": usual,
    "a mock with every key": every_key,
    "the end alone": saying(output=True),
    "the item alone": saying(ITEM),
    "the conversation's item alone": saying(ADDED, "conversation.item.done"),
    "no deltas (speech-to-speech)": saying("response.created", ADDED, DONE),
    "the arguments alone": saying("response.created", DONE),
    "an item and deltas": saying("response.created", ADDED, DELTA),
}


def caller(name: str) -> FakeServer:
    """A server that calls once, then answers."""
    turns = iter([MANNERS[name], openai])
    return FakeServer(
        name=name,
        greeting=(created(),),
        answers={
            **GA,
            "response.create": lambda command: next(turns)(command),
            "session.update": lambda command: [
                event("session.updated", session=command["session"])
            ],
        },
    )
