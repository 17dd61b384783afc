"""
The front door: `serve`.
"""

from __future__ import annotations

import ssl
from typing import (
    Any,
    Callable,
    Iterable,
    Mapping,
    Optional,
    Sequence,
    Union,
    cast,
    get_args,
)

from ..errors import ConfigurationError
from ..types import ServedDialect
from .agents.base import Agent, Answer, Prompt
from .agents.echo import Echo
from .agents.scripted import Scripted
from .agents.tools import McpTool
from .clock import Clock
from .engine.context import Options
from .host.engines import EngineSource
from .host.fault_injector import Fault
from .host.server import Server

_SPOKEN: Mapping[str, Any] = {"pace": 8.0}
"""Real speech is paced like the service's: faster than it is played."""
AgentLike = Union[str, Agent, EngineSource, Callable[[Prompt], Answer], Iterable[Any]]


def serve(
    *,
    agent: AgentLike = "echo",
    dialect: ServedDialect = "both",
    port: int = 0,
    host: str = "127.0.0.1",
    clock: Optional[Clock] = None,
    api_keys: Optional[Iterable[str]] = None,
    models: Optional[Iterable[str]] = None,
    refuse_early: bool = False,
    max_sessions: int = 500,
    max_frame_size: int = 32 << 20,
    workers: int = 8,
    seed: Optional[int] = None,
    keep_frames: int = 1000,
    ping_interval: float = 20.0,
    faults: Iterable[Union[str, Fault]] = (),
    faults_by_url: bool = True,
    mcp: Optional[Mapping[str, Iterable[McpTool]]] = None,
    tls: Union[ssl.SSLContext, tuple[str, str], None] = None,
    allowed_hosts: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    **options: Any,
) -> Server:
    """
    Start a local server of Realtime and GPT-Live; it runs in threads of its own.

    Args:
        agent: ``"echo"``, ``"voice"``, ``"scripted:FILE"`` (see `read_scenario`),
            ``"chat:URL"`` (a chat-completions endpoint), a function of a `Prompt`,
            a list of answers, an `Agent`, or a `Scenario` or `Cassette` of
            `realtime_sync.testing`.
        dialect: ``"both"`` lets the client choose, as the service did; ``"ga"``
            refuses beta clients, ``"beta"`` speaks beta to everybody.
        port: 0 takes a free one.
        host: address to listen on; other machines can only come in if you say so, and
            with one of *api_keys*.
        clock: `ManualClock` for tests that do not want to wait.
        api_keys: keys that are accepted; None accepts any and none, on this machine.
        models: models that are served; None serves every name.
        refuse_early: refuse bad keys with HTTP 401, as Azure does, instead of an
            ``error`` event and a close code.
        max_sessions: sessions open at once; more are refused with HTTP 429.
        max_frame_size: bytes that one message of a client may have.
        workers: threads for agents, shared by all sessions.
        seed: makes ids reproducible.
        keep_frames: how many frames each session's logs keep.
        ping_interval: seconds between pings.
        faults: what is to go wrong, such as ``"drop_after:5"``; see `FAULTS`.
        faults_by_url: let clients ask for faults with ``?fault=drop_after:5``.
        mcp: tools of pretended MCP servers, by ``server_label``.
        tls: files of a certificate and its key, or a context; clients such as
            openai-node connect in no other way. None is plain TCP.
        allowed_hosts: names and addresses, without a port, by which clients may call
            the server besides loopback and *host*; others are refused with HTTP 403.
        allowed_origins: pages of a browser that may come in besides those of this
            machine: hosts, or origins such as ``https://app.example``. Programs
            send no origin and need no entry.
        options: fields of `Options`, for example ``pace=1.0``: audio no faster than
            it is played. The voice and chat agents have 8.0, the others no pace: then
            the clock of a session of GPT-Live stands still while an agent works.

    Raises:
        ConfigurationError: an argument is wrong, an extra is not installed, or the
            port cannot be bound, or other machines could come in without a key.
    """
    answering, more_faults, more_options = agent_of_local_server(agent)
    try:
        chosen = Options(**{**more_options, **options})
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"serve(): {exc}") from exc
    if dialect not in get_args(ServedDialect):
        known = ", ".join(get_args(ServedDialect))
        raise ConfigurationError(f"unknown dialect {dialect!r}: one of {known}")
    return Server(
        answering,
        host=host,
        port=port,
        dialect=dialect,
        clock=clock,
        options=chosen,
        api_keys=api_keys,
        models=models,
        refuse_early=refuse_early,
        max_sessions=max_sessions,
        max_frame_size=max_frame_size,
        workers=workers,
        seed=seed,
        keep_frames=keep_frames,
        ping_interval=ping_interval,
        faults=(*more_faults, *faults),
        faults_by_url=faults_by_url,
        mcp=mcp,
        tls=_tls_context_of_local_server(tls),
        allowed_hosts=allowed_hosts,
        allowed_origins=allowed_origins,
    )


def _tls_context_of_local_server(
    tls: Union[ssl.SSLContext, tuple[str, str], None],
) -> Optional[ssl.SSLContext]:
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(*tls)
    except (OSError, TypeError) as exc:
        raise ConfigurationError(f"cannot use the certificate {tls!r}: {exc}") from exc
    return context


def agent_of_local_server(
    agent: AgentLike,
) -> tuple[Agent, Sequence[str], Mapping[str, Any]]:
    """
    Return the agent that *agent* stands for, with faults and options it brings.

    Raises:
        ConfigurationError: there is none of that name, or it cannot be made.
    """
    if isinstance(agent, str):
        return _named_agent_of_local_server(agent)
    if hasattr(agent, "reply") or hasattr(agent, "engine"):
        return cast(Agent, agent), (), {}
    if callable(agent) or isinstance(agent, Iterable):
        return Scripted(agent), (), {}
    raise ConfigurationError(f"{agent!r} is not an agent")


def _named_agent_of_local_server(
    agent: str,
) -> tuple[Agent, Sequence[str], Mapping[str, Any]]:
    name, _, detail = agent.partition(":")
    if agent == "echo":
        return Echo(), (), {}
    if agent == "voice":
        from .agents.voice import VoiceAgent

        return VoiceAgent(), (), _SPOKEN
    if name == "chat" and detail:
        from .agents.chat import Chat

        return Chat(detail), (), _SPOKEN
    if name == "scripted" and detail:
        from .agents.scenario import read_scenario

        found = read_scenario(detail)
        return found.agent, found.faults, found.options
    raise ConfigurationError(
        f"unknown agent {agent!r}: echo, voice, scripted:FILE or chat:URL; "
        "realtime_sync.testing.cassette makes one of a recording"
    )
