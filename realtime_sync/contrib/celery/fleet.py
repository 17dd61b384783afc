"""Many calls on many machines: Celery has the machines, this has the calls."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from threading import Lock
from types import new_class
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union
from uuid import uuid4

from attrs import evolve
from celery.bootsteps import StartStopStep
from celery.exceptions import Ignore, Reject
from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from ... import Threads
from ...errors import ConfigurationError
from ...telemetry import CallRow as BoardRow
from ...transport.logs import area_logger
from .call import Answer
from .claims import check_backend
from .control import Control
from .errors import CallLost, CallOver, FleetError
from .listener import Line
from .presence import ANSWER, Presence
from .recordings import check_place, check_writable
from .records import CallRow, Order, WorkerRow, packed, unpacked
from .remote import RemoteCall
from .settings import Settings
from .worker import CallWorker

if TYPE_CHECKING:
    from celery import Celery

    from ... import RealtimeClient

_log = area_logger("realtime_sync.contrib.celery")

TASK = "realtime_sync.fleet."
"""How the name of a fleet's task begins, before the name of the fleet."""

F = TypeVar("F", bound=Callable[..., Any])

BACKEND_RETRIES = 150
"""How often, once a second, the end of a call is written down in Redis."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}")
# Backends make keys and names of files of it.

LOST_SHOWN = 600.0
"""Seconds for which `Fleet.rows` shows a call that was lost."""

HAND_BACK = 0.5
"""Seconds after which a worker that ends gives a call back to the queue."""


class Fleet:
    """
    Calls in the workers of a Celery application.

    In a module that workers and everybody else import::

        fleet = Fleet(app, client=RealtimeClient, calls_per_process=200)

        @fleet.on_call
        def answer(call):
            call.session.response.create(instructions="Greet the caller.")
            call.wait()

    ``celery --app module worker --queues calls`` makes a worker of it: the pool, how
    many calls it takes, and that it takes no more from the queue are set by this. Any
    process has a call started with `start`, and tells it something through the
    `RemoteCall` that it gets.

    Any thread. Making one starts nothing.

    Args:
        app: with a broker and a result backend.
        client: called once in each worker; gives its client. `RealtimeClient` itself
            will do.
        name: of the fleet, and of its queue.
        model: of the sessions, unless a call names another.
        calls_per_process: how many calls a worker has at most. What is beyond it
            stays in the queue, for other workers.
        drain_timeout: seconds that calls may go on when their worker is told to end.
        longest_call: seconds after which any call is ended.
        tokens: that the responses of one call may take before it is ended; None for
            any number.
        recordings: folder, or URL for fsspec, to record calls to; None for none.
        threads: called once in each worker; gives the `Threads` that its sessions
            share.
        line: how carriers reach a worker; None if none does.

    Raises:
        ConfigurationError: an argument will not do.
    """

    def __init__(
        self,
        app: Celery,
        *,
        client: Callable[[], RealtimeClient],
        name: str = "calls",
        model: Optional[str] = None,
        calls_per_process: int = 200,
        drain_timeout: float = 600.0,
        longest_call: float = 7200.0,
        tokens: Optional[float] = None,
        recordings: Union[str, os.PathLike[str], None] = None,
        threads: Callable[[], Threads] = Threads,
        line: Optional[Line] = None,
    ) -> None:
        _check(name, calls_per_process, drain_timeout, longest_call, tokens)
        for label, given in (("client", client), ("threads", threads)):
            if not callable(given):
                raise ConfigurationError(
                    f"{label} is called in each worker; {given!r} cannot be"
                )
        place = None if recordings is None else os.fspath(recordings)
        check_place(place)
        task_name = f"{TASK}{name}"
        if task_name in app.tasks:
            raise ConfigurationError(
                f"the application has a fleet {name!r} already: give this one another "
                "name"
            )
        self.app = app
        self._settings = Settings(
            app=app,
            name=name,
            client=client,
            threads=threads,
            model=model,
            calls_per_process=calls_per_process,
            drain_timeout=drain_timeout,
            longest_call=longest_call,
            tokens=tokens,
            recordings=place,
            line=line,
        )
        self.on = self._settings.router.on
        self.once = self._settings.router.once
        self.off = self._settings.router.off
        self._control = Control(app, name)
        self._presence = Presence(self._control)
        # Guards the rows that were shown the last time.
        self._lock = Lock()
        self._worker: Optional[CallWorker] = None
        self._shown: dict[str, tuple[float, BoardRow]] = {}

        def call(task: Any, order: Mapping[str, Any]) -> dict[str, Any]:
            return self._run(task.request.id, order)

        self._task = app.task(
            call,
            bind=True,
            name=task_name,
            serializer="json",
            # A worker that dies before a call has begun leaves the message to others;
            # the claim keeps the message from being run twice.
            acks_late=True,
            ignore_result=False,
            shared=False,
        )
        app.steps["worker"].add(
            _step(name, self._worker_made, self._worker_starting, self._worker_closing)
        )
        app.on_after_configure.connect(self._configure, weak=False)
        if app.configured:
            self._configure()
        for signal, receiver in (
            (worker_init, self._worker_init),
            (worker_shutting_down, self._worker_shutting_down),
            (worker_shutdown, self._worker_shutdown),
        ):
            signal.connect(receiver, weak=False)

    def __repr__(self) -> str:
        return f"<Fleet {self._settings.name!r}>"

    # -- what a call does --------------------------------------------------------

    def on_call(self, function: F) -> F:
        """
        Run a function for each call, in a thread of the call's own; a decorator.

        Returning ends the call. What it returns is the result's ``value`` and must be
        JSON. Without one a call goes on until somebody hangs up.

        Args:
            function: called with the `Call`.
        """
        self._settings.answer = _called(function)
        return function

    def on_drain(self, function: F) -> F:
        """
        Run a function for each call when its worker is told to end; a decorator.

        The place to say goodbye. Calls may go on for ``drain_timeout`` seconds.

        Args:
            function: called with the `Call`.
        """
        self._settings.drained = _called(function)
        return function

    # -- from any process --------------------------------------------------------

    def start(
        self,
        model: Optional[str] = None,
        *,
        id: Optional[str] = None,
        call_id: Optional[str] = None,
        accept: Optional[Mapping[str, Any]] = None,
        config: Optional[Mapping[str, Any]] = None,
        stream: bool = False,
        to: Optional[str] = None,
        caller: Optional[str] = None,
        metadata: Optional[Mapping[str, Any]] = None,
        expires: Optional[float] = None,
        timeout: float = 10.0,
    ) -> RemoteCall:
        """
        Have a worker take a call.

        Starting one id twice gives the same call: a webhook may come twice.

        Args:
            model: of the session; None for the fleet's.
            id: of the call; by default *call_id*, or a new one.
            call_id: of a SIP or WebRTC call, to attach to.
            accept: configuration for the worker to accept it with; None if it has
                been accepted.
            config: of the session.
            stream: whether a carrier brings the sound: `RemoteCall.stream_url` says
                where to.
            to: number or SIP address that the worker dials.
            caller: number that is shown there.
            metadata: JSON, for the handlers: `Call.metadata`.
            expires: seconds after which it is not begun any more; None for never. The
                worker's clock decides.
            timeout: seconds for the broker to take it.

        Raises:
            ConfigurationError: an argument will not do.
            NoAnswer: the broker cannot be reached; the call may be started again.
        """
        check_backend(self.app.backend)
        if (to is None) != (caller is None):
            raise ConfigurationError("to and caller go together")
        if (stream or to) and self._settings.line is None:
            raise ConfigurationError("for a carrier, give the fleet a line")
        order = Order(
            model=model,
            call_id=call_id,
            accept=accept,
            config=config,
            stream=stream or to is not None,
            to=to,
            caller=caller,
            metadata=metadata or {},
        )
        chosen = id or call_id or uuid4().hex
        if not _ID.fullmatch(chosen):
            raise ConfigurationError(
                f"{chosen[:200]!r} is no id of a call: up to 200 letters, digits and "
                "any of . _ : @ + - after the first"
            )
        arguments = (packed(order),)
        try:
            json.dumps(arguments)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(f"a call is ordered in JSON: {exc}") from None
        self._control.send(
            self._task.name,
            chosen,
            arguments,
            queue=self._settings.name,
            expires=expires,
            timeout=timeout,
        )
        return self.call(chosen)

    def call(self, id: str) -> RemoteCall:
        """A call by its id, whoever has started it."""
        return RemoteCall(id, self._control, self._presence, self.app.backend)

    def calls(self, *, timeout: float = ANSWER) -> list[CallRow]:
        """
        Which worker has which call, as the workers themselves say.

        Args:
            timeout: seconds; all of them, as nobody knows how many will answer.
        """
        answers = self._control.ask("calls", {}, timeout=timeout)
        return [
            unpacked(CallRow, row)
            for worker in sorted(answers)
            for row in _done(answers[worker])
        ]

    def rows(self, *, timeout: float = ANSWER) -> list[BoardRow]:
        """
        The calls for a board; with `transcript` and `hang_up` a `telemetry.Rows`.

        A call that was there the last time and whose worker is gone is ``"lost"``,
        for `LOST_SHOWN` seconds. One whose worker did not answer this time is shown as
        it was.

        Args:
            timeout: seconds; all of them, as nobody knows how many will answer.
        """
        answers = self._control.ask("rows", {}, timeout=timeout)
        found = [
            unpacked(BoardRow, row) for each in answers.values() for row in _done(each)
        ]
        now = time.monotonic()
        shown = {row.id: (now, row) for row in found}
        with self._lock:
            before = self._shown
        for call_id, (seen, row) in before.items():
            if call_id in shown or row.state == "ended" or now - seen > LOST_SHOWN:
                continue
            state = "lost" if row.state == "lost" else self.call(call_id).state
            if state != "ended":
                row = evolve(row, state="lost") if state == "lost" else row
                shown[call_id] = seen, row
        with self._lock:
            self._shown = shown
        return [row for _, row in shown.values()]

    def transcript(self, call_id: str) -> list[tuple[str, str]]:
        """Who said what in a call, oldest first; nothing for one that is over."""
        try:
            return self.call(call_id).transcript()
        except FleetError:
            return []

    def hang_up(self, call_id: str) -> bool:
        """End a call; False when there is none of that id, or it has ended."""
        call = self.call(call_id)
        if call.state != "running":
            return False
        try:
            call.hang_up()
        except (CallOver, CallLost):
            return False
        return True

    def workers(self, *, timeout: float = ANSWER) -> list[WorkerRow]:
        """
        The workers.

        Args:
            timeout: seconds; all of them, as nobody knows how many will answer.
        """
        answers = self._control.ask("look", {}, timeout=timeout)
        return [
            unpacked(WorkerRow, answers[name]["done"])
            for name in sorted(answers)
            if "done" in answers[name]
        ]

    # -- in a worker -------------------------------------------------------------

    def _configure(self, **extra: Any) -> None:
        """What must hold in every process that reads the application's queues."""
        conf = self.app.conf
        conf.broker_transport_options = {
            "visibility_timeout": self._settings.visibility,
            **(conf.broker_transport_options or {}),
        }
        conf.result_backend_transport_options = {
            # A call may end while Redis is away.
            "retry_policy": {
                "max_retries": BACKEND_RETRIES,
                "interval_step": 0.2,
                "interval_max": 1.0,
            },
            **(conf.result_backend_transport_options or {}),
        }

    def _serves(self) -> bool:
        """Whether this process takes calls: it reads the fleet's queue."""
        return self._settings.name in self.app.amqp.queues.consume_from

    def _worker_init(self, sender: Any, **extra: Any) -> None:
        if sender.app is not self.app or not self._serves():
            return
        given = (self.app.conf.broker_transport_options or {}).get("visibility_timeout")
        if given is None or given < self._settings.visibility:
            _log.warning(
                "! visibility_timeout is %s: a broker such as Redis gives out the "
                "messages of calls that go on; it should be %s",
                given,
                self._settings.visibility,
            )
        # One thread for each call, and no message for which there is none: that is
        # what bounds the calls.
        sender.pool_cls = "threads"
        sender.concurrency = self._settings.calls_per_process
        sender.prefetch_multiplier = 1
        sender.options["autoscale"] = None

    def _worker_made(self) -> bool:
        """
        Celery makes a worker of its own; whether it is to take calls.

        What a signal's receiver raises is logged and forgotten; this ends the worker.
        """
        if not self._serves():
            return False
        check_backend(self.app.backend)
        read = self.app.amqp.queues.consume_from
        fleets = [task[len(TASK) :] for task in self.app.tasks if task.startswith(TASK)]
        here = sorted(fleet for fleet in fleets if fleet in read)
        if len(here) > 1:
            raise ConfigurationError(
                f"a worker reads the queue of one fleet, not of {' and '.join(here)}: "
                "each has a bound of its own"
            )
        return True

    def _worker_starting(self, sender: Any) -> None:
        """Before the first message is read; what this raises ends the worker."""
        check_writable(self._settings.recordings)
        self._worker = CallWorker(self._settings, self._control, sender.hostname)

    def _worker_shutting_down(self, how: str = "Warm", **extra: Any) -> None:
        worker = self._worker
        if worker is not None:
            worker.drain(self._settings.drain_timeout if how == "Warm" else 0.0)

    def _worker_closing(self, exit_code: Optional[int]) -> None:
        """
        Celery is about to wait for its tasks, for whatever reason.

        It says nothing before when it is ended by remote control, nor at SIGQUIT, where
        it fails to cancel what threads do (celery #10490).
        """
        worker = self._worker
        if worker is not None and not worker.draining:
            worker.drain(0.0 if exit_code else self._settings.drain_timeout)

    def _worker_shutdown(self, **extra: Any) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _run(self, call_id: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """The task: one call, in a thread of the pool."""
        worker = self._worker
        if worker is None:
            raise ConfigurationError(
                "calls run in a worker that Celery has started with --queues "
                f"{self._settings.name}"
            )
        if worker.draining:
            # Not at once: until the consumer has stopped it would come back.
            time.sleep(HAND_BACK)
            raise Reject("this worker ends", requeue=True)
        token = worker.claim(call_id)
        if token is None:
            _log.info("= call %s was begun before: not again", call_id)
            raise Ignore()
        return worker.run(call_id, token, unpacked(Order, order))


def _step(
    name: str,
    made: Callable[[], bool],
    starting: Callable[[Any], None],
    closing: Callable[[Optional[int]], None],
) -> type:
    """
    A step of Celery's worker: begins before messages are read, and hears of the end
    before the pool does.
    """

    def include(step: object, worker: Any) -> bool:
        return made()

    def start(step: object, worker: Any) -> None:
        starting(worker)

    def close(step: object, worker: Any) -> None:
        closing(worker.exitcode)

    members = {
        "name": f"{TASK}{name}",
        "requires": ("celery.worker.components:Pool",),
        "include_if": include,
        "start": start,
        "close": close,
    }
    return new_class(
        "FleetStep", (StartStopStep,), {}, lambda body: body.update(members)
    )


def _done(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a worker told; nothing if it could not."""
    found: list[Mapping[str, Any]] = answer.get("done") or []
    return found


def _called(function: Any) -> Answer:
    if not callable(function):
        raise TypeError(f"a function that is called with the Call, not {function!r}")
    for each in (function, getattr(function, "__call__", None)):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise TypeError(
                f"{function!r} is a coroutine function: what runs for a call is a "
                "plain function, called in a thread of the call's own"
            )
        if inspect.isgeneratorfunction(each):
            raise TypeError(
                f"{function!r} has a yield in it, so that calling it would run nothing"
            )
    try:
        inspect.signature(function).bind(None)
    except TypeError as exc:
        raise TypeError(f"{function!r} is called with the Call: {exc}") from None
    except ValueError:
        pass  # A builtin, which does not say what it takes.
    return function  # type: ignore[no-any-return]


def _check(
    name: str,
    calls_per_process: int,
    drain_timeout: float,
    longest_call: float,
    tokens: Optional[float],
) -> None:
    if not name or not all(each.isalnum() or each in "._-" for each in name):
        raise ConfigurationError(
            f"{name!r} cannot name a fleet: letters, digits, '.', '_' and '-' can"
        )
    if isinstance(calls_per_process, bool) or not isinstance(calls_per_process, int):
        raise ConfigurationError(f"calls_per_process is no number: {calls_per_process}")
    if calls_per_process < 1:
        raise ConfigurationError("calls_per_process must be 1 at least")
    for label, seconds in (
        ("drain_timeout", drain_timeout),
        ("longest_call", longest_call),
    ):
        if not (_is_number(seconds) and seconds < math.inf):
            raise ConfigurationError(f"{label} must be seconds, not {seconds!r}")
    if tokens is not None and not _is_number(tokens):
        raise ConfigurationError(f"tokens must be a number, not {tokens!r}")


def _is_number(value: object) -> bool:
    """Whether it is one, and not less than nothing; NaN is not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and value >= 0  # type: ignore[operator]
