"""
The events of the protocol, one class each.

The classes live in one module per wire namespace, which is loaded when the
first of its classes is asked for: ``events.ResponseDone`` loads the responses,
and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..registry import ROWS, load

if TYPE_CHECKING:
    from ._base import (
        ClientEvent,
        ServerEvent,
        UnknownEvent,
    )
    from .conversation import (
        ConversationCreated,
        ConversationItemAdded,
        ConversationItemCreate,
        ConversationItemDelete,
        ConversationItemDeleted,
        ConversationItemDone,
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionDelta,
        ConversationItemInputAudioTranscriptionFailed,
        ConversationItemInputAudioTranscriptionSegment,
        ConversationItemRetrieve,
        ConversationItemRetrieved,
        ConversationItemTruncate,
        ConversationItemTruncated,
    )
    from .input_audio_buffer import (
        InputAudioBufferAppend,
        InputAudioBufferClear,
        InputAudioBufferCleared,
        InputAudioBufferCommit,
        InputAudioBufferCommitted,
        InputAudioBufferDtmfEventReceived,
        InputAudioBufferSpeechStarted,
        InputAudioBufferSpeechStopped,
        InputAudioBufferTimeoutTriggered,
    )
    from .mcp import (
        McpListToolsCompleted,
        McpListToolsFailed,
        McpListToolsInProgress,
        ResponseMcpCallArgumentsDelta,
        ResponseMcpCallArgumentsDone,
        ResponseMcpCallCompleted,
        ResponseMcpCallFailed,
        ResponseMcpCallInProgress,
    )
    from .output_audio_buffer import (
        OutputAudioBufferClear,
        OutputAudioBufferCleared,
        OutputAudioBufferStarted,
        OutputAudioBufferStopped,
    )
    from .response import (
        ResponseAudioDelta,
        ResponseAudioDone,
        ResponseAudioTranscriptDelta,
        ResponseAudioTranscriptDone,
        ResponseCancel,
        ResponseContentPartAdded,
        ResponseContentPartDone,
        ResponseCreate,
        ResponseCreated,
        ResponseDone,
        ResponseFunctionCallArgumentsDelta,
        ResponseFunctionCallArgumentsDone,
        ResponseOutputItemAdded,
        ResponseOutputItemDone,
        ResponseTextDelta,
        ResponseTextDone,
    )
    from .service import (
        Error,
        RateLimitsUpdated,
    )
    from .session import (
        SessionCreated,
        SessionUpdate,
        SessionUpdated,
    )
    from .translation import (
        TranslationInputAudioBufferAppend,
        TranslationInputTranscriptDelta,
        TranslationOutputAudioDelta,
        TranslationOutputTranscriptDelta,
        TranslationSessionClose,
        TranslationSessionClosed,
        TranslationSessionCreated,
        TranslationSessionUpdate,
        TranslationSessionUpdated,
    )

__all__ = [
    "ClientEvent",
    "ConversationCreated",
    "ConversationItemAdded",
    "ConversationItemCreate",
    "ConversationItemDelete",
    "ConversationItemDeleted",
    "ConversationItemDone",
    "ConversationItemInputAudioTranscriptionCompleted",
    "ConversationItemInputAudioTranscriptionDelta",
    "ConversationItemInputAudioTranscriptionFailed",
    "ConversationItemInputAudioTranscriptionSegment",
    "ConversationItemRetrieve",
    "ConversationItemRetrieved",
    "ConversationItemTruncate",
    "ConversationItemTruncated",
    "Error",
    "InputAudioBufferAppend",
    "InputAudioBufferClear",
    "InputAudioBufferCleared",
    "InputAudioBufferCommit",
    "InputAudioBufferCommitted",
    "InputAudioBufferDtmfEventReceived",
    "InputAudioBufferSpeechStarted",
    "InputAudioBufferSpeechStopped",
    "InputAudioBufferTimeoutTriggered",
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "OutputAudioBufferClear",
    "OutputAudioBufferCleared",
    "OutputAudioBufferStarted",
    "OutputAudioBufferStopped",
    "RateLimitsUpdated",
    "ResponseAudioDelta",
    "ResponseAudioDone",
    "ResponseAudioTranscriptDelta",
    "ResponseAudioTranscriptDone",
    "ResponseCancel",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseCreate",
    "ResponseCreated",
    "ResponseDone",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
    "ResponseMcpCallInProgress",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseTextDelta",
    "ResponseTextDone",
    "ServerEvent",
    "SessionCreated",
    "SessionUpdate",
    "SessionUpdated",
    "TranslationInputAudioBufferAppend",
    "TranslationInputTranscriptDelta",
    "TranslationOutputAudioDelta",
    "TranslationOutputTranscriptDelta",
    "TranslationSessionClose",
    "TranslationSessionClosed",
    "TranslationSessionCreated",
    "TranslationSessionUpdate",
    "TranslationSessionUpdated",
    "UnknownEvent",
]

_FAMILIES = {row.class_name: row.family for row in ROWS}
_FAMILIES.update(dict.fromkeys(("ClientEvent", "ServerEvent", "UnknownEvent"), "_base"))


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.

    def __getattr__(name: str) -> Any:
        try:
            family = _FAMILIES[name]
        except KeyError:
            raise AttributeError(f"there is no event class {name!r}") from None
        value = getattr(load(family), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
