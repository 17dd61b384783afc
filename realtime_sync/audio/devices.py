"""Microphones and loudspeakers, by sounddevice (PortAudio)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal, Protocol, Union

from attrs import frozen

from ..deadline import Deadline, Waiters
from ..errors import ConfigurationError
from ..types import AudioBytes
from .convert import Converter
from .extras import require_extra
from .formats import PCM16, AudioFormat, FormatLike, audio_format
from .player import Player

DeviceLike = Union[int, str, None]
"""A device by number, by part of its name, or the default one."""

_WHY = "use microphones and loudspeakers"


class _Times(Protocol):
    """When a block is heard, by the device's own clock in seconds."""

    currentTime: float
    outputBufferDacTime: float


class _Status(Protocol):
    """What went wrong with the block before."""

    output_underflow: bool


_Callback = Callable[[memoryview, int, _Times, _Status], None]


class _DeviceStream(Protocol):
    """A device that was opened, as sounddevice has it."""

    def start(self) -> None:
        """Have it call back."""

    def close(self) -> None:
        """Stop, and let go of the device."""


@frozen
class Device:
    """
    An audio device of this machine.

    Attributes:
        index: its number.
        name: its name.
        inputs: channels it can record, 0 for a loudspeaker.
        outputs: channels it can play, 0 for a microphone.
        rate: samples per second that it likes best.
        default_input: the microphone that is used when none is named.
        default_output: the loudspeaker that is used when none is named.
    """

    index: int
    name: str
    inputs: int
    outputs: int
    rate: int
    default_input: bool
    default_output: bool


def devices() -> tuple[Device, ...]:
    """
    List the audio devices of this machine.

    Raises:
        ConfigurationError: sounddevice or PortAudio is not installed.
    """
    sounddevice = require_extra("sounddevice", why=_WHY)
    default_input, default_output = sounddevice.default.device
    return tuple(
        Device(
            index=index,
            name=str(each["name"]),
            inputs=int(each["max_input_channels"]),
            outputs=int(each["max_output_channels"]),
            rate=int(each["default_samplerate"]),
            default_input=index == default_input,
            default_output=index == default_output,
        )
        for index, each in enumerate(sounddevice.query_devices())
    )


