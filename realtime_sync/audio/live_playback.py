"""Playing what a live session says, and knowing what was heard of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, Optional, Protocol

from attrs import frozen

from ..deadline import held_here
from ..protocol.events import ServerEvent
from ..state.latency import FLOOR, peak
from .barge_in import BargeInPlayback
from .convert import Converter
from .formats import AudioFormat
from .ledger import PlaybackLedger, PlayedPart
from .spoken_format import SpokenFormat

if TYPE_CHECKING:
    from .. import live
    from ..dispatch.event_names import EventName

BACKLOG_MS = 200.0
"""
Milliseconds of the model's speech that may wait: with more, silence is left out.

The service sends sound as it is spoken, and stops without a word; what is queued
then is heard all the same.
"""

DROPPED_MS = 400.0
"""Milliseconds that wait at least, where an interruption drops them."""

PAUSE_MS = 600.0
"""Milliseconds of silence that belong to speech; longer ones are not played."""

OVER_MS = 1000.0
"""Milliseconds of silence after which the model has said what it had to say."""

RECENT_MS = 1000.0
"""Milliseconds between what the user says and a silence that it has caused."""

MUTED_MS = 300.0
"""Milliseconds of silence after which a model that was interrupted is heard again."""

STRETCHES = 1024
"""Stretches of playback that are remembered, for what was heard and what was not."""


class LivePlayback(BargeInPlayback, Protocol):
    """What a live attachment uses of a player."""

    ledger: PlaybackLedger

    @property
    def queued_ms(self) -> float:
        """Milliseconds that wait to be played."""


@frozen
class _Stretch:
    """
    Sound that was given to the player without a gap.

    Attributes:
        received_ms: how much of the session the player had been given before.
        at_ms: where it begins in the session.
    """

    received_ms: float
    at_ms: float


class LiveAttachment:
    """
    A player that plays what a live session says.

    A live session sends sound all the time, silence as well, and there is no word on
    the wire when the model stops because the user speaks. So what waits is kept
    short: silence is played only where it is a pause in speech, and left out while
    more than a moment waits. Where much waits all the same, because sound came faster
    than it is heard, and the model falls silent for the user, the rest is dropped.
    Its handlers run on the session's loop.

    Made by `Player.attach`. Undone by `detach`, or at the end of a ``with`` block; the
    player stays open.

    Attributes:
        interruptions: how often playback was cut.
    """

    def __init__(
        self,
        player: LivePlayback,
        session: live.LiveSession,
        *,
        barge_in: bool | None = None,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
        may_interrupt: Callable[[], bool] = lambda: True,
    ) -> None:
        # What cannot be played is refused here, and not at every piece of sound.
        self._format = SpokenFormat(session)
        self.interruptions = 0
        self._player = player
        self._session = session
        # Guards the account: what the player was given, and where in the session it
        # lies. Held while the player is given something, which waits for nobody.
        # Re-entrant: a signal handler may interrupt while its thread does, or looks.
        self._lock = RLock()
        self._on_interrupted = on_interrupted
        self._may_interrupt = may_interrupt
        self._begin(session.id or "")
        handlers: dict[EventName, Callable[[Any], None]] = {
            "session.started": self._started,
            # The start of a session in another's place is told to nobody but this.
            "connection.restored": self._started,
            "session.output_audio.delta": self._delta,
            "connection.lost": self._lost,
        }
        if barge_in is not False:
            handlers["session.input_transcript.delta"] = self._user_said
        self._subscriptions = [
            session.on(name, handler, inline=True) for name, handler in handlers.items()
        ]
        self._unlisten = player.add_failure_listener(self._failed)

    def _begin(self, session_id: str) -> None:
        """The clock of a session begins anew."""
        self._id = session_id
        self._clock_ms = self._heard_ms = self._spoke_ms = 0.0
        self._quiet_ms = OVER_MS
        self._user_ms = float("-inf")
        self._muted = False
        self._before: Optional[bytes] = None
        self._converter: Optional[Converter] = None
        self._stretches: list[_Stretch] = []
        self._received_ms = 0.0
        self._unheard: list[tuple[float, float]] = []

    def __enter__(self) -> LiveAttachment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def detach(self) -> None:
        """Stop playing what the session says. Calling it again does nothing."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()
        self._unlisten()

    @property
    def speaking(self) -> bool:
        """Whether the model speaks, or has only just stopped."""
        return self._quiet_ms < OVER_MS

    @property
    def heard_ms(self) -> float:
        """How far the user has heard the model, in milliseconds of the session."""
        with self._lock:
            return self._heard_so_far()

    @property
    def heard(self) -> str:
        """What the user has heard of the model's words in this session."""
        snapshot = self._session.snapshot
        return snapshot.assistant.between(0, self.heard_ms, epoch=snapshot.epoch)

    @property
    def unheard(self) -> tuple[tuple[float, float], ...]:
        """
        Spans of this session, in milliseconds, in which nobody heard the model.

        From where playback was cut to where it went on; the latest ones, in order.
        """
        with self._lock:
            return tuple(self._unheard)

    def interrupt(self, *, cancel: bool | None = True) -> tuple[PlayedPart, ...]:
        """
        Stop playback now; what the model goes on to say is not heard.

        May be called from any thread. The service is told nothing, for it knows no
        such command: the model stops when it hears the user, or is told to with
        ``session.instruct(...)``. It is heard again when it was silent for a moment.

        Args:
            cancel: False to play what comes next.

        Returns:
            How far the player has played.
        """
        self._muted = cancel is not False and not self._quiet_ms
        return self._cut()

    def _cut(self) -> tuple[PlayedPart, ...]:
        with self._lock:
            self._heard_ms = self._heard_so_far()
            begun = self._stretches[0].at_ms if self._stretches else self._clock_ms
            # What comes from now on is another part of the ledger.
            self._stretches, self._received_ms = [], 0.0
            self._converter = self._before = None
            heard = self._player.interrupt()
            cut = any(part.heard_ms < part.received_ms for part in heard)
            if cut:
                # Nothing of it may have been heard, and of what was before, all.
                self._miss(max(self._heard_ms, begun))
        if cut:
            self.interruptions += 1
            if self._on_interrupted is not None:
                self._on_interrupted(heard)
        return heard

    def _miss(self, start: float) -> None:
        """Note that what lies between a time and now is not heard."""
        assert held_here(self._lock)
        if self._unheard and start <= self._unheard[-1][1]:
            start = self._unheard.pop()[0]
        self._unheard.append((start, self._clock_ms))
        del self._unheard[:-STRETCHES]

    def _heard_so_far(self) -> float:
        assert held_here(self._lock)
        heard = self._player.ledger.heard_ms(self._id)
        # An interruption, which a signal handler may make here, begins another list.
        stretches = self._stretches
        if heard <= 0 or not stretches:
            return self._heard_ms
        at = bisect_left(stretches, heard, key=lambda each: each.received_ms)
        stretch = stretches[max(at - 1, 0)]
        return stretch.at_ms + heard - stretch.received_ms

    def _until(self) -> float:
        """Where in the session what was given to the player ends."""
        last = self._stretches[-1]
        return last.at_ms + self._received_ms - last.received_ms

    # -- the session's loop ------------------------------------------------------

    def _started(self, event: object) -> None:
        name = self._session.id or ""
        if name != self._id:
            with self._lock:
                self._begin(name)

    def _lost(self, event: ServerEvent) -> None:
        self._player.end()

    def _failed(self, error: Exception, retrying: bool) -> None:
        self._session.notify("player.failed", error=error, retrying=retrying)

    def _user_said(self, event: live.events.InputTranscriptDelta) -> None:
        start, text = event.start_ms, event.delta
        # The full stop of a sentence may come while the model speaks.
        if isinstance(text, str) and any(map(str.isalnum, text)):
            if isinstance(start, (int, float)):
                self._user_ms = start
            self._stop_for_user()

    def _stop_for_user(self) -> None:
        """Drop what waits, where the model has fallen silent for the user."""
        silent_since = self._clock_ms - self._quiet_ms
        spoke_over = self._user_ms >= max(self._spoke_ms, silent_since - RECENT_MS)
        if self._quiet_ms and spoke_over and self._player.queued_ms > DROPPED_MS:
            if self._may_interrupt():
                self._cut()

    def _delta(self, event: live.events.OutputAudioDelta) -> None:
        data = event.delta or b""
        wire = self._format.of()
        if wire is None:
            return
        length = wire.ms(len(data))
        start = event.start_ms
        if isinstance(start, (int, float)):
            # Attached connections say where a piece lies, and leave some out.
            self._clock_ms = start + length
        else:
            self._clock_ms = wire.ms(self._session.snapshot.audio.received_bytes)
        if peak(data, wire.name) >= FLOOR:
            if not self.speaking:
                self._spoke_ms = self._clock_ms - length
            self._quiet_ms = 0.0
            self._speaks(data, wire)
        elif data:
            self._quiet_ms += length
            self._pauses(data, wire)

    def _speaks(self, data: bytes, wire: AudioFormat) -> None:
        if self._muted:
            with self._lock:
                self._miss(self._clock_ms - wire.ms(len(data)))
            return
        before, self._before = self._before, None
        if before is not None and not self._player.queued_ms:
            # A moment of silence first: the next piece may come a bit late.
            self._play(before + data, wire)
        else:
            self._play(data, wire)

    def _pauses(self, data: bytes, wire: AudioFormat) -> None:
        self._muted = self._muted and self._quiet_ms < MUTED_MS
        self._stop_for_user()
        in_speech = self._quiet_ms <= PAUSE_MS and not self._muted
        if in_speech and self._player.queued_ms <= BACKLOG_MS:
            self._play(data, wire)
            return
        self._before = data
        if PAUSE_MS < self._quiet_ms <= OVER_MS:
            self._let_out()
            self._player.end()

    def _let_out(self) -> None:
        """Play what a resampler has kept."""
        with self._lock:
            converter, self._converter = self._converter, None
            if converter is not None:
                self._player.play(converter.finish(), item_id=self._id)

    def _play(self, data: bytes, wire: AudioFormat) -> None:
        """Give sound that ends now to the player."""
        target = self._player.format
        length = wire.ms(len(data))
        at = self._clock_ms - length
        with self._lock:
            if not self._stretches or abs(self._until() - at) > 1:
                self._stretches.append(_Stretch(self._received_ms, at))
                del self._stretches[:-STRETCHES]
            self._received_ms += length
            if wire != target:
                if self._converter is None or self._converter.target != target:
                    self._converter = Converter(
                        wire, target, rate=wire.rate, to_rate=target.rate
                    )
                data = self._converter.feed(data)
            self._player.play(data, item_id=self._id)
