"""
The engine of a GPT-Live session: commands in, events out, on the clock of the audio.

Nothing in it waits and nothing in it is random but its ids. One session has one
engine, whose frames go to its primary connection and to those that are attached.
"""

from __future__ import annotations

import base64
import binascii
import random
from typing import Any, Callable, Mapping, Optional, Union

import attrs

from ..agents.base import Agent
from ..engine.client_json import decoded_client_json
from ..engine.context import EngineJob, Options
from ..engine.ids import Ids
from ..engine.refusal import (
    Refusal,
    refuse_binary_message,
    refuse_invalid_json,
    refuse_invalid_value,
    refuse_missing,
)
from ..engine.sound import from_native_sound, to_native_sound
from . import shapes
from .appends import append_refusal_at_close
from .context import (
    ATTACHED,
    PRIMARY,
    Audience,
    Frame,
    LiveContext,
    live_context_error,
    new_live_context,
)
from .history import LiveHistory
from .input_audio import LiveInputAudio, Turn
from .limits import (
    CONTEXT_TOKENS,
    DRAIN_SECONDS,
    FIXTURE_BYTES,
    FRAME_MS,
    GRID_MS,
    REFUSED_SECONDS,
    USAGE_LAG_MS,
    USAGE_MS,
)
from .output_audio import silent_output_audio
from .recording import LiveSessionRecording
from .settings import LiveSettings
from .voice import LiveVoice

Out = list[tuple[Audience, Frame]]
_STARTUP_REFUSED = 1008
_ROLES: Mapping[str, frozenset[str]] = {
    PRIMARY: frozenset(shapes.COMMANDS) - {"transport.dtmf.send"},
    ATTACHED: frozenset(shapes.COMMANDS)
    - {"session.start", "session.input_audio.append"},
}
"""What may be sent on a connection of each role."""
_NO_CREDIT = Refusal(
    "You have no credits left.",
    code="credit_balance_exhausted",
    type="insufficient_quota",
)
_WHILE_CLOSING = frozenset({"session.input_audio.append"})


@attrs.frozen
class Source:
    """
    What a fork goes on from.

    Attributes:
        settings: of the stored session.
        items: its history.
    """

    settings: LiveSettings
    items: tuple[Mapping[str, Any], ...] = attrs.field(repr=False)


