"""
Habits of servers that neither dialect explains.

One table, `HABITS`. A row with a function puts an oddity of a frame right, and
leaves a frame without it alone; it is applied to whatever a server says, and
nothing of ours is ever sent this way. A row without one is a way of meaning
things: the mirror asks for it by name. It is in force where the endpoint is one
of a vendor that has it, or once the server has been caught at it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

from attrs import frozen

from ..audio_formats import plain_format

Frame = dict[str, Any]

_ENVELOPE = ("type", "event_id")

OWN_IDS = "own_ids"
NULL_IS_HEAD = "null_is_head"
NULL_PREDECESSORS = "null_predecessors"
INCREMENTS = "increments"
CUMULATIVE = "cumulative_captions"
INTERIM = "interim_completed"
SHORT_DONE = "short_done"
NAMELESS_CHANGES = "nameless_changes"


@frozen(kw_only=True)
class Habit:
    """
    One oddity.

    Attributes:
        name: word for it, as `Snapshot.habits` has it.
        servers: those that were seen to have it, by the names of `SERVERS`.
        does: what the server does.
        ours: what is made of it here.
        types: canonical types of the events that have it; for a `mend`.
        mend: gives the frame as it should have been.
        caught: the server shows it by itself; else only its endpoint tells.
    """

    name: str
    servers: tuple[str, ...]
    does: str
    ours: str
    types: tuple[str, ...] = ()
    mend: Optional[Callable[[Frame], Frame]] = None
    caught: bool = True


@frozen(kw_only=True)
class KnownServer:
    """
    One server that is known.

    Attributes:
        connect: how to connect to it, as reStructuredText.
        lacks: what else is coped with, beside its habits.
    """

    connect: str
    lacks: str = ""


def _quirk_error_as_text(frame: Frame) -> Frame:
    error = frame.get("error")
    if error.__class__ is str:
        rest = {name: frame[name] for name in ("code", "param") if name in frame}
        return {**frame, "error": {"message": error, **rest}}
    return frame


_FORMATS = (
    ("input", ("input_audio_sampling_rate", "sample_rate")),
    ("output", ("output_audio_sampling_rate",)),
)
"""What a session has a format for, and the fields with a rate beside a word."""


def _quirk_format_in_words(frame: Frame) -> Frame:
    for name in ("session", "response"):
        told = frame.get(name)
        if told.__class__ is dict:
            frame = {**frame, name: _quirk_plain_formats(told)}
    return frame


def _quirk_plain_formats(told: Frame) -> Frame:
    audio = told.get("audio")
    for side, rates in _FORMATS:
        word = f"{side}_audio_format"
        if told.get(word):
            rate = next((told[each] for each in rates if told.get(each)), None)
            told = {**told, word: plain_format(told[word], rate)}
        half = audio.get(side) if isinstance(audio, dict) else None
        if isinstance(audio, dict) and isinstance(half, dict) and half.get("format"):
            audio = {**audio, side: {**half, "format": plain_format(half["format"])}}
            told = {**told, "audio": audio}
    return told


_MESSAGES = ("error", "detail", "details", "description", "msg", "reason")


def _quirk_message_elsewhere(frame: Frame) -> Frame:
    error = frame.get("error")
    if error.__class__ is not dict or error.get("message"):
        return frame
    told = next((error[name] for name in _MESSAGES if error.get(name)), None)
    if isinstance(told, dict):
        return {**frame, "error": {**error, **told}}
    return {**frame, "error": {**error, "message": told}} if told else frame


def _quirk_error_at_top(frame: Frame) -> Frame:
    if frame.get("error") is not None or "message" not in frame:
        return frame
    names = ("message", "code", "param")
    return {**frame, "error": {name: frame[name] for name in names if name in frame}}


def _quirk_session_at_top(frame: Frame) -> Frame:
    if "session" in frame:
        return frame
    session = {name: frame[name] for name in frame if name not in _ENVELOPE}
    return {**frame, "session": session} if session else frame


def _quirk_untyped_transcription(frame: Frame) -> Frame:
    session = frame.get("session")
    if session.__class__ is not dict or "type" in session:
        return frame
    if session.get("object") != "realtime.transcription_session":
        return frame
    return {**frame, "session": {**session, "type": "transcription"}}


def _quirk_flat_tool(tool: Any) -> Any:
    inside = tool.get("function") if tool.__class__ is dict else None
    return {"type": "function", **inside} if isinstance(inside, dict) else tool


def _quirk_nested_tools(frame: Frame) -> Frame:
    session = frame.get("session")
    if not isinstance(session, dict) or not isinstance(session.get("tools"), list):
        return frame
    tools = session["tools"]
    flat = [_quirk_flat_tool(tool) for tool in tools]
    return frame if flat == tools else {**frame, "session": {**session, "tools": flat}}


def _quirk_no_temperature(frame: Frame) -> Frame:
    session = frame.get("session")
    if not isinstance(session, dict):
        return frame
    told = session.get("temperature")
    if not isinstance(told, (int, float)) or told >= 0:
        return frame
    return {**frame, "session": {**session, "temperature": None}}


def _quirk_status_details_as_text(frame: Frame) -> Frame:
    response = frame.get("response")
    if response.__class__ is not dict:
        return frame
    details = response.get("status_details")
    if details.__class__ is not str:
        return frame
    return {**frame, "response": {**response, "status_details": {"reason": details}}}


def _quirk_usage_at_top(frame: Frame) -> Frame:
    response = frame.get("response")
    usage = frame.get("usage")
    if response.__class__ is not dict or response.get("usage") or not usage:
        return frame
    return {**frame, "response": {**response, "usage": usage}}


def _quirk_whole_in_delta(name: str) -> Callable[[Frame], Frame]:
    def mend(frame: Frame) -> Frame:
        if frame.get(name) is not None or "delta" not in frame:
            return frame
        return {**frame, name: frame["delta"]}

    return mend


def _with_items(frame: Frame, mend: Callable[[Any], Any]) -> Frame:
    """A frame with every item in it put right."""
    item, response = frame.get("item"), frame.get("response")
    if item.__class__ is dict:
        return {**frame, "item": mend(item)}
    output = response.get("output") if isinstance(response, dict) else None
    if isinstance(response, dict) and isinstance(output, list):
        return {**frame, "response": {**response, "output": [*map(mend, output)]}}
    return frame


def _json_as_object(frame: Frame) -> Frame:
    if isinstance(frame.get("arguments"), (dict, list)):
        frame = {**frame, "arguments": _as_json(frame["arguments"])}
    return _with_items(frame, _item_with_json)


def _item_with_json(item: Any) -> Any:
    for name in ("arguments", "output"):
        if isinstance(item, dict) and isinstance(item.get(name), (dict, list)):
            item = {**item, name: _as_json(item[name])}
    return item


def _as_json(value: object) -> object:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return value


def _content_as_text(frame: Frame) -> Frame:
    return _with_items(frame, _item_with_parts)


def _item_with_parts(item: Any) -> Any:
    content = item.get("content") if isinstance(item, dict) else None
    kind = "text" if content and item.get("role") == "assistant" else "input_text"
    if isinstance(content, str) and content:
        return {**item, "content": [{"type": kind, "text": content}]}
    if isinstance(content, list) and any(isinstance(each, str) for each in content):
        parts = [
            {"type": kind, "text": each} if isinstance(each, str) else each
            for each in content
        ]
        return {**item, "content": parts}
    return item


_KNOWN_WORDS = frozenset(
    "message function_call function_call_output mcp_call mcp_list_tools "
    "mcp_approval_request mcp_approval_response user assistant system text audio "
    "input_text input_audio input_image output_text output_audio refusal "
    "in_progress completed cancelled failed incomplete".split()
)
"""Types of items and of their parts, roles, and statuses."""

_OTHER_SPELLINGS = {"canceled": "cancelled"}


def _words_as_written(described: Any) -> Any:
    """An item, a part of one or a response with its words in the protocol's letters."""
    if isinstance(described, dict):
        for name in ("type", "role", "status"):
            word = described.get(name)
            if isinstance(word, str) and word not in _KNOWN_WORDS:
                small = word.casefold()
                spelt = _OTHER_SPELLINGS.get(small, small)
                if spelt in _KNOWN_WORDS:
                    described = {**described, name: spelt}
    return described


