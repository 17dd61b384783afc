"""A fleet in a worker of Celery: begins with it, takes its tasks, ends with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import new_class
from typing import Any, Optional

from celery.bootsteps import StartStopStep
from celery.exceptions import Ignore, Reject, WorkerShutdown
from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from ...errors import ConfigurationError
from ...transport.logs import area_logger
from .claims import check_claims_backend
from .control import WorkerControl
from .recordings import check_recording_folder
from .records import Order, unpacked_record
from .settings import FleetSettings
from .worker import CallWorker

_log = area_logger("realtime_sync.contrib.celery")

TASK = "realtime_sync.fleet."
"""How the name of a fleet's task begins, before the name of the fleet."""

BACKEND_RETRIES = 150
"""How often, once a second, the end of a call is written down in Redis."""

HAND_BACK = 0.5
"""Seconds after which a worker that ends gives a call back to the queue."""


class Bootsteps:
    """
    What Celery calls, in any process that has the application.

    Making it has Celery call it for as long as the application lives.

    Args:
        settings: of the fleet.
        control: how commands come.

    Attributes:
        task: whose messages are calls.
    """

    def __init__(self, settings: FleetSettings, control: WorkerControl) -> None:
        self._settings = settings
        self._control = control
        self._worker: Optional[CallWorker] = None
        app = settings.app
        task_name = f"{TASK}{settings.name}"
        if task_name in app.tasks:
            raise ConfigurationError(
                f"the application has a fleet {settings.name!r} already: give this one "
                "another name"
            )

        def call(task: Any, order: Mapping[str, Any]) -> dict[str, Any]:
            return self._run(task.request.id, order)

        self.task = app.task(
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
        app.steps["worker"].add(self._step())
        app.on_after_configure.connect(self._configure, weak=False)
        if app.configured:
            self._configure()
        for signal, receiver in (
            (worker_init, self._worker_init),
            (worker_shutting_down, self._worker_shutting_down),
            (worker_shutdown, self._worker_shutdown),
        ):
            signal.connect(receiver, weak=False)

    def _step(self) -> type:
        """
        A step of Celery's worker: begins before messages are read, and hears of the
        end before the pool does.
        """

        def include(step: object, worker: Any) -> bool:
            return self._made()

        def start(step: object, worker: Any) -> None:
            self._starting(worker.hostname)

        def close(step: object, worker: Any) -> None:
            self._closing()

        members = {
            "name": f"{TASK}{self._settings.name}",
            "requires": ("celery.worker.components:Pool",),
            "include_if": include,
            "start": start,
            "close": close,
        }
        return new_class(
            "FleetStep", (StartStopStep,), {}, lambda body: body.update(members)
        )

    def _configure(self, **extra: Any) -> None:
        """What must hold in every process that reads the application's queues."""
        conf = self._settings.app.conf
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

    # -- the begin -----------------------------------------------------------------

    def _serves(self) -> bool:
        """Whether this process takes calls: it reads the fleet's queue."""
        return self._settings.name in self._settings.app.amqp.queues.consume_from

    def _worker_init(self, sender: Any, **extra: Any) -> None:
        app = self._settings.app
        if sender.app is not app or not self._serves():
            return
        given = (app.conf.broker_transport_options or {}).get("visibility_timeout")
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

    def _made(self) -> bool:
        """
        Celery makes a worker of its own; whether it is to take calls.

        What a signal's receiver raises is logged and forgotten; this ends the worker.
        """
        if not self._serves():
            return False
        app = self._settings.app
        check_claims_backend(app.backend)
        read = app.amqp.queues.consume_from
        fleets = [task[len(TASK) :] for task in app.tasks if task.startswith(TASK)]
        here = sorted(fleet for fleet in fleets if fleet in read)
        if len(here) > 1:
            raise ConfigurationError(
                f"a worker reads the queue of one fleet, not of {' and '.join(here)}: "
                "each has a bound of its own"
            )
        return True

    def _starting(self, hostname: str) -> None:
        """Before the first message is read; what this raises ends the worker."""
        from celery.worker import state  # loads all of a worker

        def must_terminate() -> bool:
            wanted = state.should_terminate  # an exit code, of which 0 is one
            return wanted is not None and wanted is not False

        check_recording_folder(self._settings.recordings)
        self._worker = CallWorker(
            self._settings, self._control, hostname, must_terminate
        )

    # -- a task --------------------------------------------------------------------

    def _run(self, task_id: str, order: Mapping[str, Any]) -> dict[str, Any]:
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
        call_id = self._settings.call_id(task_id)
        token = worker.claim(call_id)
        if token is None:
            _log.info("= call %s was begun before: not again", call_id)
            raise Ignore()
        return worker.run(call_id, token, unpacked_record(Order, order))

    # -- the end -------------------------------------------------------------------

    def _worker_shutting_down(self, how: str = "Warm", **extra: Any) -> None:
        worker = self._worker
        if worker is not None:
            worker.drain(self._settings.drain_timeout if how == "Warm" else 0.0)

    def _closing(self) -> None:
        """
        Celery is about to wait for its tasks, for whatever reason.

        It says nothing before when it is ended by remote control, nor at SIGQUIT: it
        fails to cancel what threads do (celery #10490), in the handler of the signal,
        and that exception is what ends it, perhaps in the middle of a warm shutdown.
        """
        worker = self._worker
        if worker is not None:
            cause = sys.exc_info()[1]
            warm = cause is None or isinstance(cause, WorkerShutdown)
            worker.drain(self._settings.drain_timeout if warm else 0.0)

    def _worker_shutdown(self, **extra: Any) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
