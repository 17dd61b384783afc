"""Many calls on many machines: Celery has the machines, this has the calls."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union
from uuid import uuid4

from ... import Threads
from ...errors import ConfigurationError
from ...telemetry import CallRow as BoardRow
from ...telemetry import Prices
from .board_rows import BoardRows
from .bootsteps import Bootsteps
from .call import Answer
from .claims import check_claims_backend
from .control import WorkerControl
from .errors import CallLost, CallOver, FleetError
from .limits import Limits
from .listener import Line
from .records import (
    MOST_BYTES,
    CallRow,
    Order,
    WorkerRow,
    packed_record,
    unpacked_record,
)
from .remote_call import RemoteCall
from .settings import FleetSettings, check_call_id_setting, is_duration_setting
from .worker_presence import ANSWER, Presence

if TYPE_CHECKING:
    from celery import Celery

    from ... import RealtimeClient

F = TypeVar("F", bound=Callable[..., Any])


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
        tokens: that one call may take before it is ended, see `Limits`; None for any
            number.
        cost: that one call may come to before it is ended; None for any.
        prices: of each model by its name, a `realtime_sync.telemetry.Prices` or its
            attributes as a mapping.
        grace: seconds that a call which has reached a limit may go on, where a
            function of `on_limit` says goodbye.
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
        cost: Optional[float] = None,
        prices: Mapping[str, Union[Prices, Mapping[str, object]]] = {},
        grace: float = 10.0,
        recordings: Union[str, os.PathLike[str], None] = None,
        threads: Callable[[], Threads] = Threads,
        line: Optional[Line] = None,
    ) -> None:
        self.app = app
        self._settings = FleetSettings(
            app=app,
            name=name,
            client=client,
            threads=threads,
            model=model,
            calls_per_process=calls_per_process,
            drain_timeout=drain_timeout,
            longest_call=longest_call,
            limits=Limits(tokens=tokens, cost=cost),
            prices=prices,
            grace=grace,
            recordings=None if recordings is None else os.fspath(recordings),
            line=line,
        )
        self.on = self._settings.router.on
        self.once = self._settings.router.once
        self.off = self._settings.router.off
        self._control = WorkerControl(app, name)
        self._presence = Presence(self._control)
        self._board = BoardRows(lambda call_id: self.call(call_id).state)
        self._task = Bootsteps(self._settings, self._control).task

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
        self._settings.answer = _called_by_fleet(function)
        return function

    def on_drain(self, function: F) -> F:
        """
        Run a function for each call when its worker is told to end; a decorator.

        The place to say goodbye. Calls may go on for ``drain_timeout`` seconds.

        Args:
            function: called with the `Call`.
        """
        self._settings.drained = _called_by_fleet(function)
        return function

    def on_limit(self, function: F) -> F:
        """
        Run a function for each call that has reached a limit; a decorator.

        The place to say goodbye: ``call.limit`` says which it is, and the call is
        ended ``grace`` seconds later. Without one it is ended at once.

        Args:
            function: called with the `Call`.
        """
        self._settings.limited = _called_by_fleet(function)
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
        limits: Union[Limits, Mapping[str, Any], None] = None,
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
            limits: what it may take, where that is not what the fleet says; of the
                fleet's ``longest_call`` it can have no more.
            metadata: JSON, for the handlers: `Call.metadata`.
            expires: seconds after which it is not begun any more; None for never. The
                worker's clock decides, so keep clocks in step.
            timeout: seconds for the broker to take it.

        Raises:
            ConfigurationError: an argument will not do.
            NoAnswer: the broker cannot be reached; the call may be started again.
        """
        check_claims_backend(self.app.backend)
        if (to is None) != (caller is None):
            raise ConfigurationError("to and caller go together")
        if expires is not None and not is_duration_setting(expires):
            raise ConfigurationError(f"expires must be seconds, not {expires!r}")
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
            limits=None if limits is None else packed_record(Limits.of(limits)),
            metadata={} if metadata is None else metadata,
        )
        chosen = check_call_id_setting(id or call_id or uuid4().hex)
        self._settings.limits_of(order)
        self._control.send(
            self._task.name,
            self._settings.task_id(chosen),
            _ordered_of_fleet(order),
            queue=self._settings.name,
            expires=expires,
            timeout=timeout,
        )
        return self.call(chosen)

    def call(self, id: str) -> RemoteCall:
        """
        A call by its id, whoever has started it.

        Raises:
            ConfigurationError: no call has such an id.
        """
        return RemoteCall(
            check_call_id_setting(id),
            self._settings.task_id(id),
            self._control,
            self._presence,
            self.app.backend,
        )

    def calls(self, *, timeout: float = ANSWER) -> list[CallRow]:
        """
        Which worker has which call, as the workers themselves say.

        Args:
            timeout: seconds; all of them, as nobody knows how many will answer.
        """
        answers = self._control.ask("calls", {}, timeout=timeout)
        return [
            unpacked_record(CallRow, row)
            for worker in sorted(answers)
            for row in _done_by_fleet(answers[worker])
        ]

    def rows(self, *, timeout: float = ANSWER) -> list[BoardRow]:
        """
        The calls for a board; with `transcript` and `hang_up` a `telemetry.Rows`.

        A call that was there the last time and whose worker is gone is ``"lost"``,
        for ten minutes. One whose worker did not answer this time is shown as
        it was.

        Args:
            timeout: seconds; all of them, as nobody knows how many will answer.
        """
        answers = self._control.ask("rows", {}, timeout=timeout)
        found = [
            unpacked_record(BoardRow, row)
            for each in answers.values()
            for row in _done_by_fleet(each)
        ]
        return self._board.shown(found)

    def transcript(self, call_id: str) -> list[tuple[str, str]]:
        """Who said what in a call, oldest first; nothing for one that is over."""
        try:
            return self.call(call_id).transcript()
        except (FleetError, ConfigurationError):
            return []

    def hang_up(self, call_id: str) -> bool:
        """End a call; False when there is none of that id, or it has ended."""
        try:
            call = self.call(call_id)
            if call.state != "running":
                return False
            call.hang_up()
        except (CallOver, CallLost, ConfigurationError):
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
            unpacked_record(WorkerRow, answers[name]["done"])
            for name in sorted(answers)
            if "done" in answers[name]
        ]


def _done_by_fleet(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a worker told; nothing if it could not."""
    found: list[Mapping[str, Any]] = answer.get("done") or []
    return found


def _called_by_fleet(function: Any) -> Answer:
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


def _ordered_of_fleet(order: Order) -> tuple[dict[str, Any]]:
    """
    The arguments of a task.

    Raises:
        ConfigurationError: they are no JSON, or more than a broker takes.
    """
    arguments = (packed_record(order),)
    try:
        size = len(json.dumps(arguments))
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"a call is ordered in JSON: {exc}") from None
    if size > MOST_BYTES:
        raise ConfigurationError(
            f"a call is ordered in {MOST_BYTES:,} bytes, not {size:,}: leave the rest "
            "where the worker can fetch it"
        )
    return arguments
