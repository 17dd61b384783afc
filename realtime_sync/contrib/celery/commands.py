"""
What a call can be told from another process, by the name of the command.

What GPT-Live does in another way is done in that way; what it does not have is refused
by the session, which says what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from ... import live
from ...errors import CommandRejected, ConfigurationError
from .call import Call

if TYPE_CHECKING:
    from ... import Session

WORD_FOR_WORD = "Say exactly this, word for word, and nothing else: "


def _realtime_for_command(call: Call) -> Session:
    """The session as one of Realtime: another refuses by itself."""
    return cast("Session", call.any_session)


def _live_for_command(call: Call) -> live.LiveSession:
    """The session as one of GPT-Live: another refuses by itself."""
    return cast(live.LiveSession, call.any_session)


def command_respond(call: Call, response: Mapping[str, Any]) -> None:
    """Have the model say or do something; *response* is that of `response.create`."""
    _realtime_for_command(call).response.create(**response)


def command_say(call: Call, text: str) -> None:
    """Have the model say a text; GPT-Live says it in words of its own."""
    if not text.strip():
        raise ConfigurationError("there is nothing to say")
    session = call.any_session
    if isinstance(session, live.LiveSession):
        session.say(text)
    else:
        session.response.create(instructions=WORD_FOR_WORD + text)


def command_note(call: Call, text: str) -> None:
    """Let the model know something without its being said."""
    session = call.any_session
    if isinstance(session, live.LiveSession):
        session.note(text)
    else:
        session.conversation.add_message(text, role="system")


def command_instruct(call: Call, text: str) -> None:
    """Add a rule that holds from now on; of GPT-Live alone."""
    _live_for_command(call).instruct(text)


def command_interrupt(call: Call) -> None:
    """Stop what the model says: at the carrier, and in the conversation."""
    if call.bridge is not None:
        call.bridge.interrupt()
        return
    with suppress(CommandRejected):
        _realtime_for_command(call).response.cancel()


def command_transcript(call: Call) -> list[tuple[str, str]]:
    """Who said what so far."""
    return call.transcript()


def command_snapshot(call: Call) -> dict[str, Any]:
    """The conversation as the server has confirmed it."""
    return call.any_session.snapshot.to_dict()


def command_tools(call: Call) -> list[str]:
    """Names of the functions that the model may call."""
    return [tool.name for tool in call.any_session.tools]


def command_hang_up(call: Call) -> None:
    """End the call."""
    call.hang_up()


COMMANDS: Mapping[str, Callable[..., Any]] = {
    "respond": command_respond,
    "say": command_say,
    "note": command_note,
    "instruct": command_instruct,
    "interrupt": command_interrupt,
    "transcript": command_transcript,
    "snapshot": command_snapshot,
    "tools": command_tools,
    "hang_up": command_hang_up,
}
