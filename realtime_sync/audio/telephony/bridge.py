"""A call on the one side, a session on the other."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Union

from ...deadline import Deadline, Flag, Waiters, check_seconds
from ...errors import ConfigurationError, ConnectionClosed
from ...transport.logs import area_logger
from ...types import AudioBytes
from ..barge_in import Attachment
from ..convert import Converter, convert
from ..files import read_file
from ..formats import PCM16, FormatLike, audio_format
from ..ledger import PlayedPart
from ..live_playback import LiveAttachment
from ..paced_stream import append_for_stream, is_live_for_stream, session_format
from ..player import Heard, Player
from .call_events import (
    AnswerWanted,
    CallEnded,
    CallerSound,
    CallEvent,
    CallStarted,
    CarrierComplained,
    FlowChanged,
    KeyPressed,
    SoundHeard,
)
from .carriers import TWILIO, Carrier
from .codecs import Codec
from .wire import Message

if TYPE_CHECKING:
    from ... import Subscription
    from ...protocol.events import InputAudioBufferSpeechStopped
    from ..paced_stream import AnySession

_log = area_logger("realtime_sync.audio")

MARK = "realtime-sync:"
"""Marks of ours begin like this; others are the application's."""

MARK_DIGITS = 18
"""Digits of the longest position that a mark of ours names: of exabytes."""

Sound = Union[AudioBytes, str, "os.PathLike[str]"]
"""Bytes-like audio, or the path of a file."""

KEYS = "0123456789*#ABCD"
"""What a telephone can press; the letters are on few."""

MakeMessage = Callable[[], Union[Message, None]]
"""Gives a message, or None where the carrier has no such."""

LOOK = 0.02
"""Seconds between two looks at whether an answer is complete."""


Self = TypeVar("Self", bound="CallBridge")


