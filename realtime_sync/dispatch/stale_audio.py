"""Which queued audio nobody wants to hear any more."""

from __future__ import annotations

from ..protocol.events import ServerEvent
from ..protocol.vendor_events import CANCELLED, cancelled_response_id
from ..state.snapshot import Snapshot
from .notices import Published

_AUDIO_DELTA = "response.output_audio.delta"
_MOST_RESPONSES = 256


class StaleAudio:
    """
    Remembers the responses that were interrupted, for ``drop_stale_audio``.

    The loop notes; whoever delivers asks.
    """

    def __init__(self) -> None:
        # The loop alone writes; whoever delivers asks with a single look-up.
        self._responses: dict[str, None] = {}

    def note(self, event: ServerEvent, snapshot: Snapshot) -> None:
        """
        Take note of a server event. On the loop.

        Args:
            event: the event.
            snapshot: the conversation as of it.
        """
        if event.type == "input_audio_buffer.speech_started":
            active = snapshot.active_response
            if active is not None:
                self._add(active.id)
        elif event.type == "response.done":
            response = getattr(event, "response", None)
            response_id = getattr(response, "id", None)
            if response_id and getattr(response, "status", None) == "cancelled":
                self._add(response_id)
        elif event.type == "response.created":
            # Nothing of it can be stale yet. Some servers have one id for all: without
            # this, nobody would hear them again after the first interruption.
            response_id = getattr(getattr(event, "response", None), "id", None)
            self._responses.pop(response_id or "", None)
        elif event.type in CANCELLED:
            response_id = cancelled_response_id(event)
            if response_id is not None:
                self._add(response_id)

    def is_of_interrupted(self, event: Published) -> bool:
        """Whether an event is audio of an interrupted response."""
        if event.type != _AUDIO_DELTA:
            return False
        return getattr(event, "response_id", None) in self._responses

    def _add(self, response_id: str) -> None:
        self._responses[response_id] = None
        if len(self._responses) > _MOST_RESPONSES:
            del self._responses[next(iter(self._responses))]
