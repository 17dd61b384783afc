"""What a session says, played to a caller that is nobody, and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..audio import Player, session_format
from ..state.latency import FLOOR, peak
from .call_time import CallTime
from .telephone import QUIET_SECONDS, Telephone

if TYPE_CHECKING:
    from .. import Session, live

_LOOK = 0.05
"""Seconds after which a wait looks again: a session may end without a word."""


class CallerPlayback:
    """
    Plays what a session says, to nobody, and knows since when there is sound.

    Over a telephone the bridge plays, and what comes to the ear counts.

    The thread that plays only wakes. Whoever waits does so in a thread of its own.

    Args:
        session: an open session.
        telephone: through which it is heard; None for a loudspeaker.
        time: of the call.
        heard: told of each block, and when it began to be heard, by the clock. On
            the thread that plays; must be quick.

    Attributes:
        changed: guards what is counted here and by whoever waits, and wakes them.
        player: what plays.
        format: how what comes to the ear is coded.
        line_since: since when something comes over a telephone, by the clock; 0.0
            without one. Of the thread that plays alone.
    """

    def __init__(
        self,
        session: Session | live.LiveSession,
        telephone: Telephone | None,
        time: CallTime,
        heard: Callable[[bytes, float], None],
    ) -> None:
        self._session = session
        self._time = time
        self._heard = heard
        # Touched by the thread that plays alone.
        self.line_since = self._line_at = 0.0
        self.changed = threading.Condition()
        self._loud_since: float | None = None
        # When there was sound last, on the way to the ear and in it.
        self._sound_at = 0.0
        self._delay = telephone.delay if telephone is not None else 0.0
        if telephone is None:
            self.format = session_format(session, "output")
            self.player = Player(
                self._played,
                format=self.format,
                clock=time.now,
                thread=time.threads,
                name=f"{session.name} hearing",
            )
            time.each_step(self.player.run_due)
            self._silence: Callable[[], None] = self._silence_loudspeaker
            self.attachment = self.player.attach(session)
            self._interrupt: Callable[[], object] = self.attachment.interrupt
        else:
            self.format = telephone.output
            self.player = telephone.player
            self._silence = telephone.stop_listening
            self._interrupt = telephone.interrupt
            telephone.listen(self._from_line)

    def close(self) -> None:
        """Hear nothing more."""
        self._silence()

    def interrupt(self) -> None:
        """Stop what plays, cancel the response and cut its items, by hand."""
        self._interrupt()

    def forget(self) -> None:
        """Wait for what sounds from now on; with `changed` held."""
        self._loud_since = None

    def wait_sound(
        self,
        seconds: float,
        timeout: float,
        working: Callable[[], bool],
    ) -> bool:
        """
        Wait until there has been sound for some seconds, see `wait`.

        Returns:
            False if it was over before, or did not come in time.
        """

        def reached() -> bool:
            since = self._loud_since
            return since is not None and self._time.now() - since >= seconds

        return self.wait(reached, timeout, working) and self.player.sounding

    def wait_word(
        self,
        word: str,
        played: Callable[[], str],
        timeout: float,
        working: Callable[[], bool],
    ) -> bool:
        """
        Wait until a word was heard, see `wait`.

        Args:
            word: in whatever case.
            played: the words that have been played by now; asked with `changed` held.
            timeout: seconds.
            working: as for `wait`.

        Returns:
            False if the answer was over before, or did not come in time.
        """
        wanted = word.casefold()
        heard = self.wait(lambda: wanted in played().casefold(), timeout, working)
        return heard and self.player.sounding

    def wake(self, event: object) -> None:
        """Have whoever waits look again; a handler."""
        with self.changed:
            self.changed.notify_all()

    def is_silent(self) -> bool:
        """Whether nothing is played, nor on its way; with `changed` held."""
        now = self._time.now()
        if self.player.queued_ms or self.player.sounding:
            self._sound_at = now
            return False
        # What has left the player may be on its way to the ear.
        return now - self._sound_at >= self._delay

    def wait(
        self,
        ready: Callable[[], bool],
        timeout: float,
        working: Callable[[], bool],
    ) -> bool:
        """
        Wait for something that wakes, or sounds.

        Args:
            ready: asked with `changed` held.
            timeout: seconds.
            working: whether a function of the program is at work; likewise.

        Returns:
            False if it was not in time, or the session is over.
        """
        deadline = self._time.now() + timeout
        with self.changed:
            while not ready():
                left = deadline - self._time.now()
                if left <= 0 or self._session.closed:
                    return False
                self._time.wait(self.changed, min(left, _LOOK), working())
        return True

    def _silence_loudspeaker(self) -> None:
        self.attachment.detach()
        self.player.close()

    # -- the thread that plays -----------------------------------------------------

    def _from_line(self, block: bytes) -> None:
        """Something came to the ear through a telephone; it was played by now."""
        now = self._time.now()
        began = now - self.format.ms(len(block)) / 1000
        if began - self._line_at > QUIET_SECONDS:
            self.line_since = began
        self._line_at = now
        with self.changed:
            self._sound_at = now
        self._sounds(block, began)

    def _played(self, block: bytes) -> None:
        self._sounds(block, self._time.now())

    def _sounds(self, block: bytes, began: float) -> None:
        with self.changed:
            if self._loud_since is None and peak(block, self.format.name) >= FLOOR:
                self._loud_since = self._time.now()
            self.changed.notify_all()
        self._heard(block, began)
