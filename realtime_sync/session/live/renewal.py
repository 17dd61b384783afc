"""
Another session in the place of one that was lost.

The service resumes nothing. A stored session can be forked; else a new one begins
with the recent transcript; a session that is only looked on from aside is attached
to again. What could not be taken over is in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Optional, Protocol, cast

from attrs import evolve, frozen

from ...connection.command_handle import CommandOfHandle
from ...connection.connection import Connection
from ...connection.sender import command_with_event_id_to_send, sender_event_ids
from ...deadline import Cancellation, Deadline
from ...dispatch.watches import WatchList, WatchWaiting, wait_here_for_watch
from ...errors import ConnectFailed, ConnectionLost
from ...protocol.codec import Codec, to_mapping
from ...protocol.events import ClientEvent
from ...protocol.live import events
from ...protocol.live.limits import BYTES_PER_TOKEN, INSTRUCTION_TOKENS
from ...state.live.snapshot import LiveSnapshot, recent_messages
from ...state.live.snapshot_parts import Appended
from ...transport.base import Transport
from ...transport.logs import area_logger
from ..opening import GREETINGS, OpeningGreeting
from ..options import SessionOptions
from .config import start_command_of_config

logger = area_logger("realtime_sync.connection")

_MOMENT: Final = 1.0

INSTRUCTION_BYTES: Final = INSTRUCTION_TOKENS * BYTES_PER_TOKEN
"""Of the instructions that a session starts with, in UTF-8."""


@frozen(kw_only=True)
class LiveRestoreReport:
    """
    What became of a session that was lost. Nothing of it was resumed.

    Attributes:
        way: ``"fork"`` of the stored session, ``"seed"`` of a new one with the recent
            transcript, or ``"attach"`` to the same one.
        previous_id: of the session that was lost.
        session_id: of the one in its place.
        messages: of the transcript that the new session began with.
        left_out: older messages that it was not told of.
        abandoned: ids of delegations that were open; what their functions return from
            now on is passed on as a note.
        instructions: rules that were appended before, and are part of the new
            session's instructions.
        rules_left_out: older ones, for which there is no room in them.
        refused: why a fork was refused, or None.
        unconfirmed: texts that were sent and not acknowledged. The session that was
            lost may have known them, the one in its place does not.
    """

    way: str
    previous_id: Optional[str]
    session_id: Optional[str]
    messages: int = 0
    left_out: int = 0
    abandoned: tuple[str, ...] = ()
    instructions: int = 0
    rules_left_out: int = 0
    refused: Optional[str] = None
    unconfirmed: tuple[Appended, ...] = ()


class RenewalHost(Protocol):
    """What a renewal asks of the session that it is for."""

    @property
    def asked(self) -> Cancellation:
        """Cancelled when the session is to be closed."""

    def dial(self, options: SessionOptions, deadline: Deadline) -> Transport:
        """Open a transport to the session's endpoint."""

    def new_connection(self, snapshot: Any) -> Connection:
        """Make a connection that serves nobody yet."""

    def switch_to(self, connection: Connection) -> bool:
        """Use a connection from now on; False when it has ended meanwhile."""


