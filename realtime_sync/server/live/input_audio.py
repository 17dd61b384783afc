"""
The user's audio: where speech begins and ends, and what was said.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Iterator, Optional

import attrs

from ..engine.context import EngineJob
from ..engine.input_buffer import InputBuffer
from ..engine.sound import expand_sound, to_native_sound
from ..engine.turns import Started, TurnDetector, TurnRules
from .context import LiveContext

_PADDING_MS = 200
_PAUSE_MS = 500
_RULES = TurnRules(threshold=0.5, padding_ms=_PADDING_MS, silence_ms=_PAUSE_MS)
_KEPT_MS = 1000
_LONGEST_MS = 30_000


@attrs.frozen(kw_only=True)
class Turn:
    """
    A stretch of the user's speech.

    Attributes:
        words: what was heard.
        starts_ms, ends_ms: where the speech begins and ends.
        pcm: its sound, 16-bit PCM at 24 kHz.
        over: False when the user went on speaking.
    """

    words: str
    starts_ms: float
    ends_ms: float
    pcm: bytes = attrs.field(repr=False)
    over: bool = True


class LiveInputAudio:
    """
    Finds speech in what the client appends and has it written down.

    Args:
        context: the session.
        began: called when the user begins to speak.
        heard: called with each stretch, in order.
    """

    def __init__(
        self,
        context: LiveContext,
        *,
        began: Callable[[], None],
        heard: Callable[[Turn], None],
    ) -> None:
        self._context = context
        self._began = began
        self._heard = heard
        self._form = context.settings.form
        self._buffer = InputBuffer(self._form)
        self._detector = TurnDetector(context.agent.activity())
        # Those that wait for their turn; the first is being worked on.
        self._jobs: deque[Callable[[], EngineJob]] = deque()

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking, or has just stopped."""
        return self._detector.speaking

    @property
    def busy(self) -> bool:
        """Whether something is still to be written down."""
        return bool(self._jobs)

    def feed(self, audio: bytes) -> None:
        """Listen to the next piece of the stream."""
        begins = self._buffer.ends_ms
        self._buffer.data += audio
        for boundary in list(self._detector.feed(audio, self._form, begins, _RULES)):
            if isinstance(boundary, Started):
                self._buffer.drop_before(boundary.ms)
                self._began()
            else:
                self._take(boundary.ms, pause=_PAUSE_MS)
        if not self._detector.speaking:
            self._buffer.drop_before(self._buffer.ends_ms - _KEPT_MS)
        elif self._buffer.ms >= _LONGEST_MS:
            self._take(self._buffer.ends_ms, over=False)

    def _take(self, until_ms: float, *, pause: float = 0, over: bool = True) -> None:
        starts = self._buffer.starts_ms
        audio = self._buffer.take(until_ms)
        form, recognizer = self._form, self._context.agent.recognizer
        starts_ms = min(starts + _PADDING_MS, until_ms - pause) if over else starts
        words: list[str] = []

        def work() -> Iterator[str]:
            if recognizer is not None:
                yield recognizer.transcribe(expand_sound(audio, form), form.rate)

        def finish(error: Optional[BaseException]) -> None:
            self._jobs.popleft()
            self._next()
            self._heard(
                Turn(
                    words="".join(words).strip(),
                    starts_ms=starts_ms,
                    ends_ms=until_ms - pause,
                    pcm=to_native_sound(audio, form),
                    over=over,
                )
            )

        self._jobs.append(
            lambda: self._context.submit("hear", work, words.append, finish)
        )
        # One after the other: transcripts come in the order of the speech.
        if len(self._jobs) == 1:
            self._next()

    def _next(self) -> None:
        if self._jobs:
            self._jobs[0]()
