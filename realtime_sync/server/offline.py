"""
The server's side of one session without a port, for sessions in one thread.
"""

from __future__ import annotations

import random
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    Literal,
    Mapping,
    Optional,
    Union,
    overload,
)

from ..errors import ConfigurationError
from .agents.base import Agent, Answer, Prompt
from .agents.echo import Echo
from .agents.tools import McpTool
from .engine.context import Options
from .engine.core import Engine
from .engine.translation import TranslationEngine
from .live.context import PRIMARY
from .live.engine import LiveEngine
from .live.hub import HubParticipant, SessionHub

if TYPE_CHECKING:
    from .local_server import AgentLike


AgentArgument = Union[str, Agent, Callable[[Prompt], Answer], Iterable[Any]]


@overload
def open_engine(
    agent: AgentArgument = "echo",
    *,
    session_type: Literal["live"],
    now: float = 0.0,
    seed: Optional[int] = None,
    **options: Any,
) -> HubParticipant: ...


@overload
def open_engine(
    agent: AgentArgument = "echo",
    *,
    now: float = 0.0,
    model: str = "gpt-realtime-2.1",
    session_type: Literal["realtime", "transcription", "translation"] = "realtime",
    dialect: Literal["ga", "beta"] = "ga",
    seed: Optional[int] = None,
    mcp: Optional[Mapping[str, Iterable[McpTool]]] = None,
    **options: Any,
) -> Union[Engine, TranslationEngine]: ...


def open_engine(
    agent: AgentArgument = "echo",
    *,
    now: float = 0.0,
    model: str = "gpt-realtime-2.1",
    session_type: Literal[
        "realtime", "transcription", "translation", "live"
    ] = "realtime",
    dialect: Literal["ga", "beta"] = "ga",
    seed: Optional[int] = None,
    mcp: Optional[Mapping[str, Iterable[McpTool]]] = None,
    **options: Any,
) -> Union[Engine, TranslationEngine, HubParticipant]:
    """
    Return the protocol engine that `serve` puts behind every connection.

    Frames go in and come out as mappings, and nothing in it waits. For
    `realtime_sync.testing.MemoryTransport`, and for whoever brings another way to
    carry messages.

    Args:
        agent: as for `serve`.
        now: seconds since the epoch.
        model: as a client would name it; a client of GPT-Live names it in its first
            frame.
        session_type: what kind of session.
        dialect: that the client speaks.
        seed: makes ids reproducible.
        mcp: tools of pretended MCP servers, by ``server_label``.
        options: fields of `Options`, for example ``pace=1.0``.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    try:
        chosen = Options(**options)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"open_engine(): {exc}") from exc
    rng = random.Random(seed)
    answering = _agent_of_offline_engine(agent)
    if session_type == "live":
        live = LiveEngine(answering, now=now, options=chosen, rng=rng)
        return SessionHub(live, replay_seconds=chosen.replay_seconds).join(PRIMARY)
    if session_type == "translation":
        return TranslationEngine(
            answering, now=now, model=model, options=chosen, rng=rng
        )
    return Engine(
        answering,
        now=now,
        model=model,
        session_type=session_type,
        dialect=dialect,
        options=chosen,
        rng=rng,
        mcp={label: tuple(tools) for label, tools in (mcp or {}).items()},
    )


def _agent_of_offline_engine(agent: AgentLike) -> Agent:
    if agent == "echo":
        return Echo()
    # Knows every kind of agent, and the host too: it is slow to import.
    from .local_server import agent_of_local_server

    return agent_of_local_server(agent)[0]
