"""Commands on the user's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...connection.command_handle import CommandHandle
from ...connection.sender import Sender
from ...errors import ConfigurationError, LocalProtocolError
from ...protocol.fields import to_audio
from ...protocol.live import events
from ..audio import Audio
from ..resources import write_audio_resource
from .config import WIDTHS
from .idle_audio import IdleAudio

_SILENT = {"pcm16": b"\0", "g711_ulaw": b"\xff", "g711_alaw": b"\xd5"}
"""A byte of silence in each format."""


class InputAudio:
    """
    Commands ``session.input_audio.*``: the user's audio.

    Args:
        sender: sends them.
        format: gives the format of the session and its samples per second.
        idle: learns what was sent; None where no silence is sent.
    """

    def __init__(
        self,
        sender: Sender,
        format: Callable[[], tuple[str, int]],
        idle: Optional[IdleAudio],
    ) -> None:
        self._sender = sender
        self._format = format
        self._idle = idle

    def append(self, audio: object) -> None:
        """
        Send audio. Never acknowledged; from any thread.

        It plays on the session's clock for as long as it lasts, so that a burst is
        heard in order; keep to the pace of speech for a conversation.

        Args:
            audio: samples in the session's format: bytes-like, an array of 16-bit
                integers, or of floats in [-1, 1]; or `Audio` of that format.

        Raises:
            TypeError: it is text, or no samples.
            ConfigurationError: it is `Audio` of another format.
            LocalProtocolError: it is half a sample.
            ConnectionClosed: the connection is over.
        """
        name, rate = self._format()
        if isinstance(audio, Audio):
            if (audio.format, audio.rate) != (name, rate):
                raise ConfigurationError(
                    f"the session takes {name} at {rate} Hz, not {audio.format} at "
                    f"{audio.rate} Hz: see realtime_sync.audio.convert"
                )
            audio = audio.data
        data = to_audio(audio)
        width = WIDTHS[name][1]
        if len(data) % width:
            raise LocalProtocolError(
                f"{len(data)} bytes are no whole number of 16-bit samples"
            )
        if not data:
            return
        write_audio_resource(self._sender, data)
        if self._idle is not None:
            self._idle.sent(len(data) / (rate * width))

    @property
    def ahead(self) -> float:
        """
        Seconds of audio that were sent before their time, and are heard late.

        Zero where the session sends no silence (``idle_audio=None``): then nothing
        has taken the place of what comes in a burst.
        """
        return 0.0 if self._idle is None else self._idle.ahead()

    def mute(self) -> CommandHandle:
        """
        Let the model hear silence; it goes on speaking, and the clock running.

        Returns:
            Acknowledged by `session.input_audio.muted`.
        """
        return self._sender.send(events.InputAudioMute())

    def unmute(self) -> CommandHandle:
        """
        Let the model hear the user again.

        Returns:
            Acknowledged by `session.input_audio.unmuted`.
        """
        return self._sender.send(events.InputAudioUnmute())

    def send_silence(self, seconds: float) -> None:
        """Send so much silence in the session's format."""
        name, rate = self._format()
        size = int(rate * seconds) * WIDTHS[name][1]
        self._sender.write(self._sender.append_command(audio=_SILENT[name] * size))
