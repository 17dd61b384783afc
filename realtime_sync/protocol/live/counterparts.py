"""
What a program that knows Realtime does instead with GPT-Live, and the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

IN_LIVE: Final[Mapping[str, str]] = {
    "session.created": "the session begins with session.started",
    "session.update": (
        "only the delegation and the triggers change: session.update(delegation=...), "
        "or session.instruct(...) for another rule"
    ),
    "conversation.item.create": (
        "there are no items: session.note(...) lets the model know something, "
        "session.ask_backend(...) gives the backend a message, and "
        "LiveConfig(input=...) is for what was said before"
    ),
    "conversation.item.delete": "there are no items, and nothing is taken back",
    "conversation.item.retrieve": (
        "there are no items: see session.snapshot.transcript()"
    ),
    "conversation.item.truncate": (
        "there is no truncate: drop what your player has not played; the model stops "
        "by itself when the user speaks"
    ),
    "input_audio_buffer.append": "use session.input_audio.append(...)",
    "input_audio_buffer.commit": "there is no commit: the model listens all the time",
    "input_audio_buffer.clear": (
        "what was sent is heard: session.input_audio.mute() is for what comes"
    ),
    "output_audio_buffer.clear": "drop what your player has not played",
    "response.create": (
        "session.say(...) has the model speak; session.ask_backend(...) has the "
        "backend work"
    ),
    "response.cancel": (
        "there is no cancel: drop what your player has not played, and say what is to "
        "happen instead with session.instruct(...)"
    ),
    "response.done": (
        "there are no responses: see session.wait_quiet(), "
        "session.output_transcript.delta and session.delegation.created"
    ),
    "response.function_call_arguments.done": (
        "the backend calls functions: session.tool(...), or response.event"
    ),
    "response.output_audio.delta": "listen for session.output_audio.delta",
    "response.output_audio_transcript.delta": (
        "listen for session.output_transcript.delta"
    ),
    "conversation.item.input_audio_transcription.completed": (
        "listen for session.input_transcript.delta"
    ),
    "conversation.item.input_audio_transcription.delta": (
        "listen for session.input_transcript.delta"
    ),
    "input_audio_buffer.speech_started": (
        "the model stops by itself; session.input_transcript.delta is the first sign "
        "of the user's speech"
    ),
    "history_report": (
        "LiveConfig(input=...) takes what was said before, and is refused as a whole "
        "where it does not fit"
    ),
    "rotate_after": (
        "a session ends after two hours; with reconnect=ReconnectPolicy() another "
        "takes its place"
    ),
    "ask": (
        "a live session is talked to: session.say(...), session.ask_backend(...), or "
        "audio with session.input_audio.append(...)"
    ),
}
"""Command, event or method of Realtime -> what to do in a live session."""

IN_REALTIME: Final[Mapping[str, str]] = {
    "say": "session.response.create(instructions=...) has the model speak",
    "note": "session.conversation.add_message(..., role='system') lets it know",
    "instruct": "session.update(instructions=...) changes the rules",
    "input_audio": "use session.input_audio_buffer.append(...)",
    "delegate": "the model calls functions itself: session.tool(...)",
    "ask_backend": "session.ask(...) asks the model itself",
    "play_fixture": "play the sound in your own player",
    "output_audio": "listen for response.output_audio.delta",
    "wait_said": "session.response.create(...).result() waits for an answer",
    "wait_quiet": "session.response.create(...).result() waits for an answer",
    "has_more_to_say": "see session.snapshot.active_response",
    "is_at_work": "see session.snapshot.active_response",
    "answering": "the model calls functions itself: session.tool(...)",
    "decision": "the model decides by calling a function: session.tool(...)",
    "check_tools": "the model calls functions itself: session.tool(...)",
    "send_dtmf": "a telephone's keys are the carrier's",
    "is_attached": "a session is attached to a call if it has a call_id",
}
"""Method of a live session -> what to do in one of Realtime."""
