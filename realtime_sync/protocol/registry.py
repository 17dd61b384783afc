"""
Every event of the protocol, one row each.

A row says how an event is spelt in either dialect, who sends it, in which
kinds of session it occurs, and which class stands for it. Everything else that
needs a list of events (the codec, the dialects, name patterns, the table in
the documentation) reads this one.

Importing this module loads no event class; `event_class` loads the module of
one wire namespace when the first of its classes is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple, Optional

from ..types import SessionType
from .live import registry as live

Direction = str
"""``"server"`` for what a server says, ``"client"`` for commands."""


class Row(NamedTuple):
    """
    One event.

    Attributes:
        name: canonical event type, which is the GA spelling.
        family: module of `realtime_sync.protocol.events` that has the class;
            one of GPT-Live begins with ``live.``.
        class_name: name of the class there.
        direction: ``"server"`` or ``"client"``.
        session_types: the kinds of session in which it occurs.
        beta: its spelling in the beta dialect, None if beta has no such event.
    """

    name: str
    family: str
    class_name: str
    direction: Direction
    session_types: tuple[SessionType, ...]
    beta: Optional[str]


_ALL: tuple[SessionType, ...] = ("realtime", "transcription", "translation")
_BOTH: tuple[SessionType, ...] = ("realtime", "transcription")
_TALK: tuple[SessionType, ...] = ("realtime",)
_TRANSLATION: tuple[SessionType, ...] = ("translation",)
_SAME = "="


# name, class, kinds of session, spelling in beta ("=" when it is the same)
_CLIENT: dict[str, tuple[tuple[str, str, tuple[SessionType, ...], Any], ...]] = {
    "session": (("session.update", "SessionUpdate", _BOTH, _SAME),),
    "conversation": (
        ("conversation.item.create", "ConversationItemCreate", _TALK, _SAME),
        ("conversation.item.delete", "ConversationItemDelete", _BOTH, _SAME),
        ("conversation.item.retrieve", "ConversationItemRetrieve", _BOTH, _SAME),
        ("conversation.item.truncate", "ConversationItemTruncate", _TALK, _SAME),
    ),
    "input_audio_buffer": (
        ("input_audio_buffer.append", "InputAudioBufferAppend", _BOTH, _SAME),
        ("input_audio_buffer.clear", "InputAudioBufferClear", _BOTH, _SAME),
        ("input_audio_buffer.commit", "InputAudioBufferCommit", _BOTH, _SAME),
    ),
    "output_audio_buffer": (
        ("output_audio_buffer.clear", "OutputAudioBufferClear", _TALK, _SAME),
    ),
    "response": (
        ("response.create", "ResponseCreate", _TALK, _SAME),
        ("response.cancel", "ResponseCancel", _TALK, _SAME),
    ),
    "translation": (
        ("session.update", "TranslationSessionUpdate", _TRANSLATION, None),
        (
            "session.input_audio_buffer.append",
            "TranslationInputAudioBufferAppend",
            _TRANSLATION,
            None,
        ),
        ("session.close", "TranslationSessionClose", _TRANSLATION, None),
    ),
}

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_TRANSCRIPTION_CLASS = "ConversationItemInputAudioTranscription"

_SERVER: dict[str, tuple[tuple[str, str, tuple[SessionType, ...], Any], ...]] = {
    "session": (
        ("session.created", "SessionCreated", _BOTH, _SAME),
        ("session.updated", "SessionUpdated", _BOTH, _SAME),
    ),
    "conversation": (
        ("conversation.created", "ConversationCreated", _TALK, _SAME),
        (
            "conversation.item.added",
            "ConversationItemAdded",
            _BOTH,
            "conversation.item.created",
        ),
        ("conversation.item.done", "ConversationItemDone", _BOTH, None),
        ("conversation.item.retrieved", "ConversationItemRetrieved", _BOTH, _SAME),
        ("conversation.item.truncated", "ConversationItemTruncated", _TALK, _SAME),
        ("conversation.item.deleted", "ConversationItemDeleted", _BOTH, _SAME),
        (f"{_TRANSCRIPTION}.delta", f"{_TRANSCRIPTION_CLASS}Delta", _BOTH, _SAME),
        (f"{_TRANSCRIPTION}.segment", f"{_TRANSCRIPTION_CLASS}Segment", _BOTH, None),
        (
            f"{_TRANSCRIPTION}.completed",
            f"{_TRANSCRIPTION_CLASS}Completed",
            _BOTH,
            _SAME,
        ),
        (f"{_TRANSCRIPTION}.failed", f"{_TRANSCRIPTION_CLASS}Failed", _BOTH, _SAME),
    ),
    "input_audio_buffer": (
        (
            "input_audio_buffer.speech_started",
            "InputAudioBufferSpeechStarted",
            _BOTH,
            _SAME,
        ),
        (
            "input_audio_buffer.speech_stopped",
            "InputAudioBufferSpeechStopped",
            _BOTH,
            _SAME,
        ),
        ("input_audio_buffer.committed", "InputAudioBufferCommitted", _BOTH, _SAME),
        ("input_audio_buffer.cleared", "InputAudioBufferCleared", _BOTH, _SAME),
        (
            "input_audio_buffer.timeout_triggered",
            "InputAudioBufferTimeoutTriggered",
            _TALK,
            None,
        ),
        (
            "input_audio_buffer.dtmf_event_received",
            "InputAudioBufferDtmfEventReceived",
            _TALK,
            None,
        ),
    ),
    "output_audio_buffer": (
        ("output_audio_buffer.started", "OutputAudioBufferStarted", _TALK, _SAME),
        ("output_audio_buffer.stopped", "OutputAudioBufferStopped", _TALK, _SAME),
        ("output_audio_buffer.cleared", "OutputAudioBufferCleared", _TALK, _SAME),
    ),
    "response": (
        ("response.created", "ResponseCreated", _TALK, _SAME),
        ("response.done", "ResponseDone", _TALK, _SAME),
        ("response.output_item.added", "ResponseOutputItemAdded", _TALK, _SAME),
        ("response.output_item.done", "ResponseOutputItemDone", _TALK, _SAME),
        ("response.content_part.added", "ResponseContentPartAdded", _TALK, _SAME),
        ("response.content_part.done", "ResponseContentPartDone", _TALK, _SAME),
        (
            "response.output_text.delta",
            "ResponseTextDelta",
            _TALK,
            "response.text.delta",
        ),
        ("response.output_text.done", "ResponseTextDone", _TALK, "response.text.done"),
        (
            "response.output_audio.delta",
            "ResponseAudioDelta",
            _TALK,
            "response.audio.delta",
        ),
        (
            "response.output_audio.done",
            "ResponseAudioDone",
            _TALK,
            "response.audio.done",
        ),
        (
            "response.output_audio_transcript.delta",
            "ResponseAudioTranscriptDelta",
            _TALK,
            "response.audio_transcript.delta",
        ),
        (
            "response.output_audio_transcript.done",
            "ResponseAudioTranscriptDone",
            _TALK,
            "response.audio_transcript.done",
        ),
        (
            "response.function_call_arguments.delta",
            "ResponseFunctionCallArgumentsDelta",
            _TALK,
            _SAME,
        ),
        (
            "response.function_call_arguments.done",
            "ResponseFunctionCallArgumentsDone",
            _TALK,
            _SAME,
        ),
    ),
    "mcp": (
        ("mcp_list_tools.in_progress", "McpListToolsInProgress", _TALK, None),
        ("mcp_list_tools.completed", "McpListToolsCompleted", _TALK, None),
        ("mcp_list_tools.failed", "McpListToolsFailed", _TALK, None),
        (
            "response.mcp_call_arguments.delta",
            "ResponseMcpCallArgumentsDelta",
            _TALK,
            None,
        ),
        (
            "response.mcp_call_arguments.done",
            "ResponseMcpCallArgumentsDone",
            _TALK,
            None,
        ),
        ("response.mcp_call.in_progress", "ResponseMcpCallInProgress", _TALK, None),
        ("response.mcp_call.completed", "ResponseMcpCallCompleted", _TALK, None),
        ("response.mcp_call.failed", "ResponseMcpCallFailed", _TALK, None),
    ),
    "service": (
        ("error", "Error", _ALL, _SAME),
        ("rate_limits.updated", "RateLimitsUpdated", _TALK, _SAME),
    ),
    "translation": (
        ("session.created", "TranslationSessionCreated", _TRANSLATION, None),
        ("session.updated", "TranslationSessionUpdated", _TRANSLATION, None),
        ("session.closed", "TranslationSessionClosed", _TRANSLATION, None),
        (
            "session.input_transcript.delta",
            "TranslationInputTranscriptDelta",
            _TRANSLATION,
            None,
        ),
        (
            "session.output_transcript.delta",
            "TranslationOutputTranscriptDelta",
            _TRANSLATION,
            None,
        ),
        (
            "session.output_audio.delta",
            "TranslationOutputAudioDelta",
            _TRANSLATION,
            None,
        ),
    ),
}

ROWS: tuple[Row, ...] = tuple(
    Row(
        name,
        family,
        class_name,
        direction,
        session_types,
        name if beta == _SAME else beta,
    )
    for direction, families in (("client", _CLIENT), ("server", _SERVER))
    for family, rows in families.items()
    for name, class_name, session_types, beta in rows
)
"""All events, commands first."""

LIVE_ROWS: tuple[Row, ...] = tuple(
    Row(name, f"live.events.{family}", class_name, direction, ("live",), None)
    for direction, families in (("client", live.CLIENT), ("server", live.SERVER))
    for family, rows in families.items()
    for name, class_name in rows
)
"""All events of GPT-Live, commands first. No dialect changes their names."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        **{row.beta: row.name for row in ROWS if row.beta and row.beta != row.name},
        "transcription_session.update": "session.update",
        "transcription_session.created": "session.created",
        "transcription_session.updated": "session.updated",
        f"{_TRANSCRIPTION}.updated": f"{_TRANSCRIPTION}.delta",
        "output_audio_buffer.audio_started": "output_audio_buffer.started",
        "output_audio_buffer.audio_stopped": "output_audio_buffer.stopped",
        "output_audio_buffer.audio_cleared": "output_audio_buffer.cleared",
    }
)
"""Spelling of the beta, or of a vendor -> canonical spelling, where they differ."""

