"""Parts of a session put together without a socket, for tests of the shell."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Optional

from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.dispatcher import Dispatcher
from realtime_sync.dispatch.names import names_lacked_by, names_of
from realtime_sync.dispatch.notices import NOTICE_PREFIXES, Notice
from realtime_sync.dispatch.router import Router
from realtime_sync.dispatch.signals import UNKNOWN_MARK, SignalBoard
from realtime_sync.protocol import events
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.dialects import dialect_named

GA = Codec(dialect_named("ga"))


def event(type: str, **fields: Any) -> Any:
    """A server event, as the decoder makes it."""
    return GA.decode(json.dumps({"type": type, **fields}).encode())


class ScriptedSession:
    """
    Routers, a board and a dispatcher, and a thread that plays the reader.

    Args:
        mode: as in `connect(dispatch=...)`.
        dialect: of the imaginary session.
        limits: of the dispatcher's queue.
    """

    def __init__(
        self,
        mode: str = "inline",
        *,
        dialect: str = "ga",
        routers: Optional[tuple[Router, ...]] = None,
        is_stale: Optional[Callable[[Any], bool]] = None,
        **limits: int,
    ) -> None:
        self.session = SimpleNamespace(name="scripted", handler_context=None)
        self.board = SignalBoard(
            lambda: self.session,
            names_of,
            NOTICE_PREFIXES,
            names_lacked_by(dialect_named(dialect)),
        )
        self.router = Router("scripted")
        self.routers = routers or (self.router,)
        self.reader: Optional[int] = None
        self.dispatcher = Dispatcher(
            lambda: self.session,
            self.board,
            mode=mode,
            name="scripted",
            limit=limits.get("limit", 100_000),
            limit_bytes=limits.get("limit_bytes", 1 << 28),
            on_reader=lambda: threading.get_ident() == self.reader,
            call_behind=lambda run: run(),
            is_stale=is_stale,
        )
        for router in self.routers:
            router.attach(self.board)
        self.dispatcher.start()

    def __enter__(self) -> ScriptedSession:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.dispatcher.stop()
        self.dispatcher.drained(Deadline(5))

    def deliver(self, item: Any, *, size: int = 0, snapshot: Any = None) -> None:
        """Deliver an event as the reader does, or a notice, or a mapping."""
        if isinstance(item, str):
            item = event(item)
        elif isinstance(item, Mapping):
            item = event(**item)
        key = item.type
        if isinstance(item, events.UnknownEvent):
            key = UNKNOWN_MARK + key
        elif isinstance(item, events.ClientEvent):
            key = f"client.{key}"
        route = self.board.route(key)
        if isinstance(item, (Notice, events.ClientEvent)):
            self.dispatcher.post(item, snapshot, route, key)
            return
        outer, self.reader = self.reader, threading.get_ident()
        try:
            self.dispatcher.submit(item, snapshot, size, route, key)
        finally:
            self.reader = outer

    def flush(self) -> None:
        """Wait until handlers have seen everything."""
        assert self.dispatcher.flush(Deadline(5))
