"""
A sound card in pure Python, at the interface that sounddevice has.

Its streams call back from a thread of their own, block after block in real time,
as PortAudio does; a microphone plays back what the test put into it.
"""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any


class PortAudioError(Exception):
    """What sounddevice raises."""


class Card:
    """
    The devices of one machine, with the streams that are open on them.

    Attributes:
        spoken: what the microphone hears next, 16 bit at its rate.
        heard: what came out of the loudspeaker.
        latency: seconds between the callback and the sound.
        rates: rates that the devices can do; empty for all.
        broken: no stream can be opened.
        underflows: callbacks that will be told of an underflow.
        late: seconds by which the longest callback overran its block.
    """

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.spoken = bytearray()
        self.heard = bytearray()
        self.latency = 0.05
        self.rates: set[int] = set()
        self.broken = False
        self.underflows = 0
        self.late = 0.0
        self.open_streams = 0
        self.opened: list[dict[str, Any]] = []
        # Guards `spoken` and `heard`, and tells of every block.
        self.changed = threading.Condition()
        self.default = SimpleNamespace(device=(0, 1))

    def query_devices(self, device: Any = None, kind: Any = None) -> Any:
        """One microphone and one loudspeaker."""
        both = [
            {
                "name": name,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 48_000.0,
            }
            for name, inputs, outputs in (("Mic", 1, 0), ("Horn", 0, 2))
        ]
        return both[0] if kind == "input" else both

    def check_input_settings(
        self, device: Any, samplerate: int, channels: int, dtype: str
    ) -> None:
        """Whether the microphone can do a rate."""
        if device == "nobody":
            raise ValueError("No input device matching 'nobody'")
        if self.rates and samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **settings: Any) -> Any:
        """A stream that records."""
        return Stream(self, self._record, settings)

    def RawOutputStream(self, **settings: Any) -> Any:
        """A stream that plays."""
        return Stream(self, self._play, settings)

    def wait_heard(self, size: int) -> None:
        """Wait until so many bytes came out of the loudspeaker."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= size, 30)

    def _record(self, callback: Any, size: int, times: Any) -> None:
        with self.changed:
            block = bytes(self.spoken[:size])
            del self.spoken[:size]
        callback(block + bytes(size - len(block)), size // 2, times, self._status())

    def _play(self, callback: Any, size: int, times: Any) -> None:
        block = bytearray(size)
        callback(memoryview(block), size // 2, times, self._status())
        with self.changed:
            self.heard += block
            self.changed.notify_all()

    def _status(self) -> Any:
        if not self.underflows:
            return None
        self.underflows -= 1
        return SimpleNamespace(output_underflow=True)


class Stream:
    """A stream that calls back in real time until it is closed."""

    def __init__(self, card: Card, work: Any, settings: dict[str, Any]) -> None:
        if card.broken:
            raise PortAudioError("Device unavailable")
        card.opened.append(settings)
        self._card = card
        self._work = work
        self._callback = settings["callback"]
        self._frames = settings["blocksize"]
        self._seconds = self._frames / settings["samplerate"]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound card")

    def start(self) -> None:
        """Begin to call back."""
        self._card.open_streams += 1
        self._thread.start()

    def close(self) -> None:
        """End; returns when the callback will not be called again."""
        self._stop.set()
        self._thread.join()
        self._card.open_streams -= 1

    def _run(self) -> None:
        start = time.monotonic()
        block = 0
        while not self._stop.wait(start + block * self._seconds - time.monotonic()):
            # A clock of its own, as sound cards have.
            now = 1000.0 + block * self._seconds
            times = SimpleNamespace(
                currentTime=now, outputBufferDacTime=now + self._card.latency
            )
            before = time.monotonic()
            self._work(self._callback, self._frames * 2, times)
            took = time.monotonic() - before
            self._card.late = max(self._card.late, took - self._seconds)
            block += 1
