"""
A conversation on a new connection: sends a restore plan and waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any, Optional

from attrs import evolve

from ..connection.command_handle import CommandHandle
from ..connection.connection import Connection
from ..connection.pending import PendingCommands
from ..connection.sender import event_ids, with_event_id
from ..deadline import Deadline
from ..dispatch.watches import Waiting, Watch, WatchList
from ..errors import CommandRejected, RestoreError, WaitTimeout
from ..protocol import events
from ..protocol.codec import Codec, to_mapping
from ..state.restore import CALL_IS_GONE, RestorePlan, RestoreReport, plan_restore
from ..state.snapshot import Snapshot
from ..transport.base import Transport
from ..types import UNSET
from .opening import Greeting

_PATIENCE = 3.0
"""Seconds for a first word about items, from a server that may never say one."""

_ITEM_EVENTS = frozenset(
    {"conversation.item.added", "conversation.item.done", "conversation.item.deleted"}
)
_PCM16_AT_24_KHZ = 48_000
_G711 = 8_000


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
        self._greeting = Greeting(self._watches, self._waiting)
        self._tells_items = False
        self._watches.add(Watch(_ITEM_EVENTS, self._item_told, lambda error: None))
        connection.take_over(
            self._watches, lambda event, snapshot, size: None, lambda connection: None
        )

    def start(self, transport: Transport) -> None:
        """Let the connection read."""
        self._connection.start(transport)

    def greet(self) -> None:
        """Wait for `session.created`."""
        self._greeting.wait(self._deadline)

    def run(self, snapshot: Snapshot, *, items: bool) -> RestoreReport:
        """Send configuration and items; say what became of them."""
        self._greeting.cancel()
        plan = plan_restore(snapshot, self._config, items=items)
        self._configure(plan)
        dropped = dict(plan.report.dropped)
        refused = []
        handles = [self._create(command) for command in plan.commands]
        silent = not self._hear_of_items(handles)
        for handle in handles:
            problem = self._outcome(handle, patient=not silent)
            if problem is not None:
                refused.append((handle.command, problem))
        for command, problem in refused:
            # Perhaps only because the item before it was refused.
            place = _nearest(plan.report.restored, dropped, command.item.id)
            if place != command.previous_item_id:
                again = evolve(command, event_id=UNSET, previous_item_id=place)
                problem = self._outcome(self._create(again), patient=not silent)
            if problem is not None:
                dropped[command.item.id] = f"the server refused it: {problem}"
        self._withdraw_orphans(plan, dropped, patient=not silent)
        restored = tuple(i for i in plan.report.restored if i not in dropped)
        told: dict[str, Any] = {"restored": restored}
        if silent:
            told = {"restored": (), "unconfirmed": restored}
        return evolve(plan.report, dropped=dropped, **told)

    def _item_told(self, event: Any) -> None:
        self._tells_items = True

    def _hear_of_items(self, handles: Sequence[CommandHandle]) -> bool:
        """
        Wait for the fate of a first item; False when the server keeps silent.

        Some servers take items and never say so. They are believed to: else no
        session with one of them could be restored.
        """
        share = self._deadline.remaining()
        patience = Deadline(_PATIENCE if share is None else min(_PATIENCE, share / 2))
        for handle in handles:
            try:
                handle.acknowledged(patience.remaining())
            except CommandRejected:
                continue
            except WaitTimeout:
                return self._tells_items
            return True
        return True

    def _withdraw_orphans(
        self, plan: RestorePlan, dropped: dict[str, str], *, patient: bool
    ) -> None:
        """An output whose call was refused goes too: they belong together."""
        items = [command.item for command in plan.commands]
        calls = {
            item.call_id
            for item in items
            if item.type == "function_call" and item.id not in dropped
        }
        for item in items:
            orphan = item.type == "function_call_output" and item.call_id not in calls
            if orphan and item.id not in dropped:
                dropped[item.id] = CALL_IS_GONE
                delete = events.ConversationItemDelete(item_id=item.id)
                self._outcome(self._send(delete), patient=patient)

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
                retryable=problem.retryable,
            ) from problem

    def _create(self, command: Any) -> CommandHandle:
        self._connection.note(command)
        return self._send(command)

    def _send(self, command: Any) -> CommandHandle:
        command = with_event_id(command, next(self._ids))
        handle = CommandHandle(command, self._waiting)
        with self._pending.order:
            self._pending.expect(handle)
        payload = self._codec.encode(command)
        self._connection.send(payload, self._deadline)
        return handle

    def _outcome(
        self, handle: CommandHandle, *, patient: bool = True
    ) -> Optional[CommandRejected]:
        """
        Why the server refused a command, or None; waits for that if `patient`.
        """
        try:
            handle.acknowledged(self._deadline.remaining() if patient else 0)
        except CommandRejected as exc:
            return exc
        except WaitTimeout:
            if patient:
                raise
        return None


def _wait(event: Event, deadline: Deadline) -> bool:
    return event.wait(deadline.remaining())


def _nearest(order: Sequence[str], dropped: Mapping[str, str], item_id: str) -> str:
    """The item that an item comes behind, refused ones left out."""
    before = order[: order.index(item_id)]
    return next((each for each in reversed(before) if each not in dropped), "root")


def session_config(snapshot: Snapshot) -> Optional[Mapping[str, Any]]:
    """The configuration that the server last told, as a GA mapping."""
    if snapshot.session is None:
        return None
    mapping = to_mapping(snapshot.session)
    return mapping if isinstance(mapping, Mapping) else None


def input_bytes_per_second(snapshot: Snapshot) -> int:
    """How much microphone audio a second is, in the format in force."""
    audio = getattr(snapshot.session, "audio", None)
    kind = getattr(getattr(audio, "input", None), "format", None)
    name = getattr(kind, "type", None) or ""
    if not isinstance(name, str) or not name.startswith("audio/pcm"):
        return _PCM16_AT_24_KHZ
    return _G711 if name != "audio/pcm" else _PCM16_AT_24_KHZ
