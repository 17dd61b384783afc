"""Hear a session in the browser that shows the notebook."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from .. import Audio
from ..errors import ConfigurationError
from ..report import element, player
from .display import DisplayOutput, html
from .html import framed_html

if TYPE_CHECKING:
    from .. import Session

PIECE_MS = 200
"""Milliseconds of audio that are gathered for one message to the browser."""


class BrowserPlayer:
    """
    Plays what the server says in the output of the cell that makes it.

    ``mode="stream"`` plays audio while it arrives: pieces are sent to the browser
    as JavaScript, which puts them one after the other. It needs a front end that
    runs JavaScript of outputs (JupyterLab, Notebook and VS Code do, GitHub and
    nbviewer do not) and a browser in which the page was clicked on once. When the
    user starts to speak it falls silent; what was heard is not known here, so
    nothing is truncated on the server: for that, use `realtime_sync.audio`.

    ``mode="turn"`` shows a player at the end of each answer, which starts by
    itself where the browser allows it. Players stay, in both modes.

    Args:
        session: open or not.
        mode: ``"stream"`` or ``"turn"``.
        keep: how many players are kept, the latest.

    Raises:
        ConfigurationError: there is no such mode, or the session speaks in a format
            that is not known here. If it begins to do so later, ``player.failed``
            says that once.
    """

    def __init__(
        self,
        session: Session,
        *,
        mode: Literal["stream", "turn"] = "stream",
        keep: int = 5,
    ) -> None:
        if mode not in ("stream", "turn"):
            raise ConfigurationError(f"mode is 'stream' or 'turn', not {mode!r}")
        from ..audio import SpokenFormat

        self._format = SpokenFormat(session)
        # Of the sound that waits: its format, and samples per second.
        self._kind = "pcm16", 24_000
        self._stream = mode == "stream"
        self._keep = keep
        self._id = uuid4().hex
        # Guards what waits and the numbers of messages: the reader interrupts.
        self._lock = threading.Lock()
        self._number = 0
        self._silenced = False
        self._waiting = bytearray()
        self._answer = bytearray()
        self._players: list[Audio] = []
        self._feed = DisplayOutput(self._script("open")) if self._stream else None
        self._shown = DisplayOutput(
            html(framed_html(element("small", "nothing said yet")))
        )
        self._subscriptions = [
            session.on("response.created", lambda event: self._begins()),
            session.on(
                "response.output_audio.delta", lambda e: self._arrived(e.delta or b"")
            ),
            session.on("response.done", lambda event: self._done()),
            session.on(
                "input_audio_buffer.speech_started",
                lambda event: self._silence(),
                inline=True,
            ),
        ]

    def stop(self) -> None:
        """Play nothing more; the players stay."""
        for subscription in self._subscriptions:
            subscription.cancel()
        self._silence()

    def _begins(self) -> None:
        with self._lock:
            self._silenced = False

    def _arrived(self, data: bytes) -> None:
        spoken = self._format.of()
        if spoken is None:
            return
        self._answer += data
        self._kind = name, rate = spoken.name, spoken.rate
        enough = rate * (2 if name == "pcm16" else 1) * PIECE_MS // 1000
        with self._lock:
            if not self._silenced:
                self._waiting += data
            ready = len(self._waiting) >= enough
        if ready:
            self._send()

    def _send(self) -> None:
        name, rate = self._kind
        with self._lock:
            data, self._waiting = bytes(self._waiting), bytearray()
            if self._feed is None or not data:
                return
            if name != "pcm16":
                from .. import audio

                data = audio.convert(data, name, "pcm16", to_rate=rate)
            encoded = b64encode(data).decode("ascii")
            script = self._script("play", data=encoded, rate=rate)
        self._feed.update(script)

    def _done(self) -> None:
        self._send()
        if not self._answer:
            return
        data, self._answer = bytes(self._answer), bytearray()
        self._players = [*self._players, Audio(data, *self._kind)][-self._keep :]
        last = len(self._players) - 1
        shown = [
            player(each, autoplay=not self._stream and number == last, small=True)
            for number, each in enumerate(self._players)
        ]
        self._shown.update(html(framed_html(shown), f"{len(shown)} answers"))

    def _silence(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._silenced = True
            script = self._script("stop")
        if self._feed is not None:
            self._feed.update(script)

    def _script(self, action: str, **more: object) -> dict[str, Any]:
        self._number += 1
        order = {
            "player": self._id,
            "number": self._number,
            "action": action,
            "at": int(time.time() * 1000),
            **more,
        }
        source = files(__package__).joinpath("player.js").read_text(encoding="utf-8")
        return {
            "application/javascript": f"{source}({json.dumps(order)});",
            "text/plain": "",
        }