TRANSCRIPTION_SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        alias: name
        for alias, name in ALIASES.items()
        if alias.startswith("transcription_session.")
    }
)
"""The beta's own names for the session events of a transcription session."""

_SERVER_ALIASES = frozenset(ALIASES) - {"transcription_session.update"}
_CLIENT_ALIASES = frozenset({"transcription_session.update"})


def canonical(name: str) -> str:
    """
    Return the canonical (GA) spelling of an event type.

    Names that no dialect has come back unchanged.
    """
    return ALIASES.get(name, name)


@lru_cache(maxsize=None)
def server_names() -> frozenset[str]:
    """Return every spelling of every server event."""
    names = {row.name for row in ROWS if row.direction == "server"}
    return _SERVER_ALIASES | names


@lru_cache(maxsize=None)
def client_names() -> frozenset[str]:
    """Return every spelling of every command."""
    names = {row.name for row in ROWS if row.direction == "client"}
    return _CLIENT_ALIASES | names


@lru_cache(maxsize=None)
def live_names(direction: Direction) -> frozenset[str]:
    """Return the name of every event of GPT-Live, or of every command."""
    return frozenset(row.name for row in LIVE_ROWS if row.direction == direction)


@lru_cache(maxsize=None)
def _index_of_registry() -> dict[tuple[str, str, str], Row]:
    return {
        (row.direction, session_type, row.name): row
        for row in (*ROWS, *LIVE_ROWS)
        for session_type in row.session_types
    }


