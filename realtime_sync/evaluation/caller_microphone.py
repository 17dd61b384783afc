"""A microphone that somebody speaks into who is a program."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Optional

from attrs import define, field

from .. import audio
from ..audio import PCM16, AudioFormat, Converter, Pacer, audio_format
from ..deadline import Flag
from ..errors import RealtimeError
from .call_notes import CallerUtterance
from .call_time import CallTime
from .caller_sound import Conditions, Sound, caller_block_is_lost, mix_caller_noise
from .speech_intervals import Interval

BLOCK_SECONDS = 0.02


@define(eq=False)
class MicrophoneSpeech:
    """
    Something that is being said, or was.

    Attributes:
        sound: what.
        kind: ``say``, ``interrupt`` or ``dtmf``.
        pcm: its samples at the rate of the line.
        begun: set when its first loud sound was sent, or never will be.
        over: set when its last sample was sent, or never will be.
        start, end: when its first and its last loud sound were spoken; by the clock.
        place: bytes of it that were sent.
        seconds: the same in time.
    """

    sound: Sound
    kind: str
    pcm: bytes = field(repr=False)
    begun: threading.Event = field(factory=Flag)
    over: threading.Event = field(factory=Flag)
    start: Optional[float] = None
    end: Optional[float] = None
    place: int = 0
    seconds: float = 0.0

    def finish(self) -> None:
        """Wake whoever waits for its beginning or its end: no more of it is sent."""
        self.begun.set()
        self.over.set()


class CallerMicrophone:
    """
    Sends sound to a session block by block at real time, as a microphone does:
    silence, or noise, while nobody speaks.

    A thread of its own sends; `say` and `close` may be called from any other. Where
    time is moved by hand, whoever moves it sends.

    Args:
        send: takes the sound, block by block; raises `RealtimeError` when the call is
            over.
        format: how it is to be coded.
        name: of the call, for the thread.
        conditions: noise, loss and jitter.
        seed: of what is random.
        time: of the call.
        said: called, on the thread that sends, with everything that was said.
    """

    def __init__(
        self,
        send: Callable[[bytes], object],
        format: AudioFormat,
        conditions: Conditions,
        *,
        name: str,
        seed: int,
        time: CallTime,
        said: Callable[[MicrophoneSpeech], None],
    ) -> None:
        self._deliver = send
        self._conditions = conditions
        self._clock = time.now
        self._said = said
        self._rng = random.Random(seed)
        self._wide = audio_format(PCM16, rate=format.rate)
        self._noise = self._resampled(conditions.noise_loop(seed))
        self._noise_place = 0
        self._size = self._wide.size(BLOCK_SECONDS * 1000)
        self._stop = Flag()
        # Guards what waits to be said. A leaf, held for as long as an append takes.
        # Re-entrant: a signal handler may hang up while its thread speaks.
        self._lock = threading.RLock()
        self._waiting: deque[MicrophoneSpeech] = deque()
        self._ended = False
        # Resampled as a whole before: on its way, a resampler would keep some back.
        self._converter = Converter(self._wide, format)
        self._blocks = 0
        self._began = time.now()
        self._due = self._next_due()
        self._thread: Optional[threading.Thread] = None
        time.each_step(self._send_due)
        if time.threads:
            self._thread = threading.Thread(
                target=self._run, name=f"realtime-sync {name} caller", daemon=True
            )
            self._thread.start()

    def say(self, sound: Sound, kind: str) -> MicrophoneSpeech:
        """Say something after what waits to be said; does not wait."""
        spoken = MicrophoneSpeech(sound, kind, self._resampled(sound.pcm))
        with self._lock:
            if self._ended:
                spoken.finish()
            else:
                self._waiting.append(spoken)
        return spoken

    def _resampled(self, pcm: bytes) -> bytes:
        """Sound at the rate of the line."""
        if not pcm or self._wide.rate == PCM16.rate:
            return pcm
        rate, wide = PCM16.rate, self._wide.rate
        return audio.convert(pcm, PCM16, PCM16, rate=rate, to_rate=wide)

    def close(self, timeout: float = 5.0) -> None:
        """Send nothing more; what was not said never will be."""
        self._stop.set()
        if self._thread is None:
            self._end()
        else:
            self._thread.join(timeout)

    def _run(self) -> None:
        pacer = Pacer(clock=self._clock, stop=self._stop)
        pacer.wait(0)
        try:
            while pacer.wait(self._due):
                self._send()
        except RealtimeError:
            # The session is over, and says so itself to whoever waits on it.
            return
        finally:
            self._end()

    def _send_due(self) -> None:
        """Send what is due by a clock that is moved by hand."""
        try:
            while not self._ended and self._began + self._due <= self._clock():
                self._send()
        except RealtimeError:
            self._end()

    def _next_due(self) -> float:
        """When the next block is due, in seconds of sound."""
        self._blocks += 1
        # A block is complete when its end was spoken.
        due = self._blocks * BLOCK_SECONDS
        return due + self._rng.uniform(0, self._conditions.jitter)

    def _send(self) -> None:
        self._due = self._next_due()
        with self._lock:
            spoken = self._waiting[0] if self._waiting else None
        block = bytes(self._size)
        if spoken is not None:
            sound = spoken.pcm[spoken.place : spoken.place + self._size]
            block = sound + block[len(sound) :]
        if self._noise:
            block = mix_caller_noise(block, self._next_noise())
        if caller_block_is_lost(self._rng, self._conditions.loss):
            block = bytes(self._size)
        sent = self._converter.feed(block)
        if sent:
            self._deliver(sent)
        if spoken is not None:
            self._progress(spoken, self._clock())

    def _next_noise(self) -> bytes:
        place = self._noise_place
        self._noise_place = (place + self._size) % (len(self._noise) - self._size)
        return self._noise[place : place + self._size]

    def _progress(self, spoken: MicrophoneSpeech, now: float) -> None:
        """Note when the loud parts of a block were spoken whose end is sent then."""
        spoken.place += self._size
        spoken.seconds += BLOCK_SECONDS
        reached = spoken.seconds
        if spoken.start is None and reached >= spoken.sound.first:
            spoken.start = now - (reached - spoken.sound.first)
            spoken.begun.set()
        if spoken.end is None and reached >= spoken.sound.last:
            spoken.end = now - (reached - spoken.sound.last)
        if spoken.place >= len(spoken.pcm):
            with self._lock:
                if not self._waiting or self._waiting[0] is not spoken:
                    return  # A signal handler has hung up, and told of it.
                self._waiting.popleft()
            self._said(spoken)
            spoken.finish()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            waiting = list(self._waiting)
            self._waiting.clear()
        for spoken in waiting:
            if spoken.start is not None:
                self._said(spoken)
            spoken.finish()


def microphone_utterance(
    spoken: MicrophoneSpeech, began: float
) -> Optional[CallerUtterance]:
    """
    What was said, on the time axis of a recording; None if nothing of it was.

    Args:
        spoken: what the microphone has sent.
        began: when the recording began, by the clock of the microphone.
    """
    if spoken.start is None:
        return None
    start = max(0.0, spoken.start - began)
    end = start if spoken.end is None else max(start, spoken.end - began)
    if spoken.end is None:
        end = start + spoken.seconds
    return CallerUtterance(
        text=spoken.sound.text, interval=Interval(start, end), kind=spoken.kind
    )
