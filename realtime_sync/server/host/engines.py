"""
Which engine serves a client.
"""

from __future__ import annotations

import random
from typing import Mapping, Optional, Protocol, Sequence, cast

from ..agents.base import Agent
from ..agents.tools import McpTool
from ..engine.context import Options
from ..engine.core import Engine
from ..engine.translation import TranslationEngine
from .connection import ConnectionEngine
from .handshake import Admission


class EngineSource(Protocol):
    """
    Something in an agent's place that makes the whole server's side of a session.

    For servers that play a part instead of following the protocol: scenarios and
    recordings of `realtime_sync.testing`.
    """

    def engine(
        self, *, now: float, model: str, session_type: str, dialect: str
    ) -> ConnectionEngine:
        """
        Return an engine for one client.

        Args:
            now: seconds since the epoch.
            model: as the client named it.
            session_type: ``realtime``, ``transcription`` or ``translation``.
            dialect: that the client speaks.
        """
        ...


def engine_for(
    agent: Agent,
    admission: Admission,
    *,
    now: float,
    options: Options,
    rng: random.Random,
    mcp: Optional[Mapping[str, Sequence[McpTool]]] = None,
) -> ConnectionEngine:
    """
    Return the engine of one client's session.

    Args:
        agent: answers; or an `EngineSource`.
        admission: what the client asked for.
        now: seconds since the epoch.
        options: behaviour beyond the protocol.
        rng: source of ids.
        mcp: tools of the MCP servers that can be reached.
    """
    if hasattr(agent, "engine"):
        return cast(EngineSource, agent).engine(
            now=now,
            model=admission.model,
            session_type=admission.session_type,
            dialect=admission.dialect,
        )
    if admission.session_type == "translation":
        return TranslationEngine(
            agent,
            now=now,
            model=admission.model,
            config=admission.config,
            options=options,
            rng=rng,
        )
    return Engine(
        agent,
        now=now,
        model=admission.model,
        session_type=admission.session_type,
        dialect=admission.dialect,
        config=admission.config,
        options=options,
        rng=rng,
        mcp=mcp,
        unsaid=admission.unsaid,
    )
