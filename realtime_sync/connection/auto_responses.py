"""
Which responses the server makes by itself, as far as what it says tells.

With turn detection a server answers when the user stops speaking, and its
`response.created` looks like the answer to a `response.create` that was sent at the
same time. A server that gives our metadata back leaves no doubt; until it has done so
once, this tells the two apart.
"""

from __future__ import annotations

from collections import deque

from ..protocol.events import ServerEvent
from ..types import UNSET, Unset

_MOST_SETTLED = 64


class AutoResponses:
    """
    Follows the turns of one connection. On the loop only.

    Attributes:
        awaited: a turn has ended that the server has not answered yet.
    """

    TYPES = frozenset(
        {
            "session.created",
            "session.updated",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "input_audio_buffer.cleared",
        }
    )
    """What `note` is to be told of."""

    def __init__(self) -> None:
        self.awaited = False
        self._detects = False
        self._answers = True
        # A deque, because a server may never say that a response is done.
        self._settled: deque[str] = deque(maxlen=_MOST_SETTLED)

    def note(self, event: ServerEvent, *, asked: bool) -> None:
        """
        Note what the server says of turns.

        Args:
            event: any event.
            asked: whether it acknowledges a command.
        """
        if event.type in ("session.created", "session.updated"):
            self._configured(getattr(event, "session", None))
        elif event.type == "input_audio_buffer.speech_stopped":
            self.awaited = self._answers
        elif event.type == "input_audio_buffer.committed":
            if self._detects and not asked:
                self.awaited = self._answers
        elif event.type == "input_audio_buffer.cleared":
            self.awaited = False

    def created(self, event: ServerEvent, *, ours: bool, wanted: bool) -> None:
        """
        Note a `response.created`.

        Args:
            event: the event.
            ours: whether it acknowledged a command.
            wanted: whether a command still waits for one.
        """
        doubtful = self.awaited and wanted and not ours
        if not ours:
            self.awaited = False
        response_id = getattr(getattr(event, "response", None), "id", None)
        if isinstance(response_id, str) and not doubtful:
            self._settled.append(response_id)

    def settled(self, event: ServerEvent) -> bool:
        """
        Whether a `response.done` is of a response whose `response.created` was
        assigned already, so that it answers no `response.create` any more.
        """
        response_id = getattr(getattr(event, "response", None), "id", None)
        if not isinstance(response_id, str) or response_id not in self._settled:
            return False
        self._settled.remove(response_id)
        return True

    def _configured(self, session: object) -> None:
        audio = getattr(session, "audio", None)
        detection = getattr(getattr(audio, "input", None), "turn_detection", UNSET)
        if isinstance(detection, Unset):
            return  # Not told; some servers tell only what was changed.
        self._detects = detection is not None
        refused = getattr(detection, "create_response", None) is False
        self._answers = self._detects and not refused
        if not self._answers:
            self.awaited = False
