"""
What a server says, ready made: for `Scenario` and `MemoryTransport`.

Everything is in GA's spelling; a scenario spells it for the client that it has.
`answer` and `error` give functions of the command, which is what ``reply`` takes::

    scenario.expect("response.create").reply(frames.answer("Lima."))

.. versionadded:: 0.1
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from ..protocol.fields import field_of

Frame = dict[str, Any]
Call = Union[tuple[str, Mapping[str, Any]], Mapping[str, Any]]
Reply = Callable[[object], Iterable[Frame]]

_numbers = itertools.count(1)
_PCM = {"type": "audio/pcm", "rate": 24_000}
_CHUNK = 9_600

LIVE_SESSION: Mapping[str, Any] = {
    "id": "live_test",
    "model": "gpt-live-1",
    "status": "active",
    "expires_at": 0,
    "input": [],
}
"""What a live server says of a session that was asked for nothing."""

SESSION: Mapping[str, Any] = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_test",
    "model": "gpt-realtime-2.1",
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "expires_at": 0,
    "audio": {
        "input": {
            "format": _PCM,
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": None,
        },
        "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
    },
}
"""The session that scenarios tell of until it is updated."""


def session_created(**fields: object) -> Frame:
    """
    The greeting.

    Args:
        **fields: of the session, over those of `SESSION`.
    """
    return {"type": "session.created", "session": merged(SESSION, fields)}


def session_updated(**fields: object) -> Frame:
    """
    The whole configuration after a change.

    Args:
        **fields: of the session, over those of `SESSION`.
    """
    return {"type": "session.updated", "session": merged(SESSION, fields)}


def message(text: str, *, role: str = "user", id: Optional[str] = None) -> Frame:
    """An item with text in it."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {
        "id": id or _new_frame_id("item"),
        "object": "realtime.item",
        "type": "message",
        "role": role,
        "status": "completed",
        "content": [{"type": kind, "text": text}],
    }


def item_added(item: Mapping[str, Any], **fields: object) -> list[Frame]:
    """
    ``conversation.item.added`` and ``conversation.item.done``.

    Args:
        item: its id is made up if it has none.
        **fields: such as ``previous_item_id``; without it the item is the last.
    """
    whole = {
        "id": _new_frame_id("item"),
        "object": "realtime.item",
        "status": "completed",
    }
    whole.update(item)
    names = ("conversation.item.added", "conversation.item.done")
    return [{"type": name, **fields, "item": dict(whole)} for name in names]


def error(message: str, *, code: Optional[str] = None, **fields: object) -> Reply:
    """
    An error about the command.

    Args:
        message: for people.
        code: such as ``conversation_already_has_active_response``.
        **fields: of the error, such as ``param`` and ``type``.
    """

    def reply(command: object) -> list[Frame]:
        told = {"type": "invalid_request_error", "code": code, "message": message}
        about = {"event_id": field_of(command, "event_id") or None}
        return [{"type": "error", "error": {**told, **about, **fields}}]

    return reply


def answer(
    text: str = "",
    *,
    spoken: Optional[str] = None,
    audio: Optional[bytes] = None,
    calls: Sequence[Call] = (),
    status: str = "completed",
    status_details: Optional[Mapping[str, Any]] = None,
    usage: Optional[Mapping[str, Any]] = None,
    response_id: Optional[str] = None,
    item_id: Optional[str] = None,
) -> Reply:
    """
    A whole response, from ``response.created`` to ``response.done``.

    Args:
        text: is written, in a delta for every word.
        spoken: is said: the transcript of `audio`.
        audio: PCM at 24 kHz; by default silence, 60 ms for every character.
        calls: functions that the client is to run: ``(name, arguments)`` or items.
        status: how it ends.
        status_details: why it ends so.
        usage: tokens; by default none are counted.
        response_id: is made up by default.
        item_id: of the message, is made up by default.
    """

    def reply(command: object) -> Iterator[Frame]:
        asked = field_of(command, "response")
        aside = field_of(asked, "conversation") == "none"
        response: Frame = {
            "object": "realtime.response",
            "id": response_id or _new_frame_id("resp"),
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": None if aside else "conv_test",
            "output_modalities": ["text"] if spoken is None else ["audio"],
            "usage": None,
            "metadata": _plain_frame(field_of(asked, "metadata")),
        }
        yield {"type": "response.created", "response": dict(response)}
        items = list(_frame_items(text, spoken, item_id, calls, status))
        for index, item in enumerate(items):
            yield from _output_frames(item, index, response["id"], aside, audio)
        whole = {"status": status, "status_details": status_details, "usage": usage}
        yield {
            "type": "response.done",
            "response": {**response, **whole, "output": items},
        }

    return reply


