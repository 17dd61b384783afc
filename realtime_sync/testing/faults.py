"""
Misbehaviour of the local server, for ``serve(faults=[...])`` and the fixtures.

There is a function for every fault of `realtime_sync.server.FAULTS`, which says what
each does::

    faults.drop_after(5)                        # end the connection after 5 frames
    faults.cut("response.done", 20)             # within a frame, at its 20th byte
    faults.null_ids()

Strings such as ``"drop_after:5"`` do as well.

.. versionadded:: 0.1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Union

from ..server import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "fault"]


def fault(
    name: str,
    where: Union[int, str, None] = None,
    amount: Optional[float] = None,
) -> Fault:
    """
    One fault.

    Args:
        name: a key of `FAULTS`.
        where: number of an outgoing frame, from 1, or an event type: its first
            frame.
        amount: seconds, bytes or a code, depending on the fault.

    Raises:
        ConfigurationError: there is no such fault, or it needs a place.
    """
    return Fault(name, where, amount)


def __getattr__(name: str) -> Callable[..., Fault]:
    if name.startswith("_") or name not in FAULTS:
        raise AttributeError(f"there is no fault {name!r}: {', '.join(FAULTS)}")

    def one(
        where: Union[int, str, None] = None, amount: Optional[float] = None
    ) -> Fault:
        return Fault(name, where, amount)

    one.__name__ = one.__qualname__ = name
    one.__doc__ = f"Fault: {FAULTS[name]}."
    return one


def __dir__() -> list[Any]:
    return sorted({*__all__, *FAULTS})
