"""
A conversation on a new connection: sends a restore plan and waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Optional, Protocol, cast

from attrs import evolve

from ..connection.command_handle import CommandHandle, CommandOfHandle
from ..connection.connection import Connection
from ..connection.pending import PendingCommands
from ..connection.sender import command_with_event_id_to_send, sender_event_ids
from ..deadline import Deadline
from ..dispatch.watches import WatchList, WatchWaiting, wait_here_for_watch
from ..errors import CommandRejected, RestoreError, WaitTimeout
from ..protocol import events
from ..protocol.codec import Codec, to_mapping
from ..protocol.events import ClientEvent
from ..protocol.fields import MaybeText
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
from .opening import OpeningGreeting

_PATIENCE = 3.0
"""Seconds for an answer, from a server that may never give one."""

LONGEST = 10.0
"""Seconds for a whole restore, where the program sets no limit."""

_PCM16_AT_24_KHZ = 48_000
_G711 = 8_000


class SendToRestore(Protocol):
    """Sends a command and returns its handle."""

    def __call__(self, command: ClientEvent, /) -> CommandHandle: ...


class Restorer:
    """
    Sends a plan and waits for what becomes of it.

    What the server leaves unanswered is unconfirmed and fails nothing: some servers
    take what they are sent and never say so.

    Args:
        send: sends a command of the plan.
        deadline: for all the waiting.

    Attributes:
        names: item id -> the id that the server gave it instead.
    """

    def __init__(self, send: SendToRestore, deadline: Deadline) -> None:
        self._send = send
        self._deadline = deadline
        # Kinds of commands of which one was waited for in vain.
        self._silent: set[str] = set()
        self._confirmed: set[str] = set()
        # Item id -> number of its last sending, which tells what was sent after it.
        self._sent: dict[str, int] = {}
        self._numbers = count()
        self._named_late = False
        self.names: dict[str, str] = {}

    def configure(self, command: ClientEvent, report: RestoreReport) -> None:
        """
        Send the configuration.

        Raises:
            RestoreError: the server refused it.
        """
        (problem,) = self._outcomes([self._send(command)])
        if problem is not None:
            raise RestoreError(
                f"the new connection refused the configuration: {problem}",
                report=report,
                retryable=problem.retryable,
            ) from problem

    def create(self, plan: RestorePlan) -> RestoreReport:
        """Send the items; say what became of them."""
        dropped, changed = dict(plan.report.dropped), dict(plan.report.changed)
        refused = self._create_all(plan.commands)
        while refused:
            again: list[Any] = []
            while refused and not (again and self._named_late):
                command, problem = refused.pop(0)
                better = self._elsewhere(command, plan, dropped)
                if better is None:
                    dropped[command.item.id] = f"the server refused it: {problem}"
                else:
                    again.append(better)
            refused = self._create_all(again) + refused
        self._withdraw_orphans(plan, dropped)
        for item_id, name in self.names.items():
            changed[item_id] = "; ".join(
                filter(None, (changed.get(item_id), f"the server calls it {name}"))
            )
        sent = [each for each in plan.report.restored if each not in dropped]
        return evolve(
            plan.report,
            changed={each: changed[each] for each in changed if each not in dropped},
            dropped=dropped,
            restored=tuple(each for each in sent if each in self._confirmed),
            unconfirmed=tuple(each for each in sent if each not in self._confirmed),
        )

    def _create_all(self, commands: Iterable[Any]) -> list[tuple[Any, CommandRejected]]:
        """Send them at once; returns those that are refused, in order, and why."""
        handles = []
        for command in commands:
            self._sent[command.item.id] = next(self._numbers)
            handles.append(self._send(command))
        outcomes = zip(handles, self._outcomes(handles))
        return [(handle.command, why) for handle, why in outcomes if why is not None]

    def _elsewhere(
        self, command: Any, plan: RestorePlan, dropped: Mapping[str, str]
    ) -> Any:
        """
        A refused command once more, if it was refused because of the item before it;
        else None.

        That one was refused itself, or sent after it; or the server knows it by
        another id, which is known only once it has answered: then the ones behind
        it have to wait for each other. Where it never answers, the item goes to the
        end, which is right behind what that server has taken.
        """
        item_id = command.item.id
        before = _kept_predecessor_for_restorer(plan.report.restored, dropped, item_id)
        place: MaybeText = self.names.get(before, before)
        later = self._sent.get(before, -1) > self._sent[item_id]
        if place == command.previous_item_id and not later:
            if before == "root" or before in self._confirmed:
                return None
            place, self._named_late = UNSET, True
        elif command.previous_item_id is UNSET:
            return None
        self._sent[item_id] = next(self._numbers)  # Those behind it come later, too.
        return evolve(command, event_id=UNSET, previous_item_id=place)

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
                delete = events.ConversationItemDelete(item_id=name)
                self._outcomes([self._send(delete)])

    def _outcomes(
        self, handles: Sequence[CommandHandle]
    ) -> list[Optional[CommandRejected]]:
        """
        Why the server refused commands that were sent at once, None where it did not.

        Once a wait has run out the rest of them are not waited for: what the server
        has to say of them has come by now. Later ones are, for a shorter time.
        """
        outcomes: list[Optional[CommandRejected]] = []
        patience = _PATIENCE
        for handle in handles:
            kind = handle.command.type
            if kind in self._silent:
                patience = min(patience, _PATIENCE / 6)
            share = self._deadline.remaining()
            try:
                event = handle.acknowledged(
                    patience if share is None else min(patience, share / 2)
                )
            except CommandRejected as exc:
                outcomes.append(exc)
                continue
            except WaitTimeout:
                self._silent.add(kind)
                patience = 0.0
            else:
                self._confirm(handle.command, event)
            outcomes.append(None)
        return outcomes

    def _confirm(
        self, command: CommandOfHandle, event: events.ConversationItemAdded
    ) -> None:
        asked = getattr(getattr(command, "item", None), "id", None)
        if asked is None:
            return
        self._confirmed.add(asked)
        name = getattr(event.item, "id", None)
        if isinstance(name, str) and name and name != asked:
            self.names[asked] = name
            self._named_late = True


class RestorerRebuild:
    """
    A conversation on a connection that nobody else uses yet.

    Its acknowledgements are waited for apart from the session's, so that no
    handler and no waiter of the program takes an old item for a new one.

    Args:
        connection: not started yet.
        codec: of the session.
        config: the configuration in force, GA shape; None for none.
        deadline: for all of it, the greeting included, which may be late.

    Attributes:
        names: item id -> the id that the server gave it instead, after `run`.
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
        self._waiting = WatchWaiting(wait_here_for_watch, None)
        self._watches = WatchList()
        self._pending = PendingCommands(learned=connection.learn)
        self._watches.add(self._pending.watch)
        self._ids = sender_event_ids("restore")
        self._greeting = OpeningGreeting(self._watches, self._waiting)
        self.names: Mapping[str, str] = {}
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

        Args:
            snapshot: the conversation as it was.
            items: whether to rebuild the items at all.
            left: what the restore before this one left open, if anything.

        Raises:
            RestoreError: the server refused the configuration.
        """
        self._greeting.cancel()
        restorer = Restorer(self._send, self._deadline.limited(LONGEST))
        plan = plan_restore(snapshot, self._config, items=items, left=left)
        if plan.config:
            body = {"type": "session.update", "session": plan.config}
            # A mapping is only what the protocol has no command for.
            update = cast("ClientEvent", self._codec.command(body))
            restorer.configure(update, plan.report)
        report = restorer.create(plan)
        self.names = restorer.names
        return report

    def _send(self, command: ClientEvent) -> CommandHandle:
        if isinstance(command, events.ConversationItemCreate):
            self._connection.note(command)
        command = command_with_event_id_to_send(command, next(self._ids))
        handle = CommandHandle(command, self._waiting)
        with self._pending.order:
            self._pending.expect(handle)
        # A deadline of its own: when the time for answers is up, what is left to
        # be said can still be written.
        self._connection.send(self._codec.encode(command), Deadline(_PATIENCE))
        return handle


def _kept_predecessor_for_restorer(
    order: Sequence[str], dropped: Mapping[str, str], item_id: str
) -> str:
    """The item that an item comes behind, refused ones left out."""
    before = order[: order.index(item_id)]
    return next((each for each in reversed(before) if each not in dropped), "root")


def restored_session_config(snapshot: Snapshot) -> Optional[Mapping[str, Any]]:
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