def acknowledged(command: object, session: Mapping[str, Any] = SESSION) -> list[Frame]:
    """
    What acknowledges a command, or nothing.

    Args:
        command: a client event, or a mapping.
        session: the configuration so far.
    """
    frame: Mapping[str, Any] = _plain_frame(command)
    kind, item_id = frame.get("type"), frame.get("item_id")
    if kind == "session.update":
        changed = merged(session, frame.get("session") or {})
        return [{"type": "session.updated", "session": changed}]
    if kind == "conversation.item.create":
        previous = frame.get("previous_item_id")
        place = {} if previous is None else {"previous_item_id": previous}
        if previous == "root":
            place = {"previous_item_id": None}
        return item_added(frame.get("item") or {}, **place)
    if kind == "conversation.item.delete":
        return [{"type": "conversation.item.deleted", "item_id": item_id}]
    if kind == "conversation.item.retrieve":
        item = message("", id=item_id)
        return [{"type": "conversation.item.retrieved", "item": item}]
    if kind == "conversation.item.truncate":
        return [{**frame, "type": "conversation.item.truncated", "event_id": None}]
    if kind == "input_audio_buffer.commit":
        return [
            {"type": "input_audio_buffer.committed", "item_id": _new_frame_id("item")}
        ]
    if kind in ("input_audio_buffer.clear", "output_audio_buffer.clear"):
        return [{"type": f"{kind}ed"}]
    if kind == "response.create":
        return list(answer()(frame))
    return []


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Frame:
    """A mapping with changes in it, level by level; null replaces."""
    whole = dict(base)
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(whole.get(name), Mapping):
            value = merged(whole[name], value)
        whole[name] = value
    return whole


# -- pieces of an answer -----------------------------------------------------------


def _frame_items(
    text: str,
    spoken: Optional[str],
    item_id: Optional[str],
    calls: Sequence[Call],
    status: str,
) -> Iterator[Frame]:
    if text or spoken is not None:
        item = message(text, role="assistant", id=item_id)
        if spoken is not None:
            item["content"] = [{"type": "output_audio", "transcript": spoken}]
        yield {**item, "status": "completed" if status == "completed" else "incomplete"}
    for call in calls:
        fields = dict(call) if isinstance(call, Mapping) else _call_frame_item(*call)
        yield {
            "id": _new_frame_id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "call_id": _new_frame_id("call"),
            "arguments": "{}",
            **fields,
        }


def _call_frame_item(name: str, arguments: object) -> Frame:
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"name": name, "arguments": given}


def _output_frames(
    item: Frame, index: int, response_id: str, aside: bool, audio: Optional[bytes]
) -> Iterator[Frame]:
    place = {"response_id": response_id, "output_index": index}
    empty: Frame = {"arguments": ""} if "arguments" in item else {"content": []}
    begun = {**item, **empty, "status": "in_progress"}
    yield {"type": "response.output_item.added", **place, "item": begun}
    if not aside:
        yield {"type": "conversation.item.added", "item": begun}
    place["item_id"] = item["id"]
    if "arguments" in item:
        yield from _argument_frames(item, place)
    else:
        yield from _content_frames(
            item["content"][0], {**place, "content_index": 0}, audio
        )
    if not aside:
        yield {"type": "conversation.item.done", "item": item}
    del place["item_id"]
    yield {"type": "response.output_item.done", **place, "item": item}


def _argument_frames(item: Frame, place: Frame) -> Iterator[Frame]:
    name = "response.function_call_arguments"
    place = {**place, "call_id": item["call_id"]}
    yield {"type": f"{name}.delta", **place, "delta": item["arguments"]}
    whole = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": f"{name}.done", **place, **whole}


def _content_frames(
    part: Frame, place: Frame, audio: Optional[bytes]
) -> Iterator[Frame]:
    spoken = part["type"] == "output_audio"
    member = "transcript" if spoken else "text"
    name = "response.output_audio_transcript" if spoken else "response.output_text"
    bare = {"type": "audio" if spoken else "text"}
    words = part[member]
    yield {"type": "response.content_part.added", **place, "part": {**bare, member: ""}}
    for word in re.findall(r"\S+\s*", words):
        yield {"type": f"{name}.delta", **place, "delta": word}
    if spoken:
        yield from _audio_frames(
            bytes(2_880 * len(words)) if audio is None else audio, place
        )
    yield {"type": f"{name}.done", **place, member: words}
    whole = {**bare, member: words}
    yield {"type": "response.content_part.done", **place, "part": whole}


def _audio_frames(audio: bytes, place: Frame) -> Iterator[Frame]:
    for at in range(0, len(audio), _CHUNK):
        delta = base64.b64encode(audio[at : at + _CHUNK]).decode("ascii")
        yield {"type": "response.output_audio.delta", **place, "delta": delta}
    yield {"type": "response.output_audio.done", **place}


def _new_frame_id(kind: str) -> str:
    return f"{kind}_{next(_numbers)}"


def _plain_frame(value: object) -> Any:
    from ..protocol.codec import to_mapping

    return to_mapping(value) or None
