"""One conversation in a browser: sound both ways, and what a person sees of it."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import audio
from ..errors import ConnectionClosed, RealtimeError
from ..protocol.escape import one_line
from ..transport.logs import area_logger
from ..transport.redaction import redact
from .browser_audio import BrowserAudio
from .messages import Message, Send
from .view import View

if TYPE_CHECKING:
    from .. import Session
    from ..dispatch.event_names import EventName
    from ..protocol import events

_log = area_logger("realtime_sync.web")

OFTEN = 0.1
"""Seconds between two looks at what has changed."""

LONGEST_TEXT = 20_000
"""Characters of a typed message; what is more is refused."""

MOST_TYPED = 20
"""Typed messages that wait to be sent; one more is refused."""

_TURN_DETECTION = {"type": "server_vad"}
"""For a session that had none when a person goes from the button to speaking."""

_HARMLESS = frozenset({"response_cancel_not_active"})
"""Codes of errors that nobody has to see: what was interrupted had just ended."""

OpenSession = Callable[[], "Session"]
"""Gives an open session; called in the conversation's thread, so it may wait."""

# Guards the conversations by their session: there is one of each.
_lock = threading.Lock()
_talking: weakref.WeakKeyDictionary[Session, Conversation] = weakref.WeakKeyDictionary()


class Conversation:
    """
    A browser that talks with a session until one of both ends it.

    Its thread sends what the microphone hears and tells the page ten times a second
    what has changed; it does not look while nothing has. `receive` and `close` may
    be called from any thread, and do not wait for the server.

    Args:
        open_session: gives the session.
        send: tells the page something.
        owns: close the session at the end.
        push: begin with the button; else turn detection finds the turns.

    Attributes:
        opening: whether the session is still being given.
    """

    def __init__(
        self,
        open_session: OpenSession,
        send: Send,
        *,
        owns: bool,
        push: bool = False,
    ) -> None:
        self._open_session = open_session
        self._send = send
        self._owns = owns
        self._push = push
        self._pushing = False
        self._button = audio.PushToTalk()
        self._view = View()
        self._stopped = threading.Event()
        self._attachment: audio.Attachment | None = None
        self._typed: list[str] = []
        self.opening = True
        self.audio = BrowserAudio(send)
        self._thread = threading.Thread(
            target=self._run, name="realtime-web-talk", daemon=True
        )
        self._thread.start()

    def receive(self, message: Message, sound: bytes = b"") -> None:
        """Take what the page says. Any thread; never waits for the server."""
        if self.audio.receive(message, sound):
            return
        attachment = self._attachment
        match message.get("kind"):
            case "push":
                self._push = bool(message.get("on"))
            case "press":
                self._button.press()
            case "release":
                self._button.release()
            case "interrupt" if attachment is not None:
                self._interrupt(attachment)
            case "say" if isinstance(message.get("text"), str):
                self._type(str(message["text"]))
            case "stop":
                self.stop()

    def _type(self, text: str) -> None:
        """Have a message sent, or say why not; it is never sent in part."""
        if len(text) > LONGEST_TEXT:
            problem = f"A message has at most {LONGEST_TEXT:,} characters: not sent."
        elif len(self._typed) >= MOST_TYPED:
            problem = "Messages come faster than they can be sent: not sent."
        else:
            # Half a character is none: a mark takes its place, as in `messages`.
            self._typed.append(text.encode("utf-8", "replace").decode("utf-8"))
            return
        self._send({"kind": "problem", "text": problem})

    def stop(self, text: str = "") -> None:
        """
        End it; does not wait.

        Args:
            text: what the person is told; empty where they have ended it themselves.
        """
        if text and not self._stopped.is_set():
            self._send({"kind": "over", "text": text})
        self._stopped.set()
        self.audio.wake()

    def close(self, timeout: float = 5.0) -> None:
        """End it, and wait until its thread has gone."""
        self.stop()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    # -- the conversation's thread ---------------------------------------------

    def _run(self) -> None:
        try:
            session = self._open_session()
        except Exception as exc:
            # Of the library, or of the program's own lines: who waits is told.
            if not isinstance(exc, RealtimeError):
                _log.exception("! a session could not be opened")
            self.stop(_told("The session could not be opened", exc))
            self.audio.close()
            return
        finally:
            self.opening = False
        try:
            # Who has gone meanwhile takes nobody's conversation away.
            if not self._stopped.is_set():
                self._take_over(session)
                self._converse(session)
        except Exception as exc:
            # A person is looking: say it there, and not in the log alone.
            _log.exception("! a conversation failed")
            self.stop(_told("The conversation has failed", exc))
        finally:
            self.audio.close()
            with _lock:
                if _talking.get(session) is self:
                    del _talking[session]
            if self._owns:
                session.close(drain=False)

    def _take_over(self, session: Session) -> None:
        """End the conversation that another window has with the same session."""
        with _lock:
            before = _talking.get(session)
            _talking[session] = self
        if before is not None:
            before.stop("Another window goes on with this conversation.")
            before.close()

    def _converse(self, session: Session) -> None:
        handlers: Mapping[EventName, Callable[[Any], object]] = {
            "turn.finished": self._view.finished,
            "error": self._error,
            "response.created": lambda event: self._send({"kind": "solved"}),
            "connection.lost": self._lost,
            "connection.restored": lambda event: self._send({"kind": "solved"}),
        }
        subscriptions = [session.on(name, each) for name, each in handlers.items()]
        detection = _detection(session)
        try:
            with self.audio.player.attach(session) as attachment:
                self._attachment = attachment
                self._talk(session, attachment, detection)
                # What is on its way to the ear when somebody ends it is not heard.
                self._interrupt(attachment)
            if self._pushing and session.is_open and not self._owns:
                session.update(turn_detection=detection)
        finally:
            self._attachment = None
            for subscription in subscriptions:
                subscription.cancel()

    def _talk(
        self, session: Session, attachment: audio.Attachment, detection: object
    ) -> None:
        wire = audio.session_format(session, "input")
        converter = audio.Converter(
            audio.PCM16, wire, rate=audio.PCM16.rate, to_rate=wire.rate
        )
        look_at = 0.0
        while not self._stopped.is_set():
            try:
                self._choose(session, attachment, detection)
                for block in self.audio.take(OFTEN):
                    self._heard(session, converter.feed(block))
                while self._typed:
                    self._say(session, attachment, self._typed.pop(0))
            except ConnectionClosed as exc:
                # A session that reconnects goes on; what was said meanwhile is lost.
                if not session.closed:
                    _log.debug("= not sent meanwhile: %s", exc)
            if session.closed:
                self.stop(_ended(session))
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + OFTEN
                self._show(session)
        self._show(session)

    def _choose(
        self, session: Session, attachment: audio.Attachment, detection: object
    ) -> None:
        """Go from speaking to the button, or back, where that was asked for."""
        push = self._push
        if push == self._pushing or not session.is_open:
            return
        if push:
            self._button.bind(session, attachment)
        wanted = None if push else (detection or _TURN_DETECTION)
        session.update(turn_detection=wanted).acknowledged()
        self._pushing = push

    def _heard(self, session: Session, block: bytes) -> None:
        if not block or not session.is_open:
            return
        if self._pushing:
            self._button.feed(block)
        else:
            session.input_audio_buffer.append(block)

    def _say(self, session: Session, attachment: audio.Attachment, text: str) -> None:
        attachment.interrupt(cancel=True)
        content = [{"type": "input_text", "text": text}]
        session.conversation.item.create(
            {"type": "message", "role": "user", "content": content}
        )
        session.response.create(on_conflict="cancel")

    def _interrupt(self, attachment: audio.Attachment) -> None:
        try:
            attachment.interrupt(cancel=True)
        except ConnectionClosed:
            pass  # It is silent; there is nobody to tell.

    def _show(self, session: Session) -> None:
        for message in self._view.news(session.snapshot):
            self._send(message)

    # -- handlers --------------------------------------------------------------

    def _error(self, event: events.Error) -> None:
        if getattr(event.error, "code", None) in _HARMLESS:
            return
        text = str(getattr(event.error, "message", None) or "The server has an error.")
        self._send({"kind": "problem", "text": one_line(text)})

    def _lost(self, event: object) -> None:
        text = "The connection to the server is lost; trying to have it back."
        self._send({"kind": "problem", "text": text})


