"""Taking out of what a microphone hears what the loudspeaker says."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Union

from ..errors import ConfigurationError
from ..types import AudioBytes
from .convert import Converter
from .extras import require_extra
from .formats import PCM16, AudioFormat, FormatLike, audio_format
from .player import HasPlayer, Player

RATES = (16_000, 32_000, 48_000)
"""Samples per second at which echo is cancelled."""

FRAME_MS = 10
"""Milliseconds that are looked at together."""

KEPT_MS = 10_000.0
"""Milliseconds of playback that are kept for a microphone that is late."""

LOOK = 50
"""Blocks of the microphone between two looks at what has become too old."""


class EchoCanceller:
    """
    A microphone that does not hear the loudspeaker beside it.

    ``audio.talk(session, audio.EchoCanceller(microphone, speaker), speaker)``, both
    open. What the player plays is the reference: its echo is found in what the
    microphone hears, with the delay and the sound of the room, and taken out. Whoever
    speaks at the same time is still heard, and interrupts.

    Headphones are better than any of this.

    Args:
        microphone: blocks of audio; a `Microphone`.
        speaker: a `Speaker`, or a `Player`, of pcm16.
        format: of the microphone's blocks, pcm16 at any rate.

    Raises:
        ConfigurationError: the extra ``echo`` is not installed, or the formats are
            others.
    """

    def __init__(
        self,
        microphone: Iterable[bytes],
        speaker: Union[HasPlayer, Player],
        *,
        format: FormatLike = PCM16,
    ) -> None:
        player = speaker if isinstance(speaker, Player) else speaker.player
        self.format = audio_format(format)
        for each in (self.format, player.format):
            if each.name != "pcm16":
                raise ConfigurationError(f"echo is cancelled in pcm16, not {each.name}")
        rate = next((each for each in RATES if each >= self.format.rate), RATES[-1])
        library = require_extra("pywebrtc_audio", why="cancel echo", extra="echo")
        self._numpy = require_extra("numpy", why="cancel echo", extra="echo")
        self._filter = library.EchoCanceller(rate)
        self._microphone = microphone
        self._played = player.format
        self._reference = _EchoReference(player.format)
        self._hears = Converter("pcm16", "pcm16", rate=self.format.rate, to_rate=rate)
        self._plays = Converter("pcm16", "pcm16", rate=player.format.rate, to_rate=rate)
        self._says = Converter("pcm16", "pcm16", rate=rate, to_rate=self.format.rate)
        self._frame = rate * FRAME_MS // 1000 * 2
        self._near = bytearray()
        self._far = bytearray()
        self._unlisten = player.add_block_listener(self._reference.push)

    def __iter__(self) -> Iterator[bytes]:
        """The microphone's blocks without the echo, until it ends."""
        try:
            for block in self._microphone:
                cleaned = self.feed(block)
                if cleaned:
                    yield cleaned
        finally:
            self.close()

    def feed(self, block: AudioBytes) -> bytes:
        """
        Take the echo out of the microphone's next block.

        From one thread at a time. What comes back lags by up to 10 ms, and by about
        60 ms where rates are converted, as those of 24 kHz are.
        """
        size = memoryview(block).nbytes
        played = self._reference.take(self._played.size(self.format.ms(size)))
        self._near += self._hears.feed(block)
        self._far += self._plays.feed(played)
        cleaned = bytearray()
        while len(self._near) >= self._frame:
            near, far = self._cut(self._near), self._cut(self._far)
            cleaned += self._filter.process(near, far).tobytes()
        return self._says.feed(cleaned)

    def close(self) -> None:
        """Let go of the player. Calling it again does nothing."""
        self._unlisten()

    def _cut(self, samples: bytearray) -> object:
        """The first frame of a stream, as the filter takes it."""
        frame = bytes(samples[: self._frame]).ljust(self._frame, b"\0")
        del samples[: self._frame]
        return self._numpy.frombuffer(frame, dtype="<i2")


class _EchoReference:
    """
    What was played and is still to be looked for, in the order of playing.

    A microphone hears a block after the loudspeaker was given it, never before; so
    what is taken must not be older than what is heard. Both go at the same speed,
    and what a late thread leaves waiting, waits on both sides.
    """

    def __init__(self, format: AudioFormat) -> None:
        self._most = format.size(KEPT_MS)
        # Guards the rest, between the device that plays and the one that records.
        self._lock = threading.Lock()
        self._queue = bytearray()
        self._listening = False
        # The least that was left over in the last takes: so much is too old.
        self._least: int | None = None
        self._takes = 0

    def push(self, block: bytes) -> None:
        """Enter what goes to the loudspeaker. In its thread: quick."""
        with self._lock:
            self._queue += block
            if len(self._queue) > self._most:
                del self._queue[: len(self._queue) - self._most]

    def take(self, size: int) -> bytes:
        """As much as the microphone has heard meanwhile; silence if less was played."""
        with self._lock:
            if not self._listening:
                # What was played before anybody listened is no echo any more.
                self._listening = True
                del self._queue[: max(len(self._queue) - size, 0)]
            taken = bytes(self._queue[:size])
            del self._queue[:size]
            left = len(self._queue)
            self._least = left if self._least is None else min(self._least, left)
            self._takes += 1
            if self._takes == LOOK:
                # One block may wait: that is how uneven two threads are.
                del self._queue[: max(self._least - size, 0)]
                self._takes, self._least = 0, None
        return taken.ljust(size, b"\0")
