"""Playing what the server says, into any sink, with an exact account."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from attrs import frozen

from ..deadline import Deadline, Waiters, check_seconds, held_here
from ..errors import ConfigurationError
from ..transport.logs import area_logger
from ..types import AudioBytes
from .barge_in import Attachment, Failed
from .convert import convert
from .formats import PCM16, AudioFormat, FormatLike, audio_format
from .ledger import KEEP, PlaybackLedger, PlayedPart
from .live_playback import LiveAttachment
from .paced_stream import is_live_for_stream
from .turns import OwnThreadOfTurns, PlayerTurns

if TYPE_CHECKING:
    from .. import Session, live
    from .paced_stream import AnySession

_log = area_logger("realtime_sync.audio")

Sink = Callable[[bytes], Any]
Result = TypeVar("Result")

Heard = Literal["heard", "interrupted", "timeout", "failed"]
"""How waiting until something was heard ended."""

_REST = 0.06
"""Seconds after which what does not fill a block is played all the same."""

_RETRY_FIRST = 0.05
_RETRY_MOST = 0.5

_SLOW_CALLS = 3
"""Calls in a row that last as long as their sound; a sink that makes so many waits."""


@frozen
class _Work:
    """
    One call of the sink that is to be made, and the sound in it.

    What may be put back is *sound*; what goes out, silence and all, is *block*. A
    mark that is asked for at a *position* stands for the *marked* bytes before it.
    """

    call: Callable[[], Any]
    sound: bytes = b""
    block: bytes = b""
    clears: bool = False
    marked: int = 0
    position: int | None = None


class HasPlayer(Protocol):
    """A loudspeaker, or whatever else has a player."""

    @property
    def player(self) -> Player:
        """What plays."""


class Player:
    """
    A queue of audio that can be stopped at any sample.

    With a *sink* the player pushes: it is called with one block after another, each
    when the one before it has been played, in a thread of the player's own. A player
    that is attached to a session that shares `Threads` shares them too: then its calls
    are made by a few threads that such players have in common. Without a sink it is
    pulled: the callback of an audio device calls `pull`.

    All methods may be called from any thread; none of them waits for the sink,
    but `wait_idle`, `wait_heard` and `close`.

    A sink that raises is called with the same block again, after a moment, for
    *retry_for* seconds; then the player has failed and is closed. What a sink
    refused does not count as heard. Both are told to *on_failure*, and as
    ``player.failed`` to the handlers of a session that is attached.

    Args:
        sink: called with bytes, one call at a time. One that waits holds up others
            where threads are shared: see *thread*.
        format: format of the bytes.
        block_ms: milliseconds per call of the sink. The shorter, the sooner an
            interruption is silent.
        pad: fill the last block of an answer up with silence, for sinks that
            take whole blocks only.
        latency: seconds from the sink being called to the sound being heard.
        clear: called, like the sink and never at once with it, after an
            interruption, to drop what the sink itself still holds. Without it, what
            the sink was given counts as heard.
        confirmed: False for a sink that reports what it has played: it then
            calls ``player.ledger.confirm``.
        mark: for a sink that reports when it is asked: called, never at once with
            it, with a position that ``player.ledger.confirm`` is to be called with
            once the sink has played all it was given. Between two reports, the clock
            tells what was heard; see `PlaybackLedger`.
        mark_ms: milliseconds of sound between two marks.
        lead: seconds by which blocks are sent ahead of time, where the way to the
            sink is not even.
        retry_for: seconds for which a sink that raises is tried again.
        on_failure: called with what the sink raised, and whether it will be tried
            again: once when it begins to fail, once when the player gives up. In
            the thread that called the sink; must be quick.
        close_timeout: seconds for which `close` waits for a call of the sink.
        clock: seconds, monotonic.
        thread: True for a thread of its own whatever it is attached to, for a sink
            that waits, such as the ``write`` of a sound device; False for a player
            whose owner calls `run_due`, with a clock of their own. By default, a sink
            that again and again takes as long as its sound lasts, and one for which no
            shared thread is free, gets a thread of its own as well.
        name: shows in the name of the thread.
    """

    def __init__(
        self,
        sink: Sink | None = None,
        *,
        format: FormatLike = PCM16,
        block_ms: float = 20.0,
        pad: bool = False,
        latency: float = 0.0,
        lead: float = 0.0,
        clear: Callable[[], Any] | None = None,
        confirmed: bool = True,
        mark: Callable[[int], Any] | None = None,
        mark_ms: float = 120.0,
        retry_for: float = 2.0,
        on_failure: Failed | None = None,
        close_timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        thread: bool | None = None,
        name: str = "player",
    ) -> None:
        self._block_ms = block_ms
        self._mark_ms = mark_ms
        self._clock = clock
        self._mark = mark
        # Guards the queue, everything below and the ledger. Reentrant: a signal handler
        # may close what the main thread is in the middle of. One lock: with two of them
        # it would find its thread in the ledger and another one in the player.
        self._lock = RLock()
        self._set_format(audio_format(format))
        self._sink = sink
        self._clear = clear
        self._pad = pad
        self._latency = latency
        self._lead = lead
        self._confirmed = confirmed and mark is None
        self._retry_for = retry_for
        self._close_timeout = close_timeout
        self._thread = thread
        self._name = name
        # Who waits for the end of the queue, or of a call.
        self._waiters = Waiters()
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._paused = False
        # When a pause ends by itself.
        self._pause_ends: float | None = None
        self._closed = False
        self._clearing = False
        # Whether the answer that is queued is complete, and when its last piece
        # came: what does not fill a block waits for more.
        self._ended = False
        self._last_piece = 0.0
        # Half a sample that a piece of each part ended with: its other half comes
        # with the next. At most KEEP; whoever interleaves more parts is cut there.
        self._halves: dict[tuple[str, int], bytes] = {}
        self._unmarked = 0
        # What is played while nothing is queued, how far it was, from when on, and
        # whether it begins again at its end.
        self._filler = b""
        self._filled = 0
        self._fill_at = 0.0
        self._refills = True
        self._busy_until: float | None = None
        # The same for what the sink was given late; only idleness waits for that.
        self._played_by = 0.0
        # How often the player was interrupted: what a sink refused before that is
        # not played again after it.
        self._interruptions = 0
        # Since when the sink fails, and when it is tried again.
        self._failing: float | None = None
        self._retry_at = 0.0
        self._retry_delay = _RETRY_FIRST
        self._failure: Exception | None = None
        self._raised = False
        self._listeners: list[Failed] = [] if on_failure is None else [on_failure]
        # Replaced as a whole: who plays reads it without the lock.
        self._block_listeners: tuple[Callable[[bytes], object], ...] = ()
        # Who calls when something is due; None where the owner or a device does.
        self._turns: PlayerTurns | None = None
        self._own: OwnThreadOfTurns | None = None
        if sink is not None and thread is not False:
            self._turns = self._own = OwnThreadOfTurns(self._turn, f"realtime-{name}")
        # Who calls the sink now; whoever else finds something due leaves it to them.
        self._caller: int | None = None
        # How many calls in a row took as long as their sound. Touched by the caller.
        self._slow = 0
        self._started = False
        # Whether anything was lost because the player was closed.
        self._dropped = False

    def _set_format(self, format: AudioFormat) -> None:
        self.format = format
        self.ledger = PlaybackLedger(
            format,
            clock=self._clock,
            estimate=self._mark is not None,
            lock=self._lock,
        )
        self._mark_size = format.size(self._mark_ms)
        self._block = max(format.size(self._block_ms), format.bytes_per_sample)

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def queued_ms(self) -> float:
        """Milliseconds that wait to be played."""
        with self._lock:
            return self.format.ms(self._queued)

    @property
    def paused(self) -> bool:
        """Whether playback is paused."""
        with self._lock:
            return self._is_paused()

    @property
    def sounding(self) -> bool:
        """Whether anything that was queued is still to be heard."""
        return self.ledger.sounding

    @property
    def failure(self) -> Exception | None:
        """What the sink raised until the player gave up; None if it did not."""
        with self._lock:
            return self._failure

    def add_failure_listener(self, listener: Failed) -> Callable[[], None]:
        """
        Have a function called like *on_failure*.

        Returns:
            What undoes it.
        """
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def add_block_listener(
        self, listener: Callable[[bytes], object]
    ) -> Callable[[], None]:
        """
        Have a function called with every block that goes to the device or the sink.

        In order, silence of a device that pulls included; on the thread that plays,
        so it must be quick.

        Returns:
            What undoes it.
        """
        self._block_listeners += (listener,)

        def remove() -> None:
            self._block_listeners = tuple(
                each for each in self._block_listeners if each is not listener
            )

        return remove

    def play(
        self,
        data: AudioBytes,
        *,
        item_id: str = "",
        content_index: int = 0,
        response_id: str | None = None,
    ) -> None:
        """
        Queue audio.

        Args:
            data: bytes-like audio in the player's format.
            item_id: the item it belongs to, for the ledger.
            content_index: the content part it belongs to.
            response_id: the response that made it.

        Raises:
            RuntimeError: the system gives no thread that could play it. It is queued
                all the same: the next call, of a wait for example, asks again.
        """
        sound = bytes(data)
        self._change(lambda: self._enqueue(sound, item_id, content_index, response_id))

    def _enqueue(
        self, data: bytes, item_id: str, content_index: int, response_id: str | None
    ) -> None:
        if self._closed:
            return
        piece = memoryview(self._whole((item_id, content_index), data))
        size, before = len(piece), self.ledger.entered
        if not size:
            return
        self._last_piece = self._clock()
        self._ended, self._started = False, True
        end = None
        try:
            end = self.ledger.received(
                size,
                item_id=item_id,
                content_index=content_index,
                response_id=response_id,
            )
        finally:
            # Ctrl-C or not: what is in the account is in the queue, or it would be
            # waited for for ever; and what a signal handler has dropped is in neither.
            # One call, after which both say the same.
            if end is None and self.ledger.entered != before:
                end = self.ledger.entered
            if end is not None and end > self.ledger.dropped:
                self._queued += size
                self._queue.append(piece)

    def _whole(self, part: tuple[str, int], data: bytes) -> bytes:
        """
        Whole samples of a part; half of one waits for its other half.

        What is played after half a sample would be noise to its end.
        """
        data = self._halves.pop(part, b"") + data
        size = len(data) - len(data) % self.format.bytes_per_sample
        if size < len(data):
            self._halves[part] = data[size:]
            if len(self._halves) > KEEP:
                self._halves.pop(next(iter(self._halves)))
        return data[:size]

    def change_format(self, format: FormatLike) -> None:
        """
        Go on in another format; what is queued is converted.

        Only before anything was handed to the sink: a call that has not begun.

        Raises:
            ConfigurationError: something was handed over, or a package is missing.
        """
        target = audio_format(format)
        self._change(lambda: self._go_on_in(target))

    def _go_on_in(self, target: AudioFormat) -> None:
        if target == self.format:
            return
        if self.ledger.position:
            raise ConfigurationError("a player that has played keeps its format")
        old, sound, ended = self.format, b"".join(self._queue), self._ended
        parts = self.ledger.take_queued()
        self._empty_queue()
        self._halves.clear()
        filler, self._filler = self._filler, b""
        if filler:
            self._filled = target.size(old.ms(self._filled))
            self._filler = convert(
                filler, old, target, rate=old.rate, to_rate=target.rate
            )
        self._set_format(target)
        for part, size in parts:
            piece, sound = sound[:size], sound[size:]
            self._enqueue(
                convert(piece, old, target, rate=old.rate, to_rate=target.rate),
                part.item_id,
                part.content_index,
                part.response_id,
            )
        self._ended = ended

    def fill_with(
        self, sound: bytes, *, after: float = 0.0, repeat: bool = True
    ) -> None:
        """
        Play something while nothing is queued: music on hold.

        It does not count as heard, and pauses for what is queued. It goes on until
        other sound, or none (``b""``), takes its place.

        Args:
            sound: in the player's format.
            after: seconds from now on for which nothing of it is played.
            repeat: begin again at its end.
        """
        filler = bytes(sound)

        def fill() -> None:
            self._filler, self._filled = filler, 0
            self._fill_at, self._refills = self._clock() + after, repeat
            self._started = self._started or bool(filler)

        self._change(fill)

    def end(self) -> None:
        """Say that what is queued is complete: its last block is not to wait."""
        self._change(self._end)

    def _end(self) -> None:
        self._ended = True
        self._halves.clear()

    def pull(self, size: int, *, at: float | None = None) -> bytes:
        """
        Take the next *size* bytes, filled up with silence.

        For the callback of an audio device.

        Args:
            size: bytes that the device wants.
            at: when the first of them will be heard, by the player's clock; now,
                and the latency later, by default.
        """
        with self._lock:
            block = b"" if self._is_paused() else self._take(size, at)
            emptied = not self._queued
        if emptied:
            self._waiters.wake()
        missing = (size - len(block)) // self.format.bytes_per_sample
        block += self.format.silence * missing
        self._tell_block(block)
        return block

    def pause(self, seconds: float | None = None) -> None:
        """
        Stop playing and keep what is queued.

        Args:
            seconds: after which it goes on by itself; None for not before `resume`.
        """

        def pause() -> None:
            ends = None if seconds is None else self._clock() + seconds
            self._paused, self._pause_ends = True, ends

        self._change(pause)

    def _is_paused(self) -> bool:
        """Whether there is a pause that has not ended by itself."""
        if self._pause_ends is not None and self._clock() >= self._pause_ends:
            self._go_on()
        return self._paused

    def _go_on(self) -> None:
        """End a pause: what is played next is played from now on."""
        self._paused, self._pause_ends = False, None
        now = self._clock()
        if self._busy_until is not None and self._busy_until < now:
            self._busy_until = now

    def resume(self) -> None:
        """Go on after `pause`."""
        self._change(self._resume)

    def _resume(self) -> None:
        if self._paused:
            self._go_on()

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """
        Stop at once, drop everything that is queued.

        Returns:
            How far every part was played, those that were not heard included.
        """
        return self._change(self._interrupt)

    def _interrupt(self) -> tuple[PlayedPart, ...]:
        if self._clear is None and self._confirmed:
            # What the sink has cannot be taken back: it will be heard.
            self.ledger.settle()
        sounding = self.ledger.sounding
        self.ledger.drop()
        heard = self.ledger.parts()
        self.ledger.forget()
        self._empty_queue()
        self._halves.clear()
        self._unmarked = 0
        self._interruptions += 1
        self._busy_until = None
        self._played_by = 0.0
        if self._clear is not None and self._started and sounding:
            self._clearing = True
        return heard

    def wait_idle(self, timeout: float | None = None) -> bool:
        """
        Wait until everything was played.

        Woken by the end of the queue, by an interruption and by `close`.

        Returns:
            False when *timeout* seconds were not enough.

        Raises:
            RuntimeError: the system gives no thread that could play it.
        """
        deadline = Deadline(check_seconds(timeout))
        # What has no thread because the system gave none asks for one here.
        self._look_again()
        return self._waiters.wait_for(self._idle, deadline)

    def _idle(self) -> bool:
        with self._lock:
            return self._closed or (not self._queued and self._busy_until is None)

    def wait_heard(self, timeout: float | None) -> Heard:
        """
        Wait until everything that was queued was heard.

        Where the sink reports, its reports are waited for, as long as they come.

        Args:
            timeout: seconds; None for as long as it takes.

        Returns:
            ``"heard"``; ``"interrupted"`` when an interruption came first;
            ``"timeout"``; ``"failed"`` when the sink failed or the player was
            closed before the end.

        Raises:
            RuntimeError: the system gives no thread that could play it.
        """
        deadline = Deadline(check_seconds(timeout))
        before = self._interruptions
        self._look_again()

        def ended() -> Heard | None:
            with self._lock:
                if self._interruptions != before:
                    return "interrupted"
                if not self._queued and not self.ledger.pending:
                    return "failed" if self._dropped else "heard"
                return "failed" if self._closed else None

        while (found := ended()) is None:
            if deadline.passed:
                return "timeout"
            # Reports reach the ledger without a word to the player.
            self._waiters.wait_for(lambda: ended() is not None, deadline.limited(0.02))
        return found

    def close(self, timeout: float | None = None) -> None:
        """
        Drop what is queued; waits for a call of the sink.

        Args:
            timeout: seconds to wait for that call; the player's *close_timeout*
                by default. A thread of its own ends when the call does.

        Raises:
            Exception: what the sink raised until the player gave up, once.
        """
        given = check_seconds(timeout)
        # A signal handler that finds its thread inside of the lock waits for nothing:
        # the player's thread wants that lock, too.
        within = held_here(self._lock)
        given = 0.0 if within else given
        deadline = Deadline(self._close_timeout if given is None else given)
        with self._lock:
            self._close()
        self._waiters.wake()
        # The sink may be who closes.
        returned = self._waiters.wait_for(
            lambda: within or self._caller in (None, get_ident()), deadline
        )
        with self._lock:
            turns, own = self._turns, self._own
        if turns is not None:
            turns.end()
        if own is not None:
            own.end()
            own.join(deadline.remaining() if returned else 0.0)
        if not returned:
            _log.warning("! the sink of %s does not return", self._name)
        with self._lock:
            failure = None if self._raised else self._failure
            self._raised = True
        if failure is not None:
            raise failure

    def run_due(self) -> float | None:
        """
        Make the calls of the sink that are due, in the calling thread.

        For a player without a thread. Does nothing while another thread does it.

        Returns:
            Seconds until more is due; None when something must happen first.
        """
        return self._make_due(most=inf)

    @overload
    def attach(
        self,
        session: Session,
        *,
        barge_in: bool | None = ...,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = ...,
        may_interrupt: Callable[[], bool] = ...,
    ) -> Attachment: ...

    @overload
    def attach(
        self,
        session: live.LiveSession,
        *,
        barge_in: bool | None = ...,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = ...,
        may_interrupt: Callable[[], bool] = ...,
    ) -> LiveAttachment: ...

    def attach(
        self,
        session: AnySession,
        *,
        barge_in: bool | None = None,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
        may_interrupt: Callable[[], bool] = lambda: True,
    ) -> Attachment | LiveAttachment:
        """
        Play what a session says, and stop when its user speaks.

        Args:
            session: open, or about to be.
            barge_in: at ``input_audio_buffer.speech_started`` be silent at once
                and have the server truncate to what was heard. The session's
                reader does it, so that slow handlers do not delay it.
            on_interrupted: called with how far every part was played, if
                anything was cut, on the thread that interrupts; must be quick.
            may_interrupt: asked, on the session's loop, whether speech that
                begins interrupts now; must be quick.

        Returns:
            The attachment; ``with`` or `detach` ends it, `interrupt` stops
            playback by hand.
        """
        self._share(session)
        if is_live_for_stream(session):
            return LiveAttachment(
                self,
                session,
                barge_in=barge_in,
                on_interrupted=on_interrupted,
                may_interrupt=may_interrupt,
            )
        return Attachment(
            self,
            session,
            barge_in=barge_in,
            on_interrupted=on_interrupted,
            may_interrupt=may_interrupt,
        )

    def _take(self, size: int, at: float | None) -> bytes:
        """Take up to *size* bytes out of the queue and enter them."""
        # A signal handler may drop all of it between any two calls; then what was taken
        # and not entered is dropped as well. No signal comes between a look at what
        # was dropped and the step that follows it.
        ledger = self.ledger
        taken, dropped, left = bytearray(), ledger.dropped, size
        start = self._clock() + self._latency if at is None else at
        while left > 0 and self._queue and ledger.dropped == dropped:
            piece = self._queue.popleft()
            taken += piece[:left]
            rest, left = piece[left:], size - len(taken)
            if rest and ledger.dropped == dropped:
                self._queue.appendleft(rest)
        length = len(taken)
        if not length or ledger.dropped != dropped:
            return b""
        self._queued -= length
        entered = ledger.handed(
            length, at=start, confirmed=self._confirmed, dropped=dropped
        )
        return bytes(taken if ledger.dropped == dropped else taken[:entered])

    def _change(self, change: Callable[[], Result]) -> Result:
        """Change what is queued, and have whoever plays look at it."""
        try:
            with self._lock:
                result = change()
            self._look_again()
            return result
        except BaseException:
            # A Ctrl-C, perhaps behind the change: nobody would come for it.
            with suppress(RuntimeError):
                self._look_again()
            raise

    def _look_again(self) -> None:
        """
        Tell who waits, and ask for a turn when something is to be done.

        Raises:
            RuntimeError: the system gives no thread.
        """
        self._waiters.wake()
        with self._lock:
            turns, due = self._turns, None if self._closed else self._upcoming()[0]
            wait = None if due is None else due - self._clock()
        if turns is not None and wait is not None:
            turns.ask(wait)

    def _share(self, session: AnySession) -> None:
        """Be called by the threads that a session shares, if it does."""
        threads = session.threads
        if threads is None or self._turns is None or self._thread is not None:
            return
        turns = threads.turns(self._turn, self._play_alone)
        with self._lock:
            own, self._own = self._own, None
            self._turns = turns
        if own is not None:
            own.end()
        self._look_again()

    def _play_alone(self) -> None:
        """Go on with a thread of its own. Any thread; does not wait."""
        with self._lock:
            if self._own is not None or self._closed:
                return
            name = f"realtime-{self._name}"
            self._turns = self._own = OwnThreadOfTurns(self._turn, name)
        self._look_again()

    def _close(self) -> None:
        """Let nothing more be played."""
        if self.ledger.pending:
            self._dropped = True
        self._closed = True
        self._empty_queue()
        self.ledger.drop()

    def _empty_queue(self) -> None:
        # The call into C last: a signal comes behind it, when all of it is done.
        self._queued = 0
        self._queue.clear()

    def _turn(self) -> None:
        """
        Make one call that is due, and ask for the next one. On whatever thread plays.

        One only: others wait for that thread where it is shared.
        """
        wait = self._make_due(most=1)
        if self._slow >= _SLOW_CALLS and self._own is None:
            _log.info("= the sink of %s waits: it gets a thread", self._name)
            self._slow = 0
            self._play_alone()
            return
        turns = self._turns
        if wait is not None and turns is not None:
            turns.ask(wait)

    def _make_due(self, most: float) -> float | None:
        """
        Make so many calls that are due, if nobody else does.

        Returns:
            Seconds until more is due; None when something must happen first.
        """
        mine, began = get_ident(), False
        try:
            with self._lock:
                if self._caller is not None:
                    # Who looks once more after the call, and asks for what is due then.
                    return None
                self._caller, began = mine, True
            while True:
                with self._lock:
                    wait, make = self._due()
                    if make is None or most <= 0:
                        # In one with the look: what is put afterwards is seen by
                        # whoever put it.
                        self._caller, began = None, False
                        break
                    work = make()
                if work is not None:
                    self._do(work)
                    most -= 1
        except BaseException:
            if began:
                self._caller = None
            self._waiters.wake()
            raise
        self._waiters.wake()
        return wait

    def _due(self) -> tuple[float | None, Callable[[], _Work | None] | None]:
        """Seconds until something is due, and what it is if it is due now."""
        if self._closed:
            return None, None
        due, make = self._upcoming()
        if due is None:
            return None, None
        wait = due - self._clock()
        return max(wait, 0.0), None if wait > 0 else make

    def _do(self, work: _Work) -> None:
        """Make one call of the sink; no lock is held."""
        before, began = self._interruptions, time.monotonic()
        try:
            work.call()
        except Exception as exc:
            # The sink is the user's; so is what it raises.
            self._refused(work, exc, before)
        else:
            lasted = time.monotonic() - began >= self._block_ms / 1000
            self._slow = self._slow + 1 if lasted else 0
            self._tell_block(work.block)
            with self._lock:
                self._failing = None
                self._retry_delay = _RETRY_FIRST

    def _refused(self, work: _Work, exc: Exception, interruptions: int) -> None:
        """Put back what a sink did not take, or give up."""
        with self._lock:
            now = self._clock()
            first = self._failing is None
            if self._failing is None:
                self._failing = now
            gives_up = now - self._failing >= self._retry_for
            piece, size = memoryview(work.sound), len(work.sound)
            if interruptions == self._interruptions and not self._closed:
                self.ledger.take_back(size)
                if work.position is not None:
                    self.ledger.withdraw(work.position)
            unmarked = max(self._unmarked - size, 0) + work.marked
            # Looked at again: a signal handler may have interrupted meanwhile.
            if interruptions == self._interruptions and not self._closed:
                self._unmarked = unmarked
                if size:
                    self._queued += size
                    self._queue.appendleft(piece)
            self._clearing = self._clearing or work.clears
            self._busy_until = None
            self._retry_at = now + self._retry_delay
            self._retry_delay = min(self._retry_delay * 2, _RETRY_MOST)
            if gives_up and not self._closed:
                self._failure = exc
                self._close()
        self._waiters.wake()
        if first or gives_up:
            _log.warning("! the sink of %s failed: %r", self._name, exc)
            for listener in tuple(self._listeners):
                self._tell(listener, exc, retrying=not gives_up)

    def _tell_block(self, block: bytes) -> None:
        if block:
            for listener in self._block_listeners:
                try:
                    listener(block)
                except Exception:
                    # Nobody would ask for the next turn, or a device would go silent.
                    _log.exception("! a listener of %s failed", self._name)

    def _tell(self, listener: Failed, exc: Exception, *, retrying: bool) -> None:
        try:
            listener(exc, retrying)
        except Exception:
            # A listener is the user's too, and must not take the sound with it.
            _log.exception("! on_failure of %s failed", self._name)

    def _upcoming(self) -> tuple[float | None, Callable[[], _Work | None] | None]:
        """When there is what to do; no time where something must happen first."""
        after = self._retry_at if self._failing is not None else 0.0
        if self._clearing:
            return after, self._clear_work
        if self._mark is not None and self._unmarked >= self._mark_size:
            return after, self._mark_work
        rested = 0.0 if self._ended else self._last_piece + _REST
        paused = self._is_paused()
        if self._queued and not paused:
            due = 0.0 if self._busy_until is None else self._busy_until - self._lead
            if self._queued < self._block:
                due = max(due, rested)
            return max(due, after), self._block_work
        if self._mark is not None and self._unmarked and not self._queued:
            return max(rested, after), self._mark_work
        if self._filler and not paused:
            due = 0.0 if self._busy_until is None else self._busy_until - self._lead
            return max(due, after, self._fill_at), self._filler_work
        if paused and self._pause_ends is not None:
            return self._pause_ends, None
        if self._busy_until is None:
            # What was refused may have been dropped by an interruption: a sink that
            # nobody calls does not go on failing.
            self._failing, self._retry_delay = None, _RETRY_FIRST
            return None, None
        # A sink that is to be fed ahead of time is idle only when it has played.
        return self._played_by, self._rest

    def _rest(self) -> None:
        """Nothing more to play, and all of it was played; the next look tells."""
        self._busy_until = None

    def _clear_work(self) -> _Work | None:
        self._clearing = False
        return None if self._clear is None else _Work(self._clear, clears=True)

    def _mark_work(self) -> _Work | None:
        marked, self._unmarked = self._unmarked, 0
        position, mark = self.ledger.expect(), self._mark
        if mark is None:
            return None
        return _Work(lambda: mark(position), marked=marked, position=position)

    def _block_work(self) -> _Work | None:
        block = self._due_block()
        if not block:
            return None  # A signal handler has emptied the queue.
        self._unmarked += len(block)
        missing = (self._block - len(block)) // self.format.bytes_per_sample
        padding = self.format.silence * missing if self._pad else b""
        sink = self._sink
        assert sink is not None
        return _Work(lambda: sink(block + padding), block, block + padding)

    def _filler_work(self) -> _Work:
        """The next block of what is played while nothing else is."""
        block, filler = b"", self._filler
        # The same one throughout: a signal handler may put another in its place.
        while len(block) < self._block and filler:
            piece = filler[self._filled : self._filled + self._block - len(block)]
            block += piece
            filled = (self._filled + len(piece)) % len(filler)
            if self._filler is not filler:
                break
            self._filled = filled
            if not filled and not self._refills:
                self._filler = filler = b""
        if self._pad:
            missing = (self._block - len(block)) // self.format.bytes_per_sample
            block += self.format.silence * missing
        self._pace(len(block))
        sink = self._sink
        assert sink is not None
        return _Work(lambda: sink(block), block=block)

    def _due_block(self) -> bytes:
        """The block that is due; what comes after it is due later."""
        length = self._block if self._pad else min(self._block, self._queued)
        begins = self._pace(length)
        return self._take(self._block, begins + self._latency)

    def _pace(self, size: int) -> float:
        """When sound that goes to the sink now begins to be played."""
        now = self._clock()
        if self._busy_until is None or self._busy_until < now - 0.5:
            # After a pause of the machine, do not catch up by a burst.
            self._busy_until = now
        start = self._busy_until
        begins = max(start, now)
        length = self.format.ms(size) / 1000
        self._busy_until = start + length
        # The last block may be shorter than one that was given late just before it.
        self._played_by = max(self._played_by, begins + length)
        return begins
