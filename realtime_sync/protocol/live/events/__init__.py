"""
The events of GPT-Live, one class each.

The classes live in one module per wire namespace, which is loaded when the
first of its classes is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..registry import CLIENT, SERVER

if TYPE_CHECKING:
    from ._base import CorrelatedEvent
    from .audio import (
        InputAudioAppend,
        InputAudioMute,
        InputAudioMuted,
        InputAudioUnmute,
        InputAudioUnmuted,
        OutputAudioDelta,
        OutputAudioFixturePlay,
        OutputAudioFixturePlayed,
        OutputAudioFixturePlaying,
        SessionInputAudioAppend,
    )
    from .context import (
        CommentaryAppend,
        CommentaryAppended,
        InstructionsAppend,
        InstructionsAppended,
        ThinkingAppend,
        ThinkingAppended,
    )
    from .decision import (
        DecisionCreate,
        DecisionEvent,
        DecisionItemCreate,
        DecisionItemCreated,
        DecisionItemDelete,
        DecisionItemDeleted,
    )
    from .response import (
        ResponseCreate,
        ResponseEvent,
        ResponseItemCreate,
    )
    from .service import (
        Error,
        Info,
    )
    from .session import (
        DelegationCreated,
        SessionClose,
        SessionClosed,
        SessionPaused,
        SessionResumed,
        SessionStart,
        SessionStarted,
        SessionUpdate,
        SessionUpdated,
        SessionUsageUpdated,
    )
    from .transcript import (
        InputTranscriptDelta,
        OutputTranscriptDelta,
    )
    from .transport import (
        TransportAnswered,
        TransportDtmfReceived,
        TransportDtmfSend,
        TransportDtmfSendNotice,
        TransportDtmfSent,
        TransportFailed,
        TransportRinging,
    )

__all__ = [
    "CommentaryAppend",
    "CommentaryAppended",
    "CorrelatedEvent",
    "DecisionCreate",
    "DecisionEvent",
    "DecisionItemCreate",
    "DecisionItemCreated",
    "DecisionItemDelete",
    "DecisionItemDeleted",
    "DelegationCreated",
    "Error",
    "Info",
    "InputAudioAppend",
    "InputAudioMute",
    "InputAudioMuted",
    "InputAudioUnmute",
    "InputAudioUnmuted",
    "InputTranscriptDelta",
    "InstructionsAppend",
    "InstructionsAppended",
    "OutputAudioDelta",
    "OutputAudioFixturePlay",
    "OutputAudioFixturePlayed",
    "OutputAudioFixturePlaying",
    "OutputTranscriptDelta",
    "ResponseCreate",
    "ResponseEvent",
    "ResponseItemCreate",
    "SessionClose",
    "SessionClosed",
    "SessionInputAudioAppend",
    "SessionPaused",
    "SessionResumed",
    "SessionStart",
    "SessionStarted",
    "SessionUpdate",
    "SessionUpdated",
    "SessionUsageUpdated",
    "ThinkingAppend",
    "ThinkingAppended",
    "TransportAnswered",
    "TransportDtmfReceived",
    "TransportDtmfSend",
    "TransportDtmfSendNotice",
    "TransportDtmfSent",
    "TransportFailed",
    "TransportRinging",
]

_FAMILIES = {
    class_name: family
    for table in (CLIENT, SERVER)
    for family, rows in table.items()
    for _, class_name in rows
}
_FAMILIES["CorrelatedEvent"] = "_base"


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.

    def __getattr__(name: str) -> Any:
        try:
            family = _FAMILIES[name]
        except KeyError:
            raise AttributeError(f"there is no event class {name!r}") from None
        value = getattr(import_module(f"{__name__}.{family}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
