"""One conversation in a browser: sound both ways, and what a person sees of it."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import audio, live
from ..errors import ConfigurationError, ConnectionClosed, RealtimeError
from ..protocol.escape import one_line
from ..transport.logs import area_logger
from ..transport.redaction import redact
from .browser_audio import BrowserAudio
from .live_view import LivePageView
from .messages import Message, SendToPage
from .view import PageView

if TYPE_CHECKING:
    from .. import Session
    from ..dispatch.event_names import EventName
    from ..protocol import events

    AnySession = Session | live.LiveSession
    AnyAttachment = audio.Attachment | audio.LiveAttachment
    AnyView = PageView | LivePageView
    Handlers = Mapping[EventName, Callable[[Any], object]]

_log = area_logger("realtime_sync.web")

OFTEN = 0.1
"""Seconds between two looks at what has changed."""

LONGEST_TEXT = 20_000
"""Characters of a typed message; what is more is refused."""

MOST_TYPED = 20
"""Typed messages that wait to be sent; one more is refused."""

MOST_AHEAD, IN_TIME = 0.5, 0.1
"""
Seconds of the microphone that a live session may have before their time, and those
with which it is in time again. Silence has taken the place of what comes in a burst,
which moves what is said afterwards: all of it would be heard late.
"""

QUIET = -60.0
"""The level of a microphone, in dB, at which nobody speaks."""

_TURN_DETECTION = {"type": "server_vad"}
"""For a session that had none when a person goes from the button to speaking."""

_HARMLESS = frozenset({"response_cancel_not_active"})
"""Codes of errors that nobody has to see: what was interrupted had just ended."""

_REASONS = {
    "expired": "its time is up",
    "content": "the service ended it for what was said",
    "connection_lost": "the connection was lost",
}
"""Why a live session is closed, where it is not because somebody has asked for it."""

_SPEECH_ONLY = (
    "This session hears what is spoken; only one with a Responses backend reads. "
    "Not sent."
)

_LISTENS = (
    "This session is attached to a call, which has a microphone of its own: here you "
    "only listen."
)

OpenSession = Callable[[], "AnySession"]
"""Gives an open session; called in the conversation's thread, so it may wait."""

# Guards the conversations by their session: there is one of each.
_lock = threading.Lock()
_talking: weakref.WeakKeyDictionary[AnySession, BrowserConversation] = (
    weakref.WeakKeyDictionary()
)


