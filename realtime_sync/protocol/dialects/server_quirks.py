"""
Habits of servers that neither dialect explains.

Each row names the events it concerns and a function that puts one oddity
right, and leaves a frame without it alone. They are applied to whatever a
server says; nothing of ours is ever sent this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Frame = dict[str, Any]

_ENVELOPE = ("type", "event_id")


class Habit(NamedTuple):
    """
    One oddity.

    Attributes:
        who: servers that were seen to have it.
        types: canonical types of the events that have it.
        mend: gives the frame as it should have been.
    """

    who: str
    types: tuple[str, ...]
    mend: Callable[[Frame], Frame]


def _error_as_text(frame: Frame) -> Frame:
    error = frame.get("error")
    if error.__class__ is str:
        rest = {name: frame[name] for name in ("code", "param") if name in frame}
        return {**frame, "error": {"message": error, **rest}}
    return frame


def _error_at_top(frame: Frame) -> Frame:
    if frame.get("error") is not None or "message" not in frame:
        return frame
    names = ("message", "code", "param")
    return {**frame, "error": {name: frame[name] for name in names if name in frame}}


def _session_at_top(frame: Frame) -> Frame:
    if "session" in frame:
        return frame
    session = {name: frame[name] for name in frame if name not in _ENVELOPE}
    return {**frame, "session": session} if session else frame


def _untyped_transcription(frame: Frame) -> Frame:
    session = frame.get("session")
    if session.__class__ is not dict or "type" in session:
        return frame
    if session.get("object") != "realtime.transcription_session":
        return frame
    return {**frame, "session": {**session, "type": "transcription"}}


def _status_details_as_text(frame: Frame) -> Frame:
    response = frame.get("response")
    if response.__class__ is not dict:
        return frame
    details = response.get("status_details")
    if details.__class__ is not str:
        return frame
    return {**frame, "response": {**response, "status_details": {"reason": details}}}


def _usage_at_top(frame: Frame) -> Frame:
    response = frame.get("response")
    usage = frame.get("usage")
    if response.__class__ is not dict or response.get("usage") or not usage:
        return frame
    return {**frame, "response": {**response, "usage": usage}}


def _whole_in_delta(name: str) -> Callable[[Frame], Frame]:
    def mend(frame: Frame) -> Frame:
        if frame.get(name) is not None or "delta" not in frame:
            return frame
        return {**frame, name: frame["delta"]}

    return mend


HABITS = (
    Habit("vLLM: the error is a string", ("error",), _error_as_text),
    Habit("relays: no error object", ("error",), _error_at_top),
    Habit("vLLM: no session object", ("session.created",), _session_at_top),
    Habit(
        "several: a transcription session without a type",
        ("session.created", "session.updated"),
        _untyped_transcription,
    ),
    Habit("xAI: words for details", ("response.done",), _status_details_as_text),
    Habit("xAI: usage beside the response", ("response.done",), _usage_at_top),
    Habit(
        "mock servers: the whole text in delta",
        ("response.output_text.done",),
        _whole_in_delta("text"),
    ),
    Habit(
        "mock servers: the whole transcript in delta",
        ("response.output_audio_transcript.done",),
        _whole_in_delta("transcript"),
    ),
    Habit(
        "mock servers: the whole arguments in delta",
        ("response.function_call_arguments.done", "response.mcp_call_arguments.done"),
        _whole_in_delta("arguments"),
    ),
)
"""All of them, in the order in which they are applied."""
