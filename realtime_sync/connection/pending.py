"""
The commands of a session that wait for their acknowledgement.
"""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock, local
from typing import Optional, Union
from weakref import WeakValueDictionary

from ..deadline import held_here
from ..dispatch.watches import Watch
from ..errors import (
    REJECTIONS,
    CommandRejected,
    InvalidRequest,
    LocalProtocolError,
    NothingToCancel,
)
from ..protocol.ack_tables import REALTIME, AckTable
from ..protocol.acks import (
    UNLIKE,
    Fits,
    ack_correlation,
    ack_difference,
    ack_renames_item,
    error_points_nowhere,
    error_points_to,
    is_unlikely_ack,
)
from ..protocol.dialects.server_quirks import OWN_IDS
from ..protocol.events import ServerEvent
from ..transport.logs import area_logger
from ..transport.redaction import redact
from .auto_items import AutoItems
from .auto_responses import AutoResponses
from .command_handle import CommandHandle, CommandOfHandle

logger = area_logger("realtime_sync.session")

_MOST_PENDING = 4096

_MOST_UNANSWERED = 64
"""Commands of a kind that nothing acknowledges; only an error may still name one."""

_LISTINGS = frozenset({"conversation.item.added", "conversation.item.done"})
"""Events that tell of an item of the conversation: the first one tells a new one."""

_CALLS_BY_THEMSELVES = frozenset({"response.create"})
"""
Commands that are a call, alone as well: an error that points nowhere, while nothing
else waits, leaves no answer to wait for.
"""


