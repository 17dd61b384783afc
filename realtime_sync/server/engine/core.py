"""
The protocol engine of one session: no sockets, no threads, no clock.

Frames go in and frames come out, in the session's dialect, as plain mappings; time
is a parameter. What may block (recognizing, thinking, speaking) leaves the engine
as a `EngineJob` and comes back as its output, so that a test decides when.
"""

from __future__ import annotations

import random
from typing import Any, Callable, Mapping, Optional, Sequence

from ..agents.base import Agent
from ..agents.tools import McpTool
from . import beta_shapes, ga_shapes
from .beta_shapes import READ_ONLY
from .check import Rule
from .configuration import EngineConfiguration
from .context import EngineContext, Options
from .conversation import (
    EngineConversation,
    check_call_in_conversation,
    decoded_conversation_audio,
    new_conversation_entry,
)
from .exchange import Exchange
from .ids import Ids
from .input_buffer import EngineInputAudio, check_input_buffer_size
from .mcp import McpServers
from .refusal import refuse_expired_session
from .responses import EngineResponses

Frame = dict[str, Any]
APPEND_LIMIT = 15 << 20
"""Bytes of audio that one append may carry."""

_SHAPES: Mapping[tuple[str, str], Mapping[str, Rule]] = {
    ("ga", "realtime"): ga_shapes.REALTIME,
    ("ga", "transcription"): ga_shapes.TRANSCRIPTION_COMMANDS,
    ("beta", "realtime"): beta_shapes.REALTIME,
    ("beta", "transcription"): beta_shapes.TRANSCRIPTION_COMMANDS,
}


