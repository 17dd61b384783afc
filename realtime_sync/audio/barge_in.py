"""Playing a session's audio, and stopping when the user speaks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, Union

from attrs import evolve

from .. import plan_interruption
from ..protocol import events
from ..protocol.events import ClientEvent, ConversationItemTruncate
from ..types import AudioBytes
from .convert import Converter
from .formats import AudioFormat
from .ledger import PlayedPart
from .spoken_format import SpokenFormat

if TYPE_CHECKING:
    from .. import ResponseHandle, Session
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import ConnectionDropped, ConnectionRestored
    from ..state.snapshot import ResponseState

REMEMBERED = 256
"""Ids of interrupted responses and items that are remembered."""

_BEYOND = re.compile(
    r"shorter|longer than|beyond|past the end|greater than|out of range"
    r"|exceeds? the (audio|sound|length|duration)"
)
"""Words of a refusal to truncate beyond the end of what a server has."""

_FIGURE = re.compile(
    r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d{1,9})(\.\d{1,9})?"
    r"(?: ?(m(?:illi)?s(?:ec(?:ond)?s?)?|s(?:ec(?:ond)?s?)?)\b|(?!\w|,\d))"
)
"""Figures of such words: with milliseconds, seconds or nothing behind them."""


def _milliseconds_of_refused_barge_in(text: str) -> list[int]:
    """The times that a refusal names; what has no unit is one if nothing has."""
    found = _FIGURE.findall(text)
    units = [each for each in found if each[2]] or found
    return [
        int(float(whole.replace(",", "") + part) * (1000 if unit[:1] == "s" else 1))
        for whole, part, unit in units
    ]


def _known_id_for_barge_in(value: object) -> str | None:
    """An id, or None where a server says none: absent, null and empty alike."""
    return value if isinstance(value, str) and value else None


AudioEvent = Union["events.ResponseAudioDelta", "events.ResponseAudioDone"]

Failed = Callable[[Exception, bool], object]
"""Told what a sink raised, and whether it will be tried again."""


class BargeInPlayback(Protocol):
    """What an attachment uses of a player."""

    format: AudioFormat

    def play(
        self,
        data: AudioBytes,
        *,
        item_id: str = "",
        content_index: int = 0,
        response_id: str | None = None,
    ) -> None:
        """Queue a piece of an item's audio."""

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """Stop at once, and say what was heard."""

    def end(self) -> None:
        """Say that what is queued is complete."""

    @property
    def sounding(self) -> bool:
        """Whether anything is still to be heard."""

    def add_failure_listener(self, listener: Failed) -> Callable[[], None]:
        """Have a function told what a sink raised; returns what undoes it."""


