"""A spoken conversation: what to listen for, what to note, when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..types import UNSET
from .latency import TurnLatency
from .transcript import TerminalTranscript

if TYPE_CHECKING:
    from .. import Session
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import TurnFinished
    from ..protocol import events
    from ..types import Unset

GRACE = 5.0
"""Seconds to wait for a transcript when everything else is there."""


class SpokenConversation:
    """
    Follows one session in which audio is spoken to a server with VAD.

    Its handlers run in the session's dispatcher thread; `settled` is for the thread
    that sends. How long turns took is what `turn.finished` says. One lock guards
    everything but the transcript, which only handlers print to.

    Attributes:
        turns: the turns so far, in order.
        errors: what the server complained about.
    """

    def __init__(
        self,
        session: Session,
        transcript: TerminalTranscript,
        *,
        transcribed: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.turns: list[TurnLatency] = []
        self.errors: list[str] = []
        self._transcript = transcript
        self._transcribed = transcribed
        self._clock = clock
        self._changed = threading.Condition()
        self._speaking = False
        for name, handler in self._handlers().items():
            session.on(name, handler)

    @property
    def started(self) -> bool:
        """Whether any speech was found."""
        with self._changed:
            return self._speaking or any(turn.item_id for turn in self.turns)

    def settled(self) -> bool:
        """Whether every turn was answered and transcribed, as far as it will be."""
        with self._changed:
            return self._settled()

    def wait_settled(self, timeout: float) -> bool:
        """Wait until `settled`, at most *timeout* seconds."""
        deadline = self._clock() + timeout
        with self._changed:
            while not self._settled():
                left = deadline - self._clock()
                if left <= 0:
                    return False
                # Grace runs out without an event, so look again now and then.
                self._changed.wait(min(left, 0.1))
        return True

    def _settled(self) -> bool:
        if self._speaking or not any(turn.item_id for turn in self.turns):
            return False
        return all(self._answered(turn) for turn in self.turns)

    def _answered(self, turn: TurnLatency) -> bool:
        if turn.done is None:
            return False
        if not self._transcribed or turn.heard is not None or not turn.item_id:
            return True
        return self._clock() - turn.done > GRACE

    def _handlers(self) -> dict[EventName, Callable[[Any], None]]:
        return {
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.committed": self._committed,
            "conversation.item.input_audio_transcription.completed": self._heard,
            "conversation.item.input_audio_transcription.failed": self._not_heard,
            "response.created": self._response_created,
            "response.output_audio.delta": self._audio,
            "response.output_audio_transcript.delta": self._words,
            "response.output_text.delta": self._words,
            "response.done": self._response_done,
            "turn.finished": self._finished,
            "error": self._error,
        }

    def _speech_started(self, event: events.InputAudioBufferSpeechStarted) -> None:
        with self._changed:
            self._speaking = True

    def _speech_stopped(self, event: events.InputAudioBufferSpeechStopped) -> None:
        with self._changed:
            self._turn(event.item_id)
            self._speaking = False

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        with self._changed:
            self._turn(event.item_id)
            # A commit may end a turn without `speech_stopped`.
            self._speaking = False
        if self._transcribed:
            self._transcript.hold()

    def _heard(
        self, event: events.ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        with self._changed:
            turn = self._turn(event.item_id)
            turn.said = str(event.transcript or "").strip()
            turn.heard = self._clock()
            self._changed.notify_all()
        self._transcript.user(turn.said)

    def _not_heard(
        self, event: events.ConversationItemInputAudioTranscriptionFailed
    ) -> None:
        with self._changed:
            turn = self._turn(event.item_id)
            turn.heard = self._clock()
            self._changed.notify_all()
        self._transcript.user("(not understood)")

    def _response_created(self, event: events.ResponseCreated) -> None:
        with self._changed:
            self._answer(_spoken_response_id(event))

    def _audio(self, event: events.ResponseAudioDelta) -> None:
        with self._changed:
            self._answer(event.response_id).audio += event.delta or b""

    def _words(
        self, event: events.ResponseAudioTranscriptDelta | events.ResponseTextDelta
    ) -> None:
        with self._changed:
            turn = self._answer(event.response_id)
            turn.answer += event.delta or ""
        self._transcript.server(event.delta or "")

    def _response_done(self, event: events.ResponseDone) -> None:
        with self._changed:
            turn = self._answer(_spoken_response_id(event))
            turn.status = str(event.response.status if event.response else UNSET)
            turn.problem = _problem_of_conversation(event.response)
            turn.done = self._clock()
            self._changed.notify_all()
        self._transcript.end()

    def _finished(self, event: TurnFinished) -> None:
        with self._changed:
            self._answer(event.response_id).times = event

    def _error(self, event: events.Error) -> None:
        with self._changed:
            self.errors.append(str(getattr(event.error, "message", UNSET)))

    def _turn(self, item_id: str | Unset) -> TurnLatency:
        """The turn of an item of the user, made when it is new."""
        item_id = item_id or ""
        for turn in self.turns:
            if turn.item_id == item_id:
                return turn
        self.turns.append(TurnLatency(item_id))
        return self.turns[-1]

    def _answer(self, response_id: str | Unset | None) -> TurnLatency:
        """The turn that a response answers: the first one without an answer."""
        response_id = response_id or ""
        for turn in self.turns:
            if turn.response_id == response_id:
                return turn
        for turn in self.turns:
            if turn.response_id is None:
                turn.response_id = response_id
                return turn
        # Nobody asked: the server speaks by itself.
        self.turns.append(TurnLatency("", response_id=response_id))
        return self.turns[-1]


def _spoken_response_id(event: events.ResponseCreated | events.ResponseDone) -> str:
    """The id of the response, "" where the server leaves it out."""
    return (event.response and event.response.id) or ""


def _problem_of_conversation(response: object) -> str | None:
    """Why a response was not completed, as far as the server says."""
    details = getattr(response, "status_details", None) or None
    error = getattr(details, "error", None) or None
    said = getattr(error, "message", None) or getattr(details, "reason", None)
    return str(said) if said else None
