"""What a caller sounds like: speech, files, keys, noise, a telephone's band."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Optional, Union

from attrs import field, frozen

from .. import Audio, audio
from ..audio import PCM16, read_file, silence
from ..errors import ConfigurationError
from ..report import Stretch
from ..server.voice import Synthesizer, default_synthesizer
from .speech import audible

Speakable = Union[str, os.PathLike[str], Audio, bytes]
"""Words, the path of a file, or sound (bytes are 16-bit PCM at 24 kHz)."""

KEYS = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"))
    for high, key in zip((1209, 1336, 1477, 1633), row)
}
"""The two tones of each key of a telephone, in hertz."""

KEY_SECONDS, KEY_PAUSE = 0.12, 0.08
_NOISE_SECONDS = 5.0
_FULL = 32_767


@frozen(kw_only=True)
class Sound:
    """
    Something to be said, 16-bit PCM at 24 kHz.

    Attributes:
        pcm: the samples.
        text: the words, empty if unknown.
        first, last: where the first and the last loud sound in it are, in seconds.
    """

    pcm: bytes = field(repr=False)
    text: str = ""
    first: float = 0.0
    last: float = 0.0


@frozen(kw_only=True)
class Conditions:
    """
    How a caller is heard.

    Attributes:
        voice: of the local synthesizer: ``heart`` or ``deep``.
        speech_rate: pace of the voice, 1.0 being its own.
        gain: decibels by which everything that is said is louder.
        noise: level of white noise in decibels below full scale, such as -45.0; None
            for none.
        telephone: cut everything to the band of a telephone, with its G.711 noise.
        loss: share of the blocks that get lost on the way, from 0.0 to 1.0.
        jitter: seconds by which blocks are late at most, at random.
    """

    voice: str = "heart"
    speech_rate: float = 1.0
    gain: float = 0.0
    noise: Optional[float] = None
    telephone: bool = False
    loss: float = 0.0
    jitter: float = 0.0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.loss < 1:
            raise ConfigurationError(f"loss is a share from 0 to 1, not {self.loss!r}")
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"jitter is 0 to 1 s, not {self.jitter!r}")
        if self.noise is not None and not -90 <= self.noise <= 0:
            raise ConfigurationError(
                f"noise is in decibels below full scale, -90 to 0, not {self.noise!r}"
            )

    def spoken(
        self,
        what: Speakable,
        *,
        text: str = "",
        synthesizer: Optional[Synthesizer] = None,
    ) -> Sound:
        """
        Make sound of something that is to be said.

        Args:
            what: words, a file, or sound.
            text: the words of what is sound already.
            synthesizer: speaks words; the local one by default.

        Raises:
            ConfigurationError: an extra is missing, or it is not audio.
            OSError: the file cannot be read.
        """
        if isinstance(what, str):
            text = text or what
            speaking = synthesizer or default_synthesizer()
            pcm = speaking.speak(what, voice=self.voice, speed=self.speech_rate)
        elif isinstance(what, Audio):
            pcm = audio.convert(what.data, what.format, PCM16, rate=what.rate)
        elif isinstance(what, bytes):
            pcm = what
        else:
            pcm = read_file(Path(what), PCM16)
        return self._finished(pcm, text)

    def keys(self, digits: str) -> Sound:
        """
        The tones of some keys of a telephone.

        Raises:
            ConfigurationError: there is no such key.
        """
        unknown = [key for key in digits.upper() if key not in KEYS]
        if unknown or not digits:
            raise ConfigurationError(
                f"a telephone has the keys {''.join(KEYS)}, and not {digits!r}"
            )
        pcm = b"".join(_key(KEYS[key]) + silence(KEY_PAUSE) for key in digits.upper())
        return self._finished(pcm, "")

    def noise_loop(self, seed: int) -> bytes:
        """Noise to be mixed under everything; empty if there is none."""
        if self.noise is None:
            return b""
        import numpy

        count = int(PCM16.rate * _NOISE_SECONDS)
        samples = numpy.random.default_rng(seed).standard_normal(count)
        level = _FULL * 10 ** (self.noise / 20)
        return _pcm(samples * level)

    def _finished(self, pcm: bytes, text: str) -> Sound:
        if self.gain:
            import numpy

            samples = numpy.frombuffer(pcm, "<i2") * 10 ** (self.gain / 20)
            pcm = _pcm(samples)
        if self.telephone and pcm:
            narrow = audio.convert(pcm, PCM16, "g711_ulaw", to_rate=8000)
            pcm = audio.convert(narrow, "g711_ulaw", PCM16, rate=8000)
        loud = audible([Stretch(0.0, bytearray(pcm))])
        return Sound(
            pcm=pcm,
            text=text,
            first=loud[0].start if loud else 0.0,
            last=loud[-1].end if loud else len(pcm) / PCM16.bytes_per_second,
        )


def mixed(block: bytes, noise: bytes) -> bytes:
    """Two blocks of the same length at once."""
    import numpy

    both = numpy.frombuffer(block, "<i2").astype("i4") + numpy.frombuffer(noise, "<i2")
    return _pcm(both)


def lost(rng: random.Random, share: float) -> bool:
    """Whether a block gets lost."""
    return share > 0 and rng.random() < share


def _key(tones: Iterable[int]) -> bytes:
    import numpy

    at = numpy.arange(int(PCM16.rate * KEY_SECONDS)) / PCM16.rate
    return _pcm(sum(numpy.sin(2 * numpy.pi * tone * at) * 6000 for tone in tones))


def _pcm(samples: object) -> bytes:
    import numpy

    whole = numpy.clip(numpy.rint(numpy.asarray(samples)), -_FULL - 1, _FULL)
    return bytes(whole.astype("<i2").tobytes())