class LiveRenewal:
    """
    Puts another session in the place of one that was lost.

    Args:
        host: whose sessions they are.
        codec: of the session.
        fields: gives the configuration that the session was started with, with what
            has been changed of it since.
    """

    def __init__(
        self, host: RenewalHost, codec: Codec, fields: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._host = host
        self._codec = codec
        self._fields = fields
        self._ids = sender_event_ids("renewal")

    def __call__(
        self, old: Connection, options: SessionOptions, deadline: Deadline
    ) -> LiveRestoreReport:
        """
        Use another session from now on.

        Raises:
            Exception: whatever stood in the way.
        """
        before = cast(LiveSnapshot, old.snapshot)
        if options.call_id:
            update = events.SessionUpdate(session={})
            report = self._report("attach", before)
            return self._begin(before, options, deadline, update, report)
        refused: Optional[str] = None
        if getattr(before.session, "store", None) is True and before.id:
            forked = evolve(options, fork_of=before.id)
            command = events.SessionStart(session={})
            try:
                report = self._report("fork", before)
                return self._begin(before, forked, deadline, command, report)
            except ConnectFailed as exc:
                if exc.status is None and exc.code is None and exc.retryable:
                    raise  # Nobody was reached, so that a new one is no better.
                refused = str(exc)
                logger.warning("! a fork of %s was refused: %s", before.id, exc)
        return self._seed(before, evolve(options, fork_of=None), deadline, refused)

    def _seed(
        self,
        before: LiveSnapshot,
        options: SessionOptions,
        deadline: Deadline,
        refused: Optional[str],
    ) -> LiveRestoreReport:
        fields = dict(self._fields())
        rules = tuple(
            each.content
            for each in before.context
            if each.kind == "instructions" and each.acknowledged and each.content
        )
        given = fields.get("instructions") or ""
        kept_rules = _latest_rules_for_renewal(
            rules, INSTRUCTION_BYTES - _renewal_text_size(given)
        )
        if kept_rules:
            fields["instructions"] = "\n".join(filter(None, (given, *kept_rules)))
        said = before.messages()
        every = (*map(to_mapping, fields.get("input") or ()), *said)
        kept = recent_messages(every)
        fields["input"] = list(kept)
        report = evolve(
            self._report("seed", before),
            messages=len(kept),
            left_out=len(every) - len(kept),
            instructions=len(kept_rules),
            rules_left_out=len(rules) - len(kept_rules),
            refused=refused,
        )
        command = start_command_of_config(self._codec, fields)
        return self._begin(before, options, deadline, command, report)

    def _report(self, way: str, before: LiveSnapshot) -> LiveRestoreReport:
        report = LiveRestoreReport(way=way, previous_id=before.id, session_id=None)
        if way == "attach":
            return report  # It is the same session, which still knows everything.
        work = before.delegations.values()
        return evolve(
            report,
            abandoned=tuple(each.id for each in work if each.state == "open"),
            unconfirmed=tuple(
                evolve(each, lost=True) for each in before.context if each.pending
            ),
        )

    def _begin(
        self,
        before: LiveSnapshot,
        options: SessionOptions,
        deadline: Deadline,
        first: ClientEvent,
        report: LiveRestoreReport,
    ) -> LiveRestoreReport:
        transport = self._host.dial(options, deadline)
        fresh = evolve(before, state="starting", version=before.version + 1)
        connection = self._host.new_connection(fresh)
        watches, waiting = WatchList(), WatchWaiting(wait_here_for_watch, None)
        greeting = OpeningGreeting(
            watches,
            waiting,
            GREETINGS["live"],
            refusable=report.way != "attach",
        )
        connection.take_over(
            watches, lambda event, snapshot, size: None, _ignore_end_during_renewal
        )
        try:
            connection.start(transport)
            # `close` must not wait for a server that is silent meanwhile.
            self._host.asked.attach(connection.abort)
            self._send(connection, first, deadline)
            greeting.wait(deadline)
            if before.audio.muted and report.way != "attach":
                # Before any audio: what the user says is not for the model.
                self._send(connection, events.InputAudioMute(), deadline)
            if not self._host.switch_to(connection):
                raise connection.error or ConnectionLost("lost at once", code=1006)
        except BaseException:
            connection.abort()
            connection.join(deadline.limited(_MOMENT))
            raise
        finally:
            self._host.asked.detach(connection.abort)
            greeting.cancel()
        after = cast(LiveSnapshot, connection.snapshot)
        return evolve(report, session_id=after.id)

    def _send(
        self, connection: Connection, command: ClientEvent, deadline: Deadline
    ) -> None:
        named = command_with_event_id_to_send(command, next(self._ids))
        connection.send(self._codec.encode(named), deadline)


def revised_after_renewal(
    command: CommandOfHandle, snapshot: LiveSnapshot
) -> Optional[CommandOfHandle]:
    """
    What becomes of a command that was given while there was no session.

    A session that took the place of another knows neither its work nor its calls.

    Args:
        command: what is to be sent.
        snapshot: of the session that it goes to.

    Returns:
        The command without what the session cannot know; None if nothing is left.
    """
    if isinstance(command, _APPENDS):
        work = snapshot.delegations.get(command.delegation_id or "")
        if work is not None and work.epoch != snapshot.epoch:
            return evolve(command, delegation_id=None)
    elif isinstance(command, events.ResponseItemCreate):
        call_id = command.item.get("call_id")
        for work in snapshot.delegations.values():
            if work.epoch != snapshot.epoch and call_id in work.calls:
                return None
    return command


_APPENDS: Final = (
    events.InstructionsAppend,
    events.ThinkingAppend,
    events.CommentaryAppend,
)


def _latest_rules_for_renewal(rules: tuple[str, ...], room: int) -> tuple[str, ...]:
    """The latest rules for which there is room; with too many nothing would start."""
    kept: list[str] = []
    for rule in reversed(rules):
        room -= _renewal_text_size(rule)
        if room < 0:
            break
        kept.append(rule)
    return tuple(reversed(kept))


def _renewal_text_size(text: str) -> int:
    return len(text.encode("utf-8", "replace")) + 1  # And the end of its line.


def _ignore_end_during_renewal(connection: Connection) -> None:
    """The end of a connection that serves nobody yet is seen by the greeting."""
