"""What a call can be told from another process, by the name of the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ...errors import CommandRejected, ConfigurationError
from .call import Call

WORD_FOR_WORD = "Say exactly this, word for word, and nothing else: "


def respond(call: Call, response: Mapping[str, Any]) -> None:
    """Have the model say or do something; *response* is that of `response.create`."""
    call.session.response.create(**response)


def say(call: Call, text: str) -> None:
    """Have the model say a text."""
    if not text.strip():
        raise ConfigurationError("there is nothing to say")
    call.session.response.create(instructions=WORD_FOR_WORD + text)


def interrupt(call: Call) -> None:
    """Stop what the model says: at the carrier, and in the conversation."""
    if call.bridge is not None:
        call.bridge.interrupt()
        return
    with suppress(CommandRejected):
        call.session.response.cancel()


def transcript(call: Call) -> list[list[str]]:
    """Who said what so far."""
    return [[line.role, line.text] for line in call.session.snapshot.transcript()]


def snapshot(call: Call) -> dict[str, Any]:
    """The conversation as the server has confirmed it."""
    return call.session.snapshot.to_dict()


def tools(call: Call) -> list[str]:
    """Names of the functions that the model may call."""
    return [tool.name for tool in call.session.tools]


def hang_up(call: Call) -> None:
    """End the call."""
    call.hang_up()


COMMANDS: Mapping[str, Callable[..., Any]] = {
    "respond": respond,
    "say": say,
    "interrupt": interrupt,
    "transcript": transcript,
    "snapshot": snapshot,
    "tools": tools,
    "hang_up": hang_up,
}