def _part_as_written(part: Any) -> Any:
    part = _words_as_written(part)
    refused = part.get("refusal") if isinstance(part, dict) else None
    if isinstance(refused, str) and refused and not part.get("text"):
        return {**part, "type": "text", "text": refused}
    return part


def _item_as_written(item: Any) -> Any:
    item = _words_as_written(item)
    content = item.get("content") if isinstance(item, dict) else None
    if isinstance(content, list) and content:
        parts = [*map(_part_as_written, content)]
        if parts != content:
            return {**item, "content": parts}
    return item


def _quirk_other_words(frame: Frame) -> Frame:
    part = frame.get("part")
    if isinstance(part, dict):
        frame = {**frame, "part": _part_as_written(part)}
    response = frame.get("response")
    if isinstance(response, dict):
        frame = {**frame, "response": _words_as_written(response)}
    return _with_items(frame, _item_as_written)


def _quirk_item_id_elsewhere(frame: Frame) -> Frame:
    item = frame.get("item")
    told = item.get("id") if isinstance(item, dict) else frame.get("id")
    if frame.get("item_id") or not isinstance(told, str) or not told:
        return frame
    # A server without `event_id` may have the event's own id there.
    return frame if told.startswith("ev") else {**frame, "item_id": told}


_ITEMS = (
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.retrieved",
    "response.output_item.added",
    "response.output_item.done",
    "response.done",
)
"""What describes items."""

