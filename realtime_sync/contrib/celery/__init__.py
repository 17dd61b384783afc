"""
Calls on many machines: one call is one task of a Celery application.

Needs the extra ``celery``; importing it loads none of those packages, the name that
needs one does.

.. versionadded:: 0.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import names_of_extra

if TYPE_CHECKING:
    from .call import Call, this_call
    from .errors import CallLost, CallOver, CommandFailed, FleetError, NoAnswer
    from .events import RemoteEvents
    from .fleet import Fleet
    from .folder_broker import folder_settings
    from .limits import Limits
    from .listener import Line
    from .records import CallResult, CallRow, Order, WorkerRow
    from .remote_call import RemoteCall

__all__ = [
    "Call",
    "CallLost",
    "CallOver",
    "CallResult",
    "CallRow",
    "CommandFailed",
    "Fleet",
    "FleetError",
    "Limits",
    "Line",
    "NoAnswer",
    "Order",
    "RemoteCall",
    "RemoteEvents",
    "WorkerRow",
    "folder_settings",
    "this_call",
]

_HOMES = {
    "Call": "call",
    "CallLost": "errors",
    "CallOver": "errors",
    "CallResult": "records",
    "CallRow": "records",
    "CommandFailed": "errors",
    "Fleet": "fleet",
    "FleetError": "errors",
    "Limits": "limits",
    "Line": "listener",
    "NoAnswer": "errors",
    "Order": "records",
    "RemoteCall": "remote_call",
    "RemoteEvents": "events",
    "WorkerRow": "records",
    "folder_settings": "folder_broker",
    "this_call": "call",
}


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.
    __getattr__ = names_of_extra(
        __name__, _HOMES, needs=("celery", "kombu"), extra="celery", what="a fleet"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