def find(
    name: str, *, session_type: str = "realtime", direction: Direction = "server"
) -> Row:
    """
    Return the row of an event, by either spelling.

    An event of another kind of session is found too, as long as this kind has
    none of that name: servers send what their model makes, and a class is
    worth more than an unknown event. GPT-Live is another protocol, and shares
    no event with the others.

    Raises:
        KeyError: there is no such event.
    """
    index = _index_of_registry()
    kinds: tuple[str, ...] = ("live",)
    if session_type != "live":
        name = canonical(name)
        kinds = (session_type, "realtime", "transcription", "translation")
    for kind in kinds:
        row = index.get((direction, kind, name))
        if row is not None:
            return row
    raise KeyError(name)


def event_class(
    name: str, *, session_type: str = "realtime", direction: Direction = "server"
) -> type:
    """
    Return the class of an event, loading its module if need be.

    Args:
        name: event type in either spelling.
        session_type: kind of session; ``session.created`` of a translation
            session has a class of its own.
        direction: ``"server"`` or ``"client"``.

    Raises:
        KeyError: there is no such event.
    """
    row = find(name, session_type=session_type, direction=direction)
    return class_of(row)


def class_of(row: Row) -> type:
    """Return the class that a row names, loading its module if need be."""
    found: type = getattr(load(row.family), row.class_name)
    return found


def load(family: str) -> ModuleType:
    """Return the module with the event classes of a wire namespace."""
    room = "" if family.startswith("live.") else "events."
    with loading:
        return import_module(f"{__package__}.{room}{family}")


loading: AbstractContextManager[Any] = nullcontext()
"""Entered while a module is loaded; a process that forks puts a lock here."""
