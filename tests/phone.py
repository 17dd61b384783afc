"""A call that a test moves by hand, and the session it is joined to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from realtime_sync import Session, audio, connect
from realtime_sync.audio.telephony import CallBridge, Carrier, Codec
from realtime_sync.testing import FakeCarrier, ManualClock, MemoryTransport, frames

STARTED = {
    "type": "input_audio_buffer.speech_started",
    "audio_start_ms": 0,
    "item_id": "u",
}
STOPPED = {**STARTED, "type": "input_audio_buffer.speech_stopped", "audio_end_ms": 9}


Self = TypeVar("Self", bound="Phone")


class Phone:
    """A call that a test moves by hand, and the session it is joined to."""

    def __init__(
        self,
        carrier: Carrier,
        line: dict[str, Any] | None = None,
        codec: Codec | None = None,
        *,
        network: dict[str, Any] | None = None,
        send: Callable[[FakeCarrier], Callable[[Any], Any]] | None = None,
        config: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.clock = ManualClock()
        self.codec = codec or carrier.output or carrier.input
        self.transport = MemoryTransport()
        self.session: Session = connect(
            "m", transport=self.transport, dispatch="inline", config=config
        )
        self.carrier = FakeCarrier(
            carrier, clock=self.clock, **(network or {}), **(line or {})
        )
        self.ends: list[str] = []
        self.bridge = CallBridge(
            self.session,
            carrier,
            send=self.carrier.send if send is None else send(self.carrier),
            clock=self.clock.now,
            thread=False,
            on_end=self.ends.append,
            **options,
        )

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bridge.close()
        self.carrier.close()
        self.session.close()

    def dial(self, seconds: float = 2.0) -> None:
        """Let the call begin."""
        self.carrier.call(self.bridge, codec=self.codec)
        self.carrier.advance(seconds)

    def sound(self, seconds: float, format: Any) -> bytes:
        """A tone."""
        return audio.tone(440, seconds, format, level=-6)

    def say(self, seconds: float, **ids: Any) -> None:
        """Let the model speak, all at once, in what the session speaks."""
        wire = audio.session_format(self.session, "output")
        sound = self.sound(seconds, wire)
        self.transport.feed(*frames.answer(spoken="word " * 9, audio=sound, **ids)({}))

    def while_time_passes(self, act: Callable[[], Any]) -> Any:
        """What a blocking call gives, with the clock moved meanwhile."""
        given: list[Any] = []
        thread = threading.Thread(target=lambda: given.append(act()))
        thread.start()
        for _ in range(4000):
            thread.join(0.001)
            if not thread.is_alive():
                break
            self.carrier.advance(0.02)
        thread.join(10)
        return given[0]