class CallBridge:
    """
    Joins a telephone call to a session.

    ``bridge = CallBridge(session, TELNYX, send=ws.send)``, then
    ``bridge.receive(message)`` with every message that comes, then
    ``bridge.close()``.

    If the session can speak the audio format of the call, it is switched to it, so that
    nothing is converted and no extra is needed; otherwise sound is converted. A live
    session keeps the format that it was opened with: give it that of the call, with
    ``LiveConfig(format="g711_ulaw")`` for example.
    What the model says before the call begins waits until then.

    Sound is sent in real time, a little ahead, in blocks of 20 ms, or of the length
    that the carrier wants.
    When the caller speaks, what the carrier has queued is dropped, and the
    conversation is cut at what the caller has heard: by the carrier's marks, and
    by the clock between them and where a carrier has none. The model of a live session
    stops by itself: see `LiveAttachment`.

    Args:
        session: an open session.
        carrier: who sends the call.
        send: sends one message to the carrier, text or bytes. Called from one
            thread at a time: the player's, see `Player`, and at the end that of
            `hang_up`. If it raises, the message is sent again for two seconds; then
            the call has failed, and `receive` raises the same.
        on_start: called when sound may flow, in the thread that calls `receive`;
            with the bridge, if it takes an argument. The place for a greeting.
        on_dtmf: called with each key that the caller presses, ``"0"`` to ``"9"``,
            ``"*"``, ``"#"`` or ``"A"`` to ``"D"``, in the thread that calls `receive`.
        on_end: called once, with ``"stop"`` or the carrier's own word when the
            carrier ends the call, ``"failed"`` when nothing can be sent any more,
            ``"closed"`` when the program ends it first.
        on_interrupted: see `Player.attach`.
        on_failure: see `Player`.
        barge_in: stop when the caller speaks; by default, unless the session's turn
            detection says ``interrupt_response: false``.
        min_speech_ms: milliseconds for which the caller must speak before that is
            an interruption: "uh-huh" is none. Give the session
            ``interrupt_response: false`` with it, and ``barge_in=True``. Not for
            live sessions, which know that themselves.
        pause_on_speech: with *min_speech_ms*, be silent meanwhile, and go on where
            it was if the caller says no more than that.
        output: how sound is to be coded on the way to the caller, where that differs
            from what comes and the carrier does not say so.
        lead: seconds that the sound is sent ahead, against an uneven network.
        marks: False for a service that speaks the carrier's protocol and returns no
            marks; what was heard is then reckoned by time.
        close_timeout: seconds for which `close` waits for a call of *send*.
        clock: seconds, monotonic.
        thread: see `Player`; False where the owner calls ``player.run_due``, with a
            clock of their own.

    Attributes:
        carrier: who sends the call.
        stream_id: the carrier's name for the stream, None before its begin.
        call_id: the carrier's name for the call, None before its begin.
        parameters: what the application had the carrier pass on.
        started: set when sound may flow.
        ended: set when the call is over.
        end_reason: why, None before.
        player: what plays; for pauses.
    """

    def __init__(
        self,
        session: AnySession,
        carrier: Carrier,
        *,
        send: Callable[[Any], Any],
        on_start: Callable[..., object] | None = None,
        on_dtmf: Callable[[str], object] | None = None,
        on_end: Callable[[str], object] | None = None,
        on_interrupted: Callable[[tuple[PlayedPart, ...]], object] | None = None,
        on_failure: Callable[[Exception, bool], object] | None = None,
        barge_in: bool | None = None,
        min_speech_ms: float = 0.0,
        pause_on_speech: bool = False,
        output: Codec | None = None,
        lead: float = 0.1,
        marks: bool = True,
        close_timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        thread: bool | None = None,
    ) -> None:
        if is_live_for_stream(session) and (min_speech_ms or pause_on_speech):
            raise ConfigurationError(
                "min_speech_ms and pause_on_speech are not for live sessions: the model"
                " tells an interruption from a word of agreement itself"
            )
        self.carrier = carrier
        self.stream_id: str | None = None
        self.call_id: str | None = None
        self.parameters: Mapping[str, str] = {}
        self.started = Flag()
        self.ended = Flag()
        self.end_reason: str | None = None
        self._session = session
        self._send = send
        self._on_start = on_start
        self._on_dtmf = on_dtmf
        self._on_end = on_end
        self._wire = carrier.wire()
        self._input = carrier.input
        self._output = output or carrier.output
        self._fixed_output = self._output is not None
        self._marks = marks and carrier.marks
        self._close_timeout = close_timeout
        first = self._output or self._input
        self.player = Player(
            self._send_sound,
            format=first.format,
            block_ms=carrier.block_ms,
            pad=True,
            lead=lead,
            clear=self._send_clear if carrier.clears else None,
            mark=self._send_mark if self._marks else None,
            on_failure=on_failure,
            close_timeout=close_timeout,
            clock=clock,
            thread=thread,
            name=carrier.name.split()[-1].lower(),
        )
        # What is said before the call begins waits for it.
        self.player.pause()
        self.player.add_failure_listener(self._sink_failed)
        # Announcements that may not be interrupted, by the names they have in the
        # ledger.
        self._announcements = 0
        self._protected: set[str] = set()
        # The caller's speech, in milliseconds, since voice detection has begun to
        # hear it; None while it hears none, or has heard enough.
        self._min_speech_ms = min_speech_ms
        self._speech_ms: float | None = None
        self._pause_on_speech = pause_on_speech
        self._hears: Converter | None = None
        # Half a sample that the caller's sound ended with.
        self._half = b""
        # Whether the end of the call cut off what was being said.
        self._cut = False
        # Keys since somebody collects them; None while nobody does.
        self._keys: list[str] | None = None
        self._collecting = Waiters()
        # Guards the reason: a call ends once. Reentrant: a signal handler may end what
        # the main thread is ending.
        self._end_lock = threading.RLock()
        # Held while *send* is called: two messages at once would be mixed up on a
        # stream. Nobody waits for it but the player's thread.
        self._sending = threading.Lock()
        self._append = append_for_stream(session)
        self._attachment: Attachment | LiveAttachment | None = self.player.attach(
            session,
            barge_in=barge_in,
            on_interrupted=on_interrupted,
            may_interrupt=self._may_interrupt,
        )
        self._subscriptions: list[Subscription] = []
        if min_speech_ms and not is_live_for_stream(session):
            self._subscriptions = [
                session.on(
                    "input_audio_buffer.speech_stopped", self._fell_silent, inline=True
                )
            ]

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def receive(self, message: str | bytes | Mapping[str, Any]) -> None:
        """
        Take a message from the carrier.

        Kinds of messages that are not known are ignored. Call it from one thread;
        the begin of a call waits until the session speaks its coding.

        Args:
            message: as it came, or decoded.

        Raises:
            RemoteProtocolError: the message is not what the carrier sends, or the
                call's coding is not spoken here.
            CommandRejected: the session cannot speak the call's coding.
            ConfigurationError: sound must be converted, and a package is missing.
            ConnectionClosed: the session is over.
            Exception: what *send* raised until the bridge gave up.
        """
        for event in self._wire.read(message):
            # What a carrier still sends of a call that is over is no part of it: the
            # session may go on without the caller.
            if isinstance(event, AnswerWanted):
                self._send_now(event.make, self._close_timeout)
            elif not self.ended.is_set():
                self._happened(event)
        failure = self.player.failure
        if failure is not None and self.end_reason == "failed":
            raise failure

    @property
    def input(self) -> Codec:
        """How the caller's sound is coded."""
        return self._input

    @property
    def output(self) -> Codec:
        """How what goes to the caller is coded."""
        return self._output or self._input

    def interrupt(self) -> tuple[PlayedPart, ...]:
        """Stop the model's speech by hand; see `Attachment.interrupt`."""
        if self._attachment is None:
            return ()
        return self._attachment.interrupt()

    def play(
        self,
        sound: Sound,
        format: FormatLike = PCM16,
        *,
        rate: int | None = None,
        interruptible: bool = True,
    ) -> None:
        """
        Play something of your own to the caller, after what is queued.

        Args:
            sound: bytes-like audio, or the path of a file.
            format: how bytes are coded; a file knows.
            rate: samples per second, where it is not the usual one of the format.
            interruptible: False for what the caller is to hear to its end.

        Raises:
            ConfigurationError: it must be converted, and a package is missing.
            OSError: there is no such file.
        """
        sound = self._playable(sound, format, rate)
        self._announcements += 1
        name = f"announcement-{self._announcements}"
        if not interruptible:
            self._protected.add(name)
        self.player.play(sound, item_id=name)
        self.player.end()

    def _playable(self, sound: Sound, format: FormatLike, rate: int | None) -> bytes:
        """Sound as the player has it."""
        target = self.player.format
        if isinstance(sound, (str, os.PathLike)):
            return read_file(sound, target)
        source = audio_format(format, rate=rate)
        if source == target:
            return bytes(sound)
        return convert(sound, source, target, rate=source.rate, to_rate=target.rate)

    @contextmanager
    def hold(
        self,
        music: Sound,
        format: FormatLike = PCM16,
        *,
        rate: int | None = None,
        after: float = 0.0,
        repeat: bool = True,
    ) -> Iterator[None]:
        """
        Play music, over and over, whenever nobody speaks, in a ``with`` block.

        ``with bridge.hold(music): answer = look_up(question)``. It is not part of
        the conversation, and gives way to what the model says. In a tool that may
        take long, ``with bridge.hold("one-moment.wav", after=1.0, repeat=False):``
        fills the silence.

        Args:
            music: bytes-like audio, or the path of a file.
            format: how bytes are coded; a file knows.
            rate: samples per second, where it is not the usual one of the format.
            after: seconds of the block before it begins.
            repeat: False to play it once.
        """
        self.player.fill_with(
            self._playable(music, format, rate), after=after, repeat=repeat
        )
        try:
            yield
        finally:
            self.player.fill_with(b"")

    def wait_heard(self, timeout: float) -> Heard:
        """
        Wait until the caller has heard everything that is being said.

        For a goodbye before hanging up. A response that was asked for and one that
        is still being generated are waited for. Call it in a handler or a thread of
        your own, not in the one that calls `receive`, nor in an inline handler.

        Args:
            timeout: seconds.

        Returns:
            ``"heard"``, ``"interrupted"``, ``"timeout"``, or ``"failed"`` when the
            call ended or nothing could be sent.
        """
        deadline = Deadline(check_seconds(timeout))
        attachment = self._attachment
        before = attachment.interruptions if attachment is not None else 0
        while self._session.is_open and self._speaks():
            if attachment is not None and attachment.interruptions != before:
                return "failed" if self._cut else "interrupted"
            if deadline.passed:
                return "timeout"
            if self.ended.wait(deadline.limited(LOOK).remaining()):
                return "failed"
        self.player.end()
        outcome = self.player.wait_heard(deadline.remaining())
        if self._cut:
            # The end of the call interrupts too, and nobody has spoken.
            return "failed"
        if outcome == "heard" and not self._marks:
            # The clock knows when it was sent, and nobody when it arrived.
            remaining = deadline.remaining()
            if remaining is not None and remaining < self.carrier.tail:
                self.ended.wait(remaining)
                return "timeout"
            self.ended.wait(self.carrier.tail)
        return outcome

    def _speaks(self) -> bool:
        """Whether the model has more to say."""
        session, attachment = self._session, self._attachment
        if not is_live_for_stream(session):
            return bool(session.response.unnamed or session.snapshot.active_response)
        speaking = isinstance(attachment, LiveAttachment) and attachment.speaking
        return speaking or session.has_more_to_say

    def collect_digits(
        self, count: int, *, timeout: float = 10.0, terminator: str = ""
    ) -> str:
        """
        Wait for keys that the caller presses from now on.

        Call it in a handler or a thread of your own, not in the one that calls
        `receive`.

        Args:
            count: how many, at most.
            timeout: seconds for all of them.
            terminator: a key that ends them before, ``"#"`` for example; it is not
                among them.

        Returns:
            The keys, fewer than *count* if the time was up, the terminator came or
            the call ended.
        """
        deadline = Deadline(check_seconds(timeout))
        keys: list[str] = []
        self._keys = keys
        try:
            self._collecting.wait_for(
                lambda: self.ended.is_set()
                or _typed_on_bridge(keys, count, terminator)[1],
                deadline,
            )
            return _typed_on_bridge(keys, count, terminator)[0]
        finally:
            self._keys = None

    def hang_up(self) -> None:
        """
        End the call in the carrier's own words, and the bridge.

        What is being said is cut; see `wait_heard`. Does nothing after the end of the
        call. A call of ``send`` that is under way is waited for, for *close_timeout*
        seconds.

        Raises:
            TimeoutError: it did not return; the bridge is closed.
            Exception: what ``send`` raised; the bridge is closed.
            ConfigurationError: this carrier has none: end the call with its REST
                API, or by closing the socket.
        """
        if not self.carrier.hangs_up:
            raise ConfigurationError(
                f"{self.carrier.name} ends a call over REST, or when the socket is "
                "closed"
            )
        if self.ended.is_set():
            return
        self._end("closed", self._wire.hang_up)

    def close(self) -> None:
        """
        End the bridge; the session stays open. Calling it again does nothing.

        What is still being said is cut at what the caller has heard, as it is when
        the carrier ends the call: whoever goes on with the session knows what
        was said.
        What ``send`` raised, because the caller has hung up, is logged.
        """
        self._end("closed")

    # -- what comes from the carrier ---------------------------------------------

    def _happened(self, event: CallEvent) -> None:
        if isinstance(event, CallerSound):
            self._caller_said(event.sound)
        elif isinstance(event, SoundHeard):
            position = event.mark.removeprefix(MARK)
            ours = event.mark.startswith(MARK) and len(position) <= MARK_DIGITS
            if ours and position.isdecimal():
                self.player.ledger.confirm(int(position))
        elif isinstance(event, KeyPressed):
            self._pressed(event.digit)
        elif isinstance(event, CallStarted):
            self._begin(event)
        elif isinstance(event, FlowChanged):
            self.player.resume() if event.wanted else self.player.pause()
        elif isinstance(event, CallEnded):
            self._end(event.reason)
        elif isinstance(event, CarrierComplained):
            _log.warning("! call %s: %s", self.call_id, event.text)

    def _begin(self, start: CallStarted) -> None:
        if start.codec is not None:
            self._input, self._hears, self._half = start.codec, None, b""
        if self.ended.is_set():
            return
        if self.started.is_set():
            self._follow(start)
            return
        self.stream_id, self.call_id = start.stream, start.call
        self.parameters = start.parameters
        if not self._fixed_output:
            self._output = self._input
        output = self._output
        assert output is not None
        self._speak(output)
        self.player.change_format(output.format)
        self._say(partial(self._wire.started, start, output))
        self.started.set()
        self.player.resume()
        if self._on_start is not None:
            self._on_start(
                *((self,) if _takes_one_bridge_argument(self._on_start) else ())
            )

    def _follow(self, start: CallStarted) -> None:
        """Speak as the caller does, where that is known only after the begin."""
        if self._fixed_output or start.codec is None:
            return
        try:
            self.player.change_format(start.codec.format)
        except ConfigurationError:
            # Something was said already: it goes on as it has begun.
            return
        self._output = start.codec
        self._say(partial(self._wire.started, start, start.codec))

    def _speak(self, output: Codec) -> None:
        """Switch the session to the telephone's coding, if it has that."""
        session = self._session
        if is_live_for_stream(session):
            return  # It keeps what it was opened with, and the rest is converted.
        wanted: dict[str, Any] = {}
        for side, codec in (("input", self._input), ("output", output)):
            native = codec.format
            if native.name == "pcm16":
                continue  # Of another rate than the session's: converted here.
            if session_format(session, side) != native:  # type: ignore[arg-type]
                wanted[side] = {"format": {"type": native.wire}}
        if wanted:
            session.update(audio=wanted).acknowledged()

    def _caller_said(self, sound: bytes) -> None:
        if not self.started.is_set():
            return
        codec = self._input
        sound = self._half + sound
        whole = len(sound) - len(sound) % codec.format.bytes_per_sample
        sound, self._half = codec.decoded(sound[:whole]), sound[whole:]
        wire = session_format(self._session, "input")
        if wire == codec.format:
            heard = sound
        else:
            # What the server says that it hears counts, whatever it was asked for.
            if self._hears is None or self._hears.target != wire:
                self._hears = Converter(
                    codec.format, wire, rate=codec.format.rate, to_rate=wire.rate
                )
            heard = self._hears.feed(sound)
        if heard:
            self._append(heard)
        self._speech_goes_on(codec.format.ms(len(sound)))

    def _pressed(self, digit: str) -> None:
        if len(digit) != 1 or digit not in KEYS:
            _log.warning("! call %s: %r is no key", self.call_id, digit)
            return
        keys = self._keys
        if keys is not None:
            keys.append(digit)
            self._collecting.wake()
        if self._on_dtmf is not None:
            self._on_dtmf(digit)

    # -- interruptions -----------------------------------------------------------

    def _may_interrupt(self) -> bool:
        """Whether speech that begins now interrupts at once."""
        if self._protected:
            playing = {
                part.item_id
                for part in self.player.ledger.parts()
                if part.heard_ms < part.received_ms
            }
            if playing & self._protected:
                return False
            self._protected.clear()
        if self._min_speech_ms:
            self._speech_ms = 0.0
            if self._pause_on_speech:
                # Not for longer than the caller's sound might stay away.
                self.player.pause(2 * self._min_speech_ms / 1000 + 1.0)
            return False
        return True

    def _fell_silent(self, event: InputAudioBufferSpeechStopped) -> None:
        if self._speech_ms is not None:
            self._speech_ms = None
            self._go_on()

    def _go_on(self) -> None:
        """The caller has said nothing that interrupts."""
        if self._pause_on_speech:
            self.player.resume()

    def _speech_goes_on(self, ms: float) -> None:
        if self._speech_ms is None or self._attachment is None:
            return
        self._speech_ms += ms
        if self._speech_ms >= self._min_speech_ms:
            self._speech_ms = None
            self._attachment.interrupt()
            self._go_on()

    # -- the end -----------------------------------------------------------------

    def _end(self, reason: str, last: MakeMessage | None = None) -> None:
        with self._end_lock:
            if self.ended.is_set():
                return
            self.end_reason = reason
            self.ended.set()
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            self._cut_short(attachment)
            attachment.detach()
        for subscription in self._subscriptions:
            subscription.cancel()
        self._collecting.wake()
        try:
            self.player.close()
        except Exception as exc:
            # It is the error of a connection that is over anyway, and of a kind
            # that only the WebSocket library in use knows.
            _log.info("! call %s: %r", self.call_id, exc)
        try:
            if last is not None:
                # The player's thread was waited for when the player was closed.
                self._send_now(last, 0.0)
        finally:
            on_end, self._on_end = self._on_end, None
            if on_end is not None:
                on_end(reason)

    def _send_now(self, make: MakeMessage, timeout: float) -> None:
        """Send a message, also after the end, unless a stuck socket has the word."""
        if not self._sending.acquire(timeout=timeout):
            raise TimeoutError(
                f"call {self.call_id}: send does not return; close its socket"
            )
        try:
            self._send(make())
        finally:
            self._sending.release()

    def _cut_short(self, attachment: Attachment | LiveAttachment) -> None:
        """Leave in the conversation what was heard: nobody hears the rest."""
        self._cut = self.player.sounding or self.player.failure is not None
        if not self._session.is_open:
            return
        try:
            if self.player.ledger.pending or self.player.failure is not None:
                attachment.interrupt()
        except ConnectionClosed as exc:
            _log.info("! call %s: %r", self.call_id, exc)

    def _sink_failed(self, error: Exception, retrying: bool) -> None:
        if not retrying:
            self._end("failed")

    # -- what goes to the carrier, from the player's thread ------------------------

    def _send_sound(self, block: bytes) -> None:
        codec = self._output
        assert codec is not None
        self._say(partial(self._wire.sound, codec.encoded(block)))

    def _send_mark(self, position: int) -> None:
        self._say(partial(self._wire.mark, f"{MARK}{position}"))

    def _send_clear(self) -> None:
        self._say(self._wire.clear)

    def _say(self, make: MakeMessage) -> None:
        with self._sending:
            # Nothing is said after the end, to which carriers are allergic. Made only
            # now: some carriers have messages numbered in the order they are sent.
            message = None if self.ended.is_set() else make()
            if message is not None:
                self._send(message)


class TwilioBridge(CallBridge):
    """
    A `CallBridge` with `TWILIO`.

    ``bridge = TwilioBridge(session, send=ws.send)``; for the rest see there.
    """

    def __init__(
        self, session: AnySession, send: Callable[[str], Any], **options: Any
    ) -> None:
        super().__init__(session, TWILIO, send=send, **options)

    @property
    def stream_sid(self) -> str | None:
        """Twilio's name for the stream, None before ``start``."""
        return self.stream_id

    @property
    def call_sid(self) -> str | None:
        """Twilio's name for the call, None before ``start``."""
        return self.call_id


def _typed_on_bridge(keys: list[str], count: int, terminator: str) -> tuple[str, bool]:
    """The keys that count, and whether no more are wanted."""
    for at, key in enumerate(keys[: count + 1]):
        if terminator and key in terminator:
            return "".join(keys[:at]), True
    return "".join(keys[:count]), len(keys) >= count


def _takes_one_bridge_argument(function: Callable[..., object]) -> bool:
    """Whether a function wants an argument."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:
        return False
    return False
