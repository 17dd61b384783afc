"""
The engine of a translation session: audio in, another language's audio out.

There are no items, responses or turns on the wire. Inside, the stream is cut where
the speaker pauses, and each stretch is heard, answered by the agent (asked to
translate) and spoken.
"""

from __future__ import annotations

import base64
import random
from collections import deque
from typing import Any, Iterator, Mapping, Optional, Union

from ..agents.base import Agent, Piece, Prompt, Say, agent_pieces
from . import ga_shapes
from .configuration import EngineConfiguration
from .context import EngineContext, EngineJob, Options
from .conversation import EngineConversation, decoded_conversation_audio
from .exchange import Exchange, Frame
from .ids import Ids
from .input_buffer import InputBuffer, check_input_buffer_size
from .refusal import refuse_expired_session
from .responses import spoken_for_response
from .sound import PCM
from .turns import Started, TurnDetector, TurnRules

APPEND_LIMIT = 15 << 20
_RULES = TurnRules(threshold=0.5, padding_ms=200, silence_ms=400)
_KEPT_MS = 1000


class TranslationEngine:
    """
    The server's side of one translation session; drives like `Engine`.

    Args:
        agent: translates what its prompt's instructions ask for.
        now: seconds since the epoch.
        model: as the client named it.
        config: session configuration to begin with.
        options: behaviour beyond the protocol.
        rng: source of ids.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        now: float,
        model: str = "gpt-realtime-translate",
        config: Optional[Mapping[str, Any]] = None,
        options: Options = Options(),
        rng: Optional[random.Random] = None,
    ) -> None:
        ids = Ids(rng or random.Random())
        self.session_type = "translation"
        self.dialect = "ga"
        self.options = options
        self.expires_at = int(now + options.session_seconds)
        self.closing: Optional[tuple[int, str]] = None
        self.context = EngineContext(
            agent=agent,
            ids=ids,
            options=options,
            dialect="ga",
            session_id=ids.new("sess"),
            config=EngineConfiguration("translation", model, given=config),
            conversation=EngineConversation(ids),
            now=now,
        )
        self._began = now
        self._buffer = InputBuffer(PCM)
        self._detector = TurnDetector(agent.activity())
        self._waiting: deque[bytes] = deque()
        self._job: Optional[EngineJob] = None
        self._ending = False
        self._exchange = exchange = Exchange(
            self.context,
            ga_shapes.TRANSLATION,
            {
                "session.update": self._session_update,
                "session.input_audio_buffer.append": self._append,
                "session.close": self._session_close,
            },
        )
        # Frames and jobs pass in the same way whatever the session is about.
        self.receive, self.receive_text = exchange.receive, exchange.receive_text
        self.receive_binary, self.settle = exchange.receive_binary, exchange.settle
        self.take_jobs, self.job_output = exchange.take_jobs, exchange.job_output
        self.job_done = exchange.job_done

    # -- truth -----------------------------------------------------------------

    @property
    def session_id(self) -> str:
        """The id that the client is told."""
        return self.context.session_id

    def session(self) -> Frame:
        """Build the session object."""
        return {
            **self.context.config.shown(),
            "id": self.context.session_id,
            "expires_at": self.expires_at,
        }

    def truth(self) -> dict[str, Any]:
        """Describe the session: there is nothing in it but its configuration."""
        return {"session": self.session(), "items": [], "responses": []}

    # -- input -----------------------------------------------------------------

    def open(self, now: float) -> list[Frame]:
        """Begin the session; returns the frames to send."""
        self.context.now = now
        self.context.emit("session.created", session=self.session())
        return self._exchange.flush()

    def tick(self, now: float) -> list[Frame]:
        """Let time pass; returns the frames to send."""
        self.context.now = now
        if now >= self.expires_at and self.closing is None:
            minutes = round(self.options.session_seconds / 60)
            self._exchange.emit_refusal(refuse_expired_session(minutes))
            self.closing = (1001, "invalid_request_error.session_expired")
        return self._exchange.flush()

    def deadline(self) -> float:
        """Return when `tick` has something to do, seconds since the epoch."""
        return float(self.expires_at)

    def expire(self) -> None:
        """Let the session's time be up; the next `tick` says so and ends it."""
        self.expires_at = int(self.context.now)

    def close(self) -> None:
        """Drop what is still being worked on."""
        self._waiting.clear()
        if self._job is not None:
            self._job.dropped = True

    # -- commands --------------------------------------------------------------

    def _session_update(self, frame: Frame) -> None:
        self.context.config.update(frame["session"], voice_fixed=False)
        self.context.emit("session.updated", session=self.session())

    def _append(self, frame: Frame) -> None:
        audio = decoded_conversation_audio(frame["audio"], "audio")
        check_input_buffer_size(audio, APPEND_LIMIT)
        begins = self._buffer.ends_ms
        self._buffer.data += audio
        for boundary in self._detector.feed(audio, PCM, begins, _RULES):
            if isinstance(boundary, Started):
                self._buffer.drop_before(boundary.ms)
            else:
                self._waiting.append(self._buffer.take(boundary.ms))
        if not self._detector.speaking:
            self._buffer.drop_before(self._buffer.ends_ms - _KEPT_MS)
        self._next()

    def _session_close(self, frame: Frame) -> None:
        if self._detector.speaking:
            self._waiting.append(self._buffer.take())
        self._ending = True
        self._next()

    # -- translating -----------------------------------------------------------

    def _next(self) -> None:
        """Work on one stretch at a time, so that output keeps the order of input."""
        if self._job is not None:
            return
        if self._waiting:
            self._translate(self._waiting.popleft())
        elif self._ending and self.closing is None:
            self.context.emit("session.closed")
            self.closing = (1000, "")

    def _translate(self, pcm: bytes) -> None:
        agent, config = self.context.agent, self.context.config
        language = config.spoken.get("language", "es")

        def work() -> Iterator[Any]:
            words = (
                agent.recognizer.transcribe(pcm, PCM.rate) if agent.recognizer else ""
            )
            yield words
            prompt = _translation_prompt(
                words, pcm, language, config, self.context.session_id
            )
            for piece in agent_pieces(agent.reply(prompt)):
                if isinstance(piece, Say):
                    yield from spoken_for_response(
                        piece, prompt, agent.synthesizer, PCM
                    )

        self._job = EngineJob("translate", work, self._heard, self._translated)
        self.context.submit(self._job)

    def _heard(self, piece: Union[str, Piece]) -> None:
        elapsed = round((self.context.now - self._began) * 1000)
        if isinstance(piece, str):
            wanted = self.context.config.heard.get("transcription") is not None
            if wanted and piece:
                self.context.emit(
                    "session.input_transcript.delta", delta=piece, elapsed_ms=elapsed
                )
        elif isinstance(piece, Say):
            self._said(piece, elapsed)

    def _said(self, piece: Say, elapsed: int) -> None:
        if piece.text:
            self.context.emit(
                "session.output_transcript.delta", delta=piece.text, elapsed_ms=elapsed
            )
        audio = piece.audio or b""
        size = PCM.offset(self.options.delta_ms)
        for at in range(0, len(audio), size):
            self.context.emit(
                "session.output_audio.delta",
                delta=base64.b64encode(audio[at : at + size]).decode(),
                sample_rate=PCM.rate,
                channels=1,
                format="pcm16",
                elapsed_ms=elapsed,
            )

    def _translated(self, error: Optional[BaseException]) -> None:
        self._job = None
        self._next()


def _translation_prompt(
    words: str, pcm: bytes, language: str, config: EngineConfiguration, session_id: str
) -> Prompt:
    part = {"type": "input_audio", "transcript": words}
    item = {"id": "speech", "type": "message", "role": "user", "content": [part]}
    return Prompt(
        items=(item,),
        audio={"speech": pcm},
        instructions=f"Translate what the user says into the language {language!r}. "
        "Say nothing else.",
        modality="audio",
        model=config.get("model") or "",
        session_id=session_id,
    )
