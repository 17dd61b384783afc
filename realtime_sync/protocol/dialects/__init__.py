"""
Dialects: GA, the beta before it, and vendors who want commands otherwise.

Inside the library everything has GA's names and shapes. A `Dialect` says how
that is spelt on the wire; this is the only place that knows that there is more
than one dialect.
"""

from __future__ import annotations

from .dialect import (
    BETA,
    DASHSCOPE,
    GA,
    XAI,
    Dialect,
    client_lift,
    dialect_named,
    lift_response,
    lift_server_session,
    lift_session,
    with_session_type,
)

__all__ = [
    "BETA",
    "DASHSCOPE",
    "GA",
    "XAI",
    "Dialect",
    "client_lift",
    "dialect_named",
    "lift_response",
    "lift_server_session",
    "lift_session",
    "with_session_type",
]
