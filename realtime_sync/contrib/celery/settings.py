"""What a fleet is told once, for all of its workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from attrs import define, field

from ... import Router, Threads
from .call import Call
from .listener import Line

if TYPE_CHECKING:
    from celery import Celery

    from ... import RealtimeClient


def _wait(call: Call) -> None:
    """What runs for a call unless `Fleet.on_call` says otherwise."""
    call.wait()


@define(kw_only=True)
class Settings:
    """
    See `Fleet`, whose arguments these are.

    Attributes:
        router: whose handlers apply to every call.
        answer: what runs for a call.
        drained: what is called for a call when its worker is told to end, or None.
    """

    app: Celery
    name: str
    client: Callable[[], RealtimeClient]
    threads: Callable[[], Threads]
    model: Optional[str]
    calls_per_process: int
    drain_timeout: float
    longest_call: float
    tokens: Optional[float]
    recordings: Optional[str]
    line: Optional[Line]
    router: Router = field(factory=lambda: Router("fleet"))
    answer: Callable[[Call], Any] = _wait
    drained: Optional[Callable[[Call], Any]] = None

    @property
    def keep(self) -> int:
        """Seconds after which no message of a call can come again."""
        return int(2 * (self.longest_call + self.drain_timeout) + 86_400)

    @property
    def visibility(self) -> int:
        """
        Seconds after which a broker such as Redis gives a message out again: longer
        than any call, as a call is acknowledged when it ends.
        """
        return int(self.longest_call + self.drain_timeout + 600)
