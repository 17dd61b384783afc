"""
Test programs that talk to a realtime model, without a key, a network or a wait.

Importing this package loads next to nothing; its names are loaded when they are
first used. The pytest fixtures are in `realtime_sync.testing.plugin`, which pytest
finds by itself.

.. versionadded:: 0.1
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..server import ManualClock
    from . import faults, frames
    from .carrier import FakeCarrier
    from .cassettes import Cassette, cassette
    from .memory_transport import MemoryTransport
    from .scenario import Scenario, ScenarioFailed
    from .scripted_engine import Close
    from .sounds import silence, speech, tone

__all__ = [
    "Cassette",
    "Close",
    "FakeCarrier",
    "ManualClock",
    "MemoryTransport",
    "Scenario",
    "ScenarioFailed",
    "cassette",
    "faults",
    "frames",
    "silence",
    "speech",
    "tone",
]

_HOMES = {
    "Cassette": ".cassettes",
    "Close": ".scripted_engine",
    "FakeCarrier": ".carrier",
    "ManualClock": "..server",
    "MemoryTransport": ".memory_transport",
    "Scenario": ".scenario",
    "ScenarioFailed": ".scenario",
    "cassette": ".cassettes",
    "silence": ".sounds",
    "speech": ".sounds",
    "tone": ".sounds",
}
_MODULES = ("faults", "frames")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(f".{name}", __name__)
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name], __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