class PendingCommands:
    """
    The commands of a session that wait for their acknowledgement.

    Registered before the command is written; resolved on the loop.

    Args:
        acks: which event answers which command.
        learned: told, on the loop, that the server was caught at a habit.
        remedy: what to do about an error, by its words, or None.

    Attributes:
        complains: log errors that belong to no command.
    """

    def __init__(
        self,
        acks: AckTable = REALTIME,
        *,
        learned: Callable[[str], None] = lambda habit: None,
        remedy: Callable[[str], Optional[str]] = lambda said: None,
    ) -> None:
        self.complains = True
        self._learned = learned
        self._remedy = remedy
        self._rules = acks.rules
        self._errors_point = acks.points
        self._automatic = acks.automatic
        # Guards the queues, and is the lock under which commands take their place
        # on the way out: what is matched by order is expected in that order.
        # The loop wants it for every answer. Re-entrant, because a signal handler that
        # sends may find its own thread inside of it.
        self.order = self._lock = RLock()
        self._by_command: dict[str, deque[CommandHandle]] = {}
        self._by_id: dict[str, CommandHandle] = {}
        # Ids of commands that wait for a connection: the end of one is not theirs.
        self._held: set[str] = set()
        self._echoes_metadata = False
        # Responses that were given to a command without proof.
        self._guessed: WeakValueDictionary[str, CommandHandle] = WeakValueDictionary()
        self._by_event: dict[str, list[str]] = {}
        self._heard: set[str] = set()
        self._registered = self._answered = 0
        self._auto, self._items = AutoResponses(), AutoItems()
        self._calls = local()
        for command, rule in self._rules.items():
            for event in rule.events + rule.repeated:
                self._by_event.setdefault(event, []).append(command)
        automatic = AutoResponses.TYPES | AutoItems.TYPES if acks.automatic else set()
        self.watch = Watch(
            frozenset(self._by_event) | automatic | {"error"},
            self._accept,
            self._end,
            lasting=True,
        )

    @contextmanager
    def call(self) -> Iterator[None]:
        """
        What this thread sends meanwhile belongs to one call.

        An error that points nowhere fails it when nothing else waits.
        """
        # By thread: what other threads send at the same time is of other calls.
        before = getattr(self._calls, "now", None)
        self._calls.now = before or object()
        try:
            yield
        finally:
            self._calls.now = before

    def held_here(self) -> bool:
        """Whether the calling thread has the lock."""
        return held_here(self._lock)

    @property
    def any(self) -> bool:
        """Whether a command waits for its answer."""
        return any(h.command.type in self._rules for h in self.handles())

    def expect(
        self, handle: CommandHandle, *, held: bool = False
    ) -> Optional[CommandHandle]:
        """
        Expect an answer to a command. The caller holds `order`.

        He takes the lock, and gives the command its place on the way out under
        the same hold: were that two steps, two threads that send commands of a
        kind at the same time would get each other's answers.

        Args:
            handle: of the command.
            held: the command waits for a connection, see `release_held`.

        Returns:
            A handle that has given way, for `give_up` once the lock is free.
        """
        kind = handle.command.type
        # Under the caller's lock, so the numbers are in the order of the wire; which
        # errors point nowhere are judged by it.
        self._registered += 1
        handle._number = self._registered
        handle._call = getattr(self._calls, "now", None)
        if handle._call is None and kind in _CALLS_BY_THEMSELVES:
            handle._call = object()
        self._by_id[handle.event_id] = handle
        if held:
            self._held.add(handle.event_id)
        queue = self._by_command.setdefault(kind, deque())
        queue.append(handle)
        answered = kind in self._rules
        if len(queue) <= (_MOST_PENDING if answered else _MOST_UNANSWERED):
            return None
        oldest = queue.popleft()
        self._by_id.pop(oldest.event_id, None)
        return oldest if answered else None

    def check_id(self, event_id: str) -> None:
        """
        Refuse an id that a program gives twice: an error would name both.

        Raises:
            LocalProtocolError: a command that waits for its answer has it.
        """
        if event_id in self._by_id:
            raise LocalProtocolError(
                f"a command with event_id {event_id!r} is not answered yet"
            )

    def give_up(self, handle: CommandHandle) -> None:
        """Fail a handle that `expect` gave back. Not under the lock: it wakes."""
        handle._reject(
            LocalProtocolError(
                f"{handle.command.type} {handle.event_id} was not answered during "
                f"{_MOST_PENDING} later ones"
            )
        )

    def cancel(self, handle: CommandHandle) -> None:
        """Expect nothing any more: the command was not sent."""
        with self._lock:
            self._remove(handle)

    def release_held(self, event_id: str, lost: Optional[Exception]) -> None:
        """
        A command that was held has been sent; `lost` if its connection is by now.
        """
        with self._lock:
            # From here on the end of a connection is this command's as well. If that
            # has come and gone meanwhile, nobody else would fail it: hence `lost`.
            self._held.discard(event_id)
            handle = self._by_id.get(event_id)
        if handle is not None and lost is not None:
            self.abandon((handle,), lost)

    def release_all_held(self) -> None:
        """No connection will come for the commands that are held."""
        with self._lock:
            self._held.clear()

    def handles(self) -> tuple[CommandHandle, ...]:
        """Those that wait now."""
        with self._lock:
            return tuple(self._by_id.values())

    def abandon(self, handles: tuple[CommandHandle, ...], error: Exception) -> None:
        """Fail those of some handles that still wait."""
        for handle in handles:
            with self._lock:
                # The loop may be resolving it right now: who takes it out decides,
                # and only he may tell the handle.
                waits = self._by_id.get(handle.event_id) is handle
                if waits:
                    self._remove(handle)
            if waits:
                handle._reject(error)

    def _accept(self, event: ServerEvent) -> None:
        if event.type == "error":
            self._accept_error(event)
            return
        # Here and below without the lock: the loop alone touches what follows the
        # connection, senders only the queues.
        first = event.type not in self._heard
        self._heard.add(event.type)
        acknowledged = False
        for command in self._by_event.get(event.type, ()):
            if first and event.type in self._rules[command].repeated:
                continue
            handle = self._match(command, event)
            if handle is not None:
                acknowledged = True
                self._answered = max(self._answered, handle._number)
                if ack_renames_item(handle.command, event):
                    self._learned(OWN_IDS)
                # Not under the lock: it wakes a thread, which may send the next
                # command, and a handle of a response may cancel at once.
                handle._acknowledge(event)
        if not self._automatic:
            return
        if event.type in AutoItems.TYPES or event.type in _LISTINGS:
            self._items.note(event)  # After the match: told again, it is not new.
        if event.type == "response.created":
            wanted = bool(self._by_command.get("response.create"))
            self._auto.created(event, ours=acknowledged, wanted=wanted)
        else:
            self._auto.note(event, asked=acknowledged)

    def _match(self, command: str, event: ServerEvent) -> Optional[CommandHandle]:
        fits = self._rules[command].fits
        if command == "response.create" and event.type == "response.done":
            if self._auto.settled(event):
                return None
        with self._lock:
            undecided = []
            for handle in self._by_command.get(command, ()):
                verdict = _try_rule_of_pending(fits, handle.command, event)
                if verdict:
                    self._remove(handle)
                    self._echoes_metadata |= _tells_correlation_of_pending(event)
                    return handle
                if verdict is None:
                    undecided.append(handle)
            chosen = undecided[0] if undecided else None
            if chosen is not None and command == "response.create":
                chosen = self._most_likely(undecided, event)
                if chosen is not None:
                    self._guessed[chosen.event_id] = chosen
            if chosen is not None and command == "conversation.item.create":
                chosen = self._nearest(undecided, event)
            if chosen is not None:
                self._remove(chosen)
            return chosen

    def _nearest(
        self, undecided: list[CommandHandle], event: ServerEvent
    ) -> Optional[CommandHandle]:
        """
        Which command made an item whose id is the server's own: the oldest of
        those that it is most like, if it is none of the server's items.
        """
        apart = [ack_difference(handle.command, event) for handle in undecided]
        nearest = min(apart)
        if self._items.made(getattr(event, "item", None), alike=nearest < UNLIKE):
            return None
        return undecided[apart.index(nearest)]

    def _most_likely(
        self, undecided: list[CommandHandle], event: ServerEvent
    ) -> Optional[CommandHandle]:
        """
        Which `response.create` a response belongs to that does not tell; rather
        none, which its `response.done` may still mend, than that of another.
        """
        if self._auto.awaited and event.type == "response.created":
            return None  # Of the turn that the user has just ended.
        if self._echoes_metadata:
            # This server would have given our key back.
            undecided = [
                h for h in undecided if not _tells_correlation_of_pending(h.command)
            ]
        likely = [h for h in undecided if not is_unlikely_ack(h.command, event)]
        return next(iter(likely or undecided), None)

    def _accept_error(self, event: ServerEvent) -> None:
        rejection = rejection_of_pending(event)
        with self._lock:
            # Found and taken out in one step: a command of another thread that is being
            # registered is either among those that wait or was not yet sent.
            owners = self._owners(rejection, event.event_id)
            for handle in owners:
                self._remove(handle)
            wrong = self._guessed.pop(rejection.event_id or "", None)
        # Not under the lock: it logs, which may run the program's code, and wakes a
        # thread that may send at once.
        for handle in owners:
            self._refuse(handle, rejection, retract=False)
        if not owners and wrong is not None:
            self._refuse(wrong, rejection, retract=True)
        elif not owners:
            # In a replay that is every error, and was told when it was new.
            level = logging.WARNING if self.complains else logging.DEBUG
            logger.log(level, "< error that no pending command fits: %s", rejection)

    def _refuse(
        self, handle: CommandHandle, error: CommandRejected, *, retract: bool
    ) -> None:
        rejection = copy.copy(error)  # Each names its own command.
        kind = handle.command.type
        remedy = self._remedy(f"{error} {error.code or ''} {error.param or ''} {kind}")
        if remedy is not None:
            rejection.args = (f"{error} {remedy}",)
        rejection.command = handle.command
        rejection.event_id = handle.event_id
        if not handle._awaited:
            # Whoever looks at the handle later finds it there as well. That
            # something to cancel was over already is nothing to report.
            harmless = isinstance(rejection, NothingToCancel)
            level = logging.INFO if harmless else logging.WARNING
            logger.log(level, "< %s was refused: %s", kind, rejection)
        if retract:
            handle._retract(rejection)
        else:
            handle._reject(rejection)

    def _owners(
        self, rejection: CommandRejected, event_id: object
    ) -> tuple[CommandHandle, ...]:
        """
        The commands that an error is about.

        One that names no command is about the one that its code or ``param``
        points to; one that points nowhere fails the call that alone is waiting.
        Some servers give the event the command's id, and not the error.
        """
        if rejection.event_id is None and event_id in self._by_id:
            rejection.event_id = str(event_id)
        if rejection.event_id is not None:
            named = self._by_id.get(rejection.event_id)
            return () if named is None else (named,)
        if not self._errors_point:
            return ()
        code, param = rejection.code, rejection.param
        waiting = [h for h in self._by_id.values() if h.command.type in self._rules]
        fits = [h for h in waiting if error_points_to(h.command.type, code, param)]
        if fits or not error_points_nowhere(code, param):
            return tuple(fits) if len(fits) == 1 else ()
        # What the server took in silence before it answered a later one.
        waiting = [h for h in waiting if h._number >= self._answered]
        calls = {h._call for h in waiting}
        return () if len(calls) != 1 or None in calls else tuple(waiting)

    def _remove(self, handle: CommandHandle) -> None:
        self._held.discard(handle.event_id)
        # Two threads may have given one id at once; then the later one has it.
        if self._by_id.get(handle.event_id) is handle:
            del self._by_id[handle.event_id]
        # Not there if a Ctrl-C came between the two steps of `expect`.
        with suppress(KeyError, ValueError):
            self._by_command[handle.command.type].remove(handle)

    def _end(self, error: Optional[BaseException]) -> None:
        with self._lock:
            # Taken out before any is failed: who is woken may send the same again, and
            # it must not be failed with the rest.
            handles = [h for id, h in self._by_id.items() if id not in self._held]
            for handle in handles:
                self._remove(handle)
        self._auto, self._items = AutoResponses(), AutoItems()
        for handle in handles:
            handle._reject(error or LocalProtocolError("the session is over"))


