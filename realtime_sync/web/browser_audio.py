"""The microphone and the loudspeaker of a browser, over whatever leads there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..audio import PCM16, Player
from .messages import SendToPage

LEAD = 0.2
"""Seconds of sound that the browser holds: what a busy machine may be late by."""

KEEP = 5.0
"""Seconds of the microphone that are kept while nobody takes them."""


class BrowserAudio:
    """
    Sound of one conversation: iterate over it for what the microphone hears.

    What is played goes out ahead of time, with marks in it. The page reports a mark
    when its AudioContext has played all that came before; between two reports the
    clock tells, as it does for a telephone (`PlaybackLedger`). An interruption
    empties what the browser holds.

    Args:
        send: tells the page something.

    Attributes:
        player: what plays, for `Player.attach`.
        dropped: blocks of the microphone that nobody took in time.
    """

    def __init__(self, send: SendToPage) -> None:
        self._send = send
        self.dropped = 0
        self.player = Player(
            lambda data: send({"kind": "sound"}, data),
            format=PCM16,
            block_ms=40.0,
            lead=LEAD,
            clear=lambda: send({"kind": "clear"}),
            mark=lambda position: send({"kind": "mark", "position": position}),
            name="browser",
        )
        # Guards the blocks and their bytes; told when one comes.
        self._changed = threading.Condition()
        self._blocks: deque[bytes] = deque()
        self._kept = 0
        self._closed = False

    def receive(self, message: Mapping[str, Any], sound: bytes) -> bool:
        """
        Take what a page says of its sound. Any thread; never waits.

        Returns:
            Whether it was about that.
        """
        kind = message.get("kind")
        if kind == "microphone":
            self._heard(sound)
        elif kind == "played":
            position = message.get("position")
            if isinstance(position, int):
                self.player.ledger.confirm(position)
        elif kind == "running":
            # A browser that has paused its sound plays nothing of what it gets.
            if message.get("on"):
                self.player.resume()
            else:
                self.player.pause()
        else:
            return False
        return True

    def take(self, timeout: float) -> list[bytes]:
        """
        What the microphone has heard since the last call.

        Args:
            timeout: seconds to wait for the first of it. `close` wakes.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._closed, timeout)
            blocks = list(self._blocks)
            self._blocks.clear()
            self._kept = 0
        return blocks

    def wake(self) -> None:
        """Have `take` return; nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Drop what is queued, and have the page be silent. Any thread."""
        self.wake()
        self.player.close()
        self._send({"kind": "clear"})

    def _heard(self, sound: bytes) -> None:
        if len(sound) % PCM16.bytes_per_sample:
            sound = sound[:-1]
        if not sound:
            return
        with self._changed:
            self._blocks.append(sound)
            self._kept += len(sound)
            while self._kept > KEEP * PCM16.bytes_per_second:
                self._kept -= len(self._blocks.popleft())
                self.dropped += 1
            self._changed.notify()
