"""Playing a session's audio, and stopping when the user speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .. import plan_interruption
from .convert import Converter
from .formats import AudioFormat
from .ledger import PlayedPart
from .streaming import session_format

REMEMBERED = 256
"""Ids of interrupted responses and items that are remembered."""


class Playback(Protocol):
    """What an attachment uses of a player."""

    format: AudioFormat

    def play(
        self,
        data: Any,
        *,
        item_id: str = "",
        content_index: int = 0,
        response_id: str | None = None,
    ) -> None:
        """Queue a piece of an item's audio."""

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """Stop at once, and say what was heard."""


class Attachment:
    """
    A player that plays what a session says.

    Its handlers run on the session's reader, so that an interruption overtakes
    audio that is queued and handlers that are slow: audio goes to the player's
    queue, and at ``input_audio_buffer.speech_started`` the player is silent, the
    running response is cancelled (if the server does not do it), every item is
    truncated to what was heard of it, and what still comes is dropped; an item that
    only begins afterwards is deleted when the response is over.

    Made by `Player.attach`. Undone by `detach`, or at the end of a ``with`` block; the
    player stays open.

    Attributes:
        interruptions: how often playback was cut.
    """

    def __init__(
        self,
        player: Playback,
        session: Any,
        *,
        barge_in: bool = True,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
    ) -> None:
        self.interruptions = 0
        self._player = player
        self._session = session
        self._on_interrupted = on_interrupted
        # Touched by the reader, and by whoever calls `interrupt`; single
        # operations on a dictionary are atomic. A response that was interrupted
        # before its first item is known by its id alone.
        self._settled: dict[str, None] = {}
        self._converter: Converter | None = None
        self._part: tuple[str, int] | None = None
        handlers: dict[str, Callable[[Any], None]] = {
            "response.output_audio.delta": self._delta,
            "response.output_audio.done": self._done,
        }
        handlers["response.done"] = self._response_done
        if barge_in:
            handlers["input_audio_buffer.speech_started"] = self._speech_started
        self._subscriptions = [
            session.on(name, handler, inline=True) for name, handler in handlers.items()
        ]

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def detach(self) -> None:
        """Stop playing what the session says. Calling it again does nothing."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()

    def interrupt(self, *, cancel: bool | None = None) -> tuple[PlayedPart, ...]:
        """
        Stop playback now and tell the server what was heard.

        May be called from any thread; waits for no answer.

        Args:
            cancel: whether to cancel the running response; by default, unless
                the session's turn detection does so itself.

        Returns:
            How far every part was played.

        Raises:
            ConnectionClosed: playback has stopped, but the server is gone.
        """
        snapshot = self._session.snapshot
        heard = self._player.interrupt()
        commands = plan_interruption(
            snapshot, heard, cancel=cancel, settled=frozenset(self._settled)
        )
        self._settle(snapshot.active_response, heard)
        if commands:
            self.interruptions += 1
        for command in commands:
            self._session.send(command)
        if self._on_interrupted is not None:
            self._on_interrupted(heard)
        return heard

    def _speech_started(self, event: Any) -> None:
        self.interrupt()

    def _response_done(self, event: Any) -> None:
        """
        An interrupted response is over: take out what it began only afterwards.

        Between an interruption and the moment it reaches the server a response
        may begin a further item. Nobody hears it, and it cannot be truncated at
        zero, so it is deleted like any other that was not heard.
        """
        snapshot = self._session.snapshot
        response = snapshot.response(getattr(event.response, "id", None) or "")
        if response is None or response.id not in self._settled:
            return
        unheard = [
            PlayedPart(item.id, 0, response.id, 0.0, 0.0)
            for item in response.output
            if item.id not in self._settled
        ]
        self._settled.update((part.item_id, None) for part in unheard)
        # The response that may have begun meanwhile is none of this one's business.
        active = snapshot.active_response
        others = frozenset() if active is None else frozenset((active.id,))
        for command in plan_interruption(
            snapshot, unheard, cancel=False, settled=others
        ):
            self._session.send(command)

    def _delta(self, event: Any) -> None:
        if event.response_id in self._settled or event.item_id in self._settled:
            return
        index = event.content_index or 0
        self._play(event.item_id, index, event.response_id or None, event.delta)

    def _done(self, event: Any) -> None:
        """The end of a part: let out what a resampler has kept."""
        converter, self._converter = self._converter, None
        part, self._part = self._part, None
        if converter is None or part is None or event.item_id in self._settled:
            return
        self._player.play(
            converter.finish(),
            item_id=part[0],
            content_index=part[1],
            response_id=event.response_id or None,
        )

    def _play(
        self, item_id: str, index: int, response_id: str | None, data: bytes
    ) -> None:
        wire = session_format(self._session, "output")
        if wire != self._player.format:
            if self._converter is None or self._part != (item_id, index):
                self._converter = Converter(
                    wire,
                    self._player.format,
                    rate=wire.rate,
                    to_rate=self._player.format.rate,
                )
                self._part = (item_id, index)
            data = self._converter.feed(data)
        self._player.play(
            data, item_id=item_id, content_index=index, response_id=response_id
        )

    def _settle(self, active: Any, heard: Iterable[PlayedPart]) -> None:
        """Remember what is over, so that what still comes of it is dropped."""
        self._converter = self._part = None
        ids = [part.item_id for part in heard]
        ids += [part.response_id for part in heard if part.response_id]
        if active is not None:
            ids += [active.id, *active.items]
        for each in ids:
            self._settled[each] = None
        while len(self._settled) > REMEMBERED:
            self._settled.pop(next(iter(self._settled)))
