"""What was received, what is being played, what was heard: to the millisecond."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from attrs import define, frozen

from .formats import PCM16, FormatLike, audio_format

KEEP = 32
"""Parts that were heard to their end and are still remembered."""


@frozen
class PlayedPart:
    """
    How far one content part of an item was played.

    Attributes:
        item_id: the item.
        content_index: which of its content parts.
        response_id: the response that made it, None if the server did not say.
        received_ms: milliseconds of it that were given to the player.
        heard_ms: milliseconds of it that came out of the loudspeaker.
    """

    item_id: str
    content_index: int
    response_id: str | None
    received_ms: float
    heard_ms: float


@define
class _Part:
    item_id: str
    content_index: int
    response_id: str | None
    received: int = 0
    heard: int = 0
    dropped: int = 0


@define
class _Stretch:
    """Bytes of one part, waiting to be handed over or on their way to the ear."""

    part: _Part
    size: int
    # Counted from the beginning of the ledger; what `confirm` is told.
    end: int = 0
    # When the first of them is heard; None where only `confirm` can tell.
    at: float | None = None
    done: int = 0


class PlaybackLedger:
    """
    Keeps the account of audio that is played, part by part.

    Audio is *received* in order, *handed* to a device in the same order, and
    *heard* some time later. Every method may be called from any thread, the
    callback thread of an audio device included: none of them waits for more than
    another one's few microseconds.

    Args:
        format: format of the bytes that are counted.
        clock: seconds; the clock by which times are given.
    """

    def __init__(
        self,
        format: FormatLike = PCM16,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.format = audio_format(format)
        self._clock = clock
        # Guards everything below.
        self._lock = threading.Lock()
        self._parts: deque[_Part] = deque()
        self._queued: deque[_Stretch] = deque()
        self._underway: deque[_Stretch] = deque()
        self._handed = 0

    def received(
        self,
        size: int,
        *,
        item_id: str,
        content_index: int = 0,
        response_id: str | None = None,
    ) -> None:
        """Enter *size* bytes that will be played after all that came before."""
        with self._lock:
            for part in reversed(self._parts):
                if part.item_id == item_id and part.content_index == content_index:
                    break
            else:
                part = _Part(item_id, content_index, response_id)
                self._parts.append(part)
            part.received += size
            # Parts may come interleaved, and are played as they came.
            if self._queued and self._queued[-1].part is part:
                self._queued[-1].size += size
            else:
                self._queued.append(_Stretch(part, size))
            self._advance()
            self._forget()

    def handed(
        self, size: int, *, at: float | None = None, confirmed: bool = True
    ) -> None:
        """
        Enter that the next *size* bytes went to the device.

        Args:
            size: bytes; silence that fills up a block does not count.
            at: when the first of them is heard, by the ledger's clock; now by
                default. A device tells: its clock of output.
            confirmed: False where the time is not known, and a later `confirm`
                will tell what was heard.
        """
        with self._lock:
            start = None
            if confirmed:
                start = self._clock() if at is None else at
            while size > 0 and self._queued:
                first = self._queued[0]
                take = min(size, first.size)
                first.size -= take
                if not first.size:
                    self._queued.popleft()
                size -= take
                self._handed += take
                self._underway.append(_Stretch(first.part, take, self._handed, start))
                if start is not None:
                    start += take / self.format.bytes_per_second

    @property
    def position(self) -> int:
        """How many bytes were handed over since the beginning, for `confirm`."""
        with self._lock:
            return self._handed

    def confirm(self, position: int) -> None:
        """
        Enter that everything handed over up to *position* was heard.

        For devices far away that report what they have played.
        """
        with self._lock:
            while self._underway and self._underway[0].end <= position:
                self._hear(self._underway.popleft())

    def settle(self) -> None:
        """Enter that everything handed over was, or surely will be, heard."""
        with self._lock:
            while self._underway:
                self._hear(self._underway.popleft())

    def drop(self) -> None:
        """Enter that what is not heard by now never will be."""
        with self._lock:
            self._advance()
            self._queued.clear()
            self._underway.clear()
            for part in self._parts:
                part.dropped = part.received - part.heard

    def forget(self) -> None:
        """Forget all parts, after a truncation was sent for them."""
        with self._lock:
            self._parts.clear()
            self._queued.clear()
            self._underway.clear()

    def parts(self) -> tuple[PlayedPart, ...]:
        """How far every remembered part was played by now, in playing order."""
        with self._lock:
            self._advance()
            ms = self.format.ms
            return tuple(
                PlayedPart(
                    item_id=part.item_id,
                    content_index=part.content_index,
                    response_id=part.response_id,
                    received_ms=ms(part.received),
                    heard_ms=ms(part.heard),
                )
                for part in self._parts
            )

    def heard_ms(self, item_id: str, content_index: int = 0) -> float:
        """Milliseconds heard of one part; 0.0 for one that is not known."""
        for part in self.parts():
            if part.item_id == item_id and part.content_index == content_index:
                return part.heard_ms
        return 0.0

    def _advance(self) -> None:
        """Move what the clock says was heard from underway to heard."""
        assert self._lock.locked()
        now = self._clock()
        while self._underway:
            stretch = self._underway[0]
            if stretch.at is None:
                return
            sample = self.format.bytes_per_sample
            elapsed = int((now - stretch.at) * self.format.rate + 1e-6) * sample
            if elapsed < stretch.size:
                fresh = max(elapsed - stretch.done, 0)
                stretch.part.heard += fresh
                stretch.done += fresh
                return
            self._hear(self._underway.popleft())

    def _hear(self, stretch: _Stretch) -> None:
        assert self._lock.locked()
        stretch.part.heard += stretch.size - stretch.done

    def _forget(self) -> None:
        """Let go of the oldest parts that were heard to their end."""
        assert self._lock.locked()
        while len(self._parts) > KEEP:
            first = self._parts[0]
            if first.heard + first.dropped < first.received:
                return
            self._parts.popleft()
