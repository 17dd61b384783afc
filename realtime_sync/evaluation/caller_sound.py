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
from ..server.voice import VOICES, Synthesizer, default_synthesizer
from . import arguments
from .speech_intervals import audible_intervals

Speakable = Union[str, os.PathLike[str], Audio, bytes]
"""Words, the path of a file, or sound (bytes are 16-bit PCM at 24 kHz)."""

KEYS = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"))
    for high, key in zip((1209, 1336, 1477, 1633), row)
}
"""The two tones of each key of a telephone, in hertz."""

RANGES = {
    "speech_rate": (0.5, 2.0),
    "gain": (-60.0, 60.0),
    "noise": (-90.0, 0.0),
    "loss": (0.0, 0.99),
    "jitter": (0.0, 1.0),
}
"""What may be said of how a caller is heard, see `Conditions`."""

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
        voice: of the synthesizer; the local one has ``heart`` and ``deep``.
        speech_rate: pace of the voice from 0.5 to 2.0, 1.0 being its own.
        gain: decibels by which everything that is said is louder, from -60 to 60.
        noise: level of white noise in decibels below full scale, such as -45.0; None
            for none.
        telephone: cut everything to the band of a telephone, with its G.711 noise.
        loss: share of the blocks that get lost on the way, from 0.0 to 0.99.
        jitter: seconds by which blocks are late at most, at random, up to 1.0.

    Raises:
        ConfigurationError: a value is none of these.
    """

    voice: str = "heart"
    speech_rate: float = 1.0
    gain: float = 0.0
    noise: Optional[float] = None
    telephone: bool = False
    loss: float = 0.0
    jitter: float = 0.0

    def __attrs_post_init__(self) -> None:
        arguments.text("voice", self.voice)
        arguments.flag("telephone", self.telephone)
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None or name != "noise":
                arguments.number(name, value, least=least, most=most)

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
            ConfigurationError: an extra is missing, it is not audio, or there is not
                one sample of it.
            OSError: the file cannot be read.
        """
        arguments.text("text", text, empty=True)
        if isinstance(what, str):
            text = text or arguments.text("what is said", what)
            speaking = synthesizer or default_synthesizer()
            pcm = speaking.speak(what, voice=self.voice, speed=self.speech_rate)
        elif isinstance(what, Audio):
            pcm = audio.convert(what.data, what.format, PCM16, rate=what.rate)
        elif isinstance(what, bytes):
            # Half a sample more is no sound, and is said to be none.
            pcm = audio.convert(what, PCM16, PCM16)
        elif isinstance(what, os.PathLike):
            pcm = read_file(Path(what), PCM16)
        else:
            raise ConfigurationError(
                "one can say words, the path of a file, audio or bytes, not "
                f"{arguments.shown(what)}"
            )
        if not pcm:
            given = str(what) if isinstance(what, os.PathLike) else what
            raise ConfigurationError(f"there is no sound in {arguments.shown(given)}")
        return self._finished(pcm, text)

    def keys(self, digits: str) -> Sound:
        """
        The tones of some keys of a telephone.

        Raises:
            ConfigurationError: there is no such key.
        """
        check_keys("the keys", digits)
        pcm = b"".join(
            _sound_of_key(KEYS[key]) + silence(KEY_PAUSE) for key in digits.upper()
        )
        return self._finished(pcm, "")

    def noise_loop(self, seed: int) -> bytes:
        """Noise to be mixed under everything; empty if there is none."""
        if self.noise is None:
            return b""
        import numpy

        count = int(PCM16.rate * _NOISE_SECONDS)
        samples = numpy.random.default_rng(seed).standard_normal(count)
        level = _FULL * 10 ** (self.noise / 20)
        return _caller_pcm(samples * level)

    def _finished(self, pcm: bytes, text: str) -> Sound:
        if self.gain:
            import numpy

            samples = numpy.frombuffer(pcm, "<i2") * 10 ** (self.gain / 20)
            pcm = _caller_pcm(samples)
        if self.telephone and pcm:
            narrow = audio.convert(pcm, PCM16, "g711_ulaw", to_rate=8000)
            pcm = audio.convert(narrow, "g711_ulaw", PCM16, rate=8000)
        loud = audible_intervals([Stretch(0.0, bytearray(pcm))])
        return Sound(
            pcm=pcm,
            text=text,
            first=loud[0].start if loud else 0.0,
            last=loud[-1].end if loud else len(pcm) / PCM16.bytes_per_second,
        )


def check_voice(voice: object) -> None:
    """
    Refuse a voice that the local synthesizer would speak with another one.

    Raises:
        ConfigurationError: it has none of that name.
    """
    name = arguments.text("voice", voice)
    if name not in VOICES:
        raise ConfigurationError(
            f"voice is one of {', '.join(VOICES)}, not {arguments.shown(name)}"
        )


def check_keys(name: str, digits: object) -> None:
    """
    Refuse what no telephone has keys for.

    Raises:
        ConfigurationError: there is no such key.
    """
    pressed = arguments.text(name, digits)
    if any(key not in KEYS for key in pressed.upper()):
        raise ConfigurationError(
            f"{name} are of those of a telephone, {''.join(KEYS)}, not "
            f"{arguments.shown(digits)}"
        )


def mix_caller_noise(block: bytes, noise: bytes) -> bytes:
    """Two blocks of the same length at once."""
    import numpy

    both = numpy.frombuffer(block, "<i2").astype("i4") + numpy.frombuffer(noise, "<i2")
    return _caller_pcm(both)


def caller_block_is_lost(rng: random.Random, share: float) -> bool:
    """Whether a block gets lost."""
    return share > 0 and rng.random() < share


def _sound_of_key(tones: Iterable[int]) -> bytes:
    import numpy

    at = numpy.arange(int(PCM16.rate * KEY_SECONDS)) / PCM16.rate
    return _caller_pcm(
        sum(numpy.sin(2 * numpy.pi * tone * at) * 6000 for tone in tones)
    )


def _caller_pcm(samples: object) -> bytes:
    import numpy

    whole = numpy.clip(numpy.rint(numpy.asarray(samples)), -_FULL - 1, _FULL)
    return bytes(whole.astype("<i2").tobytes())
