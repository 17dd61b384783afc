"""A telephone company for tests, with somebody who listens at the other end."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..audio.telephony import CallBridge, Carrier, Codec
from .carrier_lines import (
    AudioHookCarrierLine,
    AudioSocketCarrierLine,
    AzureCarrierLine,
    CarrierLine,
    ChannelWebSocketCarrierLine,
    ExotelCarrierLine,
    PlivoCarrierLine,
    TelnyxCarrierLine,
    TwilioCarrierLine,
    VonageCarrierLine,
)

if TYPE_CHECKING:
    from ..server import ManualClock

STEP = 0.005
"""Seconds between two looks at the line."""

LINES: Mapping[str, Callable[..., CarrierLine]] = {
    "Twilio": TwilioCarrierLine,
    "SignalWire": TwilioCarrierLine,
    "Telnyx": TelnyxCarrierLine,
    "Plivo": PlivoCarrierLine,
    "Exotel": ExotelCarrierLine,
    "Vonage": VonageCarrierLine,
    "Azure Communication Services": AzureCarrierLine,
    "Genesys AudioHook": AudioHookCarrierLine,
    "Asterisk AudioSocket": AudioSocketCarrierLine,
    "Asterisk chan_websocket": ChannelWebSocketCarrierLine,
}
"""A carrier's side of the call, by its name."""