_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_KEPT = ("event_id", "item_id", "content_index", "logprobs")


_INTERIM_WORDS = frozenset({"inprogress", "interim", "partial", "pending"})
_INTERIM_FLAGS = {
    "is_final": False,
    "final": False,
    "is_partial": True,
    "partial": True,
    "interim": True,
}
"""Fields, and what they say of a transcript that is not the last one."""


def _quirk_is_interim(frame: Frame) -> bool:
    status = frame.get("status")
    if status.__class__ is str:
        word = status.casefold().replace("_", "").replace("-", "")
        if word in _INTERIM_WORDS:
            return True
    return any(frame.get(name) is told for name, told in _INTERIM_FLAGS.items())


def _quirk_interim_completed(frame: Frame) -> Frame:
    if not _quirk_is_interim(frame):
        return frame
    told = {name: frame[name] for name in _KEPT if name in frame}
    whole = {"delta": frame.get("transcript"), "cumulative": True}
    return {"type": _TRANSCRIPTION + "delta", **told, **whole}


def _quirk_updated_caption(frame: Frame) -> Frame:
    if frame.get("type") != _TRANSCRIPTION + "updated" or "transcript" not in frame:
        return frame
    told = {name: frame[name] for name in _KEPT if name in frame}
    whole = {"delta": frame["transcript"], "cumulative": True}
    return {"type": _TRANSCRIPTION + "delta", **told, **whole}


