"""
Calls on many machines: one call is one task of a Celery application.

Needs the extra ``celery``.

.. versionadded:: 0.1
"""

from __future__ import annotations

from .call import Call, this_call
from .errors import CallLost, CallOver, CommandFailed, FleetError, NoAnswer
from .events import RemoteEvents
from .fleet import Fleet
from .listener import Line
from .records import CallResult, CallRow, Order, WorkerRow
from .remote import RemoteCall

__all__ = [
    "Call",
    "CallLost",
    "CallOver",
    "CallResult",
    "CallRow",
    "CommandFailed",
    "Fleet",
    "FleetError",
    "Line",
    "NoAnswer",
    "Order",
    "RemoteCall",
    "RemoteEvents",
    "WorkerRow",
    "this_call",
]