class FakeCarrier:
    """
    Plays a carrier, and the telephone behind it.

    With a clock that is moved by hand everything happens in `advance`, in the calling
    thread, the same in every run; without one it happens in real time, in a thread
    between `call` and `close`::

        clock = ManualClock()
        carrier = FakeCarrier(TWILIO, clock=clock, lag=0.15)
        bridge = CallBridge(
            session, TWILIO, send=carrier.send, clock=clock.now, thread=False
        )
        carrier.call(bridge)
        carrier.advance(2.0)
        assert carrier.ear_ms > 1500

    Args:
        carrier: whom to play.
        clock: a `ManualClock`; None for real time.
        lag: seconds that every message takes, there and back each.
        jitter: most seconds that a message may take more; order is kept.
        lose_marks: how likely a mark is never answered, 0 to 1.
        stall: when, in seconds since the call began, the carrier plays nothing, and
            for how long.
        seed: of what is left to chance.
        on_heard: called with each piece of sound when the caller has heard it, as it
            is coded on the line; in the thread that plays the carrier.
        line: options of the carrier's side: *coding* and *rate*, where it has several.

    Attributes:
        messages: what was sent to the carrier, as it arrived.
        ear: all sound that the caller has heard, as it is coded on the line.
        hung_up: set when the program has ended the call in the carrier's words.
        errors: what the bridge raised when it was given a message.
        on_heard: as above; may be set while the call goes on.
        clock: as above.
    """

    def __init__(
        self,
        carrier: Carrier,
        *,
        clock: ManualClock | None = None,
        lag: float = 0.0,
        jitter: float = 0.0,
        lose_marks: float = 0.0,
        stall: tuple[float, float] | None = None,
        seed: int = 0,
        on_heard: Callable[[bytes], object] | None = None,
        **line: str | int,
    ) -> None:
        self.carrier = carrier
        self.messages: list[str | bytes] = []
        self.ear = bytearray()
        self.hung_up = threading.Event()
        self.errors: list[Exception] = []
        self._line = LINES[carrier.name](**line)
        self.clock = clock
        self._lag, self._jitter, self._lose = lag, jitter, lose_marks
        self._stall = stall
        self.on_heard = on_heard
        self._chance = random.Random(seed)
        # Guards the two ways of the network and what the carrier has queued.
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self._there: list[tuple[float, int, str | bytes]] = []
        self._back: list[tuple[float, int, str | bytes]] = []
        self._latest = {"there": 0.0, "back": 0.0}
        # Sound and the names of marks, in the order in which they are played.
        self._queue: deque[bytes | str] = deque()
        self._bridge: CallBridge | None = None
        self._codec: Codec = carrier.output or carrier.input
        self._begun = 0.0
        self._played = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FakeCarrier:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def ear_ms(self) -> float:
        """Milliseconds of sound that the caller has heard."""
        with self._lock:
            return self._codec.format.ms(len(self.ear))

    @property
    def delay(self) -> float:
        """Seconds that a message takes at most, one way."""
        return self._lag + self._jitter

    @property
    def bridge(self) -> CallBridge | None:
        """Who was called; None before `call`."""
        return self._bridge

    def send(self, message: str | bytes) -> None:
        """Take a message from the program: give it to a bridge as *send*."""
        with self._lock:
            self._post("there", message)

    def call(self, bridge: CallBridge, *, codec: Codec | None = None) -> None:
        """
        Begin the call.

        Args:
            bridge: who is called.
            codec: how what comes to the ear is coded, where the carrier has
                several; the carrier's own by default.
        """
        self._bridge = bridge
        self._codec = codec or self._codec
        self._begun = self._played = self._now()
        for message in self._line.begin():
            self._say(message)
        if self.clock is None:
            self._thread = threading.Thread(
                target=self._run, name="realtime-carrier", daemon=True
            )
            self._thread.start()

    def speak(self, sound: bytes, *, block_ms: float = 20.0) -> None:
        """
        Let the caller speak, in blocks as carriers send them.

        With a clock that is moved by hand, time passes while the caller speaks.

        Args:
            sound: as it is coded on the line.
            block_ms: milliseconds in one message.
        """
        bridge = self._bridge
        coded = self.carrier.input if bridge is None else bridge.input
        size = coded.format.size(block_ms)
        for at in range(0, len(sound), size):
            self.feed(sound[at : at + size])
            self.advance(block_ms / 1000)

    def feed(self, block: bytes) -> None:
        """
        Take a block of the caller's sound, and let no time pass.

        For what keeps the time itself, as a microphone does.

        Args:
            block: as it is coded on the line.
        """
        self._say(self._line.caller(block))

    def press(self, digits: str) -> None:
        """Let the caller press keys."""
        for digit in digits:
            self._say(self._line.key(digit))

    def hang_up(self) -> None:
        """Let the caller hang up; a carrier without a word for it says nothing."""
        self._say(self._line.stop())

    def advance(self, seconds: float) -> None:
        """Let time pass: by the clock that is moved by hand, else by waiting."""
        if self.clock is None:
            self._ended.wait(seconds)
            return
        for _ in range(max(round(seconds / STEP), 1)):
            self.clock.advance(min(STEP, seconds))
            self._look()

    def close(self) -> None:
        """End what plays the carrier. Calling it again does nothing."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(5)

    def _now(self) -> float:
        moved: float = time.monotonic() if self.clock is None else self.clock.now()
        return moved

    def _say(self, message: str | bytes | None) -> None:
        if message is not None:
            with self._lock:
                self._post("back", message)

    def _post(self, way: str, message: str | bytes) -> None:
        """Put a message on its way; it overtakes none."""
        arrives = self._now() + self._lag + self._chance.random() * self._jitter
        arrives = self._latest[way] = max(arrives, self._latest[way])
        queue = self._there if way == "there" else self._back
        heapq.heappush(queue, (arrives, next(self._numbers), message))

    def _run(self) -> None:
        """Play the carrier in real time."""
        while not self._ended.wait(STEP):
            self._look()

    def _look(self) -> None:
        """Do what is due: messages there, sound to the ear, messages back."""
        bridge = self._bridge
        if bridge is not None and self.clock is not None:
            bridge.player.run_due()
        now = self._now()
        with self._lock:
            before = len(self.ear)
            while self._there and self._there[0][0] <= now:
                arrived, _, message = heapq.heappop(self._there)
                self._play_until(arrived)
                self._arrived(message)
            self._play_until(now)
            due = []
            while self._back and self._back[0][0] <= now:
                due.append(heapq.heappop(self._back)[2])
            heard = bytes(self.ear[before:])
        # Outside of the lock: whoever listens may look at the carrier.
        if heard and self.on_heard is not None:
            self.on_heard(heard)
        for message in due:
            self._deliver(message)

    def _deliver(self, message: str | bytes) -> None:
        if self._bridge is None:
            return
        try:
            self._bridge.receive(message)
        except Exception as exc:
            # A test looks at it; a thread that died would only stop the call.
            self.errors.append(exc)

    def _arrived(self, message: str | bytes) -> None:
        self.messages.append(message)
        for asked in self._line.read(message):
            if asked.what == "sound":
                self._queue.append(asked.sound)
            elif asked.what == "mark":
                self._queue.append(asked.mark)
            elif asked.what == "clear":
                # Marks that were not reached come back all the same.
                marks = [each for each in self._queue if isinstance(each, str)]
                self._queue.clear()
                for mark in marks:
                    self._reached(mark)
            elif asked.what == "answer":
                self._say(asked.answer)
            else:
                self.hung_up.set()

    def _reached(self, mark: str) -> None:
        if self._chance.random() >= self._lose:
            self._say(self._line.heard(mark))

    def _play_until(self, now: float) -> None:
        """Let the ear hear what there is until a moment."""
        if self._stall is not None:
            begins = self._begun + self._stall[0]
            if begins <= now and self._played < begins + self._stall[1]:
                now, after = min(now, max(begins, self._played)), now
                self._hear(now)
                self._played = min(after, begins + self._stall[1])
                now = after
                if now <= self._played:
                    return
        self._hear(now)

    def _hear(self, now: float) -> None:
        form = self._codec.format
        while self._queue:
            first = self._queue[0]
            if isinstance(first, str):
                self._queue.popleft()
                self._reached(first)
                continue
            room = form.size((now - self._played) * 1000)
            if room <= 0:
                break
            heard, rest = first[:room], first[room:]
            self.ear += heard
            self._played += len(heard) / form.bytes_per_second
            if rest:
                self._queue[0] = rest
                break
            self._queue.popleft()
        else:
            self._played = max(self._played, now)
