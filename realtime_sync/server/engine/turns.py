"""
Server voice activity detection: from probabilities to begin and end of a turn.
"""

from __future__ import annotations

from math import gcd
from typing import Any, Iterator, Mapping, Optional, Union

import attrs

from ..voice.interfaces import VoiceActivity
from .sound import SoundFormat, expand_sound, resample_sound

SEMANTIC_PAUSE_MS: Mapping[str, int] = {
    "low": 2000,
    "medium": 1000,
    "auto": 1000,
    "high": 500,
}
"""
Pause that ends a turn under ``semantic_vad``, by eagerness: a quarter of the longest
wait that the protocol names. Whether the words are complete is not judged.
"""
_SEMANTIC_PADDING_MS = 300
_SEMANTIC_THRESHOLD = 0.5
_MINIMUM_SPEECH_MS = 40
"""Anything shorter is a click."""


@attrs.frozen
class Started:
    """Speech began; the turn's audio begins at `ms`, padding included."""

    ms: int


@attrs.frozen
class Stopped:
    """The turn is over; its audio ends at `ms`, the final silence included."""

    ms: int


Boundary = Union[Started, Stopped]


@attrs.frozen
class TurnRules:
    """What the session's ``turn_detection`` comes down to."""

    threshold: float
    padding_ms: int
    silence_ms: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> TurnRules:
        """Read the rules from a complete ``turn_detection`` object."""
        if settings["type"] == "semantic_vad":
            return cls(
                _SEMANTIC_THRESHOLD,
                _SEMANTIC_PADDING_MS,
                SEMANTIC_PAUSE_MS[settings["eagerness"]],
            )
        return cls(
            settings["threshold"],
            settings["prefix_padding_ms"],
            settings["silence_duration_ms"],
        )


class TurnDetector:
    """
    Finds turns in the stream of a session.

    Times are milliseconds of audio written since the session began.

    Args:
        activity: source of probabilities, this session's own.
    """

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._chunk_ms = activity.chunk_bytes * 1000 / (activity.rate * 2)
        self._rest = b""
        # What is not yet a whole sample of the activity's rate.
        self._cut = b""
        self._form: Optional[SoundFormat] = None
        self._at: Optional[float] = None
        self._reset_turn()

    def _reset_turn(self) -> None:
        self.speaking = False
        self._speech_ms = 0.0
        self._silence_ms = 0.0

    def reset(self) -> None:
        """Forget a turn that has begun, and the stream so far."""
        self._rest = self._cut = b""
        self._at = None
        self._reset_turn()
        self._activity.reset()

    def finish_turn(self) -> None:
        """Forget a turn that has begun; the stream goes on."""
        self._reset_turn()

    def feed(
        self, audio: bytes, form: SoundFormat, starts_ms: float, rules: TurnRules
    ) -> Iterator[Boundary]:
        """
        Listen to the next piece of the stream and yield what happens in it.

        Args:
            audio: bytes in *form*.
            form: the session's input format.
            starts_ms: where the piece begins.
            rules: settings in force.
        """
        if self._at is None:
            self._at = starts_ms
        self._rest += self._heard(audio, form)
        size = self._activity.chunk_bytes
        while len(self._rest) >= size:
            chunk, self._rest = self._rest[:size], self._rest[size:]
            boundary = self._step(chunk, rules)
            if boundary is not None:
                yield boundary

    def _heard(self, audio: bytes, form: SoundFormat) -> bytes:
        """
        The piece at the activity's rate, in whole samples of both.

        What is cut off is kept: one odd byte would turn all that follows to noise.
        """
        if form is not self._form:
            self._cut, self._form = b"", form
        audio = self._cut + audio
        step = form.rate // gcd(form.rate, self._activity.rate) * form.width
        whole = len(audio) // step * step
        self._cut = audio[whole:]
        return resample_sound(
            expand_sound(audio[:whole], form), form.rate, self._activity.rate
        )

    def _step(self, chunk: bytes, rules: TurnRules) -> Optional[Boundary]:
        assert self._at is not None
        begins = self._at
        self._at += self._chunk_ms
        speech = self._activity.probability(chunk) >= rules.threshold
        if not self.speaking:
            return self._waiting(speech, begins, rules)
        if speech:
            self._silence_ms = 0.0
            return None
        self._silence_ms += self._chunk_ms
        if self._silence_ms < rules.silence_ms:
            return None
        self._reset_turn()
        return Stopped(round(self._at))

    def _waiting(
        self, speech: bool, begins: float, rules: TurnRules
    ) -> Optional[Boundary]:
        if not speech:
            self._speech_ms = 0.0
            return None
        self._speech_ms += self._chunk_ms
        if self._speech_ms < _MINIMUM_SPEECH_MS:
            return None
        first = begins + self._chunk_ms - self._speech_ms
        self._reset_turn()
        self.speaking = True
        return Started(max(0, round(first - rules.padding_ms)))
