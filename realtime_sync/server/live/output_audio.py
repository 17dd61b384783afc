"""
The output of a session: one frame for every 100 ms, of speech or of silence.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Optional

import attrs

from ..engine.sound import SoundFormat, compress_sound
from .fragments import Word, timed_fragment_words
from .limits import FRAME_MS, GRID_MS

_MS_PER_CHARACTER = 60
"""Of words that the agent's synthesizer made no sound for: they take their time."""


@attrs.define(eq=False)
class Clip:
    """
    Something to be heard.

    Attributes:
        audio: in the session's format.
        words: what is said in it, in order.
        ended: called when all of it was sent.
        place: how much of it was, in bytes.
    """

    audio: bytes = attrs.field(repr=False)
    words: deque[Word]
    ended: Optional[Callable[[], None]] = None
    place: int = 0


class OutputAudioLine:
    """
    What the model says, on the session's clock.

    A stretch of the grid is made as a whole, so that its words are told before its
    audio.

    Args:
        form: format of the audio.
        fragment: called with the words that begin in a stretch, and where it begins.
    """

    def __init__(self, form: SoundFormat, fragment: Callable[[str, int], None]) -> None:
        self.form = form
        self._fragment = fragment
        self._clips: deque[Clip] = deque()
        self._ready = b""
        self._fresh = True
        self._silence = silent_output_audio(form, GRID_MS)

    @property
    def busy(self) -> bool:
        """Whether something is still to be heard."""
        return bool(self._clips or self._ready)

    @property
    def waiting_ms(self) -> float:
        """How long what is still to be heard takes."""
        sizes = (len(clip.audio) - clip.place for clip in self._clips)
        return self.form.milliseconds(sum(sizes))

    def say(self, text: str, audio: bytes) -> None:
        """Say something after all that is to be said already."""
        if text.strip() and not audio:
            audio = silent_output_audio(self.form, _MS_PER_CHARACTER * len(text))
        words = timed_fragment_words(text, self.form.milliseconds(len(audio)))
        self._clips.append(Clip(audio, deque(words)))

    def play(self, audio: bytes, ended: Callable[[], None]) -> None:
        """Play something that is no speech of the model; calls *ended* after it."""
        self._clips.append(Clip(audio, deque(), ended))

    def interrupt(self) -> None:
        """Stop: what follows is silence."""
        self._clips.clear()
        self._ready = b""
        self._fresh = True

    def frame(self, at_ms: int) -> bytes:
        """Return the audio of the 100 ms that begin at *at_ms*."""
        size = self.form.offset(FRAME_MS)
        if at_ms % GRID_MS == 0:
            self._ready = self._stretch(at_ms)
        audio, self._ready = self._ready[:size], self._ready[size:]
        return audio or self._silence[:size]

    def _stretch(self, at_ms: int) -> bytes:
        if not self._clips:
            self._fresh = True
            return b""
        size = self.form.offset(GRID_MS)
        audio, text = b"", ""
        ended = []
        while self._clips and len(audio) < size:
            clip = self._clips[0]
            audio += clip.audio[clip.place : clip.place + size - len(audio)]
            clip.place = min(len(clip.audio), clip.place + size)
            played = self.form.milliseconds(clip.place)
            over = clip.place == len(clip.audio)
            while clip.words and (over or clip.words[0].ms < played):
                text += clip.words.popleft().text
            if over:
                ended.append(self._clips.popleft().ended)
        if text:
            self._fragment(text.lstrip() if self._fresh else text, at_ms)
            self._fresh = False
        for call in ended:
            if call is not None:
                call()
        return audio + self._silence[len(audio) :]


def silent_output_audio(form: SoundFormat, milliseconds: int) -> bytes:
    """Return audio in which nothing is heard."""
    samples = form.rate * milliseconds // 1000
    return compress_sound(bytes(2 * samples), form)