_LIFTS = (
    Habit(
        name="error_as_text",
        servers=("vLLM",),
        does="the error is a string",
        ours="it is the message",
        types=("error",),
        mend=_quirk_error_as_text,
    ),
    Habit(
        name="error_at_top",
        servers=("LiteLLM",),
        does="an error without an error object",
        ours="its fields are read from the event",
        types=("error",),
        mend=_quirk_error_at_top,
    ),
    Habit(
        name="message_elsewhere",
        servers=("mock servers",),
        does="an error whose message is inside of another object, or called otherwise",
        ours="it is the message",
        types=("error",),
        mend=_quirk_message_elsewhere,
    ),
    Habit(
        name="session_at_top",
        servers=("vLLM",),
        does="``session.created`` without a session object",
        ours="its fields are read from the event",
        types=("session.created",),
        mend=_quirk_session_at_top,
    ),
    Habit(
        name="untyped_transcription",
        servers=("Azure OpenAI",),
        does="a transcription session without a type",
        ours="its ``object`` tells the type",
        types=("session.created", "session.updated"),
        mend=_quirk_untyped_transcription,
    ),
    Habit(
        name="format_in_words",
        servers=("Azure Voice Live", "DashScope, Qwen-Omni", "mock servers"),
        does="a format as another word, in capitals or with its rate beside it",
        ours="it is the protocol's object with that rate",
        types=("session.created", "session.updated", "response.created"),
        mend=_quirk_format_in_words,
    ),
    Habit(
        name="nested_tools",
        servers=("xAI", "DashScope, Qwen-Omni"),
        does="tools of a session as chat completions have them",
        ours="they are those of the protocol",
        types=("session.created", "session.updated"),
        mend=_quirk_nested_tools,
    ),
    Habit(
        name="negative_temperature",
        servers=("xAI",),
        does="a temperature of -1 where none is set",
        ours="it is none, and is not sent back",
        types=("session.created", "session.updated"),
        mend=_quirk_no_temperature,
    ),
    Habit(
        name="details_as_text",
        servers=("xAI",),
        does="words for ``status_details``",
        ours="they are the reason",
        types=("response.created", "response.done"),
        mend=_quirk_status_details_as_text,
    ),
    Habit(
        name="usage_at_top",
        servers=("xAI",),
        does="usage beside the response",
        ours="it is the response's",
        types=("response.done",),
        mend=_quirk_usage_at_top,
    ),
    Habit(
        name="json_as_object",
        servers=("mock servers",),
        does="arguments or the output of a call as an object, and not as JSON text",
        ours="they are that text",
        types=(
            *_ITEMS,
            "response.function_call_arguments.done",
            "response.mcp_call_arguments.done",
        ),
        mend=_json_as_object,
    ),
    Habit(
        name="content_as_text",
        servers=("mock servers",),
        does="text in the place of the parts of an item",
        ours="it is one part",
        types=_ITEMS,
        mend=_content_as_text,
    ),
    Habit(
        name="other_words",
        servers=("mock servers",),
        does="types, roles and statuses in capitals, ``canceled``, and a part that has "
        "its text as a ``refusal``",
        ours="they are the protocol's words; the refusal is text",
        types=(*_ITEMS, "response.content_part.added", "response.content_part.done"),
        mend=_quirk_other_words,
    ),
    Habit(
        name="item_id_elsewhere",
        servers=("mock servers",),
        does="the id of the item that is deleted or truncated as ``id``, or in an item",
        ours="it is the ``item_id``",
        types=("conversation.item.deleted", "conversation.item.truncated"),
        mend=_quirk_item_id_elsewhere,
    ),
    Habit(
        name=INTERIM,
        servers=("xAI",),
        does="transcripts that are ``completed`` with the status ``in_progress``, or "
        "with a field that says that they are not final",
        ours="each is a ``delta`` that is ``cumulative``",
        types=("conversation.item.input_audio_transcription.completed",),
        mend=_quirk_interim_completed,
    ),
    Habit(
        name="updated_captions",
        servers=("xAI",),
        does="``input_audio_transcription.updated`` with all that was said so far",
        ours="each is a ``delta`` that is ``cumulative``",
        types=(_TRANSCRIPTION + "delta",),
        mend=_quirk_updated_caption,
    ),
    Habit(
        name="whole_text_in_delta",
        servers=("mock servers",),
        does="the whole text in ``delta``",
        ours="it is the text",
        types=("response.output_text.done",),
        mend=_quirk_whole_in_delta("text"),
    ),
    Habit(
        name="whole_transcript_in_delta",
        servers=("mock servers",),
        does="the whole transcript in ``delta``",
        ours="it is the transcript",
        types=("response.output_audio_transcript.done",),
        mend=_quirk_whole_in_delta("transcript"),
    ),
    Habit(
        name="whole_arguments_in_delta",
        servers=("mock servers",),
        does="the whole arguments in ``delta``",
        ours="they are the arguments",
        types=(
            "response.function_call_arguments.done",
            "response.mcp_call_arguments.done",
        ),
        mend=_quirk_whole_in_delta("arguments"),
    ),
)

