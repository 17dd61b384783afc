"""The telephone of a caller: it speaks and hears through a carrier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Optional, Protocol

from ..errors import LocalProtocolError
from .call_time import CallTime, MovedCallClock

if TYPE_CHECKING:
    from ..audio import AudioFormat, Player
    from ..audio.telephony import CallBridge

BEGIN_SECONDS = 10.0
"""A call that has not begun by then never will."""

QUIET_SECONDS = 0.1
"""The ear gets sound every few milliseconds while there is any."""


class TelephoneLine(Protocol):
    """What is used of a carrier, see `realtime_sync.testing.FakeCarrier`."""

    on_heard: Optional[Callable[[bytes], object]]

    @property
    def clock(self) -> Optional[MovedCallClock]:
        """What moves its time; None if that is the machine's."""

    @property
    def bridge(self) -> Optional[CallBridge]:
        """Who was called."""

    @property
    def delay(self) -> float:
        """Seconds that a message takes at most, one way."""

    def advance(self, seconds: float, /) -> None:
        """Let time pass, by its clock."""

    def feed(self, block: bytes) -> None:
        """Take a block of the caller's sound."""

    def press(self, digits: str) -> None:
        """Press keys."""

    def hang_up(self) -> None:
        """End the call, as a caller does."""


class Telephone:
    """
    A call through a carrier, which has begun.

    Waits until it has, if need be.

    Args:
        carrier: has called a bridge.
        time: of the call.

    Raises:
        LocalProtocolError: it has called nobody, or the call does not begin.
    """

    def __init__(self, carrier: TelephoneLine, time: CallTime) -> None:
        bridge = carrier.bridge
        if bridge is None:
            raise LocalProtocolError(
                "the carrier has called nobody yet: carrier.call(bridge) first"
            )
        time.until(bridge.started, BEGIN_SECONDS)
        if not bridge.started.is_set() or bridge.ended.is_set():
            raise LocalProtocolError("the call through the carrier has not begun")
        self._carrier, self._bridge = carrier, bridge

    @property
    def player(self) -> Player:
        """What the bridge plays to the carrier."""
        return self._bridge.player

    @property
    def input(self) -> AudioFormat:
        """How what the caller says is to be coded."""
        return self._bridge.input.format

    @property
    def output(self) -> AudioFormat:
        """How what comes to the ear is coded."""
        return self._bridge.output.format

    @property
    def delay(self) -> float:
        """Seconds for which nothing comes to the ear that was on its way."""
        return self._carrier.delay + QUIET_SECONDS

    def listen(self, heard: Callable[[bytes], object]) -> None:
        """
        Have a function called with what comes to the ear, once it was heard.

        In the thread that plays the carrier; must be quick.
        """
        decoded = self._bridge.output.decoded
        self._carrier.on_heard = lambda sound: heard(decoded(sound))

    def interrupt(self) -> None:
        """Have the bridge stop what it plays, and the session's response."""
        self._bridge.interrupt()

    def stop_listening(self) -> None:
        """Listen no more."""
        self._carrier.on_heard = None

    def speak(self, block: bytes) -> None:
        """Say a block; what is said after the end of the call reaches nobody."""
        self._carrier.feed(self._bridge.input.encoded(block))

    def press(self, digits: str) -> None:
        """Press keys."""
        self._carrier.press(digits)

    def hang_up(self) -> None:
        """End the call, as a caller does."""
        self._carrier.hang_up()
