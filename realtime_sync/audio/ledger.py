"""What was received, what is being played, what was heard: to the millisecond."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

from attrs import define, frozen

from ..transport.logs import area_logger
from .formats import PCM16, FormatLike, audio_format

_log = area_logger("realtime_sync.audio")

KEEP = 32
"""Parts that were heard to their end and are still remembered."""

GRACE = 2.0
"""Seconds after which a report that does not come is not waited for."""

UNEVEN = 0.04
"""Seconds by which reports may come unevenly, with nothing else the matter."""

OVERDUE = 0.25
"""Seconds by which a report may be late before the far end counts as stalled."""


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
    # When the first of them is heard, as far as the clock can tell.
    at: float = 0.0
    # Whether the clock is all there is; else `confirm` has the last word.
    sure: bool = True
    done: int = 0


@define
class _Report:
    """A report that the far end was asked for."""

    position: int
    # When it would come if there were no way to go.
    due: float


class PlaybackLedger:
    """
    Keeps the account of audio that is played, part by part.

    Audio is *received* in order, *handed* to a device in the same order, and
    *heard* some time later. Every method may be called from any thread, the
    callback thread of an audio device included: none of them waits for more than
    another one's few microseconds.

    A device far away reports what it has played, and the ledger is told with
    `confirm`. With *estimate*, the time between two reports is filled in by the
    clock: what was handed over counts as heard when its time has come, as long as
    reports are not overdue. An order to drop what is queued takes as long on its
    way as the sound took, so the clock of the sender, and not that of the reports,
    tells where the listener will have been when it arrives.

    Args:
        format: format of the bytes that are counted.
        clock: seconds; the clock by which times are given.
        estimate: fill in the time between reports.
        grace: seconds after which a report that does not come is no longer waited
            for: then the clock alone tells, until one comes.
        lock: a reentrant one that guards the ledger with what it belongs to; its
            own by default.

    Attributes:
        format: format of the bytes.
        entered: bytes that were received since the beginning.
        dropped: how many of them there were when something was dropped last.
    """

    def __init__(
        self,
        format: FormatLike = PCM16,
        *,
        clock: Callable[[], float] = time.monotonic,
        estimate: bool = False,
        grace: float = GRACE,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.format = audio_format(format)
        self.entered = self.dropped = 0
        self._clock = clock
        self._estimate = estimate
        self._grace = grace
        # Guards everything below. Reentrant: a signal handler may close the player that
        # the main thread is in the middle of.
        self._lock = threading.RLock() if lock is None else lock
        self._parts: deque[_Part] = deque()
        self._queued: deque[_Stretch] = deque()
        self._underway: deque[_Stretch] = deque()
        self._handed = 0
        # Reports that were asked for; the shortest way there and back so far; how
        # much later than the clock says the far end plays at present.
        self._reports: deque[_Report] = deque()
        self._trip: float | None = None
        self._late = 0.0
        self._loses = False
        # Whether reports fail to come, and whether that was said.
        self._unreported = False
        self._warned = False

    def received(
        self,
        size: int,
        *,
        item_id: str,
        content_index: int = 0,
        response_id: str | None = None,
    ) -> int:
        """
        Enter *size* bytes that will be played after all that came before.

        Returns:
            How many have been entered since the beginning, these included.
        """
        with self._lock:
            for part in reversed(tuple(self._parts)):
                if part.item_id == item_id and part.content_index == content_index:
                    break
            else:
                part = _Part(item_id, content_index, response_id)
                self._parts.append(part)
            fresh = _Stretch(part, size)
            # From here to the last of it nothing is called, so no Ctrl-C comes between.
            last = self._queued[-1] if self._queued else None
            part.received += size
            self.entered += size
            end = self.entered
            # Parts may come interleaved, and are played as they came.
            if last is not None and last.part is part:
                last.size += size
            else:
                self._queued.append(fresh)
            self._advance()
            self._forget()
            return end

    def handed(
        self,
        size: int,
        *,
        at: float | None = None,
        confirmed: bool = True,
        dropped: int | None = None,
    ) -> int:
        """
        Enter that the next *size* bytes went to the device.

        Args:
            size: bytes; silence that fills up a block does not count.
            at: when the first of them is heard, by the ledger's clock; now by
                default. A device tells: its clock of output.
            confirmed: False where a later `confirm` will tell what was heard.
            dropped: the `dropped` of when they were taken out of a queue: where a
                signal handler has dropped something since, it was these.

        Returns:
            How many were entered: fewer where less was received, or is left.
        """
        with self._lock:
            start = self._clock() if at is None else at
            left = size
            if not self._underway:
                self._late = 0.0
            while left > 0 and self._queued:
                first = self._queued[0]
                take = min(left, first.size)
                end = self._handed + take
                fresh = _Stretch(first.part, take, end, start, confirmed)
                pace = self.format.bytes_per_second
                if dropped is not None and dropped != self.dropped:
                    break
                if not self._queued or self._queued[0] is not first:
                    continue  # A signal handler has dropped it.
                # From here to the append nothing is called: all of it or nothing.
                first.size -= take
                left -= take
                start += take / pace
                self._handed = end
                try:
                    self._underway.append(fresh)
                finally:  # Ctrl-C or not: what is empty would be waited for for ever.
                    if self._queued and self._queued[0] is first and not first.size:
                        self._queued.popleft()
            return size - left

    def take_back(self, size: int) -> None:
        """Enter that the last *size* bytes did not go to the device after all."""
        with self._lock:
            while size > 0 and self._underway:
                last = self._underway[-1]
                take = min(size, last.size)
                done = min(last.done, last.size - take)
                fresh = _Stretch(last.part, take)
                if not self._underway or self._underway[-1] is not last:
                    continue  # A signal handler has dropped it.
                # From here to the append nothing is called: all of it or nothing.
                last.size -= take
                last.end -= take
                last.part.heard -= last.done - done
                last.done = done
                size -= take
                self._handed -= take
                try:
                    if self._queued and self._queued[0].part is last.part:
                        self._queued[0].size += take
                    else:
                        self._queued.appendleft(fresh)
                finally:
                    if self._underway and self._underway[-1] is last and not last.size:
                        self._underway.pop()

    def take_queued(self) -> list[tuple[PlayedPart, int]]:
        """Forget what is queued; how many bytes of which part it was, in order."""
        with self._lock:
            taken = [
                (
                    PlayedPart(
                        item_id=stretch.part.item_id,
                        content_index=stretch.part.content_index,
                        response_id=stretch.part.response_id,
                        received_ms=self.format.ms(stretch.part.received),
                        heard_ms=self.format.ms(stretch.part.heard),
                    ),
                    stretch.size,
                )
                for stretch in tuple(self._queued)
            ]
            self._queued.clear()
            self._parts.clear()
            return taken

    @property
    def position(self) -> int:
        """How many bytes were handed over since the beginning, for `confirm`."""
        with self._lock:
            return self._handed

    def confirm(self, position: int) -> None:
        """
        Enter that everything handed over up to *position* was heard.

        For devices far away that report what they have played. What was never handed
        over cannot have been heard, and says nothing.
        """
        with self._lock:
            if position > self._handed:
                return
            self._unreported = False
            self._measure(position)
            while self._underway and self._underway[0].end <= position:
                self._hear(self._underway.popleft())

    def expect(self) -> int:
        """
        Enter that the device is asked to report when it has played all it has.

        Returns:
            The position that `confirm` is to be called with.
        """
        with self._lock:
            due = self._clock()
            if self._underway:
                due = max(due, self._ends(self._underway[-1]))
            self._reports.append(_Report(self._handed, due))
            return self._handed

    def withdraw(self, position: int) -> None:
        """Enter that the device was not asked for the last report after all."""
        with self._lock:
            if self._reports and self._reports[-1].position == position:
                self._reports.pop()

    @property
    def pending(self) -> bool:
        """Whether anything that was received is neither heard nor dropped."""
        with self._lock:
            self._advance()
            return bool(self._queued or self._underway)

    @property
    def sounding(self) -> bool:
        """Whether anything is still to be heard by now, as far as is known."""
        with self._lock:
            self._advance()
            if self._queued:
                return True
            return any(s.done + self._guess(s) < s.size for s in tuple(self._underway))

    def settle(self) -> None:
        """Enter that everything handed over was, or surely will be, heard."""
        with self._lock:
            while self._underway:
                self._hear(self._underway.popleft())

    def drop(self) -> None:
        """Enter that what is not heard by now never will be."""
        with self._lock:
            self._advance()
            for stretch in tuple(self._underway):
                stretch.part.heard += self._guess(stretch)
            self._clear()
            for part in tuple(self._parts):
                part.dropped = part.received - part.heard

    def forget(self) -> None:
        """Forget all parts, after a truncation was sent for them."""
        with self._lock:
            self._parts.clear()
            self._clear()

    def parts(self) -> tuple[PlayedPart, ...]:
        """How far every remembered part was played by now, in playing order."""
        with self._lock:
            self._advance()
            ms = self.format.ms
            guessed: dict[int, int] = {}
            for stretch in tuple(self._underway):
                key = id(stretch.part)
                guessed[key] = guessed.get(key, 0) + self._guess(stretch)
            return tuple(
                PlayedPart(
                    item_id=part.item_id,
                    content_index=part.content_index,
                    response_id=part.response_id,
                    received_ms=ms(part.received),
                    heard_ms=ms(part.heard + guessed.get(id(part), 0)),
                )
                for part in tuple(self._parts)
            )

    def heard_ms(self, item_id: str, content_index: int = 0) -> float:
        """Milliseconds heard of one part; 0.0 for one that is not known."""
        for part in self.parts():
            if part.item_id == item_id and part.content_index == content_index:
                return part.heard_ms
        return 0.0

    def _clear(self) -> None:
        # In one with the first call into C: what is received later is not dropped.
        self.dropped = self.entered
        self._queued.clear()
        self._underway.clear()
        self._reports.clear()

    def _advance(self) -> None:
        """Move what the clock says was heard from underway to heard."""
        now = self._clock()
        self._miss_reports(now)
        while self._underway:
            stretch = self._underway[0]
            if not stretch.sure and not self._unreported:
                return
            elapsed = self._elapsed(stretch, now)
            if elapsed < stretch.size:
                fresh = max(elapsed - stretch.done, 0)
                stretch.part.heard += fresh
                stretch.done += fresh
                return
            self._hear(stretch)
            # A signal handler may have dropped it meanwhile.
            if self._underway and self._underway[0] is stretch:
                self._underway.popleft()

    def _miss_reports(self, now: float) -> None:
        """Stop waiting for reports that should have come long ago."""
        patience = self._grace + (self._trip or 0.0)
        while self._reports and self._reports[0].due + patience < now:
            self._reports.popleft()
        if self._unreported or not self._underway:
            return
        first = self._underway[0]
        if first.sure or self._ends(first) + patience >= now:
            return
        self._unreported = True
        if not self._warned:
            self._warned = True
            _log.warning(
                "! no report of what was heard in %.1f s: the clock tells", patience
            )

    def _measure(self, position: int) -> None:
        """Learn from a report how far away the device is, and how late it plays."""
        report = None
        while self._reports and self._reports[0].position <= position:
            # One that was passed over was lost: of such a far end the absence of
            # another says nothing.
            self._loses = self._loses or report is not None
            report = self._reports.popleft()
        if report is None or report.position != position:
            return
        trip = self._clock() - report.due
        self._trip = trip if self._trip is None else min(self._trip, trip)
        late = trip - self._trip
        self._late = late if late > UNEVEN else 0.0

    def _guess(self, stretch: _Stretch) -> int:
        """Bytes of a stretch that were heard by now, if nobody has told."""
        if stretch.sure or self._unreported or not self._estimate:
            return 0
        now = self._clock() - self._late
        if self._trip is not None and self._reports and not self._loses:
            first = self._reports[0]
            if now > first.due + self._trip + OVERDUE:
                # The far end has stopped somewhere before that.
                now = first.due
        return max(min(self._elapsed(stretch, now), stretch.size) - stretch.done, 0)

    def _elapsed(self, stretch: _Stretch, now: float) -> int:
        """Bytes that the time since the beginning of a stretch has room for."""
        whole = int((now - stretch.at) * self.format.rate + 1e-6)
        return whole * self.format.bytes_per_sample

    def _ends(self, stretch: _Stretch) -> float:
        return stretch.at + stretch.size / self.format.bytes_per_second

    def _hear(self, stretch: _Stretch) -> None:
        stretch.part.heard += stretch.size - stretch.done

    def _forget(self) -> None:
        """Let go of the oldest parts that were heard to their end."""
        while len(self._parts) > KEEP:
            first = self._parts[0]
            if first.heard + first.dropped < first.received:
                return
            self._parts.popleft()