def rejection_of_pending(event: ServerEvent) -> CommandRejected:
    """
    The exception for an error event of any shape.

    Some servers send a string, some put the code into ``type``.
    """
    error = getattr(event, "error", None) or None
    code = _text_of_pending_error(error, "code")
    kind = _text_of_pending_error(error, "type")
    if code is None and kind in REJECTIONS:
        code = kind
    message = (
        _text_of_pending_error(error, "message")
        or _pending_error_as_text(event)
        or "the server gave no reason"
    )
    param = _text_of_pending_error(error, "param")
    fallback = InvalidRequest if param else CommandRejected
    return REJECTIONS.get(code or "", fallback)(
        redact(message + (f" [{code}]" if code else "")),
        type=_redacted_pending_error(kind),
        code=_redacted_pending_error(code),
        param=_redacted_pending_error(param),
        event_id=_text_of_pending_error(error, "event_id")
        or _text_of_pending_error(error, "client_event_id")
        or _text_of_pending_error(event, "client_event_id"),
    )


def _redacted_pending_error(text: Optional[str]) -> Optional[str]:
    return None if text is None else redact(text)


def _text_of_pending_error(value: object, name: str) -> Optional[str]:
    found = getattr(value, name, None)
    return found if isinstance(found, str) and found else None


def _pending_error_as_text(event: ServerEvent) -> Optional[str]:
    raw = event.raw if hasattr(event.raw, "get") else {}
    said = (raw.get("error"), raw.get("message"))
    return next((words for words in said if isinstance(words, str)), None)


def _try_rule_of_pending(
    fits: Fits, command: CommandOfHandle, event: ServerEvent
) -> Optional[bool]:
    try:
        return fits(command, event)
    except AttributeError:
        return None  # The event lacks what the rule looks at; order decides.


def _tells_correlation_of_pending(told: Union[CommandOfHandle, ServerEvent]) -> bool:
    return ack_correlation(getattr(told, "response", None)) is not None
