"""The dialogue calls the tools of the session, and speaks what they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from realtime_sync.server.voice import Dialogue, Message, Reply, ToolCall, ToolOutput
from realtime_sync.server.voice.conversation import Turn


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    """A function as `session.tools` has it, every parameter required."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
    }


WEATHER = tool("get_weather", "The current weather of a city", city={"type": "string"})
LIGHTS = tool(
    "set_lights",
    "Switch the lights of a room on or off",
    room={"type": "string", "enum": ["kitchen", "living_room"]},
    on={"type": "boolean"},
)
TIMER = tool("startTimer", "Start a timer", minutes={"type": "integer"})
SUM = tool(
    "total", "Total of a list", values={"type": "array", "items": {"type": "number"}}
)
HANG_UP = {"type": "function", "name": "hang_up"}
TOOLS = (WEATHER, LIGHTS, TIMER, SUM, HANG_UP, {"type": "mcp", "server_label": "x"})


def ask(text: str, *before: Turn, choice: Any = "auto") -> Reply:
    """The reply to a user who has all the tools on offer."""
    history = [*before, Message(role="user", text=text)]
    return Dialogue().reply(history, TOOLS, tool_choice=choice)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("what is the weather in paris today", "get_weather", {"city": "Paris"}),
        ("How's the weather in New York?", "get_weather", {"city": "New York"}),
        ("weather for the city of oslo", "get_weather", {"city": "Oslo"}),
        ('The weather in "Bad Ems", please', "get_weather", {"city": "Bad Ems"}),
        (
            "turn on the lights in the kitchen",
            "set_lights",
            {"room": "kitchen", "on": True},
        ),
        (
            "switch the living room lights off",
            "set_lights",
            {"room": "living_room", "on": False},
        ),
        ("start a timer of twenty five minutes", "startTimer", {"minutes": 25}),
        ("give me the total of one two and three", "total", {"values": [1, 2, 3]}),
        ("please hang up", "hang_up", {}),
    ],
)
def test_a_request_calls_the_tool_it_fits(
    text: str, name: str, arguments: Mapping[str, Any]
) -> None:
    """Arguments come from the words, by the types and names of the parameters."""
    assert Reply(calls=(ToolCall(name=name, arguments=arguments),)) == ask(text)


def test_a_request_that_fits_no_tool_is_answered() -> None:
    """Tools on offer do not get in the way of everything else."""
    assert Reply(text="The capital of Spain is Madrid.") == ask(
        "What is the capital of Spain?"
    )


def test_a_missing_argument_is_asked_for_and_then_used() -> None:
    """The question names the parameter; the next turn is its value."""
    asked = ask("what is the weather")
    answered = ask(
        "london",
        Message(role="user", text="what is the weather"),
        Message(role="assistant", text=asked.text),
    )

    assert Reply(text="What city should I use?") == asked
    assert {"city": "London"} == answered.calls[0].arguments


def test_tool_choice_is_obeyed() -> None:
    """None calls nothing, required and a named function always call."""
    named = {"type": "function", "name": "hang_up"}

    assert () == ask("please hang up", choice="none").calls
    assert 1 == len(ask("hello", choice="required").calls)
    assert "hang_up" == ask("what is the weather", choice=named).calls[0].name


@pytest.mark.parametrize(
    ("output", "spoken"),
    [
        ("it is sunny", "It is sunny."),
        ('"Done!"', "Done!"),
        ("21", "21."),
        ("", "It is done."),
        ("null", "Nothing."),
        (
            '{"temperature": 21, "skyColor": "gray", "windy": false}',
            "The temperature is 21, the sky color is gray and the windy is no.",
        ),
        ('["tea", "milk"]', "Tea and milk."),
        (
            '{"error": "no such city"}',
            "I am sorry, that did not work: no such city.",
        ),
    ],
)
def test_the_output_of_a_tool_is_spoken(output: str, spoken: str) -> None:
    """JSON is read as a sentence, anything else as it is."""
    call = ToolCall(name="f", arguments={}, call_id="call_1")
    history = [
        Message(role="user", text="what is the weather in paris"),
        call,
        ToolOutput(output=output, call_id="call_1"),
    ]

    assert Reply(text=spoken) == Dialogue().reply(history, TOOLS)


def test_outputs_of_several_calls_are_spoken_in_order() -> None:
    """One reply covers them all."""
    calls = [ToolCall(name="f", arguments={}), ToolCall(name="g", arguments={})]
    outputs = [ToolOutput(output="one"), ToolOutput(output="two")]

    assert "One. Two." == Dialogue().reply([*calls, *outputs]).text
