"""A conversation by voice: microphone in, loudspeaker out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..deadline import Flag
from ..errors import ConnectionClosedOK
from .barge_in import Attachment
from .formats import PCM16, AudioFormat
from .live_playback import LiveAttachment
from .paced_stream import append_for_stream, is_live_for_stream, session_format
from .player import HasPlayer, Player
from .preroll import PreRoll

if TYPE_CHECKING:
    from .. import Session
    from .paced_stream import AnySession

MINIMUM_MS = 100.0
"""Milliseconds of audio below which the server refuses a commit."""

TALK_CONFIG: Mapping[str, Any] = {
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "turn_detection": {"type": "server_vad"},
            "transcription": {"model": "gpt-transcribe"},
        }
    },
}
"""A configuration to talk in: aloud, turns found by the server, both sides in words."""


class PushToTalk:
    """
    A button: while it is down, the microphone is sent; when it is let go, the
    server answers. A live session hears silence while it is up, and answers when it
    takes the user to have finished.

    Give it to `talk`, and call `press` and `release` from any thread: of a
    keyboard, a window, a foot switch. Pressing interrupts the answer at once.

    Args:
        preroll_ms: milliseconds from before the button was down to send too.
    """

    def __init__(self, *, preroll_ms: float = 300.0) -> None:
        self._preroll_ms = preroll_ms
        self._down = Flag()
        self._attachment: Attachment | LiveAttachment | None = None
        self._session: AnySession | None = None
        self._format: AudioFormat = PCM16
        self._kept = PreRoll(preroll_ms)
        self._sending = False
        self._sent = 0

    @property
    def pressed(self) -> bool:
        """Whether the button is down."""
        return self._down.is_set()

    def press(self) -> None:
        """Stop the answer and begin to send, with the next block."""
        if self._down.is_set():
            return
        self._down.set()
        if self._attachment is not None:
            self._attachment.interrupt(cancel=True)

    def release(self) -> None:
        """Stop sending and have the server answer, with the next block."""
        self._down.clear()

    def bind(
        self, session: AnySession, attachment: Attachment | LiveAttachment | None
    ) -> None:
        """Say which session the button is for. `talk` does."""
        self._session = session
        self._attachment = attachment
        self._format = session_format(session, "input")
        self._kept = PreRoll(self._preroll_ms, self._format)

    def feed(self, block: bytes) -> None:
        """
        Take a block from the microphone. `talk` does, in its own thread.

        All sending is done here, so that nothing is sent out of order.
        """
        session = self._session
        assert session is not None, "bind() says which session the button is for"
        append = append_for_stream(session)
        down = self._down.is_set()
        if down and not self._sending:
            if not is_live_for_stream(session):
                session.input_audio_buffer.clear()
            before = self._kept.take()
            self._sent = len(before)
            if before:
                append(before)
            self._sending = True
        if self._sending:
            append(block)
            self._sent += len(block)
        else:
            self._kept.push(block)
        if self._sending and not down:
            self._sending = False
            if not is_live_for_stream(session):
                self._end(session)

    def _end(self, session: Session) -> None:
        if self._format.ms(self._sent) < MINIMUM_MS:
            # A slip of the finger: the server would refuse to commit it.
            session.input_audio_buffer.clear()
            return
        session.input_audio_buffer.commit()
        session.response.create(on_conflict="cancel")


def talk(
    session: AnySession,
    microphone: Iterable[bytes],
    speaker: HasPlayer | Player,
    *,
    push_to_talk: PushToTalk | None = None,
    stop: threading.Event | None = None,
    play_out: float = 30.0,
) -> None:
    """
    Talk with a session until it is closed or the microphone ends.

    Without *push_to_talk*, server VAD finds the turns, and speaking interrupts
    the answer; with it, turn detection is switched off and the button decides. A live
    session hears everything, or what is said while the button is down.

    Runs in the calling thread. Returns when the session is closed on purpose,
    the microphone has no more blocks, or *stop* is set; Ctrl-C works.

    Args:
        session: an open session.
        microphone: `Microphone`, or any iterable of blocks of audio in the
            session's input format.
        speaker: `Speaker`, or a `Player`.
        push_to_talk: the button.
        stop: setting it ends the conversation with the next block.
        play_out: seconds for which what was begun is played to its end, when the
            session was closed on purpose.

    Raises:
        ConnectionClosed: the connection was lost.
    """
    # By voice, the session's turn detection says whether speech interrupts.
    wanted = None if push_to_talk is None else False
    player = speaker if isinstance(speaker, Player) else speaker.player
    with player.attach(session, barge_in=wanted) as attachment:
        send = append_for_stream(session)
        if push_to_talk is not None:
            if not is_live_for_stream(session):
                session.update(turn_detection=None).acknowledged()
            push_to_talk.bind(session, attachment)
            send = push_to_talk.feed
        try:
            for block in microphone:
                if stop is not None and stop.is_set():
                    return
                send(block)
        except ConnectionClosedOK:
            # A goodbye: whoever closes the session has said it to be heard.
            player.end()
            player.wait_heard(play_out)