_MEANINGS = (
    Habit(
        name=OWN_IDS,
        servers=("StepFun",),
        does="items that a client creates come back under ids of the server's",
        ours="what they say tells which they are; a conversation that is put in "
        "again names no predecessors",
    ),
    Habit(
        name=NULL_IS_HEAD,
        servers=("OpenAI", "Azure OpenAI"),
        does="no predecessor means the head of the conversation",
        ours="the item stands first",
        caught=False,
    ),
    Habit(
        name=NULL_PREDECESSORS,
        servers=("xAI", "speech-to-speech"),
        does="no predecessor in the middle of a conversation",
        ours="the item stands last, as it came",
    ),
    Habit(
        name=INCREMENTS,
        servers=("OpenAI", "Azure OpenAI"),
        does="transcripts grow by pieces, whatever a piece begins with",
        ours="every piece is appended",
        caught=False,
    ),
    Habit(
        name=CUMULATIVE,
        servers=("Together", "xAI"),
        does="transcripts are told again with more at the end",
        ours="what is as long as the text so far takes its place",
    ),
    Habit(
        name=SHORT_DONE,
        servers=("LiteLLM",),
        does="the text that is called whole is a part of what was said",
        ours="what was said stays",
    ),
    Habit(
        name=NAMELESS_CHANGES,
        servers=("xAI",),
        does="``conversation.item.deleted`` or ``truncated`` names no item",
        ours="it answers the oldest of our commands of that kind that waits",
    ),
)

HABITS = _LIFTS + _MEANINGS
"""All of them; frames are put right in this order."""

MENDS: tuple[tuple[tuple[str, ...], Callable[[Frame], Frame]], ...] = tuple(
    (habit.types, habit.mend) for habit in HABITS if habit.mend is not None
)
"""What puts frames right: the types of the events, and the function."""

SERVERS: dict[str, KnownServer] = {
    "OpenAI": KnownServer(
        connect="``connect(model)``",
        lacks="limits before the first item, nulls where the schema has none",
    ),
    "Azure OpenAI": KnownServer(
        connect="``Endpoint.azure(...)``",
        lacks='the preview refuses ``modalities=["audio"]`` alone: the error says so',
    ),
    "Azure Voice Live": KnownServer(
        connect="``Endpoint.voice_live(...)``",
        lacks="events of its own: heard by name, as ``UnknownEvent``",
    ),
    "xAI": KnownServer(
        connect="``Endpoint.xai(...)``",
        lacks="``conversation.created`` first, pings as events, no indices",
    ),
    "DashScope, Qwen-Omni": KnownServer(
        connect="``Endpoint.dashscope(...)``",
        lacks="formats and tools spelt otherwise, further fields of the session",
    ),
    "StepFun": KnownServer(
        connect='``dialect="beta"``',
        lacks="turn detection is off until it is asked for",
    ),
    "Together": KnownServer(connect='``dialect="beta"``', lacks="events without ids"),
    "Inworld, Yandex": KnownServer(
        connect="``Endpoint.at(...)``",
        lacks="``item.added`` and ``item.created`` for one item",
    ),
    "LocalAI": KnownServer(
        connect="``base_url=...``",
        lacks="``session.created`` late: raise ``connect_timeout``; empty event ids",
    ),
    "vLLM": KnownServer(connect="``base_url=...``", lacks="events without ids"),
    "vllm-omni": KnownServer(
        connect="``base_url=...``",
        lacks="both kinds of item events, events of its own",
    ),
    "speech-to-speech": KnownServer(
        connect="``base_url=...``",
        lacks="null everywhere, no acknowledgement of ``truncate`` and of an idle "
        "``cancel``",
    ),
    "speaches": KnownServer(
        connect='``dialect="beta"``',
        lacks="responses that begin as ``incomplete``, an error before the success",
    ),
    "sglang-omni": KnownServer(
        connect='``dialect="beta"``',
        lacks="no item and part events, transcripts after the response",
    ),
    "unmute": KnownServer(
        connect='``dialect="beta", wait_created=False``',
        lacks="no ``session.created``, deltas without ids",
    ),
    "LiteLLM": KnownServer(
        connect="``wait_created=False`` if the greeting gets lost, as with any relay",
        lacks="binary frames, a second ``session.created``, an upstream that dies "
        "silently: see ``response_idle_timeout``",
    ),
    "mock servers": KnownServer(connect="``base_url=...``"),
}
"""Servers that are known, in the order of the documentation."""


def server_quirks_of(server: Optional[str]) -> frozenset[str]:
    """
    Return what a server is known to mean otherwise, by its name in `SERVERS`.

    Nothing is known of a server that nobody names.
    """
    return frozenset(habit.name for habit in _MEANINGS if server in habit.servers)
