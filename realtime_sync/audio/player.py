"""Playing what the server says, into any sink, with an exact account."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..transport.logs import area_logger
from .barge_in import Attachment
from .formats import PCM16, FormatLike, audio_format
from .ledger import PlaybackLedger, PlayedPart

_log = area_logger("realtime_sync.audio")

Sink = Callable[[bytes], Any]

_PATIENCE = 5.0


class Player:
    """
    A queue of audio that can be stopped at any sample.

    With a *sink* the player pushes: a thread of its own calls the sink with one
    block after another, each when the one before it has been played. Without one
    it is pulled: the callback of an audio device calls `pull`.

    All methods may be called from any thread; none of them waits for the sink,
    but `wait_idle` and `close`.

    Args:
        sink: called with bytes, one call at a time, always from the player's
            thread. An exception ends the player and is raised by `close`.
        format: format of the bytes.
        block_ms: milliseconds per call of the sink. The shorter, the sooner an
            interruption is silent.
        latency: seconds from the sink being called to the sound being heard.
        clear: called, from the player's thread, after an interruption, to drop
            what the sink itself still holds. Without it, what the sink was given
            counts as heard.
        confirmed: False for a sink that reports what it has played: it then
            calls ``player.ledger.confirm``.
        lead: seconds by which blocks are sent ahead of time, where the way to the
            sink is not even.
        clock: seconds, monotonic.
        name: shows in the name of the thread.
    """

    def __init__(
        self,
        sink: Sink | None = None,
        *,
        format: FormatLike = PCM16,
        block_ms: float = 20.0,
        latency: float = 0.0,
        lead: float = 0.0,
        clear: Callable[[], Any] | None = None,
        confirmed: bool = True,
        clock: Callable[[], float] = time.monotonic,
        name: str = "player",
    ) -> None:
        self.format = audio_format(format)
        self.ledger = PlaybackLedger(self.format, clock=clock)
        self._sink = sink
        self._clear = clear
        self._block = max(self.format.size(block_ms), self.format.bytes_per_sample)
        self._latency = latency
        self._lead = lead
        self._confirmed = confirmed
        self._clock = clock
        self._name = name
        # Guards the queue and everything below, and wakes the thread.
        self._changed = threading.Condition()
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._paused = False
        self._closed = False
        self._clearing = False
        self._busy_until: float | None = None
        # The same for what the sink was given late; only idleness waits for that.
        self._played_by = 0.0
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._started = False

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def queued_ms(self) -> float:
        """Milliseconds that wait to be played."""
        with self._changed:
            return self.format.ms(self._queued)

    @property
    def paused(self) -> bool:
        """Whether playback is paused."""
        with self._changed:
            return self._paused

    def play(
        self,
        data: Any,
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
        """
        piece = memoryview(bytes(data))
        if not piece:
            return
        with self._changed:
            if self._closed:
                return
            self.ledger.received(
                len(piece),
                item_id=item_id,
                content_index=content_index,
                response_id=response_id,
            )
            self._queue.append(piece)
            self._queued += len(piece)
            self._start()
            self._changed.notify_all()

    def pull(self, size: int, *, at: float | None = None) -> bytes:
        """
        Take the next *size* bytes, filled up with silence.

        For the callback of an audio device.

        Args:
            size: bytes that the device wants.
            at: when the first of them will be heard, by the player's clock; now,
                and the latency later, by default.
        """
        with self._changed:
            block = b"" if self._paused else self._take(size, at)
            if not self._queued:
                self._changed.notify_all()
        missing = (size - len(block)) // self.format.bytes_per_sample
        return block + self.format.silence * missing

    def pause(self) -> None:
        """Stop playing and keep what is queued."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            self._paused = False
            if self._queued:
                self._start()
            self._changed.notify_all()

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """
        Stop at once, drop everything that is queued.

        Returns:
            How far every part was played, those that were not heard included.
        """
        with self._changed:
            if self._clear is None and self._confirmed:
                # What the sink has cannot be taken back: it will be heard.
                self.ledger.settle()
            self.ledger.drop()
            heard = self.ledger.parts()
            self.ledger.forget()
            self._queue.clear()
            self._queued = 0
            self._busy_until = None
            if self._clear is not None and self._started:
                self._clearing = True
                self._start()
            self._changed.notify_all()
        return heard

    def wait_idle(self, timeout: float | None = None) -> bool:
        """
        Wait until everything was played.

        Woken by the end of the queue, by an interruption and by `close`.

        Returns:
            False when *timeout* seconds were not enough.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._idle(), timeout)

    def close(self) -> None:
        """
        Drop what is queued and end the thread; waits for a call of the sink.

        Raises:
            Exception: what the sink raised, once.
        """
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._queued = 0
            self.ledger.drop()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def attach(
        self,
        session: Any,
        *,
        barge_in: bool = True,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
    ) -> Attachment:
        """
        Play what a session says, and stop when its user speaks.

        Args:
            session: open, or about to be.
            barge_in: at ``input_audio_buffer.speech_started`` be silent at once
                and have the server truncate to what was heard. The session's
                reader does it, so that slow handlers do not delay it.
            on_interrupted: called with how far every part was played, on the
                thread that interrupts; must be quick.

        Returns:
            The attachment: ``with`` or `detach` ends it, `interrupt` stops
            playback by hand.
        """
        return Attachment(
            self, session, barge_in=barge_in, on_interrupted=on_interrupted
        )

    def _idle(self) -> bool:
        return not self._queued and self._busy_until is None

    def _take(self, size: int, at: float | None) -> bytes:
        """Take up to *size* bytes out of the queue and enter them."""
        taken = bytearray()
        while self._queue and len(taken) < size:
            piece = self._queue.popleft()
            room = size - len(taken)
            taken += piece[:room]
            if len(piece) > room:
                self._queue.appendleft(piece[room:])
        self._queued -= len(taken)
        if taken:
            start = self._clock() + self._latency if at is None else at
            self.ledger.handed(len(taken), at=start, confirmed=self._confirmed)
        return bytes(taken)

    def _start(self) -> None:
        """Start the thread that pushes, when audio comes and none runs."""
        if self._sink is None or self._thread is not None:
            return
        self._started = True
        self._thread = threading.Thread(
            target=self._push, name=f"realtime-{self._name}", daemon=True
        )
        self._thread.start()

    def _push(self) -> None:
        """Call the sink, block by block, until closed or idle for long."""
        assert self._sink is not None
        try:
            while (work := self._next()) is not None:
                if work:
                    self._sink(work)
                elif self._clear is not None:
                    self._clear()
        except Exception as exc:
            # The sink is the user's; its failure is theirs to see, at `close`.
            _log.warning("! the sink of %s failed: %r", self._name, exc)
            with self._changed:
                self._failure = exc
                self._closed = True
                self._queue.clear()
                self._queued = 0
                self._changed.notify_all()

    def _next(self) -> bytes | None:
        """
        Wait until there is something to do.

        Returns:
            A block for the sink, nothing to have the sink cleared, None to end.
        """
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._clearing:
                    self._clearing = False
                    return b""
                wait = self._wait()
                if wait is not None and wait <= 0:
                    if self._queued and not self._paused:
                        return self._due_block()
                    self._busy_until = None
                    self._changed.notify_all()
                    continue
                if self._changed.wait(_PATIENCE if wait is None else wait):
                    continue
                if self._wait() is None and not self._clearing:
                    # A player that nobody closes must not keep a thread for ever.
                    self._thread = None
                    return None

    def _wait(self) -> float | None:
        """Seconds until the thread has work; None until it is woken."""
        ready = bool(self._queued) and not self._paused
        if self._busy_until is None:
            return 0.0 if ready else None
        # A sink that is to be fed ahead of time is idle only when it has played.
        until = self._busy_until - self._lead if ready else self._played_by
        return until - self._clock()

    def _due_block(self) -> bytes:
        """The block that is due, and when the next one will be."""
        now = self._clock()
        if self._busy_until is None or self._busy_until < now - 0.5:
            # After a pause of the machine, do not catch up by a burst.
            self._busy_until = now
        start = self._busy_until
        begins = max(start, now)
        block = self._take(self._block, begins + self._latency)
        length = self.format.ms(len(block)) / 1000
        self._busy_until = start + length
        self._played_by = begins + length
        return block