class LiveEngine:
    """
    The server's side of one session.

    Args:
        agent: answers what the user says.
        now: seconds since the epoch.
        options: behaviour beyond the protocol.
        rng: source of ids.
        models: models that are served; None serves every name.
        source: what this session goes on from; None for a new one.
        faults: what goes wrong inside, by name: ``handoff``, ``no_client_ids``,
            ``no_credit``.
        session_id: of a call that rang; made here when None.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        now: float,
        options: Options = Options(),
        rng: Optional[random.Random] = None,
        models: Optional[frozenset[str]] = None,
        source: Optional[Source] = None,
        faults: frozenset[str] = frozenset(),
        session_id: Optional[str] = None,
    ) -> None:
        self._agent = agent
        self._options = options
        self._models = models
        self._source = source
        self._faults = faults
        self._ids = Ids(rng or random.Random())
        self.session_id = session_id or self._ids.new("live_u0")
        self.media: Optional[str] = None
        self.closing: Optional[tuple[int, str]] = None
        self.reason: Optional[str] = None
        self.context: Optional[LiveContext] = None
        self._voice: LiveVoice
        self._input_audio: LiveInputAudio
        self._out: Out = []
        self._now = now
        self._refused_until: Optional[float] = None
        self._close_id: Optional[tuple[object]] = None
        self._drain_until = 0.0
        self._muted = False
        self._fixture: Optional[tuple[object]] = None
        self._input = bytearray()
        self._reflected = b""
        self._output = b""
        self._next_frame = 0.0
        self._media_since: Optional[float] = None
        self._active_at_ms = 0
        self._attended = False
        self._paused = False
        self._paused_ms = 0
        self.recording = LiveSessionRecording()
        self._commands: Mapping[str, Callable[[Frame, Audience], None]] = {
            "session.start": self._start,
            "session.update": self._update,
            "session.close": self._close,
            "session.input_audio.append": self._append,
            "session.input_audio.mute": self._mute,
            "session.input_audio.unmute": self._unmute,
            "session.output_audio.fixture.play": self._play,
            "session.instructions.append": self._context_append,
            "session.thinking.append": self._context_append,
            "session.commentary.append": self._context_append,
            "response.item.create": self._response_item,
            "response.create": self._response_create,
            "decision.create": self._decision_create,
            "decision.item.create": self._decision_item,
            "decision.item.delete": self._decision_item_delete,
            "transport.dtmf.send": self._dtmf,
        }

    # -- truth -----------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether the session has begun."""
        return self.context is not None

    @property
    def ended(self) -> bool:
        """Whether ``session.closed`` was told."""
        return self.reason is not None

    @property
    def settings(self) -> LiveSettings:
        """How the session is configured; it must have begun."""
        return self._live().settings

    @property
    def expires_at(self) -> int:
        """When it ends at the latest; it must have begun."""
        return self._live().expires_at

    def truth(self) -> dict[str, Any]:
        """Describe the session: what it is, and what was said and done in it."""
        if self.context is None:
            return {"session": None, "items": [], "clock_ms": 0}
        return {
            "session": self.context.session(),
            "items": list(self._voice.history.items),
            "clock_ms": self.context.clock_ms,
            "usage": self._usage(0),
        }

    def as_source(self) -> Source:
        """Return what a fork of the session goes on from; it must have begun."""
        return Source(self.settings.fork({}), self._voice.history.items)

    # -- a session without a socket of its own ---------------------------------

    def start_media(self, kind: str, session: Mapping[str, Any]) -> None:
        """
        Begin a session whose audio comes over ``webrtc`` or ``sip``: silence.

        Raises:
            Refusal: the configuration is wrong.
        """
        self.media = kind
        if self._source is None:
            settings = LiveSettings(session, media=True)
        else:
            settings = self._source.settings.fork(session, media=True)
        self._begin(settings, None)

    def hang_up(self, reason: str, now: float) -> None:
        """End the session for *reason*, at once."""
        self._now = now
        if self.context is not None and not self.ended:
            self.context.now = now
            self._voice.abandon()
            self._finish(reason)

    def hear(self, pcm: bytes, now: float) -> None:
        """
        Let the other side of a session without a socket speak.

        Args:
            pcm: 16-bit at 24 kHz; it comes in before the silence that follows.
            now: seconds since the epoch.
        """
        self._set_now(now)
        self._silence(now)
        self._input += from_native_sound(pcm, self.settings.form)
        self._advance()

    def press(self, key: str, now: float) -> None:
        """Tell of a key that the other side of a telephone call pressed."""
        self._now = now
        self._live().emit("transport.dtmf.received", to=ATTACHED, event=key)

    # -- input -----------------------------------------------------------------

    def receive_text(
        self,
        data: Union[str, bytes],
        now: float,
        *,
        role: str = PRIMARY,
        sender: Audience = PRIMARY,
    ) -> None:
        """Take one text message of a connection, whose number is *sender*."""
        try:
            frame = decoded_client_json(data)
        except Refusal as refusal:
            self.refuse(refusal, now, sender=sender)
            return
        self.receive(frame, now, role=role, sender=sender)

    def receive(
        self,
        frame: object,
        now: float,
        *,
        role: str = PRIMARY,
        sender: Audience = PRIMARY,
    ) -> None:
        """Take one decoded message of a connection, whose number is *sender*."""
        self._set_now(now)
        try:
            self._command(frame, role, sender)
        except Refusal as refusal:
            command_id = frame.get("event_id") if isinstance(frame, dict) else None
            self._refuse(refusal, command_id, sender)

    def receive_binary(self, now: float, *, sender: Audience = PRIMARY) -> None:
        """Take a binary message, which is refused."""
        self.refuse(refuse_binary_message(), now, sender=sender)

    def refuse(self, refusal: Refusal, now: float, *, sender: Audience) -> None:
        """Answer with an error that names no command."""
        self._set_now(now)
        self._refuse(refusal, None, sender)

    def tick(self, now: float) -> None:
        """Let time pass."""
        self._set_now(now)
        if self._refused_until is not None and now >= self._refused_until:
            self.closing = (_STARTUP_REFUSED, "session not started")
        if self.context is None or self.ended:
            return
        self._silence(now)
        self._advance()
        if now >= self.context.expires_at:
            self.hang_up("expired", now)
        elif self._close_id is not None:
            self._drained()

    def deadline(self) -> float:
        """Return when `tick` has something to do, seconds since the epoch."""
        if self._refused_until is not None and self.closing is None:
            return self._refused_until
        if self.context is None or self.ended:
            return float("inf")
        due = float(self.context.expires_at)
        if self._close_id is not None:
            due = min(due, self._drain_until)
        if self._media_since is not None:
            due = min(due, self._media_since + FRAME_MS / 1000)
        if self._options.pace is not None and self._has_frame():
            due = min(due, self._next_frame)
        return due

    def attended(self, now: float, yes: bool) -> None:
        """
        Say whether anybody is attached.

        Only then does the clock of a session without a socket of its own move.
        """
        self._attended = yes
        if self.media is not None and yes != (self._media_since is not None):
            self._media_since = now if yes else None

    def lost(self, now: float) -> None:
        """The primary connection is gone: so is the session."""
        self.hang_up("connection_lost", now)

    def end(self, reason: str) -> None:
        """End the session as if the service did."""
        self.hang_up(reason, self._now)

    # -- output ----------------------------------------------------------------

    def take(self) -> Out:
        """Return what is to be sent since the last call, and to whom."""
        out, self._out = self._out, []
        if self.context is not None:
            out += self.context.out
            self.context.out = []
        return out

    def take_jobs(self) -> list[EngineJob]:
        """Return the work that came up since the last call."""
        if self.context is None:
            return []
        jobs, self.context.jobs = self.context.jobs, []
        return jobs

    def job_output(self, job: EngineJob, piece: Any, now: float) -> None:
        """Take one element of a job's output."""
        self._set_now(now)
        if not job.dropped and not self.ended:
            job.deliver(piece)

    def job_done(
        self, job: EngineJob, error: Optional[BaseException], now: float
    ) -> None:
        """Take the end of a job, or what it died of."""
        self._set_now(now)
        self._live().working -= 1
        if self.ended:
            return
        if not job.dropped:
            job.finish(error)
        if self._close_id is not None:
            self._drained()
        self._advance()

    def drop_jobs(self) -> None:
        """Nobody waits for the results of any work any more."""
        if self.context is not None:
            self._voice.abandon()

    # -- commands --------------------------------------------------------------

    def _command(self, frame: object, role: str, sender: Audience) -> None:
        if not isinstance(frame, dict):
            raise refuse_invalid_json("Expected an object.")
        kind = frame.get("type")
        if kind is None:
            raise refuse_missing("type")
        shape = shapes.COMMANDS.get(kind) if isinstance(kind, str) else None
        if shape is None or kind not in _ROLES[role]:
            raise refuse_invalid_value(kind, sorted(_ROLES[role]), "type")
        if self._refused_until is not None:
            return
        if kind == "session.start":
            self._try_to_start(frame, sender)
            return
        if self.context is None:
            raise Refusal(
                "Send session.start first, and wait for session.started.",
                code="session_not_started",
            )
        if self._close_id is not None or self.ended:
            if kind not in _WHILE_CLOSING:
                raise append_refusal_at_close()
        shape(frame, "")
        self._commands[kind](frame, sender)

    def _refuse(self, refusal: Refusal, command_id: object, sender: Audience) -> None:
        error = {
            "type": "error",
            "event_id": self._ids.new("event"),
            "error": live_context_error(refusal, command_id),
        }
        out = self._out if self.context is None else self.context.out
        out.append((sender, error))

    def _try_to_start(self, frame: Frame, sender: Audience) -> None:
        if self.context is not None:
            raise Refusal(
                "The session has started already.", code="session_already_started"
            )
        try:
            shapes.COMMANDS["session.start"](frame, "")
            if "no_credit" in self._faults:
                raise _NO_CREDIT
            self._start(frame, sender)
        except Refusal as refusal:
            # The service does not say which command it refuses here.
            self._refuse(refusal, None, sender)
            self._refused_until = self._now + REFUSED_SECONDS

    def _start(self, frame: Frame, sender: Audience) -> None:
        given = frame["session"]
        if self._source is None:
            shapes.SESSION(given, "session")
            settings = LiveSettings(given)
        else:
            shapes.FORK(given, "session")
            settings = self._source.settings.fork(given)
        self._begin(settings, frame.get("event_id"))

    def _begin(self, settings: LiveSettings, command_id: object) -> None:
        if self._models is not None and settings.model not in self._models:
            raise Refusal(
                f'Model "{settings.model}" is not supported in live mode.',
                code="invalid_model",
                param="session.model",
            )
        context = new_live_context(
            self._agent,
            settings,
            ids=self._ids,
            session_id=self.session_id,
            now=self._now,
            options=self._options,
            faults=self._faults,
        )
        history = LiveHistory(self._ids, limit=self._options.max_items)
        if self._source is not None:
            for item in self._source.items:
                history.add(item)
            self._source = None
        history.begin_with(settings.input)
        self._voice = LiveVoice(context, history)
        self._input_audio = LiveInputAudio(
            context, began=self._began, heard=self._heard
        )
        self.context = context
        context.emit(
            "session.started", command_id=command_id, session=context.session()
        )

    def _update(self, frame: Frame, sender: Audience) -> None:
        context = self._live()
        context.settings.update(frame["session"])
        context.emit(
            "session.updated",
            command_id=frame.get("event_id"),
            session=context.session(),
        )

    def _close(self, frame: Frame, sender: Audience) -> None:
        self._close_id = (frame.get("event_id"),)
        self._drain_until = self._now + DRAIN_SECONDS
        self._voice.appends.fail()
        self._voice.close()
        self._drained()

    def _context_append(self, frame: Frame, sender: Audience) -> None:
        if self._fixture is not None:
            raise Refusal(
                "Context cannot be appended while a fixture plays.",
                code="fixture_playing",
            )
        self._voice.append(frame["type"].split(".")[1], frame)

    def _mute(self, frame: Frame, sender: Audience) -> None:
        self._muted = True
        self._live().emit("session.input_audio.muted", command_id=frame.get("event_id"))

    def _unmute(self, frame: Frame, sender: Audience) -> None:
        self._muted = False
        self._live().emit(
            "session.input_audio.unmuted", command_id=frame.get("event_id")
        )

    def _response_item(self, frame: Frame, sender: Audience) -> None:
        self._voice.backend.add(frame["item"])

    def _response_create(self, frame: Frame, sender: Audience) -> None:
        self._voice.create_response(frame.get("event_id"))

    def _decision_create(self, frame: Frame, sender: Audience) -> None:
        self._voice.decisions.ask(frame["event_id"])

    def _decision_item(self, frame: Frame, sender: Audience) -> None:
        self._voice.decisions.add(frame["item"], frame.get("event_id"))

    def _decision_item_delete(self, frame: Frame, sender: Audience) -> None:
        self._voice.decisions.delete(frame["item_id"], frame.get("event_id"))

    def _dtmf(self, frame: Frame, sender: Audience) -> None:
        if self.media != "sip":
            raise Refusal("Only SIP sessions send DTMF.", code="invalid_request_error")
        self._live().emit(
            "transport.dtmf.sent",
            to=ATTACHED,
            command_id=frame.get("event_id"),
            event=frame["event"],
        )

    # -- fixtures --------------------------------------------------------------

    def _play(self, frame: Frame, sender: Audience) -> None:
        if self._fixture is not None:
            raise Refusal("A fixture is playing already.", code="fixture_playing")
        pcm = self._decoded(frame["audio"], even=True)
        if not pcm or len(pcm) > FIXTURE_BYTES:
            raise _refuse_audio_of_live_engine(
                "PCM16 at 24 kHz, at most 30 seconds of it"
            )
        form = self.settings.form
        self._voice.interrupted()
        self._fixture = (frame.get("event_id"),)
        self._voice.line.play(from_native_sound(pcm, form), self._played)
        self._live().emit(
            "session.output_audio.fixture.playing", command_id=frame.get("event_id")
        )

    def _played(self) -> None:
        assert self._fixture is not None
        (command_id,) = self._fixture
        self._fixture = None
        self._live().emit("session.output_audio.fixture.played", command_id=command_id)

    # -- audio -----------------------------------------------------------------

    def _append(self, frame: Frame, sender: Audience) -> None:
        form = self.settings.form
        audio = self._decoded(frame["audio"], even=form.width == 2)
        if (
            form.milliseconds(len(self._input) + len(audio))
            > self._options.max_buffer_ms
        ):
            raise Refusal(
                "Too much audio waits for its time.",
                code="rate_limit_exceeded",
                param="audio",
            )
        if not self._has_frame():
            self._next_frame = max(self._next_frame, self._now)
        self._input += audio
        self._advance()

    def _decoded(self, audio: str, *, even: bool) -> bytes:
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            raise _refuse_audio_of_live_engine("base64-encoded audio") from None
        if even and len(data) % 2:
            raise _refuse_audio_of_live_engine("audio of whole samples")
        return data

    def _silence(self, now: float) -> None:
        """Let silence come in for the time that has passed, where media would."""
        if self._media_since is None:
            return
        frames = int((now - self._media_since) * 1000 / FRAME_MS + 1e-6)
        self._media_since += frames * FRAME_MS / 1000
        self._input += bytes(self.settings.form.offset(FRAME_MS) * frames)

    def _has_frame(self) -> bool:
        return len(self._input) >= self.settings.form.offset(FRAME_MS)

    def _advance(self) -> None:
        """
        Move the clock over the audio that is there, no faster than the pace.

        Without a pace, the clock stands still while an agent works: what was
        appended all at once comes to the same end as what came in its own time.
        """
        pace = self._options.pace
        size = self.settings.form.offset(FRAME_MS)
        while self._has_frame() and not self.ended:
            if pace is None and self._live().working and self.media is None:
                return
            if pace is not None:
                if self._next_frame > self._now:
                    return
                self._next_frame += FRAME_MS / 1000 / pace
            audio = bytes(self._input[:size])
            del self._input[:size]
            self._frame(audio)

    def _frame(self, heard: bytes) -> None:
        """Deal with 100 ms: hear them, and send as much."""
        context, form = self._live(), self.settings.form
        at_ms = context.clock_ms
        deaf = self._muted or self._fixture is not None or self._close_id is not None
        self._input_audio.feed(silent_output_audio(form, FRAME_MS) if deaf else heard)
        context.clock_ms += FRAME_MS
        said = self._voice.line.frame(at_ms)
        delta = base64.b64encode(said).decode()
        kind = "session.output_audio.delta"
        context.emit_bare(PRIMARY, {"type": kind, "delta": delta})
        if self._paused:
            self._paused_ms += FRAME_MS
        if self._attended or self.settings.store:
            self._reflect(
                to_native_sound(heard, form), to_native_sound(said, form), at_ms
            )
        self._voice.appends.step()
        self._voice.step()
        self._pause_if_idle()
        if context.clock_ms % USAGE_MS == 0:
            self._report_usage()

    def _reflect(self, heard: bytes, said: bytes, at_ms: int) -> None:
        """Record both sides, and tell those who are attached, 200 ms at a time."""
        if self.settings.store:
            self.recording.add(heard, said)
        if at_ms % GRID_MS and not self._reflected:
            return  # Somebody attached in the middle of a stretch.
        self._reflected += heard
        self._output += said
        if (at_ms + FRAME_MS) % GRID_MS:
            return
        context, start = self._live(), at_ms + FRAME_MS - GRID_MS
        context.emit_bare(
            ATTACHED,
            {
                "type": "session.input_audio.append",
                "audio": base64.b64encode(self._reflected).decode(),
            },
        )
        if not self._paused:
            context.emit_bare(
                ATTACHED,
                {
                    "type": "session.output_audio.delta",
                    "delta": base64.b64encode(self._output).decode(),
                    "start_ms": start,
                    "end_ms": start + GRID_MS,
                },
            )
        self._reflected = self._output = b""

    def _pause_if_idle(self) -> None:
        """Pause a session of a browser in which nothing happens, as it has asked."""
        context, idle = self._live(), self.settings.idle_seconds
        busy = self._input_audio.speaking or self._input_audio.busy or context.working
        if busy or self._voice.line.busy or self._voice.working:
            self._active_at_ms = context.clock_ms
        elif idle is not None and not self._paused:
            self._paused = context.clock_ms - self._active_at_ms >= idle * 1000
            if self._paused:
                context.emit("session.paused", to=ATTACHED)

    def _began(self) -> None:
        """The user begins to speak, which wakes a session that is paused."""
        if self._paused:
            self._paused = False
            self._live().emit("session.resumed", to=ATTACHED)
        self._voice.interrupted()

    def _heard(self, turn: Turn) -> None:
        if self._close_id is None:
            self._voice.heard(turn)

    # -- usage and the end -----------------------------------------------------

    def _usage(self, lag_ms: int) -> dict[str, Any]:
        seconds = max(0, self._live().clock_ms - lag_ms) // 1000
        usage: dict[str, Any] = {"seconds": float(seconds)}
        if self.media == "webrtc":
            paused = min(seconds, self._paused_ms // 1000)
            usage.update(active_seconds=seconds - paused, paused_seconds=paused)
        return usage

    def _report_usage(self) -> None:
        ratio = min(1.0, self._voice.context_tokens() / CONTEXT_TOKENS)
        self._live().emit(
            "session.usage.updated",
            usage=self._usage(USAGE_LAG_MS),
            context_window={"usage_ratio": ratio},
        )

    def _drained(self) -> None:
        """End the session that is being closed, if nothing is worked on any more."""
        if not self._voice.working or self._now >= self._drain_until:
            self._voice.abandon()
            self._finish("close_requested")

    def _finish(self, reason: str) -> None:
        context = self._live()
        (command_id,) = self._close_id or (None,)
        self.reason = reason
        self._media_since = None
        if self.settings.store and self.recording.full:
            context.emit_refusal(
                Refusal(
                    "The recording of the session could not be stored.",
                    code="session_storage_failed",
                    type="server_error",
                )
            )
        context.emit(
            "session.closed",
            command_id=command_id,
            reason=reason,
            session=context.session(),
            usage=self._usage(0),
        )
        self.closing = (1000, "")

    # -- inside ----------------------------------------------------------------

    def _live(self) -> LiveContext:
        assert self.context is not None
        return self.context

    def _set_now(self, now: float) -> None:
        self._now = now
        if self.context is not None:
            self.context.now = now


def _refuse_audio_of_live_engine(expected: str) -> Refusal:
    return Refusal(
        f"Invalid 'audio'. Expected {expected}.", code="invalid_audio", param="audio"
    )
