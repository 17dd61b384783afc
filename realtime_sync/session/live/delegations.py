"""
Client delegations: work that the voice hands to the program.

A function of the program answers, in a thread of its own, so that it may block
for as long as it likes while the conversation goes on.
"""

from __future__ import annotations

import contextvars
import inspect
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread, Timer
from time import monotonic
from typing import Any, Final, Optional, Protocol, cast
from weakref import ref

from attrs import field, frozen

from ...deadline import Deadline
from ...dispatch.watches import Watch, WatchList
from ...errors import ConfigurationError, ConnectionClosed, RealtimeError
from ...protocol.live import events
from ...transport.logs import area_logger
from .task import Task, TaskFunction, TaskSpeaker
from .text_chunks import text_chunks

logger = area_logger("realtime_sync.session")

_MOST_KNOWN: Final = 4096
MOST_WAITING: Final = 64
"""Delegations that wait for their turn; the oldest of more are given up."""
_WORK: Final = "session.delegation.created"
_HEARD: Final = "session.input_transcript.delta"
_LOST: Final = "connection.lost"
_RESTORED: Final = "connection.restored"
_FAILED: Final = "That could not be done just now. Say so briefly."
_LATE: Final = "That takes longer than expected. Say so briefly."
ON_STALE: Final = ("note", "say", "drop")


class DelegationHost(TaskSpeaker, Protocol):
    """What delegations ask of their session."""

    @property
    def name(self) -> str:
        """The name of the session."""

    @property
    def handler_context(self) -> Optional[contextvars.Context]:
        """What the program's functions run in a copy of; None for no context."""

    def notify(self, name: str, **fields: Any) -> None:
        """Deliver a notice of the library."""


def _check_delegation_positive(instance: object, attribute: Any, value: object) -> None:
    if not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(f"{attribute.name} must be positive, not {value!r}")


def _check_delegation_not_negative(
    instance: object, attribute: Any, value: object
) -> None:
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ConfigurationError(f"{attribute.name} must not be below 0: {value!r}")


def _check_delegation_sayable(instance: object, attribute: Any, value: object) -> None:
    try:
        if value is not None and value != "":
            text_chunks(value)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"{attribute.name} must be text that can be said, or None: {exc}"
        ) from None


@frozen(kw_only=True)
class Answering:
    """
    How a function answers delegations.

    Attributes:
        function: is called with the `Task`.
        timeout: seconds that an answer may take.
        parallel: how many may run at a time; others wait in order.
        settle: seconds without a word of the user before it is called.
        on_stale: what becomes of an answer that comes when the voice has handed on
            more: ``"note"`` lets the model know it without its being said, ``"say"``
            has it said, ``"drop"`` leaves it out.
        on_error: said when the function raises; None says nothing.
        on_timeout: said when its time is up; None says nothing.
    """

    function: TaskFunction
    timeout: float = field(default=60.0, validator=_check_delegation_positive)
    parallel: int = field(default=1, validator=_check_delegation_positive)
    settle: float = field(default=0.0, validator=_check_delegation_not_negative)
    on_stale: str = "note"
    on_error: Optional[str] = field(
        default=_FAILED, validator=_check_delegation_sayable
    )
    on_timeout: Optional[str] = field(
        default=_LATE, validator=_check_delegation_sayable
    )

    def __attrs_post_init__(self) -> None:
        if self.on_stale not in ON_STALE:
            raise ConfigurationError(
                f"on_stale must be one of {', '.join(map(repr, ON_STALE))}, "
                f"not {self.on_stale!r}"
            )

    @property
    def name(self) -> str:
        """The qualified name of the function."""
        return _name_of_delegation_function(self.function)


