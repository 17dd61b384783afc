"""Twilio Media Streams: one WebSocket per call, JSON messages, mu-law at 8 kHz."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import RemoteProtocolError
from ...transport.logs import area_logger
from ..barge_in import Attachment
from ..formats import G711_ULAW
from ..ledger import PlayedPart
from ..player import Player
from ..streaming import session_format

_log = area_logger("realtime_sync.audio")

MARK = "realtime-sync:"
"""Marks of ours begin like this; others are the application's."""


class TwilioBridge:
    """
    Joins a call on Twilio to a session.

    ``bridge = TwilioBridge(session, send=ws.send)``, then ``bridge.receive(message)``
    with every message that comes, then ``bridge.close()``. The session is switched
    to mu-law, so that nothing is converted and no extra is needed.

    What the model says is sent in real time, a little ahead, with a mark after
    every block; Twilio returns a mark when the caller has heard what was before
    it. When the caller speaks, Twilio's buffer is cleared, and the conversation is
    truncated to what the returned marks say was heard.

    Args:
        session: an open session.
        send: sends one text message to Twilio. Called from one thread at a time,
            the bridge's own.
        on_dtmf: called with each key that the caller presses, ``"0"`` to ``"9"``,
            ``"*"`` or ``"#"``, in the thread that calls `receive`.
        on_interrupted: see `Player.attach`.
        barge_in: stop when the caller speaks.
        lead: seconds that the sound is sent ahead, against an uneven network.
        marks: False for services that speak this protocol and return no marks;
            what was heard is then reckoned by time.

    Attributes:
        stream_sid: the stream, None before ``start``.
        call_sid: the call, None before ``start``.
        parameters: the custom parameters of the call.
        ended: set when Twilio has said that the stream is over.
        player: what plays; for pauses and announcements.
    """

    def __init__(
        self,
        session: Any,
        send: Callable[[str], Any],
        *,
        on_dtmf: Callable[[str], object] | None = None,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
        barge_in: bool = True,
        lead: float = 0.1,
        marks: bool = True,
    ) -> None:
        self.stream_sid: str | None = None
        self.call_sid: str | None = None
        self.parameters: Mapping[str, str] = {}
        self.ended = threading.Event()
        self.player = Player(
            self._send_sound,
            format=G711_ULAW,
            lead=lead,
            clear=self._send_clear,
            confirmed=not marks,
            name="twilio",
        )
        self._session = session
        self._send = send
        self._on_dtmf = on_dtmf
        self._on_interrupted = on_interrupted
        self._barge_in = barge_in
        self._marks = marks
        self._attachment: Attachment | None = None
        self._receivers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "start": self._start,
            "media": self._media,
            "mark": self._mark,
            "dtmf": self._dtmf,
            "stop": self._stop,
        }

    def __enter__(self) -> TwilioBridge:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def receive(self, message: str | bytes | Mapping[str, Any]) -> None:
        """
        Take a message from Twilio.

        Kinds of messages that are not known are ignored. Call it from one thread;
        ``start`` waits until the session speaks mu-law.

        Args:
            message: as it came, or decoded.

        Raises:
            RemoteProtocolError: the message is not what Twilio sends.
            CommandRejected: the session cannot speak mu-law.
            ConnectionClosed: the session is over.
        """
        frame = message if isinstance(message, Mapping) else _decoded(message)
        receiver = self._receivers.get(str(frame.get("event")))
        if receiver is not None:
            receiver(frame)

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """Stop the model's speech by hand; see `Attachment.interrupt`."""
        if self._attachment is None:
            return ()
        return self._attachment.interrupt()

    def close(self) -> None:
        """
        End the bridge; the session stays open. Calling it again does nothing.

        What ``send`` raised, because the caller has hung up, is logged.
        """
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()
        try:
            self.player.close()
        except Exception as exc:
            # It is the error of a connection that is over anyway, and of a kind
            # that only the WebSocket library in use knows.
            _log.info("! call %s: %r", self.call_sid, exc)

    def _start(self, frame: Mapping[str, Any]) -> None:
        start = _part(frame, "start")
        media = start.get("mediaFormat") or {}
        encoding = media.get("encoding", "audio/x-mulaw")
        if encoding != "audio/x-mulaw":
            raise RemoteProtocolError(f"the call is in {encoding}, not in mu-law")
        if self._attachment is not None:
            return
        self.stream_sid = start.get("streamSid") or frame.get("streamSid")
        self.call_sid = start.get("callSid")
        self.parameters = dict(start.get("customParameters") or {})
        self._speak_mu_law()
        self._attachment = self.player.attach(
            self._session,
            barge_in=self._barge_in,
            on_interrupted=self._on_interrupted,
        )

    def _speak_mu_law(self) -> None:
        """Switch the session to the telephone's format, unless it is already."""
        hears = session_format(self._session, "input")
        speaks = session_format(self._session, "output")
        if hears == speaks == G711_ULAW:
            return
        mu_law = {"format": {"type": G711_ULAW.wire}}
        update = self._session.update(audio={"input": mu_law, "output": mu_law})
        update.acknowledged()

    def _media(self, frame: Mapping[str, Any]) -> None:
        media = _part(frame, "media")
        if media.get("track", "inbound") != "inbound":
            return
        try:
            sound = base64.b64decode(media.get("payload", ""), validate=True)
        except (binascii.Error, TypeError, ValueError) as exc:
            raise RemoteProtocolError("the payload of media is not base64") from exc
        if sound:
            self._session.input_audio_buffer.append(sound)

    def _mark(self, frame: Mapping[str, Any]) -> None:
        name = str(_part(frame, "mark").get("name"))
        position = name.removeprefix(MARK)
        if name.startswith(MARK) and position.isdigit():
            self.player.ledger.confirm(int(position))

    def _dtmf(self, frame: Mapping[str, Any]) -> None:
        if self._on_dtmf is not None:
            self._on_dtmf(str(_part(frame, "dtmf").get("digit", "")))

    def _stop(self, frame: Mapping[str, Any]) -> None:
        self.ended.set()
        self.close()

    def _send_sound(self, block: bytes) -> None:
        """The player's sink."""
        self._say("media", payload=base64.b64encode(block).decode("ascii"))
        if self._marks:
            self._say("mark", name=f"{MARK}{self.player.ledger.position}")

    def _send_clear(self) -> None:
        """The player's way to drop what Twilio holds."""
        self._say("clear")

    def _say(self, event: str, **fields: str) -> None:
        message: dict[str, Any] = {"event": event, "streamSid": self.stream_sid}
        if fields:
            message[event] = fields
        self._send(json.dumps(message))


def _decoded(message: str | bytes) -> Mapping[str, Any]:
    try:
        frame = json.loads(message)
    except ValueError as exc:
        raise RemoteProtocolError("a message of the call is not JSON") from exc
    if not isinstance(frame, dict):
        raise RemoteProtocolError("a message of the call is not a JSON object")
    return frame


def _part(frame: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object in a message that is named like its event."""
    part = frame.get(name)
    if not isinstance(part, Mapping):
        raise RemoteProtocolError(f"a message {name!r} of the call has no {name!r}")
    return part
