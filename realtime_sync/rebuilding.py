"""
A conversation on a new connection: sends a restore plan and waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any, Optional

from attrs import evolve

from .connection import Connection
from .deadline import Deadline
from .errors import CommandRejected, RestoreError
from .handles import CommandHandle, PendingCommands
from .opening import Greeting
from .protocol.codec import Codec
from .sending import event_ids, with_event_id
from .state.restore import RestorePlan, RestoreReport, plan_restore
from .state.snapshot import Snapshot
from .transport import Transport
from .types import UNSET
from .waiters import Waiting, WatchList


class Rebuild:
    """
    Sends a restore plan over a connection that nobody else uses yet.

    Its acknowledgements are waited for apart from the session's, so that no
    handler and no waiter of the program takes an old item for a new one.

    Args:
        connection: not started yet.
        codec: of the session.
        config: the configuration in force, GA shape; None for none.
        deadline: for all of it.
    """

    def __init__(
        self,
        connection: Connection,
        codec: Codec,
        config: Optional[Mapping[str, Any]],
        deadline: Deadline,
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._config = config
        self._deadline = deadline
        self._waiting = Waiting(_wait, None)
        self._watches = WatchList()
        self._pending = PendingCommands()
        self._watches.add(self._pending.watch)
        self._ids = event_ids("restore")
        connection.adopt(self._watches, lambda event, snapshot, size: None)

    def greet(self, transport: Transport, wait_created: bool) -> None:
        """Start the connection and wait for `session.created`."""
        greeting = Greeting(self._watches, self._waiting)
        try:
            self._connection.start(transport)
            if wait_created:
                greeting.wait(self._deadline)
        finally:
            greeting.cancel()

    def run(self, snapshot: Snapshot, *, items: bool) -> RestoreReport:
        """Send configuration and items; say what became of them."""
        plan = plan_restore(snapshot, self._config, items=items)
        self._configure(plan)
        dropped = dict(plan.report.dropped)
        refused = []
        for handle in [self._create(command) for command in plan.commands]:
            problem = self._outcome(handle)
            if problem is not None:
                refused.append((handle.command, problem))
        for command, problem in refused:
            # Perhaps only because the item before it was refused.
            place = _nearest(plan.report.restored, dropped, command.item.id)
            if place != command.previous_item_id:
                again = evolve(command, event_id=UNSET, previous_item_id=place)
                problem = self._outcome(self._create(again))
            if problem is not None:
                dropped[command.item.id] = f"the server refused it: {problem}"
        restored = tuple(i for i in plan.report.restored if i not in dropped)
        return evolve(plan.report, restored=restored, dropped=dropped)

    def _configure(self, plan: RestorePlan) -> None:
        if not plan.config:
            return
        body = {"type": "session.update", "session": plan.config}
        handle = self._send(self._codec.command(body))
        problem = self._outcome(handle)
        if problem is not None:
            raise RestoreError(
                f"the new connection refused the configuration: {problem}",
                report=plan.report,
            ) from problem

    def _create(self, command: Any) -> CommandHandle:
        self._connection.note(command)
        return self._send(command)

    def _send(self, command: Any) -> CommandHandle:
        command = with_event_id(command, next(self._ids))
        handle = CommandHandle(command, self._waiting)
        self._pending.register(handle)
        payload = self._codec.encode(command)
        self._connection.send(payload, self._deadline)
        return handle

    def _outcome(self, handle: CommandHandle) -> Optional[CommandRejected]:
        try:
            handle.acknowledged(self._deadline.remaining())
        except CommandRejected as exc:
            return exc
        return None


def _wait(event: Event, deadline: Deadline) -> bool:
    return event.wait(deadline.remaining())


def _nearest(order: Sequence[str], dropped: Mapping[str, str], item_id: str) -> str:
    """The item that an item comes behind, refused ones left out."""
    before = order[: order.index(item_id)]
    return next((each for each in reversed(before) if each not in dropped), "root")