class Delegations:
    """
    Runs the function that answers; each delegation once, however often it is told.

    Args:
        session: whose voice delegates.
        watches: tell of delegations.
        wait: blocks on an event in the way that fits the session.
        wake: makes a thread that waits so look again.

    Attributes:
        answering: how a function answers; None while none does.
    """

    def __init__(
        self,
        session: DelegationHost,
        watches: WatchList,
        wait: Callable[[Event, Deadline], bool],
        wake: Callable[[], None],
    ) -> None:
        # The loop reaches this; what is at work holds the session, see `Task`.
        self._host = ref(session)
        self._name = session.name
        self._wait = wait
        self._wake = wake
        self.answering: Optional[Answering] = None
        # What was delegated before the latest loss. Without a lock: a loss is told
        # before the thread begins that tells of the connection in its place.
        self._before_loss: frozenset[str] = frozenset()
        # Guards everything below; functions run outside of it.
        self._lock = Lock()
        self._known: dict[str, None] = {}
        self._settled: dict[str, None] = {}
        self._waiting: deque[Task] = deque()
        self._running: set[Task] = set()
        self._latest = 0
        self._said = 0
        self._over = False
        # Not ended by a loss: the watch is the session's, not a connection's.
        watches.add(
            Watch(
                frozenset({_WORK, _HEARD, _LOST, _RESTORED}),
                self._accept,
                self._end,
                permanent=True,
            )
        )

    @property
    def _session(self) -> DelegationHost:
        """Whose voice delegates. Only where there is a task, which holds it."""
        session = self._host()
        assert session is not None
        return session

    def answer_with(self, answering: Answering) -> None:
        """
        Let a function answer from now on.

        Raises:
            ConfigurationError: another one does already.
            TypeError: it is a coroutine function, or cannot take the task.
        """
        _check_delegation_function(answering.function, "a delegation", "task")
        before = self.answering
        if before is not None and before.name != answering.name:
            raise ConfigurationError(
                f"{before.name} answers the delegations of this session already"
            )
        self.answering = answering

    def is_settled(self, delegation_id: str) -> bool:
        """Whether nothing more comes of a delegation from here."""
        return delegation_id in self._settled

    @property
    def open(self) -> tuple[Task, ...]:
        """Those that wait or run."""
        with self._lock:
            return (*self._running, *self._waiting)

    # -- reader thread ---------------------------------------------------------

    def _accept(self, event: Any) -> None:
        if isinstance(event, events.DelegationCreated):
            work = event.delegation
            name, target = getattr(work, "id", None), getattr(work, "target", None)
            self._created(name, target, event.offset_ms)
        elif event.type in (_LOST, _RESTORED):
            self._look_after_loss(event.type)
        elif self._running:
            now = monotonic()
            # Those that wait as well: what is said meanwhile belongs to their sentence.
            for task in self.open:
                task.heard_at = now
                task.stirred.set()
                self._wake()

    def _look_after_loss(self, kind: str) -> None:
        """
        Take up what was delegated before the session has used its new connection.

        It is in the mirror, and nobody was told: a session that is attached again
        goes on meanwhile.
        """
        session = self._host()
        if session is None:
            return
        snapshot = session.snapshot
        if kind == _LOST:
            self._before_loss = frozenset(snapshot.delegations)
            return
        for name, work in snapshot.delegations.items():
            known = name in self._before_loss or work.epoch != snapshot.epoch
            if work.state == "open" and not known:
                self._created(name, work.target, work.offset_ms)

    def _created(self, name: object, target: object, offset: object) -> None:
        if target != "client" or not isinstance(name, str):
            return
        answering = self.answering
        if answering is None:
            logger.warning(
                "! %s: a delegation came, and nothing answers it: @session.delegate",
                self._name,
            )
            return
        session = self._host()
        if session is None:
            return  # The program has let go of it, and it ends.
        said = session.snapshot.said
        with self._lock:
            if name in self._known or self._over:
                return  # Told again, to whoever attaches again.
            self._known[name] = None
            _bound_delegation(self._known)
            self._latest += 1
            task = Task(
                session,
                id=name,
                revision=self._latest,
                offset_ms=offset if isinstance(offset, (int, float)) else 0,
                said_before=self._said,
                latest=lambda: self._latest,
                wait=self._wait,
            )
            self._said = said.dropped + len(said.all())
            self._waiting.append(task)
            full = len(self._waiting) > MOST_WAITING
            oldest = self._waiting.popleft() if full else None
        if oldest is not None and oldest.conclude("dropped"):
            logger.warning(
                "! %s is given up: %s delegations wait already", oldest.id, MOST_WAITING
            )
            oldest.stopped.set()
            self._tell(oldest, "dropped")
        self._start_next(answering)

    def _end(self, error: Optional[BaseException]) -> None:
        """The session is over."""
        with self._lock:
            self._over = True
            tasks = (*self._running, *self._waiting)
            self._waiting.clear()
        for task in tasks:
            if task.conclude("cancelled"):
                self._tell(task, "cancelled")
            task.stopped.set()
            task.stirred.set()

    # -- workers ---------------------------------------------------------------

    def _start_next(self, answering: Answering) -> None:
        while True:
            with self._lock:
                if not self._waiting or len(self._running) >= answering.parallel:
                    return
                task = self._waiting.popleft()
                self._running.add(task)
            name = f"realtime-sync {self._name} delegation"
            work = (answering, task)
            try:
                Thread(target=self._run, args=work, name=name, daemon=True).start()
            except RuntimeError as exc:
                # The system gives no more threads. This may be the loop, where it would
                # end the connection; and the place of the task would not be free again.
                self._failed(answering, task, exc)
                with self._lock:
                    self._running.discard(task)

    def _run(self, answering: Answering, task: Task) -> None:
        limit = Timer(answering.timeout, self._give_up, (answering, task))
        limit.name = f"realtime-sync {self._name} delegation deadline"
        limit.daemon = True
        try:
            limit.start()
            self._finish(answering, task, self._call(answering, task))
        except BaseException as exc:  # A function may even raise SystemExit.
            self._failed(answering, task, exc)
        finally:
            limit.cancel()
            self._free(answering, task)

    def _call(self, answering: Answering, task: Task) -> Any:
        if answering.settle:
            task.settle(answering.settle, timeout=answering.timeout)
        context = self._session.handler_context or contextvars.Context()
        answer = context.copy().run(answering.function, task)
        if answer is not None and not isinstance(answer, str):
            raise TypeError(
                f"{answering.name} returned {type(answer).__name__}; the answer to a "
                "delegation is text, or None"
            )
        if answer:
            answer.encode()  # Half of a character fails here, where it is told.
        return answer

    def _finish(self, answering: Answering, task: Task, answer: Optional[str]) -> None:
        moved = self._session.snapshot.epoch != task.epoch
        how = answering.on_stale if task.stale or moved else "say"
        outcome = {"say": "answered", "note": "noted", "drop": "dropped"}[how]
        if answer is None or not answer.strip():
            outcome = "nothing"
        if not task.conclude(outcome):
            logger.info("= %s: nobody waits for this answer any more", task.id)
            return
        if outcome in ("answered", "noted"):
            assert answer is not None
            self._send(task, task.say if outcome == "answered" else task.note, answer)
        self._tell(task, outcome)

    def _failed(self, answering: Answering, task: Task, error: BaseException) -> None:
        logger.error("! %s failed", answering.name, exc_info=error)
        if not task.conclude("failed"):
            return
        self._session.notify("handler.failed", handler=answering.name, error=error)
        if answering.on_error:
            self._send(task, task.say, answering.on_error)
        self._tell(task, "failed")

    def _give_up(self, answering: Answering, task: Task) -> None:
        if not task.conclude("timeout"):
            return
        logger.warning("! %s took over %g s", answering.name, answering.timeout)
        if answering.on_timeout:
            self._send(task, task.say, answering.on_timeout)
        task.stopped.set()
        self._tell(task, "timeout")
        # A function that never returns must not hold up the next delegation.
        self._free(answering, task)

    def _free(self, answering: Answering, task: Task) -> None:
        with self._lock:
            self._running.discard(task)
        self._start_next(answering)

    def _tell(self, task: Task, outcome: str) -> None:
        """Last of all: whoever hears of it finds everything sent."""
        with self._lock:
            self._settled[task.id] = None
            _bound_delegation(self._settled)
        self._session.notify(
            "delegation.finished",
            delegation_id=task.id,
            outcome=outcome,
            revision=task.revision,
        )

    def _send(self, task: Task, send: Callable[[str], Any], text: str) -> None:
        try:
            send(text)
        except (ConnectionClosed, RealtimeError) as exc:
            logger.warning("! the answer to %s was not sent: %s", task.id, exc)


