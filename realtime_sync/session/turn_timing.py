"""
The clock of turns: how long each answer took, for `turn.finished`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic
from typing import Any, Optional, Union, cast

from ..connection.command_handle import CommandOfHandle
from ..dispatch.notices import TurnFinished
from ..protocol import events
from ..protocol.events import ServerEvent
from ..state.latency import MOMENTS, SpeechEnd, Turn
from .audio import heard_audio_format

_BEGINNINGS = frozenset(
    {
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
    }
)


TurnEnd = Union[
    "events.InputAudioBufferSpeechStopped", "events.InputAudioBufferCommitted"
]
TextDelta = Union["events.ResponseTextDelta", "events.ResponseAudioTranscriptDelta"]


class TurnClock:
    """
    Times responses from the end of the turn that they answer.

    Fed by the loop with server events, and by senders with commands. Costs a
    look-up per event while nobody listens for `turn.finished`; the audio that is
    sent is looked at only while somebody does.

    Args:
        wanted: tells whether anybody listens.
        clock: seconds that never go back.

    Attributes:
        types: canonical types of the events to give it now; the pieces of an
            answer only while one is timed.
    """

    def __init__(
        self, wanted: Callable[[], bool], clock: Callable[[], float] = monotonic
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._speech = SpeechEnd()
        self._heard_format = heard_audio_format(None)
        self._ended: Optional[float] = None
        self._found: Optional[float] = None
        self._asked: Optional[float] = None
        self._item_id: Optional[str] = None
        self._turns: dict[str, Turn] = {}
        self.types: Collection[str] = _BEGINNINGS
        self._steps: dict[str, Callable[[Any], Optional[TurnFinished]]] = {
            "session.created": self._configured,
            "session.updated": self._configured,
            "input_audio_buffer.speech_stopped": self._turn_ended,
            "input_audio_buffer.committed": self._committed,
            "response.created": self._created,
            "response.output_text.delta": self._text,
            "response.output_audio_transcript.delta": self._text,
            "response.output_audio.delta": self._audio,
            "response.done": self._done,
        }

    def command(self, command: CommandOfHandle) -> None:
        """Note what was sent: speech, or a response that is asked for."""
        if command.type == "input_audio_buffer.append":
            if self._wanted():
                append = cast("events.InputAudioBufferAppend", command)
                self._speech.sent(self._clock(), append.audio, *self._heard_format)
        elif command.type == "response.create":
            self._asked = self._clock()

    def event(self, event: ServerEvent) -> Optional[TurnFinished]:
        """Note what came; returns the notice when a response has ended."""
        step = self._steps.get(event.type)
        return None if step is None else step(event)

    def _configured(
        self, event: Union[events.SessionCreated, events.SessionUpdated]
    ) -> None:
        self._heard_format = heard_audio_format(event.session)

    def _turn_ended(self, event: TurnEnd) -> None:
        self._found = self._clock()
        self._ended = self._speech.take(self._found)
        self._item_id = _text_or_none_of_turn(event.item_id)

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        if self._ended is None or self._item_id != event.item_id:
            self._turn_ended(event)

    def _created(self, event: events.ResponseCreated) -> None:
        response_id = _text_or_none_of_turn(getattr(event.response, "id", None))
        if response_id is None or not self._wanted():
            return
        now = self._clock()
        start = self._ended if self._ended is not None else self._asked
        turn = Turn(start=now if start is None else start, item_id=self._item_id)
        if self._found is not None:
            turn.moments["found"] = self._found
        turn.moments["created"] = now
        self._turns[response_id] = turn
        self.types = self._steps
        self._ended = self._found = self._asked = self._item_id = None

    def _text(self, event: TextDelta) -> None:
        turn = self._turns.get(event.response_id or "") if self._turns else None
        if turn is not None and "first_text" not in turn.moments:
            turn.moments["first_text"] = self._clock()

    def _audio(self, event: events.ResponseAudioDelta) -> None:
        turn = self._turns.get(event.response_id or "") if self._turns else None
        if turn is not None and "first_audio" not in turn.moments:
            turn.moments["first_audio"] = self._clock()

    def _done(self, event: events.ResponseDone) -> Optional[TurnFinished]:
        response_id = getattr(event.response, "id", None)
        turn = self._turns.pop(response_id, None) if response_id else None
        if not self._turns:
            self.types = _BEGINNINGS
        if turn is None:
            return None

        turn.moments["done"] = self._clock()
        return TurnFinished(
            response_id=response_id,
            item_id=turn.item_id,
            status=_text_or_none_of_turn(getattr(event.response, "status", None)),
            **{f"{name}_ms": turn.after_ms(name) for name in MOMENTS},
            usage=getattr(event.response, "usage", None) or None,
        )


def _text_or_none_of_turn(value: object) -> Optional[str]:
    return value if isinstance(value, str) else None
