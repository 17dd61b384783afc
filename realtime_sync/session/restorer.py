"""
A conversation on a new connection: sends a restore plan and waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any, Optional, cast

from attrs import evolve

from ..connection.command_handle import CommandHandle
from ..connection.connection import Connection
from ..connection.pending import PendingCommands
from ..connection.sender import event_ids, with_event_id
from ..deadline import Deadline
from ..dispatch.watches import Waiting, WatchList
from ..errors import CommandRejected, RestoreError, WaitTimeout
from ..protocol import events
from ..protocol.codec import Codec, to_mapping
from ..state.restore import (
    CALL_IS_GONE,
    RestorePlan,
    RestoreReport,
    Unconfirmed,
    plan_restore,
)
from ..state.snapshot import Snapshot
from ..transport.base import Transport
from ..types import UNSET
from .opening import Greeting

_PATIENCE = 3.0
"""Seconds for an answer, from a server that may never give one."""

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

    Attributes:
        names: item id -> the id that the server gave it instead.
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
        # Kinds of commands of which one was waited for in vain.
        self._silent: set[str] = set()
        self._confirmed: set[str] = set()
        self.names: dict[str, str] = {}
        connection.take_over(
            self._watches, lambda event, snapshot, size: None, lambda connection: None
        )

    def start(self, transport: Transport) -> None:
        """Let the connection read."""
        self._connection.start(transport)

    def greet(self) -> None:
        """Wait for `session.created`."""
        self._greeting.wait(self._deadline)

    def run(
        self, snapshot: Snapshot, *, items: bool, left: Optional[Unconfirmed] = None
    ) -> RestoreReport:
        """
        Send configuration and items; say what became of them.

        What the server leaves unanswered is unconfirmed and fails nothing: some
        servers take what they are sent and never say so.

        Args:
            snapshot: the conversation as it was.
            items: whether to rebuild the items at all.
            left: what the restore before this one left open, if anything.
        """
        self._greeting.cancel()
        plan = plan_restore(snapshot, self._config, items=items, left=left)
        self._configure(plan)
        dropped, changed = dict(plan.report.dropped), dict(plan.report.changed)
        handles = [self._create(command) for command in plan.commands]
        # All of them are on their way before the first answer is waited for.
        outcomes = [self._outcome(handle) for handle in handles]
        for command, problem in zip(plan.commands, outcomes):
            if problem is None:
                continue
            # Perhaps only because of the item before it: that was refused, or
            # the server knows it by another id.
            place = _nearest(plan.report.restored, dropped, command.item.id)
            place = self.names.get(place, place)
            if place != command.previous_item_id:
                again = evolve(command, event_id=UNSET, previous_item_id=place)
                problem = self._outcome(self._create(again))
            if problem is not None:
                dropped[command.item.id] = f"the server refused it: {problem}"
        self._withdraw_orphans(plan, dropped)
        for item_id, name in self.names.items():
            changed[item_id] = "; ".join(
                filter(None, (changed.get(item_id), f"the server calls it {name}"))
            )
        sent = [each for each in plan.report.restored if each not in dropped]
        return evolve(
            plan.report,
            changed=changed,
            dropped=dropped,
            restored=tuple(each for each in sent if each in self._confirmed),
            unconfirmed=tuple(each for each in sent if each not in self._confirmed),
        )

    def _patience(self, kind: str) -> float:
        """
        Seconds to wait for the answer to one command of a kind.

        No more once a wait has run out: what was sent up to then was sent at once,
        and what the server has to say of it has come by now.
        """
        share = self._deadline.remaining()
        if kind in self._silent:
            return 0.0
        return _PATIENCE if share is None else min(_PATIENCE, share / 2)

    def _withdraw_orphans(self, plan: RestorePlan, dropped: dict[str, str]) -> None:
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
                name = self.names.get(item.id, item.id)
                self._outcome(self._send(events.ConversationItemDelete(item_id=name)))

    def _configure(self, plan: RestorePlan) -> None:
        if not plan.config:
            return
        body = {"type": "session.update", "session": plan.config}
        # A mapping is only what the protocol has no command for.
        update = cast("events.ClientEvent", self._codec.command(body))
        handle = self._send(update)
        problem = self._outcome(handle)
        if problem is not None:
            raise RestoreError(
                f"the new connection refused the configuration: {problem}",
                report=plan.report,
                retryable=problem.retryable,
            ) from problem

    def _create(self, command: events.ConversationItemCreate) -> CommandHandle:
        self._connection.note(command)
        return self._send(command)

    def _send(self, command: events.ClientEvent) -> CommandHandle:
        command = with_event_id(command, next(self._ids))
        handle = CommandHandle(command, self._waiting)
        with self._pending.order:
            self._pending.expect(handle)
        payload = self._codec.encode(command)
        self._connection.send(payload, self._deadline)
        return handle

    def _outcome(self, handle: CommandHandle) -> Optional[CommandRejected]:
        """Why the server refused a command, or None. Waits for a short time."""
        try:
            event = handle.acknowledged(self._patience(handle.command.type))
        except CommandRejected as exc:
            return exc
        except WaitTimeout:
            self._silent.add(handle.command.type)
            return None
        asked = getattr(getattr(handle.command, "item", None), "id", None)
        if asked is not None:
            self._confirmed.add(asked)
            name = getattr(event.item, "id", None)
            if isinstance(name, str) and name and name != asked:
                self.names[asked] = name
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
