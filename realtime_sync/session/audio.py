"""A piece of audio with what is needed to play it."""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path
from typing import Union

from attrs import field, frozen

from ..errors import ConfigurationError
from ..protocol.audio_formats import (
    BYTES_PER_SAMPLE,
    PCM,
    PCMA,
    PCMU,
    RATES,
    format_word,
    stated_audio_rate,
)

_KINDS = {format_word(kind): kind for kind in RATES}
"""The names that audio has here -> the media types of the protocol."""

_NAMES = {said: name for name, kind in _KINDS.items() for said in (name, kind)}
"""Every spelling of a format -> its name here."""

_WAVE_TAGS = {PCM: 1, PCMA: 6, PCMU: 7}


@frozen
class Audio:
    """
    Audio bytes, mono.

    Attributes:
        data: the samples.
        format: ``"pcm16"`` (signed 16 bit, little-endian), ``"g711_ulaw"`` or
            ``"g711_alaw"``.
        rate: samples per second, in Hz.
    """

    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")
    format: str = "pcm16"
    rate: int = 24_000

    def __attrs_post_init__(self) -> None:
        if self.format not in _KINDS:
            raise ConfigurationError(
                f"audio format {self.format!r} is none of {sorted(_KINDS)}"
            )

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.data) / (BYTES_PER_SAMPLE[_KINDS[self.format]] * self.rate)

    def wav(self) -> bytes:
        """
        The audio as a WAV file.
        """
        kind = _KINDS[self.format]
        width = BYTES_PER_SAMPLE[kind]
        header = struct.pack(
            "<HHIIHH",
            _WAVE_TAGS[kind],
            1,
            self.rate,
            self.rate * width,
            width,
            8 * width,
        )
        pad = b"\0" * (len(self.data) % 2)
        body = b"fmt " + struct.pack("<I", len(header)) + header
        body += b"data" + struct.pack("<I", len(self.data)) + self.data + pad
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body

    def save(self, path: Union[str, os.PathLike[str]]) -> Path:
        """
        Write a WAV file.

        Returns:
            Its path.

        Raises:
            OSError: it cannot be written.
        """
        target = Path(path)
        target.write_bytes(self.wav())
        return target

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self.wav()).decode("ascii")
        return (
            f'<audio controls src="data:audio/wav;base64,{encoded}"></audio> '
            f"<small>{self.seconds:.1f} s</small>"
        )


def audio_format_name(value: object) -> str:
    """
    The name of a wire format in either dialect; ``pcm16`` when it is odd.

    Args:
        value: ``"g711_ulaw"``, an object with a `type`, or a mapping with one.
    """
    kind = (
        value.get("type") if isinstance(value, dict) else getattr(value, "type", value)
    )
    odd = format_word(PCM)
    return _NAMES.get(kind, odd) if isinstance(kind, str) else odd


def spoken_audio_format(session: object, response: object = None) -> tuple[str, int]:
    """
    The format of what a model says, and its samples per second.

    It is ``pcm16`` at 24 kHz as long as the server says nothing else.

    Args:
        session: the configuration in force, as `Session.config` has it.
        response: a response that may speak in another.
    """
    return _read_audio_format(
        _audio_of_resource(response, "output") or _audio_of_resource(session, "output")
    )


def heard_audio_format(session: object) -> tuple[str, int]:
    """
    The format of what a model hears; see `spoken_audio_format`.
    """
    return _read_audio_format(_audio_of_resource(session, "input"))


def _audio_of_resource(resource: object, side: str) -> object:
    audio = getattr(resource, "audio", None) or None
    said = getattr(getattr(audio, side, None) or None, "format", None)
    return said if getattr(said, "type", None) else None


def _read_audio_format(said: object) -> tuple[str, int]:
    name = audio_format_name(said)
    usual = RATES[_KINDS[name]]
    if _KINDS[name] != PCM:
        return name, usual
    return name, stated_audio_rate(getattr(said, "rate", None), usual)