class Microphone:
    """
    A microphone: iterate over it for blocks of audio.

    Opened by ``with``, or by `open`. Recording goes on while nobody iterates:
    the last seconds are kept, older ones are dropped and counted.

    Args:
        device: number, part of a name, or the default one.
        format: format of the blocks.
        block_ms: milliseconds per block.
        on_block: called with every block in the iterating thread; `LevelMeter.feed`
            makes it a level meter.
        keep: seconds that are kept while nobody iterates.

    Attributes:
        format: format of the blocks.
        dropped: blocks that nobody took in time.
    """

    def __init__(
        self,
        device: DeviceLike = None,
        *,
        format: FormatLike = PCM16,
        block_ms: float = 20,
        on_block: Callable[[bytes], object] | None = None,
        keep: float = 10.0,
    ) -> None:
        self.format = audio_format(format)
        self.dropped = 0
        self._device = device
        self._block_ms = block_ms
        self._on_block = on_block
        # The callback of the device adds, the iterator takes, each in one call into C.
        self._queue: deque[bytes] = deque()
        self._waiters = Waiters()
        self._most = max(int(keep * 1000 / block_ms), 1)
        self._stream: _DeviceStream | None = None
        self._closed = False

    def __enter__(self) -> Microphone:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """
        Begin to record.

        Raises:
            ConfigurationError: a package or the device is missing, or busy.
        """
        self._closed = False
        rate = _device_input_rate(self._device, self.format)
        self._converter = Converter("pcm16", self.format, rate=rate)
        if self.format.name == "pcm16":
            self._converter = Converter(
                "pcm16", "pcm16", rate=rate, to_rate=self.format.rate
            )
        self._stream = _opened_device(
            "RawInputStream", self._device, rate, self._block_ms, self._recorded
        )

    def close(self) -> None:
        """Stop recording; iterating ends. May be called from any thread."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._closed = True
        self._waiters.wake()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._waiters.wait_for(
                lambda: bool(self._queue) or self._closed, Deadline(None)
            )
            try:
                recorded = self._queue.popleft()
            except IndexError:
                if self._closed:
                    return
                continue  # Another one who iterates has taken it.
            block = self._converter.feed(recorded)
            if not block:
                continue
            if self._on_block is not None:
                self._on_block(block)
            yield block

    def _recorded(
        self, data: memoryview, frames: int, times: _Times, status: _Status
    ) -> None:
        """Called by the device, in its own thread: must be quick."""
        self._queue.append(bytes(data))
        if len(self._queue) > self._most:
            # The iterator may have emptied it since.
            with suppress(IndexError):
                self._queue.popleft()
                self.dropped += 1
        self._waiters.wake()


class Speaker:
    """
    A loudspeaker that plays what its `player` is given.

    Opened by ``with``, or by `open`. The device asks for audio in a thread of its
    own and gets silence when there is none.

    Args:
        device: number, part of a name, or the default one.
        format: format of what is written; pcm16 at any rate.
        block_ms: milliseconds that the device asks for at a time.
        latency: seconds of sound that the device is asked to hold. What it holds
            is heard after an interruption, too; with less, a busy machine makes
            gaps.

    Attributes:
        player: the player, for `Player.attach` and `talk`.
        underruns: how often the device says that it had to wait.
    """

    def __init__(
        self,
        device: DeviceLike = None,
        *,
        format: FormatLike = PCM16,
        block_ms: float = 20,
        latency: float = 0.06,
    ) -> None:
        self.player = Player(format=format, name="speaker")
        self.underruns = 0
        self._device = device
        self._block_ms = block_ms
        self._latency = latency
        self._stream: _DeviceStream | None = None
        if self.player.format.name != "pcm16":
            raise ConfigurationError("a loudspeaker takes pcm16")

    def __enter__(self) -> Speaker:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """
        Open the device.

        Raises:
            ConfigurationError: a package or the device is missing, or busy.
        """
        self._stream = _opened_device(
            "RawOutputStream",
            self._device,
            self.player.format.rate,
            self._block_ms,
            self._wanted,
            self._latency,
        )

    def write(self, data: AudioBytes) -> None:
        """Queue audio to be played; returns at once."""
        self.player.play(data)

    def close(self) -> None:
        """Stop playing. May be called from any thread."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self.player.close()

    def _wanted(
        self, data: memoryview, frames: int, times: _Times, status: _Status
    ) -> None:
        """Called by the device, in its own thread: must be quick."""
        if status and status.output_underflow:
            self.underruns += 1
        # The device's clock is its own; only the distance means something here.
        delay = max(times.outputBufferDacTime - times.currentTime, 0.0)
        data[:] = self.player.pull(len(data), at=time.monotonic() + delay)


def _device_input_rate(device: DeviceLike, format: AudioFormat) -> int:
    """The rate of the format, or the one that the microphone likes best."""
    sounddevice = require_extra("sounddevice", why=_WHY)
    try:
        sounddevice.check_input_settings(
            device=device, samplerate=format.rate, channels=1, dtype="int16"
        )
    except sounddevice.PortAudioError:
        return int(sounddevice.query_devices(device, "input")["default_samplerate"])
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from exc
    return format.rate


def _opened_device(
    kind: Literal["RawInputStream", "RawOutputStream"],
    device: DeviceLike,
    rate: int,
    block_ms: float,
    callback: _Callback,
    latency: float | None = None,
) -> _DeviceStream:
    """A running stream of one channel of 16 bit."""
    sounddevice = require_extra("sounddevice", why=_WHY)
    try:
        stream: _DeviceStream = getattr(sounddevice, kind)(
            channels=1,
            dtype="int16",
            device=device,
            samplerate=rate,
            blocksize=int(rate * block_ms / 1000),
            latency=latency,
            callback=callback,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as exc:
        raise ConfigurationError(f"the audio device cannot be opened: {exc}") from exc
    return stream