class Engine:
    """
    The server's side of one realtime or transcription session.

    Belongs to one thread at a time.

    Args:
        agent: answers, hears and speaks.
        now: seconds since the epoch.
        model: as the client named it.
        session_type: ``realtime`` or ``transcription``.
        dialect: ``ga`` or ``beta``; what goes in and out is spelt so.
        config: session configuration to begin with, GA shape (of an ephemeral key).
        options: behaviour beyond the protocol.
        rng: source of ids; a seeded one makes the session reproducible.
        mcp: tools of the MCP servers that can be reached, by ``server_label``.
        unsaid: events that the client's version of the protocol does not have.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        now: float,
        model: str = "gpt-realtime-2.1",
        session_type: str = "realtime",
        dialect: str = "ga",
        config: Optional[Mapping[str, Any]] = None,
        options: Options = Options(),
        rng: Optional[random.Random] = None,
        mcp: Optional[Mapping[str, Sequence[McpTool]]] = None,
        unsaid: frozenset[str] = frozenset(),
    ) -> None:
        ids = Ids(rng or random.Random())
        self.session_type = session_type
        self.dialect = dialect
        self.options = options
        self.expires_at = int(now + options.session_seconds)
        self.closing: Optional[tuple[int, str]] = None
        self.context = EngineContext(
            agent=agent,
            ids=ids,
            options=options,
            dialect=dialect,
            session_id=ids.new("sess"),
            config=EngineConfiguration(session_type, model, dialect, config),
            conversation=EngineConversation(ids),
            now=now,
            mcp=mcp or {},
            unsaid=unsaid,
        )
        self.input_audio = EngineInputAudio(
            self.context, interrupted=self._interrupted, answer=self._answer
        )
        self.mcp = McpServers(self.context)
        self.responses = EngineResponses(self.context, self.input_audio, self.mcp)
        commands: Mapping[str, Callable[[Frame], None]] = {
            "session.update": self._session_update,
            "transcription_session.update": self._session_update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": lambda frame: self.input_audio.commit(),
            "input_audio_buffer.clear": lambda frame: self.input_audio.clear(),
            "conversation.item.create": self._item_create,
            "conversation.item.delete": self._item_delete,
            "conversation.item.retrieve": self._item_retrieve,
            "conversation.item.truncate": self._item_truncate,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
        }
        shapes = _SHAPES[dialect, session_type]
        self._exchange = exchange = Exchange(self.context, shapes, commands)
        # Frames and jobs pass in the same way whatever the session is about.
        self.receive, self.receive_text = exchange.receive, exchange.receive_text
        self.receive_binary, self.settle = exchange.receive_binary, exchange.settle
        self.take_jobs, self.job_output = exchange.take_jobs, exchange.job_output
        self.job_done = exchange.job_done

    # -- truth -----------------------------------------------------------------

    @property
    def session_id(self) -> str:
        """The id that the client is told."""
        return self.context.session_id

    @property
    def conversation(self) -> EngineConversation:
        """The default conversation as the server holds it."""
        return self.context.conversation

    @property
    def config(self) -> EngineConfiguration:
        """The session's configuration."""
        return self.context.config

    def session(self) -> Frame:
        """Build the session object, GA shape."""
        return {
            **self.config.shown(),
            "id": self.context.session_id,
            "expires_at": self.expires_at,
        }

    def truth(self) -> dict[str, Any]:
        """
        Describe the session for a test that compares it with a client's mirror.

        Returns:
            ``session``, ``conversation_id``, ``items`` in order and ``responses`` in
            order of creation; plain data, not connected with the engine.
        """
        return {
            "session": self.session(),
            "conversation_id": self.conversation.id,
            "items": self.conversation.truth(),
            "responses": [run.truth() for run in self.responses.runs],
        }

    # -- input -----------------------------------------------------------------

    def open(self, now: float) -> list[Frame]:
        """Begin the session; returns the frames to send."""
        self.context.now = now
        self.context.emit("session.created", session=self.session())
        self.mcp.configured(self.config.get("tools") or ())
        return self._exchange.flush()

    def tick(self, now: float) -> list[Frame]:
        """Let time pass: paced output, idle user, expiry; returns frames to send."""
        self.context.now = now
        self.responses.advance()
        idle_at = self._idle_at()
        if idle_at is not None and idle_at <= now:
            self.responses.idle_since = None
            self._exchange.attempt(self.input_audio.idle)
        if now >= self.expires_at and self.closing is None:
            minutes = round(self.options.session_seconds / 60)
            self._exchange.emit_refusal(refuse_expired_session(minutes))
            self.closing = (1001, "invalid_request_error.session_expired")
        return self._exchange.flush()

    def expire(self) -> None:
        """Let the session's time be up; the next `tick` says so and ends it."""
        self.expires_at = int(self.context.now)

    def deadline(self) -> float:
        """Return when `tick` has something to do, seconds since the epoch."""
        idle_at, step = self._idle_at(), self.responses.deadline()
        candidates = (float(self.expires_at), idle_at, step)
        return min(at for at in candidates if at is not None)

    def close(self) -> None:
        """Drop what is still being worked on."""
        self.responses.stop_all()

    # -- commands --------------------------------------------------------------

    def _session_update(self, frame: Frame) -> None:
        fixed = self.conversation.has_assistant_audio()
        # The beta's session may be sent back as it came; these are the server's.
        wanted = {k: v for k, v in frame["session"].items() if k not in READ_ONLY}
        self.config.update(wanted, voice_fixed=fixed)
        self.input_audio.configured()
        self.context.emit("session.updated", session=self.session())
        self.mcp.configured(self.config.get("tools") or ())

    def _append(self, frame: Frame) -> None:
        audio = decoded_conversation_audio(frame["audio"], "audio")
        check_input_buffer_size(audio, APPEND_LIMIT)
        self.input_audio.append(audio)

    def _item_create(self, frame: Frame) -> None:
        entry = new_conversation_entry(
            frame["item"], self.context.ids, self.config.input_format
        )
        self.context.check_room(entry)
        check_call_in_conversation(frame["item"], self.conversation, "item.call_id")
        self.conversation.insert(entry, frame.get("previous_item_id"))
        previous = self.conversation.predecessor(entry)
        for what in ("added", "done"):
            self.context.emit(
                "conversation.item." + what,
                previous_item_id=previous,
                item=entry.wire(),
            )
        if entry.clips and entry.item.get("role") == "user":
            self.input_audio.hear(entry)

    def _item_delete(self, frame: Frame) -> None:
        self.conversation.delete(frame["item_id"])
        self.context.emit("conversation.item.deleted", item_id=frame["item_id"])

    def _item_retrieve(self, frame: Frame) -> None:
        entry = self.conversation.retrieve(frame["item_id"])
        self.context.emit("conversation.item.retrieved", item=entry.wire(audio=True))

    def _item_truncate(self, frame: Frame) -> None:
        names = ("item_id", "content_index", "audio_end_ms")
        fields = {name: frame[name] for name in names}
        self.conversation.truncate(**fields)
        self.context.emit("conversation.item.truncated", **fields)

    def _response_create(self, frame: Frame) -> None:
        self.responses.idle_since = None
        self.responses.create(frame.get("response") or {})

    def _response_cancel(self, frame: Frame) -> None:
        self.responses.cancel(frame.get("response_id"))

    # -- inside ----------------------------------------------------------------

    def _interrupted(self) -> None:
        self.responses.idle_since = None
        self.responses.interrupt()

    def _answer(self) -> None:
        if self.session_type == "realtime":
            self._exchange.attempt(lambda: self.responses.create({}))

    def _idle_at(self) -> Optional[float]:
        """When an idle user is to be spoken to, or None."""
        timeout = (self.config.turn_detection or {}).get("idle_timeout_ms")
        since = self.responses.idle_since
        busy = self.input_audio.speaking or self.responses.default_run() is not None
        if timeout is None or since is None or busy:
            return None
        return since + float(timeout) / 1000
