"""
The commands of a session that wait for their acknowledgement.
"""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import Any, Optional
from weakref import WeakValueDictionary

from ..dispatch.watches import Watch
from ..errors import (
    REJECTIONS,
    CommandRejected,
    InvalidRequest,
    LocalProtocolError,
    NothingToCancel,
)
from ..protocol.acks import (
    ACKS,
    correlation,
    error_fits,
    error_points_to,
    is_unlikely,
)
from ..transport.logs import area_logger
from ..transport.redaction import redact
from .auto_responses import AutoResponses
from .command_handle import CommandHandle

logger = area_logger("realtime_sync.session")

_MOST_PENDING = 4096


class PendingCommands:
    """
    The commands of a session that wait for their acknowledgement.

    Registered before the command is written; resolved on the reader.

    Attributes:
        complains: log errors that belong to no command.
    """

    def __init__(self) -> None:
        self.complains = True
        # Guards the queues, and is the lock under which commands take their place
        # on the way out: what is matched by order is expected in that order.
        self.order = self._lock = Lock()
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
        self._auto = AutoResponses()
        for command, rule in ACKS.items():
            for event in rule.events + rule.repeated:
                self._by_event.setdefault(event, []).append(command)
        self.watch = Watch(
            frozenset(self._by_event) | AutoResponses.TYPES | {"error"},
            self._accept,
            self._end,
            lasting=True,
        )

    @property
    def any(self) -> bool:
        """Whether a command waits for its answer."""
        return bool(self._by_id)

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
        assert self._lock.locked()
        kind = handle.command.type
        self._registered += 1
        handle._number = self._registered
        self._by_id[handle.event_id] = handle
        if held:
            self._held.add(handle.event_id)
        queue = self._by_command.setdefault(kind, deque())
        queue.append(handle)
        if len(queue) <= _MOST_PENDING:
            return None
        oldest = queue.popleft()
        self._by_id.pop(oldest.event_id, None)
        return oldest

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
                waits = self._by_id.get(handle.event_id) is handle
                if waits:
                    self._remove(handle)
            if waits:
                handle._reject(error)

    def _accept(self, event: Any) -> None:
        if event.type == "error":
            self._accept_error(event)
            return
        first = event.type not in self._heard
        self._heard.add(event.type)
        acknowledged = False
        for command in self._by_event.get(event.type, ()):
            if first and event.type in ACKS[command].repeated:
                continue
            handle = self._match(command, event)
            if handle is not None:
                acknowledged = True
                self._answered = max(self._answered, handle._number)
                handle._acknowledge(event)
        if event.type == "response.created":
            wanted = bool(self._by_command.get("response.create"))
            self._auto.created(event, ours=acknowledged, wanted=wanted)
        else:
            self._auto.note(event, asked=acknowledged)

    def _match(self, command: str, event: Any) -> Optional[CommandHandle]:
        fits = ACKS[command].fits
        if command == "response.create" and event.type == "response.done":
            if self._auto.settled(event):
                return None
        with self._lock:
            undecided = []
            for handle in self._by_command.get(command, ()):
                verdict = _try(fits, handle.command, event)
                if verdict:
                    self._remove(handle)
                    self._echoes_metadata |= _tells_correlation(event)
                    return handle
                if verdict is None:
                    undecided.append(handle)
            chosen = undecided[0] if undecided else None
            if chosen is not None and command == "response.create":
                chosen = self._most_likely(undecided, event)
                if chosen is not None:
                    self._guessed[chosen.event_id] = chosen
            if chosen is not None:
                self._remove(chosen)
            return chosen

    def _most_likely(
        self, undecided: list[CommandHandle], event: Any
    ) -> Optional[CommandHandle]:
        """
        Which `response.create` a response belongs to that does not tell; rather
        none, which its `response.done` may still mend, than that of another.
        """
        if self._auto.awaited and event.type == "response.created":
            return None  # Of the turn that the user has just ended.
        if self._echoes_metadata:
            # This server would have given our key back.
            undecided = [h for h in undecided if not correlation(h.command.response)]
        likely = [h for h in undecided if not is_unlikely(h.command, event)]
        return next(iter(likely or undecided), None)

    def _accept_error(self, event: Any) -> None:
        rejection = rejection_of(event)
        with self._lock:
            handle = self._owner(rejection)
            if handle is not None:
                self._remove(handle)
            wrong = self._guessed.pop(rejection.event_id or "", None)
        handle = handle or wrong
        if handle is None:
            # In a replay that is every error, and was told when it was new.
            level = logging.WARNING if self.complains else logging.DEBUG
            logger.log(level, "< error that no pending command fits: %s", rejection)
            return
        rejection.command = handle.command
        rejection.event_id = handle.event_id
        if not handle._awaited:
            # Whoever looks at the handle later finds it there as well. That
            # something to cancel was over already is nothing to report.
            harmless = isinstance(rejection, NothingToCancel)
            level = logging.INFO if harmless else logging.WARNING
            logger.log(level, "< %s was refused: %s", handle.command.type, rejection)
        if handle is wrong:
            handle._retract(rejection)
        else:
            handle._reject(rejection)

    def _owner(self, rejection: CommandRejected) -> Optional[CommandHandle]:
        if rejection.event_id is not None:
            return self._by_id.get(rejection.event_id)
        fitting = [each for each in self._by_id.values() if self._fits(each, rejection)]
        return fitting[0] if len(fitting) == 1 else None

    def _fits(self, handle: CommandHandle, rejection: CommandRejected) -> bool:
        kind, code, param = handle.command.type, rejection.code, rejection.param
        if kind not in ACKS:
            return False
        if handle._number < self._answered:
            # The server took it in silence, and has answered a later one.
            return error_points_to(kind, code, param)
        return error_fits(kind, code, param)

    def _remove(self, handle: CommandHandle) -> None:
        assert self._lock.locked()
        if self._by_id.pop(handle.event_id, None) is not None:
            self._by_command[handle.command.type].remove(handle)

    def _end(self, error: Optional[BaseException]) -> None:
        with self._lock:
            handles = [h for id, h in self._by_id.items() if id not in self._held]
            for handle in handles:
                self._remove(handle)
        self._auto = AutoResponses()
        for handle in handles:
            handle._reject(error or LocalProtocolError("the session is over"))


def rejection_of(event: Any) -> CommandRejected:
    """
    The exception for an error event of any shape.

    Some servers send a string, some put the code into ``type``.
    """
    error = getattr(event, "error", None) or None
    code = _text(error, "code")
    kind = _text(error, "type")
    if code is None and kind in REJECTIONS:
        code = kind
    message = _text(error, "message") or _plain(event) or "the server gave no reason"
    param = _text(error, "param")
    fallback = InvalidRequest if param else CommandRejected
    return REJECTIONS.get(code or "", fallback)(
        redact(message) + (f" [{code}]" if code else ""),
        type=kind,
        code=code,
        param=param,
        event_id=_text(error, "event_id"),
    )


def _text(value: Any, name: str) -> Optional[str]:
    found = getattr(value, name, None)
    return found if isinstance(found, str) and found else None


def _plain(event: Any) -> Optional[str]:
    raw = event.raw if hasattr(event.raw, "get") else {}
    said = (raw.get("error"), raw.get("message"))
    return next((words for words in said if isinstance(words, str)), None)


def _try(fits: Any, command: Any, event: Any) -> Optional[bool]:
    try:
        return fits(command, event)  # type: ignore[no-any-return]
    except AttributeError:
        return None  # The event lacks what the rule looks at; order decides.


def _tells_correlation(event: Any) -> bool:
    return correlation(getattr(event, "response", None)) is not None