class Talking:
    """
    A browser's place: it starts and stops conversations, one at a time.

    Serves a page's WebSocket, and a widget's channel all the same.

    Args:
        open_session: see `Conversation`.
        send: tells the page something.
        owns: close the session at the end of its conversation.
    """

    def __init__(self, open_session: OpenSession, send: Send, *, owns: bool) -> None:
        self._open_session = open_session
        self._send = send
        self._owns = owns
        self.conversation: Conversation | None = None

    def receive(self, message: Message, sound: bytes = b"") -> None:
        """Take what the page says. For one thread at a time; waits for nothing."""
        kind = message.get("kind")
        if kind == "alive":
            self._send({"kind": "alive", "number": message.get("number")})
        elif kind == "start":
            self._start(push=bool(message.get("push")))
        elif self.conversation is not None:
            self.conversation.receive(message, sound)

    def _start(self, *, push: bool) -> None:
        before = self.conversation
        if before is not None and before.opening:
            # One at a time: who asks a hundred times has no hundred sessions opened.
            text = "The session is still being opened: start again in a moment."
            before.stop(text)
            self._send({"kind": "over", "text": text})
            return
        if before is not None:
            before.stop()
        self.conversation = Conversation(
            self._open_session, self._send, owns=self._owns, push=push
        )

    def close(self) -> None:
        """The page is gone."""
        if self.conversation is not None:
            self.conversation.close()


def _told(what: str, exc: Exception) -> str:
    """What a person reads of an error: its own sentence, where it is made to be one."""
    if isinstance(exc, RealtimeError):
        return one_line(str(exc))
    return one_line(redact(f"{what}: {str(exc) or type(exc).__name__}"))


def _ended(session: Session) -> str:
    """That a session is over, and why, as far as anybody has said."""
    report = session.close_report
    why = one_line(str(report.error or report.reason))
    return f"The session is over: {why}" if why else "The session is over."


def _detection(session: Session) -> object:
    """The turn detection in force, None where there is none."""
    wire = getattr(getattr(session.config, "audio", None), "input", None)
    return getattr(wire, "turn_detection", None) or None