class Attachment:
    """
    A player that plays what a session says.

    Its handlers run on the session's loop, so that an interruption overtakes
    audio that is queued and handlers that are slow: audio goes to the player's
    queue, and at ``input_audio_buffer.speech_started`` the player is silent, the
    running response is cancelled (if the server does not do it), every item is
    truncated to what was heard of it, and what still comes is dropped; an item that
    only begins afterwards is deleted when the response is over.

    Made by `Player.attach`, which raises `ConfigurationError` if the session speaks
    in a format that is not known here, Ogg/Opus for example. If it begins to do so
    later, that is not played, and ``player.failed`` says it once. Undone by `detach`,
    or at the end of a ``with`` block; the player stays open.

    Attributes:
        interruptions: how often playback was cut.
    """

    def __init__(
        self,
        player: BargeInPlayback,
        session: Session,
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
        self._barge_in = barge_in
        self._on_interrupted = on_interrupted
        self._may_interrupt = may_interrupt
        # Touched by the loop, and by whoever calls `interrupt`; single
        # operations on a dictionary are atomic. A response that was interrupted
        # before its first item is known by its id alone.
        self._settled: dict[str, None] = {}
        # Some servers name neither response nor item. Whether such sound is on its
        # way, and whether what still comes of it is not to be heard.
        self._nameless = False
        self._muted = False
        # Responses that were interrupted before they had a name.
        self._unnamed: list[ResponseHandle] = []
        # Truncations by the id of the command, until the server has answered.
        self._truncations: dict[str, ConversationItemTruncate] = {}
        self._heard: dict[str, PlayedPart] = {}
        # The item whose sound comes at present; that of an answer that broke off
        # with the connection, and its words so far.
        self._speaking: str | None = None
        self._broken_off: tuple[str, str] | None = None
        # Responses that say in what they speak; it may not be as the session does.
        self._speakers: dict[str, object] = {}
        self._converter: Converter | None = None
        self._part: tuple[str, int] | None = None
        handlers: dict[EventName, Callable[[Any], None]] = {
            "response.created": self._created,
            "response.output_audio.delta": self._delta,
            "response.output_audio.done": self._done,
            "response.done": self._response_done,
            "conversation.item.truncated": self._truncated,
            "error": self._refused,
            "connection.lost": self._lost,
            "connection.restored": self._restored,
        }
        if barge_in is not False:
            handlers["input_audio_buffer.speech_started"] = self._speech_started
        self._subscriptions = [
            session.on(name, handler, inline=True) for name, handler in handlers.items()
        ]
        self._unlisten = player.add_failure_listener(self._failed)
        self._unwait = session.rotate_after(lambda: player.sounding)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def detach(self) -> None:
        """Stop playing what the session says. Calling it again does nothing."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()
        self._unlisten()
        self._unwait()

    def interrupt(self, *, cancel: bool | None = True) -> tuple[PlayedPart, ...]:
        """
        Stop playback now and tell the server what was heard.

        May be called from any thread; waits for no answer.

        Args:
            cancel: whether to cancel the running response; None for unless the
                session's turn detection does so itself, as it does when the user
                speaks.

        Returns:
            How far every part was played.

        Raises:
            ConnectionClosed: playback has stopped, but the server is gone.
        """
        snapshot = self._session.snapshot
        heard = self._player.interrupt()
        if cancel:
            # What was asked for and has no name yet would begin only now.
            self._unnamed += self._session.response.cancel_unnamed()
        commands = plan_interruption(
            snapshot, heard, cancel=cancel, settled=frozenset(self._settled)
        )
        self._settle(snapshot.active_response, heard)
        self._heard = {part.item_id: part for part in heard}
        for command in commands:
            self._send(command)
        cut = any(part.heard_ms < part.received_ms for part in heard)
        if commands or cut:
            self.interruptions += 1
        if cut and self._on_interrupted is not None:
            self._on_interrupted(heard)
        return heard

    def _speech_started(self, event: events.InputAudioBufferSpeechStarted) -> None:
        if self._barge_in is None and self._left_to_itself():
            return
        if self._may_interrupt():
            self.interrupt(cancel=None)

    def _left_to_itself(self) -> bool:
        """Whether the session says that speech does not interrupt its answers."""
        audio = getattr(self._session.config, "audio", None)
        detection = getattr(getattr(audio, "input", None), "turn_detection", None)
        return getattr(detection, "interrupt_response", None) is False

    def _send(self, command: ClientEvent) -> None:
        if isinstance(command, ConversationItemTruncate):
            # Known before it is sent: the answer may overtake this thread.
            event_id = f"truncate_{secrets.token_hex(8)}"
            command = evolve(command, event_id=event_id)
            self._truncations[event_id] = command
            while len(self._truncations) > REMEMBERED:
                self._truncations.pop(next(iter(self._truncations)))
        self._session.send(command)

    def _truncated(self, event: events.ConversationItemTruncated) -> None:
        """A truncation was done: nothing more is to be put right."""
        item_id = _known_id_for_barge_in(event.item_id)
        if item_id is None and self._truncations:
            item_id = next(iter(self._truncations.values())).item_id
        for event_id, command in tuple(self._truncations.items()):
            if command.item_id == item_id:
                self._truncations.pop(event_id, None)

    def _refused(self, event: events.Error) -> None:
        """
        Truncate once more, where the server says how much there is.

        Its count of an answer may be shorter than ours by a few milliseconds, and
        then the conversation would hold all of what was not heard.
        """
        problem = event.error
        text = str(getattr(problem, "message", "") or "").lower()
        if self._retold(_known_id_for_barge_in(getattr(problem, "event_id", None))):
            return
        if "audio" not in text or not _BEYOND.search(text):
            return
        event_id = _known_id_for_barge_in(getattr(problem, "event_id", None))
        if event_id is None and len(self._truncations) == 1:
            event_id = next(iter(self._truncations))
        command = self._truncations.pop(event_id or "", None)
        if command is None or not isinstance(command.audio_end_ms, int):
            return
        shorter = [
            figure
            for figure in _milliseconds_of_refused_barge_in(text)
            if 0 < figure < command.audio_end_ms
        ]
        if shorter:
            self._session.send(
                ConversationItemTruncate(
                    item_id=command.item_id,
                    content_index=command.content_index,
                    audio_end_ms=max(shorter),
                )
            )

    def _retold(self, event_id: str | None) -> bool:
        """
        Plan again, where the connection was replaced before a truncation arrived.

        There the item is text, and to be truncated it is to be created again.
        """
        command = self._truncations.get(event_id or "")
        part = None if command is None else self._heard.get(command.item_id)
        if command is None or part is None:
            return False
        snapshot = self._session.snapshot
        plan = plan_interruption(snapshot, [part], cancel=False)
        if not plan or isinstance(plan[0], ConversationItemTruncate):
            return False
        self._truncations.pop(event_id or "", None)
        for each in plan:
            self._session.send(each)
        return True

    def _lost(self, event: ConnectionDropped) -> None:
        """Keep what was said of an answer that breaks off: it is being heard."""
        self._player.end()
        speaking, self._speaking = self._speaking, None
        item = None if speaking is None else self._session.snapshot.item(speaking)
        if item is not None and item.said:
            self._broken_off = item.id, item.said

    def _restored(self, event: ConnectionRestored) -> None:
        """
        Tell the new connection what the caller hears of a broken answer.

        It is restored without what was unfinished; the model would not know that it
        has said anything.
        """
        broken, self._broken_off = self._broken_off, None
        if broken is None:
            return
        item_id, said = broken
        if item_id in self._settled or self._session.snapshot.item(item_id):
            return
        content = [{"type": "output_text", "text": said}]
        self._session.conversation.item.create(
            {
                "id": item_id,
                "type": "message",
                "role": "assistant",
                "content": content,
            }
        )

    def _failed(self, error: Exception, retrying: bool) -> None:
        self._session.notify("player.failed", error=error, retrying=retrying)

    def _created(self, event: events.ResponseCreated) -> None:
        """A response begins, and with it what may be heard again."""
        self._muted = self._nameless = False
        # A server that has one id for everything says by this that it is a new one.
        response_id = _known_id_for_barge_in(getattr(event.response, "id", None)) or ""
        self._settled.pop(response_id, None)
        if not response_id:
            # By name nothing that follows can be told from what was interrupted.
            self._settled.clear()
        if event.response and event.response.audio and response_id:
            self._speakers[response_id] = event.response
            while len(self._speakers) > REMEMBERED:
                self._speakers.pop(next(iter(self._speakers)))
        waiting = [handle for handle in self._unnamed if handle.named]
        self._unnamed = [handle for handle in self._unnamed if not handle.named]
        if any(handle.response_id == response_id for handle in waiting):
            # It was interrupted before it had a name.
            self._settled[response_id] = None
            self._muted = not response_id

    def _response_done(self, event: events.ResponseDone) -> None:
        """
        An interrupted response is over: take out what it began only afterwards.

        Between an interruption and the moment it reaches the server a response
        may begin a further item. Nobody hears it, and it cannot be truncated at
        zero, so it is deleted like any other that was not heard.
        """
        self._muted = self._nameless = False
        self._speaking = None
        self._player.end()
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

    def _delta(self, event: events.ResponseAudioDelta) -> None:
        response_id, item_id = self._named(event)
        if self._is_settled(event, response_id, item_id):
            return
        if response_id is None and item_id is None:
            if self._muted:
                return
            self._nameless = True
        self._speaking = item_id
        index = event.content_index or 0
        self._play(item_id or "", index, response_id, event.delta or b"")

    def _is_settled(
        self, event: AudioEvent, response_id: str | None, item_id: str | None
    ) -> bool:
        """Whether sound is of something that was interrupted."""
        if response_id in self._settled:
            return True
        # Of a response that was not, it is, whatever its item was called before: there
        # are servers with one id for all items.
        if _known_id_for_barge_in(event.response_id) is not None:
            return False
        return item_id in self._settled

    def _named(self, event: AudioEvent) -> tuple[str | None, str | None]:
        """
        The ids of the response and the item that sound belongs to.

        What an event does not say is taken from the response that is running:
        there is one in a conversation. An absent id is no id.
        """
        response_id, item_id = _known_id_for_barge_in(
            event.response_id
        ), _known_id_for_barge_in(event.item_id)
        if response_id is None and item_id is None:
            active = self._session.snapshot.active_response
            if active is not None:
                spoken = [i.id for i in active.output if i.role == "assistant"]
                response_id, item_id = active.id, spoken[-1] if spoken else None
        return response_id, item_id

    def _done(self, event: events.ResponseAudioDone) -> None:
        """The end of a part: let out what a resampler has kept."""
        response_id, item_id = self._named(event)
        if (
            _known_id_for_barge_in(event.response_id) is None
            and _known_id_for_barge_in(event.item_id) is None
        ):
            # What comes after it without a name is of something else.
            self._muted = False
            for each in filter(None, (response_id, item_id)):
                self._settled.pop(each, None)
        converter, self._converter = self._converter, None
        part, self._part = self._part, None
        if converter is not None and part is not None:
            if not self._is_settled(event, response_id, item_id):
                self._player.play(
                    converter.finish(),
                    item_id=part[0],
                    content_index=part[1],
                    response_id=response_id,
                )
        self._player.end()

    def _play(
        self, item_id: str, index: int, response_id: str | None, data: bytes
    ) -> None:
        wire = self._format.of(self._speakers.get(response_id or ""))
        if wire is None:
            return
        if wire != self._player.format:
            if (
                self._converter is None
                or self._part != (item_id, index)
                or self._converter.target != self._player.format
            ):
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

    def _settle(
        self, active: ResponseState | None, heard: Iterable[PlayedPart]
    ) -> None:
        """Remember what is over, so that what still comes of it is dropped."""
        self._converter = self._part = None
        self._muted = self._nameless
        ids = [part.item_id for part in heard]
        ids += [part.response_id for part in heard if part.response_id]
        if active is not None:
            ids += [active.id, *active.items]
        for each in filter(None, ids):
            self._settled[each] = None
        while len(self._settled) > REMEMBERED:
            self._settled.pop(next(iter(self._settled)))