class BrowserConversation:
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
        send: SendToPage,
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
        self._detection: object = None
        self._late = False
        self._stopped = threading.Event()
        self._attachment: AnyAttachment | None = None
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
        self._problem(problem)

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
            self.stop(_told_in_conversation("The session could not be opened", exc))
            self.audio.close()
            self._send({"kind": "ended", "text": ""})
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
            self.stop(_told_in_conversation("The conversation has failed", exc))
        finally:
            self.audio.close()
            with _lock:
                if _talking.get(session) is self:
                    del _talking[session]
            self._send({"kind": "ended", "text": self._end(session)})

    def _end(self, session: AnySession) -> str:
        """Close the session, where it is ours; what a person has to know of that."""
        if not isinstance(session, live.LiveSession):
            if self._owns:
                session.close(drain=False)
            return ""
        if self._owns:
            # The service says what is billed, and that it is all.
            session.close()
        elif not session.closed:
            return "The session stays open, and is billed, until it is closed."
        return _ended_conversation(session)

    def _take_over(self, session: AnySession) -> None:
        """End the conversation that another window has with the same session."""
        with _lock:
            before = _talking.get(session)
            _talking[session] = self
        if before is not None:
            before.stop("Another window goes on with this conversation.")
            before.close()

    def _converse(self, session: AnySession) -> None:
        if isinstance(session, live.LiveSession):
            # What was said while it was opened would be heard late all along.
            self.audio.take(0)
            if session.is_attached:
                self._problem(_LISTENS)
            with self.audio.player.attach(session) as playing:
                shown = LivePageView(session, playing)
                goes_on: Handlers = {"session.output_transcript.delta": self._solved}
                self._attend(session, playing, shown, goes_on)
            return
        view = PageView(session)
        self._detection = _turn_detection_of_conversation(session)
        with self.audio.player.attach(session) as attachment:
            turns: Handlers = {
                "turn.finished": view.finished,
                "response.created": self._solved,
            }
            self._attend(session, attachment, view, turns)
        if self._pushing and session.is_open and not self._owns:
            session.update(turn_detection=self._detection)

    def _attend(
        self,
        session: AnySession,
        attachment: AnyAttachment,
        view: AnyView,
        more: Handlers,
    ) -> None:
        """Carry sound and words until it is over."""
        handlers: Handlers = {
            "error": self._error,
            "connection.lost": self._lost,
            "connection.restored": self._solved,
            **more,
        }
        subscriptions = [session.on(name, each) for name, each in handlers.items()]
        self._attachment = attachment
        try:
            self._talk(session, attachment, view)
            # What is on its way to the ear when somebody ends it is not heard.
            self._interrupt(attachment)
            self._show(view)
        finally:
            self._attachment = None
            for subscription in subscriptions:
                subscription.cancel()

    def _talk(
        self, session: AnySession, attachment: AnyAttachment, view: AnyView
    ) -> None:
        wire = audio.session_format(session, "input")
        converter = audio.Converter(
            audio.PCM16, wire, rate=audio.PCM16.rate, to_rate=wire.rate
        )
        look_at = 0.0
        while not self._stopped.is_set():
            try:
                self._choose(session, attachment)
                for block in self.audio.take(OFTEN):
                    if not self._left_out(session, block):
                        self._heard(session, converter.feed(block))
                while self._typed:
                    self._say(view, attachment, self._typed.pop(0))
            except ConnectionClosed as exc:
                # A session that reconnects goes on; what was said meanwhile is lost.
                if not session.closed:
                    _log.debug("= not sent meanwhile: %s", exc)
            if session.closed:
                self.stop(_ended_conversation(session))
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + OFTEN
                self._show(view)

    def _choose(self, session: AnySession, attachment: AnyAttachment) -> None:
        """Go from speaking to the button, or back, where that was asked for."""
        push = self._push
        if push == self._pushing or not session.is_open:
            return
        if push:
            self._button.bind(session, attachment)
        if not isinstance(session, live.LiveSession):
            wanted = None if push else (self._detection or _TURN_DETECTION)
            session.update(turn_detection=wanted).acknowledged()
        self._pushing = push

    def _heard(self, session: AnySession, block: bytes) -> None:
        if not block or not session.is_open:
            return
        if self._pushing:
            self._button.feed(block)
        elif isinstance(session, live.LiveSession):
            session.input_audio.append(block)
        else:
            session.input_audio_buffer.append(block)

    def _left_out(self, session: AnySession, block: bytes) -> bool:
        """Whether a live session is not to hear a block of the microphone."""
        if not isinstance(session, live.LiveSession):
            return False
        ahead = session.input_audio.ahead
        if ahead > MOST_AHEAD and not self._late:
            self._late = True
            self._problem("Some of what you said came too late, and was not heard.")
        if ahead <= IN_TIME:
            self._late = False
        elif audio.level(block).rms < QUIET:
            return True  # Where nothing is said, time is made up for.
        return self._late or session.is_attached

    def _say(self, view: AnyView, attachment: AnyAttachment, text: str) -> None:
        if isinstance(view, LivePageView):
            try:
                view.session.ask_backend(text)
            except ConfigurationError:
                self._problem(_SPEECH_ONLY)
            else:
                view.typed(text)
            return
        attachment.interrupt(cancel=True)
        content = [{"type": "input_text", "text": text}]
        view.session.conversation.item.create(
            {"type": "message", "role": "user", "content": content}
        )
        view.session.response.create(on_conflict="cancel")

    def _interrupt(self, attachment: AnyAttachment) -> None:
        try:
            attachment.interrupt(cancel=True)
        except ConnectionClosed:
            pass  # It is silent; there is nobody to tell.

    def _show(self, view: AnyView) -> None:
        for message in view.news():
            self._send(message)

    def _problem(self, text: str) -> None:
        self._send({"kind": "problem", "text": text})

    # -- handlers --------------------------------------------------------------

    def _error(self, event: events.Error | live.events.Error) -> None:
        error: object = event.error
        if getattr(error, "code", None) in _HARMLESS:
            return
        # Some servers say it in plain text.
        said = error if isinstance(error, str) else getattr(error, "message", None)
        self._problem(one_line(str(said or "The server has an error.")))

    def _lost(self, event: object) -> None:
        self._problem("The connection to the server is lost; trying to have it back.")

    def _solved(self, event: object) -> None:
        self._send({"kind": "solved"})


class Talking:
    """
    A browser's place: it starts and stops conversations, one at a time.

    Serves a page's WebSocket, and a widget's channel all the same.

    Args:
        open_session: see `BrowserConversation`.
        send: tells the page something.
        owns: close the session at the end of its conversation.
    """

    def __init__(
        self, open_session: OpenSession, send: SendToPage, *, owns: bool
    ) -> None:
        self._open_session = open_session
        self._send = send
        self._owns = owns
        self.conversation: BrowserConversation | None = None

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
        self.conversation = BrowserConversation(
            self._open_session, self._send, owns=self._owns, push=push
        )

    def close(self) -> None:
        """The page is gone."""
        if self.conversation is not None:
            self.conversation.close()


def _told_in_conversation(what: str, exc: Exception) -> str:
    """What a person reads of an error: its own sentence, where it is made to be one."""
    if isinstance(exc, RealtimeError):
        return one_line(str(exc))
    return one_line(redact(f"{what}: {str(exc) or type(exc).__name__}"))


def _ended_conversation(session: AnySession) -> str:
    """That a session is over, and why, as far as anybody has said."""
    report = session.close_report
    if isinstance(report, live.LiveCloseReport):
        return _billed(report)
    why = one_line(str(report.error or report.reason))
    return f"The session is over: {why}" if why else "The session is over."


def _billed(report: live.LiveCloseReport) -> str:
    """The same of a live session, and what it took."""
    why = _REASONS.get(report.reason or "") or (
        one_line(str(report.error)) if report.error else ""
    )
    seconds = f"{report.total_seconds:g} s"
    if report.confirmed:
        seconds += " are billed."
    else:
        seconds += " are billed or more, for the service has not confirmed the end."
    return f"The session is over{why and f': {why}'}; {seconds}"


def _turn_detection_of_conversation(session: Session) -> object:
    """The turn detection in force, None where there is none."""
    wire = getattr(getattr(session.config, "audio", None), "input", None)
    return getattr(wire, "turn_detection", None) or None
