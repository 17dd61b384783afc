"""
How long an answer took: where a turn ends, and how figures are summed up.

The one definition of latency: it counts from the end of the user's speech. That is
when the last loud block was sent, if the program sent the audio as it was spoken,
else when the server said that speech had stopped.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from math import ceil
from typing import Optional, Union

from attrs import define, field

QUIET = 0.03
"""A block this much quieter than the loudest one is not speech."""

FLOOR = 60
"""Samples of 16 bit below this are not speech either."""

HASTE = 1.0
"""Seconds by which audio may be ahead of the clock and still count as spoken live."""

MOMENTS = ("found", "created", "first_text", "first_audio", "done")
"""What a session times of every turn, in this order."""


@define(kw_only=True)
class Turn:
    """
    One response, what it answers, and when what of it happened.

    All times are seconds of one clock: a live session's, or a recording's.

    Attributes:
        start: where latency counts from: the end of speech, else the commit, else
            what asked for the response.
        item_id: the user's item, if there is one.
        response_id: the answer.
        status: its final status.
        interrupted: the user cut it short.
        usage: token usage of the response, in the server's words; or None.
        session: name of the session.
        moments: when what happened, by the names of `MOMENTS` and others.
    """

    start: float = 0.0
    item_id: Optional[str] = None
    response_id: Optional[str] = None
    status: Optional[str] = None
    interrupted: bool = False
    usage: object = None
    session: str = ""
    moments: dict[str, float] = field(factory=dict)

    def after_ms(self, name: str) -> Optional[float]:
        """Milliseconds from the start, None for what did not happen."""
        then = self.moments.get(name)
        return None if then is None else round((then - self.start) * 1000, 3)


def percentile(figures: Sequence[float], percent: float) -> float:
    """
    Return the smallest figure that is not below *percent* per cent of all.

    Args:
        figures: in any order, at least one.
        percent: from 0 to 100.

    Raises:
        ValueError: there are no figures, or the percentage is not from 0 to 100.
    """
    if not figures or not 0 <= percent <= 100:
        raise ValueError("a percentile needs figures and a percentage from 0 to 100")
    rank = max(1, ceil(len(figures) * percent / 100))
    return sorted(figures)[rank - 1]


class SpeechEnd:
    """
    Finds the end of the user's speech in the audio that the program sends.

    One thread at a time may call `sent`; another may call `take` meanwhile.
    """

    def __init__(self) -> None:
        self._loudest = FLOOR
        self._loud_at: Optional[float] = None
        self._until = float("-inf")
        self._hasty = False

    def sent(
        self,
        now: float,
        audio: Union[bytes, bytearray],
        format: str = "pcm16",
        rate: int = 24_000,
    ) -> None:
        """
        Note that a block of audio was sent.

        Args:
            now: when, in seconds of a clock that never goes back.
            audio: the samples.
            format: ``"pcm16"``, ``"g711_ulaw"`` or ``"g711_alaw"``.
            rate: samples per second.
        """
        width = 2 if format == "pcm16" else 1
        self._until = max(self._until, now) + len(audio) / (width * rate)
        self._hasty = self._hasty or self._until - now > HASTE
        if format == "pcm16" and _stays_below(audio, max(FLOOR, QUIET * self._loudest)):
            return
        loudest = peak(audio, format)
        self._loudest = max(self._loudest, loudest)
        if loudest >= max(FLOOR, QUIET * self._loudest):
            self._loud_at = now

    def take(self, now: float) -> float:
        """
        Return when the speech that is over ended, and begin anew.

        Args:
            now: when the server said that the turn was over. That is the end where
                nothing loud was sent, or audio was sent faster than it is spoken.
        """
        found, hasty = self._loud_at, self._hasty
        # A block that another thread sends between these lines is of speech that
        # goes on; the next loud one marks it again.
        self._loud_at, self._hasty = None, False
        return now if found is None or hasty else min(found, now)


def _stays_below(audio: Union[bytes, bytearray], limit: float) -> bool:
    """
    Whether no sample reaches a limit, as far as their upper bytes can tell.

    Most of what a microphone sends is silence, and `peak` takes ten times as long.
    """
    return not bytes(audio[1::2]).translate(None, _QUIET_BYTES[ceil(limit / 256) - 1])


_QUIET_BYTES = tuple(
    bytes(range(steps)) + bytes(range(256 - steps, 256)) for steps in range(128)
)
"""Upper bytes of samples that are at most so many times 256, of either sign."""


def peak(audio: Union[bytes, bytearray], format: str = "pcm16") -> int:
    """
    Return the loudest sample of some audio, in units of 16 bit.

    Args:
        audio: the samples; half a sample at the end does not count.
        format: ``"pcm16"``, ``"g711_ulaw"`` or ``"g711_alaw"``.
    """
    if format in _FOLDED:
        folded = max(audio.translate(_FOLDED[format]), default=0)
        return _EXPANDED[format][folded]
    samples = array("h", bytes(audio[: len(audio) // 2 * 2]))
    if sys.byteorder == "big":  # pragma: no cover
        samples.byteswap()
    return max(max(samples, default=0), -min(samples, default=0))


def _g711_magnitudes_for_latency(law: str) -> tuple[int, ...]:
    """The 128 magnitudes of a law of ITU-T G.711, from silence up, in 16 bit."""
    found = []
    for code in range(128):
        segment, step = code >> 4, code & 15
        if law == "g711_ulaw":
            found.append((((step << 3) + 0x84) << segment) - 0x84)
        elif segment:
            found.append(((step << 4) + 0x108) << (segment - 1))
        else:
            found.append((step << 4) + 8)
    return tuple(found)


_MASKS = {"g711_ulaw": 0x7F, "g711_alaw": 0x55}
"""What turns the lower seven bits of a code into the order of loudness."""

_FOLDED = {
    law: bytes((code & 0x7F) ^ mask for code in range(256))
    for law, mask in _MASKS.items()
}
_EXPANDED = {law: _g711_magnitudes_for_latency(law) for law in _MASKS}
