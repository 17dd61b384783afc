"""
What the parts of an engine share: time, ids, configuration, output and jobs.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Literal, Mapping, Optional, Sequence

import attrs

from ..agents.base import Agent
from ..agents.tools import McpTool
from .configuration import EngineConfiguration
from .conversation import ConversationEntry, EngineConversation
from .ids import Ids
from .refusal import refuse_full_conversation

OBFUSCATED = frozenset(
    {
        "conversation.item.input_audio_transcription.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.output_audio_transcript.delta",
        "response.output_text.delta",
    }
)
"""Events with text, whose length on the wire is not to tell what it is."""
Work = Callable[[], Iterator[Any]]


@attrs.define(eq=False)
class EngineJob:
    """
    Work that may block: for a worker thread, never for the engine.

    The host iterates over `work` somewhere else and gives each element to
    `Engine.job_output`, and the end, or the exception, to `Engine.job_done`.

    Attributes:
        name: what is being done, for logs.
        work: starts the work; called once, in the worker.
        dropped: set by the engine when nobody waits for the rest any more; the host
            then stops iterating.
    """

    name: str
    work: Work
    deliver: Callable[[Any], None] = attrs.field(repr=False)
    finish: Callable[[Optional[BaseException]], None] = attrs.field(repr=False)
    dropped: bool = False


@attrs.frozen(kw_only=True)
class Options:
    """
    How a session behaves beyond the protocol; `serve` documents each.

    Attributes:
        pace: speed of audio against real time; None for as fast as possible.
        text_interval: seconds between text deltas.
        delta_ms: milliseconds of audio in one delta, at most 200.
        rate_limits: where ``rate_limits.updated`` comes; None for the dialect's way.
        session_seconds: life of the session.
        live_seconds: life of a session of GPT-Live.
        replay_seconds: what happened so long ago in a session of GPT-Live is told
            again, under the same ids, to a connection that attaches to it.
        max_buffer_ms: audio the input buffer holds before the oldest goes.
        max_audio_bytes: audio that the conversation holds.
        max_items: items the conversation holds.
        max_responses: responses that may run side by side.
        transcripts: when transcripts of user audio are sent.
        tokens_per_minute, requests_per_minute: the limits that
            ``rate_limits.updated`` counts down from; the second is the beta's only.
    """

    pace: Optional[float] = None
    text_interval: float = 0.0
    delta_ms: int = attrs.field(
        default=200, validator=attrs.validators.in_(range(10, 201))
    )
    rate_limits: Optional[Literal["start", "end", "never"]] = None
    session_seconds: float = 3600.0
    live_seconds: float = 7200.0
    replay_seconds: float = 3.0
    max_buffer_ms: int = 600_000
    max_audio_bytes: int = 512 << 20
    max_items: int = 5_000
    max_responses: int = 16
    transcripts: Literal["soon", "late"] = "soon"
    tokens_per_minute: int = 15_000_000
    requests_per_minute: int = 20_000


@attrs.define(eq=False)
class EngineContext:
    """The session, as its parts see it."""

    agent: Agent
    ids: Ids
    options: Options
    dialect: str
    session_id: str
    config: EngineConfiguration
    conversation: EngineConversation
    now: float
    out: list[dict[str, Any]] = attrs.field(factory=list)
    jobs: list[EngineJob] = attrs.field(factory=list)
    mcp: Mapping[str, Sequence[McpTool]] = attrs.field(factory=dict)
    unsaid: frozenset[str] = frozenset()

    def check_room(self, entry: ConversationEntry) -> None:
        """
        Hold the conversation against its limits, before *entry* joins it.

        Raises:
            Refusal: it is full.
        """
        limit = self.options.max_items
        if len(self.conversation) >= limit:
            raise refuse_full_conversation(f"{limit} items")
        room = self.options.max_audio_bytes - self.conversation.audio_bytes
        if entry.audio_bytes > room:
            raise refuse_full_conversation(
                f"{self.options.max_audio_bytes} bytes of audio"
            )

    def emit(self, kind: str, **fields: Any) -> None:
        """Append one event to the output, GA shape, unless it is to go unsaid."""
        if kind in self.unsaid:
            return
        if kind in OBFUSCATED and self.dialect == "ga":
            fields["obfuscation"] = self.ids.padding(len(fields["delta"]))
        self.out.append(
            {"type": kind, "event_id": self.ids.new("event"), **fields},
        )

    def submit(self, job: EngineJob) -> None:
        """Hand work to the host."""
        self.jobs.append(job)