def _bound_delegation(kept: dict[str, None]) -> None:
    while len(kept) > _MOST_KNOWN:
        del kept[next(iter(kept))]


def _check_delegation_function(function: object, answered: str, given: str) -> None:
    """
    Raises:
        TypeError: it is no plain function of what it is called with.
    """
    plain = callable(function) and not (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    )
    if not plain:
        raise TypeError(f"{answered} is answered by a plain function: {function!r}")
    try:
        inspect.signature(cast(Callable[..., object], function)).bind(None)
    except TypeError as exc:
        name = _name_of_delegation_function(function)
        raise TypeError(f"{name} is called with the {given}: {exc}") from None
    except ValueError:
        pass  # Something without a signature.


def _name_of_delegation_function(function: object) -> str:
    return str(getattr(function, "__qualname__", repr(function)))


def decision_handler(
    function: Callable[[Any], Any], question: Optional[str], names: Callable[[], Any]
) -> Callable[[Any], None]:
    """
    A handler of `decision.event` that calls a function with what was decided.

    Args:
        function: is called with the answer to the question, or with all answers.
        question: its name; None for all.
        names: gives the names of the questions in their order, as they are then.

    Raises:
        TypeError: it is no plain function of one argument.
    """
    _check_delegation_function(function, "a decision", "answer")
    return partial(_call_with_decision, function, question, names)


def _call_with_decision(
    function: Callable[[Any], Any],
    question: Optional[str],
    names: Callable[[], Any],
    event: Any,
) -> None:
    answers = getattr(getattr(event.event, "decision", None), "answers", None) or ()
    if question is None:
        function(answers)
        return
    # An answer says which question it is about; where it does not, by their order.
    for place, answer in enumerate(answers):
        name = getattr(answer, "name", None)
        if not isinstance(name, str):
            known = names()
            name = known[place] if place < len(known) else None
        if name == question:
            function(answer)
